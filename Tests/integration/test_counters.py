"""Each counter by a scenario that makes the thing happen a number of times: it moves by exactly that. What is counted for each
listener, route, cluster and endpoint is in `test_observability.py`, limits on clients are in `abuse/`."""

import contextlib
import os
import pathlib
import re
import resource
import socket

import pytest

from integration.gateway import Gateway
from integration.ports import free_port
from integration.site import Site
from integration.test_metrics_log import fetch
from integration.test_observability import Change
from integration.test_upstream_tls import serve, server_context
from integration.waiting import wait_until
from peers import frames, http2
from peers.dns import DNSServer
from peers.frames import FrameClient
from peers.http1 import RawServer
from peers.wire import Wire

TESTS = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Nobody else counts here: one loop, limits that are soon reached."""
    made = Gateway(
        tmp_path_factory.mktemp("counters"),
        loops=1,
        settings=[
            "request-headers-timeout=400ms",
            "connection-idle-timeout=1s",
            "max-concurrent-streams=3",
            "max-control-frames=100",
        ],
    )
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.abandon()


@contextlib.contextmanager
def moves(gateway, **by):
    """What is in the block moves these counters by so much: `downstream_requests_total=3` is causeway_downstream_requests_total. Looked at
    when no client is left, because then nothing moves any more."""

    def rests():
        return gateway.metric("causeway_downstream_connections_open") == 0

    wait_until(rests, 10, "nobody is there before")
    before = gateway.metrics()
    yield
    wait_until(rests, 10, "everybody has gone")
    after = gateway.metrics()
    assert {name: after[f"causeway_{name}"] - before[f"causeway_{name}"] for name in by} == by


def answering(text=b"0123456789", close=False):
    """A handler of an HTTP/1.1 back end, and the bytes that it has received and sent."""
    bytes_of = {"received": 0, "sent": 0}
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (len(text), b"Connection: close\r\n" * close) + text

    def handler(wire):
        while True:
            request = wire.read_request()
            bytes_of["received"] += len(request.raw) + len(request.body)
            bytes_of["sent"] += len(answer)
            wire.send(answer)
            if close:
                return

    return handler, bytes_of


# ---- clients


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_connections_requests_and_bytes(gateway, site, tls):
    """Three connections with two requests each, over one connection to the service. Bytes are those within TLS."""
    handler, service = answering()
    request = f"POST /counted HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 5\r\n\r\nhello".encode()
    with RawServer(handler) as server:
        site.serve(server.port)
        taken = 0
        names = (
            "causeway_upstream_received_bytes_total",
            "causeway_upstream_sent_bytes_total",
            "causeway_downstream_sent_bytes_total",
        )
        before = {name: gateway.metric(name) for name in names}
        with moves(
            gateway,
            downstream_connections_opened_total=3,
            downstream_connections_closed_total=3,
            downstream_requests_total=6,
            downstream_exchanges_ended_total=6,
            downstream_received_bytes_total=6 * len(request),
            upstream_connections_opened_total=1,
            tls_handshakes_total=3 * tls,
            tls_errors_total=0,
            downstream_requests_malformed_total=0,
            downstream_connection_errors_total=0,
        ):
            for _ in range(3):
                with site.http1(tls=tls) as wire:
                    for _ in range(2):
                        wire.send(request)
                        answer = wire.read_response()
                        taken += len(answer.raw) + len(answer.body)
        moved = [gateway.metric(name) - before[name] for name in names]
    assert moved == [service["sent"], service["received"], taken]


def test_bytes_of_a_route(gateway, site):
    """Bodies alone, and each answer by its class."""
    handler, _ = answering(b"0123456789")
    with RawServer(handler) as server:
        name = site.serve(server.port)["name"]
        for _ in range(3):
            site.get("/", method="POST", body=b"hello")

        def counted(what, **labels):
            return gateway.metric(f"causeway_route_{what}", route=name, **labels)

        wait_until(lambda: counted("duration_seconds_count") == 3, 5, "three answers")
        assert gateway.metric("causeway_route_request_bytes_total", route=name) == 15
        assert gateway.metric("causeway_route_response_bytes_total", route=name) == 30
        assert gateway.metric("causeway_route_responses_total", route=name) == 3
        assert gateway.metric("causeway_route_responses_total", route=name, **{"class": "2xx"}) == 3
        assert 0 < gateway.metric("causeway_route_duration_seconds_sum", route=name) < 30


def test_tls_that_fails(gateway, site):
    """Two connections that do not speak TLS, and one that goes wrong after its handshake."""
    with moves(gateway, tls_errors_total=3, tls_handshakes_total=1, downstream_requests_total=0):
        for _ in range(2):
            with Wire.connect(gateway.https_port) as wire:
                wire.send("GET / HTTP/1.1\r\nHost: no.tls\r\n\r\n")
                wire.read_to_end()
        with site.http1() as wire:
            with socket.socket(fileno=os.dup(wire.sock.fileno())) as below:
                below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that no key opens
            wire.read_to_end()


def test_handshakes_with_a_service_count_as_well(gateway, site, authority):
    handler, _ = answering(close=True)
    with RawServer(handler, tls=server_context(authority.issue("back.test"))) as server:
        serve(site, server.port, "https", sni="back.test", tlsCa=authority.cert)
        with moves(gateway, tls_handshakes_total=2, tls_errors_total=0, upstream_connections_opened_total=2):
            assert [site.get("/").status for _ in range(2)] == [200, 200]


def test_http2_connections_that_end_by_an_error(gateway, site):
    """Three for a broken frame; two for abuse, which are counted among them."""
    with moves(
        gateway,
        downstream_connection_errors_total=3,
        downstream_connections_abusive_total=0,
        downstream_connections_closed_total=4,
    ):
        for _ in range(3):
            with FrameClient(gateway.http_port, site.host) as client:
                client.data(0, b"x")  # RFC 9113 §6.1
                assert client.read_to_end().goaway.code == frames.PROTOCOL_ERROR
        with site.http2(tls=False) as client:  # and one that nothing is wrong with
            assert client.request("GET", site.host, "/").status == 404
    with moves(gateway, downstream_connection_errors_total=2, downstream_connections_abusive_total=2):
        for _ in range(2):
            with FrameClient(gateway.http_port, site.host) as client:
                client.send(frames.frame(frames.PING, 0, 0, b"too many") * 300)
                assert client.read_to_end().goaway.code == frames.ENHANCE_YOUR_CALM


def test_ends_that_are_no_error_of_a_client(gateway, site):
    """A connection that was idle for its time, and a service that breaks HTTP/2."""

    def broken(connection, id, headers):
        connection.wire.send(frames.frame(frames.DATA, 0, 0, b"x"))

    with http2.Server(broken) as server:
        site.serve(server.port, protocol="GRPC")
        with moves(gateway, downstream_connection_errors_total=0, upstream_connections_opened_total=1):
            with site.http2(tls=False) as client:
                assert client.grpc(site.host, "/a.B/C").grpc_status == 14
                assert client.read_to_end().goaway.error_code == frames.NO_ERROR


def test_malformed_requests(gateway, site):
    """Over HTTP/1.1 each ends its connection, over HTTP/2 its stream."""
    with moves(gateway, downstream_requests_malformed_total=5, downstream_requests_total=3):
        for _ in range(2):
            with site.http1(tls=False) as wire:
                wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\nHost: {site.host}\r\n\r\n")
                assert wire.read_response().status == 400
        with FrameClient(gateway.http_port, site.host) as client:
            for wrong in ({"without": ("path",)}, {"path": ""}, {"scheme": "http", "without": ("method",)}):
                stream = client.request(client.fields(**wrong))
                client.finish(stream)
                assert client.resets[stream] == frames.PROTOCOL_ERROR
            stream = client.request()
            assert client.finish(stream).status(stream) == 404


@pytest.mark.parametrize("front", ["http1", "http2"])
def test_heads_that_are_too_large_are_not_malformed(new_gateway, authority, front):
    """With the usual time for a head: these take a client a while."""
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, https="off")
    large = Change(gateway, "causeway_errors_total", kind="headersTooLarge")
    field = ("x-large", "x" * 70_000)
    with moves(gateway, downstream_requests_malformed_total=0, downstream_requests_total=1):
        with getattr(site, front)(tls=False) as client:
            if front == "http1":
                assert client.request("GET", "/", site.host, field).status == 431
            else:
                assert client.request("GET", site.host, "/", field).status == 431
    assert large() == 1


def test_streams_over_the_limit(gateway, site):
    """Five at once where three may be."""
    with http2.Server(lambda connection, id, headers: None) as server:
        site.serve(server.port, protocol="GRPC")
        with (
            moves(gateway, downstream_streams_refused_total=2, downstream_connection_errors_total=0),
            FrameClient(gateway.http_port, site.host) as client,
        ):
            grpc = ("content-type", "application/grpc"), ("te", "trailers")
            block = [client.fields("/a.B/C", *grpc, method="POST")] * 5
            streams = [client.request(fields, end=False) for fields in block]
            client.until(lambda: len(client.resets) == 2)
            assert client.resets == dict.fromkeys(streams[3:], frames.REFUSED_STREAM)


def test_streams_reset_by_either_side(gateway, site):
    """Three by the client, two by the service."""

    def script(connection, id, headers):
        if headers[":path"] == "/a.B/Reset":
            connection.reset(id, frames.INTERNAL_ERROR)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with moves(gateway, streams_reset_total=5):
            with FrameClient(gateway.http_port, site.host) as client:
                grpc = ("content-type", "application/grpc"), ("te", "trailers")
                for number in range(3):
                    stream = client.request(client.fields("/a.B/Wait", *grpc, method="POST"))
                    wait_until(lambda: len(server.requests) == number + 1, 5, "the call has arrived")
                    client.reset(stream, frames.CANCEL)
            with site.http2(tls=False) as client:
                for _ in range(2):
                    assert client.grpc(site.host, "/a.B/Reset").grpc_status == 14


def test_heads_that_do_not_arrive(gateway, site):
    """One of which nothing has come, one that stops, and a frame that stops."""
    kind = Change(gateway, "causeway_downstream_abuse_total", kind="slow_head")
    with moves(gateway, downstream_head_timeouts_total=3, downstream_requests_malformed_total=0):
        with site.http1(tls=False) as wire:
            assert wire.read_to_end() == b""
        with site.http1(tls=False) as wire:
            wire.send("GET / HTTP/1.1\r\nHost: slow")
            assert wire.read_response().status == 408
        with FrameClient(gateway.http_port, site.host) as client:
            client.send(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, bytes(100))[:20])
            assert client.read_to_end().goaway.code == frames.ENHANCE_YOUR_CALM
    assert kind() == 3


# ---- services


def test_connections_to_services(gateway, site):
    """A service that closes each, and one that is not there: three tries more for each request."""
    handler, _ = answering(close=True)
    with RawServer(handler) as server:
        site.serve(server.port, path="/there")
        site.serve(free_port(), path="/gone")
        open_now = Change(gateway, "causeway_upstream_connections_open")
        with moves(
            gateway, upstream_connections_opened_total=3, upstream_connect_failures_total=0, upstream_retries_total=0
        ):
            assert [site.get("/there").status for _ in range(3)] == [200] * 3
        open_now.becomes(0)
        with moves(
            gateway, upstream_connections_opened_total=0, upstream_connect_failures_total=4, upstream_retries_total=3
        ):
            assert site.get("/gone").status == 503
    # What never went out was not sent.
    assert gateway.wait_log(authority=site.host, path="/gone")["tries"] == 0


def test_tries_that_were_refused(gateway, site):
    """Each call is refused once."""
    seen = []

    def script(connection, id, headers):
        seen.append(id)
        if len(seen) % 2:
            connection.reset(id, frames.REFUSED_STREAM)
        else:
            http2.answer(connection, id, headers)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with moves(gateway, upstream_retries_total=3, streams_reset_total=3, upstream_connections_opened_total=1):
            with site.http2(tls=False) as client:
                assert [client.grpc(site.host, "/a.B/C").grpc_status for _ in range(3)] == [0] * 3
    assert gateway.wait_log(authority=site.host, path="/a.B/C")["tries"] == 2


def test_goaways_of_services(gateway, site):
    """One behind an answer, and one that gives the call back."""

    def script(connection, id, headers):
        if len(server.requests) == 2:
            return connection.go_away(last=0)
        http2.answer(connection, id, headers)
        if len(server.requests) == 1:
            connection.go_away(last=id)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with moves(gateway, upstream_goaways_total=2, upstream_retries_total=1, upstream_connections_opened_total=3):
            with site.http2(tls=False) as client:
                assert client.grpc(site.host, "/a.B/C").grpc_status == 0
                wait_until(lambda: gateway.metric("causeway_upstream_connections_open") == 0, 5, "it has gone")
                assert client.grpc(site.host, "/a.B/C").grpc_status == 0


# ---- the gateway itself


def test_what_the_kernel_refuses(gateway, site):
    """No descriptor is left for a connection to the service."""
    handler, _ = answering(close=True)
    pid = gateway.worker.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with RawServer(handler) as server:
        site.serve(server.port)
        with moves(gateway, resource_failures_total=3), site.http1(tls=False) as wire:
            assert wire.request("GET", "/", site.host).status == 200
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
            try:
                assert [wire.request("GET", "/", site.host).status for _ in range(3)] == [503] * 3
            finally:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def test_the_version_that_is_served(gateway, site):
    def version():
        return gateway.metric("causeway_config_version")

    def newest():
        return gateway.api.get("/v1/versions?pageSize=1")[0]["version"]

    before = version()
    assert before == int(newest())
    for number in range(3):
        gateway.api.create_static(f"{site.name}-{number}", 1)
    assert version() == before + 3 == int(newest())


def test_a_worker_that_serves_nothing(new_gateway):
    gateway = new_gateway(loops=1)
    gateway.start_worker(wait=False)
    wait_until(lambda: gateway.metrics(), 10, "the page")
    assert gateway.metric("causeway_config_version") == gateway.metric("causeway_ready") == 0
    gateway.start_control()
    gateway.wait_worker()
    assert gateway.metric("causeway_config_version") > 0 and gateway.metric("causeway_ready") == 1
    gateway.stop()


def test_look_ups_of_names(new_gateway, authority):
    """A name is looked up once in its time to live, whatever it has; what failed is tried again."""
    with DNSServer() as server:
        gateway = new_gateway(loops=1, worker_options=("--resolver", f"127.0.0.1:{server.port}")).start()
        site = Site(gateway, authority, https="off")

        def look_ups():
            metrics = gateway.metrics()
            return metrics["causeway_dns_lookups_total"], metrics["causeway_dns_failures_total"]

        assert look_ups() == (0, 0)
        for number in range(3):
            server.set(f"name{number}.test", ("A", "127.0.0.1"), ttl=600)
            site.serve(f"name{number}.test:80", path=f"/{number}")
        wait_until(lambda: look_ups() == (3, 0), 10, "three names")
        site.serve("gone.test:80", path="/gone")

        def failed():
            lookups, failures = look_ups()
            return failures == 2 and lookups == 5

        wait_until(failed, 10, "the fourth, and the same again")
        gateway.stop()


# ---- all of them


def names_in_tests():
    """Metrics that tests name, the guide's among them not."""
    words = set()
    for path in TESTS.rglob("*.py"):
        text = path.read_text()
        words |= set(re.findall(r"\bcauseway_(?!control_)\w+", text))
        if path.name == "test_counters.py":
            for block in re.findall(r"\bmoves\((.*?)\)", text, re.DOTALL):
                words |= {f"causeway_{name}" for name in re.findall(r"(\w+)=", block)}
    return {re.sub("_(sum|count|bucket)$", "", word) for word in words}


def test_every_metric_is_in_a_scenario(gateway):
    """A metric that is new must be named, whole, by a test that says how it moves."""
    told = set(re.findall(r"^# TYPE (causeway_\w+)", fetch(gateway, "/metrics")[1], re.MULTILINE))
    assert len(told) > 60
    unnamed = sorted(told - names_in_tests())
    assert not unnamed
