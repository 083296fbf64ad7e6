"""How the endpoints of services stand, by the API: real workers, real back ends, and workers that do not answer."""

import datetime
import signal
import socket
import threading
import time

import pytest

from integration.api import route
from integration.ports import free_port
from integration.site import Site
from integration.test_health import Failing, Sick, ask, quick
from integration.test_streams import inspect
from integration.upstreams import serve, update
from integration.waiting import wait_until
from peers.dns import DNSServer
from peers.http1 import EchoServer

LOOPS = 1


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


def summary(site, kind="static"):
    """The service's health, the same in the list and alone."""
    name = f"{site.name}.{kind}"
    listed = next(each for each in site.gateway.api.get(f"/v1/services?q={name}") if each["name"] == name)
    return listed["health"]


def counts(site, kind="static"):
    return {name: value for name, value in summary(site, kind).items() if value}


def detail(site, kind="static"):
    return site.gateway.api.get(f"/v1/services/{site.name}.{kind}")


def standing(site, server):
    """Of that back end, as the one worker sees it."""
    found = next(each for each in detail(site)["endpointHealth"] if each["endpoint"] == f"127.0.0.1:{server.port}")
    assert len(found["workers"]) == 1 and found["workers"][0]["state"] == found["state"]
    return found["workers"][0]


def moment(text):
    return datetime.datetime.fromisoformat(text)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def test_endpoints_that_nobody_doubts_are_healthy(site):
    with EchoServer("a") as a, EchoServer("b") as b:
        serve(site, [a, b])
        assert counts(site) == {"endpoints": 2, "healthy": 2}
        shown = detail(site)
        assert [each["endpoint"] for each in shown["endpointHealth"]] == shown["endpoints"]
        assert [each["address"] for each in shown["endpointHealth"]] == shown["endpoints"]
        worker = site.gateway.workers()[0]
        one = standing(site, a)
        assert (one["worker"], one["process"], one["protocol"]) == (worker["id"], worker["pid"], "HTTP")
        quiet = {"reason": None, "since": None, "ejectedUntil": None, "slowStart": None, "panics": False}
        assert {name: one[name] for name in quiet} == quiet
        assert shown["usedBy"] == [f"route {site.name}"] and shown["health"] == summary(site)


def test_a_failing_check_is_told_with_what_it_found_until_it_passes(site):
    with Sick("good") as good, Sick("bad", 503) as bad:
        serve(site, [good, bad], healthCheck=quick("http", path="/health"), slowStart=60_000)
        wait_until(lambda: counts(site) == {"endpoints": 2, "healthy": 1, "unhealthy": 1})
        one = standing(site, bad)
        assert one["state"] == "unhealthy" and "check failed" in one["reason"] and "503" in one["reason"], one
        assert now() - datetime.timedelta(seconds=30) < moment(one["since"]) <= now()
        assert one["panics"] is False and standing(site, good)["state"] == "healthy"
        bad.status = 200
        wait_until(lambda: counts(site) == {"endpoints": 2, "healthy": 2})
        back = standing(site, bad)
        assert back["reason"] is None and moment(back["since"]) > moment(one["since"])
        assert 10 <= back["slowStart"] < 100, "its share grows"
        assert standing(site, good)["slowStart"] is None


def test_a_back_end_that_nobody_listens_at_is_told_by_the_error(site):
    port = free_port()
    site.gateway.api.create_static(site.name, port, healthCheck=quick("tcp"))
    site.gateway.api.create_route(site.name, [site.host], f"{site.name}.static")
    wait_until(lambda: counts(site) == {"endpoints": 1, "unhealthy": 1})
    [one] = detail(site)["endpointHealth"]
    assert "refused" in one["workers"][0]["reason"].lower()
    assert one["workers"][0]["panics"] is True, "none is left, so that it is used all the same"


def test_an_ejected_endpoint_is_told_with_its_time_and_comes_back(site):
    with Failing("bad", 503) as bad, EchoServer("good") as good:
        serve(site, [bad, good], ejection={"countResponses": True, "failures": 3, "baseTime": 1_500})
        assert ask(site, 40).count(503) == 3
        one = standing(site, bad)
        assert (one["state"], one["reason"]) == ("ejected", "3 failures in a row")
        assert moment(one["since"]) <= now() < moment(one["ejectedUntil"]) < now() + datetime.timedelta(seconds=2)
        assert counts(site) == {"endpoints": 2, "healthy": 1, "unhealthy": 1}
        bad.status = 200
        wait_until(lambda: counts(site) == {"endpoints": 2, "healthy": 2})
        assert standing(site, bad)["ejectedUntil"] is None


