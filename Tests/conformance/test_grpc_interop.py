"""gRPC's own interoperability cases (grpc/doc/interop-test-descriptions.md), grpcio on both sides, over TLS through the gateway.

Left out: what needs Google's credentials, and ORCA. grpcio's server tells nobody whether a message was compressed, and its
client compresses whole calls only: where a case asks for more, a peer of our own counts the flags (`Compressed-Flag`).
"""

import gzip
import threading
import time

import grpc
import pytest

from integration.site import Site
from integration.test_streams import streams
from integration.waiting import wait_until
from peers import http2
from peers.interop import INITIAL, PACKAGE, TRAILING, TestService, messages
from peers.running import RunningPeer

LARGE_REQUEST, LARGE_RESPONSE = 271_828, 314_159
REQUEST_SIZES, RESPONSE_SIZES = [27_182, 8, 1_828, 45_904], [31_415, 9, 2_653, 58_979]
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"

Payload = messages["Payload"]
SimpleRequest = messages["SimpleRequest"]
BoolValue = messages["BoolValue"]
EchoStatus = messages["EchoStatus"]
Input = messages["StreamingInputCallRequest"]
Output = messages["StreamingOutputCallRequest"]
Parameters = messages["ResponseParameters"]
Empty = messages["Empty"]


@pytest.fixture(scope="module")
def interop(gateway, authority):
    """A site with the interop server behind it."""
    with RunningPeer("interop.py") as peer:
        made = Site(gateway, authority, "interop.test")
        made.serve(peer.port, protocol="GRPC")
        yield made


@pytest.fixture
def service(interop):
    with interop.channel() as channel:
        yield TestService(channel)


def payload(size):
    return Payload(body=b"\0" * size)


def large(size=LARGE_RESPONSE, **more):
    return SimpleRequest(response_size=size, payload=payload(LARGE_REQUEST), **more)


def output(*sizes, request=0, interval_us=0):
    return Output(
        payload=payload(request), response_parameters=[Parameters(size=size, interval_us=interval_us) for size in sizes]
    )


def test_empty_unary(service):
    assert service.EmptyCall(Empty(), timeout=10) == Empty()


def test_large_unary(service):
    assert service.UnaryCall(large(), timeout=10).payload == payload(LARGE_RESPONSE)


def test_client_streaming(service):
    answer = service.StreamingInputCall((Input(payload=payload(size)) for size in REQUEST_SIZES), timeout=10)
    assert answer.aggregated_payload_size == 74_922


def test_server_streaming(service):
    answers = list(service.StreamingOutputCall(output(*RESPONSE_SIZES), timeout=10))
    assert [len(each.payload.body) for each in answers] == RESPONSE_SIZES


def test_ping_pong(service):
    turn, sizes = threading.Semaphore(1), []

    def requests():
        for request, response in zip(REQUEST_SIZES, RESPONSE_SIZES):
            assert turn.acquire(timeout=10), "the last answer did not come"
            yield output(response, request=request)

    for answer in service.FullDuplexCall(requests(), timeout=20):
        sizes.append(len(answer.payload.body))
        turn.release()
    assert sizes == RESPONSE_SIZES


def test_empty_stream(service):
    assert list(service.FullDuplexCall(iter(()), timeout=10)) == []


# ---- compression


class Probe:
    """A server that keeps each message with its flag, and answers with one compressed message and one that is not."""

    def __init__(self):
        self.messages, self.encoding, self.accepted = [], None, None
        self.server = http2.Server(self._script)

    def _script(self, connection, id, headers):
        self.encoding, self.accepted = headers.get("grpc-encoding"), headers.get("grpc-accept-encoding")
        self.messages = list(frames_of(connection.body[id]))
        reply = messages["SimpleResponse"](payload=payload(LARGE_RESPONSE)).SerializeToString()
        connection.respond(id, 200, ("content-type", "application/grpc"), ("grpc-encoding", "gzip"))
        squeezed = gzip.compress(reply)
        connection.data(id, b"\1" + len(squeezed).to_bytes(4, "big") + squeezed)
        if headers[":path"].endswith("StreamingOutputCall"):
            small = messages["StreamingOutputCallResponse"](payload=payload(92)).SerializeToString()
            connection.data(id, b"\0" + len(small).to_bytes(4, "big") + small)
        connection.trail(id, ("grpc-status", "0"))


def frames_of(body):
    """(compressed, message) of each length-prefixed message."""
    while body:
        size = int.from_bytes(body[1:5], "big")
        yield body[0] == 1, body[5 : 5 + size]
        body = body[5 + size :]


