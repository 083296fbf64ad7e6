"""Clients and counters so small that what is timed is the other side: a kept HTTP/1.1 connection, a probe, a back end, a relay."""

import contextlib
import json
import os
import socket
import threading

from bench.site import BenchError


def _read_answer(sock, data=b""):
    """(status, head, body) of one answer with a content-length, in chunks, or up to the end of the connection."""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    lower = head.lower()
    status = int(head.split(b" ", 2)[1])
    if b"\r\ncontent-length:" in lower:
        length = int(lower.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += _more(sock)
    elif b"\r\ntransfer-encoding: chunked" in lower:
        while not body.endswith(b"0\r\n\r\n"):
            body += _more(sock)
    return status, lower, body


def _more(sock):
    data = sock.recv(1 << 20)
    if not data:
        raise BenchError("the connection ended before its answer")
    return data


class Connection:
    """One HTTP/1.1 connection that stays open. A change is one `call` on it."""

    def __init__(self, port, *fields, seconds=120):
        self.sock = socket.create_connection(("127.0.0.1", port), seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fields = "".join(f"{field}\r\n" for field in (f"Host: 127.0.0.1:{port}", *fields))

    def call(self, method, path, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self.fields}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.sock.sendall(head.encode() + data)
        status, answer, text = _read_answer(self.sock)
        if status not in (200, 201):
            raise BenchError(f"{method} {path}: {status} {text[:600].decode(errors='replace')}")
        return answer, text

    def close(self):
        self.sock.close()


def probe(port, host, path="/"):
    """The body of a GET on a connection of its own; None when none could be had: that is a failed request."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return _read_answer(sock)[2]
    except (OSError, BenchError, ValueError, IndexError):
        return None


class _Listener:
    """Accepts on a thread of its own until it is closed."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.listen(64)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.sock.accept()
                self.open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            self.serve(client)
        client.close()

    def close(self):
        for each in (self.sock, *self.open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Backend(_Listener):
    """Answers every request with the same words."""

    def __init__(self, words):
        self.answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(words)}\r\n\r\n{words}".encode()
        super().__init__(socket.create_server(("127.0.0.1", 0)))
        self.port = self.sock.getsockname()[1]

    def serve(self, client):
        data = b""
        while more := client.recv(65536):
            data += more
            while b"\r\n\r\n" in data:
                data = data.partition(b"\r\n\r\n")[2]
                client.sendall(self.answer)


class Relay(_Listener):
    """Between the two processes, to count what they say to each other. What it costs in time is not measured through it."""

    def __init__(self, path, target):
        self.target, self.down, self.up = str(target), 0, 0
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        os.chmod(path, 0o600)
        super().__init__(sock)

    def serve(self, client):
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.target)
            self.open.append(server)
            threading.Thread(target=self._pass, args=(client, server, "up"), daemon=True).start()
            self._pass(server, client, "down")

    def _pass(self, source, target, count):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                setattr(self, count, getattr(self, count) + len(data))
                target.sendall(data)
