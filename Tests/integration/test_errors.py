"""What clients see when something fails: gRPC clients a gRPC status with a reason, others an HTTP status in plain text; and
the flag that the access log keeps of it."""

import socket

import grpc
import pytest

from integration.ports import free_port
from integration.site import Site
from peers import http2
from peers.http1 import RawServer
from peers.wire import Closed


def closed_port():
    return free_port()


@pytest.fixture(params=["http", "grpc"])
def kind(request):
    return request.param


def fails_with(site, gateway, kind, status, code, flag, path="/fail.Me/Now"):
    """Asks once in the client's kind; checks the answer's shape, and the record in the access log."""
    if kind == "grpc":
        with site.http2() as client:
            stream = client.grpc(site.host, path)
        assert stream.status == 200 and stream.headers["content-type"].startswith("application/grpc")
        assert stream.grpc_status == code
        assert stream.grpc_message, "no reason"
        assert stream.body == b""
        record = gateway.wait_log(authority=site.host, path=path, grpc_status=code)
    else:
        answer = site.get(path)
        assert answer.status == status
        assert answer.get("content-type").startswith("text/plain") and b"<" not in answer.body
        assert answer.body.strip(), "no reason"
        record = gateway.wait_log(authority=site.host, path=path, status=status)
    assert record["flag"] == flag
    assert record["reason"]


def test_no_route(site, gateway, kind, echo):
    site.serve(echo.port, path="/elsewhere")
    fails_with(site, gateway, kind, 404, 12, "NR")


def test_a_host_that_nobody_serves(gateway):
    from peers.wire import Wire

    with Wire.connect(gateway.http_port) as wire:
        answer = wire.request("GET", "/", "nobody.invalid")
    assert answer.status == 404 and answer.get("content-type").startswith("text/plain")


def test_connection_refused(site, gateway, kind):
    site.serve(closed_port(), protocol="GRPC" if kind == "grpc" else None)
    fails_with(site, gateway, kind, 503, 14, "UF")


def test_a_name_without_an_address(site, gateway, kind):
    site.serve("nowhere.invalid:80", protocol="GRPC" if kind == "grpc" else None)
    fails_with(site, gateway, kind, 503, 14, "UH")


def test_another_address_is_taken_when_one_refuses(site, echo):
    site.serve(closed_port(), echo.port)
    assert {site.get("/").status for _ in range(20)} == {200}


def test_a_back_end_that_hangs_up_without_an_answer(site, gateway, kind):
    with RawServer(lambda wire: wire.read(10)) as server:
        site.serve(server.port, protocol="GRPC" if kind == "grpc" else None)
        fails_with(site, gateway, kind, 502, 14, "UC")


def test_a_back_end_that_resets_the_stream(site, gateway):
    with http2.Server(lambda connection, id, headers: connection.reset(id, 2)) as server:
        site.serve(server.port, protocol="GRPC")
        fails_with(site, gateway, "grpc", None, 14, "UR")


def test_a_stream_reset_after_messages_ends_with_a_status(site):
    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.data(id, b"\0\0\0\0\x03abc")
        connection.reset(id, 2)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            stream = client.grpc(site.host, "/a.B/C")
    assert stream.body == b"\0\0\0\0\x03abc", "the message that had come was lost"
    assert stream.grpc_status == 14


def test_a_connection_cut_in_mid_call_ends_with_a_status(site):
    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.wire.sock.shutdown(socket.SHUT_RDWR)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 14


def silent(wire):
    wire.read_to_end()


def test_the_response_timeout(site, gateway):
    with RawServer(silent) as server:
        site.serve(server.port, timeouts={"responseHeaders": 200})
        fails_with(site, gateway, "http", 504, None, "UT")


def test_the_total_timeout(site, gateway, kind):
    def script(connection, id, headers):
        pass

    with http2.Server(script) as server, RawServer(silent) as plain:
        port = server.port if kind == "grpc" else plain.port
        site.serve(port, protocol="GRPC" if kind == "grpc" else None, timeouts={"total": 200})
        fails_with(site, gateway, kind, 504, 4, "UT")


def test_an_idle_stream_ends_only_where_a_timeout_says_so(site, gateway):
    def begin_and_wait(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        wire.read_to_end()

    with RawServer(begin_and_wait) as server, site.http1(tls=False) as wire:
        site.serve(server.port, timeouts={"streamIdle": 200})
        with pytest.raises(Closed):
            wire.request("GET", "/idle", site.host)
    assert gateway.wait_log(authority=site.host, path="/idle")["flag"] == "SI"


@pytest.mark.parametrize(
    "status, code",
    [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (418, 2), (200, 2)],
)
def test_an_http_answer_to_a_grpc_call_is_translated(site, status, code):
    """gRPC over HTTP/2, "HTTP to gRPC Status Code Mapping": an HTML page must never reach a gRPC client."""

    def script(connection, id, headers):
        connection.respond(id, status, ("content-type", "text/html"))
        connection.data(id, b"<html>", end=True)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            stream = client.grpc(site.host, "/a.B/C")
    assert (stream.status, stream.grpc_status) == (200, code)
    assert b"html" not in stream.body


def test_a_call_that_ends_without_a_status_gets_one(site):
    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.data(id, b"\0\0\0\0\0", end=True)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 13


def test_trailers_only_answers_pass(site):
    def script(connection, id, headers):
        connection.respond(
            id,
            200,
            ("content-type", "application/grpc"),
            ("grpc-status", "5"),
            ("grpc-message", "not%20here"),
            end=True,
        )

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            stream = client.grpc(site.host, "/a.B/C")
    assert (stream.status, stream.grpc_status, stream.grpc_message) == (200, 5, "not%20here")


def test_long_trailers_pass(site):
    """Trailers of 16 KiB: proxies that cut them replace the status."""

    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.trail(id, ("grpc-status", "3"), ("x-detail-bin", "A" * 16_384))

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            stream = client.grpc(site.host, "/a.B/C")
    assert (stream.grpc_status, len(stream.trailers["x-detail-bin"])) == (3, 16_384)


def test_grpcio_sees_unavailable_with_the_reason(gateway, authority):
    site = Site(gateway, authority)
    site.serve(closed_port(), protocol="GRPC")
    with site.channel() as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/a.B/C")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "connection" in caught.value.details()


def test_a_head_request_gets_no_body_with_its_error(site):
    with site.http1(tls=False) as wire:
        assert wire.request("HEAD", "/", site.host).status == 404
        # In step: the next answer is not shifted by a stray body.
        assert wire.request("GET", "/", site.host).status == 404
