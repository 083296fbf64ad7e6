"""Sources with settings, and which of their back ends answered: for the tests of upstreams."""

import collections
import contextlib
import json

from integration.api import route
from peers.http1 import EchoServer


@contextlib.contextmanager
def back_ends(count):
    """Echo servers named b0, b1 …"""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(EchoServer(f"b{number}")) for number in range(count)]


def serve(site, servers, weights=None, route_balancing=None, annotations=None, protocol=None, **source):
    """A source of these back ends with settings, and a route to it."""
    name = site.name
    addresses = [f"127.0.0.1:{server.port}" for server in servers]
    if weights:
        source["endpoints"] = [{"address": a, "weight": w} for a, w in zip(addresses, weights)]
    made = site.gateway.api.create_static(name, *addresses, protocol=protocol, **source)
    site.gateway.api.post(
        "/v1/routes",
        route(
            name,
            [site.host],
            f"{name}.static",
            loadBalancing=route_balancing,
            customConfigs=annotations or {},
        ),
    )
    return made


def update(site, **changes):
    """Changes the source of `serve`."""
    source = site.gateway.api.get(f"/v1/service-sources/{site.name}")
    source.update(changes)
    source.pop("warnings", None)
    return site.gateway.api.put(f"/v1/service-sources/{site.name}", source)


def names(site, count, path=lambda n: "/", fields=lambda n: ()):
    """Which back end answered each of so many requests on one connection."""
    with site.http1(tls=False) as wire:
        found = []
        for number in range(count):
            answer = wire.request("GET", path(number), site.host, *fields(number))
            assert answer.status == 200, answer.body
            found.append(json.loads(answer.body)["backend"])
        return found


def shares(found):
    counts = collections.Counter(found)
    return {name: counts[name] / len(found) for name in sorted(counts)}


def near(found, wanted, tolerance=0.05):
    got = shares(found)
    assert got.keys() == wanted.keys(), got
    assert all(abs(got[name] - share) <= tolerance for name, share in wanted.items()), got


def healthy(site, server, protocol="HTTP"):
    """What the metrics say of a back end of `serve`: 1, 0, or None where it is not checked."""
    sample = (
        f'causeway_upstream_endpoint_healthy{{cluster="{site.name}.static/{protocol}",'
        f'endpoint="127.0.0.1:{server.port}"}}'
    )
    return site.gateway.metrics().get(sample)


def checks(site, server, result):
    return site.gateway.metric(
        "causeway_upstream_health_checks_total",
        cluster=f"{site.name}.static/HTTP",
        endpoint=f"127.0.0.1:{server.port}",
        result=result,
    )
