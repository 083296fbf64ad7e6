"""WebSocket through the gateway: messages, control frames, closing, and handshakes that must not become tunnels."""

import base64
import hashlib
import os
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from integration.waiting import wait_until
from peers.http1 import RawServer
from peers.wire import Closed

MIB = 1 << 20


@pytest.fixture(scope="module")
def ws_site(gateway, authority, ws_server):
    from integration.site import Site

    made = Site(gateway, authority, "ws.test")
    made.serve(ws_server.port)
    return made


@pytest.fixture(params=["wss", "ws"])
def tls(request):
    return request.param == "wss"


def handshake(host, path="/", key=None, **fields):
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{k}: {v}" for k, v in fields.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), key


def accept_for(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def accepting(wire, extra=b""):
    """Reads a handshake and answers it rightly; gives the request."""
    request = wire.read_head()
    wire.send(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_for(request.get('sec-websocket-key'))}\r\n\r\n".encode() + extra
    )
    return request


@pytest.mark.parametrize(
    "message",
    ["hello", "Grüße, 世界", "", b"", b"\x00\xff" * 100, "x" * MIB, b"\xa5" * MIB],
    ids=["text", "unicode", "empty", "empty binary", "binary", "1 MiB text", "1 MiB binary"],
)
def test_messages_come_back_as_they_were(ws_site, tls, message):
    with ws_site.websocket(tls=tls) as ws:
        ws.send(message)
        assert ws.recv(timeout=20) == message


def test_many_messages_keep_their_order(ws_site, tls):
    with ws_site.websocket(tls=tls) as ws:
        for index in range(500):
            ws.send(str(index))
        assert [ws.recv(timeout=20) for _ in range(500)] == [str(index) for index in range(500)]


def test_fragments_arrive(ws_site, tls):
    with ws_site.websocket(tls=tls) as ws:
        ws.send(iter(["one ", "two ", "three"]))
        assert ws.recv(timeout=10) == "one two three"


def test_ping_is_answered_by_the_far_end(ws_site, tls):
    with ws_site.websocket(tls=tls) as ws:
        assert ws.ping(b"payload").wait(10)


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "away"), (3000, "ours"), (4999, "x" * 123)])
def test_close_code_of_the_client_is_answered(ws_site, tls, code, reason):
    with ws_site.websocket(tls=tls) as ws:
        ws.close(code, reason)
    assert (ws.close_code, ws.close_reason) == (code, reason)


@pytest.mark.parametrize("code, reason", [(1000, "bye"), (1011, "failed"), (4001, "no")])
def test_close_code_of_the_server_arrives(ws_site, tls, code, reason):
    with ws_site.websocket(f"/close/{code}/{reason}", tls=tls) as ws:
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=10)
        assert (ws.close_code, ws.close_reason) == (code, reason)


def test_subprotocol_is_the_server_s_choice(ws_site):
    with ws_site.websocket(subprotocols=["other", "echo"]) as ws:
        assert ws.subprotocol in ("other", "echo")
        ws.send("x")
        assert ws.recv(timeout=10) == "x"


