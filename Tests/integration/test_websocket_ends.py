"""WebSockets that the gateway ends by a timeout of their route, for clients over ws, wss and HTTP/2 (RFC 8441) and services over
HTTP/1.1 and HTTP/2: both ends are told by a close frame, and a side that stands within a frame is cut."""

import contextlib
import struct
import threading

import pytest
from h2.errors import ErrorCodes
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve
from wsproto.events import TextMessage

from integration.test_rfc6455 import WAYS, Pipe, ServerPipe, Service, frame
from integration.test_streams import end, stream_of
from integration.waiting import wait_until
from peers.wire import Closed, readable
from peers.ws_http2 import WebSocket

# What a service over HTTP/1.1 or HTTP/2 reads of a close frame from the gateway: masked, a code, no reason.
CLOSE_SIZE = 8


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=["h1", "h2"])
def behind(request):
    return request.param


def close_code(data):
    """Of a masked close frame, which must be all there is."""
    assert len(data) == CLOSE_SIZE and data[:2] == b"\x88\x82", data
    mask, payload = data[2:6], data[6:]
    return struct.unpack("!H", bytes(byte ^ mask[at] for at, byte in enumerate(payload)))[0]


def until_cut(pipe):
    """What a service reads until the gateway breaks off."""
    if isinstance(pipe, ServerPipe):
        resets = pipe.connection.server.resets
        wait_until(lambda: resets, 10, "the stream is reset")
        assert [code for _, code in resets] == [ErrorCodes.CANCEL]
        return pipe.input
    return pipe.read_to_end()


class Far:
    """A service of `websockets`, which echoes; `codes` has what each WebSocket ended with on its side. `first` is run before."""

    def __init__(self, first=lambda connection: None, **more):
        self.codes = []

        def handle(connection):
            with contextlib.suppress(ConnectionClosed):
                first(connection)
                for message in connection:
                    connection.send(message)
            # The library tells once the connection is over.
            with contextlib.suppress(ConnectionClosed):
                connection.recv(timeout=10)
            self.codes.append(connection.protocol.close_code)

        options = {"compression": None, "max_size": None, "ping_interval": None, **more}
        self.server = serve(handle, "127.0.0.1", 0, **options)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


class FarHTTP2(Service):
    """The same over HTTP/2, where `websockets` has no server: reads a message, answers it and waits for the close frame."""

    def __init__(self, site, **more):
        self.codes = []
        super().__init__(site, "h2", self._talk, **more)

    def _talk(self, pipe):
        pipe.read(len(frame(1, b"hello")))
        pipe.send(frame(1, b"hello", mask=None))
        self.codes.append(close_code(pipe.read_to_end()))


@contextlib.contextmanager
def far(site, behind, **more):
    if behind == "h2":
        with FarHTTP2(site, **more) as service:
            yield service
    else:
        with Far() as service:
            site.serve(service.port, **more)
            yield service


@contextlib.contextmanager
def near(site, way, path="/"):
    """A client that has sent a message and got it back; gives a function that waits for the close frame and returns its code."""
    if way.startswith("8441"):
        with site.http2(tls=way.endswith("TLS"), timeout=30) as client:
            ws = WebSocket(client, site.host, path)
            ws.send(TextMessage(data="hello"))
            assert ws.receive() == "hello"

            def code():
                ws.until(lambda: ws.close)
                assert ws.ended_in_order()
                return ws.close.code

            yield code
    else:
        with site.websocket(path, tls=way == "wss") as ws:
            ws.send("hello")
            assert ws.recv(timeout=10) == "hello"

            def code():
                with pytest.raises(ConnectionClosed):
                    ws.recv(timeout=20)
                return ws.close_code

            yield code


def counts(gateway, flag, code):
    return (
        gateway.metric("causeway_errors_total", flag=flag),
        gateway.metric("causeway_downstream_websockets_closed_total", code=code),
        gateway.metric("causeway_downstream_websockets_open"),
    )


