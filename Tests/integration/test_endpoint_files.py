"""Sources of type file: what a file on the worker's machine says acts within a second, and a file that is not right changes nothing."""

import contextlib
import json
import os
import socket
import time

import pytest

from integration.api import route
from integration.site import Site
from integration.test_dns import echo_at
from integration.test_observability import Change
from integration.upgrades import Upgrades
from integration.upstreams import names, near, shares
from integration.waiting import PATIENCE, wait_until
from peers.http1 import EchoServer

# Looked at twice a second.
SOON = 1.2


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "endpoints.json"


def document(*endpoints):
    """Of servers, (server, weight), or members as they stand in the file."""
    found = []
    for each in endpoints:
        server, weight = each if isinstance(each, tuple) else (each, None)
        if not isinstance(server, dict):
            server = {"address": "127.0.0.1", "port": server.port, **({"weight": weight} if weight else {})}
        found.append(server)
    return json.dumps({"endpoints": found}, indent=1)


def put(path, *endpoints):
    """As a script does it: another file, renamed to this one."""
    replace(path, document(*endpoints))


def replace(path, text):
    new = path.with_suffix(".new")
    new.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.rename(new, path)


def serve(site, path, port=80, **source):
    made = site.gateway.api.post(
        "/v1/service-sources", {"name": site.name, "type": "file", "domain": str(path), "port": port, **source}
    )
    site.gateway.api.post("/v1/routes", route(site.name, [site.host], f"{site.name}.file"))
    return made


def degraded(site):
    """What the worker says of this site's cluster."""
    return [
        each
        for worker in site.gateway.workers()
        for each in worker["degraded"]
        if (each["kind"], each["name"], each["field"]) == ("cluster", f"{site.name}.file/HTTP", "endpoints")
    ]


def reason(site):
    [one] = degraded(site)
    return one["reason"]


# ---- changes


def test_a_rename_moves_traffic_within_a_second(site, path):
    with EchoServer("old") as old, EchoServer("new") as new:
        put(path, old)
        serve(site, path)
        # The answer to the write has waited for the file, so the first request knows it.
        assert shares(names(site, 4)) == {"old": 1.0}
        changes = Change(site.gateway, "causeway_endpoint_file_changes_total")
        for server, name in ((new, "new"), (old, "old"), (new, "new")):
            put(path, server)
            begun = time.monotonic()
            wait_until(lambda: shares(names(site, 4)) == {name: 1.0}, interval=0.02)
            assert time.monotonic() - begun < SOON * PATIENCE
        assert changes() == 3
        assert degraded(site) == []


def test_weights_act(site, path):
    with EchoServer("one") as one, EchoServer("two") as two:
        put(path, one, (two, 3))
        serve(site, path)
        near(names(site, 80), {"one": 0.25, "two": 0.75}, 0.03)
        put(path, (one, 4), two)
        wait_until(lambda: shares(names(site, 80)).get("one", 0) > 0.7)
        near(names(site, 80), {"one": 0.8, "two": 0.2}, 0.03)


def test_no_stream_is_cut_on_an_endpoint_that_stays(site, path, ws_server):
    with EchoServer("comes") as comes, contextlib.ExitStack() as stack:
        put(path, ws_server)
        serve(site, path)
        sockets = [stack.enter_context(site.websocket(tls=False)) for _ in range(4)]
        for weight in (5, 2):
            seen = len(comes.seen)
            put(path, comes, (ws_server, weight))
            wait_until(lambda: site.get("/") and len(comes.seen) > seen)
        for each in sockets:
            each.send("still here")
            assert each.recv(5) == "still here"


def test_connections_to_an_endpoint_that_stays_are_kept(new_gateway, authority, path):
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, https="off")
    with EchoServer("stays") as stays, EchoServer("goes") as goes, EchoServer("comes") as comes:
        put(path, stays, goes)
        serve(site, path)
        near(names(site, 20), {"stays": 0.5, "goes": 0.5}, 0.1)
        assert (stays.connections, goes.connections) == (1, 1)
        put(path, comes, (stays, 2))
        wait_until(lambda: "comes" in names(site, 6))
        near(names(site, 30), {"stays": 0.67, "comes": 0.33}, 0.1)
        assert stays.connections == 1, "its pool goes on"
        wait_until(lambda: not goes.open, what="the idle connection to the endpoint that went is closed")