@pytest.fixture
def probe(site):
    made = Probe()
    site.serve(made.server.port, protocol="GRPC")
    yield made
    made.server.stop()


def call_by_hand(site, method, *parts):
    """A call with messages of given flags: (compressed, message)."""
    body = b""
    for compressed, message in parts:
        data = gzip.compress(message) if compressed else message
        body += bytes([compressed]) + len(data).to_bytes(4, "big") + data
    fields = ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "gzip")
    with site.http2() as client:
        return client.request(
            "POST", site.host, f"/{PACKAGE}.TestService/{method}", *fields, ("grpc-accept-encoding", "gzip"), body=body
        )


def test_client_compressed_unary(interop, site, probe):
    """The probe first: grpcio's messages reach a server with the flags that they left with; then both against grpcio."""
    with site.channel() as channel:
        for compression, flag in [(grpc.Compression.Gzip, True), (grpc.Compression.NoCompression, False)]:
            request = large(expect_compressed=BoolValue(value=flag))
            TestService(channel).UnaryCall(request, timeout=10, compression=compression)
            [(compressed, message)] = probe.messages
            assert compressed is flag
            assert (gzip.decompress(message) if flag else message) == request.SerializeToString()
    message = large().SerializeToString()
    for flag in (True, False):
        answer = call_by_hand(interop, "UnaryCall", (flag, message))
        assert answer.grpc_status == 0
        [(_, reply)] = frames_of(answer.body)
        assert messages["SimpleResponse"].FromString(reply).payload == payload(LARGE_RESPONSE)


def test_client_compressed_unary_with_a_wrong_flag(interop):
    """A message marked as compressed that is not: the server's INTERNAL arrives as such."""
    bad = b"\1" + (5).to_bytes(4, "big") + b"plain"
    fields = ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "gzip")
    with interop.http2() as client:
        answer = client.request("POST", interop.host, f"/{PACKAGE}.TestService/UnaryCall", *fields, body=bad)
    assert answer.grpc_status == 13


def test_client_compressed_streaming(interop, site, probe):
    parts = [(True, Input(payload=payload(27_182))), (False, Input(payload=payload(45_904)))]
    sent = [(flag, message.SerializeToString()) for flag, message in parts]
    call_by_hand(site, "StreamingInputCall", *sent)
    assert [flag for flag, _ in probe.messages] == [True, False]
    answer = call_by_hand(interop, "StreamingInputCall", *sent)
    [(_, reply)] = frames_of(answer.body)
    assert messages["StreamingInputCallResponse"].FromString(reply).aggregated_payload_size == 73_086


def test_server_compressed_unary(interop, site, probe):
    for wish in (True, False):
        request = large(response_compressed=BoolValue(value=wish)).SerializeToString()
        answer = call_by_hand(interop, "UnaryCall", (False, request))
        [(compressed, reply)] = frames_of(answer.body)
        assert compressed is wish
        reply = gzip.decompress(reply) if wish else reply
        assert messages["SimpleResponse"].FromString(reply).payload == payload(LARGE_RESPONSE)
    with site.channel() as channel:  # grpcio inflates what the probe compressed
        assert TestService(channel).UnaryCall(large(), timeout=10).payload == payload(LARGE_RESPONSE)


def test_server_compressed_streaming(interop):
    request = Output(
        response_parameters=[
            Parameters(size=31_415, compressed=BoolValue(value=True)),
            Parameters(size=92_653, compressed=BoolValue(value=False)),
        ]
    ).SerializeToString()
    answer = call_by_hand(interop, "StreamingOutputCall", (False, request))
    assert answer.grpc_status == 0
    replies = list(frames_of(answer.body))
    assert [compressed for compressed, _ in replies] == [True, False]
    sizes = [
        len(messages["StreamingOutputCallResponse"].FromString(gzip.decompress(data) if flag else data).payload.body)
        for flag, data in replies
    ]
    assert sizes == [31_415, 92_653]


# ---- metadata and status

METADATA = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]


def test_custom_metadata_unary(service):
    _, call = service.UnaryCall.with_call(large(), timeout=10, metadata=METADATA)
    assert METADATA[0] in call.initial_metadata() and METADATA[1] in call.trailing_metadata()


def test_custom_metadata_full_duplex(service):
    call = service.FullDuplexCall(iter([output(LARGE_RESPONSE, request=LARGE_REQUEST)]), timeout=10, metadata=METADATA)
    assert [len(each.payload.body) for each in call] == [LARGE_RESPONSE]
    assert METADATA[0] in call.initial_metadata() and METADATA[1] in call.trailing_metadata()


