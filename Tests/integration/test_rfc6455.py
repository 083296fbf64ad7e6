"""RFC 6455 through the gateway, by section, for clients over ws, wss and HTTP/2 (RFC 8441, clear and over TLS) and services
over HTTP/1.1 and HTTP/2. The far ends are `websockets` and `wsproto`; what they would not send is written by hand."""

import os
import struct
import threading
import time

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Message, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate as WSProtoDeflate

from integration.test_websocket import accept_for, handshake
from integration.waiting import wait_until
from peers import http2
from peers.http1 import RawServer
from peers.tls_bridge import tls_bridge
from peers.wire import Closed, Wire, tls_context
from peers.ws_http2 import OFFER, open_connect

MIB = 1 << 20
WAYS = ["ws", "wss", "8441 clear", "8441 TLS"]


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=["h1", "h2"])
def behind(request):
    return request.param


class Pipe:
    """Raw bytes of a WebSocket, however the client came in: the handshake is done when it is made."""

    def __init__(self, site, way, path="/", fields=(), threads=False):
        self.h2 = way.startswith("8441")
        tls = way in ("wss", "8441 TLS")
        self.input = b""
        if self.h2:
            self.client = site.http2(tls=tls, timeout=30)
            self.stream = open_connect(self.client, site.host, path, *fields)
            self.client.until(lambda: self.stream.status is not None or self.stream.done)
            assert self.stream.status == 200
            self.headers = self.stream.headers
        else:
            if tls and threads:
                self.wire = Wire(tls_bridge(site.gateway.https_port, tls_context(), site.host), timeout=30)
            else:
                self.wire = site.http1(tls=tls, timeout=30)
            request, _ = handshake(site.host, path, **dict(fields))
            self.wire.send(request)
            answer = self.wire.read_head()
            assert answer.status == 101
            self.headers = {name.lower(): value for name, value in answer.fields}

    def send(self, data):
        if self.h2:
            self.client.data(self.stream.id, data)
        else:
            self.wire.send(data)

    def _receive(self):
        if self.h2:
            if not self.stream.body:
                if self.stream.done:
                    raise Closed(self.input)
                self.client.pump()
            self.input, self.stream.body = self.input + self.stream.body, b""
        else:
            self.wire.receive()
            self.input, self.wire.input = self.input + self.wire.input, b""

    def read(self, count):
        if not self.h2:
            self.input, self.wire.input = self.input + self.wire.input, b""
        while len(self.input) < count:
            self._receive()
        data, self.input = self.input[:count], self.input[count:]
        return data

    def read_to_end(self):
        self.read(0)
        try:
            while True:
                self._receive()
        except Closed:
            data, self.input = self.input, b""
            return data

    def finish(self):
        """FIN, close_notify or END_STREAM."""
        if self.h2:
            self.client.h2.end_stream(self.stream.id)
            self.client.flush()
        else:
            self.wire.half_close()

    def close(self):
        (self.client.wire if self.h2 else self.wire).close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frame(opcode, payload=b"", fin=True, mask=b"\x11\x22\x33\x44", reserved=0):
    """A frame by hand (§5.2), masked unless `mask` is None."""
    first = (0x80 if fin else 0) | reserved | opcode
    bit = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class Service:
    """A service of either protocol that runs `talk(pipe)` with raw bytes: `pipe.read`, `pipe.send`, `pipe.finish`. `more` goes
    into its route."""

    def __init__(self, site, behind, talk, fields=(), **more):
        self.seen, self.talk, self.fields = [], talk, fields
        if behind == "h1":
            self.server = RawServer(self._http1)
        else:
            self.server = http2.Server(self._http2, wait_for_end=False, first_settings=OFFER)
        site.gateway.api.create_static(site.name, self.server.port, protocol="http" if behind == "h1" else "http2")
        site.gateway.api.create_route(site.name, [site.host], f"{site.name}.static", **more)

    def _http1(self, wire):
        request = wire.read_head()
        self.seen.append({name.lower(): value for name, value in request.fields})
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.fields)
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_for(request.get('sec-websocket-key'))}\r\n{extra}\r\n"
        )
        wire.finish = wire.half_close
        self.talk(wire)

    def _http2(self, connection, id, headers):
        self.seen.append(headers)
        connection.respond(id, 200, *self.fields)
        pipe = ServerPipe(connection, id)
        connection.receivers[id] = pipe.receive
        threading.Thread(target=self._run, args=(pipe,), daemon=True).start()

    def _run(self, pipe):
        try:
            self.talk(pipe)
        except (Closed, OSError):
            pass
        except Exception as error:  # a failed assertion belongs to the test
            self.server.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


