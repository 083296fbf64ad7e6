"""RFC 9113 §3.4–§4.3, §5.4, §5.5: the preface, frames as such, header blocks as such, and errors."""

import pytest

from conformance.rules import Rule, connection_error, each, judge, named

from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC
from peers.frames import FrameClient

BIG = b"x" * 16_385


def unknown(kind, flags=0xFF, stream=0, payload=b"whatever"):
    return frame(kind, flags, stream, payload)


def split_block(middle):
    """A request in two frames with `middle` between them."""

    def act(client):
        stream = client.new()
        block = client.encoder.encode(client.fields())
        client.send(
            frame(HEADERS, END_STREAM, stream, block[:3]),
            middle(stream) if callable(middle) else middle,
            frame(CONTINUATION, END_HEADERS, stream, block[3:]),
        )
        return stream

    return act


def undecodable_on_closed(client):
    stream = client.request()
    client.finish(stream)
    client.frame(HEADERS, 5, stream, b"\xff\xff\xff\xff\xff\xff")


RULES = [
    Rule("4.1", "frames of unknown types are ignored on the connection", unknown(0x42)),
    Rule("4.1", "frames of unknown types are ignored on a stream", lambda client: client.send(unknown(0xFF, stream=1))),
    Rule("4.1", "unknown flags of DATA are ignored", lambda client: client.frame(DATA, 0xF6 & ~PADDED, 1, b"x") or 1),
    Rule("4.1", "unknown flags of SETTINGS are ignored", frame(SETTINGS, 0xFE, 0)),
    Rule("4.1", "the reserved bit of the stream id is ignored", frame(PING, 0, 0x80000000, b"reserved")),
    Rule("4.2", "DATA larger than SETTINGS_MAX_FRAME_SIZE", frame(DATA, 0, 1, BIG), connection_error(FRAME_SIZE_ERROR)),
    Rule("4.2", "HEADERS larger than the limit", frame(HEADERS, 5, 3, BIG), connection_error(FRAME_SIZE_ERROR)),
    Rule("4.2", "SETTINGS larger than the limit", frame(SETTINGS, 0, 0, b"\0" * 16_386), connection_error(FRAME_SIZE_ERROR)),
    Rule("4.2", "an unknown frame larger than the limit", frame(0x42, 0, 0, BIG), connection_error(FRAME_SIZE_ERROR)),
    Rule("4.2", "DATA of the largest size is taken", frame(DATA, 0, 1, BIG[1:])),
    Rule("4.3", "a block cut off in a field", frame(HEADERS, 5, 3, b"\x40\x05ab"), connection_error(COMPRESSION_ERROR)),
    Rule(
        "4.3",
        "a block that cannot be decoded, of a stream that is closed",
        undecodable_on_closed,
        connection_error(COMPRESSION_ERROR, STREAM_CLOSED),
    ),
    Rule("4.3", "DATA of the same stream between HEADERS and CONTINUATION",
         split_block(lambda stream: frame(DATA, 0, stream, b"x")), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "DATA of another stream between HEADERS and CONTINUATION",
         split_block(frame(DATA, 0, 1, b"x")), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "HEADERS of another stream between HEADERS and CONTINUATION",
         split_block(frame(HEADERS, 5, 5, b"\x82")), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "PING between HEADERS and CONTINUATION",
         split_block(frame(PING, 0, 0, b"12345678")), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "SETTINGS between HEADERS and CONTINUATION", split_block(settings()), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "WINDOW_UPDATE between HEADERS and CONTINUATION",
         split_block(frame(WINDOW_UPDATE, 0, 0, int32(1))), connection_error(PROTOCOL_ERROR)),
    Rule("4.3", "PRIORITY between HEADERS and CONTINUATION",
         split_block(lambda stream: frame(PRIORITY, 0, stream, b"\0\0\0\0\0")), connection_error(PROTOCOL_ERROR)),
    Rule("5.5", "an unknown frame between HEADERS and CONTINUATION",
         split_block(lambda stream: unknown(0x42, 0, stream)), connection_error(PROTOCOL_ERROR)),
    Rule("5.5", "an unknown setting is ignored", settings((0xFF00, 1), (0x00FF, 0xFFFFFFFF))),
    Rule("5.5", "an unknown frame on an idle stream is ignored", unknown(0x42, stream=99)),
]  # fmt: skip


@each(*RULES)
def test_frames(front, rule):
    judge(front, rule)


