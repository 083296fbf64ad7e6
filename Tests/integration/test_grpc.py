"""gRPC from grpcio through the gateway: the four kinds of call, what travels beside the messages, and how calls end."""

import asyncio
import json
import threading
import time

import grpc
import h2.errors
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.protos import Ask, Greeter, HelloRequest, Kinds, Nothing

MIB = 1 << 20


@pytest.fixture(scope="module")
def grpc_site(gateway, authority, grpc_server):
    made = Site(gateway, authority, "kinds.test")
    made.serve(grpc_server.port, protocol="GRPC")
    return made


@pytest.fixture(params=["tls", "clear"])
def kinds(request, grpc_site):
    with grpc_site.channel(tls=request.param == "tls") as channel:
        yield Kinds(channel)


@pytest.fixture
def direct(grpc_server):
    """The server without the gateway between, to ask what it has seen."""
    with grpc.insecure_channel(f"127.0.0.1:{grpc_server.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Kinds(channel)


def seen(direct):
    return direct.Seen(Nothing(), timeout=5)


def test_unary(grpc_site):
    with grpc_site.channel() as channel:
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


def test_metadata_goes_both_ways_and_comes_back_in_front_and_behind(kinds):
    every_byte = bytes(range(256))
    sent = [
        ("x-text", "a value; with=signs"),
        ("x-data-bin", every_byte),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ]
    _, call = kinds.Unary.with_call(Ask(payload=b"m"), metadata=sent, timeout=10)
    initial, trailing = call.initial_metadata(), call.trailing_metadata()
    for key, value in sent:
        assert (f"echo-{key[2:]}", value) in initial
        assert (f"trail-{key[2:]}", value) in trailing


def test_the_server_sees_the_client_s_authority_and_agent(grpc_site, direct):
    with grpc_site.channel() as channel:
        Kinds(channel).Unary(Ask(), timeout=10, metadata=[("x-who", "me")])
    metadata = dict(map(tuple, json.loads(seen(direct).metadata)))
    assert metadata["x-who"] == "me"
    assert metadata["user-agent"].startswith("grpc-python/")


@pytest.mark.parametrize("kind", ["Unary", "ServerStream", "ClientStream", "Bidi"])
def test_messages_of_4_mib(kinds, kind):
    payload = bytes(4 * MIB)
    ask = Ask(payload=payload, count=2)
    if kind == "Unary":
        assert kinds.Unary(ask, timeout=60).payload == payload
    elif kind == "ServerStream":
        assert [len(each.payload) for each in kinds.ServerStream(ask, timeout=60)] == [4 * MIB] * 2
    elif kind == "ClientStream":
        assert kinds.ClientStream(iter([ask] * 2), timeout=60).total == 8 * MIB
    else:
        assert [each.payload == payload for each in kinds.Bidi(iter([ask] * 2), timeout=60)] == [True] * 2


def test_cancellation_reaches_the_server(kinds, direct):
    before = seen(direct)
    stream = kinds.ServerStream(Ask(payload=b"x", count=1_000_000, delay_ms=5), timeout=60)
    next(stream)
    assert seen(direct).active == before.active + 1
    stream.cancel()
    wait_until(lambda: seen(direct).cancelled == before.cancelled + 1, 5, "the server notices the cancellation")
    assert seen(direct).active == before.active


def test_a_vanished_client_cancels_its_calls(grpc_site, direct):
    before = seen(direct)
    with grpc_site.http2() as client:
        client.open(
            "POST",
            grpc_site.host,
            "/causeway.test.Kinds/Bidi",
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            body=b"\0\0\0\0\0",
            end=False,
        )
        wait_until(lambda: seen(direct).active == before.active + 1, 5, "the call has reached the server")
        client.wire.reset()
    wait_until(lambda: seen(direct).active == before.active, 5, "the server notices that the client is gone")


def test_the_deadline_travels_reduced_and_ends_the_call(kinds, direct):
    before = seen(direct)
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        kinds.Unary(Ask(delay_ms=30_000), timeout=0.7)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 3
    assert 0 < seen(direct).deadline_ms <= 700
    wait_until(lambda: seen(direct).cancelled > before.cancelled, 5, "the server is told")


def test_the_gateway_enforces_a_deadline_that_the_client_forgets(grpc_site, direct):
    before = seen(direct)
    began = time.monotonic()
    with grpc_site.http2() as client:
        message = Ask(delay_ms=30_000).SerializeToString()
        stream = client.grpc(grpc_site.host, "/causeway.test.Kinds/Unary", message, ("grpc-timeout", "400m"))
    assert stream.status == 200 and stream.grpc_status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert 0.3 < time.monotonic() - began < 3
    wait_until(lambda: seen(direct).cancelled > before.cancelled, 5, "the server is told")


def test_a_deadline_is_passed_on_at_most_as_long_as_the_route_waits(gateway, authority):
    """Also where the head goes on within the millisecond in which it came."""
    passed, site = [], Site(gateway, authority)

    def answer(connection, id, headers):
        passed.append(headers["grpc-timeout"])
        connection.respond(id, 200, ("content-type", "application/grpc"), ("grpc-status", "0"), end=True)

    with http2.Server(answer) as server:
        site.serve(server.port, protocol="GRPC", timeouts={"total": 400})
        with site.http2() as client:
            for _ in range(50):
                assert client.grpc(site.host, "/a.B/C", b"", ("grpc-timeout", "20S")).grpc_status == 0
    assert len(passed) == 50
    assert all(each.endswith("m") and 0 < int(each[:-1]) <= 400 for each in passed), passed


def test_a_deadline_is_passed_on_as_what_is_left_of_it(gateway, authority):
    """The first try is refused after 0.4 s; the second is told the rest."""
    passed, site = [], Site(gateway, authority)

    def answer(connection, id, headers):
        passed.append(headers["grpc-timeout"])
        if len(passed) == 1:
            threading.Event().wait(0.4)
            return connection.reset(id, h2.errors.ErrorCodes.REFUSED_STREAM)
        connection.respond(id, 200, ("content-type", "application/grpc"), ("grpc-status", "0"), end=True)

    with http2.Server(answer) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C", b"", ("grpc-timeout", "20S")).grpc_status == 0
    first, second = (int(each[:-1]) * {"S": 1_000, "m": 1}[each[-1]] for each in passed)
    assert 15_000 < first <= 20_000 and second <= first - 400, passed


def test_errors_keep_their_message_and_details(kinds):
    with pytest.raises(grpc.RpcError) as caught:
        kinds.Unary(Ask(fail_code=9, fail_message="nicht bereit: 100 % – später"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "nicht bereit: 100 % – später"
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("TESTED", "causeway.test")


def test_messages_before_an_error_arrive(kinds):
    stream = kinds.ServerStream(Ask(payload=b"p", count=3, fail_code=8), timeout=10)
    got = []
    with pytest.raises(grpc.RpcError) as caught:
        for each in stream:
            got.append(each.index)
    assert got == [0, 1, 2]
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_method_is_the_server_s_own_answer(grpc_site):
    with grpc_site.channel() as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/causeway.test.Kinds/Missing")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_100_concurrent_bidi_streams_for_30_seconds(grpc_site, authority, gateway):
    streams, seconds = 100, 30

    async def talk(kinds, number, until):
        call = kinds.Bidi()
        count = 0
        while time.monotonic() < until:
            payload = f"{number}/{count}".encode() * 20
            await call.write(Ask(payload=payload))
            answer = await asyncio.wait_for(call.read(), 10)
            assert answer.payload == payload and answer.index == count
            count += 1
            await asyncio.sleep(0.1)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        return count

    async def all_of_them():
        credentials = grpc.ssl_channel_credentials(authority.cert.encode())
        options = [("grpc.ssl_target_name_override", grpc_site.host), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{gateway.https_port}", credentials, options) as channel:
            kinds = Kinds(channel)
            until = time.monotonic() + seconds
            return await asyncio.gather(*(talk(kinds, number, until) for number in range(streams)))

    counts = asyncio.run(all_of_them())
    assert len(counts) == streams
    # A message every 100 ms each; a loaded machine gets a margin, a stalled stream does not.
    assert min(counts) > seconds * 10 * 0.2, counts


def test_clients_that_stop_reading_hold_up_nobody_else(new_gateway, authority, grpc_server):
    """Twenty clients on the same upstream connection ask for 4 MiB each and never read: the other calls go on as before."""
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, "stalled.test")
    site.serve(grpc_server.port, protocol="GRPC")
    question = Ask(size=4 * MIB).SerializeToString()
    fields = ("content-type", "application/grpc"), ("te", "trailers")

    def calls(channel, count=300):
        times = []
        for number in range(count):
            began = time.perf_counter()
            assert Greeter(channel).SayHello(HelloRequest(name=str(number)), timeout=5).message == f"Hello, {number}!"
            times.append(time.perf_counter() - began)
        return sorted(times)[count // 2]

    with site.channel() as channel:
        calls(channel, 50)
        before = calls(channel)
        stalled = [site.http2(credit=False) for _ in range(20)]
        try:
            for each in stalled:
                body = b"\0" + len(question).to_bytes(4, "big") + question
                each.open("POST", site.host, "/causeway.test.Kinds/Unary", *fields, body=body)
            wait_until(lambda: gateway.metric("causeway_downstream_exchanges_active") >= 20, 10, "the stalled calls")
            after = calls(channel)
        finally:
            for each in stalled:
                each.wire.close()
        # The median of 300 calls on a machine that others use, too: a stall is a hundred times that, noise is not.
        assert after < 2 * before + 0.002, (before, after)
        wait_until(lambda: gateway.metric("causeway_downstream_exchanges_active") == 0, 10, "no call left over")
    gateway.stop()
