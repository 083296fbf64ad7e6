"""Timeouts as settings: each ends what it bounds, with its status and its flag, and nothing else."""

import threading
import time

import grpc
import pytest

from integration.site import Site
from peers.http1 import RawServer
from peers.protos import Ask, Kinds
from peers.wire import Wire


@pytest.fixture
def quick(new_gateway, authority):
    """A gateway whose timeouts are short."""
    gateway = new_gateway(
        settings=[
            "tls-handshake-timeout=400ms",
            "request-headers-timeout=400ms",
            "request-progress-timeout=400ms",
            "connection-idle-timeout=600ms",
            "connect-timeout=400ms",
            "max-concurrent-streams=3",
        ]
    ).start()
    yield gateway, Site(gateway, authority, "quick.test")
    gateway.stop()


def ends_within(wire, seconds):
    began = time.monotonic()
    data = wire.read_to_end()
    assert time.monotonic() - began < seconds
    return data


def test_a_handshake_that_does_not_come_is_cut(quick):
    _, site = quick
    with Wire.connect(site.gateway.https_port) as wire:
        assert ends_within(wire, 3) == b""


def test_a_head_that_does_not_end_gets_408(quick):
    gateway, site = quick
    with site.http1(tls=False) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: quick")
        assert ends_within(wire, 3).startswith(b"HTTP/1.1 408 ")
    assert gateway.wait_log(status=408)["flag"] == "DT"


def test_a_body_without_progress_gets_408(quick):
    gateway, site = quick
    with RawServer(lambda wire: threading.Event().wait(3)) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"POST /body HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 10\r\n\r\nabc")
        assert ends_within(wire, 3).startswith(b"HTTP/1.1 408 ")
    assert gateway.wait_log(path="/body")["flag"] == "DT"


def test_an_idle_connection_is_closed(quick):
    _, site = quick
    with site.http1(tls=False) as wire:
        assert wire.request("GET", "/", site.host).status == 404
        assert ends_within(wire, 3) == b""


def test_streams_over_the_limit_are_refused(quick, grpc_server):
    _, site = quick
    site.serve(grpc_server.port, protocol="GRPC")
    with site.http2() as client:
        # All five before the client has read the gateway's SETTINGS: two are too many, and say that they were not processed.
        fields = ("content-type", "application/grpc"), ("te", "trailers")
        streams = [client.open("POST", site.host, "/causeway.test.Kinds/Bidi", *fields, end=False) for _ in range(5)]
        client.until(lambda: sum(each.reset is not None for each in streams) == 2)
        assert [each.reset for each in streams] == [None, None, None, 7, 7]


def test_a_route_s_timeouts_act(quick, grpc_server):
    gateway, site = quick
    with RawServer(lambda wire: (wire.read_request(), threading.Event().wait(3))) as server:
        site.serve(server.port, path="/slow", timeouts={"responseHeaders": 300})
        assert site.get("/slow").status == 504
        assert gateway.wait_log(path="/slow")["flag"] == "UT"
    site.serve(grpc_server.port, path="/causeway.test.Kinds/", protocol="GRPC", timeouts={"total": 400})
    with site.channel() as channel, pytest.raises(grpc.RpcError) as failed:
        Kinds(channel).Unary(Ask(delay_ms=3000), timeout=10)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_unknown_setting_stops_the_start(new_gateway):
    gateway = new_gateway(settings=["tls-handshake-timeot=1s"])
    gateway.start_control(wait=False)
    assert gateway.control.wait_exit(10) != 0
    assert "tls-handshake-timeot is not known" in gateway.control.log_text()
