"""Back ends that fail in every way, and clients that go away: what the other side sees, the response flag in the access log, its
counter, and that streams to other endpoints on the same client connection do not notice."""

import contextlib
import socket
import threading
import time

import pytest

from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC
from peers.frames import FrameServer, settings
from peers.http1 import RawServer
from peers.wire import Wire

GRPC = [("content-type", "application/grpc"), ("te", "trailers")]
MESSAGE = b"\0\0\0\0\x03abc"
HEAD = {"grpc": [(":status", "200"), ("content-type", "application/grpc")], "http": [(":status", "200")]}
RST_CODES = {
    "NO_ERROR": NO_ERROR, "PROTOCOL_ERROR": PROTOCOL_ERROR, "INTERNAL_ERROR": INTERNAL_ERROR,
    "FLOW_CONTROL_ERROR": FLOW_CONTROL_ERROR, "SETTINGS_TIMEOUT": SETTINGS_TIMEOUT, "STREAM_CLOSED": STREAM_CLOSED,
    "FRAME_SIZE_ERROR": FRAME_SIZE_ERROR, "REFUSED_STREAM": REFUSED_STREAM, "CANCEL": CANCEL,
    "COMPRESSION_ERROR": COMPRESSION_ERROR, "CONNECT_ERROR": CONNECT_ERROR, "ENHANCE_YOUR_CALM": ENHANCE_YOUR_CALM,
    "INADEQUATE_SECURITY": INADEQUATE_SECURITY, "HTTP_1_1_REQUIRED": HTTP_1_1_REQUIRED, "unknown": 0xABCDEF,
}  # fmt: skip
# What a gRPC client is told of them; the others are UNAVAILABLE.
GRPC_CODES = {"CANCEL": 1, "ENHANCE_YOUR_CALM": 8, "INADEQUATE_SECURITY": 7}


