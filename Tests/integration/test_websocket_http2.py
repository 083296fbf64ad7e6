"""WebSocket over HTTP/2 (RFC 8441): clients that open one by extended CONNECT, back ends that take one that way."""

import signal
import socket
import ssl
import threading

import h2.errors
import pytest
from websockets.exceptions import InvalidStatus
from wsproto.events import CloseConnection, Ping, TextMessage

from integration.test_upstream_tls import server_context
from integration.test_websocket import accept_for, accepting, handshake
from integration.waiting import wait_until
from peers import http2
from peers.http1 import RawServer
from peers.running import RunningPeer
from peers.ws_http2 import EchoServer, WebSocket, open_connect

MIB = 1 << 20


@pytest.fixture(params=["tls", "clear"])
def tls(request):
    return request.param == "tls"


@pytest.fixture
def client(site, tls):
    with site.http2(tls=tls) as made:
        yield made


# ---- clients over HTTP/2, back ends over HTTP/1.1


def test_the_setting_is_offered_to_clients(site):
    with site.http2() as client:
        client.until(lambda: client.settings > 0)
        assert client.h2.remote_settings.enable_connect_protocol == 1


@pytest.mark.parametrize("message", ["hello", "Grüße, 世界", "x" * MIB], ids=["text", "unicode", "1 MiB"])
def test_messages_come_back_as_they_were(site, client, ws_server, message):
    site.serve(ws_server.port)
    ws = WebSocket(client, site.host, "/chat")
    assert ws.status == 200
    for _ in range(3):
        ws.send(TextMessage(data=message))
        assert ws.receive() == message
    ws.send(Ping(payload=b"there?"))
    ws.until(lambda: ws.pongs)
    assert ws.pongs == [b"there?"]
    ws.send(CloseConnection(code=3000, reason="done"))
    ws.until(lambda: ws.close)
    assert (ws.close.code, ws.close.reason) == (3000, "done")
    ws.end()
    assert ws.ended_in_order()


