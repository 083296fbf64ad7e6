"""Which endpoints are fit: active checks of each kind, ejection by traffic, slow start, the panic threshold."""

import concurrent.futures
import contextlib
import time

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from integration.ports import free_port
from integration.site import Site
from integration.upstreams import back_ends, checks, healthy, names, near, serve, shares, update
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer


# Ejection and turns are counted for each loop.
LOOPS = 1


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


def quick(kind, **more):
    return {"type": kind, "interval": 100, "timeout": 1000, "unhealthyThreshold": 2, "healthyThreshold": 2, **more}


class Sick(EchoServer):
    """An echo server whose /health is as `status` says; it notes what it was asked there."""

    def __init__(self, name, status=200, **more):
        self.status = status
        self.asked = []
        super().__init__(name, **more)

    def _echo(self, wire):
        while True:
            request = wire.read_head()
            if request.target.startswith("/health"):
                self.asked.append(request)
                wire.send(f"HTTP/1.1 {self.status} Any\r\nContent-Length: 0\r\n\r\n")
                continue
            self.seen.append(request)
            body = f'{{"backend": "{self.name}"}}'
            wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}")


# ---- each kind


def test_http_checks(site):
    with Sick("good") as good, Sick("bad", 503) as bad:
        serve(site, [good, bad], healthCheck=quick("http", path="/health?x=1", host="check.test"))
        wait_until(lambda: healthy(site, bad) == 0)
        assert shares(names(site, 40)) == {"good": 1.0}
        assert bad.asked[0].target == "/health?x=1" and bad.asked[0].get("host") == "check.test"
        bad.status = 204
        wait_until(lambda: healthy(site, bad) == 1)
        near(names(site, 40), {"good": 0.5, "bad": 0.5}, 0.1)
        bad.status = 500
        wait_until(lambda: healthy(site, bad) == 0)
        wait_until(lambda: shares(names(site, 20)) == {"good": 1.0})
    assert "an endpoint is unhealthy" in site.gateway.worker.log_text()


def test_http_checks_take_the_statuses_that_are_set(site):
    with Sick("good", 404) as good, Sick("bad", 200) as bad:
        serve(site, [good, bad], healthCheck=quick("http", path="/health", statuses=["300-399", "404"]))
        wait_until(lambda: healthy(site, bad) == 0)
        assert healthy(site, good) == 1


def test_tcp_checks(site):
    port = free_port()
    with EchoServer("good") as good, contextlib.ExitStack() as later:
        late = type("Late", (), {"port": port})
        serve(site, [good, late], healthCheck=quick("tcp"))
        wait_until(lambda: healthy(site, late) == 0)
        import socket

        later.enter_context(EchoServer("late", listener=socket.create_server(("127.0.0.1", port))))
        wait_until(lambda: healthy(site, late) == 1)
        near(names(site, 40), {"good": 0.5, "late": 0.5}, 0.1)


