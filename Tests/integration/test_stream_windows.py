"""Windows of streams: they grow to what a long way needs, and not where the sender has no use for more."""

import h2.events
import pytest

from integration.site import Site
from peers import http2
from peers.far import Far
from peers.http2 import Client

LOOPS = 1
KIB = 1 << 10
MUCH = 8 * 1024 * KIB
FIRST, MOST = 128 * KIB, 960 * KIB
# Credit is given by 64 KiB, for what was delivered by 32 KiB.
NEARLY = MOST - 96 * KIB
# Before the way is measured a window may be doubled once.
UNMEASURED = 2 * FIRST


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


class Sink(http2.Server):
    """Reads what it is sent, and answers when it has all."""

    def __init__(self):
        super().__init__(self.take, wait_for_end=False)

    def take(self, connection, id, headers):
        connection.receivers[id] = lambda data, end: end and connection.respond(id, end=True)


def window(connection, stream):
    return connection.h2.streams[stream].outbound_flow_control_window


def round_trip(client):
    client.h2.ping(b"arrived?")
    client.flush()
    client.until(lambda: client.pings)
    client.pings.clear()


def test_an_upload_over_a_long_way(site):
    with Sink() as server, Far(site.gateway.http_port, 0.02) as way:
        site.serve(server.port, protocol="GRPC")
        with Client(way.port, tls=False) as client:
            stream = client.open("POST", site.host, "/", end=False)
            client.data(stream.id, bytes(MUCH))
            # The window is open again when all is read.
            client.until(lambda: window(client, stream.id) >= NEARLY)
            assert window(client, stream.id) <= MOST
            client.data(stream.id, b"end", end=True)
            assert client.finish(stream).status == 200


class Source(http2.Server):
    """Sends as much as it may, and ends its answer when its window is open again, as far as it grows."""

    def __init__(self):
        super().__init__(self.give)
        self.handler = lambda wire: Giving(self, wire).run()

    def give(self, connection, id, headers):
        connection.respond(id)
        connection.send_all(id, bytes(MUCH))


class Giving(http2.ServerConnection):
    def _take(self, event):
        super()._take(event)
        if isinstance(event, h2.events.WindowUpdated) and event.stream_id and not self.unsent:
            if window(self, event.stream_id) >= NEARLY:
                self.finish(event.stream_id)


def test_a_download_over_a_long_way(site):
    with Source() as server, Far(server.port, 0.02) as way:
        site.serve(way.port, protocol="GRPC")
        with site.http2(tls=False) as client:
            assert len(client.request("GET", site.host, "/").body) == MUCH


def test_a_sender_that_waits_by_itself_gets_no_more(site):
    with Sink() as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2(tls=False) as client:
            stream = client.open("POST", site.host, "/", end=False)
            for _ in range(256):
                client.data(stream.id, bytes(16 * KIB))
                round_trip(client)
                assert window(client, stream.id) <= UNMEASURED
            client.data(stream.id, b"end", end=True)
            assert client.finish(stream).status == 200