def test_the_handshake_that_the_back_end_sees(site, client):
    seen = []

    def serve(wire):
        seen.append(wire.read_head())
        wire.send(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-More: 1\r\n"
            f"Sec-WebSocket-Accept: {accept_for(seen[-1].get('sec-websocket-key'))}\r\n"
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        wire.read_to_end()

    fields = [
        ("origin", "https://page.test"),
        ("sec-websocket-protocol", "chat, other"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("cookie", "a=1"),
        ("sec-websocket-key", "not a key of RFC 6455 at all"),
    ]
    with RawServer(serve) as server:
        site.serve(server.port)
        answers = [WebSocket(client, site.host, "/chat?room=1", *fields).handshake.headers for _ in range(2)]
    request = seen[0]
    assert (request.method, request.target) == ("GET", "/chat?room=1")
    for name, value in [
        ("host", site.host),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("origin", "https://page.test"),
        ("sec-websocket-protocol", "chat, other"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("cookie", "a=1"),
    ]:
        assert request.all(name) == [value], name
    keys = [each.all("sec-websocket-key") for each in seen]
    assert [len(each) for each in keys] == [1, 1] and keys[0] != keys[1]
    assert all(len(each[0]) == 24 for each in keys)
    for answer in answers:
        assert answer["sec-websocket-protocol"] == "chat" and answer["x-more"] == "1"
        assert answer["sec-websocket-extensions"] == "permessage-deflate"
        assert not {"sec-websocket-accept", "sec-websocket-key", "upgrade", "connection"} & set(answer)


def test_what_the_client_sends_early_waits_for_the_answer(site, client):
    early = threading.Event()

    def serve(wire):
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
        wire.send(wire.read_to_end())

    with RawServer(serve) as server:
        site.serve(server.port)
        stream = open_connect(client, site.host, "/")
        client.data(stream.id, b"early, and the end", end=True)
        client.finish(stream)
    assert (stream.status, stream.body, stream.reset) == (200, b"early, and the end", None)
    assert not early.is_set(), "bytes went out before the tunnel was open"


def test_no_more_is_held_than_a_stream_s_window(site, client):
    answered = threading.Event()

    def serve(wire):
        wire.read_head()
        answered.wait(10)
        wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        wire.read_to_end()

    with RawServer(serve) as server:
        site.serve(server.port)
        stream = open_connect(client, site.host, "/")
        for answers in (1, 2):  # by the first answer its SETTINGS have come: then all that they allow is sent
            client.data(stream.id, b"x" * client.h2.local_flow_control_window(stream.id))
            client.h2.ping(b"12345678")
            client.flush()
            client.until(lambda: len(client.pings) == answers)
        assert client.h2.local_flow_control_window(stream.id) == 0, "credit was given for bytes that are held"
        answered.set()
        client.finish(stream)
        assert (stream.status, stream.body) == (403, b"no")
        # The connection window is whole again: others do not pay.
        assert client.request("GET", site.host, "/none").status == 403


@pytest.mark.parametrize("status", [200, 302, 401, 403, 426, 503])
def test_a_refused_handshake_is_a_normal_response(site, client, status):
    def refuse(wire):
        wire.read_head()
        wire.send(f"HTTP/1.1 {status} Refused\r\nContent-Length: 6\r\nX-Reason: mine\r\n\r\nsorry!")
        wire.read_to_end()

    with RawServer(refuse) as server:
        site.serve(server.port)
        stream = client.finish(open_connect(client, site.host, "/"))
        assert (stream.status, stream.headers["x-reason"], stream.body) == (status, "mine", b"sorry!")


def test_a_101_with_a_wrong_accept_is_a_502(site, client):
    def pretend(wire):
        wire.read_head()
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\nsecret"
        )
        wire.read_to_end()

    with RawServer(pretend) as server:
        site.serve(server.port)
        stream = client.finish(open_connect(client, site.host, "/"))
        assert stream.status == 502 and b"secret" not in stream.body


def test_on_a_grpc_route_it_is_refused_with_a_reason(site, client, grpc_server):
    site.serve(grpc_server.port, protocol="GRPC")
    stream = client.finish(open_connect(client, site.host, "/"))
    assert stream.status == 400 and b"gRPC" in stream.body


def test_other_protocols_are_not_implemented(site, client, echo):
    site.serve(echo.port)
    stream = client.finish(open_connect(client, site.host, "/", protocol="connect-udp"))
    assert stream.status == 501 and b"websocket" in stream.body
    assert echo.seen == []


@pytest.mark.parametrize("version, status", [(None, 426), ("8", 426)])
def test_another_version_is_refused_with_the_right_one(site, client, echo, version, status):
    site.serve(echo.port)
    stream = client.finish(open_connect(client, site.host, "/", version=version))
    assert stream.status == status and stream.headers["sec-websocket-version"] == "13"
    assert echo.seen == []


@pytest.mark.parametrize(
    "head, expected",
    [
        ([(":method", "CONNECT"), (":authority", "{}:443")], 501),
        ([(":method", "CONNECT"), (":authority", "{}"), (":scheme", "https"), (":path", "/")], "reset"),
        ([(":method", "CONNECT"), (":authority", "{}"), (":path", "/")], "reset"),
        ([(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "{}"), (":path", "/")], "reset"),
        ([(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "{}"), (":scheme", "https")], "reset"),
        ([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/")], "reset"),
        (
            [
                (":method", "GET"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":authority", "{}"),
                (":path", "/"),
            ],
            "reset",
        ),
        ([(":method", "CONNECT")], "reset"),
    ],
    ids=["plain", "scheme and path", "path", "no scheme", "no path", "no authority", "GET", "nothing"],
)
def test_connect_that_is_none_or_malformed(site, echo, head, expected):
    """RFC 9113 §8.5, RFC 8441 §4: malformed is a stream error; a plain CONNECT is understood and not offered."""
    site.serve(echo.port)
    with site.http2(validate=False) as client:
        id = client.h2.get_next_available_stream_id()
        client.h2.send_headers(id, [(name, value.format(site.host)) for name, value in head])
        client.streams[id] = http2.Stream(id)
        client.flush()
        stream = client.finish(client.streams[id])
        if expected == "reset":
            assert stream.reset == h2.errors.ErrorCodes.PROTOCOL_ERROR and stream.status is None
        else:
            assert stream.status == expected
        assert client.request("GET", site.host, "/after").status == 200
    assert [each.target for each in echo.seen] == ["/after"]


def test_end_of_stream_is_fin_at_once_and_the_other_way_stays_open(site, client):
    ended = threading.Event()

    def serve(wire):
        accepting(wire)
        assert wire.read_to_end() == b"last"
        ended.set()
        wire.send(b"answer")

    with RawServer(serve) as server:
        site.serve(server.port)
        ws = WebSocket(client, site.host)
        ws.send_raw(b"last", end=True)
        assert ended.wait(10)
        stream = client.finish(ws.handshake)
        assert (stream.body, stream.reset) == (b"answer", None)


def test_fin_is_end_of_stream(site, client):
    heard = []

    def serve(wire):
        accepting(wire)
        wire.send(b"bye")
        wire.half_close()
        heard.append(wire.read_to_end())

    with RawServer(serve) as server:
        site.serve(server.port)
        ws = WebSocket(client, site.host)
        client.until(lambda: ws.handshake.ended)
        assert ws.handshake.body == b"bye" and ws.handshake.reset is None
        ws.send_raw(b"still here", end=True)
        wait_until(lambda: heard == [b"still here"], 10, "the back end hears the client's last words")


def test_close_notify_and_the_fin_behind_it_are_one_end(site, authority):
    ended, heard = threading.Event(), []

    def serve(wire):
        accepting(wire)
        wire.send(b"bye")
        with pytest.raises(ssl.SSLWantReadError):
            wire.sock.setblocking(False)
            wire.sock.unwrap()
        wire.sock.settimeout(10)
        assert ended.wait(10), "the client does not hear of close_notify"
        socket.socket.shutdown(wire.sock, socket.SHUT_WR)
        heard.append(wire.read(6))

    context = server_context(authority.issue("back.test"))
    with RawServer(serve, tls=context) as server, site.http2() as client:
        site.gateway.api.create_static(site.name, server.port, protocol="https", sni="back.test", tlsVerify=False)
        site.route(site.name, f"{site.name}.static")
        ws = WebSocket(client, site.host)
        client.until(lambda: ws.handshake.ended)
        ended.set()
        for part in (b"still ", b"here"):
            ws.send_raw(part)
            client.h2.ping(b"all read")
            client.flush()
            client.until(lambda: client.pings)
            client.pings.clear()
        wait_until(lambda: heard == [b"still "], 10, "the back end hears what comes behind its end")
        assert (ws.handshake.body, ws.handshake.reset) == (b"bye", None)


def test_rst_stream_is_a_tcp_reset(site, client):
    ends = []

    def serve(wire):
        accepting(wire)
        try:
            wire.sock.recv(100)
            ends.append("fin")
        except ConnectionResetError:
            ends.append("reset")

    with RawServer(serve) as server:
        site.serve(server.port)
        ws = WebSocket(client, site.host)
        client.h2.reset_stream(ws.handshake.id, h2.errors.ErrorCodes.CANCEL)
        client.flush()
        wait_until(lambda: ends, 10, "the back end notices")
        assert ends == ["reset"]


def test_a_tcp_reset_is_rst_stream_cancel(site, client):
    with RawServer(lambda wire: (accepting(wire), wire.read(4), wire.reset())) as server:
        site.serve(server.port)
        ws = WebSocket(client, site.host)
        ws.send_raw(b"over")
        assert client.finish(ws.handshake).reset == h2.errors.ErrorCodes.CANCEL


def test_a_slow_reader_stops_the_back_end_and_nobody_else(site, ws_server, gateway):
    site.serve(ws_server.port)
    with site.http2(credit=False) as client:
        client.h2.increment_flow_control_window(MIB)  # of the connection: only the stream's is not given back
        client.flush()
        slow = WebSocket(client, site.host, f"/push/64/{MIB}")
        window = len(slow.handshake.body)
        client.until(lambda: len(slow.handshake.body) >= 65_535)
        other = WebSocket(client, site.host)
        other.send(TextMessage(data="hello"))
        assert other.receive() == "hello"
        assert window <= len(slow.handshake.body) <= 65_535, "more than the stream's window came"


def test_websockets_and_requests_share_a_connection(site, client, ws_server, echo):
    site.serve(ws_server.port, path="/ws")
    site.serve(echo.port, path="/http")
    sockets = [WebSocket(client, site.host, f"/ws/{number}") for number in range(20)]
    for number, ws in enumerate(sockets):
        ws.send(TextMessage(data=str(number)))
    assert [ws.receive() for ws in sockets] == [str(number) for number in range(20)]
    assert client.request("GET", site.host, "/http").status == 200


def test_the_log_calls_it_a_websocket(site, gateway, ws_server):
    site.serve(ws_server.port)
    with site.http2() as client:
        ws = WebSocket(client, site.host, "/logged")
        ws.end()
        client.finish(ws.handshake)
    record = gateway.wait_log(authority=site.host, path="/logged")
    assert (record["protocol"], record["status"], record["flag"]) == ("websocket", 200, "-")


def test_a_drain_closes_with_1001(new_gateway, authority, ws_server):
    from integration.site import Site

    gateway = new_gateway(drain_timeout=1).start()
    site = Site(gateway, authority)
    site.serve(ws_server.port)
    with site.http2() as client:
        ws = WebSocket(client, site.host)
        ws.send(TextMessage(data="x"))
        assert ws.receive() == "x"
        gateway.worker.signal(signal.SIGTERM)
        ws.until(lambda: ws.close)
        assert ws.close.code == 1001


# ---- back ends over HTTP/2


@pytest.fixture(params=["h2", "h2c"])
def back(request, authority):
    """Makes h2 back ends, with what a source says of them."""
    secure = request.param == "h2"

    def make(kind=EchoServer, **more):
        tls = server_context(authority.issue("back.test"), ["h2"]) if secure else None
        return kind(tls=tls, **more)

    make.scheme = "https" if secure else "http"
    make.source = {"protocol": "http2s", "tlsVerify": False} if secure else {"protocol": "http2"}
    return make


def serve(site, back, server):
    site.gateway.api.create_static(site.name, server.port, **back.source)
    site.route(site.name, f"{site.name}.static")


def test_a_back_end_that_offers_it_gets_an_extended_connect_from_http1(site, back):
    with back(fields=[("sec-websocket-protocol", "chat")]) as server:
        serve(site, back, server)
        with site.websocket("/chat?room=1", subprotocols=["chat"], origin="https://page.test") as ws:
            assert ws.subprotocol == "chat"
            for message in ["hello", "x" * MIB, b"\xa5" * 100]:
                ws.send(message)
                assert ws.recv(timeout=20) == message
            ws.close(3001, "done")
            assert (ws.close_code, ws.close_reason) == (3001, "done")
        assert server.ended.wait(10)
        head = server.seen[0]
        assert (head[":method"], head[":protocol"], head[":path"]) == ("CONNECT", "websocket", "/chat?room=1")
        assert head[":scheme"] == back.scheme and head[":authority"].startswith(site.host)
        assert head["origin"] == "https://page.test" and head["sec-websocket-version"] == "13"
        assert not {"sec-websocket-key", "upgrade", "connection"} & set(head)


def test_a_back_end_that_offers_it_gets_an_extended_connect_from_http2(site, back, client):
    with back() as server:
        serve(site, back, server)
        sockets = [WebSocket(client, site.host, f"/{number}") for number in range(5)]
        for ws in sockets:
            assert ws.status == 200
            ws.send(TextMessage(data="hello"))
        for ws in sockets:
            assert ws.receive() == "hello"
            ws.end()
            assert ws.ended_in_order()
        assert server.connections == 1, "WebSockets did not share the connection"


def test_plain_requests_share_the_connection_with_websockets(site, back):
    with back() as server:
        serve(site, back, server)
        assert site.get("/first").status == 200
        with site.websocket() as ws:
            ws.send("hello")
            assert ws.recv(timeout=10) == "hello"
            assert site.get("/second").status == 200
        assert server.connections <= 2  # one for each loop


@pytest.mark.parametrize("status", [302, 401, 403, 503])
def test_a_refusal_over_http2_is_a_normal_response(site, back, client, status):
    with back(refuse=status) as server:
        serve(site, back, server)
        stream = client.finish(open_connect(client, site.host, "/"))
        assert (stream.status, stream.headers["x-reason"], stream.body) == (status, "mine", b"sorry!")
        with site.http1() as wire:
            wire.send(handshake(site.host)[0])
            response = wire.read_response()
            assert (response.status, response.get("x-reason"), response.body) == (status, "mine", b"sorry!")


def test_a_reset_of_the_stream_ends_the_client(site, back, client):
    def script(connection, id, headers):
        connection.respond(id, 200)
        connection.reset(id)

    with back(http2.Server, script=script, wait_for_end=False, first_settings={8: 1}) as server:
        serve(site, back, server)
        ws = WebSocket(client, site.host)
        assert client.finish(ws.handshake).reset == h2.errors.ErrorCodes.CANCEL


def test_a_client_that_breaks_off_resets_the_stream(site, back):
    with back() as server:
        serve(site, back, server)
        with site.http1(tls=False) as wire:
            wire.send(handshake(site.host)[0])
            assert wire.read_head().status == 101
            wire.reset()
        wait_until(lambda: server.resets, 10, "the back end hears of it")
        assert server.resets[0][1] == h2.errors.ErrorCodes.CANCEL


def test_a_back_end_that_speaks_both_gets_http1_where_it_offers_nothing(site, client):
    """A clear-text back end that takes HTTP/2 with prior knowledge, and HTTP/1.1 with its upgrade, on the same port."""
    kinds = []

    class Both(http2.Server):
        def _connection(self, wire):
            while len(wire.input) < 3:
                wire.receive()
            kinds.append("http2" if wire.input.startswith(b"PRI") else "http1")
            if kinds[-1] == "http1":
                accepting(wire, b"\x81\x02hi")
                return wire.read_to_end()
            data, wire.input = wire.input, b""
            connection = http2.ServerConnection(self, wire)
            connection.h2.initiate_connection()
            for event in connection.h2.receive_data(data):
                connection._take(event)
            connection.flush()
            while True:
                wire.receive()
                data, wire.input = wire.input, b""
                for event in connection.h2.receive_data(data):
                    connection._take(event)
                connection.flush()

    with Both() as server:
        site.gateway.api.create_static(site.name, server.port, protocol="http2")
        site.route(site.name, f"{site.name}.static")
        ws = WebSocket(client, site.host)
        client.until(lambda: len(ws.handshake.body) >= 4)
        assert (ws.status, ws.handshake.body) == (200, b"\x81\x02hi")
        with site.http1() as wire:
            wire.send(handshake(site.host)[0])
            assert wire.read_head().status == 101 and wire.read(4) == b"\x81\x02hi"
    assert set(kinds) == {"http1", "http2"}


def test_an_http1_back_end_behind_a_source_of_http2_still_gets_the_handshake(site, ws_server):
    site.gateway.api.create_static(site.name, ws_server.port, protocol="http2")
    site.route(site.name, f"{site.name}.static")
    with site.websocket() as ws:
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"


def test_a_back_end_that_takes_neither_is_a_502_with_a_reason(site, back, client, gateway):
    with back(http2.Server) as server:
        serve(site, back, server)
        for turn in range(2):  # asked, and remembered
            stream = client.finish(open_connect(client, site.host, f"/{turn}"))
            assert stream.status == 502 and b"RFC 8441" in stream.body, stream
            record = gateway.wait_log(authority=site.host, path=f"/{turn}")
            assert record["flag"] == "UPE" and "HTTP/1.1" in record["reason"]
        assert client.request("GET", site.host, "/plain").status == 200


# ---- hypercorn, which offers RFC 8441 and speaks HTTP/1.1 as well


@pytest.fixture(params=["http2", "http2s", "http", "https"])
def hypercorn(request, site, authority):
    identity = authority.issue("back.test")
    options = ["--tls", identity.path, identity.key_path] if request.param.endswith("s") else []
    with RunningPeer("hypercorn_echo.py", *options) as peer:
        site.gateway.api.create_static(site.name, peer.port, protocol=request.param, tlsVerify=False)
        site.route(site.name, f"{site.name}.static")
        yield "2" if request.param.startswith("http2") else "1.1"


def test_hypercorn_from_http1(site, hypercorn):
    with site.websocket("/version", subprotocols=["chat"], close_timeout=1) as ws:  # hypercorn leaves the end to clients
        assert ws.subprotocol == "chat"
        assert ws.recv(timeout=10) == hypercorn
        for message in ["hello", "x" * MIB, b"\xa5" * MIB]:
            ws.send(message)
            assert ws.recv(timeout=20) == message
    with pytest.raises(InvalidStatus) as caught:
        site.websocket("/refuse")
    assert caught.value.response.status_code == 403


def test_hypercorn_from_http2(site, hypercorn, client):
    ws = WebSocket(client, site.host, "/version", ("sec-websocket-protocol", "chat"))
    assert ws.status == 200 and ws.handshake.headers["sec-websocket-protocol"] == "chat"
    assert ws.receive() == hypercorn
    for message in ["hello", "x" * MIB]:
        ws.send(TextMessage(data=message))
        assert ws.receive() == message
    ws.send(CloseConnection(code=1000))
    ws.until(lambda: ws.close)
    assert ws.close.code == 1000
    assert client.finish(open_connect(client, site.host, "/refuse")).status == 403
