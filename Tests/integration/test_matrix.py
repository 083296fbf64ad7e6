"""The pair matrix: every kind of traffic for each protocol in front and behind, against the table in `matrix.py`."""

import functools
import json
import pathlib

import pytest
from wsproto.events import CloseConnection, TextMessage

from integration import matrix
from integration.certificates import Authority
from integration.site import Site
from integration.test_upstream_tls import server_context
from integration.test_websocket import handshake
from peers import grpc_web, http2
from peers.http1 import EchoServer
from peers.protos import Ask, Greeter, HelloReply, HelloRequest, Kinds, Tell
from peers.running import RunningPeer
from peers.ws_http2 import EchoServer as WebSocketServer
from peers.ws_http2 import WebSocket, open_connect

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/conformance.md"


def test_the_document_has_this_table():
    assert matrix.table() in DOCUMENT.read_text()


# ---- back ends


def echo_over_http2(connection, id, headers):
    """What `EchoServer` says, over HTTP/2: JSON of what it saw, with a trailer behind it."""
    body = connection.body[id]
    answer = {
        "method": headers[":method"],
        "target": headers[":path"],
        "headers": list(headers.items()),
        "trailers": list(connection.trailers.get(id, {}).items()),
        "body_length": len(body),
        "body": body[:4096].decode("latin-1"),
    }
    connection.respond(id, 200, ("content-type", "application/json"))
    connection.send_all(id, json.dumps(answer).encode())
    connection.trail(id, ("x-behind", "the answer"))


class TrailingEchoServer(EchoServer):
    """`EchoServer` with its answers in chunks and a trailer behind them."""

    def _echo(self, wire):
        while True:
            request = wire.read_request()
            self.seen.append(request)
            answer = {
                "method": request.method,
                "target": request.target,
                "headers": request.fields,
                "trailers": request.trailers,
                "body_length": len(request.body),
                "body": request.body[:4096].decode("latin-1"),
            }
            body = json.dumps(answer).encode()
            wire.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"%x\r\n%s\r\n0\r\nX-Behind: the answer\r\n\r\n" % (len(body), body)
            )


class Back:
    """The sites of one protocol behind: each kind of service once, for all cells."""

    def __init__(self, gateway, authority, upstream):
        self.gateway, self.authority, self.upstream = gateway, authority, upstream
        self.identity = authority.issue("back.test")
        self.stops = []

    def _tls(self, alpn):
        return server_context(self.identity, alpn) if self.upstream.endswith("TLS") else None

    def _site(self, port, grpc=False):
        protocol = {
            "h1": "http",
            "h1 TLS": "https",
            "h2c": "grpc" if grpc else "http2",
            "h2 TLS": "grpcs" if grpc else "http2s",
        }[self.upstream]
        site = Site(self.gateway, self.authority)
        self.gateway.api.create_static(site.name, port, protocol=protocol, tlsVerify=False)
        site.route(site.name, f"{site.name}.static")
        return site

    def _run(self, peer):
        self.stops.append(peer.stop)
        return peer

    @functools.cached_property
    def grpc(self):
        """grpcio; behind h1 a server that must see nothing."""
        if self.upstream.startswith("h1"):
            self.untouched = self._run(TrailingEchoServer(tls=self._tls(None)))
            return self._site(self.untouched.port)
        options = ["--kinds"]
        if self.upstream.endswith("TLS"):
            options += ["--certificate", self.identity.path, "--key", self.identity.key_path]
        return self._site(self._run(RunningPeer("grpc_server.py", *options)).port, grpc=True)

    @functools.cached_property
    def http(self):
        if self.upstream.startswith("h1"):
            return self._site(self._run(TrailingEchoServer(tls=self._tls(None))).port)
        return self._site(self._run(http2.Server(echo_over_http2, tls=self._tls(["h2"]))).port)

    @functools.cached_property
    def websocket(self):
        if not self.upstream.startswith("h1"):
            return self._site(self._run(WebSocketServer(tls=self._tls(["h2"]))).port)
        options = ["--tls", self.identity.path, self.identity.key_path] if self.upstream.endswith("TLS") else []
        return self._site(self._run(RunningPeer("ws_echo.py", *options)).port)

    @functools.cached_property
    def without(self):
        """Of h1 services none offers RFC 8441; of h2 services one that speaks h2 only."""
        if self.upstream.startswith("h1"):
            return self.websocket
        return self._site(self._run(http2.Server(tls=self._tls(["h2"]))).port)

    def stop(self):
        for stop in self.stops:
            stop()


@pytest.fixture(scope="module", params=matrix.UPSTREAM)
def back(request, gateway, tmp_path_factory):
    made = Back(gateway, Authority(tmp_path_factory.mktemp("authority")), request.param)
    yield made
    made.stop()


# ---- gRPC


class WebCalls:
    """The four kinds of call by gRPC-Web, which has no streams from the client but in whole bodies."""

    def __init__(self, site, tls):
        self.call = functools.partial(grpc_web.call, site, h2=False, tls=tls)

    def __getattr__(self, name):
        path = f"/helloworld.Greeter/{name}" if name == "SayHello" else f"/causeway.test.Kinds/{name}"
        kind = HelloReply if name == "SayHello" else Tell

        def make(asks):
            answer = self.call(path, *(each.SerializeToString() for each in asks))
            return answer.status, answer.message, [kind.FromString(each) for each in answer.messages]

        return make


