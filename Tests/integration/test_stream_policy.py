"""What becomes of streams on a route that changes or goes (`streamPolicy`), and of those that the change does not concern."""

import threading
import time

import grpc
import pytest
from websockets.exceptions import ConnectionClosed

from integration.site import Site
from integration.test_streams import hold
from peers.http1 import RawServer
from peers.protos import Ask, Kinds


def running(ws):
    ws.send("still there")
    assert ws.recv(timeout=5) == "still there"


def changed(site, made, **more):
    site.gateway.api.put(f"/v1/routes/{made['name']}", {**{k: v for k, v in made.items() if k != "version"}, **more})


def removed(site, made, **more):
    site.gateway.api.delete(f"/v1/routes/{made['name']}")


def ended_with(ws, code):
    with pytest.raises(ConnectionClosed):
        ws.recv(timeout=10)
    assert ws.close_code == code


CHANGES = pytest.mark.parametrize("change", [changed, removed])


@CHANGES
@pytest.mark.parametrize("policy", [{}, {"streamPolicy": {"mode": "keep"}}], ids=["default", "keep"])
def test_streams_are_kept(site, ws_server, change, policy):
    made = site.serve(ws_server.port, **policy)
    with site.websocket() as ws:
        running(ws)
        change(site, made, timeouts={"total": 1000})
        for _ in range(3):
            running(ws)


@CHANGES
def test_websockets_are_closed_at_once(gateway, site, authority, ws_server, change):
    made = site.serve(ws_server.port, streamPolicy={"mode": "close"})
    other = Site(gateway, authority)
    other.serve(ws_server.port, streamPolicy={"mode": "close"})
    with site.websocket(f"/{site.name}/1") as first, site.websocket(f"/{site.name}/2") as second, other.websocket() as unrelated:
        for ws in (first, second, unrelated):
            running(ws)
        change(site, made, timeouts={"total": 1000})
        for ws in (first, second):
            ended_with(ws, 1012)
        running(unrelated)
    for number in (1, 2):
        record = gateway.wait_log(path=f"/{site.name}/{number}")
        assert (record["flag"], record["close_code"]) == ("RC", 1012)


@CHANGES
def test_calls_are_ended_at_once_and_their_connection_lives(gateway, site, grpc_server, change):
    made = site.serve(grpc_server.port, protocol="GRPC", streamPolicy={"mode": "close"})
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds/Unary", match="EQUAL")
    go = threading.Event()
    with site.channel() as channel:
        call = Kinds(channel).Bidi(hold(go), timeout=30)
        next(call)
        change(site, made, timeouts={"total": 600_000})
        with pytest.raises(grpc.RpcError) as caught:
            for _ in call:
                pass
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "route has changed" in caught.value.details()
        Kinds(channel).Unary(Ask(), timeout=10)
        go.set()
    assert gateway.wait_log(authority=site.host, path="/causeway.test.Kinds/Bidi")["flag"] == "RC"


def test_a_drain_ends_what_runs_after_its_time_and_nothing_that_came_later(site, ws_server):
    made = site.serve(ws_server.port, streamPolicy={"mode": "drain", "after": 2_000})
    with site.websocket() as before:
        running(before)
        started = time.monotonic()
        changed(site, made, timeouts={"total": 1000})
        running(before)
        with site.websocket() as after:
            running(after)
            ended_with(before, 1012)
            assert 1.9 <= time.monotonic() - started < 6
            running(after)


def test_a_policy_that_is_set_is_no_change(site, ws_server):
    made = site.serve(ws_server.port)
    with site.websocket() as ws:
        running(ws)
        changed(site, made, streamPolicy={"mode": "close"})
        running(ws)
        # The form that is served says what becomes of them.
        changed(site, made, streamPolicy={"mode": "close"}, timeouts={"total": 1000})
        ended_with(ws, 1012)


def test_a_plain_download_runs_to_its_end(site):
    go = threading.Event()

    def begin(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        go.wait(20)
        wire.send("cd")

    with RawServer(begin) as server, site.http1() as wire:
        made = site.serve(server.port, streamPolicy={"mode": "close"})
        wire.send(f"GET /down HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wire.read_until(b"ab")
        removed(site, made)
        go.set()
        wire.read_until(b"cd")
