"""The route tester says what the worker does: the same requests are put to both."""

import pytest

from integration.api import route
from integration.site import Site
from peers.http1 import EchoServer


@pytest.fixture(scope="module")
def shop(gateway, authority):
    with EchoServer() as server:
        site = Site(gateway, authority, "shop.test")
        api = gateway.api
        api.create_static("shop", server.port, "127.0.0.9:9")
        api.put(
            "/v1/service-sources/shop",
            {
                **api.get("/v1/service-sources/shop"),
                "endpoints": [{"address": "127.0.0.9:9", "drain": True, "weight": 3}],
            },
        )
        api.create_domain("*.wild.test")
        api.create_domain("forced.test", https="force", certificate=api.get("/v1/domains/shop.test")["certIdentifier"])
        api.create_route("st-exact", ["shop.test"], "shop.static", "/exact", "EQUAL")
        api.create_route("st-prefix", ["shop.test"], "shop.static", "/a")
        api.create_route("st-posts", ["shop.test"], "shop.static", "/a", methods=["POST"])
        api.create_route(
            "st-header",
            ["shop.test"],
            "shop.static",
            "/a",
            headers=[{"key": "x-kind", "matchType": "EQUAL", "matchValue": "vip"}],
        )
        api.create_route("st-regex", ["shop.test"], "shop.static", "/item/[0-9]+", "REGULAR")
        api.create_route(
            "st-rewritten", ["shop.test"], "shop.static", "/old", rewrite={"path": "/new", "host": "inner.test"}
        )
        api.create_route("st-wild", ["*.wild.test"], "shop.static", "/")
        api.create_route("st-forced", ["forced.test"], "shop.static", "/")
        yield site


def ask(gateway, url, method="GET", **more):
    return gateway.api.expect(200, "POST", "/v1/route-tester", {"url": url, "method": method, **more}).json()["data"]


@pytest.mark.parametrize(
    "method, path, headers, taken",
    [
        ("GET", "/exact", {}, "st-exact"),
        ("GET", "/exact/more", {}, None),
        ("GET", "/a/b?c=d", {}, "st-prefix"),
        ("GET", "/ab", {}, None),
        ("POST", "/a/b", {}, "st-posts"),
        ("GET", "/a", {"X-Kind": "vip"}, "st-header"),
        ("POST", "/a", {"x-kind": "vip"}, "st-posts"),
        ("GET", "/x/../a/%62", {}, "st-prefix"),
        ("GET", "/item/12", {}, "st-regex"),
        ("GET", "/item/x", {}, None),
        ("GET", "/old/thing", {}, "st-rewritten"),
    ],
)
def test_it_says_what_the_worker_does(gateway, shop, method, path, headers, taken):
    told = ask(gateway, f"https://shop.test{path}", method, headers=headers)
    assert told.get("route") == taken, told
    answer = shop.get(path, *headers.items(), tls=True, method=method)
    if taken:
        target = told["path"] + (f"?{told['query']}" if "query" in told else "")
        assert answer.status == 200 and gateway.wait_log(path=target, method=method, route=taken)
    else:
        assert answer.status == 404 and told["outcome"] == "no-route"


def test_it_says_why_not_the_others(gateway, shop):
    told = ask(gateway, "https://shop.test/a")
    assert {each["route"]: each["outcome"] for each in told["candidates"]} == {
        "st-exact": "path",
        "st-posts": "method",
        "st-header": "header",
        "st-prefix": "matched",
        "st-rewritten": "path",
        "st-regex": "path",
    }
    assert "x-kind" in next(each["reason"] for each in told["candidates"] if each["route"] == "st-header")
    told = ask(gateway, "https://shop.test/a", "POST", headers={"x-kind": "vip"})
    assert {each["route"] for each in told["candidates"] if each["outcome"] == "outranked"} == {"st-prefix", "st-header"}


def test_it_tells_where_the_request_goes(gateway, shop):
    told = ask(gateway, "https://shop.test:8443/old/thing?x=1")
    assert (told["upstreamPath"], told["upstreamAuthority"], told["query"]) == ("/new/thing", "inner.test", "x=1")
    assert told["domain"] == "shop.test" and told["certificate"] == "shop-test"
    [destination] = told["destinations"]
    assert destination["share"] == 1 and destination["protocol"] == "HTTP/1.1" and destination["tls"] is False
    assert {each["address"]: each["drains"] for each in destination["endpoints"]}["127.0.0.9:9"] is True
    assert told["version"] == gateway.api.get("/v1/versions")[0]["version"]


def test_hosts_and_https(gateway, shop):
    assert ask(gateway, "https://Deep.Er.Wild.Test/x")["route"] == "st-wild"
    forced = ask(gateway, "http://forced.test/x")
    assert forced["outcome"] == "redirect-to-https" and "route" not in forced
    assert ask(gateway, "wss://forced.test/x")["route"] == "st-forced"
    nowhere = ask(gateway, "http://nowhere.test/")
    assert nowhere["outcome"] == "no-route" and nowhere["candidates"] == []
    assert ask(gateway, "https://shop.test/%zz")["outcome"] == "bad-path"


def test_a_connection_for_another_host_is_misdirected(gateway, shop, authority):
    Site(gateway, authority, "other.test")
    gateway.api.create_route("st-other", ["other.test"], "shop.static")
    assert ask(gateway, "https://other.test/")["outcome"] == "route"
    told = ask(gateway, "https://other.test/", sni="shop.test")
    assert told["outcome"] == "misdirected" and "421" in told["explanation"]


def test_routes_that_nothing_reaches_are_listed(gateway, shop):
    api = gateway.api
    api.create_domain("shade.test")
    for name, path, more in [
        ("sh-first", "/x", {}),
        ("sh-second", "/x", {}),
        ("sh-slash", "/x/", {}),
        ("sh-folded", "/Y", {"case_sensitive": False}),
        ("sh-plain", "/y", {}),
        ("sh-posts", "/x", {"methods": ["POST"]}),
    ]:
        api.create_route(name, ["shade.test"], "shop.static", path, live=False, **more)
    listed = [each for each in api.get("/v1/route-tester/shadowed") if each["domain"] == "shade.test"]
    assert [(each["route"], each["by"]) for each in listed] == [
        ("sh-first", "sh-slash"),
        ("sh-plain", "sh-folded"),
        ("sh-second", "sh-slash"),
    ]
    # The table of the worker agrees: of all requests for them none is theirs.
    for path, taken in [("/x", "sh-slash"), ("/x/1", "sh-slash"), ("/y", "sh-folded")]:
        assert ask(gateway, f"http://shade.test{path}")["route"] == taken


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "url"),
        ({"url": "shop.test/x"}, "url"),
        ({"url": "ftp://shop.test/"}, "url"),
        ({"url": "http://u:p@shop.test/"}, "url"),
        ({"url": "http://shop.test/", "method": "GE T"}, "method"),
        ({"url": "http://shop.test/", "headers": {"a b": "x"}}, "headers[a b]"),
        ({"url": "http://shop.test/", "headers": {"a": "x\r\ny"}}, "headers[a]"),
        ({"url": "https://shop.test/", "sni": "a b"}, "sni"),
    ],
)
def test_what_is_no_request_is_refused(gateway, body, field):
    answer = gateway.api.expect(400, "POST", "/v1/route-tester", body).json()
    assert [each["field"] for each in answer["errors"]] == [field]
