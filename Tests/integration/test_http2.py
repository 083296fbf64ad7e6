"""HTTP/2 at frame level, in front and behind: streams, windows, GOAWAY, limits, and which connection may carry which host."""

import ssl
import threading

import h2.errors
import h2.exceptions
import h2.settings
import pytest

from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.http1 import RawServer
from peers.wire import Wire

ErrorCodes = h2.errors.ErrorCodes
MIB = 1 << 20


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)


@pytest.fixture(scope="module")
def backend():
    with http2.Server() as server:
        yield server


@pytest.fixture(scope="module")
def h2_site(gateway, authority, backend):
    made = Site(gateway, authority, "h2.test")
    made.serve(backend.port, protocol="GRPC")
    return made


@pytest.fixture
def scripted(site):
    """A back end with a script of the test's own behind the site: `scripted(script, **options)` gives the server."""
    servers = []

    def make(script=None, protocol="GRPC", **options):
        server = http2.Server(script, **options)
        servers.append(server)
        site.serve(server.port, protocol=protocol)
        return server

    yield make
    for server in servers:
        server.stop()


# ---- which protocol, which connection


@pytest.mark.parametrize(
    "offer, chosen",
    [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), (("h2",), "h2"), (("http/1.1", "h2"), "h2"), ((), None)],
)
def test_alpn(h2_site, gateway, offer, chosen):
    with Wire.connect(gateway.https_port, tls=True, sni=h2_site.host, alpn=offer) as wire:
        assert wire.sock.selected_alpn_protocol() == chosen


def test_alpn_without_a_protocol_in_common(h2_site, gateway):
    """RFC 7301 §3.2: the alert says so. `h2c` is not for TLS (RFC 9113 §3.1)."""
    with pytest.raises(ssl.SSLError) as refused:
        Wire.connect(gateway.https_port, tls=True, sni=h2_site.host, alpn=("h2c",)).close()
    assert "no application protocol" in str(refused.value).lower().replace("_", " ")
    with Wire.connect(gateway.https_port, tls=True, sni=h2_site.host, alpn=("h2c", "h2")) as wire:
        assert wire.sock.selected_alpn_protocol() == "h2"


def test_without_alpn_a_connection_speaks_http1(h2_site, gateway):
    with Wire.connect(gateway.https_port, tls=True, sni=h2_site.host, alpn=()) as wire:
        assert wire.request("GET", "/", h2_site.host).line.startswith("HTTP/1.1 ")


def test_http2_on_the_clear_port_by_prior_knowledge(h2_site):
    with h2_site.http2(tls=False) as client:
        assert client.grpc(h2_site.host, "/a.B/C").grpc_status == 0


def test_a_host_of_another_certificate_is_misdirected(gateway, authority, h2_site, backend):
    other = Site(gateway, authority, "other.test")
    other.serve(backend.port, protocol="GRPC")
    with h2_site.http2() as client:
        stream = client.grpc(other.host, "/a.B/C")
        assert stream.status == 200 and stream.grpc_status == 14
        assert "misdirected" in stream.grpc_message.lower()
        assert client.request("GET", other.host, "/").status == 421
        # The connection is still good for its own host.
        assert client.grpc(h2_site.host, "/a.B/C").grpc_status == 0


def test_a_host_that_the_certificate_covers_may_share_the_connection(gateway, authority, backend):
    identity = authority.issue("shared.test", "also.test")
    first = Site(gateway, authority, "shared.test", identity=identity)
    gateway.api.create_domain("also.test", https="on", certificate=first.name)
    first.serve(backend.port, protocol="GRPC")
    gateway.api.create_route("also-test", ["also.test"], f"{first.name}-1.static", protocol="GRPC")
    with first.http2() as client:
        assert client.grpc("also.test", "/a.B/C").grpc_status == 0


# ---- streams


def test_many_streams_at_once(h2_site):
    with h2_site.http2() as client:
        streams = [
            client.open(
                "POST",
                h2_site.host,
                "/a.B/C",
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                body=b"\0\0\0\0\0",
            )
            for _ in range(100)
        ]
        for stream in streams:
            assert client.finish(stream).grpc_status == 0


