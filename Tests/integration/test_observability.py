"""What the worker tells of each exchange: traces, the access log's fields, response flags, counters and gauges."""

import calendar
import json
import re
import signal
import threading
import time
import urllib.request

import grpc
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from integration.gateway import ROOT
from integration.ports import free_port
from integration.site import Site
from integration.waiting import wait_until
from peers import grpc_web, http2
from peers.http1 import EchoServer, RawServer
from peers.protos import Ask, Kinds, Nothing
from peers.wire import Wire
from peers.ws_http2 import WebSocket

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
MADE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00")

# ---- traces


@pytest.fixture(params=["http1", "http2"])
def traced(request, site):
    """Asks with fields through HTTP/1.1 or HTTP/2 to a back end of the same; gives the fields that it saw."""
    if request.param == "http1":
        with EchoServer() as server:
            site.serve(server.port)

            def ask(path, *fields):
                answer = json.loads(site.get(path, *fields).body)
                return [tuple(field) for field in answer["headers"]]

            yield ask
    else:
        with http2.Server() as server:
            site.serve(server.port, protocol="HTTP2")
            with site.http2() as client:

                def ask(path, *fields):
                    assert client.request("GET", site.host, path, *fields).status == 200
                    return [tuple(field) for field in server.fields[-1]]

                yield ask


def values(fields, name):
    return [value for key, value in fields if key.lower() == name]


def test_a_trace_and_its_state_pass_as_they_came(traced, gateway):
    seen = traced("/trace-passed", ("traceparent", PARENT), ("tracestate", "a=1,b=2"))
    assert values(seen, "traceparent") == [PARENT]
    assert values(seen, "tracestate") == ["a=1,b=2"]
    assert gateway.wait_log(path="/trace-passed")["trace_id"] == TRACE


@pytest.mark.parametrize(
    "parents",
    [(), (PARENT.upper(),), (PARENT + "-more",), (f"00-{'0' * 32}-00f067aa0ba902b7-01",), ("",), (PARENT, PARENT)],
    ids=["absent", "upper case", "too long", "no id", "empty", "two"],
)
def test_a_trace_is_made_where_there_is_none(traced, gateway, parents, request):
    path = "/trace-made/" + re.sub(r"\W", "-", request.node.name)
    made = []
    for _ in range(2):
        seen = traced(path, *(("traceparent", each) for each in parents), ("tracestate", "a=1"))
        [parent] = values(seen, "traceparent")
        assert MADE.fullmatch(parent), parent
        assert not values(seen, "tracestate"), "the state of another trace"
        made.append(parent)
    ids = [MADE.fullmatch(parent) for parent in made]
    assert len({each[1] for each in ids}) == len({each[2] for each in ids}) == 2
    gateway.wait_log(path=path, trace_id=ids[1][1])
    gateway.wait_log(path=path, trace_id=ids[0][1])


def test_an_answer_without_a_service_has_a_trace_too(gateway, site):
    site.get("/nothing-here", ("traceparent", PARENT))
    assert gateway.wait_log(authority=site.host, path="/nothing-here")["trace_id"] == TRACE
    site.get("/nothing-there")
    assert re.fullmatch("[0-9a-f]{32}", gateway.wait_log(authority=site.host, path="/nothing-there")["trace_id"])


def test_a_route_may_edit_the_trace_that_was_made(gateway, site):
    with http2.Server() as server:
        site.serve(
            server.port,
            protocol="HTTP2",
            headerControl={"enabled": True, "request": {"set": [{"key": "traceparent", "value": PARENT}]}},
        )
        with site.http2() as client:
            assert client.request("GET", site.host, "/").status == 200
        assert values(server.fields[-1], "traceparent") == [PARENT]


