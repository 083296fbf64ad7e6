"""HTTP/2 with nothing in the way: frames go out as a test writes them and are kept as they come.

`peers/http2.py` keeps to the rules and so cannot break them; this one knows only frame heads and HPACK.
"""

import dataclasses
import threading

import hpack

from peers.http1 import RawServer
from peers.wire import Closed, Wire

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(
    7
)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED = (
    range(7, 14)
)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
ENABLE_CONNECT_PROTOCOL = 8

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_INT31 = 0x7FFFFFFF

# What `import *` gives: the RFC's own names, and what makes frames of them.
__all__ = [*(name for name in list(globals()) if name.isupper()), "frame", "int32", "integer", "settings"]


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def int32(value):
    return value.to_bytes(4, "big")


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + int32(value) for key, value in pairs))


def literal(name, value):
    """A field that neither uses nor fills the table and is not Huffman coded (RFC 7541 §6.2.2)."""
    return b"\0" + _string(name) + _string(value)


def _string(text):
    data = text if isinstance(text, bytes) else text.encode("latin-1")
    return integer(len(data), 7, 0) + data


def integer(value, bits, first):
    """RFC 7541 §5.1, with `first` for the bits before the prefix."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = bytearray([first | limit]), value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


@dataclasses.dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self):
        """Of RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload[:4], "big")

    @property
    def last_stream(self):
        return int.from_bytes(self.payload[:4], "big") & MAX_INT31

    @property
    def pairs(self):
        """Of SETTINGS."""
        parts = [self.payload[at : at + 6] for at in range(0, len(self.payload), 6)]
        return {int.from_bytes(part[:2], "big"): int.from_bytes(part[2:], "big") for part in parts}


# Which flags mean something (RFC 9113 §6); types that no gateway sends are left out.
FLAGS = {
    DATA: END_STREAM | PADDED,
    HEADERS: END_STREAM | END_HEADERS | PADDED | PRIORITIZED,
    RST_STREAM: 0,
    SETTINGS: ACK,
    PING: ACK,
    GOAWAY: 0,
    WINDOW_UPDATE: 0,
    CONTINUATION: END_HEADERS,
}


def check_sent(one):
    """Of every frame that comes from the gateway, whatever a test is about: reserved bits and flags without a meaning are unset (§4.1)."""
    assert one.kind in FLAGS and not one.flags & ~FLAGS[one.kind], one
    assert one.stream <= MAX_INT31, "the reserved bit of a stream id"
    if one.kind in (WINDOW_UPDATE, GOAWAY):
        assert not one.payload[0] & 0x80, "the reserved bit of an increment, or of the last stream"