def test_request_trailers_and_bodies_reach_the_back_end(site, scripted):
    got = {}

    def script(connection, id, headers):
        got.update(body=connection.body[id], trailers=connection.trailers.get(id))
        http2.answer(connection, id, headers)

    scripted(script)
    with site.http2() as client:
        stream = client.open(
            "POST", site.host, "/a.B/C", ("content-type", "application/grpc"), ("te", "trailers"), end=False
        )
        client.data(stream.id, b"x" * 100_000)
        client.h2.send_headers(stream.id, [("x-sum", "100000")], end_stream=True)
        client.flush()
        assert client.finish(stream).grpc_status == 0
    assert got["body"] == b"x" * 100_000 and got["trailers"] == {"x-sum": "100000"}


def test_a_reset_by_the_client_cancels_upstream(site, scripted):
    begun = threading.Event()
    server = scripted(lambda *_: begun.set(), wait_for_end=False)
    with site.http2() as client:
        stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), end=False)
        assert begun.wait(5)
        client.h2.reset_stream(stream.id, ErrorCodes.CANCEL)
        client.flush()
        wait_until(lambda: server.resets and server.resets[0][1] == ErrorCodes.CANCEL, 5, "RST_STREAM upstream")


def test_ping_is_answered(h2_site):
    with h2_site.http2() as client:
        client.h2.ping(b"12345678")
        client.flush()
        client.until(lambda: client.pings)
        assert client.pings == [b"12345678"]


def test_a_response_before_the_request_s_end_is_delivered_whole(site, scripted):
    """RFC 9113 §8.1: trailers, then RST_STREAM(NO_ERROR); the client must get everything."""

    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.data(id, b"\0\0\0\0\x03abc")
        connection.trail(id, ("grpc-status", "8"), ("grpc-message", "enough"))
        connection.reset(id, ErrorCodes.NO_ERROR)

    scripted(script, wait_for_end=False)
    with site.http2() as client:
        stream = client.open(
            "POST", site.host, "/a.B/C", ("content-type", "application/grpc"), ("te", "trailers"), end=False
        )
        client.data(stream.id, b"\0\0\0\0\x01x")
        client.until(lambda: stream.done)
        assert (stream.body, stream.grpc_status, stream.grpc_message) == (b"\0\0\0\0\x03abc", 8, "enough")
        assert stream.reset in (None, ErrorCodes.NO_ERROR)


# ---- windows


def stream_of(size):
    """A script that sends as much as the windows let it, until all is sent."""

    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))

        def send():
            left = size
            while left:
                with connection.lock:
                    room = min(connection.h2.local_flow_control_window(id), connection.h2.max_outbound_frame_size, left)
                    if room > 0:
                        connection.data(id, b"d" * room)
                        left -= room
                        continue
                threading.Event().wait(0.002)
            with connection.lock:
                connection.trail(id, ("grpc-status", "0"))

        threading.Thread(target=send, daemon=True).start()

    return script


def test_a_client_that_gives_no_window_gets_no_more_than_its_window(site, scripted):
    scripted(stream_of(2 * MIB))
    with site.http2(credit=False) as client:
        client.h2.increment_flow_control_window(16 * MIB)  # the connection's, so that the stream's is the limit
        client.flush()
        stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
        client.until(lambda: len(stream.body) == 65_535)
        # Another stream of the same connection is not held up.
        other = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
        client.until(lambda: len(other.body) == 65_535)
        assert len(stream.body) == 65_535
        client.h2.increment_flow_control_window(2 * MIB, stream.id)
        client.flush()
        assert len(client.finish(stream).body) == 2 * MIB and stream.grpc_status == 0


def test_an_upload_stops_when_the_back_end_does_not_read(site, scripted):
    holding = {}

    def script(connection, id, headers):
        connection.credit = False
        holding["connection"] = connection

    scripted(script, wait_for_end=False)
    with site.http2() as client:
        stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), end=False)
        sent, client.wire.timeout = 0, 1
        client.wire.sock.settimeout(1.5)
        try:
            while sent < 64 * MIB:
                room = min(client.h2.local_flow_control_window(stream.id), client.h2.max_outbound_frame_size)
                if room == 0:
                    client.pump()
                    continue
                client.h2.send_data(stream.id, b"u" * room)
                client.flush()
                sent += room
        except TimeoutError:
            pass
        assert sent < 8 * MIB, "the gateway took more than it could pass on"


def test_a_window_that_overflows_is_an_error(h2_site):
    with h2_site.http2() as client:
        client.wire.send(frame(WINDOW_UPDATE, 0, 0, (0x7FFFFFFF).to_bytes(4, "big")))
        client.read_to_end()
        assert client.goaway.error_code == ErrorCodes.FLOW_CONTROL_ERROR


# ---- what breaks the protocol ends the connection with the right code

