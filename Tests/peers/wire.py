"""One TCP connection, clear or TLS, with the little HTTP/1.1 that tests need at byte level, for clients and back ends."""

import dataclasses
import selectors
import socket
import ssl
import struct


def readable(sock, seconds):
    """Whether something to read comes within the time, at any number of descriptors, which `select` alone does not take."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(seconds))


class Closed(Exception):
    """The other side ended the connection before what was awaited had come; `rest` is what had."""

    def __init__(self, rest=b""):
        super().__init__(f"connection closed after {rest[:200]!r}")
        self.rest = rest


@dataclasses.dataclass
class Message:
    """A request or response as it came: `line` is the first line, names in `fields` are as sent."""

    raw: bytes
    line: str
    fields: list
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def status(self):
        return int(self.line.split(" ", 2)[1])

    @property
    def method(self):
        return self.line.split(" ")[0]

    @property
    def target(self):
        return self.line.split(" ")[1]


def tls_context(alpn=("http/1.1",), minimum=None, maximum=None):
    """A client context that checks nothing: what the server shows is looked at by the tests that care."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


class Wire:
    def __init__(self, sock, timeout=10):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.input = b""

    @classmethod
    def connect(cls, port, tls=False, sni=None, alpn=("http/1.1",), timeout=10, source=None, **more):
        sock = socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = tls_context(alpn, **more).wrap_socket(sock, server_hostname=sni)
        return cls(sock, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- bytes

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def receive(self):
        """More bytes into `input`; raises Closed at the end."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as error:
            if isinstance(error, ssl.SSLWantReadError):
                raise
            raise Closed(self.input) from error
        if not data:
            raise Closed(self.input)
        self.input += data

    def read(self, count):
        while len(self.input) < count:
            self.receive()
        data, self.input = self.input[:count], self.input[count:]
        return data

    def read_until(self, end):
        while end not in self.input:
            self.receive()
        at = self.input.index(end) + len(end)
        data, self.input = self.input[:at], self.input[at:]
        return data

    def read_to_end(self):
        """All that comes until the other side closes."""
        try:
            while True:
                self.receive()
        except Closed:
            data, self.input = self.input, b""
            return data

    def is_closed(self):
        """Waits for the other side to close without sending anything more."""
        try:
            self.receive()
        except Closed:
            return True
        except TimeoutError:
            return False
        return False

    def ends_in_order(self):
        """Waits for the other side's end: by FIN, over TLS by close_notify; False: by a reset, or FIN without close_notify."""
        if isinstance(self.sock, ssl.SSLSocket):
            # Else Python takes a FIN or a reset for the end.
            self.sock.suppress_ragged_eofs = False
        try:
            assert not self.sock.recv(1), "bytes instead of an end"
        except (ConnectionResetError, ssl.SSLEOFError):
            return False
        return True

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self, notify=True):
        """FIN; over TLS close_notify, after which what comes is still read (RFC 8446 §6.1). Without `notify` FIN alone."""
        if not notify or not isinstance(self.sock, ssl.SSLSocket):
            return self.sock.shutdown(socket.SHUT_WR)
        timeout = self.sock.gettimeout()
        self.sock.setblocking(False)
        try:
            self.sock.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLEOFError, ConnectionError):
            pass  # it would wait for the other side's, or finds that one gone already
        except ssl.SSLError as error:
            # What comes instead of that is read later.
            if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
                raise
        self.sock.settimeout(timeout)

    # ---- HTTP/1.1

    def read_head(self):
        raw = self.read_until(b"\r\n\r\n")
        lines = raw.decode("latin-1").split("\r\n")
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        return Message(raw, lines[0], fields)

    def read_chunks(self, message):
        body = b""
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self.read(size)
            assert self.read(2) == b"\r\n", "a chunk does not end in CRLF"
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            message.trailers.append(tuple(part.strip() for part in line.decode("latin-1").split(":", 1)))
        return body

    def read_request(self):
        message = self.read_head()
        if (message.get("transfer-encoding") or "").lower() == "chunked":
            message.body = self.read_chunks(message)
        elif message.get("content-length"):
            message.body = self.read(int(message.get("content-length")))
        return message

    def read_response(self, to="GET", interim=False):
        """The next final response (or the next of any kind with `interim`)."""
        while True:
            message = self.read_head()
            if message.status >= 200 or interim or message.status == 101:
                break
        if to == "HEAD" or message.status < 200 or message.status in (204, 304):
            return message
        if (message.get("transfer-encoding") or "").lower() == "chunked":
            message.body = self.read_chunks(message)
        elif message.get("content-length") is not None:
            message.body = self.read(int(message.get("content-length")))
        else:
            message.body = self.read_to_end()
        return message

    def request(self, method, target, host, *fields, body=b""):
        """Sends a plain request and reads its response."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.read_response(method)
