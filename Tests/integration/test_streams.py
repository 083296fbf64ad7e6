"""What runs now: the worker's list of live streams, and the power to end one of them."""

import contextlib
import json
import re
import socket
import stat
import threading

import grpc
import pytest
from websockets.exceptions import ConnectionClosed
from wsproto.events import TextMessage

from integration.site import Site
from integration.test_observability import PARENT, TRACE, listener_of
from integration.waiting import wait_until
from peers.http1 import RawServer
from peers.protos import Ask, Kinds, Nothing
from peers.wire import Wire
from peers.ws_http2 import WebSocket

def inspect(gateway, method, target, *fields, socket_path=None):
    """One request to the inspection endpoint: status, and the lines of the answer."""
    if socket_path:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(socket_path))
        wire = Wire(sock)
    else:
        wire = Wire.connect(gateway.metrics_port)
    with wire:
        if not any(name.lower() == "host" for name, _ in fields):
            fields = (("Host", f"127.0.0.1:{gateway.metrics_port}"), *fields)
        wire.send(f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n")
        answer = wire.read_response()
    assert len(answer.body) == int(answer.get("content-length"))
    return answer


def streams(gateway, query="", **more):
    answer = inspect(gateway, "GET", f"/streams{query}", **more)
    assert answer.status == 200, answer.body
    assert answer.get("content-type") == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def is_of(site, listed):
    """Some clients name the port as well."""
    return listed["authority"].partition(":")[0] == site.host


def stream_of(gateway, site, **fields):
    """The one stream of a site, once it is listed."""

    def found():
        mine = [each for each in streams(gateway, "?limit=1000") if is_of(site, each)]
        return len(mine) == 1 and all(mine[0][key] == value for key, value in fields.items()) and mine[0]

    return wait_until(found, 10, f"a stream of {site.host} with {fields}")


def end(gateway, id, **more):
    answer = inspect(gateway, "POST", f"/streams/{id}/close", **more)
    assert (answer.status, answer.body) == (200, b"ended\n")


def hold(request, context=None):
    """A stream of asks that goes on until it is let go."""
    yield Ask(payload=b"first")
    request.wait(30)


def test_a_grpc_stream_is_listed_and_ended(gateway, site, grpc_server):
    route = site.serve(grpc_server.port, protocol="GRPC")
    go = threading.Event()
    with site.channel() as channel:
        call = Kinds(channel).Bidi(hold(go), timeout=30, metadata=[("traceparent", PARENT)])
        assert next(call).payload == b"first"
        listed = stream_of(gateway, site, messages_out=1)
        assert {key: listed[key] for key in ("route", "protocol", "method", "path", "trace_id", "messages_in")} == {
            "route": route["name"],
            "protocol": "h2",
            "method": "POST",
            "path": "/causeway.test.Kinds/Bidi",
            "trace_id": TRACE,
            "messages_in": 1,
        }
        assert listed["cluster"] == f"{route['name']}.static/GRPC"
        assert listed["endpoint"] == f"127.0.0.1:{grpc_server.port}"
        assert listed["listener"] == listener_of(gateway, gateway.https_port)
        assert listed["peer"].startswith("127.0.0.1:") and listed["version"] > 0
        assert listed["age_ms"] >= 1000 and 0 <= listed["idle_ms"] <= listed["age_ms"]
        assert listed["bytes_in"] > 5 and listed["bytes_out"] > 5
        assert re.fullmatch(r"\d-\d+", listed["id"])
        end(gateway, listed["id"])
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "operator" in caught.value.details()
        record = gateway.wait_log(authority=site.host, path="/causeway.test.Kinds/Bidi")
        assert (record["flag"], record["grpc_status"]) == ("EO", 14)
        assert inspect(gateway, "POST", f"/streams/{listed['id']}/close").status == 404, "it has gone"
        go.set()
        # The connection lives: only the stream was ended.
        Kinds(channel).Unary(Ask(), timeout=10)
    # The service heard of it, too.
    with grpc.insecure_channel(f"127.0.0.1:{grpc_server.port}") as direct:
        wait_until(lambda: Kinds(direct).Seen(Nothing(), timeout=5).active <= 1, 5, "the call is cancelled")


@pytest.mark.parametrize("over", ["h1", "h2"])
def test_a_websocket_is_listed_and_ended(gateway, site, ws_server, over):
    site.serve(ws_server.port)
    path = f"/live-{over}"
    with contextlib.ExitStack() as stack:
        if over == "h1":
            ws = stack.enter_context(site.websocket(path))
            ws.send("one")
            ws.recv(timeout=5)
        else:
            ws = WebSocket(stack.enter_context(site.http2()), site.host, path)
            ws.send(TextMessage(data="one"))
            ws.receive()
        listed = stream_of(gateway, site, protocol="websocket", messages_in=1, messages_out=1)
        end(gateway, listed["id"])
        if over == "h1":
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=5)
            assert ws.close_code == 1012
        else:
            ws.until(lambda: ws.close)
            assert ws.close.code == 1012
    record = gateway.wait_log(path=path)
    assert (record["flag"], record["close_code"]) == ("EO", 1012)


