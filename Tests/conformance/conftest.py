"""The front that HTTP/2 rules are tried on: a site in clear text with an HTTP/2 back end that a test can look into."""

import h2.exceptions
import pytest

from integration.site import Site
from peers import http2
from peers.frames import FrameClient


class Front:
    """Answers every request at its end; `/hold…` never, `/early…` at once, `/large…` with 100,000 bytes as windows allow."""

    def __init__(self, gateway, authority):
        self.site = Site(gateway, authority, https="off")
        self.host, self.port = self.site.host, gateway.http_port
        self.patient = http2.Server(_unless_reset(_patient))
        self.early = http2.Server(_unless_reset(http2.answer), wait_for_end=False)
        self.site.serve(self.patient.port, protocol="HTTP2")
        self.site.serve(self.early.port, protocol="HTTP2", path="/early")

    def connect(self, **more):
        """A client whose preface and SETTINGS went out; the gateway's SETTINGS have come."""
        client = FrameClient(self.port, self.host, **more)
        if more.get("begin", True):
            client.until(lambda: client.count(4))
        return client

    @property
    def seen(self):
        """Paths that arrived at the back ends, also of requests that did not end."""
        return [dict(fields)[":path"] for server in (self.patient, self.early) for fields in server.fields]

    def stop(self):
        self.patient.stop()
        self.early.stop()


def _unless_reset(script):
    """A stream that the gateway has reset meanwhile needs no answer."""

    def guarded(connection, id, headers):
        try:
            script(connection, id, headers)
        except h2.exceptions.StreamClosedError:
            pass

    return guarded


def _patient(connection, id, headers):
    if headers[":path"].startswith("/hold"):
        return
    if headers[":path"].startswith("/large"):
        connection.respond(id, 200)
        for _ in range(6):
            connection.data(id, b"l" * 10_000)
        return connection.data(id, b"", end=True)
    http2.answer(connection, id, headers)


@pytest.fixture(scope="module")
def front(gateway, authority):
    made = Front(gateway, authority)
    yield made
    made.stop()
