"""The reserve of file descriptors: clients may take all but an eighth of them (64 at least), so that however many come, services are
still reached, and the worker's own pages answer."""

import json
import threading

import pytest

from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire

LIMIT, RESERVE = 256, 64
CLIENTS = 400
CALLS = 30


@pytest.fixture
def small(new_gateway, authority):
    """A gateway whose worker may have 256 files open, and a site of it."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    gateway.start_worker(prefix=["prlimit", f"--nofile={LIMIT}:{LIMIT}"])
    return gateway, Site(gateway, authority, "files.test", https="off")


def refused(gateway):
    return {
        "in all": gateway.metric("causeway_downstream_connections_refused_total"),
        "by listener": gateway.metric("causeway_listener_connections_refused_total"),
        "by kind": gateway.metric("causeway_downstream_abuse_total", kind="descriptor_reserve"),
    }


def told(gateway):
    """The log's line of the limit, if there is one."""
    lines = map(json.loads, gateway.worker.log_text().splitlines())
    return next((line for line in lines if "descriptor_reserve" in line.get("kinds", "")), None)


def was_closed(wire):
    """Whether the gateway has let go of it; nothing of it waits to be read otherwise."""
    wire.sock.setblocking(False)
    try:
        return wire.sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def test_a_storm_of_clients_leaves_services_within_reach(small):
    gateway, site = small
    together = threading.Barrier(CALLS, timeout=20)

    def answer(wire):
        while True:
            wire.read_request()
            together.wait()  # so that no two share a connection
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(answer) as held, EchoServer() as echo:
        site.serve(held.port, path="/held")
        site.serve(echo.port)
        assert gateway.metric("process_max_fds") == LIMIT
        with site.http2(tls=False) as before:
            assert before.request("GET", site.host, "/").status == 200
            storm = [Wire.connect(gateway.http_port) for _ in range(CLIENTS)]
            try:
                wait_until(lambda: refused(gateway)["in all"], 10, "some were refused")
                wait_until(lambda: sum(map(was_closed, storm)) == refused(gateway)["in all"], 10, "each of these was closed")
                sent_away = sum(map(was_closed, storm))
                assert refused(gateway) == dict.fromkeys(refused(gateway), sent_away)
                wait_until(lambda: told(gateway), 10, "the log has it")
                assert told(gateway)["level"] == "warning"
                # All but the reserve is the clients', less what the worker itself has open.
                assert gateway.metric("process_open_fds") <= LIMIT - RESERVE + 2  # this page's own connection
                assert CLIENTS - sent_away > (LIMIT - RESERVE) // 2
                # Who is in gets connections to the service, as many as it takes.
                streams = [before.open("GET", site.host, f"/held/{number}") for number in range(CALLS)]
                assert [before.finish(stream).status for stream in streams] == [200] * CALLS
                assert gateway.metric("causeway_resource_failures_total") == 0
                # Who comes now is still sent away, and counted.
                with Wire.connect(gateway.http_port) as late:
                    assert late.is_closed()
                assert refused(gateway)["in all"] == sent_away + 1
            finally:
                for wire in storm:
                    wire.close()
            wait_until(lambda: gateway.metric("process_open_fds") < (LIMIT - RESERVE) // 2, 10, "the storm is over")
            assert [site.get("/").status for _ in range(20)] == [200] * 20
            assert before.request("GET", site.host, "/").status == 200
            assert refused(gateway)["in all"] == sent_away + 1
    assert all(record["flag"] == "-" for record in gateway.access_log())
