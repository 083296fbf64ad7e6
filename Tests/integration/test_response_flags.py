"""Each response flag by a scenario: what the access log says, what is counted, and that the operations guide knows it."""

import json
import re
import resource
import signal
import threading

import h2.errors
import pytest
from wsproto.events import TextMessage

from integration.gateway import Gateway
from integration.ports import free_port
from integration.site import Site
from integration.test_observability import table_of_guide
from integration.test_streams import end, inspect
from integration.test_websocket import accepting, handshake
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Closed, Wire
from peers.ws_http2 import WebSocket


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Less patient with slow heads than others."""
    made = Gateway(tmp_path_factory.mktemp("flags"), settings=["request-headers-timeout=500ms", "stream-stall-timeout=1s"])
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.abandon()


# A scenario makes one exchange end with its flag, and gives fields of the record. By the kind of failure, as
# `causeway_errors_total` has it: flag and scenario.
SCENARIOS = {}


def scenario(flag, kind):
    def keep(function):
        SCENARIOS[kind] = (flag, function)
        return function

    return keep


def refused(site, status, **filters):
    with EchoServer() as server:
        site.serve(server.port, **filters)
        assert site.get("/asked").status == status
    return {"path": "/asked", "status": status}


def broken(site, handler, status, **more):
    """A back end of HTTP/1.1 with bad manners."""
    with RawServer(handler) as server:
        site.serve(server.port, **more)
        assert site.get("/asked").status == status
    return {"path": "/asked", "status": status}


def silent(wire):
    wire.read_to_end()


@scenario("NR", "noRoute")
def no_route(site):
    assert site.get("/asked").status == 404
    return {"path": "/asked", "status": 404}


@scenario("AD", "addressDenied")
def address_denied(site):
    return refused(site, 403, ipAccess={"allow": ["10.0.0.0/8"]})


@scenario("UA", "unauthenticated")
def unauthenticated(site):
    name = f"{site.name}-ann"
    key = {"type": "key-auth", "source": "BEARER", "values": [f"the key of {name}"]}
    site.gateway.api.post("/v1/consumers", {"name": name, "credentials": [key]})
    wanted = {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": [name]}
    return refused(site, 401, authConfig=wanted)


@scenario("RL", "rateLimited")
def rate_limited(site):
    with EchoServer() as server:
        site.serve(server.port, rateLimit={"enabled": True, "qps": 1, "burst": 1})
        wait_until(lambda: site.get("/asked").status == 429, 20, "a request is over the limit")
    return {"path": "/asked", "status": 429}


@scenario("MD", "misdirected")
def misdirected(site):
    other = Site(site.gateway, site.authority)
    with other.http2() as client:
        assert client.request("GET", site.host, "/asked").status == 421
    return {"path": "/asked", "status": 421, "sni": other.host}


@scenario("UH", "nameUnresolved")
def no_address(site):
    site.serve("nowhere.invalid:80")
    assert site.get("/asked").status == 503
    return {"path": "/asked", "status": 503, "endpoint": ""}


@scenario("UF", "connectFailed")
def connection_refused(site):
    port = free_port()
    site.serve(port)
    assert site.get("/asked").status == 503
    return {"path": "/asked", "status": 503, "endpoint": f"127.0.0.1:{port}"}


@scenario("UR", "upstreamReset")
def stream_reset(site):
    with http2.Server(lambda connection, id, headers: connection.reset(id, 2)) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2() as client:
            assert client.grpc(site.host, "/asked").grpc_status == 14
    return {"path": "/asked", "status": 200, "grpc_status": 14}


@scenario("UC", "upstreamClosed")
def connection_closed(site):
    return broken(site, lambda wire: wire.read(10), 502)


@scenario("UPE", "upstreamProtocol")
def protocol_broken(site):
    def nonsense(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy")

    return broken(site, nonsense, 502)


@scenario("UT", "responseTimeout")
def no_answer(site):
    return broken(site, silent, 504, timeouts={"responseHeaders": 200})


@scenario("SI", "streamIdle")
def idle(site):
    def begin(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        wire.read_to_end()

    with RawServer(begin) as server, pytest.raises(Closed):
        site.serve(server.port, timeouts={"streamIdle": 200})
        site.get("/asked")
    return {"path": "/asked", "status": 200, "bytes_out": 4}


@scenario("DE", "deadlineExceeded")
def deadline(site):
    with http2.Server(lambda connection, id, headers: None) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        assert client.grpc(site.host, "/asked", b"", ("grpc-timeout", "200m")).grpc_status == 4
    return {"path": "/asked", "status": 200, "grpc_status": 4}


@scenario("DPE", "pathRejected")
def malformed(site):
    with site.http1(tls=False) as wire:
        wire.send(f"GET /%00 HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        assert wire.read_response().status == 400
    return {"path": "/%00", "status": 400}


@scenario("DT", "requestTimeout")
def slow_head(site):
    with site.http1(tls=False) as wire:
        wire.send("GET /slow HTTP/1.1\r\nHost: ")
        assert wire.read_response().status == 408
        host, port = wire.sock.getsockname()
    return {"peer": f"{host}:{port}", "authority": "", "status": 408}


@scenario("DC", "downstreamClosed")
def client_gone(site):
    arrived = threading.Event()

    def wait(wire):
        wire.read_request()
        arrived.set()
        wire.read_to_end()

    with RawServer(wait) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"GET /asked HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        assert arrived.wait(10)
        wire.reset()
        site.gateway.wait_log(authority=site.host, path="/asked")
    return {"path": "/asked", "status": 499}


@scenario("AB", "clientAbusive")
def ended_for_abuse(site):
    with http2.Server(lambda connection, id, headers: None) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        client.open("GET", site.host, "/asked")
        wait_until(lambda: server.requests, 10, "the request has arrived")
        for _ in range(3_000):
            client.h2.ping(b"too many")
        client.flush()
        client.read_to_end()
        assert client.goaway.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    return {"path": "/asked", "status": 429}


@scenario("UO", "overload")
def out_of_descriptors(site):
    pid = site.gateway.worker.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with EchoServer() as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        assert wire.request("GET", "/nothing", "nobody.test").status == 404
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            assert wire.request("GET", "/asked", site.host).status == 503
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert wire.request("GET", "/again", site.host).status == 200
    return {"path": "/asked", "status": 503}


@scenario("EO", "endedByOperator")
def ended_by_operator(site):
    with RawServer(silent) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"GET /asked HTTP/1.1\r\nHost: {site.host}\r\n\r\n")

        def listed():
            lines = inspect(site.gateway, "GET", "/streams").body.splitlines()
            return [each["id"] for each in map(json.loads, lines) if each["authority"] == site.host]

        end(site.gateway, wait_until(listed, 10, "it is listed")[0])
        assert wire.read_response().status == 503
    return {"path": "/asked", "status": 503}


@scenario("RC", "routeChanged")
def ended_by_policy(site):
    with http2.Server(lambda connection, id, headers: None) as server, site.http2() as client:
        made = site.serve(server.port, protocol="GRPC", streamPolicy={"mode": "close"})
        head = [("content-type", "application/grpc"), ("te", "trailers")]
        stream = client.open("POST", site.host, "/asked", *head, body=b"\0\0\0\0\0")
        wait_until(lambda: server.requests, 10, "the call has arrived")
        site.gateway.api.delete(f"/v1/routes/{made['name']}")
        assert client.finish(stream).grpc_status == 14
    return {"path": "/asked", "status": 200, "grpc_status": 14}


@scenario("ML", "downstreamMessageTooBig")
def message_too_big(site):
    with RawServer(lambda wire: (accepting(wire), wire.read_to_end())) as server, site.http2() as client:
        site.serve(server.port, webSocket={"maxFrameSize": 10})
        ws = WebSocket(client, site.host, "/asked")
        ws.send(TextMessage(data="eleven byte"))
        ws.until(lambda: ws.close)
    return {"path": "/asked", "status": 200}


# ---- other kinds that share a flag


@scenario("NR", "webSocketOnGRPCRoute")
def websocket_to_grpc(site):
    with EchoServer() as server, site.http1(tls=False) as wire:
        site.serve(server.port, protocol="GRPC")
        wire.send(handshake(site.host, "/asked")[0])
        assert wire.read_response().status == 400
    return {"path": "/asked", "status": 400}


@scenario("NR", "grpcOverHTTP1")
def grpc_to_http1(site):
    with EchoServer() as server, site.http2() as client:
        site.serve(server.port)
        assert client.grpc(site.host, "/asked").grpc_status == 12
    return {"path": "/asked", "grpc_status": 12}


@scenario("AD", "consumerForbidden")
def consumer_forbidden(site):
    names = [f"{site.name}-{each}" for each in ("ann", "bob")]
    for name in names:
        key = {"type": "key-auth", "source": "BEARER", "values": [f"the key of {name}"]}
        site.gateway.api.post("/v1/consumers", {"name": name, "credentials": [key]})
    with EchoServer() as server:
        wanted = {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": names[:1]}
        site.serve(server.port, authConfig=wanted)
        assert site.get("/asked", ("Authorization", f"Bearer the key of {names[1]}")).status == 403
    return {"path": "/asked", "status": 403}


@scenario("RL", "concurrencyLimited")
def concurrency_limited(site):
    with RawServer(silent) as server, site.http1(tls=False) as wire:
        site.serve(server.port, concurrencyLimit={"enabled": True, "max": 1})
        wire.send(f"GET /held HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wait_until(lambda: server.connections == 1, 10, "the first has arrived")
        assert site.get("/asked").status == 429
    return {"path": "/asked", "status": 429}


@scenario("UH", "noHealthyUpstream")
def no_endpoint(site):
    """The only one is to get no new requests."""
    port = free_port()
    name = f"{site.name}-1"
    site.serve(port)
    source = site.gateway.api.get(f"/v1/service-sources/{name}")
    site.gateway.api.put(f"/v1/service-sources/{name}", {**source, "endpoints": [{"address": f"127.0.0.1:{port}", "drain": True}]})
    assert site.get("/asked").status == 503
    return {"path": "/asked", "status": 503, "endpoint": ""}


@scenario("UR", "upstreamRefused")
def stream_refused(site):
    with http2.Server(lambda connection, id, headers: connection.reset(id, 7)) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        assert client.grpc(site.host, "/asked").grpc_status == 14
    return {"path": "/asked", "grpc_status": 14}


@scenario("UPE", "upstreamHandshake")
def wrong_accept(site):
    def answer(wire):
        wire.read_head()
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )
        wire.read_to_end()

    with RawServer(answer) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(handshake(site.host, "/asked")[0])
        assert wire.read_response().status == 502
    return {"path": "/asked", "status": 502}


def call_answered_by(site, content_type, body, grpc_status):
    """200 with a body, and no trailers."""

    def answer(connection, id, headers):
        connection.respond(id, 200, ("content-type", content_type))
        connection.data(id, body, end=True)

    with http2.Server(answer) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        assert client.grpc(site.host, "/asked").grpc_status == grpc_status
    return {"path": "/asked", "grpc_status": grpc_status}


@scenario("UPE", "notGRPC")
def no_grpc(site):
    return call_answered_by(site, "text/html", b"<h1>Welcome", 2)


@scenario("UPE", "missingStatus")
def no_status(site):
    return call_answered_by(site, "application/grpc", b"\0\0\0\0\0", 13)


@scenario("DR", "draining")
def drained(site):
    """The worker's last: it is started again for the tests behind."""
    gateway = site.gateway
    with http2.Server(lambda connection, id, headers: None) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        head = [("content-type", "application/grpc"), ("te", "trailers")]
        stream = client.open("POST", site.host, "/asked", *head, body=b"\0\0\0\0\0")
        wait_until(lambda: server.requests, 10, "the call has arrived")
        gateway.worker.signal(signal.SIGTERM)
        assert client.finish(stream).grpc_status == 14
        assert "shutting down" in stream.grpc_message
    assert gateway.worker.wait_exit(15) == 0
    gateway.start_worker()
    return {"path": "/asked", "status": 200, "grpc_status": 14}


