"""RFC 9113 as a client owes it: what the gateway sends to a back end, and how it takes what a back end gets wrong."""

import dataclasses
from collections.abc import Callable

import pytest

from conformance.rules import RESET, Outcome, connection_error, expecting, named, stream_error
from integration.site import Site
from integration.waiting import wait_until
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC
from peers.frames import FrameServer, literal

OK = [(":status", "200"), ("x-good", "1")]


def answer(endpoint, stream, fields=OK, body=b"ok"):
    endpoint.headers(stream, fields, end=False)
    endpoint.data(stream, body, end=True)


@dataclasses.dataclass(frozen=True)
class Fault:
    section: str
    words: str
    act: Callable  # of the endpoint and the stream
    outcome: Outcome

    @property
    def id(self):
        return f"{self.section} upstream: {self.words} = {self.outcome}"


def raw_head(*fields, end=True):
    return lambda endpoint, stream: endpoint.headers(stream, b"".join(literal(*each) for each in fields), end)


def raw(kind, flags, payload, on=None):
    return lambda endpoint, stream: endpoint.frame(kind, flags, stream if on is None else on, payload)


def head_then(*more):
    """A response head that is good, then frames made by functions of endpoint and stream."""

    def act(endpoint, stream):
        endpoint.headers(stream, OK, end=False)
        for each in more:
            each(endpoint, stream)

    return act


STREAM = RESET
CONNECTION = connection_error(PROTOCOL_ERROR)
S = ":status"

