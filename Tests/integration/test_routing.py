"""Which route a request takes, where the Higress suite (Tests/parity/test_higress_routing.py) has no case for it."""

import json

import pytest

from integration.routing import ask, who
from integration.site import Site
from peers import http2
from peers.http1 import EchoServer


def test_the_longer_wildcard_wins(gateway, table):
    table((["*.foo.com"], "PRE", "/", "v1"), (["*.a.foo.com"], "PRE", "/", "v2"))
    assert who(gateway, "x.a.foo.com", "/") == "v2"
    assert who(gateway, "x.foo.com", "/") == "v1"


def test_routes_without_a_domain_serve_any_host(gateway, table):
    table(([], "PRE", "/", "v1"), (["foo.com"], "EQUAL", "/only", "v2"))
    assert who(gateway, "whatever.net", "/x") == "v1"
    assert who(gateway, "foo.com", "/only") == "v2"
    assert who(gateway, "foo.com", "/else") == "v1"


def test_order_of_kinds_lengths_and_conditions(gateway, table):
    table(
        (["foo.com"], "PRE", "/", "v1"),
        (["foo.com"], "REGULAR", "/re.*", "v2"),
        (["foo.com"], "PRE", "/re/long", "v3"),
        (["foo.com"], "PRE", "/m", "v1"),
        (["foo.com"], "PRE", "/m", "v2", {"methods": ["GET", "POST"]}),
        (["foo.com"], "PRE", "/m", "v3", {"methods": ["GET"]}),
    )
    assert who(gateway, "foo.com", "/regular") == "v2", "a bare / comes after regular expressions"
    assert who(gateway, "foo.com", "/re/long/x") == "v3", "prefix before regular expression"
    assert who(gateway, "foo.com", "/else") == "v1"
    assert who(gateway, "foo.com", "/m") == "v3", "fewer methods first"
    assert who(gateway, "foo.com", "/m", method="POST") == "v2"
    assert who(gateway, "foo.com", "/m", method="PUT") == "v1"


@pytest.mark.parametrize("version", ["http1", "http2"])
@pytest.mark.parametrize(
    "target, name, seen",
    [
        # Dots are resolved, escaped or not, before a route is looked for.
        ("/public/./x", "v1", "/public/x"),
        ("/public/x/.", "v1", "/public/x/"),
        ("/public/../admin", "v2", "/admin"),
        ("/public/x/../../admin/y", "v2", "/admin/y"),
        ("/public/%2e%2e/admin", "v2", "/admin"),
        ("/public/.%2E/admin", "v2", "/admin"),
        ("/admin/..", "v3", "/"),
        ("/public/...", "v1", "/public/..."),
        ("/public/x?to=/../admin", "v1", "/public/x?to=/../admin"),
        ("/..", 400, None),
        ("/public/../../admin", 400, None),
        ("/%2e%2e/admin", 400, None),
        # Other escapes of unreserved characters are decoded, too: one name, one route.
        ("/%61dmin", "v2", "/admin"),
        ("/public%2ex", "v3", "/public.x"),
        # An escaped slash is data of its segment, and none that parts it.
        ("/public%2fx", "v3", "/public%2Fx"),
        ("/public/a%2fadmin", "v1", "/public/a%2Fadmin"),
        ("/public%2F..%2Fadmin", 400, None),
        ("/public/..%2fadmin", 400, None),
        ("/public/%2e%2e%2fadmin", 400, None),
        ("/public/..%5cadmin", 400, None),
        ("/public/..;x/admin", 400, None),
        # Once is all: what an escaped percent sign hides stays hidden.
        ("/public/%252e%252e/admin", "v1", "/public/%252e%252e/admin"),
        # Slashes stay as many as they are.
        ("//admin", "v3", "//admin"),
        ("/public//x", "v1", "/public//x"),
        ("/public//../../admin", "v2", "/admin"),
        ("/public/..//admin", "v3", "//admin"),
        # What readers understand differently, or not at all.
        ("/public\\..\\admin", 400, None),
        ("/public/%5Cx", "v1", "/public/%5Cx"),
        ("/public/%00", 400, None),
        ("/public%00/../admin", 400, None),
        ("/public/%", 400, None),
        ("/public/%zz", 400, None),
    ],
)
def test_the_path_that_chooses_the_route_is_the_one_that_the_service_sees(gateway, table, version, target, name, seen):
    """The rule of docs/decisions/0002-one-rule-for-paths.md."""
    table((["foo.com"], "PRE", "/public", "v1"), (["foo.com"], "PRE", "/admin", "v2"), (["foo.com"], "PRE", "/", "v3"))
    if version == "http1":
        assert found(*ask(gateway, "foo.com", target)) == (name, seen)
    else:
        with http2.Client(gateway.http_port, tls=False, validate=False) as client:
            stream = client.request("GET", "foo.com", target)
        saw = json.loads(stream.body) if stream.status == 200 else None
        assert found(saw["backend"] if saw else stream.status, saw) == (name, seen)


