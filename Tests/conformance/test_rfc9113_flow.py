"""RFC 9113 §5.2 and §6.9: both sides' windows, what moves them, and what breaks them."""

import contextlib
import threading

import h2.exceptions
import pytest

from conformance.rules import Rule, connection_error, each, goes_on, judge, named, stream_error
from integration.waiting import wait_until
from peers import http2
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC


def update(increment, stream=0):
    return frame(WINDOW_UPDATE, 0, stream, int32(increment))


def on_stream(*data, path="/hold"):
    """A request, then these; what is callable takes the stream."""

    def act(client):
        stream = client.request(path=path)
        client.send(*[each(stream) if callable(each) else each for each in data])
        return stream

    return act


@each(
    Rule("6.9", "an increment of 0 on the connection", update(0), connection_error(PROTOCOL_ERROR)),
    Rule("6.9", "an increment of 0 on a stream", on_stream(lambda id: update(0, id)), stream_error(PROTOCOL_ERROR)),
    Rule("6.9", "a length other than 4, on the connection", frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"),
         connection_error(FRAME_SIZE_ERROR)),
    Rule("6.9", "a length other than 4, on a stream", on_stream(lambda id: frame(WINDOW_UPDATE, 0, id, b"\0\0\0\0\1")),
         connection_error(FRAME_SIZE_ERROR)),
    Rule("6.9", "the reserved bit of an increment is ignored", frame(WINDOW_UPDATE, 0, 0, int32(0x80000001))),
    Rule("6.9.1", "the connection's window above 2^31-1", update(MAX_INT31), connection_error(FLOW_CONTROL_ERROR)),
    Rule("6.9.1", "the connection's window above 2^31-1 in steps", update(MAX_INT31 - 65_535) + update(1),
         connection_error(FLOW_CONTROL_ERROR)),
    Rule("6.9.1", "the connection's window of exactly 2^31-1", update(MAX_INT31 - 65_535)),
    Rule("6.9.1", "a stream's window above 2^31-1", on_stream(lambda id: update(MAX_INT31, id)),
         stream_error(FLOW_CONTROL_ERROR)),
    Rule("6.9.1", "a stream's window of exactly 2^31-1", on_stream(lambda id: update(MAX_INT31 - 65_535, id))),
    Rule("6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1", settings((INITIAL_WINDOW_SIZE, 1 << 31)),
         connection_error(FLOW_CONTROL_ERROR)),
    Rule("6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE that makes a stream's window overflow",
         on_stream(lambda id: update(MAX_INT31 - 65_535, id), settings((INITIAL_WINDOW_SIZE, 65_536))),
         connection_error(FLOW_CONTROL_ERROR)),
    Rule("6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE of exactly 2^31-1", settings((INITIAL_WINDOW_SIZE, MAX_INT31))),
)  # fmt: skip
def test_windows(front, rule):
    judge(front, rule)


def amount(client, stream):
    return len(client.bodies.get(stream, b""))


@named("5.2.1", "no more is sent than the stream's window")
def test_the_stream_s_window_is_kept(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1000))) as client:
        client.window(0, 1 << 20)
        stream = client.request(path="/large")
        client.until(lambda: amount(client, stream) >= 1000)
        client.settle()
        assert amount(client, stream) == 1000
        client.window(stream, 1)
        client.until(lambda: amount(client, stream) >= 1001)
        client.window(stream, 100_000)
        client.finish(stream)
        assert amount(client, stream) == 60_000


@named("5.2.1", "no more is sent than the connection's window, which SETTINGS does not change")
def test_the_connection_s_window_is_kept(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1 << 20))) as client:
        streams = [client.request(path="/large") for _ in range(3)]
        client.until(lambda: sum(amount(client, each) for each in streams) >= 65_535)
        client.settle()
        assert sum(amount(client, each) for each in streams) == 65_535
        client.window(0, 1 << 20)
        for stream in streams:
            client.finish(stream)
        assert [amount(client, each) for each in streams] == [60_000] * 3


@named("5.2.1", "only DATA is flow-controlled: a closed window holds up no HEADERS")
def test_headers_need_no_window(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 0))) as client:
        stream = client.request(path="/large")
        client.until(lambda: client.status(stream) is not None)
        client.settle()
        assert client.status(stream) == 200 and amount(client, stream) == 0


@named("5.2.2", "a stream without window does not hold up the others")
def test_a_stalled_stream_stalls_alone(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1000))) as client:
        client.window(0, 1 << 20)
        stalled = client.request(path="/large")
        client.until(lambda: amount(client, stalled) == 1000)
        goes_on(client, client.request(method="POST", end=False))