FAULTS = [
    Fault("4.2", "a frame larger than allowed", raw(DATA, 0, b"x" * 16_385), connection_error(FRAME_SIZE_ERROR)),
    Fault("4.3", "a header block that cannot be decoded", raw(HEADERS, 5, b"\xff\xff\xff\xff\xff\xff"),
          connection_error(COMPRESSION_ERROR)),
    Fault("4.3", "another frame inside a header block", lambda endpoint, stream: endpoint.send(
        frame(HEADERS, 0, stream, b"\x88"), frame(PING, 0, 0, bytes(8))), CONNECTION),
    Fault("5.1", "DATA on an idle stream", raw(DATA, 0, b"x", on=99), CONNECTION),
    Fault("5.1", "RST_STREAM on an idle stream", raw(RST_STREAM, 0, int32(CANCEL), on=99), CONNECTION),
    Fault("5.1", "WINDOW_UPDATE on an idle stream", raw(WINDOW_UPDATE, 0, int32(1), on=99), CONNECTION),
    Fault("5.1.1", "HEADERS on an even stream", raw(HEADERS, 5, b"\x88", on=2), CONNECTION),
    Fault("5.1.1", "HEADERS on a stream that we did not open", raw(HEADERS, 5, b"\x88", on=99), CONNECTION),
    Fault("6.1", "DATA on stream 0", raw(DATA, 0, b"x", on=0), CONNECTION),
    Fault("6.1", "DATA before the response's head", raw(DATA, 0, b"x"), STREAM),
    Fault("6.1", "padding longer than the payload", raw(DATA, PADDED, b"\xffx"), CONNECTION),
    Fault("6.5", "SETTINGS on a stream", raw(SETTINGS, 0, b""), CONNECTION),
    Fault("6.5", "SETTINGS of a wrong length", raw(SETTINGS, 0, b"x" * 5, on=0), connection_error(FRAME_SIZE_ERROR)),
    Fault("6.5.2", "SETTINGS_ENABLE_PUSH of 1 from a server", lambda endpoint, _: endpoint.send(settings((ENABLE_PUSH, 1))),
          CONNECTION),
    Fault("6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE of 2^31",
          lambda endpoint, _: endpoint.send(settings((INITIAL_WINDOW_SIZE, 1 << 31))), connection_error(FLOW_CONTROL_ERROR)),
    Fault("6.5.2", "SETTINGS_MAX_FRAME_SIZE of 16,383",
          lambda endpoint, _: endpoint.send(settings((MAX_FRAME_SIZE, 16_383))), CONNECTION),
    Fault("6.6", "PUSH_PROMISE, which we have disabled", raw(PUSH_PROMISE, END_HEADERS, b"\0\0\0\2\x82"), CONNECTION),
    Fault("6.7", "PING of a wrong length", raw(PING, 0, b"x", on=0), connection_error(FRAME_SIZE_ERROR)),
    Fault("6.8", "GOAWAY on a stream", raw(GOAWAY, 0, bytes(8)), CONNECTION),
    Fault("6.9", "an increment of 0 on the connection", raw(WINDOW_UPDATE, 0, int32(0), on=0), CONNECTION),
    Fault("6.9", "an increment of 0 on a stream", raw(WINDOW_UPDATE, 0, int32(0)), STREAM),
    Fault("6.9.1", "the connection's window above 2^31-1", raw(WINDOW_UPDATE, 0, int32(MAX_INT31), on=0),
          connection_error(FLOW_CONTROL_ERROR)),
    Fault("6.9.1", "a stream's window above 2^31-1", raw(WINDOW_UPDATE, 0, int32(MAX_INT31)),
          stream_error(FLOW_CONTROL_ERROR)),
    Fault("6.10", "CONTINUATION from nowhere", raw(CONTINUATION, END_HEADERS, b"\x88"), CONNECTION),
    Fault("8.1", "1xx that ends the stream", raw_head((S, "103")), STREAM),
    Fault("8.1.1", "content-length without a body", raw_head((S, "200"), ("content-length", "5")), STREAM),
    Fault("8.1.1", "content-length twice", raw_head((S, "200"), ("content-length", "0"), ("content-length", "0")), STREAM),
    Fault("8.1.1", "content-length that is no number", raw_head((S, "200"), ("content-length", "1x")), STREAM),
    Fault("8.2.1", "an upper case name", raw_head((S, "200"), ("X-A", "1")), STREAM),
    Fault("8.2.1", "an empty name", raw_head((S, "200"), ("", "1")), STREAM),
    Fault("8.2.1", "CR LF in a value", raw_head((S, "200"), ("x-a", "1\r\nset-cookie: b=1")), STREAM),
    Fault("8.2.1", "NUL in a value", raw_head((S, "200"), ("x-a", "1\x002")), STREAM),
    Fault("8.2.1", "a blank before a value", raw_head((S, "200"), ("x-a", " 1")), STREAM),
    Fault("8.2.2", "connection", raw_head((S, "200"), ("connection", "close")), STREAM),
    Fault("8.2.2", "transfer-encoding", raw_head((S, "200"), ("transfer-encoding", "chunked")), STREAM),
    Fault("8.2.2", "upgrade", raw_head((S, "200"), ("upgrade", "h2c")), STREAM),
    Fault("8.3", "an unknown pseudo-header field", raw_head((S, "200"), (":foo", "1")), STREAM),
    Fault("8.3", "a pseudo-header field of requests", raw_head((S, "200"), (":path", "/")), STREAM),
    Fault("8.3", ":status behind another field", raw_head(("x-a", "1"), (S, "200")), STREAM),
    Fault("8.3.2", "no :status", raw_head(("x-a", "1")), STREAM),
    Fault("8.3.2", ":status twice", raw_head((S, "200"), (S, "200")), STREAM),
    Fault("8.3.2", ":status of two digits", raw_head((S, "20")), STREAM),
    Fault("8.3.2", ":status in letters", raw_head((S, "abc")), STREAM),
    Fault("8.3.2", ":status of 099", raw_head((S, "099")), STREAM),
    Fault("8.6", "101, which HTTP/2 does not have", raw_head((S, "101"), end=False), STREAM),
]  # fmt: skip


class FaultyBackEnd:
    """One site for all faults: of each two requests the first is the witness, and the path of the second names the fault."""

    def __init__(self, gateway, authority):
        self.site = Site(gateway, authority, https="off")
        self.server = FrameServer(self._script)
        self.site.serve(self.server.port, protocol="HTTP2")

    def _script(self, endpoint):
        while True:
            witness = endpoint.next_request(whole=False)
            self.endpoint = endpoint
            stream = endpoint.next_request()
            kind, name = dict(endpoint.blocks[stream][0])[":path"].strip("/").split("/")
            if kind == "fault":
                FAULTS[int(name)].act(endpoint, stream)
            else:
                list(CUT.values())[int(name)](endpoint, stream)
            endpoint.until(lambda: stream in endpoint.resets)
            answer(endpoint, witness)

    def try_with(self, path, then):
        """The gateway's client asks for `path` beside a witness; `then(client, witness, answer, endpoint)` judges."""
        self.endpoint = None
        with self.site.http2(tls=False) as client:
            witness = client.open("POST", self.site.host, "/witness", end=False)
            wait_until(lambda: self.endpoint is not None, 5, "the first request at the back end")
            then(client, witness, client.request("GET", self.site.host, path), self.endpoint)


@pytest.fixture(scope="module")
def faulty(gateway, authority):
    made = FaultyBackEnd(gateway, authority)
    yield made
    made.server.stop()