def fails(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


STATUS = EchoStatus(code=2, message="test status message")


def test_status_code_and_message_unary(service):
    request = SimpleRequest(response_status=STATUS)
    assert fails(lambda: service.UnaryCall(request, timeout=10)) == (grpc.StatusCode.UNKNOWN, STATUS.message)


def test_status_code_and_message_full_duplex(service):
    requests = iter([Output(response_status=STATUS)])
    told = fails(lambda: list(service.FullDuplexCall(requests, timeout=10)))
    assert told == (grpc.StatusCode.UNKNOWN, STATUS.message)


def test_special_status_message(service):
    request = SimpleRequest(response_status=EchoStatus(code=2, message=SPECIAL))
    assert fails(lambda: service.UnaryCall(request, timeout=10)) == (grpc.StatusCode.UNKNOWN, SPECIAL)


def test_unimplemented_method(service):
    assert fails(lambda: service.UnimplementedCall(Empty(), timeout=10))[0] is grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(interop):
    with interop.channel() as channel:
        stranger = TestService(channel, "UnimplementedService")
        assert fails(lambda: stranger.UnimplementedCall(Empty(), timeout=10))[0] is grpc.StatusCode.UNIMPLEMENTED


# ---- ends before the end


def until_closed(done):
    """Keeps a request stream open without sending."""
    done.wait(20)
    return
    yield


def test_cancel_after_begin(service, gateway):
    """Once at once, when the client's library may not have sent anything, and once the call has begun for everybody."""
    done = threading.Event()
    call = service.StreamingInputCall.future(until_closed(done))
    assert call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    method = f"/{PACKAGE}.TestService/StreamingInputCall"

    def is_there():
        return any(each["path"] == method and each.get("endpoint") for each in streams(gateway, "?limit=1000"))

    def cut():
        return [each for each in gateway.access_log() if (each["path"], each["flag"]) == (method, "DC")]

    wait_until(lambda: not is_there(), 5, "nothing is left of the first")
    before = len(cut())
    call = service.StreamingInputCall.future(until_closed(done))
    wait_until(is_there, 5, "the call is on its way")
    assert call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    wait_until(lambda: len(cut()) > before, 1, "the gateway hears of it")
    assert cut()[-1]["messages_in"] == cut()[-1]["messages_out"] == 0
    done.set()


def test_cancel_after_first_response(service, gateway):
    done = threading.Event()

    def requests():
        yield output(31_415, request=27_182)
        done.wait(20)

    call = service.FullDuplexCall(requests(), timeout=20)
    assert len(next(call).payload.body) == 31_415
    call.cancel()
    assert fails(lambda: next(call))[0] is grpc.StatusCode.CANCELLED
    # Not only the client's library knows of it.
    record = gateway.wait_log(authority="interop.test", path=f"/{PACKAGE}.TestService/FullDuplexCall", flag="DC")
    assert record["messages_in"] == record["messages_out"] == 1
    done.set()


def test_timeout_on_sleeping_server(service):
    done = threading.Event()

    def requests():
        yield Output(payload=payload(27_182))
        done.wait(20)

    code, _ = fails(lambda: list(service.FullDuplexCall(requests(), timeout=0.001)))
    done.set()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_timeout_while_the_server_sleeps(service):
    """The same with a deadline that the server sees: it is the gateway's or the server's, never later than the client's."""
    began = time.monotonic()
    code, _ = fails(lambda: list(service.StreamingOutputCall(output(1, interval_us=10_000_000), timeout=0.3)))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 2


# ---- soak


@pytest.fixture
def iterations(request):
    return request.config.getoption("--soak-iterations")


def test_rpc_soak(service, iterations):
    """`--soak-iterations` (30) large calls on one channel, one after the other. Asserted is that each ends with OK and the whole payload
    within 10 s. The description gives its number by a flag as well and counts as failed also a call over
    `soak_per_iteration_max_acceptable_latency_ms`, allows `soak_max_failures` of them, and bounds the whole by
    `soak_overall_timeout_seconds`: here none may fail, and no latency below 10 s is judged, as the machine is shared."""
    for _ in range(iterations):
        assert service.UnaryCall(large(), timeout=10).payload == payload(LARGE_RESPONSE)


def test_channel_soak(interop, iterations):
    """The same calls, each on a channel of its own that is closed behind it: `--soak-iterations` handshakes and connections. Asserted is what
    `rpc_soak` asserts, as in the description. That no connection is left behind is for `soak/test_soak.py`, which counts descriptors."""
    for _ in range(iterations):
        with interop.channel() as channel:
            assert TestService(channel).UnaryCall(large(), timeout=10).payload == payload(LARGE_RESPONSE)