def test_grpcio_reads_the_trace_that_was_made(gateway, site, grpc_server):
    """The field stands in the block as it is, behind what HPACK made: a real decoder must take it, again and again."""
    site.serve(grpc_server.port, protocol="GRPC")
    with site.channel() as channel:
        for _ in range(50):
            Kinds(channel).Unary(Ask(), timeout=10)
            seen = dict(json.loads(Kinds(channel).Seen(Nothing(), timeout=10).metadata))
            assert MADE.fullmatch(seen["traceparent"]), seen


# ---- messages


def counted(gateway, path, seconds=5):
    record = gateway.wait_log(seconds, path=path)
    return record["messages_in"], record["messages_out"], record["close_code"]


def messages_of(gateway, route):
    names = "causeway_route_request_messages_total", "causeway_route_response_messages_total"
    return tuple(gateway.metric(name, route=route["name"]) for name in names)


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
def test_grpc_messages_are_counted_each_way(gateway, site, grpc_server, tls):
    route = site.serve(grpc_server.port, protocol="GRPC")
    with site.channel(tls=tls) as channel:
        kinds = Kinds(channel)
        kinds.Unary(Ask(payload=b"one"), timeout=10)
        assert len(list(kinds.ServerStream(Ask(count=7, size=20_000), timeout=10))) == 7
        kinds.ClientStream((Ask(payload=b"x" * 30_000) for _ in range(5)), timeout=10)
        assert len(list(kinds.Bidi((Ask() for _ in range(4)), timeout=10))) == 4
        with pytest.raises(Exception):
            kinds.Unary(Ask(fail_code=5), timeout=10, compression=grpc.Compression.Gzip)
    for method, wanted in {
        "ServerStream": (1, 7, None),
        "ClientStream": (5, 1, None),
        "Bidi": (4, 4, None),
    }.items():
        assert counted(gateway, f"/causeway.test.Kinds/{method}") and gateway.wait_log(
            authority=site.host, path=f"/causeway.test.Kinds/{method}", messages_in=wanted[0], messages_out=wanted[1]
        )
    for code, out in ((0, 1), (5, 0)):
        record = gateway.wait_log(authority=site.host, path="/causeway.test.Kinds/Unary", grpc_status=code)
        assert (record["messages_in"], record["messages_out"], record["close_code"]) == (1, out, None)
    assert messages_of(gateway, route) == (12, 13)


def test_a_prefix_may_come_in_pieces(gateway, site):
    """Each byte in a DATA frame of its own, both ways."""
    sent = b"".join(b"\0" + len(part).to_bytes(4, "big") + part for part in (b"", b"a", b"bcdef", b""))

    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        for byte in connection.server.bodies[id]:
            connection.data(id, bytes([byte]))
        connection.trail(id, ("grpc-status", "0"))

    with http2.Server(script) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        stream = client.open("POST", site.host, "/pieces/Call", ("content-type", "application/grpc"), end=False)
        for at in range(len(sent)):
            client.data(stream.id, sent[at : at + 1], end=at == len(sent) - 1)
        assert client.finish(stream).body == sent
        assert counted(gateway, "/pieces/Call") == (4, 4, None)
        # What is cut is no message.
        stream = client.open("POST", site.host, "/pieces/Cut", ("content-type", "application/grpc"), body=sent[:-1])
        client.finish(stream)
        assert counted(gateway, "/pieces/Cut") == (3, 3, None)


@pytest.mark.parametrize("h2", [True, False], ids=["h2", "h1"])
@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
def test_messages_of_grpc_web_are_those_of_grpc(gateway, site, grpc_server, h2, text):
    site.serve(grpc_server.port, protocol="GRPC")
    ask = Ask(count=3, size=10).SerializeToString()
    answer = grpc_web.call(site, "/causeway.test.Kinds/ServerStream", ask, text=text, h2=h2)
    assert len(answer.messages) == 3 and answer.status == 0
    record = gateway.wait_log(authority=site.host)
    assert (record["messages_in"], record["messages_out"], record["grpc_status"]) == (1, 3, 0)
    assert record["protocol"] == ("h2" if h2 else "http/1.1")


