"""nghttpx on either side of the gateway: behind it as a service, and in front of it as a client's proxy; grpcio at both ends.

What each chain is expected to do stands in docs/conformance.md, "nghttpx on either side".
"""

import threading

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from integration.nghttpx import Nghttpx
from integration.ports import free_port
from integration.site import Site
from integration.test_grpc import seen
from integration.waiting import wait_until
from peers import http2
from peers.protos import Ask, Greeter, HelloRequest, Kinds
from peers.ws_http2 import WebSocket

MIB = 1 << 20


class Chain:
    """Client, gateway and nghttpx in the order that `kind` says, in front of `port`; `channel` and `http2` are the client's."""

    def __init__(self, kind, gateway, authority, folder, port, websocket=False):
        self.place, self.front, self.back = kind
        self.site = Site(gateway, authority)
        host, secure = self.site.host, self.back == "TLS"
        identity = authority.issue("nghttpx.test") if self.place == "behind" else self.site.identity
        if self.place == "behind":
            self.nghttpx = Nghttpx(
                folder, port, identity if secure else None, protocol="http/1.1" if websocket else "h2"
            )
            protocol = ("http2" if websocket else "grpc") + ("s" if secure else "")
            checked = {"sni": "nghttpx.test", "tlsCa": authority.cert} if secure else {}
            gateway.api.create_static(self.site.name, self.nghttpx.port, protocol=protocol, **checked)
            self.site.route(self.site.name, f"{self.site.name}.static")
            self.port = gateway.https_port if self.front == "TLS" else gateway.http_port
        else:
            self.site.serve(port, **({} if websocket else {"protocol": "GRPC"}))
            self.nghttpx = Nghttpx(
                folder,
                gateway.https_port if secure else gateway.http_port,
                identity if self.front == "TLS" else None,
                sni=host if secure else None,
                ca=authority.path if secure else None,
            )
            self.port = self.nghttpx.port

    def channel(self):
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        address, host = f"127.0.0.1:{self.port}", self.site.host
        if self.front == "TLS":
            credentials = grpc.ssl_channel_credentials(self.site.authority.cert.encode())
            return grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", host), *options])
        return grpc.insecure_channel(address, [("grpc.default_authority", host), *options])

    def http2(self):
        return http2.Client(self.port, tls=self.front == "TLS", sni=self.site.host)

    def stop(self):
        self.nghttpx.stop()


CHAINS = [(place, front, back) for place in ("behind", "before") for front in ("clear", "TLS") for back in ("h2c", "TLS")]


@pytest.fixture(scope="module", params=CHAINS, ids=["-".join(each) for each in CHAINS])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def chain(kind, gateway, authority, tmp_path_factory, grpc_server):
    made = Chain(kind, gateway, authority, tmp_path_factory.mktemp("nghttpx"), grpc_server.port)
    yield made
    made.stop()


@pytest.fixture
def kinds(chain):
    with chain.channel() as channel:
        yield Kinds(channel)