def test_an_idle_websocket_is_closed_with_1001_on_both_sides(gateway, site, way, behind):
    before = counts(gateway, "SI", 1001)
    with far(site, behind, timeouts={"streamIdle": 400}) as service:
        with near(site, way, f"/{site.name}") as code:
            assert code() == 1001
        wait_until(lambda: service.codes == [1001], 10, "the service hears of it")
    record = gateway.wait_log(path=f"/{site.name}")
    assert (record["flag"], record["close_code"]) == ("SI", 1001)
    assert (record["messages_in"], record["messages_out"]) == (1, 1)
    after = (before[0] + 1, before[1] + 1, before[2])
    wait_until(lambda: counts(gateway, "SI", 1001) == after, 5, "it is counted once")


def test_a_busy_one_is_not_idle(site, way, ws_server):
    site.serve(ws_server.port, timeouts={"streamIdle": 400})
    with Pipe(site, way) as pipe:
        for _ in range(8):
            threading.Event().wait(0.1)  # twice the timeout in all
            pipe.send(frame(1, b"x"))
            assert pipe.read(3) == frame(1, b"x", mask=None)


def test_a_client_within_a_frame_gets_the_code_and_its_service_is_cut(gateway, site, way, behind):
    """What the service has of the frame cannot be ended by another."""
    part = frame(2, b"x" * 100)[:50]
    heard = []
    with (
        Service(site, behind, lambda pipe: heard.append(until_cut(pipe)), timeouts={"streamIdle": 400}),
        Pipe(site, way, "/within") as pipe,
    ):
        pipe.send(part)
        assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1001)
        wait_until(lambda: heard == [part], 10, "the service's end")
    record = gateway.wait_log(authority=site.host, path="/within")
    assert (record["flag"], record["close_code"]) == ("SI", 1001)


def test_a_service_within_a_frame_gets_the_code_and_its_client_is_cut(gateway, site, way, behind):
    part = frame(2, b"x" * 100, mask=None)[:50]
    heard = []

    def talk(pipe):
        pipe.send(part)
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, behind, talk, timeouts={"streamIdle": 400}), Pipe(site, way, "/within") as pipe:
        assert pipe.read_to_end() == part
        wait_until(lambda: heard == [1001], 10, "the service hears of it")
    record = gateway.wait_log(authority=site.host, path="/within")
    assert (record["flag"], record["close_code"]) == ("SI", 1001)


def test_without_a_place_for_a_close_frame_both_are_cut(gateway, site, way, behind):
    there, back = frame(2, b"x" * 100)[:50], frame(2, b"x" * 100, mask=None)[:50]
    heard = []

    def talk(pipe):
        pipe.send(back)
        heard.append(until_cut(pipe))

    with Service(site, behind, talk, timeouts={"streamIdle": 400}), Pipe(site, way, "/within") as pipe:
        pipe.send(there)
        assert pipe.read_to_end() == back
        wait_until(lambda: heard == [there], 10, "the service's end")
    record = gateway.wait_log(authority=site.host, path="/within")
    assert (record["flag"], record["close_code"]) == ("SI", 1006)


def test_a_side_that_has_said_its_last_word_gets_no_second(site, way):
    """The service's close frame has passed, and its end with it: the client that does not answer is cut, the service gets one."""
    heard = []

    def talk(pipe):
        pipe.send(frame(8, struct.pack("!H", 4000), mask=None))
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, "h1", talk, timeouts={"streamIdle": 400}), Pipe(site, way) as pipe:
        assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 4000)
        wait_until(lambda: heard == [1001], 10, "the service hears of it")


def test_nothing_follows_an_end_of_the_stream(site, behind):
    """The service has ended its half: a close frame behind that would break HTTP/2."""
    heard = []

    def talk(pipe):
        pipe.finish()
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, behind, talk, timeouts={"streamIdle": 400}), Pipe(site, "8441 TLS") as pipe:
        assert pipe.read_to_end() == b""
        wait_until(lambda: heard == [1001], 10, "the service hears of it")
        pipe.client.h2.ping(b"alive?!!")
        pipe.client.flush()
        pipe.client.until(lambda: pipe.client.pings)
        assert pipe.client.goaway is None


