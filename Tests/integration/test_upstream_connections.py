"""Which of an endpoint's HTTP/2 connections gets a call: one is filled before the next, until that would harm others."""

import collections
import contextlib
import socket
import threading
import time

import h2.settings
import pytest

from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.protos import Ask, Kinds

# Loops have connections of their own.
LOOPS = 1
MANY = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 10_000}
# A stream that is open for longer than a second counts as long; the long ones are looked at four times a second.
LONG = 1.3


def pass_time(seconds):
    """The age of a stream and the time of a standstill are what is tested: nothing else tells that they are there."""
    threading.Event().wait(seconds)


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


class BackEnd(http2.Server):
    """Holds calls to /hold open, answers others, and knows which of its connections each came on. Bodies sent to
    /unread are given no credit, by which the whole connection stands: as services do that give credit for what their
    handlers have read (Netty, and with it grpc-java; hyper, and with it tonic)."""

    def __init__(self):
        self.order, self.calls = [], []
        super().__init__(self.take, wait_for_end=False, first_settings=MANY)

    def take(self, connection, id, headers):
        if connection not in self.order:
            self.order.append(connection)
        path = headers[":path"]
        self.calls.append((path, self.order.index(connection)))
        if path == "/unread":
            connection.credit = False
        if path in ("/hold", "/unread"):
            return connection.respond(id)
        if headers[":method"] == "POST":
            read = []
            connection.receivers[id] = lambda data, end: end and not read.append(0) and self.answer(connection, id)
        else:
            self.answer(connection, id)

    def answer(self, connection, id):
        connection.respond(id)
        connection.data(id, b"done", end=True)

    def on(self, path):
        """Calls to the path by connection, in the order in which connections came."""
        return collections.Counter(number for called, number in self.calls if called == path)


@contextlib.contextmanager
def holding(site, server, count):
    """So many calls that are answered and do not end, on one connection: it is there before they are."""
    call(site, "/warm")
    with site.http2(tls=False) as client:
        streams = [client.open("GET", site.host, "/hold") for _ in range(count)]
        client.until(lambda: all(each.status == 200 for each in streams))
        assert server.on("/hold").total() == count
        yield client


def call(site, path="/", body=None):
    with site.http2(tls=False, timeout=5) as client:
        answer = client.request("POST" if body else "GET", site.host, path, body=body)
        assert (answer.status, answer.body) == (200, b"done")


def test_short_calls_share_one_connection(site):
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        call(site)
        with site.http2(tls=False) as client:
            streams = [client.open("GET", site.host, "/") for _ in range(200)]
            client.until(lambda: all(each.ended for each in streams))
        pass_time(LONG)
        for _ in range(3):
            call(site)
        assert server.connections == 1


def test_calls_keep_away_from_many_long_streams(site):
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        with holding(site, server, 100):
            assert server.connections == 1
            pass_time(LONG)
            # The first one begins the second connection, and does not wait for it.
            call(site, "/first")
            wait_until(lambda: server.connections == 2, 5, "a second connection")
            for _ in range(20):
                call(site, "/then")
        assert server.on("/first") == {0: 1}
        assert server.on("/then") == {1: 20}


def test_fewer_long_streams_stay_with_the_others(site):
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        with holding(site, server, 90):
            pass_time(LONG)
            for _ in range(5):
                call(site)
        assert server.connections == 1


def test_a_burst_of_streams_is_spread(site):
    """Which of them will be long cannot be known yet, and where a stream is it stays."""
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        call(site)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(holding_some(site, 250))
            wait_until(lambda: server.on("/hold").total() == 750, 10, "all calls have come")
        assert len(server.on("/hold")) >= 3
        assert max(server.on("/hold").values()) <= 256


@contextlib.contextmanager
def holding_some(site, count):
    with site.http2(tls=False) as client:
        for _ in range(count):
            client.open("GET", site.host, "/hold")
        yield client


def test_long_streams_end_up_even(site):
    """Where every connection has its share, the one with the least gets the next."""
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        with holding(site, server, 120), contextlib.ExitStack() as stack:
            pass_time(LONG)

            def settled():
                call(site, "/probe")
                return 1 in server.on("/probe")

            wait_until(settled, 5, "a second connection that takes calls")
            stack.enter_context(holding_some(site, 120))
            wait_until(lambda: server.on("/hold").total() == 240, 10, "all calls have come")
            assert server.on("/hold") == {0: 120, 1: 120}


def test_long_streams_with_much_in_them(site, grpc_server):
    """90 streams that hardly say anything, and then one that fills the connection."""
    site.serve(grpc_server.port, protocol="GRPC")
    with site.channel(tls=False) as channel:
        kinds = Kinds(channel)
        calls = [kinds.ServerStream(Ask(payload=b"a", count=2, delay_ms=1_000_000)) for _ in range(90)]
        wait_until(lambda: site.gateway.metric("causeway_upstream_streams_open") >= 90, 10, "the silent streams")
        pass_time(LONG)
        assert len(kinds.Unary(Ask(size=1)).payload) == 1
        assert connections(site) == 1
        bulk = kinds.ServerStream(Ask(size=1 << 20, count=100_000))
        end = time.monotonic() + 20
        for message in bulk:
            assert len(message.payload) == 1 << 20
            if time.monotonic() > end or connections(site) == 2:
                break
            if message.index % 50 == 0:
                kinds.Unary(Ask(size=1))
        assert connections(site) == 2
        for each in [bulk, *calls]:
            each.cancel()


def connections(site):
    return site.gateway.metric("causeway_upstream_connections_open")


@contextlib.contextmanager
def stalled_upload(site):
    """More of a body than the service takes, for long enough that calls do not go there any more."""
    with site.http2(tls=False) as client:
        stream = client.open("POST", site.host, "/unread", end=False)
        client.data(stream.id, bytes(100_000))
        wait_until(lambda: site.gateway.metric("causeway_body_bytes_held") > 30_000, 5, "the service takes no more")
        pass_time(0.1)
        yield


def test_an_upload_that_the_service_does_not_read_stops_nobody_else(site):
    """The service's window for the connection is used up by one call: those that come then find another."""
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        with stalled_upload(site):
            for _ in range(10):
                call(site, "/read", body=bytes(1_000))
        assert server.on("/read") == {1: 10}


def test_without_another_connection_they_take_what_there_is(site):
    """The second connection is refused: those that waited for it go on beside the stalled one."""
    with BackEnd() as server:
        site.serve(server.port, protocol="GRPC")
        with stalled_upload(site):
            server.listener.shutdown(socket.SHUT_RDWR)
            server.listener.close()
            call(site)
        assert server.connections == 1 and server.on("/") == {0: 1}