def test_what_runs_on_an_endpoint_that_goes_ends_in_peace(site, path, ws_server):
    with EchoServer("next") as after:
        put(path, ws_server)
        serve(site, path)
        with site.websocket(tls=False) as client:
            client.send("one")
            assert client.recv(5) == "one"
            put(path, after)
            wait_until(lambda: shares(names(site, 4)) == {"next": 1.0})
            client.send("two")
            assert client.recv(5) == "two"


def test_another_target_of_a_symbolic_link(site, tmp_path):
    """As Kubernetes changes what is mounted of a ConfigMap: `..data` is a link to a folder, renamed over."""
    with EchoServer("old") as old, EchoServer("new") as new:
        for version, server in (("v1", old), ("v2", new)):
            (tmp_path / version).mkdir()
            (tmp_path / version / "shop.json").write_text(document(server))
        (tmp_path / "..data").symlink_to("v1")
        (tmp_path / "shop.json").symlink_to("..data/shop.json")
        serve(site, tmp_path / "shop.json")
        assert shares(names(site, 4)) == {"old": 1.0}
        (tmp_path / "..data_tmp").symlink_to("v2")
        os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
        wait_until(lambda: shares(names(site, 4)) == {"new": 1.0}, SOON)


def test_a_change_in_place_and_the_time_put_back(site, path):
    with EchoServer("old") as old, EchoServer("new") as new:
        put(path, old)
        serve(site, path)
        before = path.stat()
        path.write_text(document(new))
        # `cp -p`, rsync: the same size and time as before.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
        wait_until(lambda: shares(names(site, 4)) == {"new": 1.0}, SOON)


# ---- what an endpoint can be


def test_ports_families_and_sockets(site, path, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "app.sock"))
    listener.listen()
    with EchoServer("four") as four, EchoServer("unix", listener=listener), echo_at("::1", 0, "six") as six:
        put(
            path,
            {"address": "127.0.0.1"},
            {"address": "::1", "port": six.port},
            {"address": f"unix:{tmp_path / 'app.sock'}", "weight": 2},
            # The same again, said in another way.
            {"address": "127.0.0.1", "port": four.port},
        )
        serve(site, path, port=four.port)
        near(names(site, 40), {"four": 0.25, "six": 0.25, "unix": 0.5}, 0.05)


def test_two_sources_of_one_file(gateway, authority, path):
    with EchoServer("a") as a, EchoServer("b") as b:
        put(path, {"address": "127.0.0.1"})
        first, second = (Site(gateway, authority, https="off") for _ in range(2))
        serve(first, path, port=a.port)
        serve(second, path, port=b.port)
        assert (shares(names(first, 2)), shares(names(second, 2))) == ({"a": 1.0}, {"b": 1.0})


def test_no_endpoint_on_purpose(site, path, gateway):
    with EchoServer("b") as server:
        put(path, server)
        serve(site, path)
        put(path)
        wait_until(lambda: site.get("/").status == 503, SOON)
        assert gateway.wait_log(authority=site.host, status=503)["flag"] == "UH"
        assert degraded(site) == []
        put(path, server)
        wait_until(lambda: site.get("/").status == 200, SOON)


def test_health_by_address(site, path, gateway):
    with EchoServer("up") as up, socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
        closed.close()
        put(path, up, {"address": "127.0.0.1", "port": port})
        serve(site, path, healthCheck={"type": "tcp", "interval": 100})

        def states():
            shown = gateway.api.get(f"/v1/services/{site.name}.file")
            assert shown["endpoints"] == [f"file:{path}"] == list({each["endpoint"] for each in shown["endpointHealth"]})
            return {each["address"]: each["state"] for each in shown["endpointHealth"]}

        wait_until(lambda: states() == {f"127.0.0.1:{up.port}": "healthy", f"127.0.0.1:{port}": "unhealthy"})
        put(path, up)
        wait_until(lambda: states() == {f"127.0.0.1:{up.port}": "healthy"})
        put(path)
        wait_until(lambda: states() == {None: "unresolved"})


# ---- files that are not right

SECRET = "r00t-s3cret"


def large(path):
    replace(path, b" " * (1 << 20) + document().encode())