BROKEN = {
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS on an even stream": (frame(HEADERS, 5, 2, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
    "PUSH_PROMISE from a client": (frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"), ErrorCodes.PROTOCOL_ERROR),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), ErrorCodes.PROTOCOL_ERROR),
    "SETTINGS of a wrong size": (frame(SETTINGS, 0, 0, b"12345"), ErrorCodes.FRAME_SIZE_ERROR),
    "SETTINGS ACK with payload": (frame(SETTINGS, 1, 0, b"123456"), ErrorCodes.FRAME_SIZE_ERROR),
    "PING of a wrong size": (frame(PING, 0, 0, b"1234"), ErrorCodes.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of zero": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), ErrorCodes.PROTOCOL_ERROR),
    "a frame beyond the size limit": (frame(DATA, 0, 1, b"x" * 20_000), ErrorCodes.FRAME_SIZE_ERROR),
    "CONTINUATION from nowhere": (frame(CONTINUATION, 4, 1, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frame(RST_STREAM, 0, 7, b"\0\0\0\0"), ErrorCodes.PROTOCOL_ERROR),
    "HPACK that is none": (frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"), ErrorCodes.COMPRESSION_ERROR),
    "padding longer than the frame": (frame(DATA, 8, 1, b"\xff"), ErrorCodes.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_frames_end_the_connection(h2_site, name):
    data, code = BROKEN[name]
    with h2_site.http2() as client:
        client.until(lambda: client.settings)
        client.wire.send(data)
        client.read_to_end()
        assert client.goaway is not None, "closed without GOAWAY"
        assert client.goaway.error_code == code


def test_a_preface_that_is_none_ends_the_connection(h2_site, gateway):
    with Wire.connect(gateway.https_port, tls=True, sni=h2_site.host, alpn=("h2",)) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: h2.test\r\n\r\n")
        wire.read_to_end()  # a GOAWAY, or nothing; then the end


MALFORMED = {
    "upper case name": [("X-Upper", "1")],
    "connection field": [("connection", "close")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "te other than trailers": [("te", "gzip")],
    "pseudo-header behind": [("x-a", "1"), (":path", "/other")],
    "unknown pseudo-header": [(":foo", "1")],
    "line end in a value": [("x-a", "1\r\nx-b: 2")],
    "NUL in a value": [("x-a", "1\0")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_are_reset(h2_site, backend, name):
    backend.requests.clear()
    with h2_site.http2(validate=False) as client:
        stream = client.open("POST", h2_site.host, "/a.B/C", *MALFORMED[name])
        client.finish(stream)
        assert stream.reset == ErrorCodes.PROTOCOL_ERROR or stream.status == 400
        assert client.grpc(h2_site.host, "/a.B/C").grpc_status == 0, "the connection should go on"
    assert len(backend.requests) == 1


@pytest.mark.parametrize("declared, body", [("3", b"four"), ("5", b"four")])
def test_a_body_that_is_not_as_long_as_declared_is_reset(h2_site, declared, body):
    with h2_site.http2(validate=False) as client:
        stream = client.open("POST", h2_site.host, "/a.B/C", ("content-length", declared), end=False)
        client.wire.send(frame(DATA, 1, stream.id, body))
        client.finish(stream)
        assert stream.reset == ErrorCodes.PROTOCOL_ERROR or stream.status == 400


def test_headers_beyond_the_limit_are_refused(h2_site):
    with h2_site.http2() as client:
        stream = client.open("GET", h2_site.host, "/", *[(f"x-{n}", "v" * 1000) for n in range(100)])
        client.finish(stream)
        assert stream.status == 431 or stream.reset is not None
        assert client.grpc(h2_site.host, "/a.B/C").grpc_status == 0, "the connection should go on"


# ---- abuse


def reads_calm(client):
    client.read_to_end()
    return client.goaway is not None and client.goaway.error_code == ErrorCodes.ENHANCE_YOUR_CALM


def test_rapid_reset_is_stopped(h2_site, gateway):
    with h2_site.http2() as client:
        client.until(lambda: client.settings)
        try:
            for _ in range(20_000):
                stream = client.open("POST", h2_site.host, "/a.B/C", ("content-type", "application/grpc"), end=False)
                client.h2.reset_stream(stream.id, ErrorCodes.CANCEL)
                client.flush()
        except OSError:
            pass
        assert reads_calm(client)
    with h2_site.http2() as client:
        assert client.grpc(h2_site.host, "/a.B/C").grpc_status == 0


@pytest.mark.parametrize(
    "name, flood",
    [
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("SETTINGS", frame(SETTINGS, 0, 0)),
        ("empty DATA", None),
        ("DATA that is padded and empty", None),
        ("CONTINUATION", None),
    ],
)
def test_floods_are_stopped(h2_site, name, flood):
    with h2_site.http2() as client:
        client.until(lambda: client.settings)
        try:
            if "DATA" in name:
                stream = client.open("POST", h2_site.host, "/a.B/C", ("content-type", "application/grpc"), end=False)
                flood = frame(DATA, 8, stream.id, b"\0") if "padded" in name else frame(DATA, 0, stream.id)
            elif name == "CONTINUATION":
                client.wire.send(frame(HEADERS, 0, 1, b"\x82"))
                flood = frame(CONTINUATION, 0, 1, b"")
            for _ in range(400):
                client.wire.send(flood * 250)
        except OSError:
            pass
        try:
            client.read_to_end()
        except AssertionError:
            pass  # the library may stumble over what we sent behind its back
        assert client.closed


# ---- the back end's side


def test_a_refused_stream_is_tried_again(site, scripted):
    tries = []

    def script(connection, id, headers):
        tries.append(id)
        if len(tries) == 1:
            connection.reset(id, ErrorCodes.REFUSED_STREAM)
        else:
            http2.answer(connection, id, headers)

    scripted(script)
    with site.http2() as client:
        assert client.grpc(site.host, "/a.B/C").grpc_status == 0
    assert len(tries) == 2


def test_a_call_above_goaway_s_last_stream_is_tried_again(site, scripted):
    connections = []

    def script(connection, id, headers):
        if connection not in connections:
            connections.append(connection)
        if connection is connections[0]:
            connection.go_away(last=0)
        else:
            http2.answer(connection, id, headers)

    scripted(script)
    with site.http2() as client:
        assert client.grpc(site.host, "/a.B/C").grpc_status == 0
    assert len(connections) == 2


def test_a_call_that_may_have_run_is_not_tried_again(site, scripted):
    tries = []

    def script(connection, id, headers):
        tries.append(id)
        connection.reset(id, ErrorCodes.INTERNAL_ERROR)

    scripted(script)
    with site.http2() as client:
        stream = client.grpc(site.host, "/a.B/C")
        assert stream.grpc_status in (13, 14) or stream.reset is not None
    assert len(tries) == 1


def test_the_back_end_s_limit_of_streams_is_kept_and_not_in_the_way(site, scripted):
    most, lock, running = [0], threading.Lock(), {}

    def script(connection, id, headers):
        with lock:
            running[connection] = running.get(connection, 0) + 1
            most[0] = max(most[0], running[connection])

        def later():
            threading.Event().wait(0.1)
            with lock:
                running[connection] -= 1
            with connection.lock:
                http2.answer(connection, id, headers)

        threading.Thread(target=later, daemon=True).start()

    scripted(script, settings={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    with site.http2() as client:
        # One call first, so that the gateway knows the limit.
        assert client.grpc(site.host, "/a.B/C").grpc_status == 0
        streams = [
            client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
            for _ in range(12)
        ]
        for stream in streams:
            assert client.finish(stream).grpc_status == 0
    assert most[0] <= 2


def test_http2_to_an_http1_back_end_and_back(site, echo):
    site.serve(echo.port)
    with site.http2() as client:
        stream = client.request(
            "POST", site.host, "/x?y=1", ("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2"), body=b"body"
        )
    assert stream.status == 200 and stream.headers["x-backend"] == "b1"
    request = echo.seen[0]
    assert (request.target, request.get("host"), request.get("x-a"), request.body) == (
        "/x?y=1",
        site.host,
        "1",
        b"body",
    )
    assert request.get("cookie") == "a=1; b=2"  # RFC 9113 §8.2.3


def test_http1_to_an_http2_back_end(site, scripted):
    server = scripted(protocol="HTTP2")
    answer = site.get("/x?y=1", ("X-A", "1"), method="POST", body=b"body")
    assert (answer.status, answer.body) == (200, b"b1")
    headers = server.requests[0]
    assert (headers[":path"], headers[":authority"], headers["x-a"]) == ("/x?y=1", site.host, "1")


def test_a_back_end_that_speaks_no_http2_is_an_error_and_no_hang(site):
    with RawServer(lambda wire: (wire.read(10), wire.send("HTTP/1.1 400 Bad Request\r\n\r\n"))) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 14
