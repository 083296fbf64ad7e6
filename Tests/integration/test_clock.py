"""The wall clock is set, an hour back and a year forward, while everything runs: what lasts, lasts as long as it should, and only what
is told in dates moves. `peers/wallclock.c`, preloaded, is the clock."""

import datetime
import json
import mmap
import socket
import struct
import subprocess
import time

import pytest
import requests

from integration.api import route
from integration.gateway import ROOT
from integration.live import Callers, Streams
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.dns import DNSServer
from peers.http1 import EchoServer
from peers.wire import tls_context

HOUR, YEAR = 3_600, 365 * 24 * 3_600


class WallClock:
    """What both processes take for the wall clock: `set` moves it, in seconds from the true one."""

    def __init__(self, folder):
        library, file = folder / "wallclock.so", folder / "wallclock"
        source = ROOT / "Tests/peers/wallclock.c"
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
        file.write_bytes(bytes(mmap.PAGESIZE))
        with open(file, "r+b") as opened:
            self.memory = mmap.mmap(opened.fileno(), mmap.PAGESIZE)
        self.offset = 0
        self.environment = {"LD_PRELOAD": str(library), "CAUSEWAY_WALLCLOCK": str(file)}

    def set(self, seconds):
        self.offset = seconds
        struct.pack_into("<q", self.memory, 0, seconds)

    def is_now(self, text):
        """Whether this date is of this clock's last minute."""
        stamp = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        return -60 < stamp - (time.time() + self.offset) < 5


@pytest.fixture
def wall(tmp_path):
    return WallClock(tmp_path)


@pytest.fixture
def dns():
    with DNSServer() as server:
        yield server


@pytest.fixture
def gateway(new_gateway, wall, dns):
    made = new_gateway(worker_options=("--resolver", f"127.0.0.1:{dns.port}"))
    made.start_control(**wall.environment)
    made.api.initialize()
    made.start_worker(**wall.environment)
    return made


def latest(log):
    """When the newest line of a log was written."""
    return json.loads(log.strip().splitlines()[-1])["ts"]


@pytest.mark.parametrize("jumps", [(-HOUR, 0), (YEAR, 0), (-HOUR, YEAR)], ids=["back", "forward", "back and forward"])
def test_the_clock_is_set_while_everything_runs(gateway, wall, dns, authority, ws_server, grpc_server, jumps):
    api = gateway.api
    dns.set("moving.test", ("A", "127.0.0.1"), ttl=1)
    elsewhere = socket.create_server(("127.0.0.2", 0))
    with (
        EchoServer("one") as one,
        EchoServer("two", listener=elsewhere) as two,
        http2.Server(lambda connection, id, headers: None) as silent,
    ):
        site = Site(gateway, authority, "clock.test")
        site.serve(ws_server.port, path="/ws")
        site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
        site.serve(silent.port, protocol="GRPC", path="/silent")
        site.serve(one.port, path="/caller")
        check = {"type": "tcp", "interval": 200, "timeout": 1_000}
        api.post("/v1/service-sources", {"name": "checked", "type": "static", "domain": f"127.0.0.1:{one.port}", "port": 80, "healthCheck": check})
        api.post("/v1/routes", route("checked", [site.host], "checked.static", "/checked"))
        api.post("/v1/service-sources", {"name": "moving", "type": "dns", "domain": "moving.test", "port": two.port})
        api.post("/v1/routes", route("moving", [site.host], "moving.dns", "/moving"))
        resumption = TicketClient(gateway, site)
        resumption.visit()
        address = "127.0.0.1"
        with Streams(site) as streams, Callers(site) as callers:
            streams.speak("before")
            for jump in jumps:
                before = api.get("/v1/versions?pageSize=1")[0]
                locked_out(api)
                checks = gateway.metric("causeway_upstream_health_checks_total", result="passed")
                wall.set(jump)
                moved_at = time.monotonic()

                # What runs, runs on, and new things go as fast as ever.
                streams.speak(f"at {jump}")
                resumption.visit()
                deadline_holds(site)
                wait_until(lambda: gateway.metric("causeway_upstream_health_checks_total", result="passed") > checks + 5, 10)
                address = "127.0.0.2" if address == "127.0.0.1" else "127.0.0.1"
                dns.set("moving.test", ("A", address), ttl=1)
                expected = 200 if address == "127.0.0.2" else 503
                wait_until(lambda: site.get("/moving").status == expected, 10, "the name is looked up again")

                # The delay after wrong passwords is 2 s at most, whatever the clock says.
                wait_until(lambda: login(api, api.password) == 201, 5, "the account is free again")
                assert time.monotonic() - moved_at < 30

                # Versions go by their numbers; dates are as the clock says.
                saved = api.expect(201, "POST", "/v1/domains?wait=live", {"name": f"at{jump}.test"})
                assert saved.headers["Causeway-Live"] == "true"
                versions = api.get("/v1/versions")
                numbers = [int(each["version"]) for each in versions]
                assert numbers == sorted(numbers, reverse=True)
                assert numbers[0] == int(before["version"]) + 1 == int(saved.headers["Causeway-Version"])
                assert wall.is_now(versions[0]["createdAt"]), versions[0]
                assert wall.is_now(api.get("/v1/audit")[0]["at"])
                site.get(f"/caller?at{jump}")
                assert wall.is_now(gateway.wait_log(path=f"/caller?at{jump}")["ts"])
                assert wall.is_now(latest(gateway.worker.log_text())), gateway.worker.log_text()[-300:]
                wait_until(lambda: charts_go_on(api, wall), 20, "the charts go on")
                callers.goes_on()
            streams.speak("after")
        assert callers.failures == []