@contextlib.contextmanager
def grpc_back_end(credentials=None):
    """A grpcio server with the health service of grpcio-health-checking; gives (port, servicer)."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield type("BackEnd", (), {"port": port}), servicer
    finally:
        server.stop(0)


SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("secure", [False, True], ids=["h2c", "tls"])
@pytest.mark.parametrize("service", ["", "some.Service"])
def test_grpc_checks(site, authority, secure, service):
    credentials = None
    if secure:
        identity = authority.issue("back.test")
        credentials = grpc.ssl_server_credentials([(identity.key.encode(), identity.chain.encode())])
    protocol = "GRPCS" if secure else "GRPC"
    with grpc_back_end(credentials) as (one, first), grpc_back_end(credentials) as (two, second):
        for each, servicer in ((one, first), (two, second)):
            servicer.set("", SERVING if not service else NOT_SERVING)
            if service:
                servicer.set(service, SERVING)
        second.set(service, NOT_SERVING)
        serve(
            site,
            [one, two],
            protocol=protocol.lower(),
            **({"tlsCa": authority.cert, "sni": "back.test"} if secure else {}),
            healthCheck=quick("grpc", service=service or None),
        )
        wait_until(lambda: healthy(site, two, protocol) == 0)
        assert healthy(site, one, protocol) == 1
        second.set(service, SERVING)
        wait_until(lambda: healthy(site, two, protocol) == 1)


def test_checks_over_tls_trust_whom_traffic_trusts(site, authority):
    """Nobody vouches for the certificate: what clients could not reach is not healthy either."""
    identity = authority.issue("back.test")
    credentials = grpc.ssl_server_credentials([(identity.key.encode(), identity.chain.encode())])
    with grpc_back_end(credentials) as (one, servicer):
        servicer.set("", SERVING)
        serve(site, [one], protocol="grpcs", sni="back.test", healthCheck=quick("grpc"))
        wait_until(lambda: healthy(site, one, "GRPCS") == 0)
        update(site, tlsCa=authority.cert)
        wait_until(lambda: healthy(site, one, "GRPCS") == 1)


def test_a_grpc_server_without_the_health_service_is_unhealthy(site):
    with http2.Server() as plain:
        serve(site, [plain], protocol="grpc", healthCheck=quick("grpc"))
        wait_until(lambda: healthy(site, plain, "GRPC") == 0)


def test_http_checks_speak_http2_where_the_service_does(site):
    answers = {"status": 503}

    def script(connection, id, headers):
        connection.respond(id, answers["status"], end=True)

    with http2.Server(script) as server:
        serve(site, [server], protocol="http2", healthCheck=quick("http", path="/ok"))
        wait_until(lambda: healthy(site, server, "HTTP2") == 0)
        answers["status"] = 200
        wait_until(lambda: healthy(site, server, "HTTP2") == 1)


def test_a_check_without_an_answer_fails_at_its_timeout(site):
    with RawServer(lambda wire: wire.read_to_end()) as silent:
        serve(site, [silent], healthCheck=quick("http", timeout=100))
        wait_until(lambda: healthy(site, silent) == 0)
    assert "no answer within 100 ms" in site.gateway.worker.log_text()


# ---- thresholds and memory


def test_thresholds_count_results_in_a_row(site):
    with Sick("one") as one:
        serve(site, [one], healthCheck=quick("http", path="/health", unhealthyThreshold=4, healthyThreshold=3))
        wait_until(lambda: checks(site, one, "passed") >= 1)
        one.status = 500
        wait_until(lambda: healthy(site, one) == 0)
        failed = checks(site, one, "failed")
        assert failed >= 4
        passed = checks(site, one, "passed")
        one.status = 200
        wait_until(lambda: healthy(site, one) == 1)
        assert checks(site, one, "passed") - passed >= 3


def test_publishes_leave_what_is_known(site):
    """Neither a foreign change nor one of the source itself sends traffic to an endpoint that is known to be unfit."""
    with Sick("good") as good, Sick("bad", 500) as bad:
        serve(site, [good, bad], healthCheck=quick("http", path="/health"))
        wait_until(lambda: healthy(site, bad) == 0)
        failed = checks(site, bad, "failed")
        site.gateway.api.create_domain(f"other-{site.host}")
        assert checks(site, bad, "failed") >= failed
        assert shares(names(site, 20)) == {"good": 1.0}
        update(site, loadBalancing={"policy": "random"})
        assert shares(names(site, 20)) == {"good": 1.0}
        update(site, healthCheck=None)
        wait_until(lambda: shares(names(site, 20)).keys() == {"good", "bad"})
        assert healthy(site, bad) is None


def test_one_check_serves_all_loops(new_gateway, authority):
    gateway = new_gateway(loops=3).start()
    site = Site(gateway, authority, https="off")
    with Sick("one") as one:
        serve(site, [one], healthCheck=quick("http", path="/health", interval=60_000))
        wait_until(lambda: checks(site, one, "passed") == 1)
        assert len(one.asked) == 1


# ---- panic


def test_with_too_few_left_all_are_used(site):
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(Sick("good"))
        bad = [stack.enter_context(Sick(f"bad{n}", 500)) for n in range(2)]
        serve(site, [good, *bad], healthCheck=quick("http", path="/health"))
        wait_until(lambda: all(healthy(site, each) == 0 for each in bad))
        wait_until(lambda: site.gateway.metric("causeway_upstream_panics_total") >= 1)
        near(names(site, 90), {"good": 1 / 3, "bad0": 1 / 3, "bad1": 1 / 3}, 0.02)
        update(site, panicThreshold=30)
        assert shares(names(site, 30)) == {"good": 1.0}


def test_without_a_threshold_nobody_is_asked(site):
    with Sick("bad", 500) as bad:
        serve(site, [bad], healthCheck=quick("http", path="/health"), panicThreshold=0)
        wait_until(lambda: healthy(site, bad) == 0)
        wait_until(lambda: site.get("/").status == 503)
    assert site.gateway.wait_log(authority=site.host, status=503)["flag"] == "UH"


# ---- slow start


def test_an_endpoint_that_comes_back_starts_slowly(site):
    with Sick("steady") as steady, Sick("back", 500) as back:
        serve(site, [steady, back], healthCheck=quick("http", path="/health"), slowStart=4_000)
        wait_until(lambda: healthy(site, back) == 0)
        begun = time.monotonic()
        back.status = 200
        wait_until(lambda: healthy(site, back) == 1)
        early = shares(names(site, 200)).get("back", 0)
        # A tenth of the weight at first, 1 of 11 requests; after so long at most this part of it.
        weight = min(1, max(0.1, (time.monotonic() - begun) / 4))
        assert 0.02 < early < weight / (1 + weight) + 0.1, (early, weight)
        wait_until(lambda: shares(names(site, 100)).get("back", 0) >= 0.48, 20)
        assert time.monotonic() - begun >= 3


def test_an_endpoint_that_is_new_starts_slowly(site):
    """Where the source itself changes all are new to each other; so names that resolve anew are what this is about: see
    test_dns.py. Here: a new source gives full shares at once."""
    with back_ends(2) as servers:
        serve(site, servers, slowStart=60_000)
        near(names(site, 40), {"b0": 0.5, "b1": 0.5}, 0.01)


# ---- ejection


class Failing(EchoServer):
    """Answers `status` instead of an echo."""

    def __init__(self, name, status):
        self.status = status
        super().__init__(name)

    def _echo(self, wire):
        while True:
            self.seen.append(wire.read_head())
            body = f'{{"backend": "{self.name}"}}'
            wire.send(f"HTTP/1.1 {self.status} Any\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def ask(site, count):
    with site.http1(tls=False) as wire:
        return [wire.request("GET", "/", site.host).status for _ in range(count)]


def test_answers_eject_where_they_count(site):
    with Failing("bad", 503) as bad, EchoServer("good") as good:
        serve(site, [bad, good], ejection={"countResponses": True, "failures": 3, "baseTime": 1_500})
        before = site.gateway.metric("causeway_upstream_ejections_total")
        assert ask(site, 40).count(503) == 3
        assert site.gateway.metric("causeway_upstream_ejections_total") == before + 1
        bad.status = 200
        # It comes back by time alone.
        seen = len(bad.seen)
        wait_until(lambda: ask(site, 4) and len(bad.seen) > seen)
        bad.status = 503
        ask(site, 20)
        assert site.gateway.metric("causeway_upstream_ejections_total") == before + 2
        # The second time is longer.
        begun, seen = time.monotonic(), len(bad.seen)
        wait_until(lambda: ask(site, 2) and len(bad.seen) > seen)
        assert time.monotonic() - begun > 2


def test_answers_do_not_eject_where_they_do_not_count(site):
    with Failing("bad", 500) as bad, EchoServer("good") as good:
        serve(site, [bad, good])
        assert ask(site, 40).count(500) == 20


def test_good_answers_begin_the_count_anew(site):
    with Failing("flaky", 503) as flaky, EchoServer("good") as good:
        serve(site, [flaky, good], ejection={"countResponses": True, "failures": 3})
        before = site.gateway.metric("causeway_upstream_ejections_total")
        for _ in range(5):
            flaky.status = 503
            assert ask(site, 4).count(503) == 2
            flaky.status = 200
            ask(site, 2)
        assert site.gateway.metric("causeway_upstream_ejections_total") == before


def test_no_more_are_ejected_than_a_share(site):
    with contextlib.ExitStack() as stack:
        bad = [stack.enter_context(Failing(f"bad{n}", 500)) for n in range(4)]
        serve(
            site,
            bad,
            ejection={"countResponses": True, "failures": 1, "baseTime": 60_000, "maxPercent": 50},
            panicThreshold=0,
        )
        before = site.gateway.metric("causeway_upstream_ejections_total")
        assert ask(site, 40) == [500] * 40
        assert site.gateway.metric("causeway_upstream_ejections_total") == before + 2
        for each in bad:
            each.seen.clear()
        ask(site, 10)
        assert sorted(len(each.seen) for each in bad) == [0, 0, 5, 5]


@pytest.mark.parametrize("status, ejects", [(14, True), (13, True), (15, True), (2, False), (5, False), (0, False)])
def test_statuses_of_grpc_that_eject(site, status, ejects):
    def script(connection, id, headers):
        connection.server.calls = getattr(connection.server, "calls", 0) + 1
        connection.respond(
            id, 200, ("content-type", "application/grpc"), ("grpc-status", str(connection.server.code)), end=True
        )

    with http2.Server(script) as bad, http2.Server(script) as good:
        bad.code, good.code = status, 0
        serve(site, [bad, good], protocol="grpc", ejection={"countResponses": True, "failures": 3})
        with site.http2(tls=False) as client:
            for _ in range(40):
                client.grpc(site.host, "/a.B/C")
        assert bad.calls == (3 if ejects else 20)


def test_connections_that_fail_eject_by_default(site):
    dead = type("Dead", (), {"port": free_port()})
    with EchoServer("good") as good:
        serve(site, [dead, good])
        before = site.gateway.metric("causeway_upstream_connect_failures_total")
        assert shares(names(site, 60)) == {"good": 1.0}
        assert site.gateway.metric("causeway_upstream_connect_failures_total") - before == 5


# ---- what is refused


@pytest.mark.parametrize(
    "source, field",
    [
        ({"healthCheck": {"type": "icmp"}}, "healthCheck.type"),
        ({"healthCheck": {"type": "tcp", "path": "/"}}, "healthCheck.path"),
        ({"healthCheck": {"type": "http", "path": "health"}}, "healthCheck.path"),
        ({"healthCheck": {"type": "http", "statuses": ["2xx"]}}, "healthCheck.statuses[0]"),
        ({"healthCheck": {"type": "http", "interval": 5}}, "healthCheck.interval"),
        ({"healthCheck": {"type": "http", "host": "a b"}}, "healthCheck.host"),
        ({"healthCheck": {"type": "tcp", "service": "a.B"}}, "healthCheck.service"),
        ({"ejection": {"failures": 0}}, "ejection.failures"),
        ({"ejection": {"maxPercent": 101}}, "ejection.maxPercent"),
        ({"slowStart": -1}, "slowStart"),
        ({"panicThreshold": 101}, "panicThreshold"),
        ({"connections": {"connectTimeout": 0}}, "connections.connectTimeout"),
        ({"connections": {"idleTimeout": -1}}, "connections.idleTimeout"),
        ({"connections": {"maxPerEndpoint": 10_000_001}}, "connections.maxPerEndpoint"),
    ],
)
def test_bad_settings_are_refused_by_field(gateway, source, field):
    body = {"name": "bad", "type": "static", "domain": "10.0.0.1:1", **source}
    answer = gateway.api.call("POST", "/v1/service-sources", body)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]
