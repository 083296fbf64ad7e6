"""What routes do before, or instead of, asking a service, in detail. Each filter over each kind of client, and the shape of its
refusals: test_filters_by_client.py."""

import base64
import contextlib
import json
import threading

import pytest
from websockets.exceptions import InvalidStatus

from integration.api import route
from integration.site import Site
from integration.test_streams import stream_of
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire


@pytest.fixture(scope="module")
def plain(gateway, authority):
    """A back end for HTTP and WebSockets, and a maker of routes to it."""
    with EchoServer() as server:
        yield server


@pytest.fixture(scope="module")
def calls():
    with http2.Server() as server:
        yield server


def served(site, server, path="/", **filters):
    return site.serve(server.port, path=path, **filters)


# ---- addresses


@pytest.mark.parametrize(
    "access, status",
    [
        ({"allow": ["127.0.0.0/8"]}, 200),
        ({"allow": ["127.0.0.1"]}, 200),
        ({"allow": ["127.0.0.2"]}, 403),
        ({"deny": ["127.0.0.1"]}, 403),
        ({"deny": ["127.0.0.2/31"]}, 200),
        ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.1/32"]}, 403),
        ({"allow": ["*"]}, 200),
        ({"allow": ["::/0"]}, 200),
        ({"allow": ["10.0.0.0/8"], "enabled": False}, 200),
    ],
)
def test_ranges_of_addresses(site, plain, access, status):
    served(site, plain, ipAccess=access)
    assert site.get("/").status == status


def test_a_header_does_not_make_an_address(site, plain):
    served(site, plain, ipAccess={"allow": ["10.0.0.0/8"]})
    assert site.get("/", ("X-Forwarded-For", "10.0.0.1"), ("X-Real-IP", "10.0.0.1")).status == 403


@pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io/", "higress.io/"])
def test_whitelist_annotation(site, plain, prefix):
    served(site, plain, "/in", customConfigs={f"{prefix}whitelist-source-range": "10.0.0.0/8, 127.0.0.1"})
    served(site, plain, "/out", customConfigs={f"{prefix}whitelist-source-range": "10.0.0.0/8"})
    assert [site.get(path).status for path in ("/in", "/out")] == [200, 403]


# ---- credentials


@pytest.fixture(scope="module")
def consumers(gateway):
    gateway.api.post(
        "/v1/consumers",
        {
            "name": "alice",
            "credentials": [
                {"type": "key-auth", "source": "BEARER", "values": ["alice-token", "alice-old"]},
                {"type": "key-auth", "source": "HEADER", "key": "X-Api-Key", "values": ["alice-key"]},
                {"type": "basic-auth", "username": "alice", "password": "se:cret"},
            ],
        },
    )
    gateway.api.post(
        "/v1/consumers",
        {
            "name": "bob",
            "credentials": [{"type": "key-auth", "source": "QUERY", "key": "apikey", "values": ["bob key"]}],
        },
    )


