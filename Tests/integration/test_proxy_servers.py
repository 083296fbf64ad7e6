"""Services behind a proxy server: connections to them are tunnels (CONNECT), whatever is spoken inside."""

import time

import pytest

from integration.api import route
from integration.ports import free_port
from integration.site import Site
from integration.test_upstream_tls import server_context
from integration.tinyproxy import Tinyproxy
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.protos import Ask, Greeter, HelloRequest, Kinds
from peers.tunnels import TunnelServer

LOOPS = 1


@pytest.fixture(scope="module")
def tinyproxy(tmp_path_factory):
    with Tinyproxy(tmp_path_factory.mktemp("tinyproxy")) as made:
        yield made


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority)


def make_proxy(site, port, name=None, **more):
    name = name or site.name
    body = {"name": name, "type": "HTTP", "serverAddress": "127.0.0.1", "serverPort": port, **more}
    return site.gateway.api.post("/v1/proxy-servers", body)


def serve(site, proxy_port, domain, kind="dns", port=443, protocol="http", **source):
    """A proxy server, a source behind it and a route there."""
    make_proxy(site, proxy_port)
    body = {"name": site.name, "type": kind, "domain": domain, "port": port, "protocol": protocol, "proxyName": site.name}
    site.gateway.api.post("/v1/service-sources", {**body, **source})
    grpc_route = {"protocol": protocol.upper()} if protocol.startswith("grpc") else {}
    site.gateway.api.post("/v1/routes", route(site.name, [site.host], f"{site.name}.{kind}", **grpc_route))


# ---- a proxy of other people's making


def test_http_grpc_and_websockets_go_through_tinyproxy(gateway, authority, tinyproxy, grpc_server, ws_server):
    with EchoServer("far") as server:
        plain = Site(gateway, authority)
        serve(plain, tinyproxy.port, f"127.0.0.1:{server.port}", "static")
        for _ in range(3):
            assert plain.get("/").get("x-backend") == "far"
        assert server.seen[0].get("host") == plain.host and server.connections == 1
    calls = Site(gateway, authority)
    serve(calls, tinyproxy.port, "localhost", port=grpc_server.port, protocol="grpc")
    with calls.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"
        assert len(list(Kinds(channel).ServerStream(Ask(count=3), timeout=10))) == 3
    sockets = Site(gateway, authority)
    serve(sockets, tinyproxy.port, f"127.0.0.1:{ws_server.port}", "static")
    with sockets.websocket() as socket:
        socket.send("through the tunnel")
        assert socket.recv(timeout=10) == "through the tunnel"
    wait_until(lambda: len(tinyproxy.asked()) >= 3, 5, "tinyproxy has logged its tunnels")
    assert f"localhost:{grpc_server.port}" in tinyproxy.asked()
    record = gateway.wait_log(authority=plain.host)
    assert record["endpoint"].endswith(f" via 127.0.0.1:{tinyproxy.port}")


def test_credentials_that_a_proxy_wants_are_named(site, gateway, tmp_path):
    with Tinyproxy(tmp_path, "user", "secret") as proxy, EchoServer() as server:
        serve(site, proxy.port, f"127.0.0.1:{server.port}", "static")
        assert site.get("/").status == 503 and server.connections == 0
    record = gateway.wait_log(authority=site.host)
    assert record["flag"] == "UF" and "proxy server" in record["reason"]


# ---- TLS in the tunnel, names


def test_the_name_is_the_proxy_s_to_resolve_and_tls_is_checked_against_it(site, authority):
    identity = authority.issue("hidden.internal.test")
    context = server_context(identity)
    with EchoServer("hidden", tls=context) as server:
        with TunnelServer({"hidden.internal.test:8443": server.port}) as proxy:
            serve(
                site, proxy.port, "hidden.internal.test", port=8443, protocol="https", tlsCa=authority.cert,
                sni="hidden.internal.test",
            )  # fmt: skip
            for _ in range(3):
                assert site.get("/").get("x-backend") == "hidden"
            assert len(proxy.heads) == 1 and proxy.heads[0].line == "CONNECT hidden.internal.test:8443 HTTP/1.1"
            assert proxy.heads[0].fields == [("Host", "hidden.internal.test:8443")]
    assert context.asked == ["hidden.internal.test"]


def test_grpcs_in_a_tunnel(site, authority):
    identity = authority.issue("back.test")
    with http2.Server(tls=server_context(identity, ["h2"])) as server:
        with TunnelServer({"back.test:443": server.port}) as proxy:
            serve(site, proxy.port, "back.test", protocol="grpcs", tlsCa=authority.cert)
            with site.http2() as client:
                for number in range(5):
                    assert client.grpc(site.host, f"/a.B/C{number}").grpc_status == 0
            assert proxy.connections == 1


