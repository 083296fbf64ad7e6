"""Limits on the frames and messages of WebSockets (`webSocket` of a route), for clients over ws, wss and HTTP/2 (RFC 8441) and
services over HTTP/1.1 and HTTP/2: exactly what is allowed passes, of the first frame above nothing does, and both sides are told."""

import contextlib
import struct
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from wsproto.events import TextMessage

from integration.test_rfc6455 import WAYS, Pipe, Service, frame
from integration.test_websocket_ends import CLOSE_SIZE, Far, close_code, near
from integration.test_websocket import accepting
from integration.waiting import wait_until
from peers.http1 import RawServer
from peers.ws_http2 import WebSocket, open_connect

LIMITS = {"maxFrameSize": 1000, "maxMessageSize": 2500}
REASON = "the {} sent a WebSocket frame or message over the route's limit"


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=["h1", "h2"])
def behind(request):
    return request.param


def parts(opcode, *sizes, end=True, **more):
    """A message, or what there is of it so far, in frames of these sizes."""
    last = len(sizes) - 1
    return b"".join(
        frame(0 if at else opcode, b"x" * size, fin=end and at == last, **more) for at, size in enumerate(sizes)
    )


def endless(mask=b"", **_):
    """The header of a frame of 2^63-1 bytes, and a few of them."""
    return struct.pack("!BBQ", 0x82, (0x80 if mask else 0) | 127, 2**63 - 1) + (mask or b"") + b"xyz"


# What passes, and the frame behind it that does not.
OVER = {
    "a big frame": lambda **m: (parts(1, 5, **m), frame(2, b"x" * 1001, **m)),
    "fragments that add up": lambda **m: (parts(2, 900, 900, end=False, **m), frame(0, b"x" * 701, **m)),
    "a fragment more, empty ones between": lambda **m: (parts(2, 1000, 0, 1000, 0, 500, end=False, **m), frame(0, b"x", **m)),
    "2^63-1 bytes": lambda **m: (parts(1, 1000, 1000, 500, **m), endless(**m)),
    "a control frame of 126 bytes": lambda **m: (parts(1, 5, **m), frame(9, b"x" * 126, **m)),
}


def within(**more):
    """Exactly at both limits, twice, with control frames in the midst of a message, which count for nothing."""
    message = frame(2, b"x" * 1000, fin=False, **more) + frame(9, b"p" * 125, **more)
    message += frame(0, b"x" * 1000, fin=False, **more) + frame(10, b"p" * 125, **more) * 20 + frame(0, b"x" * 500, **more)
    return message * 2 + frame(1, b"x" * 1000, **more)


@pytest.fixture(params=OVER)
def over(request):
    return OVER[request.param]


def assert_recorded(gateway, site, who, before):
    record = gateway.wait_log(authority=site.host, path="/over")
    assert (record["flag"], record["close_code"], record["reason"]) == ("ML", 1009, REASON.format(who))
    after = (before[0] + 1, before[1] + 1, before[2])
    wait_until(lambda: counts(gateway, who) == after, 5, "it is counted")
    return record


def counts(gateway, who):
    kind = {"client": "downstreamMessageTooBig", "service": "upstreamMessageTooBig"}[who]
    return (
        gateway.metric("causeway_errors_total", flag="ML", kind=kind),
        gateway.metric("causeway_downstream_websockets_closed_total", code=1009),
        gateway.metric("causeway_downstream_websockets_open"),
    )


def test_a_client_over_a_limit(gateway, site, way, behind, over):
    before = counts(gateway, "client")
    passes, offending = over()
    heard, go = [], threading.Event()

    def talk(pipe):
        heard.append(pipe.read(len(passes)))
        go.set()
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, behind, talk, webSocket=LIMITS), Pipe(site, way, "/over") as pipe:
        # The first byte of the header by itself: it waits for the others.
        pipe.send(passes + offending[:1])
        assert go.wait(10)
        pipe.send(offending[1:])
        assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1009)
        wait_until(lambda: heard == [passes, 1001], 10, "the service hears of it")
    assert assert_recorded(gateway, site, "client", before)["bytes_in"] == len(passes)