class ServerPipe:
    """The service's end of a stream, for a thread of its own."""

    def __init__(self, connection, id):
        self.connection, self.id = connection, id
        self.input, self.ended, self.news = b"", False, threading.Condition()

    def receive(self, data, ended):
        with self.news:
            self.input, self.ended = self.input + data, self.ended or ended
            self.news.notify()

    def read(self, count):
        with self.news:
            if not self.news.wait_for(lambda: len(self.input) >= count or self.ended, 30):
                raise TimeoutError
            if len(self.input) < count:
                raise Closed(self.input)
            data, self.input = self.input[:count], self.input[count:]
            return data

    def read_to_end(self):
        with self.news:
            assert self.news.wait_for(lambda: self.ended, 30)
            return self.input

    def send(self, data):
        with self.connection.lock:
            self.connection.send_all(self.id, data)

    def finish(self):
        with self.connection.lock:
            self.connection.finish(self.id)


# ---- §5.4 fragments, §5.5 control frames between them


def test_fragments_and_control_frames_between_them_pass_as_they_are(site, way, behind):
    """§5.4: what the gateway relays are the sender's own frames: none is joined, split or moved."""
    sent = (
        frame(1, "Grü".encode()[:3], fin=False)  # cut within a character
        + frame(9, b"ping")
        + frame(0, b"", fin=False)
        + frame(10, b"unasked")
        + frame(0, "Grü".encode()[3:])
        + frame(2, b"\x00" * 70_000)
        + frame(2, b"y" * 300, fin=False)
        + frame(0, b"z")
    )
    heard = []

    def talk(pipe):
        heard.append(pipe.read(len(sent)))
        pipe.send(b"".join(frame(op, b"x" * size, mask=None) for op, size in ((1, 5), (9, 125), (2, 70_000))))

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        for at in range(0, len(sent), 1000):
            pipe.send(sent[at : at + 1000])
        back = b"".join(frame(op, b"x" * size, mask=None) for op, size in ((1, 5), (9, 125), (2, 70_000)))
        assert pipe.read(len(back)) == back
    assert heard == [sent]


def test_a_fragmented_message_is_one_for_wsproto(site, way, behind):
    done = []

    def talk(pipe):
        far = Connection(ConnectionType.SERVER)
        text = ""
        while not done:
            far.receive_data(pipe.read(1))
            for event in far.events():
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        done.append(text)
                        pipe.send(far.send(TextMessage(data=text.upper())))
                elif isinstance(event, Ping):
                    pipe.send(far.send(event.response()))

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        near = Connection(ConnectionType.CLIENT)
        pipe.send(near.send(TextMessage(data="one ", message_finished=False)))
        pipe.send(near.send(Ping(payload=b"between")))
        near.receive_data(pipe.read(2 + len(b"between")))
        assert [event.payload for event in near.events()] == [b"between"], "the pong waits for no end of a message"
        pipe.send(near.send(TextMessage(data="two")))
        near.receive_data(pipe.read(2 + len("one two")))
        assert [event.data for event in near.events()] == ["ONE TWO"]
    assert done == ["one two"]


# ---- §7.4 close codes


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


@pytest.mark.parametrize("side", ["client", "service"])
def test_every_close_code_arrives_with_its_reason(site, way, behind, side):
    """§7.4.1 and those of the registry since; each on a WebSocket of its own."""

    def talk(pipe):
        if side == "service":
            code = CODES[len(heard)]
            heard.append(code)
            pipe.send(frame(8, struct.pack("!H", code) + b"why", mask=None))
            pipe.finish()
            return
        head = pipe.read(2)
        assert head == b"\x88\x85"
        mask, payload = pipe.read(4), pipe.read(5)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        heard.append(struct.unpack("!H", plain[:2])[0])
        pipe.send(frame(8, plain, mask=None))
        pipe.finish()

    heard = []
    with Service(site, behind, talk):
        for code in CODES:
            with Pipe(site, way) as pipe:
                if side == "client":
                    pipe.send(frame(8, struct.pack("!H", code) + b"why"))
                assert pipe.read(7) == b"\x88\x05" + struct.pack("!H", code) + b"why"
                assert pipe.read_to_end() == b"", "nothing may follow a close frame"
    assert heard == CODES


def test_a_close_without_a_code_stays_one(site, way, behind):
    def talk(pipe):
        assert pipe.read(6)[:2] == b"\x88\x80"
        pipe.send(frame(8, mask=None))
        pipe.finish()

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        pipe.send(frame(8))
        assert pipe.read_to_end() == b"\x88\x00"


# ---- §7.1 ends


def test_the_client_s_end_passes_at_once_and_the_other_way_stays_open(site, way, behind):
    """FIN, close_notify or END_STREAM reaches the service while it still sends."""
    heard = []

    def talk(pipe):
        heard.append((pipe.read_to_end(), time.monotonic()))
        for _ in range(20):
            pipe.send(b"y" * 10_000)
        pipe.finish()

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        pipe.send(b"last")
        began = time.monotonic()
        pipe.finish()
        assert len(pipe.read_to_end()) == 200_000
    assert heard[0][0] == b"last" and heard[0][1] - began < 2


def test_the_service_s_end_passes_at_once_and_the_other_way_stays_open(site, way, behind):
    heard = []

    def talk(pipe):
        pipe.send(b"last")
        pipe.finish()
        heard.append(pipe.read(9))

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        began = time.monotonic()
        assert pipe.read_to_end() == b"last"
        assert time.monotonic() - began < 2
        pipe.send(b"after all")
        wait_until(lambda: heard == [b"after all"], 10, "the service hears what comes after its own end")