def websockets(gateway):
    """Opened, open, failed, and what has ended by code."""
    metrics = gateway.metrics()
    closed = {
        name.split('"')[1]: value
        for name, value in metrics.items()
        if name.startswith("causeway_downstream_websockets_closed_total")
    }
    names = (
        "causeway_downstream_websockets_opened_total",
        "causeway_downstream_websockets_open",
        "causeway_downstream_websockets_failed_total",
    )
    return *(metrics[name] for name in names), closed


@pytest.mark.parametrize(
    "over, tls", [("h1", True), ("h1", False), ("h2", True), ("h2", False)], ids=["wss", "ws", "h2", "h2c"]
)
@pytest.mark.parametrize("code, series", [(1000, "1000"), (3999, "3xxx"), (4000, "4xxx")])
def test_a_websocket_s_messages_and_close_code(gateway, site, ws_server, over, tls, code, series):
    route = site.serve(ws_server.port)
    path = f"/counted-{over}-{tls}-{code}"
    opened, open_now, failed, closed = websockets(gateway)
    if over == "h1":
        with site.websocket(path, tls=tls) as ws:
            for message in ("a", b"b" * 70_000, ""):
                ws.send(message)
                ws.recv(timeout=5)
            ws.ping().wait(5)
            assert websockets(gateway)[:2] == (opened + 1, open_now + 1)
            ws.close(code)
    else:
        with site.http2(tls=tls) as client:
            ws = WebSocket(client, site.host, path)
            for event in (TextMessage(data="a"), BytesMessage(data=b"b" * 70_000), TextMessage(data="")):
                ws.send(event)
                ws.receive()
            ws.send(Ping(payload=b"x"))
            ws.until(lambda: ws.pongs)
            assert websockets(gateway)[:2] == (opened + 1, open_now + 1)
            ws.send(CloseConnection(code=code))
            ws.until(lambda: ws.close)
            ws.end()
            ws.ended_in_order()
    assert counted(gateway, path) == (3, 3, code)
    record = gateway.wait_log(path=path)
    assert (record["protocol"], record["status"], record["flag"]) == ("websocket", 101 if over == "h1" else 200, "-")
    assert record["tls"] == ("TLSv1.3" if tls else "")
    assert messages_of(gateway, route) == (3, 3)
    after = websockets(gateway)
    assert after[:3] == (opened + 1, open_now, failed)
    assert after[3] == {**closed, series: closed[series] + 1}


def test_the_back_end_s_close_code_counts_as_well(gateway, site, ws_server):
    site.serve(ws_server.port)
    with site.websocket("/close/1011/broken") as ws, pytest.raises(ConnectionClosed):
        ws.recv(timeout=5)
    assert counted(gateway, "/close/1011/broken") == (0, 0, 1011)