@pytest.mark.parametrize("tls", [True, False])
def test_a_client_that_takes_nothing_is_told_from_one_that_goes(gateway, site, tls):
    """The kernel's buffers are full, and the connection stands."""
    big = bytes(32 << 20)

    def much(wire):
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)

    with RawServer(much) as server, site.http1(tls=tls) as wire:
        site.serve(server.port)
        wire.send(f"GET /not-read HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        record = gateway.wait_log(15, authority=site.host, path="/not-read")
    assert (record["flag"], record["status"]) == ("SI", 200)
    assert record["reason"] == "the client did not take the response"


def test_a_routes_total_timeout_is_told_from_the_callers_deadline(gateway, site):
    """The earlier one is what is logged."""
    with http2.Server(lambda connection, id, headers: None) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC", timeouts={"total": 300})
        assert client.grpc(site.host, "/long", b"", ("grpc-timeout", "20S")).grpc_status == 4
        assert client.grpc(site.host, "/short", b"", ("grpc-timeout", "100m")).grpc_status == 4
        assert gateway.wait_log(authority=site.host, path="/long")["flag"] == "UT"
        assert gateway.wait_log(authority=site.host, path="/short")["flag"] == "DE"


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_flag_is_logged_and_counted(gateway, site, kind):
    flag, run = SCENARIOS[kind]

    def counted():
        return [gateway.metric("causeway_errors_total", flag=flag, **labels) for labels in ({}, {"kind": kind})]

    before = counted()
    fields = run(site)
    if "authority" not in fields:
        fields["authority"] = site.host
    record = gateway.wait_log(10, flag=flag, **fields)
    assert record["reason"], "no reason"
    [row] = [row for row in table_of_guide("Response flags") if row[0] == f"`{flag}`"]
    allowed = {int(number) for number in re.findall(r"\d+", row[3] if record["grpc_status"] is not None else row[2])}
    cut = record["grpc_status"] is None and record["status"] == 200  # the answer had begun
    assert cut or (record["grpc_status"] or record["status"]) in allowed, row
    if flag != "DR":  # counts begin anew with the process
        wait_until(lambda: counted() == [each + 1 for each in before], 5, f"{flag} is counted as {kind}")


def test_guide_worker_and_scenarios_agree(gateway):
    """A new kind of failure shows on the metrics page: its flag must be explained, and be in a scenario."""
    told = {match[1] for name in gateway.metrics() if (match := re.search(r'^causeway_errors_total{flag="(\w+)"', name))}
    written = {row[0].strip("`") for row in table_of_guide("Response flags")}
    assert told == written == {flag for flag, _ in SCENARIOS.values()}
    advice = table_of_guide("What to do about a flag")
    assert {row[0].strip("`") for row in advice} == told and all(all(row) for row in advice)