def test_a_service_over_a_limit(gateway, site, way, behind, over):
    before = counts(gateway, "service")
    passes, offending = over(mask=None)
    heard, go = [], threading.Event()

    def talk(pipe):
        pipe.send(passes + offending[:1])
        assert go.wait(10)
        pipe.send(offending[1:])
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, behind, talk, webSocket=LIMITS), Pipe(site, way, "/over") as pipe:
        assert pipe.read(len(passes)) == passes
        go.set()
        assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1011)
        wait_until(lambda: heard == [1009], 10, "the service hears of it")
    assert assert_recorded(gateway, site, "service", before)["bytes_out"] == len(passes)


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_what_is_allowed_passes_however_it_is_cut(gateway, site, way, behind, piece):
    there, back = within(), within(mask=None)
    heard = []

    def talk(pipe):
        heard.append(pipe.read(len(there)))
        for at in range(0, len(back), piece):
            pipe.send(back[at : at + piece])

    with Service(site, behind, talk, webSocket=LIMITS), Pipe(site, way, "/within") as pipe:
        for at in range(0, len(there), piece):
            pipe.send(there[at : at + piece])
        assert pipe.read(len(back)) == back
    assert heard == [there]
    record = gateway.wait_log(authority=site.host, path="/within")
    assert (record["bytes_in"], record["bytes_out"]) == (len(there), len(back))
    assert (record["messages_in"], record["messages_out"]) == (3, 3)


@pytest.mark.parametrize("limits, size", [({"maxFrameSize": 1000}, 1000), ({"maxMessageSize": 1000}, 1000), ({"maxFrameSize": 0, "maxMessageSize": None}, 5000)])
def test_one_limit_by_itself_and_none(site, way, limits, size):
    with Far() as service:
        site.serve(service.port, webSocket=limits)
        with Pipe(site, way) as pipe:
            back = frame(2, b"x" * size, mask=None)
            pipe.send(frame(2, b"x" * size))
            assert pipe.read(len(back)) == back
            if size == 1000:
                pipe.send(frame(2, b"x" * (size + 1)))
                assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1009)
                wait_until(lambda: service.codes == [1001], 10, "the service hears of it")


@pytest.mark.parametrize("cut", [3, 9, 200])
def test_what_a_client_sends_before_the_answer_is_judged_as_well(site, cut):
    """Over HTTP/2 it may come at any time; it waits at the gateway for the service's consent."""
    message, back = frame(2, b"x" * 1000) + frame(1, b"ok"), frame(1, b"ok", mask=None)
    heard, go = [], threading.Event()

    def talk(wire):
        assert go.wait(10)
        accepting(wire)
        heard.append(wire.read(len(message)))
        wire.send(back)
        heard.append(close_code(wire.read(CLOSE_SIZE)))

    with RawServer(talk) as server, site.http2(timeout=30) as client:
        site.serve(server.port, webSocket=LIMITS)
        stream = open_connect(client, site.host, "/")
        client.data(stream.id, message[:cut])
        client.h2.ping(b"has come")
        client.flush()
        client.until(lambda: client.pings)
        go.set()
        client.until(lambda: stream.status is not None)
        client.data(stream.id, message[cut:])
        client.until(lambda: stream.body == back)
        client.data(stream.id, frame(2, b"x" * 1001))
        client.finish(stream)
        assert stream.body == back + b"\x88\x02" + struct.pack("!H", 1009)
        wait_until(lambda: heard == [message, 1001], 10, "the service hears of it")


def test_what_is_too_big_before_the_answer_does_not_pass(site):
    heard, go = [], threading.Event()

    def talk(wire):
        assert go.wait(10)
        accepting(wire)
        heard.append(wire.read_to_end())

    with RawServer(talk) as server, site.http2(timeout=30) as client:
        site.serve(server.port, webSocket=LIMITS)
        stream = open_connect(client, site.host, "/")
        client.data(stream.id, frame(1, b"small") + frame(2, b"x" * 1001))
        client.h2.ping(b"has come")
        client.flush()
        client.until(lambda: client.pings)
        go.set()
        client.finish(stream)
        assert stream.status == 200 and stream.body == b"\x88\x02" + struct.pack("!H", 1009)
        small = frame(1, b"small")
        wait_until(lambda: heard and heard[0][: len(small)] == small, 10, "what is within the limit passes")
        assert close_code(heard[0][len(small) :]) == 1001


