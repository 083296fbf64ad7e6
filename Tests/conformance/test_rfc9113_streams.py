"""RFC 9113 §5.1–§5.1.2: stream states told apart strictly, stream ids, and how many streams there may be."""

from conformance.rules import Rule, connection_error, each, expect, goes_on, judge, named, stream_error
from integration.waiting import wait_until
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC


def on_idle(kind, payload, flags=0):
    return lambda client: client.send(frame(kind, flags, 99, payload))


def in_state(make, kind, payload=b"", flags=0):
    """Sends a frame on a stream that `make` has brought into a state."""

    def act(client):
        stream = make(client)
        client.send(frame(kind, flags, stream, payload))
        return stream

    return act


def half_closed(client):
    """Request sent whole, response outstanding: half-closed (remote) for the gateway."""
    return client.request(path="/hold")


def closed(client):
    """Both sides have sent END_STREAM."""
    stream = client.request()
    client.finish(stream)
    assert client.status(stream) == 200 and stream not in client.resets
    return stream


def reset_by_us(client):
    stream = client.request(path="/hold")
    client.reset(stream, CANCEL)
    return stream


def reset_by_gateway(client):
    """The gateway has reset it, and we might not know yet."""
    stream = client.request(client.fields() + [("Upper", "1")], end=False)
    client.finish(stream)
    assert client.resets.pop(stream) == PROTOCOL_ERROR
    return stream


def skipped(client):
    """An id below one that was used: closed without ever having been open (§5.1.1)."""
    stream = client.new()
    client.finish(client.request())
    return stream


def headers_in(make, end=True):
    def act(client):
        stream = make(client)
        client.headers(stream, client.fields(), end)
        return stream

    return act


