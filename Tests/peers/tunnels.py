"""A proxy server inside the test process: opens tunnels by CONNECT to ports of this machine, or does it wrongly."""

import socket
import threading

from peers.http1 import RawServer


class TunnelServer(RawServer):
    """`places` maps `host:port` as it is asked for to a port of this machine; `heads` keeps the requests. With `answer`, it sends these
    bytes in place of its own answer, in parts where they are a list, and carries on only after a 2xx."""

    OPEN = "HTTP/1.1 200 Connection established\r\n\r\n"

    def __init__(self, places, answer=None):
        self.places, self.answer = places, answer
        self.heads = []
        super().__init__(self._open)

    def _open(self, wire):
        head = wire.read_head()
        self.heads.append(head)
        if self.answer is None and head.target not in self.places:
            wire.send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        answer = self.answer or self.OPEN
        for part in answer if isinstance(answer, list) else [answer]:
            wire.send(part)
        if head.target not in self.places:
            wire.read(1)
            return
        with socket.create_connection(("127.0.0.1", self.places[head.target])) as far:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_copy, args=(far, wire.sock), daemon=True)
            back.start()
            _copy(wire.sock, far)
            back.join(10)


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