# ---- `websockets` at both ends, which sends MiBs: most of it is on its way when the gateway ends it


@pytest.mark.parametrize("way", ["ws", "wss"])
def test_a_client_of_websockets_reads_1009(site, way):
    with Far() as service:
        site.serve(service.port, webSocket=LIMITS)
        with site.websocket(tls=way == "wss") as ws:
            ws.send("hello")
            assert ws.recv(timeout=10) == "hello"
            # Over wss all of it fits into the bridge: that has no half-close, and a write which fails has the library drop what it reads.
            with contextlib.suppress(ConnectionClosed):
                ws.send(bytes(8 << 20 if way == "ws" else 100_000))
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=10)
            assert ws.close_code == 1009
        wait_until(lambda: service.codes == [1001], 10, "the service hears of it")


def test_a_service_of_websockets_reads_1009(site, way):
    greeted = threading.Event()

    def push(connection):
        assert connection.recv(timeout=10) == "hello"
        connection.send("hello")
        assert greeted.wait(10)
        connection.send(bytes(8 << 20))

    with Far(first=push) as service:
        site.serve(service.port, webSocket=LIMITS)
        with near(site, way) as code:
            greeted.set()
            assert code() == 1011
        wait_until(lambda: service.codes == [1009], 10, "the service hears of it")


def test_compressed_messages_count_as_they_are_sent(site):
    with Far(compression="deflate") as service:
        site.serve(service.port, webSocket=LIMITS)
        with site.websocket(compression="deflate") as ws:
            ws.send(bytes(100_000))
            assert ws.recv(timeout=10) == bytes(100_000)


# ---- what a change touches


def test_a_changed_limit_is_for_new_websockets(site, way, ws_server):
    made = site.serve(ws_server.port)
    size = 3000
    big, back = frame(2, b"x" * size), frame(2, b"x" * size, mask=None)
    with Pipe(site, way) as before:
        before.send(big)
        assert before.read(len(back)) == back
        stored = {key: value for key, value in made.items() if key != "version"}
        site.gateway.api.put(f"/v1/routes/{made['name']}", {**stored, "webSocket": LIMITS})
        before.send(big)
        assert before.read(len(back)) == back
        with Pipe(site, way) as after:
            after.send(big)
            assert after.read_to_end() == b"\x88\x02" + struct.pack("!H", 1009)
        before.send(big)
        assert before.read(len(back)) == back


def test_an_end_by_a_limit_touches_no_other_stream(site, ws_server):
    """Two routes, one connection of the client's."""
    site.serve(ws_server.port, path="/small", webSocket=LIMITS)
    site.serve(ws_server.port, path="/any")
    with site.http2() as client:
        small, other = WebSocket(client, site.host, "/small"), WebSocket(client, site.host, "/any")
        small.send(TextMessage(data="x" * 3000))
        small.until(lambda: small.close)
        assert small.close.code == 1009
        other.send(TextMessage(data="x" * 3000))
        assert other.receive() == "x" * 3000
        again = WebSocket(client, site.host, "/small")
        again.send(TextMessage(data="x" * 1000))
        assert again.receive() == "x" * 1000


@pytest.mark.parametrize("field", ["maxFrameSize", "maxMessageSize"])
@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_limit_that_cannot_be_is_refused_with_its_field(site, ws_server, field, value):
    made = site.serve(ws_server.port)
    stored = {key: each for key, each in made.items() if key != "version"}
    answer = site.gateway.api.expect(400, "PUT", f"/v1/routes/{made['name']}", {**stored, "webSocket": {field: value}}).json()
    assert [(each["field"], each["message"]) for each in answer["errors"]] == [
        (f"webSocket.{field}", "Must be between 0 and 4294967295 bytes; 0 means no limit.")
    ]