def test_a_slow_reader_does_not_grow_the_gateway(ws_site, gateway):
    """96 MiB wait at the back end while the client does not read; the gateway must hold only what its buffers may."""

    def resident():
        with open(f"/proc/{gateway.worker.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    request, _ = handshake(ws_site.host, f"/push/96/{MIB}")
    before = resident()
    with ws_site.http1() as wire:
        wire.send(request)
        assert wire.read_head().status == 101
        total = len(wire.input)
        # Read a little, then wait until the back end cannot get rid of more: the gateway's counters stand still.
        last, still = -1, 0

        def stalled():
            nonlocal last, still
            now = resident()
            still = still + 1 if now == last else 0
            last = now
            return still >= 20

        wait_until(stalled, 20, "the stream stalls", interval=0.02)
        assert resident() - before < 16 * MIB
        while total < 96 * MIB:
            wire.receive()
            total += len(wire.input)
            wire.input = b""


def test_the_handshake_reaches_the_server_unchanged(site):
    seen = []
    with RawServer(lambda wire: (seen.append(accepting(wire)), wire.read_to_end())) as server:
        site.serve(server.port)
        request, key = handshake(
            site.host,
            "/chat?room=1",
            Origin="https://page.test",
            **{"Sec-WebSocket-Extensions": "permessage-deflate", "Cookie": "a=1"},
        )
        with site.http1() as wire:
            wire.send(request)
            answer = wire.read_head()
            assert answer.status == 101 and answer.get("sec-websocket-accept") == accept_for(key)
        wait_until(lambda: seen, 5, "the server has read the request")
        assert seen[0].target == "/chat?room=1"
        for name, value in [
            ("Host", site.host),
            ("Origin", "https://page.test"),
            ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Version", "13"),
            ("Cookie", "a=1"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ("Upgrade", "websocket"),
        ]:
            assert seen[0].get(name) == value, name


def test_bytes_after_the_handshake_wait_for_the_101(site):
    early = threading.Event()

    def server_side(wire):
        request = wire.read_head()
        wire.sock.settimeout(0.3)
        try:
            wire.receive()
            early.set()
        except TimeoutError:
            pass
        wire.sock.settimeout(10)
        wire.send(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_for(request.get('sec-websocket-key'))}\r\n\r\n"
        )
        wire.send(wire.read(5))

    with RawServer(server_side) as server, site.http1() as wire:
        site.serve(server.port)
        wire.send(handshake(site.host)[0] + b"early")
        assert wire.read_head().status == 101
        assert wire.read(5) == b"early"
    assert not early.is_set(), "bytes went out before the tunnel was open"


def test_bytes_right_behind_the_101_arrive(site):
    with RawServer(lambda wire: (accepting(wire, b"\x82\x02hi"), wire.read_to_end())) as server:
        site.serve(server.port)
        with site.http1() as wire:
            wire.send(handshake(site.host)[0])
            assert wire.read_head().status == 101
            assert wire.read(4) == b"\x82\x02hi"


@pytest.mark.parametrize("status", [200, 302, 400, 403, 426, 503])
def test_an_answer_that_is_no_101_passes_as_a_response(site, status):
    def refuse(wire):
        wire.read_head()
        wire.send(f"HTTP/1.1 {status} Refused\r\nContent-Length: 6\r\nX-Reason: mine\r\nLocation: /\r\n\r\nsorry!")

    with RawServer(refuse) as server, site.http1() as wire:
        site.serve(server.port)
        wire.send(handshake(site.host)[0])
        response = wire.read_response()
    assert (response.status, response.get("x-reason"), response.body) == (status, "mine", b"sorry!")


@pytest.mark.parametrize("accept", ["", "Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n"], ids=["none", "wrong"])
def test_a_101_with_a_bad_accept_opens_no_tunnel(site, accept):
    def pretend(wire):
        wire.read_head()
        wire.send(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{accept}\r\nsecret"
        )
        wire.read_to_end()

    with RawServer(pretend) as server, site.http1() as wire:
        site.serve(server.port)
        wire.send(handshake(site.host)[0])
        answer = wire.read_response()
        assert answer.status == 502
        assert b"secret" not in answer.body + wire.input


def test_a_101_to_a_plain_request_is_an_error(site):
    def pretend(wire):
        wire.read_head()
        wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        wire.read_to_end()

    with RawServer(pretend) as server:
        site.serve(server.port)
        assert site.get("/").status == 502


def test_a_handshake_on_a_grpc_route_is_refused_with_a_reason(site, grpc_server):
    site.serve(grpc_server.port, protocol="GRPC")
    with pytest.raises(InvalidStatus) as caught:
        site.websocket()
    response = caught.value.response
    assert 400 <= response.status_code < 500
    assert b"gRPC" in response.body or b"grpc" in response.body


@pytest.mark.parametrize("broken", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_handshake_without_its_parts_is_refused(site, echo, broken):
    site.serve(echo.port)
    request, _ = handshake(site.host)
    request = b"\r\n".join(line for line in request.split(b"\r\n") if not line.startswith(broken.encode()))
    with site.http1() as wire:
        wire.send(request)
        assert wire.read_response().status in (400, 426)
    assert echo.seen == []


@pytest.mark.parametrize("keys", [("c2hvcnQ=",), ("",), ("A" * 64,), ("dGhlIHNhbXBsZSBub25jZQ==",) * 2], ids=["short", "empty", "long", "two"])
def test_a_key_that_is_none_is_refused(site, gateway, echo, keys):
    """RFC 6455 §4.2.1, item 5: once, and 16 bytes in base64."""
    site.serve(echo.port)
    request, key = handshake(site.host)
    lines = b"".join(b"Sec-WebSocket-Key: %b\r\n" % each.encode() for each in keys)
    counted = gateway.metric("causeway_errors_total", kind="webSocketBadHandshake")
    with site.http1() as wire:
        wire.send(request.replace(b"Sec-WebSocket-Key: %b\r\n" % key.encode(), lines))
        assert wire.read_response().status == 400
        assert wire.is_closed()
        peer = "{}:{}".format(*wire.sock.getsockname())
    record = gateway.wait_log(peer=peer, status=400)
    assert (record["flag"], record["reason"]) == ("DPE", "the WebSocket handshake is malformed")
    wait_until(lambda: gateway.metric("causeway_errors_total", kind="webSocketBadHandshake") == counted + 1, 5, "it is counted")
    assert echo.seen == []


def test_another_version_is_refused_with_what_to_upgrade_to(site, echo):
    """RFC 9110 §15.5.22: a 426 has Upgrade; RFC 6455 §4.4: and the version."""
    site.serve(echo.port)
    request, _ = handshake(site.host)
    with site.http1() as wire:
        wire.send(request.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"))
        answer = wire.read_response()
        assert (answer.status, answer.get("upgrade"), answer.get("sec-websocket-version")) == (426, "websocket", "13")
        assert answer.all("connection") == ["close, Upgrade"]
        assert wire.is_closed()
    assert echo.seen == []


def test_the_server_s_reset_ends_the_client(site):
    with RawServer(lambda wire: (accepting(wire), wire.read(4), wire.reset())) as server, site.http1() as wire:
        site.serve(server.port)
        wire.send(handshake(site.host)[0])
        assert wire.read_head().status == 101
        wire.send(b"over")
        assert wire.is_closed()


def test_the_client_s_end_reaches_the_server(site):
    ended = threading.Event()

    def server_side(wire):
        accepting(wire)
        try:
            wire.read(1)
        except Closed:
            ended.set()

    with RawServer(server_side) as server:
        site.serve(server.port)
        with site.http1() as wire:
            wire.send(handshake(site.host)[0])
            assert wire.read_head().status == 101
        assert ended.wait(10)


def test_an_end_that_comes_with_the_last_bytes_is_not_missed(site):
    """The FIN may arrive while the bytes before it are being read: a short read says nothing about it, EPOLLRDHUP does."""

    def server_side(wire):
        accepting(wire)
        wire.read(4)
        wire.send(b"\x88\x02\x03\xe8")  # and FIN at once

    with RawServer(server_side) as server:
        site.serve(server.port)
        for turn in range(100):
            with site.http1(tls=False, timeout=2) as wire:
                wire.send(handshake(site.host)[0])
                assert wire.read_head().status == 101
                wire.send(b"over")
                assert wire.read_to_end() == b"\x88\x02\x03\xe8", f"turn {turn}"


def test_bytes_of_the_server_arrive_after_the_client_has_finished_sending(site):
    """Half-close: a FIN from the client must not swallow what the server still says."""

    def server_side(wire):
        accepting(wire)
        wire.read_to_end()
        wire.send(b"last words")

    with RawServer(server_side) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(handshake(site.host)[0])
        assert wire.read_head().status == 101
        wire.half_close()
        assert wire.read_to_end() == b"last words"