def test_a_download_is_listed_and_cut(gateway, site):
    def begin(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + "x" * 500)
        wire.read_to_end()

    with RawServer(begin) as server, site.http1() as wire, site.http2() as client:
        site.serve(server.port)
        wire.send(f"GET /down HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wire.read(200)
        listed = stream_of(gateway, site, bytes_out=500)
        assert (listed["messages_in"], listed["protocol"]) == (None, "http/1.1")
        end(gateway, listed["id"])
        wire.read_to_end()
        assert gateway.wait_log(path="/down")["flag"] == "EO"
        stream = client.open("GET", site.host, "/down2")
        listed = stream_of(gateway, site, protocol="h2", bytes_out=500)
        end(gateway, listed["id"])
        assert client.finish(stream).reset is not None
        assert gateway.wait_log(path="/down2")["flag"] == "EO"


def test_one_that_was_not_answered_gets_503(gateway, site):
    with RawServer(lambda wire: wire.read_to_end()) as server, site.http1() as wire:
        site.serve(server.port)
        wire.send(f"GET /silent HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        end(gateway, stream_of(gateway, site)["id"])
        assert wire.read_response().status == 503
    assert gateway.wait_log(path="/silent")["flag"] == "EO"


def test_the_list_is_bounded_and_filtered(gateway, authority):
    one, two = Site(gateway, authority), Site(gateway, authority)
    with RawServer(lambda wire: wire.read_to_end()) as server, one.http2() as first, two.http2() as second:
        routes = [site.serve(server.port)["name"] for site in (one, two)]
        for number in range(80):
            first.open("GET", one.host, f"/{number}")
        for number in range(80):
            second.open("GET", two.host, f"/{number}")
        second.open("GET", two.host, "/" + "x" * 5_000)
        wait_until(lambda: len(streams(gateway, f"?route={routes[1]}")) == 81, 10, "all are listed")
        assert len({each["id"] for each in streams(gateway, "?limit=1000")}) == 161
        assert len(streams(gateway)) == 100
        assert {each["route"] for each in streams(gateway, f"?route={routes[0]}")} == {routes[0]}
        assert len(streams(gateway, f"?route={routes[0]}&limit=7")) == 7
        assert streams(gateway, "?route=no-such-route") == []
        assert max(len(each["path"]) for each in streams(gateway, "?limit=1000")) <= 1_024
        more = [inspect(gateway, "GET", f"/streams?limit={n}").get("causeway-more") for n in (160, 161)]
        assert more == ["true", "false"]
        for limit in ("0", "-1", "x"):
            assert inspect(gateway, "GET", f"/streams?limit={limit}").status == 400
    wait_until(lambda: not streams(gateway), 10, "nothing runs any more")


def test_the_list_comes_while_connections_come_and_go(gateway, site, ws_server, echo):
    """More connections than a tick looks at, some of which close while the list is made."""
    site.serve(echo.port)
    site.serve(ws_server.port, path="/held")
    with site.websocket("/held"):
        stream_of(gateway, site, path="/held")
        wires = [Wire.connect(gateway.http_port) for _ in range(300)]
        stop = threading.Event()

        def churn():
            while wires and not stop.is_set():
                wires.pop().close()
                Wire.connect(gateway.http_port).close()

        thread = threading.Thread(target=churn)
        thread.start()
        for _ in range(50):
            assert [each["path"] for each in streams(gateway) if is_of(site, each)] == ["/held"]
        stop.set()
        thread.join()
        for wire in wires:
            wire.close()


@pytest.mark.parametrize(
    "fields",
    [
        [("Origin", "http://evil.test")],
        [("Origin", "null")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Host", "evil.test:9901")],
        [("Host", "127.0.0.1.evil.test")],
        [("Host", "127.0.0.1"), ("Host", "evil.test")],
    ],
    ids=str,
)
def test_pages_in_browsers_neither_see_nor_end_streams(gateway, site, ws_server, fields):
    site.serve(ws_server.port)
    with site.websocket() as ws:
        id = stream_of(gateway, site)["id"]
        assert inspect(gateway, "GET", "/streams", *fields).status == 403
        assert inspect(gateway, "POST", f"/streams/{id}/close", *fields).status == 403
        ws.send("alive")
        assert ws.recv(timeout=5) == "alive"


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/streams/0-1/close", 405),
        ("POST", "/streams", 405),
        ("POST", "/metrics", 405),
        ("POST", "/streams/0-999999999/close", 404),
        ("POST", "/streams/9-1/close", 404),
        ("POST", "/streams/-1-1/close", 404),
        ("POST", "/streams/x/close", 404),
        ("POST", "/streams/0-18446744073709551616/close", 404),
        ("POST", "/streams/0-1", 404),
        ("POST", "/streams/0-0/close", 404),
    ],
)
def test_what_is_no_stream(gateway, method, path, status):
    assert inspect(gateway, method, path).status == status


def test_the_same_on_a_unix_socket(new_gateway, authority, ws_server, tmp_path):
    path = tmp_path / "inspect.sock"
    socket.socket(socket.AF_UNIX).bind(str(path))  # left by a worker that was killed
    gateway = new_gateway(loops=1, worker_options=["--inspect-socket", path]).start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    site = Site(gateway, authority)
    site.serve(ws_server.port)
    assert b"causeway_ready 1\n" in inspect(gateway, "GET", "/metrics", socket_path=path).body
    with site.websocket() as ws:
        wait_until(lambda: streams(gateway, socket_path=path), 10, "it is listed")
        [listed] = streams(gateway, socket_path=path)
        assert inspect(gateway, "GET", "/streams", ("Origin", "http://a.test"), socket_path=path).status == 403
        end(gateway, listed["id"], socket_path=path)
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=5)
        assert ws.close_code == 1012
    gateway.stop()
    assert not path.exists()


def test_a_socket_in_use_is_not_taken(new_gateway, tmp_path):
    path = tmp_path / "inspect.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        gateway = new_gateway(loops=1, worker_options=["--inspect-socket", path])
        gateway.start_control()
        gateway.worker.start()
        assert gateway.worker.wait_exit(10) != 0
    assert "inspect-socket" in gateway.worker.log_text() and path.exists()
