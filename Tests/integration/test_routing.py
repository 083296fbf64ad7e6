"""Which route a request takes, where the Higress suite (Tests/parity/test_higress_routing.py) has no case for it."""

import pytest

from integration.routing import ask, who
from integration.site import Site
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


def test_dots_in_a_path_cannot_reach_another_route(gateway, table):
    table((["foo.com"], "PRE", "/public", "v1"), (["foo.com"], "PRE", "/admin", "v2"))
    for target in ("/public/../admin", "/public/%2e%2e/admin", "/public/.%2E/admin"):
        name, saw = ask(gateway, "foo.com", target)
        # Whatever the rule of normalisation: the back end must be the one whose route covers the path that it sees.
        if name == "v1":
            assert saw["target"].startswith("/public") and ".." not in saw["target"].replace("%2e", ".").replace(
                "%2E", "."
            )
        else:
            assert name in ("v2", 400, 404), target
            if name == "v2":
                assert saw["target"].startswith("/admin")


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
