"""The traffic cases of the Higress suite that need neither Kubernetes nor a registry, replayed with real back ends."""

import contextlib
import time

import pytest

from integration.routing import send, who
from integration.site import Site
from peers.http1 import RawServer

PREFIXES = pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io/", "higress.io/"])


def annotated(prefix, **annotations):
    return {"customConfigs": {f"{prefix}{name.replace('_', '-')}": value for name, value in annotations.items()}}


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
