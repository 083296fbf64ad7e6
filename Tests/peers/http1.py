"""HTTP/1.1 back ends inside the test process: one that echoes what it saw, and one that does whatever a test says."""

import json
import socket
import threading

from peers.wire import Closed, Wire


class RawServer:
    """Gives each connection to `handler(wire)` in a thread of its own; `errors` keeps what handlers raised.

    `tls` is an `ssl.SSLContext` for a back end that is spoken to over TLS; `listener` a socket that listens already.
    """

    def __init__(self, handler, tls=None, listener=None):
        self.handler, self.tls = handler, tls
        self.errors = []
        self.connections = 0
        self.open = set()
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = None if self.listener.family == socket.AF_UNIX else self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self.port is not None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            wire = Wire(sock, timeout=60)
            self.open.add(wire)
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire):
        try:
            if self.tls:
                wire.sock = self.tls.wrap_socket(wire.sock, server_side=True)
            self.handler(wire)
        except (Closed, OSError):
            pass
        except Exception as error:  # a failed assertion in a handler belongs to the test
            self.errors.append(error)
        finally:
            wire.close()
            self.open.discard(wire)

    def stop(self):
        try:
            # A thread in accept() would keep a closed listener alive for one more connection.
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for wire in list(self.open):
            try:
                wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.errors:
            raise self.errors[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class EchoServer(RawServer):
    """Answers every request with JSON of what it saw, and keeps the requests in `seen`."""

    def __init__(self, name="b1", **more):
        self.name = name
        self.seen = []
        super().__init__(self._echo, **more)

    def _echo(self, wire):
        while True:
            request = wire.read_head()
            if (request.get("expect") or "").lower() == "100-continue":
                wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if (request.get("transfer-encoding") or "").lower() == "chunked":
                request.body = wire.read_chunks(request)
            elif request.get("content-length"):
                request.body = wire.read(int(request.get("content-length")))
            self.seen.append(request)
            body = json.dumps(
                {
                    "backend": self.name,
                    "method": request.method,
                    "target": request.target,
                    "host": request.get("host"),
                    "headers": request.fields,
                    "trailers": request.trailers,
                    "body_length": len(request.body),
                    "body": request.body[:4096].decode("latin-1"),
                }
            ).encode()
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Backend: {self.name}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode()
            wire.send(head if request.method == "HEAD" else head + body)
