"""Retries: what a route asks for beyond what is always safe, and the budget that bounds them."""

import contextlib
import json
import os
import threading

import h2.errors
import pytest

from integration.ports import free_port
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire


# Budgets are counted for each loop.
LOOPS = 1


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


def hang_up(wire):
    wire.read_request()


def answer(status, text=b"from the back end"):
    def handler(wire):
        while True:
            wire.read_request()
            wire.send(b"HTTP/1.1 %d Any\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))

    return handler


def silent(wire):
    wire.read_to_end()


def broken(wire):
    wire.read_request()
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")


CASES = {
    "error": (hang_up, 502),
    "timeout": (silent, 504),
    "invalid_header": (broken, 502),
    "http_500": (answer(500), 500),
    "http_503": (answer(503), 503),
    "http_404": (answer(404), 404),
}


@pytest.mark.parametrize("condition", CASES)
def test_each_condition(site, gateway, condition):
    """With it the other back end answers; without it the client sees what happened."""
    handler, status = CASES[condition]
    more = {"timeout": 1} if condition == "timeout" else {}
    times = {"timeouts": {"responseHeaders": 500}} if condition == "timeout" else {}
    with RawServer(handler) as bad, EchoServer("good") as good:
        site.serve(bad.port, good.port, path="/with", proxyNextUpstream={"conditions": [condition], **more}, **times)
        others = [name for name in CASES if name != condition]
        site.serve(bad.port, good.port, path="/without", proxyNextUpstream={"conditions": others, **more}, **times)
        # More retries than the budget has at once: each is given back.
        rounds = 4 if condition == "timeout" else 12
        assert [site.get("/with").status for _ in range(rounds)] == [200] * rounds
        assert sorted(site.get("/without").status for _ in range(2)) == sorted([200, status])
    assert gateway.wait_log(authority=site.host, path="/with", tries=2)["status"] == 200


def test_nothing_of_it_without_a_policy(site):
    with RawServer(hang_up) as bad, EchoServer("good") as good:
        site.serve(bad.port, good.port)
        site.serve(bad.port, good.port, path="/off", proxyNextUpstream={"enabled": False, "conditions": ["error"]})
        assert sorted(site.get("/").status for _ in range(2)) == [200, 502]
        assert sorted(site.get("/off").status for _ in range(2)) == [200, 502]


def test_a_post_is_repeated_only_where_the_route_says_so(site):
    body = b"x" * 20_000
    with RawServer(answer(503)) as bad, EchoServer("good") as good:
        site.serve(bad.port, good.port, path="/no", proxyNextUpstream={"conditions": ["http_503"]})
        site.serve(bad.port, good.port, path="/yes", proxyNextUpstream={"conditions": ["http_503", "non_idempotent"]})
        statuses = [site.get("/no", method="POST", body=body).status for _ in range(2)]
        assert sorted(statuses) == [200, 503]
        for _ in range(4):
            whole = site.get("/yes", method="POST", body=body)
            assert whole.status == 200 and json.loads(whole.body)["body_length"] == len(body)


def test_the_last_answer_is_the_back_ends_own(site, gateway):
    with RawServer(answer(503)) as one, RawServer(answer(503)) as two:
        site.serve(one.port, two.port, proxyNextUpstream={"conditions": ["http_503"], "attempts": 2})
        last = site.get("/last")
    assert last.status == 503 and last.body == b"from the back end"
    assert gateway.wait_log(authority=site.host, path="/last")["tries"] == 3


def test_no_attempts_means_none(site, gateway):
    with EchoServer("good") as good:
        site.serve(free_port(), good.port, proxyNextUpstream={"attempts": 0})
        assert sorted(site.get("/").status for _ in range(2)) == [200, 503]


def test_http2_answers_and_resets_are_repeated(site):
    def refuse(connection, id, headers):
        connection.respond(id, 503, end=True)

    def reset(connection, id, headers):
        connection.reset(id, 2)

    policy = {"conditions": ["error", "http_503", "non_idempotent"]}
    for path, script in (("/status", refuse), ("/reset", reset)):
        with http2.Server(script) as bad, http2.Server(name="good") as good:
            site.serve(bad.port, good.port, path=path, protocol="GRPC", proxyNextUpstream=policy)
            with site.http2(tls=False) as client:
                for _ in range(4):
                    assert client.grpc(site.host, path, b"message").grpc_status == 0
            assert len(good.requests) == 4 and bad.requests


def test_nothing_is_repeated_once_the_response_has_begun(site):
    def half(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")

    with RawServer(half) as bad:
        site.serve(bad.port, free_port(), proxyNextUpstream={"conditions": ["error"]})
        with site.http1(tls=False) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            assert b"begun" in wire.read_to_end()
        assert bad.connections == 1


@pytest.mark.parametrize("count, retried", [(5, 3), (40, 8)])
def test_the_budget(site, gateway, count, retried):
    """All fail at once: a fifth of them is tried again, three at least; the others get what the back end said."""
    lock, seen, fail, succeed = threading.Lock(), [], threading.Event(), threading.Event()

    def handler(wire):
        while True:
            wire.read_request()
            with lock:
                seen.append(1)
                number = len(seen)
            first = number <= count
            (fail if first else succeed).wait(30)
            wire.send(f"HTTP/1.1 {503 if first else 200} Any\r\nContent-Length: 0\r\n\r\n")

    with RawServer(handler) as server, contextlib.ExitStack() as stack:
        site.serve(server.port, proxyNextUpstream={"conditions": ["http_503"]})
        refused = gateway.metric("causeway_upstream_retries_refused_total")
        wires = [stack.enter_context(Wire.connect(gateway.http_port, timeout=30)) for _ in range(count)]
        for wire in wires:
            wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wait_until(lambda: len(seen) == count)
        fail.set()
        wait_until(lambda: gateway.metric("causeway_upstream_retries_refused_total") == refused + count - retried)
        wait_until(lambda: len(seen) == count + retried)
        succeed.set()
        statuses = [wire.read_response().status for wire in wires]
    assert statuses.count(200) == retried and statuses.count(503) == count - retried
    assert gateway.wait_log(authority=site.host, retry_refused="budget")["status"] == 503


@pytest.mark.parametrize(("size", "status", "refused"), [(65_536, 200, None), (65_537, 502, "not kept")])
def test_more_of_a_request_than_is_kept_cannot_be_tried_again(site, size, status, refused):
    loses_the_first(site, size, status, refused)


@pytest.mark.parametrize(
    ("kept", "size", "status", "refused"),
    [("3m", 3 << 20, 200, None), ("3m", (3 << 20) + 1, 502, "not kept"), ("0", 1, 502, "not kept"), ("0", 0, 200, None)],
)
def test_how_much_is_kept_is_a_setting(new_gateway, authority, kept, size, status, refused):
    gateway = new_gateway(settings=[f"replay-size={kept}"]).start()
    loses_the_first(Site(gateway, authority, https="off"), size, status, refused)


def test_more_than_a_window_is_sent_again_over_http2(new_gateway, authority):
    gateway = new_gateway(settings=["replay-size=3m"]).start()
    site = Site(gateway, authority, https="off")
    refused, taken = [], []

    def refuse_the_first(connection, id, headers):
        if not refused:
            refused.append(connection.body[id])
            return connection.reset(id, h2.errors.ErrorCodes.REFUSED_STREAM)
        taken.append(connection.body[id])
        http2.answer(connection, id, headers)

    with http2.Server(refuse_the_first) as server:
        site.serve(server.port, protocol="HTTP2")
        body = os.urandom(3 << 20)
        assert site.get("/", method="PUT", body=body).status == 200
    assert refused == taken == [body]
    gateway.stop()


def loses_the_first(site, size, status, refused):
    """A PUT whose first back end takes all of it and hangs up, where there are two."""

    def hang_up_after_all(wire):
        if wire.read_request().method == "PUT":
            return
        answer(200)(wire)

    with RawServer(hang_up_after_all) as first, RawServer(answer(200)) as second:
        # A port that nobody listens at would be tried again before anything is sent.
        site.serve(first.port, second.port, proxyNextUpstream={"enabled": True, "attempts": 3, "conditions": ["error"]})
        for turn in range(2):
            got = site.get(f"/{turn}", method="PUT", body=bytes(size)).status
            record = site.gateway.wait_log(authority=site.host, path=f"/{turn}")
            if record["endpoint"].endswith(f":{first.port}") or record["tries"] == 2:
                assert (got, record["retry_refused"]) == (status, refused)
                assert record["tries"] == (1 if refused else 2)
                break
        else:
            pytest.fail("no request went to the first back end")


def test_the_time_to_send_begins_anew_with_another_try(site):
    """One byte waits for a window, first at a service that refuses the stream late, then at one that answers before its own time is over,
    but after that which began with the first."""

    def refuse(connection, id, headers):
        threading.Event().wait(1.5)
        connection.reset(id, h2.errors.ErrorCodes.REFUSED_STREAM)

    def accept(connection, id, headers):
        threading.Event().wait(0.8)
        connection.respond(id, 200, end=True)

    with http2.Server(refuse, wait_for_end=False) as first, http2.Server(accept, wait_for_end=False) as second:
        site.gateway.api.create_static(site.name, first.port, second.port, protocol="http2")
        annotations = {"nginx.ingress.kubernetes.io/proxy-send-timeout": "1"}
        site.route(site.name, f"{site.name}.static", customConfigs=annotations)
        # As much as is kept for another try: the window of a stream is one less.
        assert [site.get("/", method="POST", body=bytes(65_536)).status for _ in range(2)] == [200, 200]
        assert first.requests