def test_ipv6_endpoints_are_asked_for_in_brackets(site):
    with EchoServer("six") as server, TunnelServer({"[2001:db8::7]:8080": server.port}) as proxy:
        serve(site, proxy.port, "[2001:db8::7]:8080", "static")
        assert site.get("/").get("x-backend") == "six"


def test_settings_of_http2_right_behind_the_answer(site):
    """An HTTP/2 server speaks first: its bytes may come with the proxy's answer."""

    class Early(TunnelServer):
        def _open(self, wire):
            self.heads.append(wire.read_head())
            send = wire.send

            def first(data):
                wire.send = send
                send(self.OPEN.encode() + data)

            wire.send = first
            http2.ServerConnection(server, wire).run()

    with http2.Server() as server, Early({}) as proxy:
        serve(site, proxy.port, "early.test", protocol="grpc")
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 0


# ---- answers that are none


@pytest.mark.parametrize(
    "answer",
    [
        ["HTTP/1.1 200 Fine\r", "\n", "X-A: 1\r\n", "\r", "\n"],
        "HTTP/1.0 204 No Content\r\n\r\n",
        "HTTP/1.1 200 Fine\n\n",
        ["HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", "HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\n"],
    ],
    ids=["in parts", "204 of HTTP/1.0", "line feeds", "1xx before"],
)
def test_odd_answers_that_open(site, answer):
    with EchoServer("far") as server, TunnelServer({"far.test:443": server.port}, answer) as proxy:
        serve(site, proxy.port, "far.test")
        assert site.get("/").get("x-backend") == "far"


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno.",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2x0 Fine\r\n\r\n",
        "HTTP/1.1 200 Fine\r\n" + "X-Filler: 12345678901234567890\r\n" * 1000 + "\r\n",
        "HTTP/1.1 200 Fine\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ["HTTP/1.1 100 Continue\r\n\r\n"] * 1000,
    ],
    ids=["407", "503", "302", "101", "ssh", "no version", "no status", "endless head", "an answer nobody asked for", "1xx without end"],
)
def test_answers_that_do_not_open(site, gateway, answer):
    with TunnelServer({}, answer) as proxy:
        serve(site, proxy.port, "far.test")
        answered = site.get("/")
        assert proxy.heads
    record = gateway.wait_log(authority=site.host)
    # What comes in an open tunnel before anything was asked is no fault of the proxy server's.
    opened = "200 OK" in answer
    assert (answered.status, record["flag"]) == ((502, "UPE") if opened else (503, "UF")), record


def test_a_proxy_that_hangs_up_or_is_not_there(site, gateway):
    with RawServer(lambda wire: wire.read_head()) as proxy:
        serve(site, proxy.port, "far.test")
        assert site.get("/hangs-up").status == 503
    assert "proxy server" in gateway.wait_log(path="/hangs-up", authority=site.host)["reason"]
    assert site.get("/gone").status == 503
    assert gateway.wait_log(path="/gone", authority=site.host)["reason"] == "the connection to the service failed"


def test_a_proxy_that_says_nothing_is_left_in_time(site, gateway):
    with RawServer(lambda wire: wire.read(1 << 20)) as proxy:
        serve(site, proxy.port, "far.test")
        site.gateway.api.put(
            f"/v1/routes/{site.name}",
            {
                **site.gateway.api.get(f"/v1/routes/{site.name}"),
                "customConfigs": {"nginx.ingress.kubernetes.io/proxy-connect-timeout": "1"},
            },
        )
        before = time.monotonic()
        assert site.get("/").status == 503
        # A second for each of four tries.
        assert 3.9 < time.monotonic() - before < 8
    assert "timed out" in gateway.wait_log(authority=site.host)["reason"]


def test_another_endpoint_is_tried_where_the_proxy_refuses_one(site):
    """Nothing was sent yet, so even a POST goes on."""
    with EchoServer("good") as server, TunnelServer({"good.test:443": server.port}) as proxy:
        serve(site, proxy.port, "bad.test,good.test")
        for _ in range(4):
            with site.http1() as wire:
                assert wire.request("POST", "/", site.host, body=b"x").get("x-backend") == "good"
        assert {head.target for head in proxy.heads} == {"bad.test:443", "good.test:443"}


# ---- health checks


