"""Timeouts as settings: each ends what it bounds, with its status and its flag, and nothing else."""

import contextlib
import socket
import threading
import time

import grpc
import h2.exceptions
import pytest

from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.protos import Ask, Kinds
from peers.wire import Wire


@pytest.fixture
def quick(new_gateway, authority):
    """A gateway whose timeouts are short."""
    gateway = new_gateway(
        loops=1,
        settings=[
            "tls-handshake-timeout=400ms",
            "request-headers-timeout=400ms",
            "request-progress-timeout=400ms",
            "connection-idle-timeout=600ms",
            "connect-timeout=400ms",
            "upstream-idle-timeout=1s",
            "max-concurrent-streams=3",
        ]
    ).start()
    yield gateway, Site(gateway, authority, "quick.test")
    gateway.stop()


def ends_within(wire, seconds):
    began = time.monotonic()
    data = wire.read_to_end()
    assert time.monotonic() - began < seconds
    return data


def errors(gateway, kind):
    """How many exchanges have ended so."""
    return gateway.metric("causeway_errors_total", kind=kind)


def abuse(gateway, kind):
    return gateway.metric("causeway_downstream_abuse_total", kind=kind)


def test_a_handshake_that_does_not_come_is_cut(quick):
    gateway, site = quick
    with Wire.connect(gateway.https_port) as wire:
        assert ends_within(wire, 3) == b""
    wait_until(lambda: abuse(gateway, "slow_handshake") == 1, 5, "it is counted")
    assert gateway.metric("causeway_listener_tls_failures_total") == 1


def test_a_head_that_does_not_end_gets_408(quick):
    gateway, site = quick
    with site.http1(tls=False) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: quick")
        assert ends_within(wire, 3).startswith(b"HTTP/1.1 408 ")
    assert gateway.wait_log(status=408)["flag"] == "DT"
    assert errors(gateway, "requestTimeout") == abuse(gateway, "slow_head") == 1


def test_a_body_without_progress_gets_408(quick):
    gateway, site = quick
    with RawServer(lambda wire: threading.Event().wait(3)) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"POST /body HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 10\r\n\r\nabc")
        assert ends_within(wire, 3).startswith(b"HTTP/1.1 408 ")
    assert gateway.wait_log(path="/body")["flag"] == "DT"
    assert errors(gateway, "requestProgress") == abuse(gateway, "slow_body") == 1


def trickle(send, every, piece, pieces):
    """A piece from time to time, until that fails or all are sent."""
    with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
        for _ in range(pieces):
            threading.Event().wait(every)
            send(piece)


@pytest.mark.parametrize("front", ["http1", "http2"])
def test_a_body_that_trickles_gets_408(quick, front):
    """A byte from time to time is no progress: 1 KiB in `request-progress-timeout` is asked for."""
    gateway, site = quick
    with http2.Server(lambda connection, id, headers: None, wait_for_end=False) as server:
        site.serve(server.port, protocol="HTTP2")
        began = time.monotonic()
        if front == "http1":
            with site.http1(tls=False) as wire:
                wire.send(f"POST /body HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 9999\r\n\r\n")
                threading.Thread(target=trickle, args=(wire.send, 0.1, b"x", 30), daemon=True).start()
                assert ends_within(wire, 3).startswith(b"HTTP/1.1 408 ")
        else:
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/body", end=False)
                trickle(lambda piece: client.data(stream.id, piece), 0.1, b"x", 12)
                client.finish(stream)
                assert (stream.status, stream.reset) == (408, 0)
        assert time.monotonic() - began > 0.35
        wait_until(lambda: server.resets, 5, "the service hears that it is over")
    record = gateway.wait_log(path="/body")
    assert (record["status"], record["flag"]) == (408, "DT")
    assert errors(gateway, "requestProgress") == abuse(gateway, "slow_body") == 1


@pytest.mark.parametrize("front", ["http1", "http2"])
def test_a_body_that_comes_slowly_but_steadily_is_let_through(quick, front):
    gateway, site = quick
    with EchoServer() as server:
        site.serve(server.port)
        if front == "http1":
            with site.http1(tls=False) as wire:
                wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 12000\r\n\r\n")
                trickle(wire.send, 0.15, bytes(1_200), 10)
                assert wire.read_response().status == 200
        else:
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/", end=False)
                trickle(lambda piece: client.data(stream.id, piece), 0.15, bytes(1_200), 10)
                client.h2.end_stream(stream.id)
                client.flush()
                assert client.finish(stream).status == 200
    assert abuse(gateway, "slow_body") == 0