@pytest.mark.parametrize("fault", FAULTS, ids=[each.id for each in FAULTS])
def test_faults_of_a_back_end(faulty, fault):
    def judge(client, witness, answer, endpoint):
        assert answer.status == 502
        if fault.outcome.ends == "stream":
            assert client.finish(witness).status == 200, "the other stream did not go on"
            assert endpoint.goaway is None
            assert endpoint.resets.pop(max(endpoint.blocks)) in fault.outcome.codes
        else:
            wait_until(lambda: endpoint.goaway, 5, "GOAWAY to the back end")
            assert endpoint.goaway.code in fault.outcome.codes
            assert client.finish(witness).status == 502

    faulty.try_with(f"/fault/{FAULTS.index(fault)}", judge)


CUT = {
    "8.1.1 upstream: more DATA than content-length": lambda endpoint, stream: (
        endpoint.headers(stream, [*OK, ("content-length", "2")], end=False),
        endpoint.data(stream, b"four"),
    ),
    "8.1.1 upstream: less DATA than content-length": lambda endpoint, stream: (
        endpoint.headers(stream, [*OK, ("content-length", "5")], end=False),
        endpoint.data(stream, b"four", end=True),
    ),
    "8.1 upstream: trailers that do not end the stream": head_then(
        lambda e, s: e.headers(s, [("x-a", "1")], end=False)
    ),
    "8.1 upstream: a second head": head_then(lambda e, s: e.headers(s, OK, end=False)),
    "8.3 upstream: pseudo-header fields in trailers": head_then(lambda e, s: e.headers(s, [(":status", "200")])),
    "8.2.1 upstream: an upper case name in trailers": head_then(lambda e, s: e.headers(s, literal("X-A", "1"))),
    "8.2.2 upstream: connection in trailers": head_then(lambda e, s: e.headers(s, literal("connection", "close"))),
}


@pytest.mark.parametrize("name", CUT, ids=expecting(RESET, CUT))
def test_responses_that_go_wrong_behind_their_head(faulty, name):
    """The response has begun: it is cut, on both sides, and never passed off as whole."""

    def judge(client, witness, answer, endpoint):
        assert answer.reset is not None and not answer.ended
        assert client.finish(witness).status == 200, "the other stream did not go on"
        assert endpoint.resets.pop(max(endpoint.blocks)) == PROTOCOL_ERROR

    faulty.try_with(f"/cut/{list(CUT).index(name)}", judge)


# ---- what the gateway sends


def ask(site, *fields, method="GET", path="/", body=None):
    with site.http2(tls=False) as client:
        return client.request(method, site.host, path, *fields, body=body)


def serving(count=1):
    def script(endpoint):
        for _ in range(count):
            answer(endpoint, endpoint.next_request())

    return script


@named("3.4", "the gateway begins with the preface and SETTINGS that disable push")
def test_the_gateway_s_preface(site, _rule):
    with FrameServer(serving()) as server:  # the server itself checks the preface
        site.serve(server.port, protocol="HTTP2")
        assert ask(site).status == 200
        first = server.endpoints[0].frames[0]
        assert first.kind == SETTINGS and first.pairs[ENABLE_PUSH] == 0


@named("6.5.3", "the gateway acknowledges a server's SETTINGS, each")
def test_settings_are_acknowledged(site, _rule):
    def script(endpoint):
        stream = endpoint.next_request()
        endpoint.send(settings((MAX_FRAME_SIZE, 20_000)), settings())
        endpoint.until(lambda: endpoint.acks == 3)
        answer(endpoint, stream)

    with FrameServer(script) as server:
        site.serve(server.port, protocol="HTTP2")
        assert ask(site).status == 200


@named("6.7", "the gateway answers a server's PING")
def test_ping(site, _rule):
    def script(endpoint):
        stream = endpoint.next_request()
        endpoint.frame(PING, 0, 0, b"upstream")
        endpoint.until(lambda: b"upstream" in endpoint.pongs)
        answer(endpoint, stream)

    with FrameServer(script) as server:
        site.serve(server.port, protocol="HTTP2")
        assert ask(site).status == 200


