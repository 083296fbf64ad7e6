"""Which route a request takes: the routing tests of the Higress suite, replayed through the API and a real worker."""

import json

import pytest

from integration.api import route
from integration.site import Site
from peers.http1 import EchoServer
from peers.wire import Wire


@pytest.fixture(scope="module")
def backends(gateway):
    """Three echoes that say their names: services v1.static, v2.static, v3.static."""
    servers = {name: EchoServer(name) for name in ("v1", "v2", "v3")}
    for name, server in servers.items():
        gateway.api.create_static(name, server.port)
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def table(gateway, backends):
    """`table(rows)` makes routes for one test and takes them away after it, domains included.

    A row: (hosts, path kind, path, backend, more fields).
    """
    made, domains = [], []

    def make(*rows):
        for number, (hosts, kind, path, backend, *more) in enumerate(rows):
            for host in hosts:
                if host not in domains:
                    gateway.api.create_domain(host)
                    domains.append(host)
            name = f"row-{number}"
            gateway.api.post(
                "/v1/routes", route(name, hosts, f"{backend}.static", path, kind, **(more[0] if more else {}))
            )
            made.append(name)

    yield make
    for name in made:
        gateway.api.delete(f"/v1/routes/{name}", live=False)
    for host in domains:
        gateway.api.delete(f"/v1/domains/{host}", live=False)


def ask(gateway, host, target, *fields, method="GET"):
    """The name of the back end that answers, or the status when none does; and what the back end saw."""
    with Wire.connect(gateway.http_port) as wire:
        answer = wire.request(method, target, host, *fields)
    if answer.status != 200:
        return answer.status, None
    if method == "HEAD":
        return answer.get("x-backend"), None
    saw = json.loads(answer.body)
    return saw["backend"], saw


def who(gateway, host, target, *fields, method="GET"):
    return ask(gateway, host, target, *fields, method=method)[0]


def test_one_simple_route(gateway, table):
    table((["foo.com"], "PRE", "/", "v1"))
    assert who(gateway, "foo.com", "/hello") == "v1"
    assert who(gateway, "bar.com", "/hello") == 404


def test_host_names(gateway, table):
    table(
        (["foo.com"], "PRE", "/foo", "v1"),
        (["bar.com", "*.bar.com"], "PRE", "/bar", "v2"),
        (["api.bar.com"], "PRE", "/any", "v3"),
        (["api-bar.com"], "PRE", "/bar", "v1"),
    )
    assert who(gateway, "foo.com", "/foo") == "v1"
    assert who(gateway, "bar.com", "/bar") == "v2"
    assert who(gateway, "x.bar.com", "/bar") == "v2"
    assert who(gateway, "a.b.bar.com", "/bar") == "v2"
    assert who(gateway, "api.bar.com", "/any") == "v3"
    assert who(gateway, "api-bar.com", "/bar") == "v1", "api-bar.com is not *.bar.com"
    assert who(gateway, "foo.com", "/bar") == 404
    assert who(gateway, "FOO.com:8000", "/foo") == "v1", "port and case do not count"


def test_an_exact_host_without_a_fitting_path_falls_back_to_its_wildcard(gateway, table):
    table((["*.foo.com"], "PRE", "/", "v1"), (["www.foo.com"], "EQUAL", "/bar", "v2"))
    assert who(gateway, "www.foo.com", "/bar") == "v2"
    assert who(gateway, "www.foo.com", "/foo") == "v1"


def test_the_longer_wildcard_wins(gateway, table):
    table((["*.foo.com"], "PRE", "/", "v1"), (["*.a.foo.com"], "PRE", "/", "v2"))
    assert who(gateway, "x.a.foo.com", "/") == "v2"
    assert who(gateway, "x.foo.com", "/") == "v1"


def test_routes_without_a_domain_serve_any_host(gateway, table):
    table(([], "PRE", "/", "v1"), (["foo.com"], "EQUAL", "/only", "v2"))
    assert who(gateway, "whatever.net", "/x") == "v1"
    assert who(gateway, "foo.com", "/only") == "v2"
    assert who(gateway, "foo.com", "/else") == "v1"


def test_paths(gateway, table):
    table(
        (["foo.com"], "EQUAL", "/foo", "v1"),
        (["foo.com"], "PRE", "/foo", "v2"),
        (["foo.com"], "PRE", "/bar", "v2"),
        (["foo.com"], "PRE", "/cat/", "v3"),
    )
    for target, backend in [
        ("/foo", "v1"),
        ("/foo/", "v2"),
        ("/foo?q=1", "v1"),
        ("/bar", "v2"),
        ("/bard", 404),
        ("/cat", "v3"),
        ("/cat/ok", "v3"),
        ("/cats", 404),
    ]:
        assert who(gateway, "foo.com", target) == backend, target


def test_paths_without_case(gateway, table):
    loose = {"case_sensitive": False}
    table(
        (["foo.com"], "EQUAL", "/foo", "v1", loose),
        (["foo.com"], "PRE", "/bar", "v2", loose),
        (["foo.com"], "PRE", "/cat/", "v3", loose),
    )
    assert [who(gateway, "foo.com", target) for target in ("/fOO", "/BAR", "/CAT/ok")] == ["v1", "v2", "v3"]


def test_regular_expressions(gateway, table):
    table((["foo.com"], "REGULAR", "/foo/[A-Z0-9]{3}", "v1"), (["foo.com"], "REGULAR", "/bar/[A-Z0-9]{3}$", "v2"))
    for target, backend in [
        ("/foo/1234", "v1"),
        ("/foo/12", 404),
        ("/x/foo/123", 404),
        ("/bar/123", "v2"),
        ("/bar/1234", 404),
    ]:
        assert who(gateway, "foo.com", target) == backend, target


