"""SIGTERM: what runs may finish, what is new is told to go elsewhere, and the process ends with status 0 in time."""

import signal
import threading
import time

import h2.exceptions
import pytest
from websockets.exceptions import ConnectionClosed

from integration.site import Site
from integration.waiting import wait_until
from peers import channel, http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire


@pytest.fixture
def started(new_gateway, authority):
    def make(**options):
        gateway = new_gateway(**options).start()
        return gateway, Site(gateway, authority, "drain.test")

    return make


class Held:
    """A back end whose answers wait until the test lets them go."""

    def __init__(self):
        self.arrived, self.go = threading.Event(), threading.Event()

    def __call__(self, connection, id, headers):
        self.arrived.set()

        def answer():
            self.go.wait(20)
            try:
                with connection.lock:
                    http2.answer(connection, id, headers)
            except (OSError, h2.exceptions.ProtocolError):
                pass  # the connection is gone: its test is over

        threading.Thread(target=answer, daemon=True).start()


def test_a_stream_finishes_behind_goaway_and_the_worker_ends(started):
    gateway, site = started(drain_timeout=20)
    held = Held()
    with http2.Server(held) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
        assert held.arrived.wait(5)
        gateway.worker.signal(signal.SIGTERM)
        client.until(lambda: client.goaway is not None)
        assert client.goaway.error_code == 0
        assert gateway.worker.running
        held.go.set()
        assert client.finish(stream).grpc_status == 0
        client.read_to_end()
    assert gateway.worker.wait_exit(5) == 0


def test_what_a_slow_client_asks_before_it_reads_goaway_is_served(started):
    """The second GOAWAY waits for the answer to a PING behind the first: what comes before that was on its way."""
    gateway, site = started(drain_timeout=20)
    held = Held()
    with http2.Server(held) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        first = client.open("GET", site.host, "/first")
        assert held.arrived.wait(5)
        gateway.worker.signal(signal.SIGTERM)
        wait_until(lambda: "draining" in gateway.worker.log_text(), 5, "the drain has begun")
        # The gateway would have closed the door half a second after it said so.
        threading.Event().wait(1)
        second = client.open("GET", site.host, "/second")
        held.go.set()
        assert client.finish(first).status == 200
        assert client.finish(second).status == 200
        client.read_to_end()
        assert client.goaway.last_stream_id == second.id
    assert gateway.worker.wait_exit(5) == 0


def test_a_client_that_never_answers_is_left(started):
    gateway, site = started(drain_timeout=30)
    with http2.Server() as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        assert client.request("GET", site.host, "/").status == 200
        gateway.worker.signal(signal.SIGTERM)
        assert gateway.worker.wait_exit(10) == 0


def test_goaway_comes_in_two_steps_and_what_is_opened_between_them_is_served(started):
    """RFC 9113 §6.8: first 2^31-1, so that streams on their way are taken, then the last one that was."""
    gateway, site = started(drain_timeout=20)
    held = Held()
    with http2.Server(held) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")

        def begin():
            return client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")

        before = begin()
        assert held.arrived.wait(5)
        gateway.worker.signal(signal.SIGTERM)
        first = bytes.fromhex("07 00 00000000 7fffffff 00000000")  # GOAWAY, not yet read: so nothing behind it is answered
        while first not in client.wire.input:
            client.wire.receive()
        between = begin()
        client.take()
        assert [each.last_stream_id for each in client.goaways] == [2**31 - 1]
        client.until(lambda: len(client.goaways) == 2)
        assert client.goaway.last_stream_id == between.id
        # Not processed, to its trailers: the client has been told that it may repeat it elsewhere.
        late = client.open("POST", site.host, "/late", ("te", "trailers"), body=b"late", end=False)
        client.h2.send_headers(late.id, [("x-late", "1")], end_stream=True)
        client.flush()
        held.go.set()
        assert [client.finish(each).grpc_status for each in (before, between)] == [0, 0]
        client.read_to_end()
        assert [(each.error_code, each.last_stream_id) for each in client.goaways] == [(0, 2**31 - 1), (0, between.id)]
        assert len(server.requests) == 2
    assert gateway.worker.wait_exit(5) == 0


def test_new_connections_are_refused_while_draining(started, echo):
    gateway, site = started(drain_timeout=20)
    held = Held()
    with http2.Server(held) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
        assert held.arrived.wait(5)
        gateway.worker.signal(signal.SIGTERM)

        def refused():
            try:
                Wire.connect(gateway.http_port, timeout=1).close()
            except OSError:
                return True
            return False

        wait_until(refused, 5, "the listener is closed")
        held.go.set()