def test_quiet_streams_that_are_answered_or_grpc_are_no_slow_bodies(quick):
    """Both ways at once is how gRPC streams, and what is like it: the side that has nothing to say may be quiet."""
    gateway, site = quick
    heard = []

    def talk(connection, id, headers):
        connection.receivers[id] = lambda data, end: heard.append(data)
        connection.respond(id, 200, ("content-type", headers.get("content-type", "text/plain")))

    with http2.Server(talk, wait_for_end=False) as server, site.http2(tls=False) as client:
        site.serve(server.port, protocol="HTTP2")
        answered = client.open("POST", site.host, "/", end=False)
        call = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), ("te", "trailers"), end=False)
        client.until(lambda: answered.status and call.status)
        threading.Event().wait(1.2)
        client.data(answered.id, b"later")
        client.data(call.id, b"\0\0\0\0\0")
        wait_until(lambda: sorted(heard) == [b"\0\0\0\0\0", b"later"], 5, "both go on")
        assert not answered.done and not call.done
    assert abuse(gateway, "slow_body") == 0


def test_a_body_that_the_service_does_not_take_is_not_the_client_s_fault(quick):
    """It is not read on: whether it would make progress nobody knows."""
    gateway, site = quick
    with RawServer(lambda wire: (wire.read_head(), threading.Event().wait(3))) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: {64 << 20}\r\n\r\n")
        sender = threading.Thread(target=send_for_ever, args=(wire,), daemon=True)
        sender.start()
        assert wire.read_response().status == 504
    record = gateway.wait_log(authority=site.host)
    assert (record["flag"], record["reason"]) == ("UT", "the service did not take the request in time")
    assert (errors(gateway, "sendTimeout"), abuse(gateway, "slow_body")) == (1, 0)


def send_for_ever(wire):
    with contextlib.suppress(OSError):
        for _ in range(1024):
            wire.sock.sendall(bytes(1 << 16))


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_an_idle_connection_is_closed(quick, tls):
    """By its end alone, over HTTP/2 behind a GOAWAY that blames nobody; each request begins the time anew."""
    gateway, site = quick
    with site.http1(tls=tls) as wire:
        for _ in range(2):
            assert wire.request("GET", "/", site.host).status == 404
            threading.Event().wait(0.35)  # together more than the time
        assert ends_within(wire, 3) == b""
    with site.http2(tls=tls) as client:
        assert client.request("GET", site.host, "/").status == 404
        began = time.monotonic()
        client.read_to_end()
        assert 0.5 < time.monotonic() - began < 3
        assert client.goaway.error_code == 0
    wait_until(lambda: gateway.metric("causeway_downstream_connections_open") == 0, 5, "both are gone")
    assert gateway.metric("causeway_downstream_idle_timeouts_total") == 2
    gateway.wait_log(protocol="h2")
    assert [record["flag"] for record in gateway.access_log()] == ["NR"] * 3, "nothing but the requests is logged"


def test_a_connection_with_a_stream_is_not_idle(quick, grpc_server):
    """Three times as long as an idle one may be, without a byte."""
    _, site = quick
    site.serve(grpc_server.port, protocol="GRPC")
    with site.channel() as channel:
        assert Kinds(channel).Unary(Ask(payload=b"late", delay_ms=1_800), timeout=10).payload == b"late"