def test_methods(gateway, table):
    table((["foo.com"], "PRE", "/", "v1", {"methods": ["POST", "PUT", "PATCH"]}))
    assert who(gateway, "foo.com", "/") == 404
    assert {who(gateway, "foo.com", "/", method=method) for method in ("POST", "PUT", "PATCH")} == {"v1"}


TRIO = [("abc", "EQUAL", "123"), ("content-type", "REGULAR", "application/(json|xml)"), ("user-id", "PRE", "10086-1")]


def test_headers(gateway, table):
    table(
        (
            ["foo.com"],
            "PRE",
            "/",
            "v1",
            {"headers": [{"key": key, "matchType": kind, "matchValue": value} for key, kind, value in TRIO]},
        )
    )
    good = [("abc", "123"), ("content-type", "application/json"), ("user-id", "10086-123")]
    assert who(gateway, "foo.com", "/", *good) == "v1"
    assert who(gateway, "foo.com", "/", ("ABC", "123"), *good[1:]) == "v1", "names have no case"
    for missing in range(3):
        assert who(gateway, "foo.com", "/", *(field for n, field in enumerate(good) if n != missing)) == 404
    assert who(gateway, "foo.com", "/", ("abc", "12"), *good[1:]) == 404
    assert who(gateway, "foo.com", "/", good[0], ("content-type", "text/json"), good[2]) == 404


def test_query_parameters(gateway, table):
    table(
        (
            ["foo.com"],
            "PRE",
            "/",
            "v1",
            {"urlParams": [{"key": key, "matchType": kind, "matchValue": value} for key, kind, value in TRIO]},
        )
    )
    assert who(gateway, "foo.com", "/?abc=123&content-type=application%2Fxml&user-id=10086-1") == "v1"
    assert who(gateway, "foo.com", "/?user-id=10086-199&content-type=application/json&abc=123") == "v1"
    assert who(gateway, "foo.com", "/?abc=12&content-type=application/xml&user-id=10086-1") == 404
    assert who(gateway, "foo.com", "/") == 404


def test_pseudo_headers(gateway, table):
    authority = ":authority"
    table(
        (
            ["*.foo.com"],
            "PRE",
            "/v1",
            "v1",
            {"headers": [{"key": authority, "matchType": "EQUAL", "matchValue": "test.foo.com"}]},
        ),
        (
            ["*.foo.com"],
            "PRE",
            "/v2",
            "v2",
            {"headers": [{"key": authority, "matchType": "REGULAR", "matchValue": r"test.+\.foo\.com"}]},
        ),
        (
            ["*.foo.com"],
            "PRE",
            "/v3",
            "v3",
            {"headers": [{"key": ":path", "matchType": "PRE", "matchValue": "/v3/bar"}]},
        ),
    )
    for host, target, backend in [
        ("test.foo.com", "/v1", "v1"),
        ("test2.foo.com", "/v1", 404),
        ("test.foo.com", "/v2", 404),
        ("test2.foo.com", "/v2", "v2"),
        ("test.foo.com", "/v3", 404),
        ("test.foo.com", "/v3/bar/x", "v3"),
    ]:
        assert who(gateway, host, target) == backend, (host, target)


def test_same_host_and_path_the_most_specific_headers_win(gateway, table):
    def having(*pairs):
        return {"headers": [{"key": key, "matchType": "EQUAL", "matchValue": value} for key, value in pairs]}

    table(
        (["foo.com"], "PRE", "/hello-world", "v1", having(("stage", "test"))),
        (["foo.com"], "PRE", "/hello-world", "v2", having(("stage", "test"), ("canary", "true"))),
        (["foo.com"], "PRE", "/hello-world", "v3"),
        (["foo.com"], "PRE", "/", "v3", having(("stage", "test"))),
        (["foo.com"], "PRE", "/", "v1"),
        (["foo.com"], "PRE", "/", "v2"),
    )
    assert who(gateway, "foo.com", "/hello-world", ("stage", "test")) == "v1"
    assert who(gateway, "foo.com", "/hello-world", ("stage", "test"), ("canary", "true")) == "v2"
    assert who(gateway, "foo.com", "/hello-world") == "v3"
    assert who(gateway, "foo.com", "/x", ("stage", "test")) == "v3"
    assert who(gateway, "foo.com", "/x") == "v1", "of two equal routes the older wins"


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


def test_rewriting_the_path(gateway, table):
    table(
        (["foo.com"], "REGULAR", "/svc/(.*)", "v1", {"rewrite": {"path": "/$1"}}),
        (["foo.com"], "PRE", "/old", "v2", {"rewrite": {"path": "/new"}}),
        (["foo.com"], "EQUAL", "/one", "v3", {"rewrite": {"path": "/two"}}),
    )
    for target, backend, seen in [
        ("/svc/foo?q=1", "v1", "/foo?q=1"),
        ("/old/a", "v2", "/new/a"),
        ("/old", "v2", "/new"),
        ("/one?x", "v3", "/two?x"),
    ]:
        name, saw = ask(gateway, "foo.com", target)
        assert (name, saw["target"]) == (backend, seen), target


def test_rewriting_the_host(gateway, table):
    table((["foo.com", "bar.com"], "PRE", "/", "v1", {"rewrite": {"host": "higress.io"}}))
    for host in ("foo.com", "bar.com"):
        name, saw = ask(gateway, host, "/")
        assert (name, saw["host"]) == ("v1", "higress.io")


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
