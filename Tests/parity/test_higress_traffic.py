"""The traffic cases of the Higress suite that need neither Kubernetes nor a registry, replayed with real back ends."""

import contextlib
import time

import pytest

from integration.routing import ask, send, who
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer, RawServer

PREFIXES = pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io/", "higress.io/"])


def annotated(prefix, **annotations):
    return {"customConfigs": {f"{prefix}{name.replace('_', '-')}": value for name, value in annotations.items()}}


def exactly(*pairs):
    return [{"key": key, "matchType": "EQUAL", "matchValue": value} for key, value in pairs]


# ---- canary


@PREFIXES
def test_HTTPRouteCanaryHeader(gateway, table, prefix):
    def canary(**more):
        return annotated(prefix, canary="true", canary_by_header="traffic-split-higress", **more)

    host = "canary.higress.io"
    table(
        ([host], "PRE", "/", "v1"),
        ([host], "PRE", "/", "v2", canary(canary_by_header_value="true")),
        ([host], "EQUAL", "/foo", "v1"),
        ([host], "EQUAL", "/foo", "v2", canary(canary_by_header_value="true")),
        ([host], "PRE", "/foo", "v1"),
        ([host], "PRE", "/foo", "v3", canary(canary_by_header_value="true")),
        ([host], "PRE", "/pattern", "v1"),
        ([host], "PRE", "/pattern", "v2", canary(canary_by_header_pattern="test.com")),
        ([host], "PRE", "/always", "v1"),
        ([host], "PRE", "/always", "v2", canary()),
    )
    for target, value, backend in [
        ("/", "true", "v2"),
        ("/", "false", "v1"),
        ("/", None, "v1"),
        ("/foo", "true", "v2"),
        ("/foo", "false", "v1"),
        ("/foo/x", "true", "v3"),
        ("/foo/x", "other", "v1"),
        ("/pattern", "test.com", "v2"),
        ("/pattern", "test.com.abc", "v2"),
        ("/pattern", "abc", "v1"),
        ("/pattern", None, "v1"),
        ("/always", "always", "v2"),
        ("/always", "never", "v1"),
        ("/always", "true", "v1"),
    ]:
        fields = [("traffic-split-higress", value)] if value else []
        assert who(gateway, host, target, *fields) == backend, (target, value)


@PREFIXES
def test_HTTPRouteCanaryHeaderWithCustomizedHeader(gateway, table, prefix):
    host = "canary.higress.io"
    canary = annotated(prefix, canary="true", canary_by_header="abc", canary_by_header_value="true")
    table(
        ([host], "PRE", "/alone", "v1", {"headers": exactly(("user", "other"))}),
        ([host], "PRE", "/alone", "v2", {"headers": exactly(("user", "higress")), **canary}),
        ([host], "PRE", "/both", "v2", {"headers": exactly(("user", "higress"))}),
        ([host], "PRE", "/both", "v1", {"headers": exactly(("user", "higress")), **canary}),
    )
    higress, split = ("user", "higress"), ("abc", "true")
    assert who(gateway, host, "/alone", higress, split) == 404, "a canary of no route"
    assert who(gateway, host, "/both", higress, split) == "v1"
    assert who(gateway, host, "/both", higress) == "v2"
    assert who(gateway, host, "/both", split) == 404


@PREFIXES
@pytest.mark.parametrize("weight, backend", [("0", "v1"), ("100", "v2")])
def test_HTTPRouteCanaryWeight(gateway, table, prefix, weight, backend):
    host = "canary.higress.io"
    table(
        ([host], "PRE", "/weight", "v1"),
        ([host], "PRE", "/weight", "v2", annotated(prefix, canary="true", canary_weight=weight)),
    )
    assert {who(gateway, host, "/weight") for _ in range(20)} == {backend}


# ---- limits and times