def test_a_websocket_without_a_close_frame_has_1006(gateway, site, ws_server):
    site.serve(ws_server.port)
    before = websockets(gateway)[3]["1006"]
    with site.http1(tls=False) as wire:
        wire.send(
            f"GET /torn HTTP/1.1\r\nHost: {site.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert wire.read_head().status == 101
        wire.reset()
    record = gateway.wait_log(path="/torn")
    assert (record["close_code"], record["flag"]) == (1006, "DC")
    assert websockets(gateway)[3]["1006"] == before + 1


def test_handshakes_that_open_nothing_are_counted(gateway, site, echo):
    site.serve(echo.port)
    failed = websockets(gateway)[2]
    with pytest.raises(InvalidStatus):  # the back end answers 200
        site.websocket("/not-a-websocket")
    assert counted(gateway, "/not-a-websocket") == (None, None, None)
    answer = site.get(
        "/old",
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    assert answer.status == 426
    wait_until(lambda: websockets(gateway)[2] == failed + 2, 5, "both count")


def test_other_exchanges_have_no_messages(gateway, site, echo):
    site.serve(echo.port)
    site.get("/plain", method="POST", body=b"\0\0\0\0\0")
    assert counted(gateway, "/plain") == (None, None, None)


# ---- counters and gauges of listeners, routes, clusters and endpoints


class Change:
    """How far a metric has moved since it was made."""

    def __init__(self, gateway, name, **labels):
        self.gateway, self.name, self.labels = gateway, name, labels
        self.before = gateway.metric(name, **labels)

    def __call__(self):
        return self.gateway.metric(self.name, **self.labels) - self.before

    def becomes(self, wanted):
        wait_until(lambda: self() == wanted, 5, f"{self.name} {self.labels} moves by {wanted}, not {self()}")


def listener_of(gateway, port):
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.metrics_port}/listeners", timeout=5) as response:
        return next(each["name"] for each in map(json.loads, response) if each["port"] == port)


def test_a_listener_s_connections_are_counted(gateway, site, echo):
    site.serve(echo.port)
    listener = listener_of(gateway, gateway.https_port)
    accepted, now_open, handshakes, failures, requests = (
        Change(gateway, name, listener=listener)
        for name in (
            "causeway_listener_connections_accepted_total",
            "causeway_listener_connections_open",
            "causeway_listener_tls_handshakes_total",
            "causeway_listener_tls_failures_total",
            "causeway_listener_requests_total",
        )
    )
    with site.http1() as wire:
        for _ in range(3):
            assert wire.request("GET", "/", site.host).status == 200
        now_open.becomes(1)
    now_open.becomes(0)
    assert (accepted(), handshakes(), failures(), requests()) == (1, 1, 0, 3)
    with Wire.connect(gateway.https_port) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: no.tls\r\n\r\n")
        wire.read_to_end()
    failures.becomes(1)
    assert (accepted(), handshakes(), requests()) == (2, 1, 3)
    now_open.becomes(0)


def test_refused_connections_are_counted_by_listener(new_gateway):
    gateway = new_gateway(loops=1, settings=["max-connections=2"]).start()
    listener = listener_of(gateway, gateway.http_port)
    wires = [Wire.connect(gateway.http_port) for _ in range(4)]
    for name in ("causeway_listener_connections_refused_total", "causeway_downstream_connections_refused_total"):
        wait_until(lambda: gateway.metric(name) == 2, 5, f"{name} is 2")
    assert gateway.metric("causeway_listener_connections_refused_total", listener=listener) == 2
    assert gateway.metric("causeway_listener_connections_open", listener=listener) == 2
    for wire in wires:
        wire.close()
    gateway.stop()


def test_an_endpoint_s_tries_are_counted(gateway, site):
    """One answers, one hangs up, one is not there: tries, failures and connections of each, and the cluster's answers."""
    go = threading.Event()
    tries, failures = "causeway_endpoint_exchanges_total", "causeway_endpoint_failures_total"

    def respond(wire):
        while True:
            wire.read_request()
            go.wait(20)
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(respond) as good, RawServer(lambda wire: wire.read_request()) as bad:
        nowhere = free_port()
        for number, port in enumerate((good.port, bad.port, nowhere)):
            site.serve(port, path=f"/{number}")

        def moved(number, port, name):
            return gateway.metric(name, cluster=f"{site.name}-{number + 1}.static/HTTP", endpoint=f"127.0.0.1:{port}")

        with site.http1(tls=False) as wire:
            wire.send(f"GET /0 HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            wait_until(lambda: moved(0, good.port, "causeway_endpoint_exchanges_active") == 1, 5, "it is active")
            assert moved(0, good.port, "causeway_endpoint_connections_open") == 1
            go.set()
            assert wire.read_response().body == b"ok"
        wait_until(lambda: moved(0, good.port, "causeway_endpoint_exchanges_active") == 0, 5, "it is over")
        assert site.get("/0").status == 200
        assert site.get("/1").status == 502
        assert site.get("/2").status == 503
        assert (moved(0, good.port, tries), moved(0, good.port, failures)) == (2, 0)
        assert (moved(1, bad.port, tries), moved(1, bad.port, failures)) == (1, 1)
        # The first connection is tried again, up to three times.
        assert moved(2, nowhere, tries) == moved(2, nowhere, failures) == 4
        assert moved(2, nowhere, "causeway_endpoint_connect_failures_total") == 4
        for number, answers in ((0, 2), (1, 0), (2, 0)):
            cluster = f"{site.name}-{number + 1}.static/HTTP"
            assert gateway.metric("causeway_cluster_response_seconds_count", cluster=cluster) == answers
            assert gateway.metric("causeway_cluster_exchanges_total", cluster=cluster) == (2 if number == 0 else 1)
            assert gateway.metric("causeway_cluster_failures_total", cluster=cluster) == (0 if number == 0 else 1)
        assert gateway.metric("causeway_cluster_response_seconds_sum", cluster=f"{site.name}-1.static/HTTP") > 0


GAUGES = (
    "causeway_downstream_connections_open",
    "causeway_downstream_exchanges_active",
    "causeway_downstream_websockets_open",
    "causeway_upstream_streams_open",
    "causeway_body_bytes_held",
    "causeway_endpoint_exchanges_active",
    "causeway_listener_connections_open",
)


def test_gauges_return_to_zero(gateway, authority, grpc_server, ws_server):
    """Calls, a WebSocket and a stalled download, ended in order and torn."""
    calls, sockets, plain = (Site(gateway, authority) for _ in range(3))
    calls.serve(grpc_server.port, protocol="GRPC")
    sockets.serve(ws_server.port)
    length = 8 << 20

    def pour(wire):
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
        wire.send(b"x" * length)

    with RawServer(pour) as server:
        plain.serve(server.port)
        wait_until(lambda: all(gateway.metric(name) == 0 for name in GAUGES), 10, "nothing runs yet")
        with calls.channel() as channel, plain.http2(credit=False) as slow, sockets.websocket() as ws:
            asks = (Ask(delay_ms=10_000) for _ in range(1))
            stream = Kinds(channel).Bidi(asks, timeout=20)
            ws.send("x")
            ws.recv(timeout=5)
            slow.open("GET", plain.host, "/")
            wait_until(lambda: all(gateway.metric(name) > 0 for name in GAUGES), 10, "all of it runs")
            assert gateway.metric("causeway_upstream_streams_open") == 3
            assert gateway.metric("causeway_body_bytes_held") < 1 << 20
            stream.cancel()
        for name in GAUGES:
            wait_until(lambda: gateway.metric(name) == 0, 10, f"{name} is 0")


def series_with(gateway, text):
    return [name for name in gateway.metrics() if text in name]


def test_series_go_with_their_objects(gateway, authority):
    with EchoServer() as first, EchoServer() as second:
        site = Site(gateway, authority)
        route = site.serve(first.port, second.port)
        for _ in range(2):
            site.get("/")
        for server in (first, second):
            assert series_with(gateway, f'endpoint="127.0.0.1:{server.port}"')
        source = gateway.api.get(f"/v1/service-sources/{route['name']}")
        source.update(domain=f"127.0.0.1:{first.port}")
        source.pop("warnings", None)
        gateway.api.put(f"/v1/service-sources/{route['name']}", source)
        gone = f'endpoint="127.0.0.1:{second.port}"'
        wait_until(lambda: not series_with(gateway, gone), 10, "the endpoint's series are gone")
        kept = {"cluster": f"{route['name']}.static/HTTP", "endpoint": f"127.0.0.1:{first.port}"}
        assert gateway.metric("causeway_endpoint_exchanges_total", **kept) == 1, "counts go on over a change"
        gateway.api.delete(f"/v1/routes/{route['name']}")
        gateway.api.delete(f"/v1/service-sources/{route['name']}")
        wait_until(lambda: not series_with(gateway, route["name"]), 10, "nothing of the route is left")


def test_snapshots_are_held_while_something_runs_on_them(gateway, site, ws_server):
    site.serve(ws_server.port)
    wait_until(lambda: gateway.metric("causeway_config_snapshots_held") == 1, 10, "one")
    with site.websocket() as ws:
        ws.send("x")
        ws.recv(timeout=5)
        for number in range(3):
            site.serve(ws_server.port, path=f"/more-{number}")
        wait_until(lambda: gateway.metric("causeway_config_snapshots_held") == 2, 10, "its own, and the newest")
    wait_until(lambda: gateway.metric("causeway_config_snapshots_held") == 1, 10, "one again")


def test_the_process_tells_what_it_costs(gateway):
    metrics = gateway.metrics()
    assert 1e6 < metrics["process_resident_memory_bytes"] < 1e9
    assert 5 < metrics["process_open_fds"] < metrics["process_max_fds"]
    assert metrics["process_cpu_seconds_total"] > 0
    assert abs(time.time() - metrics["process_start_time_seconds"]) < 3_600


# ---- what the operations guide says


def table_of_guide(title):
    """The rows of the first table under a heading, by cell."""
    text = (ROOT / "docs/operations.md").read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    table = text[text.index("\n|") + 1 :].split("\n\n", 1)[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_guide_names_every_metric_and_its_labels(gateway, site, grpc_server):
    site.serve(grpc_server.port, protocol="GRPC")
    gateway.api.create_static(f"{site.name}-checked", grpc_server.port, healthCheck={"type": "tcp"})
    gateway.api.create_route(f"{site.name}-checked", [site.host], f"{site.name}-checked.static", "/checked")
    with site.channel() as channel:
        Kinds(channel).Unary(Ask(), timeout=10)
    wait_until(lambda: gateway.metric("causeway_route_grpc_responses_total"), 5, "the call is counted")
    told = {}
    types = {}
    text = urllib.request.urlopen(f"http://127.0.0.1:{gateway.metrics_port}/metrics", timeout=5).read().decode()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, types[name] = line.split(" ")
            told.setdefault(name, set())
        elif not line.startswith("#"):
            name, _, labels = line.rsplit(" ", 1)[0].partition("{")
            if name not in types:
                name = re.sub("_(bucket|sum|count)$", "", name)
            told[name] |= set(re.findall(r'([a-z_]+)="', labels)) - {"le"}
    written = {}
    for names, labels, _ in table_of_guide("Metrics"):
        for name in re.findall(r"`([^`]+)`", names):
            written[name] = set(re.findall(r"`([^`]+)`", labels))
    assert written == told


def test_the_guide_names_every_field_of_the_access_log(gateway, site, echo):
    site.serve(echo.port)
    site.get("/fields")
    written = [name for row in table_of_guide("Access log") for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(gateway.wait_log(path="/fields")) == sorted(written)


# ---- the access log as a whole


KINDS = ("http1", "http2", "grpc", "grpc-web", "websocket", "websocket over h2")


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_record(gateway, site, echo, grpc_server, ws_server, kind, tls):
    is_grpc, is_websocket = kind.startswith("grpc"), kind.startswith("websocket")
    back_end = grpc_server if is_grpc else ws_server if is_websocket else echo
    route = site.serve(back_end.port, **({"protocol": "GRPC"} if is_grpc else {}))
    path = "/causeway.test.Kinds/Unary" if is_grpc else f"/all/{kind.replace(' ', '-')}?tls={tls}"
    trace = ("traceparent", PARENT)
    began = time.time()
    if kind == "http1":
        site.get(path, trace, method="POST", body=b"12345", tls=tls)
    elif kind == "http2":
        with site.http2(tls=tls) as client:
            client.request("POST", site.host, path, trace, body=b"12345")
    elif kind == "grpc":
        with site.channel(tls=tls) as channel:
            Kinds(channel).Unary(Ask(payload=b"12345"), timeout=10, metadata=[trace])
    elif kind == "grpc-web":
        grpc_web.call(site, path, Ask(payload=b"12345").SerializeToString(), tls=tls, fields=[trace])
    elif kind == "websocket":
        with site.websocket(path, tls=tls, additional_headers=[trace]) as ws:
            ws.send("12345")
            ws.recv(timeout=5)
    else:
        with site.http2(tls=tls) as client:
            ws = WebSocket(client, site.host, path, trace)
            ws.send(TextMessage(data="12345"))
            ws.receive()
            ws.send(CloseConnection(code=1000))
            ws.until(lambda: ws.close)
            ws.end()
            ws.ended_in_order()
    record = gateway.wait_log(path=path, route=route["name"])
    authority = record.pop("authority")
    assert authority.partition(":")[0] == site.host
    at = calendar.timegm(time.strptime(record.pop("ts")[:19], "%Y-%m-%dT%H:%M:%S"))
    assert began - 2 <= at <= time.time() + 1
    assert re.fullmatch(r"127\.0\.0\.1:\d+", record.pop("peer"))
    assert 0 <= record.pop("upstream_ms") <= record.pop("duration_ms") < 60_000
    assert record.pop("bytes_in") >= 5 and record.pop("bytes_out") >= 5
    assert record.pop("version") > 0
    version = "GRPC" if is_grpc else "HTTP"
    assert record == {
        "listener": listener_of(gateway, gateway.https_port if tls else gateway.http_port),
        "client": "",
        "tls": "TLSv1.3" if tls else "",
        "sni": site.host if tls else "",
        "method": "GET" if is_websocket else "POST",
        "path": path,
        "protocol": "websocket" if is_websocket else "http/1.1" if kind == "http1" else "h2",
        "route": route["name"],
        "cluster": f"{route['name']}.static/{version}",
        "endpoint": f"127.0.0.1:{back_end.port}",
        "status": 101 if kind == "websocket" else 200,
        "grpc_status": 0 if is_grpc else None,
        "flag": "-",
        "reason": "",
        "messages_in": 1 if is_grpc or is_websocket else None,
        "messages_out": 1 if is_grpc or is_websocket else None,
        "close_code": 1000 if is_websocket else None,
        "tries": 1,
        "retry_refused": None,
        "trace_id": TRACE,
        "consumer": "",
    }


def test_rotation_under_load_loses_no_line(gateway, site, echo):
    site.serve(echo.port)
    sent, stop = [], threading.Event()

    def ask(worker):
        with site.http1(tls=False) as wire:
            while not stop.is_set():
                path = f"/rotated/{worker}/{len(sent)}"
                assert wire.request("GET", path, site.host).status == 200
                sent.append(path)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    files = [gateway.access_log_path]
    for number in range(5):
        count = len(sent)
        wait_until(lambda: len(sent) > count + 50, 20, "requests go on")
        files.append(gateway.access_log_path.with_suffix(f".rotated{number}"))
        gateway.access_log_path.rename(files[-1])
        gateway.worker.signal(signal.SIGUSR1)
        wait_until(gateway.access_log_path.exists, 10, "a new file")
    stop.set()
    for thread in threads:
        thread.join()

    def logged():
        lines = [line for file in files for line in file.read_text().splitlines() if "/rotated/" in line]
        return sorted(json.loads(line)["path"] for line in lines) == sorted(sent)

    wait_until(logged, 10, "every request is in one of the files, once")
    assert sum("/rotated/" in file.read_text() for file in files) > 2, "the files were not really rotated under load"
    assert gateway.metric("causeway_access_log_dropped_total") == 0