def basic(user, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


AUTH = {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": ["alice"]}


@pytest.mark.parametrize(
    "types, allowed, headers, target, status",
    [
        (["key-auth"], ["alice"], [("Authorization", "Bearer alice-token")], "/", 200),
        (["key-auth"], ["alice"], [("Authorization", "bearer alice-old")], "/", 200),
        (["key-auth"], ["alice"], [("x-api-key", "alice-key")], "/", 200),
        (["key-auth"], ["alice"], [("x-api-key", "alice-token")], "/", 401),
        (["key-auth"], ["alice"], [("Authorization", "Bearer alice-toke")], "/", 401),
        (["key-auth"], ["alice"], [("Authorization", "alice-token")], "/", 401),
        (["key-auth"], ["alice"], [], "/?apikey=bob%20key", 403),
        (["key-auth"], ["bob"], [], "/?a=1&apikey=bob%20key", 200),
        (["key-auth"], ["bob"], [], "/?apikey=bob%20ke", 401),
        (["key-auth"], [], [], "/?apikey=bob%20key", 200),
        (["key-auth"], ["alice"], [basic("alice", "se:cret")], "/", 401),
        (["basic-auth"], ["alice"], [basic("alice", "se:cret")], "/", 200),
        (["basic-auth"], ["alice"], [basic("alice", "wrong")], "/", 401),
        (["basic-auth"], ["alice"], [("Authorization", "Basic !!!!")], "/", 401),
        (["basic-auth"], ["alice"], [("Authorization", "Bearer alice-token")], "/", 401),
        (["key-auth", "basic-auth"], ["alice"], [basic("alice", "se:cret")], "/", 200),
    ],
)
def test_credentials(site, plain, consumers, types, allowed, headers, target, status):
    served(site, plain, authConfig={"enabled": True, "allowedCredentialTypes": types, "allowedConsumers": allowed})
    answer = site.get(target, *headers)
    assert answer.status == status
    who = "" if status == 401 else "bob" if "bob" in target else "alice"
    assert site.gateway.wait_log(authority=site.host)["consumer"] == who
    if status == 401 and "basic-auth" in types:
        assert answer.get("www-authenticate").startswith("Basic ")


def test_the_upstream_is_told_the_consumer_and_nobody_can_pretend(site, plain, consumers):
    served(site, plain, "/in", authConfig=AUTH)
    served(site, plain, "/open")
    site.get("/in", ("Authorization", "Bearer alice-token"), ("X-Mse-Consumer", "root"))
    assert plain.seen[-1].all("x-mse-consumer") == ["alice"]
    site.get("/open", ("X-Mse-Consumer", "root"))
    assert plain.seen[-1].all("x-mse-consumer") == []


def test_grpc_and_websockets_with_a_credential(site, calls, ws_server, consumers):
    served(site, calls, "/grpc", protocol="GRPC", authConfig=AUTH)
    site.serve(ws_server.port, path="/ws", authConfig={**AUTH, "allowedConsumers": ["bob"]})
    with site.http2() as client:
        assert client.grpc(site.host, "/grpc/Call", b"", ("authorization", "Bearer alice-token")).grpc_status == 0
    with site.websocket("/ws?apikey=bob%20key") as ws:
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"
        assert stream_of(site.gateway, site)["consumer"] == "bob"


def test_a_changed_credential_counts_at_once(gateway, site, plain, consumers):
    credential = {"type": "key-auth", "source": "HEADER", "key": "x-carol", "values": ["one"]}
    gateway.api.post("/v1/consumers", {"name": "carol", "credentials": [credential]})
    served(site, plain, authConfig={**AUTH, "allowedConsumers": ["carol"]})
    assert site.get("/", ("x-carol", "one")).status == 200
    gateway.api.put("/v1/consumers/carol", {"credentials": [{**credential, "values": None}]})
    assert site.get("/", ("x-carol", "one")).status == 200, "without values the stored ones stay"
    gateway.api.put("/v1/consumers/carol", {"credentials": [{**credential, "values": ["two"]}]})
    assert [site.get("/", ("x-carol", value)).status for value in ("one", "two")] == [401, 200]


def test_consumers_keep_their_secrets(gateway, consumers):
    text = json.dumps(gateway.api.get("/v1/consumers"))
    assert "alice-token" not in text and "se:cret" not in text
    for folder in (gateway.data, gateway.state):
        for file in folder.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert b"alice-token" not in content and b"se:cret" not in content, file


def test_rules_of_consumers(gateway, site, plain, consumers):
    def errors(status, method, path, body):
        return [each["field"] for each in gateway.api.expect(status, method, path, body).json()["errors"]]

    token = {"type": "key-auth", "source": "BEARER", "values": ["x"]}
    assert errors(400, "POST", "/v1/consumers", {"name": "d", "credentials": []}) == ["credentials"]
    assert errors(400, "POST", "/v1/consumers", {"name": "d", "credentials": [{"type": "oauth2"}]}) == ["credentials[0].type"]
    assert errors(
        400, "POST", "/v1/consumers", {"name": "d", "credentials": [{**token, "source": "COOKIE"}]}
    ) == ["credentials[0].source"]
    assert errors(400, "POST", "/v1/consumers", {"name": "d", "credentials": [{**token, "values": []}]}) == [
        "credentials[0].values"
    ]
    taken = {"name": "d", "credentials": [{**token, "values": ["alice-token"]}]}
    answer = gateway.api.expect(400, "POST", "/v1/consumers", taken).json()
    assert "alice" in answer["errors"][0]["message"] and "alice-token" not in json.dumps(answer)
    gateway.api.expect(409, "POST", "/v1/consumers", {"name": "alice", "credentials": [token]})
    served(site, plain, authConfig=AUTH)
    gateway.api.expect(409, "DELETE", "/v1/consumers/alice")
    unknown = {**AUTH, "allowedConsumers": ["nobody"]}
    body = gateway.api.get(f"/v1/routes/{site.name}-1")
    assert errors(400, "PUT", f"/v1/routes/{site.name}-1", {**body, "authConfig": unknown}) == [
        "authConfig.allowedConsumers[0]"
    ]


# ---- rate limits


def test_over_the_limit(gateway, site, plain, calls):
    served(site, plain, "/http", rateLimit={"enabled": True, "qps": 1, "burst": 3})
    served(site, calls, "/grpc", protocol="GRPC", rateLimit={"enabled": True, "qps": 1, "burst": 1})
    statuses = [site.get("/http").status for _ in range(6)]
    assert statuses[:3] == [200] * 3 and 429 in statuses[3:]
    with pytest.raises(InvalidStatus) as refused:
        for _ in range(5):
            site.websocket("/http/ws").close()
    assert refused.value.response.status_code == 429
    with site.http2() as client:
        assert [client.grpc(site.host, "/grpc/Call").grpc_status for _ in range(3)].count(8) >= 1
    assert gateway.wait_log(authority=site.host, path="/http", status=429)["flag"] == "RL"
    wait_until(lambda: site.get("/http").status == 200, 10, "time gives requests back", interval=0.3)


def test_the_limit_is_that_of_the_whole_worker(gateway, site, plain):
    """Two loops, many connections: no more than burst and rate allow together."""
    served(site, plain, rateLimit={"enabled": True, "qps": 1, "burst": 20})
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(site.get("/").status)) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 20 <= statuses.count(200) <= 26 and statuses.count(200) + statuses.count(429) == 60


def test_each_address_has_its_own(gateway, site, plain):
    served(site, plain, rateLimit={"enabled": True, "qps": 1, "burst": 2, "perAddress": True})

    def status(address):
        with from_address(gateway, address) as wire:
            return wire.request("GET", "/", site.host).status

    assert [status("127.0.0.2") for _ in range(4)].count(429) >= 1
    assert [status("127.0.0.3") for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "annotations, passes",
    [
        ({"higress.io/route-limit-rps": "2", "higress.io/route-limit-burst-multiplier": "1"}, 2),
        ({"higress.io/route-limit-rpm": "60"}, 300),
        ({"nginx.ingress.kubernetes.io/limit-rps": "1"}, 5),
    ],
)
def test_limit_annotations(site, plain, annotations, passes):
    served(site, plain, customConfigs=annotations)
    with site.http1(tls=False) as wire:
        count = 0
        while count < 400 and wire.request("GET", "/", site.host).status == 200:
            count += 1
    assert passes <= count <= passes * 1.3 + 2


def test_an_unrelated_publish_gives_nothing_back(gateway, site, plain):
    served(site, plain, rateLimit={"enabled": True, "qps": 1, "burst": 5})
    while site.get("/").status == 200:
        pass
    gateway.api.create_static(f"{site.name}-unrelated", 1)
    assert site.get("/").status == 429


# ---- requests at once


@pytest.fixture
def held():
    """A back end that answers when it is told to, and keeps no connection."""
    go = threading.Event()

    def answer(wire):
        wire.read_request()
        go.wait(20)
        wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    with RawServer(answer) as server:
        server.go = go
        yield server
        go.set()


def from_address(gateway, address):
    return Wire.connect(gateway.http_port, source=address)


def ask(wire, site, path="/"):
    wire.send(f"GET {path} HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
    return wire


def test_no_more_at_once_over_all_loops(gateway, site, held):
    served(site, held, concurrencyLimit={"enabled": True, "max": 8})
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(site.http1(tls=False)) for _ in range(40)]
        for wire in wires:
            ask(wire, site)
        wait_until(lambda: held.connections == 8, 10, "as many as are allowed have come through")
        wait_until(lambda: len(refused_lines(gateway, site)) == 32, 10, "all others are refused")
        held.go.set()
        statuses = [wire.read_response().status for wire in wires]
        assert sorted(statuses) == [200] * 8 + [429] * 32
    assert {line["flag"] for line in refused_lines(gateway, site)} == {"RL"}
    # What has ended counts no longer.
    assert [site.get("/").status for _ in range(20)] == [200] * 20


def refused_lines(gateway, site):
    return [line for line in gateway.access_log() if line["authority"] == site.host and line["status"] == 429]


def test_websockets_count_until_their_end_and_a_change_counts_on(gateway, site, ws_server):
    made = served(site, ws_server, concurrencyLimit={"enabled": True, "max": 2})

    def full():
        with pytest.raises(InvalidStatus) as refused:
            site.websocket("/").close()
        return refused.value.response.status_code == 429

    with site.websocket("/") as first, site.websocket("/") as second:
        assert full()
        stored = gateway.api.get(f"/v1/routes/{made['name']}")
        gateway.api.put(f"/v1/routes/{made['name']}", {**stored, "concurrencyLimit": {"enabled": True, "max": 3}})
        with site.websocket("/"):
            assert full(), "those from before count"
        first.send("still")
        assert first.recv(timeout=10) == "still"
        second.close()
        wait_until(lambda: not_full(site), 10, "an end makes room")


def test_a_call_counts_until_it_has_ended(site, calls):
    served(site, calls, protocol="GRPC", concurrencyLimit={"enabled": True, "max": 1})
    with site.http2() as client:
        fields = (("content-type", "application/grpc"), ("te", "trailers"))
        running = client.open("POST", site.host, "/a.B/Long", *fields, end=False)
        assert client.grpc(site.host, "/a.B/Other").grpc_status == 8
        client.data(running.id, b"\0\0\0\0\0", end=True)
        assert client.finish(running).grpc_status == 0
        assert client.grpc(site.host, "/a.B/Other").grpc_status == 0


def not_full(site):
    try:
        site.websocket("/").close()
    except InvalidStatus:
        return False
    return True


@pytest.mark.parametrize("settings", [{"concurrencyLimit": {"max": 1, "perAddress": True}}, {"customConfigs": {"higress.io/limit-connections": "1"}}])
def test_each_address_has_its_own_limit_at_once(gateway, site, held, settings):
    served(site, held, **settings)
    with from_address(gateway, "127.0.0.2") as one, from_address(gateway, "127.0.0.2") as two:
        ask(one, site)
        wait_until(lambda: held.connections == 1, 10, "the first has come through")
        assert two.request("GET", "/", site.host).status == 429
        with from_address(gateway, "127.0.0.3") as other:
            ask(other, site)
            wait_until(lambda: held.connections == 2, 10, "another address has room")
            held.go.set()
            assert other.read_response().status == one.read_response().status == 200
    with from_address(gateway, "127.0.0.2") as again:
        assert again.request("GET", "/", site.host).status == 200


@pytest.mark.parametrize("limit", [{"enabled": True}, {"max": 0}, {"max": 10_000_001}])
def test_rules_of_the_limit_at_once(site, plain, limit):
    body = route(site.name, [site.host], "any.static", concurrencyLimit=limit)
    answer = site.gateway.api.expect(400, "POST", "/v1/routes", body).json()
    assert "concurrencyLimit.max" in [error["field"] for error in answer["errors"]]


# ---- answers of the gateway's own


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(site, plain, calls, status):
    served(site, plain, "/old", redirect={"enabled": True, "status": status, "url": "https://new.example/there?a=b"})
    answer = site.get("/old/x")
    assert (answer.status, answer.get("location")) == (status, "https://new.example/there?a=b")


def test_redirects_and_grpc(site, calls):
    served(site, calls, protocol="GRPC", redirect={"enabled": True, "url": "https://new.example/"})
    with site.http2() as client:
        call = client.grpc(site.host, "/a.B/C")
        assert (call.status, call.grpc_status) == (200, 14) and "redirect" in call.grpc_message


@pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io/", "higress.io/"])
def test_redirect_annotations(site, plain, prefix):
    def with_annotations(path, **annotations):
        named = {f"{prefix}{key.replace('_', '-')}": value for key, value in annotations.items()}
        served(site, plain, path, customConfigs=named)
        answer = site.get(path)
        return answer.status, answer.get("location")

    to = "https://new.example/"
    assert with_annotations("/a", temporal_redirect=to) == (302, to)
    assert with_annotations("/b", permanent_redirect=to) == (301, to)
    assert with_annotations("/c", permanent_redirect=to, permanent_redirect_code="308") == (308, to)
    assert with_annotations("/d", temporal_redirect=to, permanent_redirect="https://x.example/") == (302, to)
    assert with_annotations("/e", force_ssl_redirect="true")[0] == 308
    served(site, plain, "/", customConfigs={f"{prefix}app-root": "/welcome"})
    assert (site.get("/").status, site.get("/").get("location"), site.get("/other").status) == (302, "/welcome", 200)


@pytest.mark.parametrize("status, body", [(200, "it works"), (503, ""), (204, "never sent")])
def test_direct_answers(site, plain, status, body):
    served(site, plain, mock={"enabled": True, "status": status, "content": body, "contentType": "application/x-test"})
    answer = site.get("/")
    assert (answer.status, answer.body.decode()) == (status, "" if status == 204 else body)
    if status != 204:
        assert answer.get("content-type") == "application/x-test"
    assert site.get("/", method="HEAD").status == status
    with site.http2() as client:
        stream = client.request("GET", site.host, "/")
        assert (stream.status, stream.body.decode()) == (status, "" if status == 204 else body)


def test_direct_answers_and_grpc(site, calls):
    served(site, calls, protocol="GRPC", mock={"enabled": True, "status": 503, "content": "closed"})
    with site.http2() as client:
        assert client.grpc(site.host, "/a.B/C").grpc_status == 14


# ---- header fields


def test_header_control(site, plain, calls):
    control = {
        "enabled": True,
        "request": {
            "add": [{"key": "X-Many", "value": "two"}, {"key": "x-new", "value": "n"}],
            "set": [{"key": "User-Agent", "value": "gateway"}],
            "remove": ["X-Secret"],
        },
        "response": {
            "add": [{"key": "X-Added", "value": "yes"}],
            "set": [{"key": "X-Backend", "value": "hidden"}],
            "remove": ["Content-Type"],
        },
    }
    served(site, plain, "/http", headerControl=control)
    served(site, calls, "/grpc", protocol="GRPC", headerControl=control)
    sent = [("X-Many", "one"), ("User-Agent", "me"), ("X-Secret", "s"), ("X-Secret", "t")]
    with site.http2() as client:
        over_h2 = client.request("GET", site.host, "/http", *((name.lower(), value) for name, value in sent))
        client.grpc(site.host, "/grpc/Call", b"", ("x-many", "one"), ("x-secret", "s"))
    answer = site.get("/http", *sent)
    for fields in (dict(over_h2.headers), {name.lower(): value for name, value in answer.fields}):
        assert fields["x-added"] == "yes" and fields["x-backend"] == "hidden" and "content-type" not in fields
    for request in plain.seen[-2:]:
        assert request.all("x-many") == ["one", "two"] and request.all("x-new") == ["n"]
        assert request.all("user-agent") == ["gateway"] and request.all("x-secret") == []
    call = calls.requests[-1]
    assert call["x-new"] == "n" and "x-secret" not in call


@pytest.mark.parametrize("name", ["Connection", "Content-Length", "Transfer-Encoding", "Host", "TE"])
def test_headers_of_the_connection_cannot_be_edited(gateway, site, plain, name):
    served(site, plain)
    body = gateway.api.get(f"/v1/routes/{site.name}-1")
    control = {"enabled": True, "request": {"set": [{"key": name, "value": "1"}]}}
    answer = gateway.api.expect(400, "PUT", f"/v1/routes/{site.name}-1", {**body, "headerControl": control}).json()
    assert answer["errors"][0]["field"] == "headerControl.request.set[0].key", answer


# ---- copies


def test_copies_go_to_another_service_and_nobody_waits_for_them(gateway, site, plain):
    with EchoServer("shadow") as shadow:
        gateway.api.create_static(f"{site.name}-shadow", shadow.port)
        served(site, plain, mirror={"service": f"{site.name}-shadow.static"})
        body = b"b" * 100_000
        assert site.get("/copied?x=1", method="POST", body=body).get("x-backend") == "b1"
        copy = wait_until(lambda: shadow.seen and shadow.seen[-1], 10, "the copy")
        assert (copy.method, copy.target, copy.body) == ("POST", "/copied?x=1", body)
        count = len(shadow.seen)

        def answered():
            active = gateway.metric("causeway_endpoint_exchanges_active", endpoint=f"127.0.0.1:{shadow.port}")
            return len(shadow.seen) == count and active == 0

        with site.http2() as client:
            for _ in range(20):
                assert client.request("GET", site.host, "/again").status == 200
            count += 20
            wait_until(answered, 10, "twenty copies")
            # A copy that finds those before it answered needs no connection of its own.
            connections = shadow.connections
            for _ in range(5):
                assert client.request("GET", site.host, "/again").status == 200
                count += 1
                wait_until(answered, 10, "a copy")
        assert shadow.connections == connections, "connections for copies are kept"
    assert [site.get("/dead").status for _ in range(5)] == [200] * 5, "a dead copy's service harms nobody"


def test_copies_of_calls_and_a_share(gateway, site, calls):
    with http2.Server() as shadow:
        gateway.api.create_static(f"{site.name}-shadow", shadow.port)
        served(site, calls, protocol="GRPC", mirror={"service": f"{site.name}-shadow.static", "percentage": 25})
        with site.http2() as client:
            for _ in range(400):
                assert client.grpc(site.host, "/a.B/C", b"hello").grpc_status == 0
        wait_until(lambda: len(shadow.requests) >= 60, 10, "copies")
        assert 60 <= len(shadow.requests) <= 140


def test_a_copy_s_service_that_hangs_harms_nobody(gateway, site, plain):
    from peers.http1 import RawServer

    with RawServer(lambda wire: wire.is_closed()) as hanging:
        gateway.api.create_static(f"{site.name}-hanging", hanging.port)
        served(site, plain, mirror={"service": f"{site.name}-hanging.static"})
        for _ in range(10):
            assert site.get("/", method="POST", body=b"x" * 1_000_000).status == 200


# ---- cross-origin requests

ORIGIN = "https://app.example"
CORS = {
    "enabled": True,
    "allowOrigins": [ORIGIN, "https://*.trusted.example"],
    "allowMethods": ["POST", "PUT"],
    "allowHeaders": ["x-token", "content-type"],
    "exposeHeaders": ["x-backend"],
    "maxAge": 600,
    "allowCredentials": True,
}


def cors_fields(answer):
    fields = answer.fields if hasattr(answer, "fields") else answer.headers
    return {name.lower(): value for name, value in fields if name.lower().startswith("access-control-")}


def preflight(site, path, origin=ORIGIN, method="PUT", headers="x-token"):
    return site.get(
        path,
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
        method="OPTIONS",
    )


def test_a_preflight_is_answered_before_method_and_credentials(gateway, site, plain, consumers):
    served(site, plain, cors=CORS, methods=["PUT"], authConfig=AUTH)
    before = len(plain.seen)
    answer = preflight(site, "/x")
    assert answer.status == 204
    assert cors_fields(answer) == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST, PUT",
        "access-control-allow-headers": "x-token, content-type",
        "access-control-max-age": "600",
    }
    assert answer.get("vary") == "Origin" and len(plain.seen) == before
    assert gateway.wait_log(authority=site.host, method="OPTIONS")["route"] == f"{site.name}-1"


