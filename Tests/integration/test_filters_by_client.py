"""Each filter of a route as each kind of client meets it: let through once and refused once, over HTTP, gRPC, gRPC-Web and
WebSocket, each refusal in the client's own shape and in the access log. What filters do in detail: test_filters.py."""

import base64
import collections.abc
import contextlib
import dataclasses

import grpc
import pytest
from websockets.exceptions import InvalidStatus, InvalidURI
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from integration.test_websocket import accept_for
from integration.waiting import wait_until
from peers import grpc_web, http2, ws_http2
from peers.http1 import EchoServer, RawServer
from peers.tokens import Key, bearer, credential


@dataclasses.dataclass
class Answer:
    """What a client got: of a call `grpc` and `message`, of anything else the status of HTTP."""

    served: bool
    status: int
    fields: dict
    body: bytes = b""
    grpc: int | None = None
    message: str | None = None


class WebSocketServer(RawServer):
    """Echoes text, and answers 200 to what is no handshake; `seen` has the requests."""

    def __init__(self):
        self.seen = []
        super().__init__(self._echo)

    def _echo(self, wire):
        request = wire.read_head()
        self.seen.append(request)
        key = request.get("sec-websocket-key")
        if key is None:
            return wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Kind: service\r\n"
            f"Sec-WebSocket-Accept: {accept_for(key)}\r\n\r\n"
        )
        frames = Connection(ConnectionType.SERVER)
        while True:
            wire.receive()
            data, wire.input = wire.input, b""
            frames.receive_data(data)
            for event in frames.events():
                if isinstance(event, TextMessage):
                    wire.send(frames.send(event))
                elif isinstance(event, CloseConnection):
                    return wire.send(frames.send(event.response()))


@pytest.fixture(scope="module")
def servers():
    with EchoServer() as plain, http2.Server() as calls, WebSocketServer() as sockets:
        yield {"plain": plain, "calls": calls, "sockets": sockets}


# ---- kinds of clients


class HTTP1:
    """Plain requests. A client's `server` is its service, `protocol` that of the route."""

    server, protocol = "plain", None

    def __init__(self, site, servers):
        self.site = site
        self.service = servers[self.server]

    def serve(self, path="/", **filters):
        return self.site.serve(self.service.port, path=path, protocol=self.protocol, **filters)

    def ask(self, path="/x", *fields):
        answer = self.site.get(path, *fields, tls=True)
        headers = {name.lower(): value for name, value in answer.fields}
        return Answer(answer.status == 200 and "x-backend" in headers, answer.status, headers, answer.body)

    @contextlib.contextmanager
    def held(self, path="/x"):
        """A request that goes on meanwhile."""
        with self.site.http1() as wire:
            wire.send(f"POST {path} HTTP/1.1\r\nHost: {self.site.host}\r\nContent-Length: 4\r\n\r\n")
            yield
            wire.send("over")
            assert wire.read_response().status == 200

    def count(self):
        return len(self.service.seen)

    def saw(self):
        """Path, host and fields of the last request at the service."""
        request = self.service.seen[-1]
        return request.target, request.get("host").split(":")[0], {name.lower(): value for name, value in request.fields}


class HTTP2(HTTP1):
    def ask(self, path="/x", *fields):
        with self.site.http2() as client:
            stream = client.request("GET", self.site.host, path, *fields)
        return Answer(
            stream.status == 200 and "x-backend" in stream.headers, stream.status, stream.headers, stream.body
        )


