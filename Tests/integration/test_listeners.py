"""Listeners as resources: made of the flags, judged field by field, versioned, opened and closed while everything else goes on."""

import pathlib
import socket
import sys

import pytest

from browser import full
from integration.gateway import ROOT
from integration.live import Callers, Streams
from integration.ports import free_port
from integration.site import Site
from integration.test_documents import apply, export
from integration.test_upgrade import listening, upgradable  # noqa: F401  a fixture
from integration.tryout import Try, account
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.wire import Wire

UNPRIVILEGED = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


def listener(name, port, protocol="http", **more):
    return {"name": name, "address": "127.0.0.1", "port": port, "protocol": protocol, **more}


def refused(api, method, path, body, status=400):
    return [each["field"] for each in api.expect(status, method, path, body).json()["errors"]]


def get(port, host, path="/", **more):
    with Wire.connect(port, **more) as wire:
        return wire.request("GET", path, host)


def is_closed(port):
    try:
        Wire.connect(port, timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


def degraded(gateway):
    return [each for worker in gateway.workers() for each in worker["degraded"]]


@pytest.fixture
def made(gateway):
    """Makes a listener; all are gone at the end of the test."""
    names = []

    def make(name, protocol="http", **more):
        names.append(name)
        return gateway.api.post("/v1/listeners", listener(name, more.pop("port", None) or free_port(), protocol, **more))

    yield make
    for name in names:
        if gateway.api.call("GET", f"/v1/listeners/{name}").status_code == 200:
            gateway.api.delete(f"/v1/listeners/{name}")


# ---- the resource


def test_a_new_instance_has_two_of_its_flags(gateway):
    first = {each["name"]: each for each in gateway.api.get("/v1/listeners")}
    assert first.keys() >= {"http", "https"}
    assert (first["http"]["port"], first["https"]["port"]) == (gateway.http_port, gateway.https_port)
    for name in ("http", "https"):
        one = gateway.api.get(f"/v1/listeners/{name}")
        assert one == first[name] == {
            "name": name, "version": "1", "address": "127.0.0.1", "port": first[name]["port"], "protocol": name,
            "proxyProtocol": None, "forwardedHeaders": None, "limits": None,
        }  # fmt: skip
    version = gateway.api.get("/v1/versions/1")
    assert version["author"] == "system" and {each["kind"] for each in version["changes"]} == {"listener"}
    assert {each["via"] for each in gateway.api.get("/v1/audit?kind=listener&action=create&name=http")} == {"command line"}


def test_every_field_comes_back_and_lists_are_paged_and_filtered(gateway, made):
    wanted = full.listener(free_port())
    made("full", **{key: value for key, value in wanted.items() if key not in ("name", "address")})
    shown = gateway.api.get("/v1/listeners/full")
    assert {key: value for key, value in shown.items() if key != "version"} == wanted
    page = gateway.api.expect(200, "GET", "/v1/listeners?pageNum=2&pageSize=1").json()
    assert (page["total"], page["pageNum"], [each["name"] for each in page["data"]]) == (3, 2, ["http"])
    names = [each["name"] for each in gateway.api.get("/v1/listeners?protocol=https")]
    assert names == ["full", "https"]
    assert gateway.api.expect(400, "GET", "/v1/listeners?protocol=tcp").json()["errors"][0]["field"] == "protocol"
    assert gateway.api.call("GET", "/v1/listeners/nobody").status_code == 404
    # The worker has it, limits and all.
    worker = gateway.workers()[0]["id"]
    config = gateway.api.get(f"/v1/workers/{worker}/config?kind=listener&name=full")
    assert '"maxConnections": 1000' in str(config).replace("'", '"')


@pytest.mark.parametrize(
    "change, field",
    [
        ({"name": ""}, "name"), ({"name": "a b"}, "name"), ({"name": ".a"}, "name"),
        ({"address": ""}, "address"), ({"address": "localhost"}, "address"), ({"address": "[::1]"}, "address"),
        ({"address": "127.0.0.1:80"}, "address"), ({"address": "fe80::1%eth0"}, "address"), ({"address": "1.2.3"}, "address"),
        ({"port": 0}, "port"), ({"port": None}, "port"), ({"port": -1}, "port"), ({"port": 65536}, "port"), ({"port": "80"}, "port"),
        ({"port": 8.5}, "port"), ({"protocol": ""}, "protocol"), ({"protocol": "tcp"}, "protocol"),
        ({"proxyProtocol": {}}, "proxyProtocol.trustedRanges"),
        ({"proxyProtocol": {"trustedRanges": ["10.0.0.0/33"]}}, "proxyProtocol.trustedRanges[0]"),
        ({"forwardedHeaders": {"trustedRanges": ["10.0.0.0/8", "shop.test"]}}, "forwardedHeaders.trustedRanges[1]"),
        ({"forwardedHeaders": {"trustedRanges": ["10.0.0.0/8"] * 1001}}, "forwardedHeaders.trustedRanges"),
        ({"limits": {"maxConnections": -1}}, "limits.maxConnections"), ({"limits": {"maxHeaderListSize": 100}}, "limits.maxHeaderListSize"),
        ({"limits": {"maxConcurrentStreams": 0}}, "limits.maxConcurrentStreams"),
        ({"limits": {"memoryPerLoop": 1 << 41}}, "limits.memoryPerLoop"),
        ({"limits": {"tlsHandshakeTimeout": 86_400_001}}, "limits.tlsHandshakeTimeout"), ({"limits": {"maxResets": "x"}}, "limits.maxResets"),
    ],
)  # fmt: skip
def test_each_field_is_judged(gateway, change, field):
    assert refused(gateway.api, "POST", "/v1/listeners", {**listener("bad", 8000), **change}) == [field]
    if field != "name":
        assert refused(gateway.api, "PUT", "/v1/listeners/http", {**listener("http", gateway.http_port), **change}) == [field]


def test_an_address_and_port_is_one_listeners(gateway, made):
    api = gateway.api
    assert refused(api, "POST", "/v1/listeners", listener("twin", gateway.http_port)) == ["port"]
    assert refused(api, "PUT", "/v1/listeners/http", listener("http", gateway.https_port)) == ["port"]
    six = made("six", address="::1")
    assert six["address"] == "::1"
    again = {**listener("again", six["port"]), "address": "0:0:0:0:0:0:0:1"}
    assert refused(api, "POST", "/v1/listeners", again) == ["port"]
    # The admin API's own port, wherever it would meet it.
    for address in ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"):
        for method, path, name in (("POST", "/v1/listeners", "admin"), ("PUT", "/v1/listeners/http", "http")):
            body = {**listener(name, gateway.admin_port), "address": address}
            assert refused(api, method, path, body) == ["port"], (address, method)
    assert refused(api, "POST", "/v1/listeners?dryRun=true", listener("admin", gateway.admin_port)) == ["port"]
    # Two listeners may share a port where one is at every address: that is told.
    wide = made("wide", address="0.0.0.0", port=six["port"])
    assert "warnings" not in wide
    narrow = made("narrow", port=six["port"])
    assert any("wide" in each for each in narrow["warnings"])
    assert any("narrow" in each for each in api.get("/v1/listeners/wide")["warnings"])


def test_what_may_surprise_is_told(gateway, made):
    trusting = made("trusting", forwardedHeaders={"trustedRanges": ["*", "0.0.0.0/0"]}, unheard=1)
    assert len([each for each in trusting["warnings"] if "feign" in each]) == 2
    assert any("unheard" in each for each in trusting["warnings"])
    answer = gateway.api.expect(201, "POST", "/v1/listeners", {**listener("low", 1), "address": "127.0.0.9"}).json()
    try:
        assert any("CAP_NET_BIND_SERVICE" in each for each in answer.get("warnings", [])) == (UNPRIVILEGED > 1)
    finally:
        gateway.api.delete("/v1/listeners/low")


def test_writes_are_locked_and_names_stay(gateway, made):
    api = gateway.api
    one = made("locked")
    assert api.expect(409, "POST", "/v1/listeners", listener("locked", free_port())).json()["code"] == "duplicate"
    assert refused(api, "PUT", "/v1/listeners/locked", listener("other", one["port"])) == ["name"]
    changed = api.put("/v1/listeners/locked", {**one, "limits": {"maxConnections": 5}})
    assert int(changed["version"]) > int(one["version"])
    assert api.expect(409, "PUT", "/v1/listeners/locked", one).json()["code"] == "stale_version"
    assert api.put("/v1/listeners/locked", changed) == changed, "nothing changes, so no version is made"
    assert api.call("PUT", "/v1/listeners/nobody", listener("nobody", free_port())).status_code == 404
    assert api.call("DELETE", "/v1/listeners/nobody").status_code == 404


def test_only_administrators_change_listeners_whichever_way(gateway, made):
    one = made("guarded")
    editor = account(gateway, "editor")
    assert editor.get("/v1/listeners/guarded") == one
    before = gateway.api.get("/v1/versions?pageSize=1")[0]["version"]
    document = export(editor)
    # A document and a rollback that leave listeners as they are, are an editor's.
    assert apply(editor, document)["changes"] == []
    other = {"listeners": [{**each, "limits": {"maxConnections": 9}} if each["name"] == "guarded" else each for each in document["listeners"]]}
    for query in ("", "?dryRun=true"):
        told = apply(editor, other, query, status=403)
        assert told["code"] == "forbidden" and "guarded" in told["message"]
    gateway.api.put("/v1/listeners/guarded", {**one, "limits": {"maxConnections": 6}})
    assert editor.call("POST", f"/v1/versions/{before}/rollback", {}).status_code == 403
    assert gateway.api.get("/v1/listeners/guarded")["limits"]["maxConnections"] == 6
    for method, path in (("POST", ""), ("PUT", "/guarded"), ("DELETE", "/guarded")):
        body = None if method == "DELETE" else one
        assert editor.call(method, f"/v1/listeners{path}", body).status_code == 403
    editor.close()


def test_a_dry_run_opens_nothing(gateway):
    port = free_port()
    told = gateway.api.expect(200, "POST", "/v1/listeners?dryRun=true", listener("dry", port)).json()["data"]
    assert [(each["kind"], each["name"], each["action"]) for each in told["changes"]] == [("listener", "dry", "create")]
    assert told["changes"][0]["after"]["port"] == port
    assert gateway.api.call("GET", "/v1/listeners/dry").status_code == 404 and is_closed(port)


def test_a_dry_run_tells_of_streams_that_would_have_to_go(gateway, authority, ws_server, made):
    site = Site(gateway, authority)
    route = site.serve(ws_server.port)
    one = made("followed")
    sock = socket.create_connection(("127.0.0.1", one["port"]), 10)
    with site.websocket(sock=sock) as ws:
        ws.send("x")
        assert ws.recv(timeout=5) == "x"
        wait_until(lambda: [each for each in gateway.api.get("/v1/streams") if each["listener"] == "followed"], 10, "it is a second old")

        def streams(method, body=None):
            told = gateway.api.expect(200, method, "/v1/listeners/followed?dryRun=true", body).json()["data"]["streams"]
            assert told["ended"] == 0, "they go on"
            return told["touched"], told["byRoute"]

        assert streams("DELETE") == streams("PUT", {**one, "port": free_port()}) == (1, {route["name"]: 1})
        assert streams("PUT", {**one, "limits": {"maxConnections": 9}}) == (0, {})


def test_documents_and_rollbacks_carry_listeners(gateway, made):
    api = gateway.api
    before = int(api.get("/v1/versions?pageSize=1")[0]["version"])
    document = export(api)
    one = made("carried")
    assert api.get(f"/v1/versions/{one['version']}/diff")["changes"][0]["after"]["port"] == one["port"]
    bad = {"listeners": [listener("x", 0), listener("y", gateway.http_port)]}
    assert {each["field"] for each in apply(api, bad, status=400)["errors"]} == {"listeners[0].port"}
    assert {each["field"] for each in apply(api, {"listeners": bad["listeners"][1:]}, status=400)["errors"]} == {"listeners[0].port"}
    assert apply(api, {"listeners": []}, "?prune=true", status=400)["errors"][0]["field"] == "listeners"
    pruned = apply(api, {"listeners": document["listeners"]}, "?prune=true")
    assert [(each["kind"], each["name"], each["action"]) for each in pruned["changes"]] == [("listener", "carried", "delete")]
    api.expect(200, "POST", f"/v1/versions/{one['version']}/rollback?wait=live", {})
    assert get(one["port"], "nobody.test").status == 404, "it is back"
    api.expect(200, "POST", f"/v1/versions/{before}/rollback?wait=live", {})
    assert is_closed(one["port"])
    entries = api.get("/v1/audit?kind=listener&name=carried")
    assert [each["action"] for each in entries] == ["delete", "create", "delete", "create"]
    # Swapped in one go: each is the other's for a moment.
    two = [listener("swap-a", free_port()), listener("swap-b", free_port(), "https")]
    apply(api, {"listeners": two})
    swapped = [{**two[0], "port": two[1]["port"]}, {**two[1], "port": two[0]["port"]}]
    assert len(apply(api, {"listeners": swapped}, "?wait=live")["changes"]) == 2
    wait_until(lambda: get(two[1]["port"], "nobody.test").status == 404, 5, "clear text at the other's port")
    apply(api, {"listeners": document["listeners"]}, "?prune=true")


def test_the_last_listener_stays(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    gateway.api.delete("/v1/listeners/https", live=False)
    told = gateway.api.expect(409, "DELETE", "/v1/listeners/http").json()
    assert told["code"] == "last_listener" and "Make another" in told["message"]
    # From before there were any: a rollback to there leaves them.
    gateway.api.create_domain("a.test")
    gateway.api.expect(200, "POST", "/v1/versions/0/rollback", {})
    assert [each["name"] for each in gateway.api.get("/v1/listeners")] == ["http"] and gateway.api.get("/v1/domains") == []


# ---- flags


def restart(gateway, **flags):
    command = gateway.control.command
    gateway.control.stop()
    for name, value in flags.items():
        place = command.index("--" + name.replace("_", "-"))
        if value is None:
            del command[place : place + 2]
        else:
            command[place + 1] = str(value)
    mark = gateway.control.log.stat().st_size
    gateway.start_control()
    return gateway.control.log_text(mark)


def test_a_flag_that_changes_moves_its_listener_and_one_that_does_not_leaves_it(new_gateway):
    gateway = new_gateway()
    gateway.start()
    api, ports = gateway.api, [free_port() for _ in range(3)]
    # The API's word holds across starts with the same flags, which say so.
    api.put("/v1/listeners/http", listener("http", ports[0]))
    log = restart(gateway)
    assert api.get("/v1/listeners/http")["port"] == ports[0]
    warning = next(line for line in log.splitlines() if "the listener http was changed by the API" in line)
    assert '"level":"warning"' in warning.replace(" ", "") and "--http-port" in warning and "PUT /v1/listeners/http" in warning
    assert "listener https was changed" not in log
    # Another value is meant.
    log = restart(gateway, http_port=ports[1])
    assert (api.get("/v1/listeners/http")["port"], api.get("/v1/listeners/https")["port"]) == (ports[1], gateway.https_port)
    assert "as the command line says" in log and "changed by the API" not in log
    newest = api.get("/v1/versions?pageSize=1")[0]
    assert newest["author"] == "system" and newest["changes"] == [{"kind": "listener", "name": "http", "action": "update"}]
    wait_until(lambda: get(ports[1], "nobody.test").status == 404, 5, "it listens there")
    assert is_closed(ports[0]) and is_closed(gateway.http_port)
    assert restart(gateway).count("as the command line says") == 0, "once"
    # None at all says nothing.
    restart(gateway, http_port=None, https_port=None, gateway_address=None)
    assert api.get("/v1/listeners/http")["port"] == ports[1]
    # Of one that was deleted it makes none.
    api.delete("/v1/listeners/https")
    gateway.control.command += ["--https-port", str(ports[2])]
    log = restart(gateway)
    assert [each["name"] for each in api.get("/v1/listeners")] == ["http"] and "POST /v1/listeners" in log
    gateway.stop()


@pytest.mark.parametrize(
    "flags, words",
    [
        ({"http_port": 0}, "--http-port must be between 1 and 65535"),
        ({"gateway_address": "localhost"}, "--gateway-address localhost must be an IPv4 or IPv6 address"),
        ({"https_port": "HTTP"}, "'s. Choose another port."),
        ({"http_port": "ADMIN"}, "is the port of the admin API"),
    ],
)
def test_flags_that_cannot_be_stop_the_start(new_gateway, flags, words):
    gateway = new_gateway()
    known = {"HTTP": gateway.http_port, "ADMIN": gateway.admin_port}
    command = gateway.control.command
    for name, value in flags.items():
        command[command.index("--" + name.replace("_", "-")) + 1] = str(known.get(value, value))
    gateway.start_control(wait=False)
    assert gateway.control.wait_exit(10) == 1
    assert words in gateway.control.log_text()


# ---- the worker


def test_one_is_opened_and_closed_beside_others(gateway, authority, echo, grpc_server, ws_server):
    site = Site(gateway, authority)
    site.serve(echo.port)
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    site.serve(ws_server.port, path="/ws")
    api, (clear, secure, moved) = gateway.api, (free_port() for _ in range(3))
    sockets = listening(gateway.http_port, gateway.https_port)
    with Streams(site) as streams, Callers(site) as callers:
        streams.speak("before")
        api.post("/v1/listeners", listener("clear", clear))
        one = api.post("/v1/listeners", listener("secure", secure, "https", address="0.0.0.0"))
        for _ in range(10):
            assert get(clear, site.host).status == get(secure, site.host, tls=True, sni=site.host).status == 200
        streams.speak("while two are there")
        api.put("/v1/listeners/clear", listener("clear", clear, limits={"maxConnections": 1}))
        api.put("/v1/listeners/secure", {**one, "port": moved})
        assert get(moved, site.host, tls=True, sni=site.host).status == 200 and is_closed(secure)
        streams.speak("after a move")
        callers.goes_on()
        assert gateway.wait_log(listener="secure")["status"] == 200
        assert gateway.metric("causeway_listener_connections_accepted_total", listener="clear") >= 10
        for name in ("clear", "secure"):
            api.delete(f"/v1/listeners/{name}")
        assert is_closed(clear) and is_closed(moved)
        wait_until(lambda: gateway.metric("causeway_listener_connections_accepted_total", listener="clear") == 0, 5)
        streams.speak("after all")
        callers.goes_on()
    assert callers.failures == []
    assert listening(gateway.http_port, gateway.https_port) == sockets, "nobody else's sockets were touched"


@pytest.mark.parametrize("change", ["moved", "removed", "protocol"])
def test_connections_of_a_listener_that_goes_end_with_what_runs_on_them(new_gateway, authority, echo, grpc_server, ws_server, change):
    gateway = new_gateway().start()
    site = Site(gateway, authority)
    site.serve(echo.port)
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    site.serve(ws_server.port, path="/ws")
    with Streams(site) as streams, site.http1() as idle, site.http2() as quiet, site.http1() as busy:
        streams.speak("before")
        assert idle.request("GET", "/", site.host).status == quiet.request("GET", site.host, "/").status == 200
        # Half a request is on its way.
        busy.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 4\r\n\r\nha")
        old = gateway.api.get("/v1/listeners/https")
        match change:
            case "moved":
                gateway.https_port = free_port()
                gateway.api.put("/v1/listeners/https", {**old, "port": gateway.https_port})
            case "removed":
                gateway.api.delete("/v1/listeners/https")
            case "protocol":
                sockets = listening(old["port"])
                gateway.api.put("/v1/listeners/https", {**old, "protocol": "http"})
                assert listening(old["port"]) == sockets, "the same sockets, so that nobody in their queues is lost"
                assert get(old["port"], site.host).status == 200, "in clear text from now on"
        busy.send("lf")
        answer = busy.read_response()
        assert answer.status == 200 and answer.get("connection") == "close" and busy.is_closed()
        assert idle.is_closed()
        quiet.until(lambda: quiet.goaway is not None)
        assert quiet.goaway.error_code == 0
        quiet.read_to_end()
        for number in range(5):
            streams.speak(f"word {number} on the old listener")
        if change == "moved":
            assert site.get("/", tls=True).status == 200
        assert is_closed(old["port"]) == (change != "protocol")
    wait_until(lambda: gateway.metric("causeway_connections_open") == 0, 10, "the last connection has ended")
    gateway.stop()


def test_a_port_that_is_taken_degrades_one_listener_until_it_is_free(gateway, site, echo, made):
    site.serve(echo.port)
    taken, free = socket.socket(), free_port()
    with taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        saved = gateway.api.expect(201, "POST", "/v1/listeners?wait=live", listener("late", port))
        assert saved.headers["Causeway-Live"] == "true", "a port in use refuses no version"
        [problem] = degraded(gateway)
        assert (problem["kind"], problem["name"], problem["field"]) == ("listener", "late", "port")
        assert f"port {port}: Address already in use" in problem["reason"]
        # One that was there before goes on where it was.
        one = made("mover", port=free)
        gateway.api.put("/v1/listeners/mover", {**one, "port": port, "address": "127.0.0.1"} | {"address": "0.0.0.0"})
        assert {each["name"] for each in degraded(gateway)} == {"late", "mover"}
        assert get(free, site.host).status == 200
        assert site.get("/").status == 200
    wait_until(lambda: degraded(gateway) == [], 15, "both are open")
    assert get(port, site.host).status == 200 and is_closed(free)
    gateway.api.delete("/v1/listeners/late")


def test_a_worker_that_starts_from_its_disk_opens_them_all(new_gateway, authority, echo):
    gateway = new_gateway().start()
    site = Site(gateway, authority)
    site.serve(echo.port)
    ports = [free_port() for _ in range(3)]
    for number, port in enumerate(ports):
        gateway.api.post("/v1/listeners", listener(f"l{number}", port, "https" if number == 2 else "http"))
    gateway.api.delete("/v1/listeners/l0")
    gateway.control.stop()
    gateway.worker.kill9()
    gateway.start_worker()
    assert is_closed(ports[0]) and get(ports[1], site.host).status == get(ports[2], site.host, tls=True, sni=site.host).status == 200
    assert gateway.worker.stop() == 0


def test_an_upgrade_hands_over_every_listener(upgradable, authority, echo):  # noqa: F811
    gateway, upgrades = upgradable(drain_timeout=3)
    site = Site(gateway, authority)
    site.serve(echo.port)
    more = {f"l{number}": free_port() for number in range(3)}
    for name, port in more.items():
        gateway.api.post("/v1/listeners", listener(name, port))
    gateway.api.put("/v1/listeners/l0", listener("l0", more["l0"], limits={"maxConnections": 1000}))
    sockets = listening(gateway.http_port, gateway.https_port, *more.values())
    assert len(sockets) == 10
    with Callers(site) as callers:
        first = upgrades.upgrade()
        assert listening(gateway.http_port, gateway.https_port, *more.values()) == sockets
        # The new one has them as its own: closes one, opens another, moves a third.
        gateway.api.delete("/v1/listeners/l0")
        late = free_port()
        gateway.api.put("/v1/listeners/l1", listener("l1", late))
        assert is_closed(more["l0"]) and is_closed(more["l1"]) and get(late, site.host).status == get(more["l2"], site.host).status == 200
        second = upgrades.upgrade(first)
        assert get(late, site.host).status == get(more["l2"], site.host).status == 200
        callers.goes_on()
    assert callers.failures == []
    upgrades.stop(second)


def test_a_socket_of_systemd_waits_for_its_listener(new_gateway, authority, echo):
    gateway = new_gateway(loops=2, drain_timeout=1)
    gateway.start_control()
    gateway.api.initialize()
    later = free_port()
    activation = [sys.executable, pathlib.Path(ROOT / "Tests/peers/socket_activation.py")]
    gateway.start_worker(prefix=[*activation, f"{gateway.https_port},{later},{gateway.http_port}"])
    site = Site(gateway, authority)
    site.serve(echo.port)
    sockets = listening(later)
    gateway.api.post("/v1/listeners", listener("later", later))
    # Without SO_REUSEPORT nobody else could have bound it.
    assert degraded(gateway) == [] and listening(later) == sockets
    assert get(later, site.host).status == 200
    gateway.api.delete("/v1/listeners/later")
    assert is_closed(later)
    gateway.stop()


def test_clients_of_https_only_hosts_are_sent_to_the_listener_named_https(gateway, authority, echo, made):
    site = Site(gateway, authority, https="force")
    site.serve(echo.port)
    made("another", "https")
    answer = site.get("/cart")
    assert (answer.status, answer.get("location")) == (308, f"https://{site.host}:{gateway.https_port}/cart")


# ---- try-outs


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_any_listener_can_be_tried(gateway, site, made, protocol):
    with EchoServer("tried") as server:
        site.serve(server.port)
        made(f"tried-{protocol}", protocol, address="0.0.0.0")
        events = Try(gateway.api, site.host, "http", f"tried-{protocol}").all()
    assert events[0][1]["tls"] is (protocol == "https") and events[1][1]["status"] == 200
    assert gateway.wait_log(listener=f"tried-{protocol}")["authority"] == site.host
    asked = {"kind": "http", "authority": site.host, "listener": "nobody"}
    assert refused(gateway.api, "POST", "/v1/try", asked) == ["listener"]
    elsewhere = gateway.api.expect(201, "POST", "/v1/listeners", {**listener("elsewhere", free_port()), "address": "192.0.2.1"}).json()
    assert refused(gateway.api, "POST", "/v1/try", {**asked, "listener": elsewhere["name"]}) == ["listener"], "never to another machine"
    gateway.api.delete("/v1/listeners/elsewhere")