def charts_go_on(api, wall):
    """The newest point is of now, and none before it is later or longer than it was."""
    points = api.get("/v1/stats")["recent"]
    stamps = [point["at"] for point in points]
    assert stamps == sorted(stamps)
    assert all(0 < point["seconds"] < 60 for point in points), points
    return bool(points) and wall.is_now(stamps[-1]) and len({stamp[:7] for stamp in stamps}) == 1


def login(api, password):
    body = {"username": api.user, "password": password}
    return requests.post(f"{api.base}/session/login", json=body, timeout=10).status_code


def locked_out(api):
    """Wrong passwords until the account has to wait."""
    wait_until(lambda: login(api, "wrong") == 429, 20, "the account has to wait")


def deadline_holds(site):
    with site.http2() as client:
        begun = time.monotonic()
        assert client.grpc(site.host, "/silent", b"", ("grpc-timeout", "500m")).grpc_status == 4
        assert 0.4 < time.monotonic() - begun < 3


class TicketClient:
    """Comes back with the ticket of its last visit, if it has one."""

    def __init__(self, gateway, site):
        self.gateway, self.site, self.session = gateway, site, None
        self.context = tls_context()

    def visit(self):
        with socket.create_connection(("127.0.0.1", self.gateway.https_port), 10) as raw:
            with self.context.wrap_socket(raw, server_hostname=self.site.host, session=self.session) as tls:
                tls.sendall(f"GET /caller HTTP/1.1\r\nHost: {self.site.host}\r\n\r\n".encode())
                assert tls.recv(65536).startswith(b"HTTP/1.1 200")
                self.session = tls.session


def test_dates_decide_what_expires(gateway, wall, authority, echo):
    """Sessions, tokens and certificates expire by the wall clock: that is what their dates mean. Traffic goes on with an expired certificate."""
    api = gateway.api
    site = Site(gateway, authority, "dates.test")
    site.serve(echo.port)
    session = requests.Session()
    assert session.post(f"{api.base}/session/login", json={"username": api.user, "password": api.password}, timeout=10).status_code == 201
    asks = lambda: session.get(f"{api.base}/user/info", timeout=10).status_code  # noqa: E731
    assert asks() == 200
    wall.set(-HOUR)
    assert asks() == 200
    assert api.get("/v1/tls-certificates?expiringWithin=1d") == []
    wall.set(30 * YEAR)
    assert asks() == 401
    assert login(api, api.password) == 201
    assert [each["name"] for each in api.get("/v1/tls-certificates?expiringWithin=1d")] == [site.name]
    assert site.get("/", tls=True).status == 200
    wall.set(0)
    assert api.get("/v1/tls-certificates?expiringWithin=1d") == []
    gateway.worker.stop()
    gateway.start_worker(**wall.environment)
    assert site.get("/", tls=True).status == 200