def found(name, saw):
    return name, saw and saw["target"]


@pytest.mark.parametrize("weights, allowed", [((0, 100), {"v2"}), ((100, 0), {"v1"}), ((50, 50), {"v1", "v2"})])
def test_weights(gateway, table, weights, allowed):
    services = [{"name": f"v{n}.static", "port": 80, "weight": weight} for n, weight in zip((1, 2), weights)]
    table((["foo.com"], "PRE", "/", "v1", {"services": services}))
    answered = [who(gateway, "foo.com", "/") for _ in range(60)]
    assert set(answered) == allowed
    if len(allowed) == 2:
        assert 10 <= answered.count("v1") <= 50


def test_several_addresses_of_a_source_take_turns(gateway, authority):
    first, second = EchoServer("one"), EchoServer("two")
    with first, second:
        site = Site(gateway, authority, https="off")
        site.serve(first.port, second.port)
        answered = [who(gateway, site.host, "/") for _ in range(40)]
        assert set(answered) == {"one", "two"}
        assert 10 <= answered.count("one") <= 30


@pytest.mark.parametrize("key", ["nginx.ingress.kubernetes.io/backend-protocol", "higress.io/backend-protocol"])
def test_the_annotation_means_the_same_as_the_field(gateway, authority, grpc_server, key):
    site = Site(gateway, authority)
    site.serve(grpc_server.port, customConfigs={key: "grpc"})
    from peers.protos import Greeter, HelloRequest

    with site.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"


def test_the_protocol_of_the_source_is_the_default(gateway, authority, grpc_server):
    site = Site(gateway, authority)
    gateway.api.create_static("says-grpc", grpc_server.port, protocol="grpc")
    site.route("by-source", "says-grpc.static")
    from peers.protos import Greeter, HelloRequest

    with site.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"


@pytest.mark.parametrize("match, value", [("PRE", "/old"), ("REGULAR", "/old(/.*)")], ids=["prefix", "regex"])
def test_what_a_rewrite_makes_too_long_goes_nowhere(gateway, authority, match, value):
    """Never on its way as it came: the service would see a path that its route does not mean for it."""
    site = Site(gateway, authority, https="off")
    new = "/new/" + "x" * 500
    with EchoServer() as echo, site.http2(tls=False) as client:
        site.serve(echo.port, path=value, match=match, rewrite={"enabled": True, "path": new + ("$1" * 3 if match == "REGULAR" else "")})
        fits, grows = "/old/a?" + "q" * 60_000, "/old/a?" + "q" * (65_536 - 200)
        assert client.request("GET", site.host, fits).status == 200
        assert client.request("GET", site.host, grows).status == 431
        if match == "REGULAR":
            assert client.request("GET", site.host, "/old/" + "a" * 20_000).status == 200
            assert client.request("GET", site.host, "/old/" + "a" * 25_000).status == 431
        assert client.request("GET", site.host, fits).status == 200
    assert all(request.target.startswith(new) for request in echo.seen)
    assert len(echo.seen) == (3 if match == "REGULAR" else 2)