@pytest.mark.parametrize(
    "annotations, passes",
    [
        ({"route_limit_rps": "10", "route_limit_burst_multiplier": "1"}, 10),
        ({"route_limit_rps": "50", "route_limit_burst_multiplier": "1"}, 50),
        ({"route_limit_rps": "10", "route_limit_burst_multiplier": "3"}, 30),
        ({"route_limit_rpm": "10", "route_limit_burst_multiplier": "1"}, 10),
        ({"route_limit_rpm": "10", "route_limit_burst_multiplier": "3"}, 30),
    ],
    ids=["rps 10", "rps 50", "rps 10 burst 3", "rpm 10", "rpm 10 burst 3"],
)
def test_HttpRouteLimiter(gateway, table, annotations, passes):
    host = "limiter.higress.io"
    table(([host], "PRE", "/limit", "v1", annotated("higress.io/", **annotations)))
    statuses, begun = [], time.monotonic()
    while len(statuses) < 120:
        statuses.append(send(gateway, host, "/limit").status)
    gained = (time.monotonic() - begun) * (int(annotations.get("route_limit_rps", 0)) or 10 / 60)
    assert set(statuses) == {200, 429}
    assert passes <= statuses.count(200) <= passes + gained + 2


@pytest.mark.parametrize("delay, status", [(0.2, 200), (2.5, 504)])
def test_HttpTimeout(gateway, authority, delay, status):
    """5 s, and back ends of 1 s and 6 s, in the original: the same with one second."""

    def slow(wire):
        while True:
            wire.read_request()
            wire.sock.settimeout(delay)
            with contextlib.suppress(TimeoutError):
                wire.receive()  # nothing comes: this is the back end's delay
            wire.sock.settimeout(60)
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with RawServer(slow) as server:
        site = Site(gateway, authority, https="off")
        site.serve(server.port, **annotated("higress.io/", timeout="1"))
        assert site.get("/timeout").status == status


@PREFIXES
@pytest.mark.parametrize("ranges, status", [("1.1.1.1", 403), ("*", 200)])
def test_HTTPRouteWhitelistSourceRange(gateway, table, prefix, ranges, status):
    table((["whitelist.foo.com"], "PRE", "/", "v1", annotated(prefix, whitelist_source_range=ranges)))
    assert send(gateway, "whitelist.foo.com", "/foo").status == status


# ---- where requests go


@PREFIXES
def test_HTTPRouteDefaultBackend(gateway, authority, backends, prefix):
    """A service that has no address: its requests go to the default one."""
    site = Site(gateway, authority, https="off")
    site.serve("nowhere.invalid:80", **annotated(prefix, default_backend="v2.static"))
    assert ask(gateway, site.host, "/foo")[0] == "v2"


@PREFIXES
@pytest.mark.parametrize(
    "annotations", [{"mirror_target_service": "{}"}, {"mirror_target_fqdn": "{}"}], ids=["service", "fqdn"]
)
def test_HTTPRouteMirrorTargetService(gateway, authority, echo, prefix, annotations):
    with EchoServer("shadow") as shadow:
        site = Site(gateway, authority, https="off")
        gateway.api.create_static(f"{site.name}-shadow", shadow.port)
        copies = {key: value.format(f"{site.name}-shadow.static") for key, value in annotations.items()}
        site.serve(echo.port, **annotated(prefix, **copies))
        assert site.get("/copied").get("x-backend") == "b1"
        copy = wait_until(lambda: shadow.seen and shadow.seen[-1], 10, "the copy")
        assert (copy.target, copy.get("host").split(":")[0]) == ("/copied", site.host)


def test_HTTPRouteStaticRegistry(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    gateway.api.create_static(f"{site.name}-registry", echo.port)
    site.route(site.name, f"{site.name}-registry.static")
    assert who(gateway, site.host, "/get") == "b1"


def test_HTTPRouteDNSRegistry(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    source = {"name": f"{site.name}-registry", "type": "dns", "domain": "localhost", "port": echo.port}
    gateway.api.post("/v1/service-sources", source)
    site.route(site.name, f"{site.name}-registry.dns")
    assert who(gateway, site.host, "/get") == "b1"