@each(
    Rule("5.1", "idle: DATA", on_idle(DATA, b"x"), connection_error(PROTOCOL_ERROR)),
    Rule("5.1", "idle: DATA that ends the stream", on_idle(DATA, b"", END_STREAM), connection_error(PROTOCOL_ERROR)),
    Rule("5.1", "idle: RST_STREAM", on_idle(RST_STREAM, int32(CANCEL)), connection_error(PROTOCOL_ERROR)),
    Rule("5.1", "idle: WINDOW_UPDATE", on_idle(WINDOW_UPDATE, int32(1)), connection_error(PROTOCOL_ERROR)),
    Rule("5.1", "idle: CONTINUATION", on_idle(CONTINUATION, b"", END_HEADERS), connection_error(PROTOCOL_ERROR)),
    Rule("5.1", "idle: PRIORITY is allowed", on_idle(PRIORITY, b"\0\0\0\0\x0f")),
    Rule("5.1", "half-closed: DATA", in_state(half_closed, DATA, b"x"), stream_error(STREAM_CLOSED)),
    Rule("5.1", "half-closed: empty DATA that ends it again",
         in_state(half_closed, DATA, b"", END_STREAM), stream_error(STREAM_CLOSED)),
    Rule("5.1", "half-closed: HEADERS", headers_in(half_closed), stream_error(STREAM_CLOSED)),
    Rule("5.1", "half-closed: WINDOW_UPDATE is allowed", in_state(half_closed, WINDOW_UPDATE, int32(1))),
    Rule("5.1", "half-closed: PRIORITY is allowed", in_state(half_closed, PRIORITY, b"\0\0\0\0\x0f")),
    Rule("5.1", "half-closed: RST_STREAM is allowed", in_state(half_closed, RST_STREAM, int32(CANCEL))),
    Rule("5.1", "closed: WINDOW_UPDATE is allowed", in_state(closed, WINDOW_UPDATE, int32(1))),
    Rule("5.1", "closed: RST_STREAM is allowed", in_state(closed, RST_STREAM, int32(CANCEL))),
    Rule("5.1", "closed: PRIORITY is allowed", in_state(closed, PRIORITY, b"\0\0\0\0\x0f")),
    Rule("5.1", "closed: HEADERS", headers_in(closed), connection_error(STREAM_CLOSED)),
    Rule("5.1", "closed by our RST_STREAM: HEADERS", headers_in(reset_by_us), connection_error(STREAM_CLOSED)),
    Rule("5.1", "reset by the gateway: DATA is discarded", in_state(reset_by_gateway, DATA, b"x")),
    Rule("5.1", "reset by the gateway: HEADERS are discarded", headers_in(reset_by_gateway)),
    Rule("5.1", "reset by the gateway: WINDOW_UPDATE is discarded", in_state(reset_by_gateway, WINDOW_UPDATE, int32(1))),
    Rule("5.1", "reset by the gateway: RST_STREAM is discarded", in_state(reset_by_gateway, RST_STREAM, int32(CANCEL))),
    Rule("5.1", "reset by the gateway: PRIORITY is discarded", in_state(reset_by_gateway, PRIORITY, b"\0\0\0\0\x0f")),
    Rule("5.1.1", "a request on an even stream", lambda client: client.headers(2, client.fields()),
         connection_error(PROTOCOL_ERROR)),
    Rule("5.1.1", "a request on stream 0", lambda client: client.headers(0, client.fields()),
         connection_error(PROTOCOL_ERROR)),
    # A stream that was skipped cannot be told from one that is closed without remembering all: both codes say what is wrong.
    Rule("5.1.1", "a request on a stream below one that was used", headers_in(skipped),
         connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    Rule("5.1.1", "ids may be skipped", lambda client: setattr(client, "next", 1001)),
)  # fmt: skip
def test_stream_states(front, rule):
    judge(front, rule)


@named("5.1.1", "the largest id is taken")
def test_the_largest_id(front, _rule):
    with front.connect() as client:
        client.headers(MAX_INT31, client.fields())
        client.finish(MAX_INT31)
        assert client.status(MAX_INT31) == 200


@each(
    Rule("5.1", "closed: DATA", in_state(closed, DATA, b"x"), stream_error(STREAM_CLOSED)),
    Rule("5.1", "closed by our RST_STREAM: DATA", in_state(reset_by_us, DATA, b"x"), stream_error(STREAM_CLOSED)),
    Rule("5.1", "skipped: DATA", in_state(skipped, DATA, b"x"), stream_error(STREAM_CLOSED)),
)
def test_data_on_a_closed_stream(front, rule):
    """§6.1 wants a stream error; §5.1 lets it be a connection error of the same code."""
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = rule.act(client)
        expect(client, rule.outcome, stream, witness)


@named("5.1.2", "streams over SETTINGS_MAX_CONCURRENT_STREAMS are refused, and those under it go on")
def test_too_many_streams(front, _rule):
    with front.connect() as client:
        limit = next(one.pairs[MAX_CONCURRENT_STREAMS] for one in client.frames if one.kind == SETTINGS)
        witness = client.request(method="POST", end=False)
        streams = [client.request(path="/hold") for _ in range(limit + 1)]
        client.settle()
        assert client.goaway is None
        assert {each: client.resets[each] for each in client.resets} == {
            streams[-2]: REFUSED_STREAM,
            streams[-1]: REFUSED_STREAM,
        }
        record = front.site.gateway.wait_log(authority=front.host, path="/hold", flag="UO")
        assert record["status"] == 503 and "all the streams" in record["reason"]
        for stream in streams[:5]:
            client.reset(stream, CANCEL)
        goes_on(client, witness)


@named("5.1.2", "streams that ended or were reset do not count")
def test_ended_streams_do_not_count(front, _rule):
    with front.connect() as client:
        for _ in range(3):
            for stream in [client.request() for _ in range(100)]:
                client.finish(stream)
        for _ in range(3):  # 300 once more, never more than 100 at a time
            streams = [client.request(path="/hold") for _ in range(50)]
            client.settle()
            for stream in streams:
                client.reset(stream, CANCEL)
            client.settle()
        client.settle()
        assert not client.resets and client.goaway is None
        goes_on(client, client.request(method="POST", end=False))


@named("5.1", "a stream that the client resets is let go of at the back end, too")
def test_a_reset_reaches_the_back_end(front, _rule):
    with front.connect() as client:
        before = len(front.early.resets) + len(front.patient.resets)
        stream = client.request(method="POST", end=False, path="/hold")
        client.settle()
        client.reset(stream, CANCEL)
        wait_until(
            lambda: len(front.patient.resets) + len(front.early.resets) > before, 5, "RST_STREAM at the back end"
        )


@named("5.1", "reset by the gateway, a hundred streams ago: HEADERS are discarded")
def test_resets_are_remembered(front, _rule):
    """Early answers to uploads: their trailers are on the way when the gateway resets them, and must not end the connection."""
    with front.connect() as client:
        streams = [client.request(method="POST", path="/early", end=False) for _ in range(100)]
        client.until(lambda: all(stream in client.resets for stream in streams))
        assert set(client.resets.values()) == {NO_ERROR}
        client.headers(streams[0], [("x-trailer", "1")])
        goes_on(client, client.request(method="POST", end=False))


@named("5.1", "reset by the gateway: a second block of HEADERS = connection error STREAM_CLOSED")
def test_trailers_come_once(front, _rule):
    """What was on its way when the stream was reset are trailers at most: nobody sends two, and each block costs time."""
    with front.connect() as client:
        stream = client.request(method="POST", path="/early", end=False)
        client.until(lambda: stream in client.resets)
        for _ in range(2):
            client.headers(stream, [("x-trailer", "1")])
        client.read_to_end()
        assert client.goaway.code == STREAM_CLOSED