@pytest.fixture(params=["http", "grpc"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def neighbour():
    """The endpoint that all is well with."""
    with http2.Server() as server:
        yield server


class Bench:
    """A site with a faulty back end at / and a good one at /good; `run` asks the first beside a stream to the second."""

    def __init__(self, gateway, authority, neighbour):
        self.gateway, self.neighbour = gateway, neighbour
        self.site = Site(gateway, authority, https="off")
        self.site.serve(neighbour.port, protocol="HTTP2", path="/good")
        self.servers = []

    def serve(self, kind, script, first=None, protocol=None, ports=(), **route):
        """A back end of HTTP/2 whose script does what is wrong."""
        server = FrameServer(script, first=first)
        self.servers.append(server)
        self.site.serve(server.port, *ports, protocol=protocol or ("GRPC" if kind == "grpc" else "HTTP2"), **route)
        return server

    def serve_http1(self, handler, **route):
        server = RawServer(handler)
        self.servers.append(server)
        self.site.serve(server.port, **route)
        return server

    @contextlib.contextmanager
    def beside_a_witness(self, client, flag=None):
        """A stream of this client to the good endpoint, which nothing must harm. What happens meanwhile counts one failure with this
        flag; None: no failure at all."""

        def errors():
            return self.gateway.metric("causeway_errors_total", **({"flag": flag} if flag else {}))

        def settled():
            before = errors()
            threading.Event().wait(0.05)
            return errors() == before

        wait_until(settled, 10, "nothing of before still runs")
        counted = errors()
        witness = client.open("POST", self.site.host, "/good", end=False)
        yield
        client.data(witness.id, b"rest", end=True)
        assert client.finish(witness).status == 200, "a stream to another endpoint was harmed"
        if flag:
            wait_until(lambda: errors() == counted + 1, 5, f"a count of {flag}")
        else:
            assert errors() == counted

    def run(self, kind, body=None, fields=(), flag=None):
        """Returns the stream as it ended and its record, after looking at the witness and the counter."""
        with self.site.http2(tls=False) as client, self.beside_a_witness(client, flag):
            begun = client.open(
                "POST" if kind == "grpc" or body else "GET",
                self.site.host,
                f"/{kind}/Fault",
                *(GRPC if kind == "grpc" else []),
                *fields,
                body=MESSAGE if kind == "grpc" and body is None else body,
            )
            stream = client.finish(begun)
        record = self.gateway.wait_log(authority=self.site.host, path=f"/{kind}/Fault")
        assert record["flag"] == (flag or "-")
        return stream, record

    def stop(self):
        for server in self.servers:
            server.stop()


@pytest.fixture
def bench(gateway, authority, neighbour):
    made = Bench(gateway, authority, neighbour)
    yield made
    made.stop()


def fails(bench, kind, http, grpc, flag, **more):
    """The failure comes instead of an answer: in the client's own terms."""
    stream, record = bench.run(kind, flag=flag, **more)
    if kind == "grpc":
        assert (stream.status, stream.grpc_status) == (200, grpc) and stream.grpc_message
        assert record["grpc_status"] == grpc
    else:
        assert stream.status == http and record["status"] == http
    assert stream.ended and record["reason"]
    return stream, record


def is_cut(bench, kind, grpc, flag, **more):
    """The failure comes behind the response's head: gRPC gets its status all the same, HTTP a stream that does not end."""
    stream, record = bench.run(kind, flag=flag, **more)
    assert stream.status == 200 and stream.body == (MESSAGE if kind == "grpc" else b"abc")
    if kind == "grpc":
        assert stream.ended and stream.grpc_status == grpc and record["grpc_status"] == grpc
    else:
        assert stream.reset is not None and not stream.ended
    return stream, record


def begin(endpoint, stream, kind):
    endpoint.headers(stream, HEAD[kind], end=False)
    endpoint.data(stream, MESSAGE if kind == "grpc" else b"abc")


def finish(endpoint, stream, kind):
    begin(endpoint, stream, kind)
    if kind == "grpc":
        endpoint.headers(stream, [("grpc-status", "0")])
    else:
        endpoint.data(stream, end=True)


# ---- killed, half-closed


def test_killed_before_an_answer(bench, kind):
    bench.serve(kind, lambda endpoint: (endpoint.next_request(), endpoint.wire.reset()))
    fails(bench, kind, 502, 14, "UC")


def test_killed_in_mid_stream(bench, kind):
    def script(endpoint):
        begin(endpoint, endpoint.next_request(), kind)
        endpoint.wire.close()

    bench.serve(kind, script)
    is_cut(bench, kind, 14, "UC")


def test_half_closed_before_an_answer(bench, kind):
    """FIN from a server of HTTP/2 leaves nothing that could come."""
    bench.serve(kind, lambda endpoint: (endpoint.next_request(), endpoint.wire.half_close()))
    fails(bench, kind, 502, 14, "UC")


def test_half_closed_in_mid_stream(bench, kind):
    def script(endpoint):
        begin(endpoint, endpoint.next_request(), kind)
        endpoint.wire.half_close()

    bench.serve(kind, script)
    is_cut(bench, kind, 14, "UC")


# ---- RST_STREAM


@pytest.mark.parametrize("name", [name for name in RST_CODES if name != "REFUSED_STREAM"])
def test_reset_before_an_answer(bench, kind, name):
    server = bench.serve(kind, lambda endpoint: endpoint.reset(endpoint.next_request(), RST_CODES[name]))
    fails(bench, kind, 502, GRPC_CODES.get(name, 14), "UR")
    assert len(server.seen) == 1, "a request that may have run was sent again"


@pytest.mark.parametrize("name", ["NO_ERROR", "INTERNAL_ERROR", "REFUSED_STREAM", "CANCEL", "ENHANCE_YOUR_CALM"])
def test_reset_in_mid_stream(bench, kind, name):
    def script(endpoint):
        stream = endpoint.next_request()
        begin(endpoint, stream, kind)
        endpoint.reset(stream, RST_CODES[name])

    server = bench.serve(kind, script)
    is_cut(bench, kind, GRPC_CODES.get(name, 14), "UR")
    assert len(server.seen) == 1


def refuse(endpoint):
    while True:
        endpoint.reset(endpoint.next_request(), REFUSED_STREAM)


def test_refused_by_everyone(bench, kind):
    server = bench.serve(kind, refuse)
    _, record = fails(bench, kind, 503, 14, "UR")
    assert len(server.seen) == record["tries"] > 1


def test_refused_is_replayed_with_its_body_on_another_endpoint(bench, kind):
    got = []

    def good(endpoint):
        while True:
            stream = endpoint.next_request()
            got.append(endpoint.bodies.get(stream))
            finish(endpoint, stream, kind)

    body = b"\0" + (20_000).to_bytes(4, "big") + b"b" * 20_000
    with FrameServer(good) as other:
        server = bench.serve(kind, refuse, ports=(other.port,))
        # Whichever endpoint is tried first: after a few requests the refusing one has been.
        for _ in range(8):
            stream, record = bench.run(kind, body=body)
            assert stream.status == 200 and stream.ended and record["flag"] == "-"
            if server.seen:
                break
        assert server.seen, "the refusing endpoint was never tried"
    assert got and set(got) == {body}


# ---- GOAWAY


def goaway(endpoint, last, code=NO_ERROR):
    endpoint.frame(GOAWAY, 0, 0, int32(last) + int32(code))


def test_goaway_splits_the_streams_at_its_last_id(bench, gateway, kind):
    """The first stream of the connection goes on, the second is sent again on another connection, and neither fails."""
    turn = []

    def script(endpoint):
        turn.append(endpoint)
        if len(turn) > 1:
            return finish(endpoint, endpoint.next_request(), kind)
        first = endpoint.next_request(whole=False)
        endpoint.next_request()
        goaway(endpoint, first)
        endpoint.finish(first)
        finish(endpoint, first, kind)

    bench.serve(kind, script)
    fields = GRPC if kind == "grpc" else []
    with bench.site.http2(tls=False) as client, bench.beside_a_witness(client):
        below = client.open("POST", bench.site.host, "/below", *fields, end=False)
        wait_until(lambda: turn and turn[0].blocks, 5, "the first stream at the back end")
        above = client.open("POST", bench.site.host, "/above", *fields, body=MESSAGE)
        assert client.finish(above).status == 200 and above.ended
        client.data(below.id, MESSAGE, end=True)
        assert client.finish(below).status == 200 and below.ended
        if kind == "grpc":
            assert (above.grpc_status, below.grpc_status) == (0, 0)
    assert len(turn) == 2
    assert gateway.wait_log(authority=bench.site.host, path="/above")["tries"] == 2
    assert gateway.wait_log(authority=bench.site.host, path="/below")["tries"] == 1


def test_a_connection_with_goaway_gets_no_new_streams(bench, kind):
    def script(endpoint):
        stream = endpoint.next_request()
        goaway(endpoint, MAX_INT31)
        endpoint.settle()
        finish(endpoint, stream, kind)

    server = bench.serve(kind, script)
    for _ in range(3):
        stream, _ = bench.run(kind)
        assert stream.ended
    assert [len(each.blocks) for each in server.endpoints] == [1, 1, 1]


def test_goaway_with_an_error_and_the_end(bench, kind):
    def script(endpoint):
        stream = endpoint.next_request()
        goaway(endpoint, stream, INTERNAL_ERROR)
        endpoint.wire.close()

    server = bench.serve(kind, script)
    fails(bench, kind, 502, 14, "UC")
    assert len(server.seen) == 1, "a request that may have run was sent again"


def test_goaway_above_every_stream_of_every_connection(bench, kind):
    def script(endpoint):
        endpoint.next_request()
        goaway(endpoint, 0)

    server = bench.serve(kind, script)
    _, record = fails(bench, kind, 503, 14, "UR")
    assert len(server.seen) == record["tries"] > 1


# ---- silence and slowness


def silent(endpoint):
    endpoint.next_request()


def test_never_answering(bench):
    bench.serve("http", silent, timeouts={"responseHeaders": 300})
    fails(bench, "http", 504, None, "UT")


def test_never_answering_within_the_total_timeout(bench, kind):
    bench.serve(kind, silent, timeouts={"total": 300})
    fails(bench, kind, 504, 4, "UT")


def test_never_answering_within_the_caller_s_deadline(bench):
    server = bench.serve("grpc", silent)
    fails(bench, "grpc", None, 4, "DE", fields=[("grpc-timeout", "300m")])
    wait_until(lambda: CANCEL in server.endpoints[0].resets.values(), 1, "RST_STREAM(CANCEL) at the back end")


def test_falling_silent_in_mid_stream(bench, kind):
    bench.serve(kind, lambda endpoint: begin(endpoint, endpoint.next_request(), kind), timeouts={"streamIdle": 300})
    is_cut(bench, kind, 14, "SI")


def test_a_byte_a_second_is_no_fault(bench, kind):
    """Each byte comes within the idle timeout, the whole far behind it."""

    def script(endpoint):
        stream = endpoint.next_request()
        endpoint.headers(stream, HEAD[kind], end=False)
        for byte in b"\0\0\0" if kind == "http" else b"":
            endpoint.data(stream, bytes([byte]))
            threading.Event().wait(1)
        for byte in (MESSAGE[:5], MESSAGE[5:6], MESSAGE[6:]) if kind == "grpc" else ():
            endpoint.data(stream, byte)
            threading.Event().wait(1)
        if kind == "grpc":
            endpoint.headers(stream, [("grpc-status", "0")])
        else:
            endpoint.data(stream, end=True)

    bench.serve(kind, script, timeouts={"streamIdle": 1800})
    stream, record = bench.run(kind)
    assert stream.ended and record["flag"] == "-" and record["duration_ms"] > 2500
    assert stream.body == (MESSAGE if kind == "grpc" else b"\0\0\0")


# ---- answers that come too soon or are not whole


def test_an_answer_before_the_request_s_end(bench, gateway, kind):
    def script(endpoint):
        stream = endpoint.next_request(whole=False)
        finish(endpoint, stream, kind)

    server = bench.serve(kind, script)
    with bench.site.http2(tls=False) as client, bench.beside_a_witness(client):
        fields = GRPC if kind == "grpc" else []
        stream = client.open("POST", bench.site.host, "/early", *fields, end=False)
        client.data(stream.id, MESSAGE)
        client.until(lambda: stream.ended)
        assert stream.status == 200 and stream.body == (MESSAGE if kind == "grpc" else b"abc")
        assert kind == "http" or stream.grpc_status == 0
    record = gateway.wait_log(authority=bench.site.host, path="/early")
    assert record["flag"] == "-" and record["status"] == 200
    endpoint = server.endpoints[0]
    wait_until(lambda: endpoint.resets, 2, "the back end is told that no more will come")
    assert set(endpoint.resets.values()) == {NO_ERROR}


def test_a_call_without_trailers(bench):
    def script(endpoint):
        stream = endpoint.next_request()
        endpoint.headers(stream, HEAD["grpc"], end=False)
        endpoint.data(stream, MESSAGE, end=True)

    bench.serve("grpc", script)
    is_cut(bench, "grpc", 13, "UPE")


def test_a_call_whose_status_is_in_a_head_that_something_follows(bench):
    """Only trailers say how a call has ended."""

    def script(endpoint):
        stream = endpoint.next_request()
        endpoint.headers(stream, [*HEAD["grpc"], ("grpc-status", "0")], end=False)
        endpoint.data(stream, MESSAGE)
        endpoint.headers(stream, [("x-trailer", "1")])

    bench.serve("grpc", script)
    is_cut(bench, "grpc", 13, "UPE")


def test_a_call_with_trailers_that_have_no_status(bench):
    def script(endpoint):
        stream = endpoint.next_request()
        begin(endpoint, stream, "grpc")
        endpoint.headers(stream, [("x-trailer", "1")])

    bench.serve("grpc", script)
    is_cut(bench, "grpc", 13, "UPE")


def test_a_call_of_a_head_alone(bench):
    bench.serve("grpc", lambda endpoint: endpoint.headers(endpoint.next_request(), HEAD["grpc"]))
    fails(bench, "grpc", None, 13, "UPE")


# ---- back ends of HTTP/1.1


def http1(*parts, end="close"):
    """Answers a request with these bytes, then ends the connection in one of its ways."""

    def handler(wire):
        wire.read_request()
        for part in parts:
            wire.send(part)
        if end == "half":
            wire.half_close()
            wire.read_to_end()
        elif end == "reset":
            # What was sent must have arrived: a reset discards what is on its way.
            threading.Event().wait(0.2)
            wire.reset()

    return handler


SIZED, CHUNKED = (
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
)


@pytest.mark.parametrize("end", ["close", "half", "reset"])
def test_http1_gone_before_an_answer(bench, end):
    bench.serve_http1(http1(end=end))
    fails(bench, "http", 502, None, "UC", body=b"not idempotent")


@pytest.mark.parametrize("end", ["close", "half", "reset"])
@pytest.mark.parametrize("head", [SIZED, CHUNKED], ids=["length", "chunked"])
def test_http1_gone_in_mid_answer(bench, head, end):
    bench.serve_http1(http1(head, end=end))
    is_cut(bench, "http", None, "UC")


def test_http1_gone_in_the_head(bench):
    bench.serve_http1(http1("HTTP/1.1 200 OK\r\nContent-Le"))
    fails(bench, "http", 502, None, "UC", body=b"not idempotent")


def test_http1_answers_what_is_no_http(bench):
    bench.serve_http1(http1("SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    fails(bench, "http", 502, None, "UPE")


def test_http1_breaks_a_chunk(bench):
    bench.serve_http1(http1(CHUNKED, "xyz\r\n"))
    is_cut(bench, "http", None, "UPE")


def test_http1_never_answers(bench):
    bench.serve_http1(lambda wire: wire.read_to_end(), timeouts={"responseHeaders": 300})
    fails(bench, "http", 504, None, "UT")


def test_http1_answers_a_byte_a_second(bench):
    def trickle(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for byte in b"abc":
            threading.Event().wait(1)
            wire.send(bytes([byte]))

    bench.serve_http1(trickle, timeouts={"streamIdle": 1800})
    stream, record = bench.run("http")
    assert stream.body == b"abc" and stream.ended and record["flag"] == "-"


def test_http1_half_close_ends_a_body_without_a_length(bench):
    bench.serve_http1(http1("HTTP/1.1 200 OK\r\n\r\nabc", end="half"))
    stream, record = bench.run("http")
    assert stream.body == b"abc" and stream.ended and record["flag"] == "-"


# ---- clients that go away

LEAVING = {
    "RST_STREAM": lambda client, stream: (client.h2.reset_stream(stream.id, CANCEL), client.flush()),
    "FIN": lambda client, _: client.wire.close(),
    "RST": lambda client, _: client.wire.reset(),
    "half-close": lambda client, _: client.wire.half_close(),
    "GOAWAY and FIN": lambda client, _: (client.h2.close_connection(), client.flush(), client.wire.close()),
}


@pytest.mark.parametrize("answered", [False, True], ids=["before an answer", "in mid answer"])
@pytest.mark.parametrize("way", LEAVING)
def test_a_client_that_leaves_is_known_upstream_within_a_second(bench, gateway, kind, way, answered):
    def script(endpoint):
        stream = endpoint.next_request(whole=False)
        if answered:
            begin(endpoint, stream, kind)

    server = bench.serve(kind, script)
    client = bench.site.http2(tls=False)
    stream = client.open("POST", bench.site.host, "/leave", *(GRPC if kind == "grpc" else []), end=False)
    client.data(stream.id, MESSAGE)
    if answered:
        client.until(lambda: stream.body)
    else:
        wait_until(lambda: server.endpoints and server.endpoints[0].bodies, 5, "the request at the back end")
    began = time.monotonic()
    LEAVING[way](client, stream)
    wait_until(lambda: server.endpoints[0].resets, 5, "RST_STREAM at the back end")
    assert time.monotonic() - began < 1
    assert set(server.endpoints[0].resets.values()) == {CANCEL}
    assert gateway.wait_log(authority=bench.site.host, path="/leave")["flag"] == "DC"
    client.wire.close()


@pytest.mark.parametrize("way", ["RST_STREAM", "FIN", "RST"])
def test_a_client_that_leaves_ends_the_http1_connection_within_a_second(bench, way):
    begun, gone = threading.Event(), threading.Event()

    def handler(wire):
        wire.read_head()
        begun.set()
        wire.read_to_end()
        gone.set()

    bench.serve_http1(handler)
    client = bench.site.http2(tls=False)
    stream = client.open("POST", bench.site.host, "/leave", end=False)
    client.data(stream.id, b"some")
    assert begun.wait(5)
    began = time.monotonic()
    LEAVING[way](client, stream)
    assert gone.wait(5) and time.monotonic() - began < 1
    client.wire.close()


LEAVING_HTTP1 = {
    "RST": Wire.reset,
    "FIN": Wire.close,
    "half-close": Wire.half_close,
    "half-close without close_notify": lambda wire: wire.half_close(notify=False),
}


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("answered", [False, True], ids=["before an answer", "in mid answer"])
@pytest.mark.parametrize("way", LEAVING_HTTP1)
def test_a_client_of_http1_that_leaves_is_known_upstream_within_a_second(authority, gateway, neighbour, way, answered, tls):
    """Its FIN is its end, whole as its request may be: a client that was killed sends the same."""
    site = Site(gateway, authority)

    def script(endpoint):
        stream = endpoint.next_request()
        if answered:
            begin(endpoint, stream, "http")

    with FrameServer(script) as server:
        site.serve(server.port, protocol="HTTP2")
        wire = site.http1(tls=tls)
        wire.send(f"GET /leave HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wait_until(lambda: server.seen, 5, "the request at the back end")
        if answered:
            wire.read_head()
        began = time.monotonic()
        LEAVING_HTTP1[way](wire)
        wait_until(lambda: server.endpoints[0].resets, 5, "RST_STREAM at the back end")
        assert time.monotonic() - began < 1
        assert set(server.endpoints[0].resets.values()) == {CANCEL}
        assert gateway.wait_log(authority=site.host, path="/leave")["flag"] == "DC"
        wire.close()


@pytest.mark.parametrize("way", LEAVING_HTTP1)
def test_a_client_of_http1_that_leaves_a_stalled_upload_is_known_upstream_within_a_second(bench, gateway, way):
    """Its end stands behind bytes that the gateway does not read, as the service takes none."""
    taken = threading.Event()

    def script(endpoint):
        endpoint.next_request(whole=False)
        taken.set()

    server = bench.serve("http", script, first=settings((INITIAL_WINDOW_SIZE, 1024)))
    wire = bench.site.http1(tls=False)
    wire.send(f"POST /leave HTTP/1.1\r\nHost: {bench.site.host}\r\nContent-Length: {64 << 20}\r\n\r\n")
    assert taken.wait(5)
    wire.send(bytes(120 << 10))
    began = time.monotonic()
    LEAVING_HTTP1[way](wire)
    wait_until(lambda: server.endpoints[0].resets, 5, "RST_STREAM at the back end")
    assert time.monotonic() - began < 1
    assert gateway.wait_log(authority=bench.site.host, path="/leave")["flag"] == "DC"
    wire.close()


def test_what_has_been_answered_goes_out_whole_to_a_client_that_ends_its_side(gateway, authority):
    """Its FIN is read together with its request, which the gateway answers at once."""
    site = Site(gateway, authority, https="off")
    text = "x" * 60_000
    site.serve(9, mock={"enabled": True, "status": 200, "content": text, "contentType": "text/plain"})
    for _ in range(20):
        with site.http1(tls=False) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            wire.half_close()
            assert wire.read_response().body == text.encode()
            assert wire.is_closed()