class Endpoint:
    """One end of a connection. `frames` has all that came; the rest is read off them."""

    def __init__(self, wire):
        self.wire = wire
        self.frames = []
        self.blocks = {}  # stream: its header blocks, each a list of fields
        self.raw_blocks = []  # as they came, encoded
        self.bodies = {}
        self.ended = set()
        self.resets = {}
        self.goaway = None
        self.acks = 0  # of our SETTINGS
        self.pongs = []
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self._block = b""
        self._taken = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    # ---- out

    def send(self, *data):
        self.wire.send(b"".join(data))

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(frame(kind, flags, stream, payload))

    def headers(self, stream, fields, end=True):
        """A list of fields, or an encoded block."""
        block = fields if isinstance(fields, bytes) else self.encoder.encode(fields)
        self.frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)

    def data(self, stream, data=b"", end=False):
        self.frame(DATA, END_STREAM if end else 0, stream, data)

    def reset(self, stream, code):
        self.frame(RST_STREAM, 0, stream, int32(code))

    def window(self, stream, increment):
        self.frame(WINDOW_UPDATE, 0, stream, int32(increment))

    # ---- in

    def read(self):
        """The next frame; raises Closed at the end."""
        head = self.wire.read(9)
        length = int.from_bytes(head[:3], "big")
        one = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), self.wire.read(length))
        check_sent(one)
        self.frames.append(one)
        self._note(one)
        return one

    def _note(self, one):
        match one.kind:
            case 1 | 9:  # HEADERS, CONTINUATION
                self._block += one.payload
                if one.kind == HEADERS and one.flags & END_STREAM:
                    self.ended.add(one.stream)
                if one.flags & END_HEADERS:
                    self.raw_blocks.append(self._block)
                    fields = [tuple(map(_text, field)) for field in self.decoder.decode(self._block, raw=True)]
                    self.blocks.setdefault(one.stream, []).append(fields)
                    self._block = b""
            case 0:  # DATA
                self.bodies[one.stream] = self.bodies.get(one.stream, b"") + one.payload
                if one.flags & END_STREAM:
                    self.ended.add(one.stream)
            case 3:  # RST_STREAM
                self.resets[one.stream] = one.code
            case 4 if one.flags & ACK:
                self.acks += 1
            case 6 if one.flags & ACK:
                self.pongs.append(one.payload)
            case 7:  # GOAWAY
                self.goaway = one

    def until(self, condition):
        while not condition():
            self.read()

    def read_to_end(self):
        """Reads until the other side closes."""
        try:
            while True:
                self.read()
        except Closed:
            return self

    def settle(self):
        """Waits until everything sent so far has been looked at: frames are handled in order."""
        mark = b"mark%4d" % (len(self.pongs) + 1)
        self.frame(PING, 0, 0, mark)
        self.until(lambda: mark in self.pongs)

    def is_over(self, stream):
        return stream in self.ended or stream in self.resets

    def finish(self, stream):
        self.until(lambda: self.is_over(stream))
        return self

    def next_request(self, whole=True):
        """For back ends: the next stream that a request comes on; `whole` waits for its end."""
        self.until(lambda: set(self.blocks) - self._taken)
        stream = min(set(self.blocks) - self._taken)
        self._taken.add(stream)
        return self.finish(stream) and stream if whole else stream

    def status(self, stream):
        """Of the final response; None where there is none."""
        codes = [value for block in self.blocks.get(stream, []) for name, value in block if name == ":status"]
        return int(codes[-1]) if codes else None

    def count(self, kind, stream=None):
        return sum(each.kind == kind and (stream is None or each.stream == stream) for each in self.frames)


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


class FrameClient(Endpoint):
    """A client. Without `begin` not even the preface is sent."""

    def __init__(self, port, host, tls=False, begin=True, first=None, timeout=10):
        super().__init__(Wire.connect(port, tls=tls, sni=host, alpn=("h2",), timeout=timeout))
        self.host, self.scheme = host, "https" if tls else "http"
        self.next = 1
        if begin:
            self.send(PREFACE, settings() if first is None else first)

    def fields(self, path="/", *more, method="GET", without=(), **changed):
        """A request's fields; `without` leaves some out, keywords change pseudo-header fields."""
        base = {"method": method, "scheme": self.scheme, "authority": self.host, "path": path, **changed}
        return [(f":{name}", value) for name, value in base.items() if name not in without] + list(more)

    def new(self):
        """The next stream id."""
        self.next += 2
        return self.next - 2

    def request(self, fields=None, end=True, path="/", **more):
        stream = self.new()
        self.headers(stream, self.fields(path, **more) if fields is None else fields, end)
        return stream


class FrameServer(RawServer):
    """A back end. `script(endpoint)` runs for each connection, in a thread of its own, once the client's preface and
    SETTINGS have come and ours have gone out; `endpoints` keeps what each connection saw. When the script returns the
    connection is read on until its end, so that tests can look at what the gateway does next."""

    def __init__(self, script, first=None, **more):
        self.script, self.first = script, settings() if first is None else first
        self.endpoints = []
        self.changed = threading.Event()
        super().__init__(self._connection, **more)

    def _connection(self, wire):
        endpoint = Endpoint(wire)
        assert wire.read(len(PREFACE)) == PREFACE
        self.endpoints.append(endpoint)
        endpoint.send(self.first)
        endpoint.until(lambda: endpoint.count(SETTINGS))
        endpoint.frame(SETTINGS, ACK)
        self.script(endpoint)
        endpoint.read_to_end()

    @property
    def seen(self):
        """The heads of all requests, as dictionaries."""
        return [dict(blocks[0]) for each in list(self.endpoints) for blocks in list(each.blocks.values())]
