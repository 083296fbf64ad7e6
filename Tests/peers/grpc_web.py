"""A client of gRPC-Web, binary and text, over HTTP/1.1 and HTTP/2."""

import base64
import dataclasses
import re

from peers.wire import Closed


@dataclasses.dataclass
class Answer:
    """An answer taken apart. `trailers` are those of the last frame, `status` is the call's."""

    http_status: int
    headers: dict
    messages: list
    trailers: dict
    raw: bytes
    complete: bool = True  # the body ended in order

    @property
    def status(self):
        value = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if value is None else int(value)

    @property
    def message(self):
        return self.trailers.get("grpc-message", self.headers.get("grpc-message"))


def frame(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def from_text(text):
    """A body of padded pieces."""
    assert re.fullmatch(rb"([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)*", text), text[:200]
    return b"".join(base64.b64decode(piece) for piece in re.findall(rb"[A-Za-z0-9+/]+={0,2}", text))


def take_apart(http_status, headers, body, complete=True):
    raw = body
    if headers.get("content-type", "").startswith("application/grpc-web-text"):
        body = from_text(body)
    messages, trailers = [], {}
    while len(body) >= 5:
        flags, size = body[0], int.from_bytes(body[1:5], "big")
        payload, body = body[5 : 5 + size], body[5 + size :]
        assert len(payload) == size, "a frame is cut"
        assert not trailers, "something follows the trailers"
        if flags & 0x80:
            for line in payload.decode().split("\r\n")[:-1]:
                name, value = line.split(": ", 1)
                trailers[name] = value
        else:
            messages.append(payload)
    assert not body, f"{len(body)} bytes are no frame"
    return Answer(http_status, headers, messages, trailers, raw, complete)


def call(site, path, *messages, text=False, h2=True, tls=True, fields=(), pieces=None, content_type=None):
    """One call with its messages; `pieces` replaces the body by pieces that are sent one by one."""
    form = content_type or ("application/grpc-web-text+proto" if text else "application/grpc-web+proto")
    if pieces is None:
        pieces = [base64.b64encode(frame(each)) if text else frame(each) for each in messages]
    head = [("content-type", form), ("x-grpc-web", "1"), *fields]
    if h2:
        with site.http2(tls=tls) as client:
            stream = client.open("POST", site.host, path, *head, end=False)
            for piece in pieces:
                client.data(stream.id, piece)
            client.h2.end_stream(stream.id)
            client.flush()
            client.finish(stream)
            assert not stream.trailers, "HTTP trailers towards a client of gRPC-Web"
            return take_apart(stream.status, stream.headers, stream.body, stream.reset is None)
    with site.http1(tls=tls) as wire:
        lines = [f"POST {path} HTTP/1.1", f"Host: {site.host}", *(f"{k}: {v}" for k, v in head)]
        wire.send("\r\n".join(lines) + "\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")
        complete = True
        try:
            response = wire.read_response()
        except Closed:
            raise AssertionError("the body was cut") from None
        assert not response.trailers, "HTTP trailers towards a client of gRPC-Web"
        headers = {name.lower(): value for name, value in response.fields}
        return take_apart(response.status, headers, response.body, complete)