@pytest.mark.parametrize(
    "origin, allowed",
    [
        (ORIGIN, True),
        ("https://a.trusted.example", True),
        ("https://a.b.trusted.example", True),
        ("https://trusted.example", False),
        ("https://eviltrusted.example", False),
        ("https://evil.example/.trusted.example", False),
        ("http://a.trusted.example", False),
        ("https://app.example:8443", False),
        ("null", False),
    ],
)
def test_origins(site, plain, origin, allowed):
    served(site, plain, cors=CORS)
    answer = site.get("/", ("Origin", origin))
    assert answer.status == 200
    assert cors_fields(answer).get("access-control-allow-origin") == (origin if allowed else None)
    assert bool(cors_fields(preflight(site, "/", origin))) == allowed


def test_any_origin(site, plain):
    served(site, plain, cors={"enabled": True, "allowOrigins": ["*"]})
    assert cors_fields(site.get("/", ("Origin", "https://any.example"))) == {"access-control-allow-origin": "*"}
    asked = cors_fields(preflight(site, "/", "https://any.example", "DELETE", "x-a, x-b"))
    assert asked["access-control-allow-methods"] == "DELETE" and asked["access-control-allow-headers"] == "x-a, x-b"
    assert cors_fields(site.get("/")) == {}, "requests without an origin are not concerned"


def test_answers_of_the_gateway_can_be_read_too(site, plain, consumers):
    served(site, plain, cors=CORS, authConfig=AUTH)
    answer = site.get("/", ("Origin", ORIGIN))
    assert answer.status == 401 and cors_fields(answer)["access-control-allow-origin"] == ORIGIN


def test_the_upstream_s_own_word_is_dropped(site):
    def handler(wire):
        while True:
            wire.read_request()
            wire.send(
                b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://other.example\r\n"
                b"Access-Control-Allow-Credentials: true\r\nAccess-Control-Max-Age: 5\r\nContent-Length: 0\r\n\r\n"
            )

    from peers.http1 import RawServer

    with RawServer(handler) as server:
        served(site, server, "/with", cors={"enabled": True, "allowOrigins": [ORIGIN]})
        served(site, server, "/without")
        assert cors_fields(site.get("/with", ("Origin", ORIGIN))) == {"access-control-allow-origin": ORIGIN}
        assert "https://other.example" in cors_fields(site.get("/without", ("Origin", ORIGIN))).values()


def test_options_without_a_policy_goes_to_the_service(site, plain):
    served(site, plain)
    assert preflight(site, "/").status == 200 and plain.seen[-1].method == "OPTIONS"