@pytest.mark.parametrize("kind, protocol", [("tcp", "http"), ("http", "http"), ("http", "http2")])
def test_health_checks_go_through_the_tunnel(site, gateway, kind, protocol):
    with EchoServer("far") as old, http2.Server() as new:
        port = (new if protocol == "http2" else old).port
        with TunnelServer({"far.test:443": port}) as proxy:
            check = {"type": kind, "interval": 100, "timeout": 2000, "unhealthyThreshold": 2, "healthyThreshold": 2}
            serve(site, proxy.port, "far.test", protocol=protocol, healthCheck=check)
            endpoint = f"far.test:443 via 127.0.0.1:{proxy.port}"

            def state():
                return gateway.metric(
                    "causeway_upstream_endpoint_healthy", cluster=f"{site.name}.dns/{protocol.upper()}", endpoint=endpoint
                )

            wait_until(lambda: len(proxy.heads) >= 3 and state() == 1, 10, "checks pass through the tunnel")
            del proxy.places["far.test:443"]
            wait_until(lambda: state() == 0, 10, "an endpoint that the proxy cannot reach is unhealthy")
            proxy.places["far.test:443"] = port
            wait_until(lambda: state() == 1, 10, "it is healthy again")
    assert "the proxy server answered 502" in gateway.logs()


# ---- what is saved


def test_a_change_of_the_proxy_server_moves_new_connections_and_leaves_streams(site, gateway, ws_server):
    with TunnelServer({"ws.test:443": ws_server.port}) as old, TunnelServer({"ws.test:443": ws_server.port}) as new:
        serve(site, old.port, "ws.test")
        with site.websocket() as before:
            before.send("one")
            assert before.recv(timeout=10) == "one"
            stored = gateway.api.get(f"/v1/proxy-servers/{site.name}")
            gateway.api.put(f"/v1/proxy-servers/{site.name}", {**stored, "serverPort": new.port})
            with site.websocket() as after:
                after.send("two")
                assert after.recv(timeout=10) == "two"
            before.send("three")
            assert before.recv(timeout=10) == "three"
        assert len(old.heads) == 1 and len(new.heads) == 1


def test_a_proxy_server_by_its_name_is_resolved(site):
    with EchoServer("far") as server, TunnelServer({"far.test:443": server.port}) as proxy:
        make_proxy(site, proxy.port, serverAddress="localhost")
        source = {"name": site.name, "type": "dns", "domain": "far.test", "port": 443, "proxyName": site.name}
        site.gateway.api.post("/v1/service-sources", source)
        site.gateway.api.post("/v1/routes", route(site.name, [site.host], f"{site.name}.dns"))
        assert site.get("/").get("x-backend") == "far"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Upper"}, "name"),
        ({"name": "1st"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"type": "SOCKS5"}, "type"),
        ({"type": None}, "type"),
        ({"serverAddress": ""}, "serverAddress"),
        ({"serverAddress": "http://proxy.test"}, "serverAddress"),
        ({"serverAddress": "proxy.test:3128"}, "serverAddress"),
        ({"serverPort": None}, "serverPort"),
        ({"serverPort": 65536}, "serverPort"),
        ({"connectTimeout": -1}, "connectTimeout"),
        ({"connectTimeout": 600001}, "connectTimeout"),
    ],
)
def test_a_proxy_server_that_is_wrong_is_refused_at_the_field(gateway, change, field):
    body = {"name": "wrong", "type": "HTTP", "serverAddress": "proxy.test", "serverPort": 3128, **change}
    refused = gateway.api.expect(400, "POST", "/v1/proxy-servers", body).json()
    assert [error["field"] for error in refused["errors"]] == [field]


def test_what_names_what(site, gateway):
    api = gateway.api
    stored = make_proxy(site, free_port())
    assert stored["connectTimeout"] == 1200
    source = {"name": site.name, "type": "dns", "domain": "far.test", "port": 443, "proxyName": "nobody"}
    refused = api.expect(400, "POST", "/v1/service-sources", source).json()
    assert refused["errors"] == [{"field": "proxyName", "message": "There is no proxy server named nobody."}]
    for kind, domain in [("static", "unix:/run/a.sock"), ("dns", "_grpc._tcp.far.test")]:
        wrong = {**source, "type": kind, "domain": domain, "proxyName": site.name}
        assert api.expect(400, "POST", "/v1/service-sources", wrong).json()["errors"][0]["field"] == "proxyName"
    api.post("/v1/service-sources", {**source, "proxyName": site.name})
    conflict = api.expect(409, "DELETE", f"/v1/proxy-servers/{site.name}").json()
    assert f"service source {site.name}" in conflict["message"]
    stale = {**stored, "version": "1", "serverPort": 1}
    api.expect(409, "PUT", f"/v1/proxy-servers/{site.name}", stale)
    api.delete(f"/v1/service-sources/{site.name}")
    api.delete(f"/v1/proxy-servers/{site.name}")
    api.expect(404, "DELETE", f"/v1/proxy-servers/{site.name}")