@pytest.mark.parametrize("side", ["client", "service"])
def test_who_does_not_answer_the_close_frame_is_left_in_time(gateway, site, side):
    """Two seconds for its answer, as every connection has that ends here."""
    let_go = threading.Event()

    def talk(pipe):
        pipe.read(CLOSE_SIZE)
        if side == "service":
            let_go.wait(20)

    def connections():
        if side == "client":
            return gateway.metric("causeway_downstream_connections_open")
        return gateway.metric("causeway_endpoint_connections_open", endpoint=f"127.0.0.1:{service.server.port}")

    with Service(site, "h1", talk, timeouts={"streamIdle": 300}) as service:
        wait_until(lambda: connections() == 0, 10, "those of other tests are over")
        with Pipe(site, "ws") as pipe:
            wait_until(lambda: connections() == 1, 10)
            assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1001)
            wait_until(lambda: connections() == 0, 6, "the connection is over")
            let_go.set()


def test_a_service_that_takes_nothing_is_cut_and_its_client_gets_1011(gateway, site, way):
    """`proxy-send-timeout`: the client's bytes wait, so none of ours fits behind them."""
    let_go = threading.Event()
    annotation = {"nginx.ingress.kubernetes.io/proxy-send-timeout": "1"}
    with Service(site, "h1", lambda pipe: let_go.wait(30), customConfigs=annotation), Pipe(site, way, "/full", threads=True) as pipe:
        head = struct.pack("!BBQ", 0x82, 0x80 | 127, 64 << 20) + bytes(4)

        def send():
            with contextlib.suppress(OSError, Closed):
                pipe.send(head)
                for _ in range(64):
                    pipe.send(bytes(1 << 20))

        if pipe.h2:
            # What the windows take at first is more than the service does.
            pipe.client.h2.send_data(pipe.stream.id, head)
            pipe.client.flush()
            with contextlib.suppress(Exception):
                while not pipe.stream.body:
                    if room := min(pipe.client.h2.local_flow_control_window(pipe.stream.id), 16_384):
                        pipe.client.data(pipe.stream.id, bytes(room))
                    else:
                        pipe.client.pump()
        else:
            threading.Thread(target=send, daemon=True).start()
        assert pipe.read(4) == b"\x88\x02" + struct.pack("!H", 1011)
        let_go.set()
    record = gateway.wait_log(authority=site.host, path="/full")
    assert (record["flag"], record["close_code"]) == ("UT", 1011)


def test_a_client_that_takes_nothing_is_reset_and_its_service_gets_1001(new_gateway, authority):
    """`stream-stall-timeout`, over HTTP/2."""
    from integration.site import Site

    gateway = new_gateway(settings=["stream-stall-timeout=1s"]).start()
    site = Site(gateway, authority)
    heard = []

    def talk(pipe):
        pipe.send(frame(2, b"x" * 200_000, mask=None))
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, "h1", talk), site.http2(credit=False) as client:
        ws = WebSocket(client, site.host, "/stalled")
        client.finish(ws.handshake)
        assert ws.handshake.reset == 11  # ENHANCE_YOUR_CALM
        wait_until(lambda: heard == [1001], 10, "the service hears of it")
    assert gateway.wait_log(path="/stalled")["flag"] == "SI"


def test_a_service_that_still_sends_reads_its_close_frame(gateway, site, way):
    """What it sends meanwhile is taken and dropped: a reset would destroy the frame on its way."""
    heard = []

    def talk(pipe):
        message = frame(2, bytes(10_000), mask=None)
        while not readable(pipe.sock, 0.002):
            pipe.send(message)
        for _ in range(100):
            pipe.send(message)
        heard.append(close_code(pipe.read(CLOSE_SIZE)))

    with Service(site, "h1", talk), Pipe(site, way, threads=True) as pipe:
        reader = threading.Thread(target=pipe.read_to_end, daemon=True)
        reader.start()
        end(gateway, stream_of(gateway, site)["id"])
        wait_until(lambda: heard == [1012], 15, "the service hears of it")
        reader.join(10)