def test_an_endpoint_that_one_loop_has_ejected_is_told_as_such(new_gateway, authority):
    """Ejection is counted for each loop: one connection is one loop's."""
    gateway = new_gateway(loops=2).start()
    site = Site(gateway, authority, https="off")
    with Failing("bad", 503) as bad, EchoServer("good") as good:
        serve(site, [bad, good], ejection={"countResponses": True, "failures": 3, "baseTime": 60_000})
        assert ask(site, 40).count(503) == 3
        assert standing(site, bad)["reason"] == "3 failures in a row (on 1 of 2 loops)"
        wait_until(lambda: ask(site, 40) and standing(site, bad)["reason"] == "3 failures in a row")
    gateway.stop()


def test_a_drained_endpoint_is_told_as_such(site):
    with EchoServer("stays") as stays, EchoServer("goes") as goes:
        serve(site, [stays, goes])
        update(site, endpoints=[{"address": f"127.0.0.1:{goes.port}", "drain": True}])
        assert counts(site) == {"endpoints": 2, "healthy": 1, "drained": 1}
        assert standing(site, goes)["state"] == "drained" and "no new requests" in standing(site, goes)["reason"]
        update(site, endpoints=[])
        assert counts(site) == {"endpoints": 2, "healthy": 2}


def test_what_an_endpoint_has_to_do_is_counted(site):
    arrived, answer = threading.Event(), threading.Event()

    class Slow(EchoServer):
        def _echo(self, wire):
            wire.read_head()
            arrived.set()
            answer.wait(20)
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Slow("slow") as slow:
        serve(site, [slow])
        with site.http1(tls=False) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            assert arrived.wait(10)
            one = standing(site, slow)
            answer.set()
            assert wire.read_response().status == 200
        assert (one["activeRequests"], one["openConnections"]) == (1, 1)
        wait_until(lambda: standing(site, slow)["activeRequests"] == 0)


def test_each_protocol_has_a_view_of_its_own(site):
    with EchoServer("a") as a:
        serve(site, [a])
        site.gateway.api.create_route(f"{site.name}-2", [site.host], f"{site.name}.static", "/2", protocol="HTTP2")
        [one] = detail(site)["endpointHealth"]
        assert sorted(each["protocol"] for each in one["workers"]) == ["HTTP", "HTTP2"]
        assert counts(site) == {"endpoints": 1, "healthy": 1}


def test_through_a_proxy_server_the_way_is_told(site):
    api = site.gateway.api
    server = {"name": site.name.lower(), "type": "HTTP", "serverAddress": "127.0.0.1", "serverPort": 3128}
    api.post("/v1/proxy-servers", server)
    api.create_static(site.name, 9, proxyName=server["name"])
    api.create_route(site.name, [site.host], f"{site.name}.static")
    [one] = detail(site)["endpointHealth"]
    assert (one["endpoint"], one["address"]) == ("127.0.0.1:9", "127.0.0.1:9 via 127.0.0.1:3128")


def test_a_service_without_a_route_says_so(site):
    site.gateway.api.create_static(site.name, 9, 10)
    assert summary(site) == {
        **{"endpoints": 2, "healthy": 0, "unhealthy": 0, "drained": 0, "unknown": 2},
        "reason": "No route uses it: workers do not know it.",
    }
    assert detail(site)["endpointHealth"] == []
    answer = site.gateway.api.call("GET", f"/v1/services/{site.name}.dns")
    assert (answer.status_code, answer.content) == (404, b"")


def test_a_name_has_an_endpoint_for_each_address(new_gateway, authority):
    with DNSServer() as server:
        server.set("two.test", ("A", "127.0.0.2"), ("A", "127.0.0.3"))
        gateway = new_gateway(loops=2, worker_options=("--resolver", f"127.0.0.1:{server.port}")).start()
        site = Site(gateway, authority, https="off")
        source = {"name": site.name, "type": "dns", "domain": "two.test,nowhere.test", "port": 8080}
        gateway.api.post("/v1/service-sources", source)
        gateway.api.create_route(site.name, [site.host], f"{site.name}.dns")
        wait_until(lambda: counts(site, "dns") == {"endpoints": 3, "healthy": 2, "unhealthy": 1})
        found = {each["address"]: each for each in detail(site, "dns")["endpointHealth"]}
        assert set(found) == {"127.0.0.2:8080", "127.0.0.3:8080", None}
        assert {each["endpoint"] for each in found.values()} == {"two.test:8080", "nowhere.test:8080"}
        assert found[None]["state"] == "unresolved" and "no address" in found[None]["workers"][0]["reason"]
        gateway.stop()


def timed(api, path):
    begun = time.monotonic()
    answer = api.expect(200, "GET", path).json()
    return answer, time.monotonic() - begun


