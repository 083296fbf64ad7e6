"""RFC 9113 §6.1–§6.10 (but §6.9): each frame type's stream, length, padding and meaning."""

import pytest

from conformance.rules import Rule, connection_error, each, goes_on, judge, named, stream_error
from integration.waiting import wait_until
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC


def block(client, **more):
    return client.encoder.encode(client.fields(**more))


def headers(flags, payload, end=END_STREAM):
    """HEADERS on a new stream; `payload` gets the encoded block."""

    def act(client):
        stream = client.new()
        client.frame(HEADERS, flags | end, stream, payload(block(client)))
        return stream

    return act


def on_open(*data, path="/hold", method="POST", end=False):
    """Frames, made by functions of the stream, on a stream that is open."""

    def act(client):
        stream = client.request(method=method, path=path, end=end)
        client.send(*[make(stream) for make in data])
        return stream

    return act


def answered(client, stream):
    client.finish(stream)
    assert client.status(stream) == 200


@each(
    # ---- §6.1
    Rule("6.1", "DATA on stream 0", frame(DATA, 0, 0, b"x"), connection_error(PROTOCOL_ERROR)),
    Rule("6.1", "padding as long as the payload", on_open(lambda id: frame(DATA, PADDED, id, b"\x06abcde")),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.1", "padding longer than the payload", on_open(lambda id: frame(DATA, PADDED, id, b"\xffabc")),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.1", "PADDED without a pad length", on_open(lambda id: frame(DATA, PADDED, id)),
         connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    Rule("6.1", "nothing but padding", on_open(lambda id: frame(DATA, PADDED, id, b"\x03\0\0\0"))),
    # ---- §6.2
    Rule("6.2", "HEADERS on stream 0", lambda client: client.frame(HEADERS, 5, 0, block(client)),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.2", "padding longer than what is left", headers(END_HEADERS | PADDED, lambda it: b"\xff" + it),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.2", "PADDED without a pad length", headers(END_HEADERS | PADDED, lambda it: b""),
         connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    Rule("6.2", "PRIORITY without room for its fields", headers(END_HEADERS | PRIORITIZED, lambda it: b"\0\0\0"),
         connection_error(FRAME_SIZE_ERROR)),
    Rule("6.2", "PADDED and PRIORITY that leave nothing for padding",
         headers(END_HEADERS | PRIORITIZED | PADDED, lambda it: b"\x06\0\0\0\0\x0f" + b"\0"),
         connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    # ---- §6.3
    Rule("6.3", "PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0\0\0\1\x0f"), connection_error(PROTOCOL_ERROR)),
    Rule("6.3", "a length other than 5 on an open stream", on_open(lambda id: frame(PRIORITY, 0, id, b"\0\0\0\0")),
         stream_error(FRAME_SIZE_ERROR)),
    Rule("6.3", "PRIORITY is ignored in any state", frame(PRIORITY, 0, 1, b"\x80\0\0\3\xff") +
         frame(PRIORITY, 0, 2, b"\0\0\0\0\0") + frame(PRIORITY, 0, 77, b"\0\0\0\5\0")),
    # ---- §6.4
    Rule("6.4", "RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, int32(CANCEL)), connection_error(PROTOCOL_ERROR)),
    Rule("6.4", "RST_STREAM on an idle stream", frame(RST_STREAM, 0, 99, int32(CANCEL)), connection_error(PROTOCOL_ERROR)),
    Rule("6.4", "a length other than 4", on_open(lambda id: frame(RST_STREAM, 0, id, b"\0\0\0")),
         connection_error(FRAME_SIZE_ERROR)),
    Rule("6.4", "an unknown error code", on_open(lambda id: frame(RST_STREAM, 0, id, int32(0xABCDEF01)))),
    # ---- §6.5
    Rule("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1), connection_error(PROTOCOL_ERROR)),
    Rule("6.5", "SETTINGS acknowledged with a payload", frame(SETTINGS, ACK, 0, b"\0\3\0\0\0\1"),
         connection_error(FRAME_SIZE_ERROR)),
    Rule("6.5", "a length that is no multiple of 6", frame(SETTINGS, 0, 0, b"\0\3\0\0\0"), connection_error(FRAME_SIZE_ERROR)),
    Rule("6.5", "an acknowledgement of nothing is harmless", frame(SETTINGS, ACK)),
    Rule("6.5.2", "SETTINGS_ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2)), connection_error(PROTOCOL_ERROR)),
    Rule("6.5.2", "SETTINGS_ENABLE_PUSH of 0 and 1", settings((ENABLE_PUSH, 0)) + settings((ENABLE_PUSH, 1))),
    Rule("6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE of 2^31", settings((INITIAL_WINDOW_SIZE, 1 << 31)),
         connection_error(FLOW_CONTROL_ERROR)),
    Rule("6.5.2", "SETTINGS_MAX_FRAME_SIZE of 16,383", settings((MAX_FRAME_SIZE, 16_383)), connection_error(PROTOCOL_ERROR)),
    Rule("6.5.2", "SETTINGS_MAX_FRAME_SIZE of 2^24", settings((MAX_FRAME_SIZE, 1 << 24)), connection_error(PROTOCOL_ERROR)),
    Rule("6.5.2", "SETTINGS_MAX_FRAME_SIZE at both ends", settings((MAX_FRAME_SIZE, 16_384), (MAX_FRAME_SIZE, (1 << 24) - 1))),
    Rule("6.5.3", "of a doubled setting the last counts, each being valid",
         settings((MAX_FRAME_SIZE, 1), (MAX_FRAME_SIZE, 16_384)), connection_error(PROTOCOL_ERROR)),
    # ---- §6.6
    Rule("6.6", "PUSH_PROMISE from a client", on_open(lambda id: frame(PUSH_PROMISE, END_HEADERS, id, b"\0\0\0\2\x82")),
         connection_error(PROTOCOL_ERROR)),
    Rule("8.4", "PUSH_PROMISE on an idle stream", frame(PUSH_PROMISE, END_HEADERS, 99, b"\0\0\0\2\x82"),
         connection_error(PROTOCOL_ERROR)),
    # ---- §6.7
    Rule("6.7", "PING on a stream", frame(PING, 0, 1, b"12345678"), connection_error(PROTOCOL_ERROR)),
    Rule("6.7", "PING of 7 bytes", frame(PING, 0, 0, b"1234567"), connection_error(FRAME_SIZE_ERROR)),
    Rule("6.7", "PING of 9 bytes", frame(PING, 0, 0, b"123456789"), connection_error(FRAME_SIZE_ERROR)),
    Rule("6.7", "PING acknowledged with a wrong length", frame(PING, ACK, 0, b""), connection_error(FRAME_SIZE_ERROR)),
    # ---- §6.8
    Rule("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), connection_error(PROTOCOL_ERROR)),
    Rule("6.8", "GOAWAY too short for its fields", frame(GOAWAY, 0, 0, bytes(7)), connection_error(FRAME_SIZE_ERROR)),
    # ---- §6.10
    Rule("6.10", "CONTINUATION on stream 0", frame(CONTINUATION, END_HEADERS, 0, b"\x82"), connection_error(PROTOCOL_ERROR)),
    Rule("6.10", "CONTINUATION on an open stream, without HEADERS",
         on_open(lambda id: frame(CONTINUATION, END_HEADERS, id, b"\x82")), connection_error(PROTOCOL_ERROR)),
    Rule("6.10", "CONTINUATION after END_HEADERS",
         lambda client: client.send(frame(HEADERS, 5, client.new(), block(client)),
                                    frame(CONTINUATION, END_HEADERS, client.next - 2, b"\x82")),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.10", "CONTINUATION after CONTINUATION with END_HEADERS",
         lambda client: client.send(frame(HEADERS, 1, client.new(), block(client)),
                                    frame(CONTINUATION, END_HEADERS, client.next - 2), frame(CONTINUATION, 4, client.next - 2)),
         connection_error(PROTOCOL_ERROR)),
    Rule("6.10", "CONTINUATION of another stream",
         lambda client: client.send(frame(HEADERS, 1, client.new(), block(client)),
                                    frame(CONTINUATION, END_HEADERS, client.next + 4)),
         connection_error(PROTOCOL_ERROR)),
)  # fmt: skip
def test_frames(front, rule):
    judge(front, rule)


@named("6.3", "PRIORITY of a wrong length on an idle stream is not answered with RST_STREAM")
def test_no_reset_of_an_idle_stream(front, _rule):
    """§6.4: RST_STREAM must not be sent for an idle stream; the peer would have to end the connection for it."""
    with front.connect() as client:
        client.frame(PRIORITY, 0, 99, b"\0\0\0\0")
        client.frame(PING, 0, 0, b"12345678")
        client.until(lambda: client.pongs or client.goaway)
        assert 99 not in client.resets
        assert client.goaway is None or client.goaway.code == FRAME_SIZE_ERROR


@named("6.3", "a stream reset for its PRIORITY gets no more frames, and the back end's is cancelled")
def test_a_reset_for_priority_is_a_whole_one(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", path="/late", end=False)
        client.settle()
        before = len(front.patient.resets)
        client.frame(PRIORITY, 0, stream, b"\0\0\0\0")
        client.settle()
        assert client.resets.get(stream) == FRAME_SIZE_ERROR
        wait_until(lambda: len(front.patient.resets) > before, 3, "the back end's stream is reset")


@pytest.mark.parametrize(
    "kind",
    [PRIORITY, HEADERS],
    ids=["5.3.2 in PRIORITY, a stream that depends on itself", "5.3.2 in HEADERS, a stream that depends on itself"],
)
def test_priority_that_names_its_own_stream(front, kind):
    """RFC 9113 §5.3.2 has priority ignored; RFC 7540 §5.3.1 made this an error of the stream. Of the connection it never was."""
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = client.new()
        if kind == PRIORITY:
            client.headers(stream, client.fields("/hold"), end=False)
            client.frame(PRIORITY, 0, stream, int32(stream) + b"\x0f")
        else:
            client.frame(HEADERS, 5 | PRIORITIZED, stream, int32(stream) + b"\x0f" + block(client))
        client.settle()
        assert client.goaway is None, "the whole connection was ended"
        assert client.resets.get(stream) in (None, PROTOCOL_ERROR)
        goes_on(client, witness)


@pytest.mark.parametrize(
    "flags, wrap",
    [
        (0, lambda it: it),
        (PADDED, lambda it: b"\x07" + it + b"\0" * 7),
        (PADDED, lambda it: b"\0" + it),
        (PRIORITIZED, lambda it: b"\x80\0\0\x7b\xff" + it),
        (PADDED | PRIORITIZED, lambda it: b"\x03\0\0\0\0\0" + it + b"\0\0\0"),
    ],
    ids=[
        "6.2 HEADERS, plain = accepted",
        "6.2 HEADERS, padded = accepted",
        "6.2 HEADERS, padded with nothing = accepted",
        "6.2 HEADERS with priority fields = accepted",
        "6.2 HEADERS, padded, with priority fields = accepted",
    ],
)
def test_headers_in_each_form(front, flags, wrap):
    with front.connect() as client:
        answered(client, headers(END_HEADERS | flags, wrap)(client))


@named("6.1", "DATA with and without padding make one body")
def test_padded_data(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", path="/padded", end=False)
        client.send(
            frame(DATA, PADDED, stream, b"\x04ab\0\0\0\0"),
            frame(DATA, 0, stream, b"cd"),
            frame(DATA, PADDED, stream, b"\0ef"),
            frame(DATA, PADDED | END_STREAM, stream, b"\xff" + b"\0" * 255),
        )
        answered(client, stream)
    assert b"abcdef" in front.patient.bodies.values()


@named("6.10", "a block in many CONTINUATION frames, some empty, is one block")
def test_continuations(front, _rule):
    with front.connect() as client:
        stream = client.new()
        data = client.encoder.encode(client.fields("/in-parts"))
        parts = [frame(CONTINUATION, 0, stream, data[at : at + 1]) for at in range(min(20, len(data)))]
        client.send(
            frame(HEADERS, END_STREAM, stream),
            *parts,
            frame(CONTINUATION, 0, stream),
            frame(CONTINUATION, END_HEADERS, stream, data[min(20, len(data)) :]),
        )
        answered(client, stream)
        goes_on(client, client.request(method="POST", end=False))
    assert "/in-parts" in front.seen


@named("6.5", "SETTINGS are acknowledged, each, in order and after they were applied")
def test_settings_are_acknowledged(front, _rule):
    with front.connect() as client:
        client.settle()
        assert client.acks == 1
        client.send(settings((INITIAL_WINDOW_SIZE, 10)), settings(), settings((MAX_FRAME_SIZE, 20_000)))
        client.settle()
        assert client.acks == 4


@named("6.5.2", "the gateway's own settings are valid, and it does not enable push")
def test_the_gateway_s_settings(front, _rule):
    with front.connect() as client:
        pairs = next(one.pairs for one in client.frames if one.kind == SETTINGS)
    assert pairs.get(ENABLE_PUSH, 0) == 0
    assert pairs.get(INITIAL_WINDOW_SIZE, 0) <= MAX_INT31
    assert 16_384 <= pairs.get(MAX_FRAME_SIZE, 16_384) < 1 << 24


@named("6.5.2", "SETTINGS_MAX_FRAME_SIZE of the client bounds what it gets, from its acknowledgement on")
def test_larger_frames_are_only_sent_where_allowed(front, _rule):
    with front.connect(first=settings((MAX_FRAME_SIZE, 20_000), (INITIAL_WINDOW_SIZE, 1 << 20))) as client:
        stream = client.request(path="/large")
        client.finish(stream)
        assert max(len(one.payload) for one in client.frames) <= 20_000


@named("6.7", "PING is answered with the same payload, and an answer is not answered")
def test_ping(front, _rule):
    with front.connect() as client:
        for payload in (b"\0" * 8, b"\xff" * 8, b"12345678"):
            client.frame(PING, 0, 0, payload)
        client.frame(PING, ACK, 0, b"ours....")
        client.settle()
        assert client.pongs[:3] == [b"\0" * 8, b"\xff" * 8, b"12345678"] and len(client.pongs) == 4
        assert all(one.stream == 0 and one.flags == ACK for one in client.frames if one.kind == PING)


@named("6.8", "streams under way go on after the client's GOAWAY")
def test_goaway_from_the_client(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", end=False)
        client.frame(GOAWAY, 0, 0, int32(0) + int32(NO_ERROR) + b"debug data")
        client.data(stream, b"more", end=True)
        answered(client, stream)


@named("4.1", "reserved bits, and flags without a meaning, are never sent")
def test_what_is_sent(front, _rule):
    """`peers.frames` looks at every frame that it reads; here is one of each kind."""
    with front.connect() as client:
        client.until(lambda: client.count(SETTINGS))
        early = client.request(method="POST", path="/early", end=False)
        client.finish(early)
        answered = client.request(method="POST", end=False)
        for _ in range(16):
            client.data(answered, bytes(16_384))
        client.data(answered, end=True)
        client.finish(answered)
        client.settle()
        client.send(frame(DATA, 0, 0))
        client.read_to_end()
        kinds = {one.kind for one in client.frames}
    assert kinds == {DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE}