class GRPC(HTTP1):
    """At the level of frames: a refusal is trailers alone, a HEADERS frame with END_STREAM, 200 and the status."""

    server, protocol = "calls", "GRPC"

    def ask(self, path="/x", *fields):
        with self.site.http2() as client:
            stream = client.grpc(self.site.host, path, b"", *fields)
        assert (stream.status, stream.headers["content-type"], stream.reset) == (200, "application/grpc", None)
        served = "x-backend" in stream.headers
        if served:
            assert stream.body == b"\0\0\0\0\0" and "grpc-status" in stream.trailers
        else:
            assert stream.body == b"" and stream.trailers == {}
        return Answer(
            served, stream.status, stream.headers, stream.body, stream.grpc_status, stream.grpc_message
        )

    @contextlib.contextmanager
    def held(self, path="/x"):
        with self.site.http2() as client:
            fields = (("content-type", "application/grpc"), ("te", "trailers"))
            stream = client.open("POST", self.site.host, path, *fields, end=False)
            yield
            client.data(stream.id, b"\0\0\0\0\0", end=True)
            assert client.finish(stream).grpc_status == 0

    def count(self):
        return len(self.service.requests)

    def saw(self):
        request = self.service.requests[-1]
        return request[":path"], request[":authority"], request


class GRPCIO(GRPC):
    """As applications see it."""

    def ask(self, path="/x", *fields):
        with self.site.channel() as channel:
            call = channel.unary_unary(path)
            try:
                _, done = call.with_call(b"", timeout=10, metadata=fields)
                return Answer(True, 200, dict(done.initial_metadata()), b"", 0)
            except grpc.RpcError as error:
                metadata = {**dict(error.initial_metadata() or ()), **dict(error.trailing_metadata() or ())}
                return Answer(False, 200, metadata, b"", error.code().value[0], error.details())


class GRPCWeb(GRPC):
    """A refusal has its status in the headers, in the client's form, and no body."""

    text, h2 = False, True

    def ask(self, path="/x", *fields):
        answer = grpc_web.call(self.site, path, b"", text=self.text, h2=self.h2, fields=fields)
        form = "application/grpc-web-text+proto" if self.text else "application/grpc-web+proto"
        served = "x-backend" in answer.headers
        assert answer.http_status == 200 and answer.complete
        assert answer.headers["content-type"].removesuffix("+proto") == form.removesuffix("+proto")
        if served:
            assert answer.messages == [b""] and "grpc-status" in answer.trailers
        else:
            assert answer.raw == b"" and "grpc-status" in answer.headers
        return Answer(served, answer.http_status, answer.headers, answer.raw, answer.status, answer.message)


class GRPCWebHTTP1(GRPCWeb):
    h2 = False


class GRPCWebText(GRPCWeb):
    text = True


class WebSocketHTTP1(HTTP1):
    """A refusal is the answer to the handshake."""

    server = "sockets"

    def ask(self, path="/x", *fields):
        try:
            with self.site.websocket(path, additional_headers=list(fields)) as ws:
                ws.send("hello")
                assert ws.recv(timeout=10) == "hello"
                return Answer(True, ws.response.status_code, lower(ws.response.headers))
        except (InvalidStatus, InvalidURI) as error:
            # The library would follow a redirect, had it an address for WebSockets.
            answer = (error if isinstance(error, InvalidStatus) else error.__context__).response
            return Answer(False, answer.status_code, lower(answer.headers), bytes(answer.body or b""))

    @contextlib.contextmanager
    def held(self, path="/x"):
        with self.site.websocket(path):
            yield


class WebSocketHTTP2(WebSocketHTTP1):
    def ask(self, path="/x", *fields):
        with self.site.http2() as client:
            ws = ws_http2.WebSocket(client, self.site.host, path, *fields)
            if ws.status == 200:
                ws.send(TextMessage(data="hello"))
                assert ws.receive() == "hello"
                return Answer(True, 200, ws.handshake.headers)
            client.finish(ws.handshake)
            assert ws.handshake.reset in (None, 0)
            return Answer(False, ws.status, ws.handshake.headers, ws.handshake.body)


def lower(headers):
    return {name.lower(): value for name, value in headers.raw_items()}


CLIENTS = {
    "HTTP/1.1": HTTP1,
    "HTTP/2": HTTP2,
    "gRPC": GRPC,
    "grpcio": GRPCIO,
    "gRPC-Web": GRPCWeb,
    "gRPC-Web over HTTP/1.1": GRPCWebHTTP1,
    "gRPC-Web text": GRPCWebText,
    "WebSocket over HTTP/1.1": WebSocketHTTP1,
    "WebSocket over HTTP/2": WebSocketHTTP2,
}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS.keys())
def client(request, site, servers):
    return request.param(site, servers)