def test_an_http1_request_in_flight_finishes_and_its_connection_closes(started):
    gateway, site = started(drain_timeout=20)
    arrived, go = threading.Event(), threading.Event()

    def respond(wire):
        wire.read_request()
        arrived.set()
        go.wait(20)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        assert arrived.wait(5)
        gateway.worker.signal(signal.SIGTERM)
        wait_until(lambda: gateway.worker.running, 1)
        go.set()
        answer = wire.read_response()
        assert (answer.status, answer.body) == (200, b"ok")
        assert wire.is_closed()
    assert gateway.worker.wait_exit(5) == 0


def test_a_websocket_is_closed_with_1001_at_the_deadline(started, ws_server):
    gateway, site = started(drain_timeout=1)
    site.serve(ws_server.port)
    with site.websocket() as ws:
        began = time.monotonic()
        gateway.worker.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            while True:
                ws.send("on")
                assert ws.recv(timeout=5) == "on"
        assert 0.5 < time.monotonic() - began < 4
        assert ws.close_code == 1001
    assert gateway.worker.wait_exit(5) == 0


def test_idle_connections_do_not_hold_up_the_end(started):
    gateway, site = started(drain_timeout=20)
    with EchoServer() as server:
        site.serve(server.port)
        with site.http1(tls=False) as one, site.http2() as two:
            assert one.request("GET", "/", site.host).status == 200
            assert two.request("GET", site.host, "/").status == 200
            gateway.worker.signal(signal.SIGTERM)
            assert gateway.worker.wait_exit(5) == 0
            assert one.is_closed()
            two.read_to_end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_processes_end_cleanly_and_start_again(new_gateway, number):
    gateway = new_gateway().start()
    for process in (gateway.control, gateway.worker):
        process.signal(number)
    assert [process.wait_exit(10) for process in (gateway.control, gateway.worker)] == [0, 0]
    gateway.start_control()
    gateway.start_worker()
    wait_until(lambda: gateway.workers(), 5)


def test_the_control_plane_ends_while_workers_and_clients_are_connected(new_gateway):
    gateway = new_gateway().start()
    with Wire.connect(gateway.admin_port) as idle, Wire.connect(gateway.admin_port) as half:
        idle.request("GET", "/healthz/ready", f"127.0.0.1:{gateway.admin_port}")
        half.send("GET /healthz/ready HTTP/1.1\r\n")
        gateway.control.signal(signal.SIGTERM)
        assert gateway.control.wait_exit(10) == 0
    assert gateway.worker_ready()


def test_an_end_at_any_moment_of_the_start_is_clean(new_gateway):
    """Also while the snapshot on disk is taken, which takes some time here: a loop that has drained answers nobody."""

    def virtual_host(name):
        text = b"".join(bytes([tag, len(name)]) + name.encode() for tag in (1, 2))  # name and its only host
        return (channel.VIRTUAL_HOST, name, text)

    gateway = new_gateway(drain_timeout=1)
    with channel.FakeControl(gateway.channel, [virtual_host(f"h{number:06}.test") for number in range(30_000)]) as control:
        gateway.start_worker(wait=False)
        wait_until(lambda: control.answers, 60, "the worker's answer")
        assert control.answers[0][0] == channel.ACK
        gateway.worker.stop()
    for step in range(20):
        gateway.worker.start()
        threading.Event().wait(step * 0.02)
        gateway.worker.signal(signal.SIGTERM)
        # Before it has masked its signals the worker just dies of it.
        assert gateway.worker.wait_exit(10) in (0, -signal.SIGTERM), f"{step * 20} ms\n{gateway.worker.log_text()[-2000:]}"


def test_the_log_is_whole_at_the_end(started):
    """Lines that still wait for the writer's next turn are written before the process ends."""
    gateway, site = started(drain_timeout=5)
    with EchoServer() as server:
        site.serve(server.port)
        with site.http1(tls=False) as wire:
            for _ in range(300):
                assert wire.request("GET", "/logged", site.host).status == 200
        gateway.worker.signal(signal.SIGTERM)
        assert gateway.worker.wait_exit(10) == 0
        assert len([record for record in gateway.access_log() if record["path"] == "/logged"]) == 300