@pytest.fixture
def direct(grpc_server):
    """The server without anything between, to ask what it has seen."""
    with grpc.insecure_channel(f"127.0.0.1:{grpc_server.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Kinds(channel)


# ---- gRPC


def test_unary(chain):
    with chain.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"


def test_server_stream(kinds):
    answers = list(kinds.ServerStream(Ask(payload=b"abc", count=50), timeout=20))
    assert [(each.index, each.payload) for each in answers] == [(index, b"abc") for index in range(50)]


def test_client_stream(kinds):
    answer = kinds.ClientStream((Ask(payload=b"x" * 1000) for _ in range(50)), timeout=20)
    assert (answer.index, answer.total) == (50, 50_000)


def test_bidi_answers_arrive_before_the_next_question(kinds):
    turn = threading.Semaphore(1)

    def questions():
        for index in range(20):
            assert turn.acquire(timeout=10), "the answer to the last message did not come"
            yield Ask(payload=str(index).encode())

    answers = []
    for answer in kinds.Bidi(questions(), timeout=20):
        answers.append(answer.payload)
        turn.release()
    assert answers == [str(index).encode() for index in range(20)]


@pytest.mark.parametrize("method", ["Unary", "Bidi"])
def test_messages_of_4_mib(kinds, method):
    """Beyond every window on the way, both ways."""
    payload = bytes(4 * MIB)
    ask = Ask(payload=payload)
    if method == "Unary":
        assert kinds.Unary(ask, timeout=60).payload == payload
    else:
        assert [each.payload == payload for each in kinds.Bidi(iter([ask] * 2), timeout=60)] == [True] * 2


def test_metadata_comes_back_in_front_and_behind(kinds):
    sent = [
        ("x-text", "a value; with=signs"),
        ("x-data-bin", bytes(range(256))),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ]
    _, call = kinds.Unary.with_call(Ask(payload=b"m"), metadata=sent, timeout=10)
    for key, value in sent:
        assert (f"echo-{key[2:]}", value) in call.initial_metadata()
        assert (f"trail-{key[2:]}", value) in call.trailing_metadata()


def test_cancellation_reaches_the_server(kinds, direct):
    before = seen(direct)
    stream = kinds.ServerStream(Ask(payload=b"x", count=1_000_000, delay_ms=5), timeout=60)
    next(stream)
    assert seen(direct).active == before.active + 1
    stream.cancel()
    wait_until(lambda: seen(direct).cancelled == before.cancelled + 1, 5, "the server notices the cancellation")
    assert seen(direct).active == before.active


def test_a_deadline_ends_the_call_at_the_server(kinds, direct):
    before = seen(direct)
    with pytest.raises(grpc.RpcError) as caught:
        kinds.Unary(Ask(delay_ms=30_000), timeout=0.7)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: seen(direct).cancelled > before.cancelled, 5, "the server is told")
    assert 0 < seen(direct).deadline_ms <= 700


def test_errors_of_trailers_alone(chain):
    """grpcio's answer to an unknown method has its status in the only HEADERS there are."""
    with chain.channel() as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/causeway.test.Kinds/Missing")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == "Method not found!"
    with chain.http2() as client:
        stream = client.grpc(chain.site.host, "/causeway.test.Kinds/Missing")
        assert stream.headers["grpc-status"] == "12" and not stream.trailers and stream.reset is None


def test_errors_behind_messages_keep_their_details(kinds):
    stream = kinds.ServerStream(Ask(payload=b"p", count=3, fail_code=9, fail_message="nicht bereit: 100 %"), timeout=10)
    got = []
    with pytest.raises(grpc.RpcError) as caught:
        for each in stream:
            got.append(each.index)
    assert got == [0, 1, 2]
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "nicht bereit: 100 %")
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    assert (info.reason, info.domain) == ("TESTED", "causeway.test")


def test_a_service_that_is_gone_is_unavailable(kind, gateway, authority, tmp_path):
    """Behind the gateway it is nghttpx that says so, by a page of HTML with 502 or 503; before it, the gateway, in gRPC's form."""
    chain = Chain(kind, gateway, authority, tmp_path, free_port())
    try:
        with chain.channel() as channel:
            with pytest.raises(grpc.RpcError) as caught:
                Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        chain.stop()


# ---- WebSocket: RFC 8441 on both sides of the gateway or of nghttpx, HTTP/1.1 at the service


@pytest.fixture(scope="module")
def websockets(kind, gateway, authority, tmp_path_factory, ws_server):
    made = Chain(kind, gateway, authority, tmp_path_factory.mktemp("nghttpx"), ws_server.port, websocket=True)
    yield made
    made.stop()


def test_websocket(websockets, gateway):
    chain = websockets
    with chain.http2() as client:
        ws = WebSocket(client, chain.site.host, "/chat")
        assert ws.status == 200
        for event in (TextMessage(data="Grüße"), BytesMessage(data=b"\xa5" * 100_000), TextMessage(data="x" * MIB)):
            ws.send(event)
            assert ws.receive() == event.data
        ws.send(CloseConnection(code=3001, reason="done"))
        ws.until(lambda: ws.close)
        assert (ws.close.code, ws.close.reason) == (3001, "done")
        ws.end()
        assert ws.ended_in_order()
    record = gateway.wait_log(authority=chain.site.host, path="/chat")
    assert (record["status"], record["protocol"], record["close_code"]) == (200, "websocket", 3001)