@each(
    Rule(
        "3.4",
        "a preface with a wrong byte",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r" + settings(),
        connection_error(PROTOCOL_ERROR),
    ),
    Rule(
        "3.4",
        "HTTP/1.1 where HTTP/2 was negotiated",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        connection_error(PROTOCOL_ERROR),
    ),
    Rule("3.4", "HEADERS before SETTINGS", PREFACE + frame(HEADERS, 5, 1, b"\x82"), connection_error(PROTOCOL_ERROR)),
    Rule("3.4", "PING before SETTINGS", PREFACE + frame(PING, 0, 0, b"12345678"), connection_error(PROTOCOL_ERROR)),
    Rule("3.4", "an unknown frame before SETTINGS", PREFACE + frame(0x42), connection_error(PROTOCOL_ERROR)),
    Rule("3.4", "an acknowledgement before SETTINGS", PREFACE + frame(SETTINGS, ACK), connection_error(PROTOCOL_ERROR)),
)
def test_the_client_preface(gateway, authority, tls_front, rule):
    """PROTOCOL_ERROR; the GOAWAY may be left out where the peer does not seem to speak HTTP/2."""
    with FrameClient(tls_front.gateway.https_port, tls_front.host, tls=True, begin=False) as client:
        client.send(rule.act)
        client.read_to_end()
        assert client.goaway is None or client.goaway.code == PROTOCOL_ERROR
        assert client.goaway is not None or not rule.act.startswith(PREFACE)
        assert not client.blocks, "something was answered"


@pytest.fixture(scope="module")
def tls_front(gateway, authority, front):
    from integration.site import Site

    made = Site(gateway, authority)
    made.serve(front.patient.port, protocol="HTTP2")
    return made


@named("3.4", "the server's first frame is SETTINGS, without waiting for the client's")
def test_the_server_preface(tls_front, _rule):
    with FrameClient(tls_front.gateway.https_port, tls_front.host, tls=True, begin=False) as client:
        client.send(PREFACE)
        first = client.read()
        assert (first.kind, first.flags & ACK, first.stream) == (SETTINGS, 0, 0)


@named("3.4", "requests may follow the client's preface at once")
def test_nothing_waits_for_settings(front, _rule):
    with FrameClient(front.port, front.host) as client:
        stream = client.request()
        client.finish(stream)
        assert client.status(stream) == 200


@named("3.4", "a preface that comes byte by byte is understood")
def test_a_slow_preface(front, _rule):
    with FrameClient(front.port, front.host, begin=False) as client:
        for byte in PREFACE + settings():
            client.send(bytes([byte]))
        stream = client.request()
        client.finish(stream)
        assert client.status(stream) == 200


@named("4.2", "frames sent keep to the peer's SETTINGS_MAX_FRAME_SIZE, which is 16,384 until it says otherwise")
def test_frames_sent_are_not_too_large(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1 << 20))) as client:
        stream = client.request(path="/large")
        client.finish(stream)
        assert max(len(each.payload) for each in client.frames) <= 16_384
        assert client.bodies[stream] == b"l" * 60_000


@named("5.4.1", "GOAWAY names the last stream that was looked at, and the connection is closed")
def test_goaway_tells_the_last_stream(front, _rule):
    with front.connect() as client:
        streams = [client.request(path="/hold") for _ in range(3)]
        client.settle()
        client.frame(PING, 0, 0, b"short")
        client.read_to_end()
        assert client.goaway.code == FRAME_SIZE_ERROR
        assert client.goaway.last_stream == streams[-1]


@named("5.4.2", "a reset stream gets no frames from the gateway afterwards")
def test_nothing_follows_a_reset(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", path="/early", end=False)
        client.frame(WINDOW_UPDATE, 0, stream, int32(0))
        client.settle()
        client.settle()
        at = next(i for i, one in enumerate(client.frames) if one.kind == RST_STREAM and one.stream == stream)
        assert not [one for one in client.frames[at + 1 :] if one.stream == stream and one.kind != PRIORITY]


@named("5.4.2", "RST_STREAM is not answered with RST_STREAM")
def test_a_reset_is_not_answered(front, _rule):
    with front.connect() as client:
        stream = client.request(path="/hold")
        client.reset(stream, STREAM_CLOSED)
        client.settle()
        client.reset(stream, STREAM_CLOSED)
        client.settle()
        assert stream not in client.resets


@named("5.4.3", "a client that closes without GOAWAY harms nobody")
def test_an_abrupt_end(front, _rule):
    with front.connect() as witness, front.connect() as client:
        kept = witness.request(method="POST", end=False)
        client.request(path="/hold")
        client.wire.reset()
        witness.data(kept, end=True)
        witness.finish(kept)
        assert witness.status(kept) == 200