def test_workers_that_do_not_answer_hold_nobody_up(new_gateway, echo, tmp_path):
    """One hangs beside one that answers; then that one is stopped, too, and comes back; then it ends."""
    gateway = new_gateway()
    hung = tmp_path / "hung.sock"
    gateway.control.command += ["--inspect-socket", str(hung)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(hung))
        listener.listen(64)
        gateway.start()
        api = gateway.api
        api.create_static("s", echo.port)
        api.create_route("r", [], "s.static")

        def health():
            answer, took = timed(api, "/v1/services")
            assert took < 4, "the list is there in time"
            return answer["data"][0]["health"], answer.get("warnings", [])

        known, warnings = health()
        assert (known["healthy"], known["reason"]) == (1, None)
        assert len(warnings) == 1 and str(hung) in warnings[0], warnings
        for _ in range(8):
            threading.Thread(target=timed, args=(api, "/v1/services/s.static")).start()
        known, warnings = health()
        assert known["healthy"] == 1, "also beside others who ask"

        gateway.worker.signal(signal.SIGSTOP)
        known, warnings = health()
        assert known == {"endpoints": 1, "healthy": 0, "unhealthy": 0, "drained": 0, "unknown": 1, "reason": "No worker answers."}
        assert len(warnings) == 2
        alone, took = timed(api, "/v1/services/s.static")
        assert took < 4 and alone["data"]["endpointHealth"] == [] and len(alone["warnings"]) == 2
        gateway.worker.signal(signal.SIGCONT)
        wait_until(lambda: health()[0]["healthy"] == 1, 20, "it answers again")

        gateway.worker.stop()
        known, warnings = health()
        assert (known["unknown"], known["reason"]) == (1, "No worker answers.")
        gateway.start_worker()
        wait_until(lambda: health()[0]["healthy"] == 1, 20, "a new one answers")
    gateway.stop()


def test_nonsense_of_a_worker_is_left_out(new_gateway, tmp_path):
    path = tmp_path / "odd.sock"
    lines = [
        b'{"cluster":"s.static/HTTP","endpoint":"e","address":null,"state":"odd","reason":null,"since_ms":9223372036854775807,'
        b'"ejected_ms":-9223372036854775808,"share":9223372036854775807,"panics":false,"active":-1,"connections":0}',
        b'{"cluster":7}',
        b"\xff\xfe{",
        b'{"cluster":"","endpoint":"e","address":null,"state":"healthy","panics":false,"active":0,"connections":0}',
        b"[" * 2000,
    ]
    gateway = new_gateway()
    gateway.control.command[gateway.control.command.index(str(gateway.inspect))] = str(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)

        def answer():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65_536)
                    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"\n".join(lines))

        threading.Thread(target=answer, daemon=True).start()
        gateway.start()
        gateway.api.create_static("s", 9)
        gateway.api.create_route("r", [], "s.static")
        shown = gateway.api.get("/v1/services/s.static")
        assert shown["health"]["unknown"] == 1
        assert [each["state"] for each in shown["endpointHealth"]] == ["odd"]
        gateway.stop()


def test_pages_of_many_services(new_gateway):
    gateway = new_gateway().start()
    api = gateway.api
    sources = [{"name": f"service-{n}", "type": "static", "domain": "127.0.0.1:9", "port": 80} for n in range(501)]
    routes = [route(f"r{n}", [], f"service-{n}.static", f"/{n}") for n in range(501)]
    api.expect(200, "POST", "/v1/apply?wait=live&timeout=20s", {"serviceSources": sources, "routes": routes})
    healthy = [each["health"]["healthy"] for each in api.get("/v1/services?pageSize=500")]
    assert healthy == [1] * 500, "the names do not fit into one question"
    whole = api.get("/v1/services")
    assert {each["health"]["unknown"] for each in whole} == {1}
    assert "500" in whole[0]["health"]["reason"]
    gateway.stop()


def test_the_worker_tells_it_by_itself(site):
    with EchoServer("a") as a:
        serve(site, [a])
        answer = inspect(site.gateway, "GET", f"/endpoints?cluster={site.name}.static%2FHTTP,nothing")
        assert answer.status == 200 and answer.body.count(b"\n") == 1 and b'"state":"healthy"' in answer.body
        assert answer.get("causeway-whole") == "true"
        assert inspect(site.gateway, "GET", "/endpoints").status == 400
        assert inspect(site.gateway, "GET", "/endpoints?cluster=,").status == 400
        assert inspect(site.gateway, "POST", "/endpoints?cluster=x").status == 405
        assert inspect(site.gateway, "GET", "/endpoints?cluster=x", ("Origin", "http://evil.test")).status == 403