def remove(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def loop_of_links(path):
    path.unlink()
    path.symlink_to(path)


def unix_socket(path):
    path.unlink()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(path))


def beginning(path):
    text = path.read_text()
    path.write_text(text[: text.index("}") + 1])


BROKEN = {
    "removed": (remove, "there is no such file"),
    "cut": (beginning, "the JSON ends too early"),
    "emptied": (lambda path: path.write_bytes(b""), "it is empty"),
    "text": (lambda path: replace(path, f"root:{SECRET}:19000::\n"), "line 1, column 1: it must be"),
    "unknown-member": (
        lambda path: replace(path, f'{{"endpoints": [],\n "{SECRET}": "{SECRET}"}}'),
        "line 2, column 17: this is the value of a member that is not endpoints",
    ),
    "bad-port": (
        lambda path: replace(path, f'{{"endpoints": [\n{{"address": "10.0.0.1",\n "port": "{SECRET}"}}]}}'),
        "line 3, column 10: port must be a whole number from 1 to 65535",
    ),
    "large": (large, "more than 1048576 bytes"),
    "zeros": (lambda path: replace(path, b"\0" * 4096), "line 1, column 1"),
    "folder": (folder, "no regular file"),
    "pipe": (pipe, "no regular file"),
    "device": (device, "no regular file"),
    "socket": (unix_socket, "no regular file"),
    "links": (loop_of_links, "Too many levels of symbolic links"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_not_right_changes_nothing_and_is_told(site, path, gateway, kind):
    breaks, wanted = BROKEN[kind]
    with EchoServer("kept") as kept, EchoServer("new") as new:
        put(path, kept)
        serve(site, path)
        assert degraded(site) == []
        breaks(path)
        wait_until(lambda: wanted in reason(site), 3)
        told = reason(site)
        assert told.startswith(f"{path}: ") and "stay in use" in told and SECRET not in told
        assert gateway.metric("causeway_endpoint_files_failing") == 1
        assert shares(names(site, 10)) == {"kept": 1.0}
        if path.is_dir():
            path.rmdir()
        put(path, new)
        wait_until(lambda: shares(names(site, 4)) == {"new": 1.0}, SOON)
        wait_until(lambda: degraded(site) == [], 3)
        assert gateway.metric("causeway_endpoint_files_failing") == 0
    assert SECRET not in gateway.worker.log_text() and SECRET not in gateway.control.log_text()


def test_the_unreadable(new_gateway, authority, path):
    """Nothing is unreadable to root, so the worker has to do without its powers."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    gateway.worker.start(prefix=drop if os.geteuid() == 0 else ())
    gateway.wait_worker()
    site = Site(gateway, authority, https="off")
    with EchoServer("b") as server:
        put(path, server)
        path.chmod(0)
        serve(site, path)
        assert "the worker cannot read it: Permission denied" in reason(site)
        assert site.get("/").status == 503
        path.chmod(0o644)
        wait_until(lambda: site.get("/").status == 200, SOON)


def test_a_file_that_is_being_written_is_waited_for(site, path):
    """In place, in two halves: it is degraded until the second comes, and at no time has it fewer endpoints."""
    with EchoServer("a") as a, EchoServer("b") as b:
        put(path, a)
        serve(site, path)
        text = document(a, b)
        with open(path, "w") as file:
            file.write(text[: text.index("}") + 1])
            file.flush()
            wait_until(lambda: "the JSON ends too early" in reason(site), 3)
            assert shares(names(site, 4)) == {"a": 1.0}
            file.write(text[text.index("}") + 1 :])
        wait_until(lambda: shares(names(site, 4)) == {"a": 0.5, "b": 0.5}, SOON)
        wait_until(lambda: degraded(site) == [], 3)


def test_a_pipe_holds_up_no_other_file(gateway, authority, site, path, tmp_path):
    os.mkfifo(path)
    serve(site, path)
    other, beside = Site(gateway, authority, https="off"), tmp_path / "other.json"
    with EchoServer("old") as old, EchoServer("new") as new:
        put(beside, old)
        serve(other, beside)
        assert shares(names(other, 2)) == {"old": 1.0}
        put(beside, new)
        wait_until(lambda: shares(names(other, 2)) == {"new": 1.0}, SOON)


# ---- before there is one


def test_without_a_file_there_is_no_endpoint_until_it_comes(site, path, gateway):
    serve(site, path)
    # The ACK says it already.
    assert "there is no such file on the worker's machine" in reason(site)
    assert site.get("/").status == 503
    record = gateway.wait_log(authority=site.host, status=503)
    assert record["flag"] == "UH" and "name" not in record["reason"]
    with EchoServer("b") as server:
        put(path, server)
        wait_until(lambda: site.get("/").status == 200, SOON)
        wait_until(lambda: degraded(site) == [], 3)


def test_a_source_that_comes_again_has_forgotten_what_its_file_had(site, path, gateway):
    with EchoServer("b") as server:
        put(path, server)
        serve(site, path)
        assert site.get("/").status == 200
        gateway.api.delete(f"/v1/routes/{site.name}")
        gateway.api.delete(f"/v1/service-sources/{site.name}")
        path.unlink()
        serve(site, path)
        assert site.get("/").status == 503
        assert "there is no such file" in reason(site)


def test_another_path_is_read_before_it_acts(site, path, gateway, tmp_path):
    with EchoServer("old") as old, EchoServer("new") as new:
        put(path, old)
        put(tmp_path / "second.json", new)
        made = serve(site, path)
        made.pop("warnings", None)
        gateway.api.put(f"/v1/service-sources/{site.name}", {**made, "domain": str(tmp_path / "second.json")})
        assert shares(names(site, 4)) == {"new": 1.0}


def test_a_worker_that_starts_alone(new_gateway, authority, path):
    """With the control plane away: from its own snapshot, and what the file has in it then."""
    gateway = new_gateway().start()
    site = Site(gateway, authority, https="off")
    with EchoServer("old") as old, EchoServer("new") as new:
        put(path, old)
        serve(site, path)
        gateway.control.stop()
        gateway.worker.stop()
        put(path, new)
        gateway.start_worker()
        assert shares(names(site, 4)) == {"new": 1.0}, "from the first request on"
        gateway.worker.stop()
        path.unlink()
        gateway.start_worker()
        assert site.get("/").status == 503
        put(path, old)
        wait_until(lambda: shares(names(site, 4)) == {"old": 1.0}, SOON)
        path.unlink()
        gateway.start_control()
        wait_until(lambda: "there is no such file" in reason(site))


def test_an_upgrade_knows_the_file_before_it_takes_over(new_gateway, authority, path):
    gateway = new_gateway()
    upgrades = Upgrades(gateway)
    gateway.start()
    site = Site(gateway, authority, https="off")
    with EchoServer("b") as server, contextlib.ExitStack() as stack:
        stack.callback(upgrades.end)
        put(path, server)
        serve(site, path)
        upgrades.upgrade()
        assert [site.get("/").status for _ in range(20)] == [200] * 20


# ---- the API


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"domain": "endpoints.json"}, "domain"),
        ({"domain": "/etc/causeway/"}, "domain"),
        ({"domain": "/a\0b"}, "domain"),
        ({"domain": "/" + "a" * 512}, "domain"),
        ({"domain": ""}, "domain"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": None}, "port"),
        ({"endpoints": [{"address": "10.0.0.1"}]}, "endpoints"),
        ({"proxyName": "egress"}, "proxyName"),
    ],
)
def test_the_field_that_is_wrong_is_named(gateway, change, field):
    body = {"name": "wrong", "type": "file", "domain": "/etc/causeway/a.json", "port": 80, **change}
    refused = gateway.api.expect(400, "POST", "/v1/service-sources", body).json()
    assert {each["field"] for each in refused["errors"]} == {field}


def test_exported_applied_and_tested_as_the_others(site, path, gateway):
    with EchoServer("b") as server:
        put(path, server)
        serve(site, path, healthCheck={"type": "tcp"})
        document = gateway.api.expect(200, "GET", "/v1/export").json()
        [source] = [each for each in document["serviceSources"] if each["name"] == site.name]
        assert (source["type"], source["domain"], source["port"]) == ("file", str(path), 80)
        assert gateway.api.expect(200, "POST", "/v1/apply", document).json()["changes"] == []
        tested = gateway.api.expect(200, "POST", "/v1/route-tester", {"url": f"http://{site.host}/", "method": "GET"}).json()
        assert f"{site.name}.file" in json.dumps(tested)