def native_calls(site, tls, name, asks):
    import grpc

    with site.channel(tls=tls) as channel:
        method = getattr(Greeter(channel) if name == "SayHello" else Kinds(channel), name)
        streams_in, streams_out = name in ("ClientStream", "Bidi"), name in ("ServerStream", "Bidi")
        try:
            answers = method(iter(asks) if streams_in else asks[0], timeout=20)
            return 0, "", list(answers) if streams_out else [answers]
        except grpc.RpcError as error:
            return error.code().value[0], error.details(), []


ASKS = [Ask(payload=b"abc", count=3) for _ in range(3)]
CALLS = {
    "unary gRPC": ("SayHello", [HelloRequest(name="you")], ["Hello, you!"]),
    "client streaming": ("ClientStream", ASKS, [9]),
    "server streaming": ("ServerStream", ASKS[:1], [0, 1, 2]),
    "bidi streaming": ("Bidi", ASKS, [0, 1, 2]),
}
PART = {"unary gRPC": "message", "client streaming": "total", "server streaming": "index", "bidi streaming": "index"}


@pytest.mark.parametrize("downstream", matrix.DOWNSTREAM)
@pytest.mark.parametrize("kind", matrix.GRPC_KINDS)
def test_grpc(back, downstream, kind):
    name, asks, wanted = CALLS[kind]
    site, tls = back.grpc, downstream.endswith("TLS")
    if downstream.startswith("h1"):
        status, message, answers = getattr(WebCalls(site, tls), name)(asks)
    else:
        status, message, answers = native_calls(site, tls, name, asks)
    if matrix.expected(kind, downstream, back.upstream).startswith("works"):
        assert (status, [getattr(each, PART[kind]) for each in answers]) == (0, wanted)
    else:
        assert status == 12 and "protocol" in message and "GRPC" in message
        assert back.untouched.seen == []


# ---- HTTP


@pytest.mark.parametrize("downstream", matrix.DOWNSTREAM)
@pytest.mark.parametrize("kind", matrix.HTTP_KINDS)
def test_http(back, downstream, kind):
    assert matrix.expected(kind, downstream, back.upstream) == "works"
    site, tls = back.http, downstream.endswith("TLS")
    body = b"" if kind == "GET" else b"0123456789" * 5000
    method, trailers = "GET" if kind == "GET" else "POST", {"x-front": "the request"} if "trailers" in kind else {}
    fields = [("x-own", "field")]
    if downstream.startswith("h2"):
        with site.http2(tls=tls) as client:
            length = [("content-length", str(len(body)))] if kind == "POST" else []
            stream = client.open(method, site.host, "/a?b=c", *fields, *length, end=not body)
            if body:
                client.data(stream.id, body, end=not trailers)
            if trailers:
                client.h2.send_headers(stream.id, list(trailers.items()), end_stream=True)
                client.flush()
            client.finish(stream)
            assert stream.reset is None
            status, answer, behind = stream.status, stream.body, stream.trailers
    else:
        with site.http1(tls=tls) as wire:
            if trailers:
                lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
                wire.send(f"POST /a?b=c HTTP/1.1\r\nHost: {site.host}\r\n{lines}Transfer-Encoding: chunked\r\n\r\n")
                for at in range(0, len(body), 7000):
                    piece = body[at : at + 7000]
                    wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                wire.send("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers.items()) + "\r\n")
                response = wire.read_response()
            else:
                response = wire.request(method, "/a?b=c", site.host, *fields, body=body)
            status, answer = response.status, response.body
            behind = {name.lower(): value for name, value in response.trailers}
    seen = json.loads(answer)
    assert status == 200 and behind == {"x-behind": "the answer"}
    assert (seen["method"], seen["target"], seen["body_length"]) == (method, "/a?b=c", len(body))
    assert seen["body"] == body[:4096].decode()
    assert ["x-own", "field"] in [[name.lower(), value] for name, value in seen["headers"]]
    assert {name.lower(): value for name, value in seen["trailers"]} == trailers


# ---- WebSocket


@pytest.mark.parametrize("downstream", matrix.DOWNSTREAM)
@pytest.mark.parametrize("kind", matrix.WEBSOCKETS)
def test_websocket(back, downstream, kind):
    site = back.websocket if kind == matrix.WEBSOCKETS[0] else back.without
    tls, works = downstream.endswith("TLS"), matrix.expected(kind, downstream, back.upstream) == "works"
    if downstream.startswith("h1"):
        if not works:
            with site.http1(tls=tls) as wire:
                wire.send(handshake(site.host)[0])
                answer = wire.read_response()
                assert answer.status == 502 and b"RFC 8441" in answer.body
            return
        with site.websocket(tls=tls) as ws:
            for message in ("hello", b"\xa5" * 100_000):
                ws.send(message)
                assert ws.recv(timeout=20) == message
            ws.close(3001, "done")
        assert (ws.close_code, ws.close_reason) == (3001, "done")
        return
    with site.http2(tls=tls) as client:
        if not works:
            stream = client.finish(open_connect(client, site.host, "/"))
            assert stream.status == 502 and b"RFC 8441" in stream.body
            return
        ws = WebSocket(client, site.host)
        assert ws.status == 200
        for message in ("hello", "x" * 100_000):
            ws.send(TextMessage(data=message))
            assert ws.receive() == message
        ws.send(CloseConnection(code=3001, reason="done"))
        ws.until(lambda: ws.close)
        assert (ws.close.code, ws.close.reason) == (3001, "done")