def is_grpc(client):
    return client.protocol == "GRPC"


# ---- let through, or refused


KEY = Key("ES256", "by-client")


@pytest.fixture(scope="module")
def consumers(gateway):
    for name, password in (("alice", "se:cret"), ("bob", "other")):
        credentials = [
            {"type": "key-auth", "source": "BEARER", "values": [f"{name}-token"]},
            {"type": "basic-auth", "username": name, "password": password},
            *([credential(KEY)] if name == "alice" else []),
        ]
        gateway.api.post("/v1/consumers", {"name": name, "credentials": credentials})


def basic(user, password):
    return ("authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def auth(kind):
    return {"authConfig": {"enabled": True, "allowedCredentialTypes": [kind], "allowedConsumers": ["alice"]}}


@dataclasses.dataclass
class Case:
    """A route's filters that let one request through and refuse another: the same filters where `refusing` is not given.
    `good` and `bad` make the fields of these requests, `answer` and `body` are what a refusal over HTTP has."""

    filters: dict
    status: int
    grpc: int
    flag: str
    refusing: dict | None = None
    good: collections.abc.Callable = tuple
    bad: collections.abc.Callable = tuple
    answer: tuple = ()
    body: bytes | None = None


CASES = {
    "address allowed": Case(
        {"ipAccess": {"allow": ["127.0.0.0/8"]}}, 403, 7, "AD", refusing={"ipAccess": {"allow": ["10.0.0.0/8"]}}
    ),
    "address denied": Case(
        {"ipAccess": {"deny": ["10.0.0.0/8"]}}, 403, 7, "AD", refusing={"ipAccess": {"deny": ["127.0.0.1"]}}
    ),
    "key": Case(
        auth("key-auth"),
        *(401, 16, "UA"),
        good=lambda: [bearer("alice-token")],
        answer=("www-authenticate", 'Bearer realm="gateway"'),
    ),
    "password": Case(
        auth("basic-auth"),
        *(401, 16, "UA"),
        good=lambda: [basic("alice", "se:cret")],
        bad=lambda: [basic("alice", "wrong")],
        answer=("www-authenticate", 'Basic realm="gateway", charset="UTF-8"'),
    ),
    "token": Case(
        auth("jwt"),
        *(401, 16, "UA"),
        good=lambda: [bearer(KEY.sign())],
        bad=lambda: [bearer(KEY.sign(exp=1_000_000_000))],
        answer=(
            "www-authenticate",
            'Bearer realm="gateway", error="invalid_token", error_description="the token has expired"',
        ),
    ),
    "consumer": Case(auth("key-auth"), 403, 7, "AD", good=lambda: [bearer("alice-token")], bad=lambda: [bearer("bob-token")]),
    # One a minute: the second is too many.
    "rate": Case(
        {"customConfigs": {"higress.io/route-limit-rpm": "1", "higress.io/route-limit-burst-multiplier": "1"}},
        *(429, 8, "RL"),
    ),
    "redirect": Case(
        {"redirect": {"enabled": False, "url": "https://new.example/"}},
        *(307, 14, "-"),
        refusing={"redirect": {"enabled": True, "status": 307, "url": "https://new.example/there?a=b"}},
        answer=("location", "https://new.example/there?a=b"),
    ),
    "mock": Case(
        {"mock": {"enabled": False, "status": 503}},
        *(503, 14, "-"),
        refusing={"mock": {"enabled": True, "status": 503, "content": "closed", "contentType": "application/x-test"}},
        answer=("content-type", "application/x-test"),
        body=b"closed",
    ),
}


def expect_refusal(gateway, client, route, answer, case):
    assert not answer.served
    if is_grpc(client):
        assert (answer.status, answer.grpc) == (200, case.grpc), answer
        assert answer.message, "a status without words"
    else:
        assert answer.status == case.status, answer
        if case.answer:
            assert answer.fields[case.answer[0]] == case.answer[1]
        if case.body is not None:
            assert answer.body == case.body
    code = case.grpc if is_grpc(client) else None
    gateway.wait_log(route=route["name"], status=answer.status, grpc_status=code, flag=case.flag)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_let_through_and_refused(gateway, consumers, client, case):
    path, route = "/good", client.serve("/good", **case.filters)
    if case.refusing is not None:
        path, route = "/bad", client.serve("/bad", **case.refusing)
    before = client.count()
    answer = client.ask("/good", *case.good())
    assert answer.served and answer.grpc in (None, 0), answer
    assert client.count() == before + 1
    expect_refusal(gateway, client, route, client.ask(path, *case.bad()), case)
    assert client.count() == before + 1, "a refused request reached the service"


def test_no_more_at_once(gateway, client):
    route = client.serve(concurrencyLimit={"enabled": True, "max": 1})
    name, endpoint = "causeway_endpoint_exchanges_active", f"127.0.0.1:{client.service.port}"
    with client.held():
        wait_until(lambda: gateway.metric(name, endpoint=endpoint) == 1, 10, "the one that goes on")
        expect_refusal(gateway, client, route, client.ask(), Case({}, 429, 8, "RL"))
    wait_until(lambda: client.ask().served, 10, "an end makes room")


# ---- changed on the way


def test_fields_are_edited_both_ways(client):
    """The answer to a handshake is one as any other."""
    client.serve(
        headerControl={
            "enabled": True,
            "request": {
                "add": [{"key": "x-new", "value": "n"}],
                "set": [{"key": "x-client", "value": "gateway"}],
                "remove": ["x-secret"],
            },
            "response": {"add": [{"key": "X-Added", "value": "yes"}], "set": [{"key": "X-Kind", "value": "edited"}]},
        }
    )
    answer = client.ask("/x", ("x-client", "me"), ("x-secret", "s"))
    assert answer.served and answer.fields["x-added"] == "yes" and answer.fields["x-kind"] == "edited"
    fields = client.saw()[2]
    assert (fields["x-new"], fields["x-client"], fields.get("x-secret")) == ("n", "gateway", None)


def test_path_and_host_are_rewritten(client):
    client.serve("/old", rewrite={"enabled": True, "path": "/new", "host": "inner.test"})
    client.serve("/plain")
    assert client.ask("/old/x?a=b").served
    assert client.saw()[:2] == ("/new/x?a=b", "inner.test")
    assert client.ask("/plain/x").served
    assert client.saw()[:2] == ("/plain/x", client.site.host)


# ---- cross-origin requests

ORIGIN = "https://app.example"


def test_pages_of_other_origins(client, consumers):
    """A policy lets pages read answers, the gateway's own among them, and refuses nobody itself."""
    cors = {"enabled": True, "allowOrigins": [ORIGIN]}
    client.serve("/open", cors=cors)
    client.serve("/closed", cors=cors, **auth("key-auth"))

    def allowed(path, origin):
        answer = client.ask(path, ("origin", origin))
        assert answer.served == (path == "/open"), answer
        return answer.fields.get("access-control-allow-origin")

    assert [allowed("/open", ORIGIN), allowed("/open", "https://other.example")] == [ORIGIN, None]
    assert [allowed("/closed", ORIGIN), allowed("/closed", "https://other.example")] == [ORIGIN, None]


# ---- copies


def test_requests_and_calls_are_copied_and_websockets_are_not(gateway, client):
    with (http2.Server() if is_grpc(client) else EchoServer("shadow")) as shadow:
        name = f"{client.site.name}-shadow"
        gateway.api.create_static(name, shadow.port)
        client.serve(mirror={"service": f"{name}.static"})
        assert client.ask("/x").served
        if client.server == "sockets":
            # A copy of a request behind it on the same route has come, and one of the handshake has not.
            assert client.site.get("/behind", tls=True).status == 200
            wait_until(lambda: shadow.seen, 10, "the copy of a request")
            assert [each.target for each in shadow.seen] == ["/behind"]
        else:
            wait_until(lambda: shadow.requests if is_grpc(client) else shadow.seen, 10, "the copy")
