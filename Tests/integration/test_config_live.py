"""Changes while traffic runs: they take effect at once, fail no call and cut no stream that they do not concern."""

import json
import pathlib
import queue
import subprocess
import threading

import pytest

from integration.api import route
from integration.gateway import ROOT
from integration.ports import free_port
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer
from peers.protos import Ask, Kinds

LOAD = pathlib.Path(ROOT / "Tests/load")


@pytest.fixture(scope="session")
def load_tools():
    subprocess.run(["make", "-s", "-C", LOAD, "bin/grpc-load", "bin/grpc-backend"], check=True)
    return LOAD / "bin"


class Load:
    """grpc-load in the background, on one route, until `finish`."""

    def __init__(self, tools, site, seconds, rate=400, streams=10):
        self.process = subprocess.Popen(
            [
                tools / "grpc-load",
                "-t",
                "-p",
                str(site.gateway.https_port),
                "-a",
                site.host,
                "-c",
                "8",
                "-T",
                str(seconds),
                "-r",
                str(rate),
                "-S",
                str(streams),
                "-P",
                "/demo.Echo/Unary",
                "-g",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    @property
    def running(self):
        return self.process.poll() is None

    def finish(self):
        result = json.loads(self.process.stdout.readline())
        self.process.stdin.close()
        self.process.wait(10)
        return result


@pytest.fixture
def steady_backend(load_tools):
    """The load's own back end: unary calls, and streams that echo."""
    port = free_port()
    process = subprocess.Popen([load_tools / "grpc-backend", str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "listening\n"
    yield port
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_routes_come_change_and_go_without_one_failed_call(gateway, authority, load_tools, steady_backend):
    """A route is added, changed and removed over and over; each step holds on the next request, and the calls and streams
    of another route notice nothing."""
    with EchoServer("one") as one, EchoServer("two") as two:
        steady = Site(gateway, authority, "steady.test")
        steady.serve(steady_backend, protocol="GRPC")
        moving = Site(gateway, authority, "moving.test", https="off")
        gateway.api.create_static("live-one", one.port)
        gateway.api.create_static("live-two", two.port)
        load = Load(load_tools, steady, seconds=12)
        turns = 0
        while load.running and turns < 40:
            gateway.api.post("/v1/routes", route("moving", [moving.host], "live-one.static"))
            assert moving.get("/").get("x-backend") == "one"
            gateway.api.put("/v1/routes/moving", route("moving", [moving.host], "live-two.static"))
            assert moving.get("/").get("x-backend") == "two"
            gateway.api.delete("/v1/routes/moving")
            assert moving.get("/").status == 404
            turns += 1
        result = load.finish()
    assert turns >= 10, "the changes were too slow to show anything"
    assert result["errors"] == 0, result
    assert result["ok"] > 0 and result["goaways"] == 0
    assert (result["long_streams"], result["long_streams_cut"]) == (10, 0)


def test_a_websocket_and_a_bidi_stream_stay_open_across_200_publishes(gateway, authority, grpc_server, ws_server, echo):
    site = Site(gateway, authority, "open.test")
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    site.serve(ws_server.port, path="/ws")
    other = Site(gateway, authority, "changing.test", https="off")
    gateway.api.create_static("changing", echo.port)
    gateway.api.post("/v1/routes", route("changing", [other.host], "changing.static", "/0"))
    version = int(gateway.api.get("/v1/routes/changing")["version"])

    with site.websocket("/ws") as ws, site.channel() as channel:
        outgoing = queue.Queue()
        call = Kinds(channel).Bidi(iter(outgoing.get, None))
        for turn in range(1, 201):
            gateway.api.put("/v1/routes/changing", route("changing", [other.host], "changing.static", f"/{turn}"))
            if turn % 10 == 0:
                ws.send(f"ws {turn}")
                assert ws.recv(timeout=10) == f"ws {turn}"
                outgoing.put(Ask(payload=f"bidi {turn}".encode()))
                assert next(call).payload == f"bidi {turn}".encode()
        outgoing.put(None)
        assert list(call) == []
        assert call.code().name == "OK"
        ws.close(1000)
        assert ws.close_code == 1000
    assert int(gateway.api.get("/v1/routes/changing")["version"]) >= version + 200
    assert other.get("/200").status == 200 and other.get("/199").status == 404


def test_a_removed_route_keeps_its_streams_by_default(gateway, authority, ws_server):
    site = Site(gateway, authority)
    made = site.serve(ws_server.port)
    with site.websocket() as ws:
        gateway.api.delete(f"/v1/routes/{made['name']}")
        ws.send("still")
        assert ws.recv(timeout=10) == "still"
    assert site.get("/").status == 404


def test_a_request_in_flight_ends_as_it_began(gateway, authority):
    """The exchange keeps the snapshot that it began with, even when its route and source are gone."""
    go, arrived = threading.Event(), threading.Event()

    def slow(connection, id, headers):
        arrived.set()

        def answer():
            go.wait(10)
            with connection.lock:
                http2.answer(connection, id, headers)

        threading.Thread(target=answer, daemon=True).start()

    with http2.Server(slow) as server:
        site = Site(gateway, authority)
        made = site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
            assert arrived.wait(5)
            gateway.api.delete(f"/v1/routes/{made['name']}")
            gateway.api.delete(f"/v1/service-sources/{made['name']}")
            go.set()
            assert client.finish(stream).grpc_status == 0


def test_the_answer_says_what_is_live(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    gateway.api.create_static("tells", echo.port)
    saved = gateway.api.expect(201, "POST", "/v1/routes?wait=live", route("tells", [site.host], "tells.static"))
    assert saved.headers["Causeway-Live"] == "true"
    version = int(saved.headers["Causeway-Version"])
    assert saved.json()["version"] == str(version)
    workers = gateway.workers()
    assert len(workers) == 1 and workers[0]["version"] >= version


def test_without_a_worker_a_change_is_saved_and_said_not_to_be_live(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    saved = gateway.api.expect(201, "POST", "/v1/domains?wait=live&timeout=2s", {"name": "later.test"})
    assert saved.headers["Causeway-Live"] == "no-worker"
    gateway.start_worker()
    wait_until(lambda: (gateway.workers()[0]["version"] or 0) >= int(saved.headers["Causeway-Version"]), 10)


def test_saving_the_same_again_makes_no_version(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    made = site.serve(echo.port)
    assert gateway.api.put(f"/v1/routes/{made['name']}", made)["version"] == made["version"]