# ---- §5.2 lengths, up to large messages


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_lengths_at_the_edges(site, way, behind, size):
    payload = os.urandom(size)
    there, back = frame(2, payload), frame(2, payload, mask=None)
    heard = []

    def talk(pipe):
        heard.append(pipe.read(len(there)))
        pipe.send(back)

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        pipe.send(there)
        assert pipe.read(len(back)) == back
    assert heard == [there]


def test_a_message_of_64_mib(site, way, ws_server):
    """One frame, echoed whole."""
    site.serve(ws_server.port)
    piece = os.urandom(MIB)
    with Pipe(site, way, threads=True) as pipe:
        # One message of one frame, masked with zeros, so that the test need not mask 64 MiB in Python.
        head = struct.pack("!BBQ", 0x82, 0x80 | 127, 64 * MIB) + bytes(4)

        def send():
            pipe.send(head)
            for _ in range(64):
                pipe.send(piece)

        if pipe.h2:
            send()  # `Client.data` reads while the windows are shut
        else:
            sender = threading.Thread(target=send)
            sender.start()
        assert pipe.read(10) == struct.pack("!BBQ", 0x82, 127, 64 * MIB)
        for _ in range(64):
            assert pipe.read(MIB) == piece
        if not pipe.h2:
            sender.join(10)


# ---- §9 extensions


def test_permessage_deflate_is_negotiated_end_to_end(site, way, behind):
    """RFC 7692: the gateway neither offers nor drops it; compressed frames pass with their RSV1."""
    heard = []
    offer = [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")]

    def talk(pipe):
        deflate = PerMessageDeflate(False, False, 15, 15)
        first, second = pipe.read(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", pipe.read(2))[0]
        mask = pipe.read(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(pipe.read(size)))
        assert first & 0x40, "RSV1 was lost"

        heard.append(deflate.decode(Frame(Opcode.TEXT, payload, rsv1=True)).data)
        answer = deflate.encode(Frame(Opcode.TEXT, b"pressed " * 1000))
        pipe.send(frame(1, bytes(answer.data), mask=None, reserved=0x40))

    accept = [("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15")]
    with Service(site, behind, talk, fields=accept) as service:
        with Pipe(site, way, fields=offer) as pipe:
            assert service.seen[0]["sec-websocket-extensions"] == offer[0][1]
            assert pipe.headers["sec-websocket-extensions"] == accept[0][1]
            extension = WSProtoDeflate()
            extension.offer()
            extension.finalize(pipe.headers["sec-websocket-extensions"])
            near = Connection(ConnectionType.CLIENT, [extension])
            sent = near.send(TextMessage(data="hello " * 1000))
            assert len(sent) < 1000, "nothing was compressed"
            pipe.send(sent)
            text = ""
            while len(text) < 8000:
                near.receive_data(pipe.read(1))
                text += "".join(event.data for event in near.events() if isinstance(event, Message))
            assert text == "pressed " * 1000
    assert heard == [b"hello " * 1000]


# ---- §5 frames that no end may send: relayed, for the ends to judge


INVALID = {
    "reserved opcode": frame(3, b"x"),
    "reserved control opcode": frame(11, b"x"),
    "RSV bits without an extension": frame(1, b"x", reserved=0x70),
    "unmasked from a client": frame(1, b"x", mask=None),
    "a ping in fragments": frame(9, b"x", fin=False),
    "a ping of 126 bytes": frame(9, b"x" * 126),
    "a continuation of nothing": frame(0, b"x"),
    "a close of one byte": frame(8, b"\x03"),
    "a close with code 1005": frame(8, struct.pack("!H", 1005)),
    "text that is no UTF-8": frame(1, b"\xff\xfe"),
    "a length not in its shortest form": b"\x81\xfe\x00\x01" + bytes(4) + b"x",
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_frames_pass_unchanged(site, way, behind, name):
    """The gateway does not judge frames (§5.1 leaves that to the ends): the service sees each as it was sent, and its
    answer, a close frame with 1002 as from `websockets` or `wsproto`, reaches the client."""
    heard = []

    def talk(pipe):
        heard.append(pipe.read(len(INVALID[name])))
        pipe.send(frame(8, struct.pack("!H", 1002), mask=None))
        pipe.finish()

    with Service(site, behind, talk), Pipe(site, way) as pipe:
        pipe.send(INVALID[name])
        assert pipe.read_to_end() == b"\x88\x02" + struct.pack("!H", 1002)
    assert heard == [INVALID[name]]


@pytest.mark.parametrize("name", ["reserved opcode", "unmasked from a client", "text that is no UTF-8"])
def test_invalid_frames_are_answered_by_the_service(site, way, ws_server, name):
    site.serve(ws_server.port)
    with Pipe(site, way) as pipe:
        pipe.send(INVALID[name])
        answer = pipe.read_to_end()
    assert answer[0] == 0x88 and struct.unpack("!H", answer[2:4])[0] == (1007 if "UTF-8" in name else 1002)