@contextlib.contextmanager
def nobody_answers():
    """A port whose queue of connections is full: the kernel drops what else comes, and nobody is told."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        full = False
        while not full:
            one = stack.enter_context(socket.socket())
            one.settimeout(0.2)
            try:
                one.connect(listener.getsockname())
            except TimeoutError:
                full = True
        yield listener.getsockname()[1]


def timed_get(site, path):
    began = time.monotonic()
    return site.get(path).status, time.monotonic() - began


def test_a_service_that_does_not_answer(quick):
    gateway, site = quick
    with nobody_answers() as port:
        route = site.serve(port, proxyNextUpstream={"attempts": 0})
        status, seconds = timed_get(site, "/")
        assert status == 503 and 0.35 < seconds < 3
        record = gateway.wait_log(authority=site.host)
        assert (record["flag"], record["reason"]) == ("UF", "the connection to the service timed out")
        assert (record["tries"], record["endpoint"]) == (0, f"127.0.0.1:{port}"), "the request never went out"
        labels = {"cluster": f"{route['name']}.static/HTTP", "endpoint": f"127.0.0.1:{port}"}
        for name in ("exchanges_total", "failures_total", "connect_failures_total"):
            assert gateway.metric(f"causeway_endpoint_{name}", **labels) == 1, name
    assert errors(gateway, "connectTimeout") == gateway.metric("causeway_upstream_connect_failures_total") == 1
    assert gateway.metric("causeway_upstream_retries_total") == gateway.metric("causeway_upstream_connections_open") == 0


def test_each_try_has_the_whole_time_and_counts_once(quick):
    gateway, site = quick
    with nobody_answers() as port:
        route = site.serve(port, proxyNextUpstream={"attempts": 3})
        status, seconds = timed_get(site, "/")
        assert status == 503 and 1.55 < seconds < 5
        labels = {"cluster": f"{route['name']}.static/HTTP", "endpoint": f"127.0.0.1:{port}"}
        assert gateway.metric("causeway_endpoint_connect_failures_total", **labels) == 4
    assert gateway.metric("causeway_upstream_connect_failures_total") == 4


def test_a_request_goes_on_to_a_service_that_answers(quick):
    """Nothing was sent yet, so even a POST does. Whose turn it is first does not matter: one of both requests has to wait."""
    gateway, site = quick
    with nobody_answers() as port, EchoServer() as good:
        site.serve(port, good.port)
        found = [timed_get(site, "/") for _ in range(2)]
        assert [status for status, _ in found] == [200, 200]
        assert sum(0.35 < seconds < 3 for _, seconds in found) == 1
        assert site.get("/", method="POST", body=b"x").status == 200
    assert errors(gateway, "connectTimeout") == 0
    assert gateway.metric("causeway_upstream_retries_total") == gateway.metric("causeway_endpoint_connect_failures_total") >= 1


def test_a_service_that_accepts_and_does_not_shake_hands(quick):
    """The time to connect is that until requests can be sent: the handshake is in it."""
    gateway, site = quick
    with RawServer(lambda wire: wire.read_to_end()) as server:
        site.gateway.api.create_static(site.name, server.port, protocol="https", tlsVerify=False)
        site.route(site.name, f"{site.name}.static", proxyNextUpstream={"attempts": 0})
        began = time.monotonic()
        assert site.get("/").status == 503
        assert 0.35 < time.monotonic() - began < 3
    record = gateway.wait_log(authority=site.host)
    assert (record["flag"], record["reason"]) == ("UF", "the connection to the service timed out")
    assert errors(gateway, "connectTimeout") == gateway.metric("causeway_upstream_connect_failures_total") == 1


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_an_idle_connection_to_a_service_is_closed(quick, protocol):
    """Not while a request now and then needs it, and then after its time; the next request opens another."""
    gateway, site = quick
    ends = []

    class Noting(EchoServer if protocol == "http" else http2.Server):
        def _serve(self, wire):
            super()._serve(wire)
            ends.append(time.monotonic())

    with Noting() as server:
        site.gateway.api.create_static(site.name, server.port, protocol=protocol)
        site.route(site.name, f"{site.name}.static")
        for _ in range(3):
            assert site.get("/").status == 200
            last = time.monotonic()
            threading.Event().wait(0.6)  # together more than the time
        assert (server.connections, ends) == (1, [])
        wait_until(lambda: ends, 5, "the service sees the end")
        assert 0.95 < ends[0] - last < 3
        wait_until(lambda: gateway.metric("causeway_upstream_connections_open") == 0, 5, "it is counted as gone")
        assert gateway.metric("causeway_upstream_idle_timeouts_total") == 1
        assert site.get("/").status == 200
        assert server.connections == 2
    assert gateway.metric("causeway_upstream_connections_opened_total") == 2
    wait_until(lambda: [record["flag"] for record in gateway.access_log()] == ["-"] * 4, 5, "nothing else is logged")


def test_connections_to_services_that_are_not_kept(new_gateway, authority):
    gateway = new_gateway(loops=1, settings=["upstream-idle-timeout=0"]).start()
    site = Site(gateway, authority, https="off")
    with EchoServer() as server:
        site.serve(server.port)
        assert [site.get("/").status for _ in range(3)] == [200] * 3
        assert server.connections == 3
        wait_until(lambda: gateway.metric("causeway_upstream_connections_open") == 0, 5, "none is kept")
    gateway.stop()


def test_a_service_source_has_times_of_its_own(quick):
    """Other services keep those of the gateway."""
    gateway, site = quick
    own = Site(gateway, None, "own.test", https="off")
    with nobody_answers() as port, EchoServer() as server:
        for each, name, to, connections in (
            (site, "slow", port, None),
            (own, "slower", port, {"connectTimeout": 1_200}),
            (site, "kept", server.port, None),
            (own, "not-kept", server.port, {"idleTimeout": 0}),
        ):
            gateway.api.create_static(name, to, connections=connections)
            each.route(name, f"{name}.static", f"/{name}", proxyNextUpstream={"attempts": 0})
        status, seconds = timed_get(site, "/slow")
        assert status == 503 and 0.35 < seconds < 1.1
        status, seconds = timed_get(own, "/slower")
        assert status == 503 and 1.15 < seconds < 5
        assert [site.get("/kept").status for _ in range(3)] == [200] * 3
        assert server.connections == 1
        assert [own.get("/not-kept").status for _ in range(3)] == [200] * 3
        assert server.connections == 4
        source = {**gateway.api.get("/v1/service-sources/not-kept"), "connections": None}
        gateway.api.put("/v1/service-sources/not-kept", source)
        assert [own.get("/not-kept").status for _ in range(3)] == [200] * 3
        assert server.connections == 5, "the gateway's again"


def unread(connection, id, headers):
    """Gives no credit: the last byte of 65,536 waits at the gateway."""
    connection.credit = False


@pytest.mark.parametrize("front", ["http1", "http2"])
def test_a_service_that_does_not_take_the_request(new_gateway, authority, front):
    """`proxy-send-timeout` is looked at from time to time: it ends between once and twice its time."""
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, https="off")
    with http2.Server(unread, wait_for_end=False) as server:
        gateway.api.create_static(site.name, server.port, protocol="http2")
        annotations = {"nginx.ingress.kubernetes.io/proxy-send-timeout": "1"}
        site.route(site.name, f"{site.name}.static", customConfigs=annotations)
        began = time.monotonic()
        if front == "http1":
            assert site.get("/", method="POST", body=bytes(65_536)).status == 504
        else:
            with site.http2(tls=False) as client:
                assert client.request("POST", site.host, "/", body=bytes(65_536)).status == 504
        assert 0.95 < time.monotonic() - began < 4
        wait_until(lambda: server.resets, 5, "the service hears that it is over")
    record = gateway.wait_log(authority=site.host)
    assert (record["flag"], record["reason"]) == ("UT", "the service did not take the request in time")
    assert errors(gateway, "sendTimeout") == 1 and abuse(gateway, "slow_body") == 0
    assert gateway.metric("causeway_cluster_failures_total") == 1
    gateway.stop()


def test_streams_over_the_limit_are_refused(quick, grpc_server):
    _, site = quick
    site.serve(grpc_server.port, protocol="GRPC")
    with site.http2() as client:
        # All five before the client has read the gateway's SETTINGS: two are too many, and say that they were not processed.
        fields = ("content-type", "application/grpc"), ("te", "trailers")
        streams = [client.open("POST", site.host, "/causeway.test.Kinds/Bidi", *fields, end=False) for _ in range(5)]
        client.until(lambda: sum(each.reset is not None for each in streams) == 2)
        assert [each.reset for each in streams] == [None, None, None, 7, 7]
    assert site.gateway.metric("causeway_downstream_streams_refused_total") == 2


def test_a_route_s_timeouts_act(quick, grpc_server):
    gateway, site = quick
    with RawServer(lambda wire: (wire.read_request(), threading.Event().wait(3))) as server:
        site.serve(server.port, path="/slow", timeouts={"responseHeaders": 300})
        assert site.get("/slow").status == 504
        assert gateway.wait_log(path="/slow")["flag"] == "UT"
    assert errors(gateway, "responseTimeout") == 1
    site.serve(grpc_server.port, path="/causeway.test.Kinds/", protocol="GRPC", timeouts={"total": 400})
    with site.channel() as channel, pytest.raises(grpc.RpcError) as failed:
        Kinds(channel).Unary(Ask(delay_ms=3000), timeout=10)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert gateway.wait_log(grpc_status=4)["flag"] == "UT"
    assert errors(gateway, "totalTimeout") == 1


def test_an_unknown_setting_stops_the_start(new_gateway):
    gateway = new_gateway(settings=["tls-handshake-timeot=1s"])
    gateway.start_control(wait=False)
    assert gateway.control.wait_exit(10) != 0
    assert "tls-handshake-timeot is not known" in gateway.control.log_text()