@named("8.3.1", "requests carry each pseudo-header field once, first, and nothing of the client's connection")
def test_the_form_of_requests(site, _rule):
    with FrameServer(serving(2)) as server:
        site.serve(server.port, protocol="HTTP2")
        assert ask(site, ("te", "trailers"), ("x-a", "1"), path="/form?q").status == 200
        answer_ = site.get(
            "/h1", ("Connection", "x-private, te"), ("X-Private", "1"), ("TE", "gzip"), ("Keep-Alive", "x")
        )
        assert answer_.status == 200
        blocks = [block for each in server.endpoints for per in each.blocks.values() for block in per]
        assert len(blocks) == 2
        for block in blocks:
            names = [name for name, _ in block]
            pseudo = [name for name in names if name.startswith(":")]
            assert sorted(pseudo) == [":authority", ":method", ":path", ":scheme"] and names[:4] == pseudo
            assert not set(names) & {
                "connection",
                "keep-alive",
                "proxy-connection",
                "transfer-encoding",
                "upgrade",
                "host",
            }
            assert dict(block).get("te", "trailers") == "trailers" and "x-private" not in names
            assert names == [name.lower() for name in names]


@named("5.1.1", "streams of the gateway are odd and grow")
def test_stream_ids(site, _rule):
    with FrameServer(serving(5)) as server:
        site.serve(server.port, protocol="HTTP2")
        with site.http2(tls=False) as client:
            for _ in range(5):
                assert client.request("GET", site.host, "/").status == 200
        assert list(server.endpoints[0].blocks) == [1, 3, 5, 7, 9]


@named("5.2.1", "a request's body keeps to the server's windows and frame size")
def test_bodies_keep_to_windows(site, _rule):
    size = 50_000
    held = []

    def script(endpoint):
        stream = endpoint.next_request(whole=False)
        endpoint.until(lambda: len(endpoint.bodies.get(stream, b"")) >= 1000)
        endpoint.settle()
        held.append(len(endpoint.bodies[stream]))
        endpoint.window(stream, 1 << 20)
        endpoint.finish(stream)
        held.append(len(endpoint.bodies[stream]))
        held.append(max(len(one.payload) for one in endpoint.frames))
        answer(endpoint, stream)
        answer(endpoint, endpoint.next_request())

    with FrameServer(script, first=settings((INITIAL_WINDOW_SIZE, 1000))) as server:
        site.serve(server.port, protocol="HTTP2")
        with site.http2(tls=False) as client:
            # The window counts from the server's SETTINGS on; until then one request may be ahead of them.
            first = client.open("POST", site.host, "/", end=False)
            wait_until(lambda: server.seen and server.endpoints[0].acks, 5, "SETTINGS are known")
            client.data(first.id, b"u" * size, end=True)
            assert client.finish(first).status == 200
            assert client.request("GET", site.host, "/").status == 200
    assert held[0] == 1000 and held[1] == size and held[2] <= 16_384


@named("8.1", "a request whose client went away is reset, not ended")
def test_an_abandoned_request_is_reset(site, _rule):
    with FrameServer(lambda endpoint: endpoint.next_request(whole=False)) as server:
        site.serve(server.port, protocol="HTTP2")
        client = site.http2(tls=False)
        stream = client.open("POST", site.host, "/", end=False)
        client.data(stream.id, b"some")
        wait_until(lambda: server.endpoints and server.endpoints[0].bodies, 5, "the body's beginning")
        client.wire.reset()
        endpoint = server.endpoints[0]
        wait_until(lambda: endpoint.resets, 5, "RST_STREAM")
        assert not endpoint.ended and set(endpoint.resets.values()) == {CANCEL}


@named("8.1", "RST_STREAM(NO_ERROR) behind a whole response takes nothing back")
def test_no_error_behind_a_response(site, _rule):
    def script(endpoint):
        stream = endpoint.next_request(whole=False)
        answer(endpoint, stream, body=b"whole")
        endpoint.reset(stream, NO_ERROR)

    with FrameServer(script) as server:
        site.serve(server.port, protocol="HTTP2")
        with site.http2(tls=False) as client:
            stream = client.open("POST", site.host, "/", end=False)
            client.until(lambda: stream.done)
            assert (stream.status, stream.body) == (200, b"whole")


def late_data(endpoint):
    first = endpoint.next_request()
    answer(endpoint, first)
    second = endpoint.next_request()
    endpoint.data(first, b"late")
    endpoint.settle()
    answer(endpoint, second)


@named("5.1", "upstream: DATA on a closed stream")
def test_late_data_from_a_back_end(site, _rule):
    """An error of that stream (or of the connection): STREAM_CLOSED."""
    with FrameServer(late_data) as server:
        site.serve(server.port, protocol="HTTP2")
        with site.http2(tls=False) as client:
            assert client.request("GET", site.host, "/").status == 200
            assert client.request("GET", site.host, "/").status == 200
        endpoint = server.endpoints[0]
        told = endpoint.goaway.code if endpoint.goaway else endpoint.resets.get(1)
        assert told == STREAM_CLOSED