@named("6.9.2", "a change of SETTINGS_INITIAL_WINDOW_SIZE moves the windows of streams that are open")
def test_the_initial_window_moves_open_streams(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1000))) as client:
        client.window(0, 1 << 20)
        stream = client.request(path="/large")
        client.until(lambda: amount(client, stream) == 1000)
        client.send(settings((INITIAL_WINDOW_SIZE, 1500)))
        client.until(lambda: amount(client, stream) >= 1500)
        client.settle()
        assert amount(client, stream) == 1500
        client.send(settings((INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 100_000)))
        client.finish(stream)
        assert amount(client, stream) == 60_000


@named("6.9.2", "a window that went below zero is waited out")
def test_a_negative_window(front, _rule):
    with front.connect(first=settings((INITIAL_WINDOW_SIZE, 1000))) as client:
        client.window(0, 1 << 20)
        stream = client.request(path="/large")
        client.until(lambda: amount(client, stream) == 1000)
        client.send(settings((INITIAL_WINDOW_SIZE, 400)))  # the window is -600 now
        client.window(stream, 600)
        client.settle()
        assert amount(client, stream) == 1000, "sent into a window of zero"
        client.window(stream, 5)
        client.until(lambda: amount(client, stream) >= 1005)
        client.settle()
        assert amount(client, stream) == 1005
        client.window(stream, 100_000)
        client.finish(stream)
        assert amount(client, stream) == 60_000


@named("6.9.2", "the connection's window is not moved by SETTINGS")
def test_settings_leave_the_connection_s_window(front, _rule):
    with front.connect() as client:
        client.send(settings((INITIAL_WINDOW_SIZE, 0)), settings((INITIAL_WINDOW_SIZE, 65_535)))
        client.window(0, MAX_INT31 - 65_535)
        client.settle()
        assert client.goaway is None


@pytest.fixture
def unread(front):
    """A back end under /unread that takes bodies and never gives window back."""

    def script(connection, id, headers):
        connection.credit = False

    with http2.Server(script, wait_for_end=False) as server:
        route = front.site.serve(server.port, protocol="HTTP2", path="/unread")
        yield server
        front.site.gateway.api.delete(f"/v1/routes/{route['name']}")


@named("6.9.1", "DATA beyond the stream's window is FLOW_CONTROL_ERROR of that stream")
def test_more_than_the_stream_s_window(front, unread, _rule):
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = client.request(method="POST", path="/unread", end=False)
        client.settle()
        for _ in range(40):  # 640 KiB: less than the connection's window, more than any stream has here
            client.data(stream, b"x" * 16_384)
        client.finish(stream)
        assert client.resets[stream] == FLOW_CONTROL_ERROR and client.goaway is None
        goes_on(client, witness)


@named("6.9.1", "DATA that is discarded still counts, and the connection's window comes back")
def test_discarded_data_gives_its_window_back(front, _rule):
    """Without that a connection would slowly close: 2 MiB on streams that are gone, then a request with a body."""
    with front.connect() as client:
        stream = client.request(client.fields() + [("Upper", "1")], end=False)
        client.finish(stream)
        sent = 0
        while sent < 2 << 20:
            credit = sum(
                int.from_bytes(one.payload, "big")
                for one in client.frames
                if one.kind == WINDOW_UPDATE and one.stream == 0
            )
            if 65_535 + credit - sent >= 16_384:
                client.data(stream, b"x" * 16_384)
                sent += 16_384
            else:
                client.read()
        goes_on(client, client.request(method="POST", end=False))


@named("6.9", "padding counts against the window and is given back")
def test_padding_is_given_back(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", end=False)
        padded = frame(DATA, PADDED, stream, b"\xff" + b"x" + b"\0" * 255)
        for _ in range(400):  # 102,800 bytes for 400 of body
            client.send(padded)

        def credited():
            client.settle()
            return sum(
                int.from_bytes(one.payload, "big")
                for one in client.frames
                if one.kind == WINDOW_UPDATE and one.stream == stream
            )

        assert wait_until(lambda: credited() >= 16_384, 5, "WINDOW_UPDATE for padding")
        goes_on(client, stream)


@named("6.9.1", "the end of a body needs no window, not even one below zero")
def test_an_end_without_window(front, _rule):
    go = threading.Event()

    def script(connection, id, headers):
        connection.respond(id, 200)
        connection.data(id, b"x" * 1000)

        def end():
            go.wait(10)
            with connection.lock, contextlib.suppress(h2.exceptions.StreamClosedError):
                connection.data(id, b"", end=True)

        threading.Thread(target=end, daemon=True).start()

    with http2.Server(script) as server:
        route = front.site.serve(server.port, protocol="HTTP2", path="/two-steps")
        with front.connect() as client:
            stream = client.request(path="/two-steps")
            client.until(lambda: len(client.bodies.get(stream, b"")) == 1000)
            client.send(settings((INITIAL_WINDOW_SIZE, 0)))
            client.settle()
            go.set()
            client.wire.sock.settimeout(3)
            client.finish(stream)
            assert stream in client.ended
        front.site.gateway.api.delete(f"/v1/routes/{route['name']}")
