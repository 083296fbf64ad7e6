"""Which endpoint gets a request: balancing policies, weights, hashes, and endpoints that are taken out."""

import contextlib
import json
import threading

import pytest

from integration.api import route
from integration.site import Site
from integration.upstreams import back_ends, names, near, serve, shares, update
from integration.waiting import wait_until
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire


# What several loops spread in turn, each on its own, is not exact to the request.
LOOPS = 1


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority, https="off")


# ---- policies


def test_turns(site):
    with back_ends(3) as servers:
        serve(site, servers)
        near(names(site, 300), {"b0": 1 / 3, "b1": 1 / 3, "b2": 1 / 3}, 0.01)


def test_turns_by_weight_are_interleaved(site):
    with back_ends(3) as servers:
        serve(site, servers, weights=[1, 2, 5])
        found = names(site, 400)
    near(found, {"b0": 1 / 8, "b1": 2 / 8, "b2": 5 / 8}, 0.01)
    # Smooth: the heaviest never takes its five turns in a row.
    assert "b2" * 4 not in "".join(found)


@pytest.mark.parametrize("policy", ["random", "leastRequest"])
@pytest.mark.parametrize("weights, wanted", [(None, (1 / 2, 1 / 2)), ((1, 3), (1 / 4, 3 / 4))])
def test_chance_by_weight(site, policy, weights, wanted):
    with back_ends(2) as servers:
        serve(site, servers, weights=weights, loadBalancing={"policy": policy})
        near(names(site, 2_000), {"b0": wanted[0], "b1": wanted[1]})


def test_least_request_avoids_the_busy_one(site):
    """While one back end holds requests, the other gets nearly all."""
    held = []

    def hold(wire):
        wire.read_head()
        held.append(wire)
        wire.read_to_end()

    with RawServer(hold) as slow, EchoServer("fast") as fast:
        serve(site, [slow, fast], loadBalancing={"policy": "leastRequest"})
        with contextlib.ExitStack() as stack:
            # With two endpoints both are always compared, so that one held request is enough.
            while not held:
                wire = stack.enter_context(site.http1(tls=False))
                wire.send(f"GET /hold HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
                wait_until(lambda: held or fast.seen, 10, "one of both has the request")
                fast.seen.clear()
            assert shares(names(site, 100)) == {"fast": 1.0}


def test_a_route_has_the_last_word(site):
    with back_ends(2) as servers:
        serve(
            site,
            servers,
            loadBalancing={"policy": "random"},
            route_balancing={"policy": "consistentHash", "hashOn": "header", "hashName": "X-User"},
        )
        for user in range(10):
            assert len(set(names(site, 5, fields=lambda n: (("x-user", str(user)),)))) == 1


HASHES = {
    "header": ({"hashOn": "header", "hashName": "X-User"}, lambda n: {"fields": lambda _: (("x-user", f"u{n}"),)}),
    "cookie": (
        {"hashOn": "cookie", "hashName": "sid"},
        lambda n: {"fields": lambda _: (("cookie", f"a=1; sid=s{n}; b=2"),)},
    ),
    "query": ({"hashOn": "query", "hashName": "q"}, lambda n: {"path": lambda _: f"/?a=1&q=v{n}&b=2"}),
    "path": ({"hashOn": "path"}, lambda n: {"path": lambda _: f"/p{n}"}),
}


@pytest.mark.parametrize("kind", HASHES)
def test_equal_keys_reach_the_same_endpoint(site, kind):
    hash_on, request = HASHES[kind]
    with back_ends(4) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", **hash_on})
        found = {}
        for key in range(60):
            answers = set(names(site, 3, **request(key)))
            assert len(answers) == 1, f"key {key} went to {answers}"
            found[key] = answers.pop()
    assert set(found.values()) == {"b0", "b1", "b2", "b3"}


@pytest.mark.parametrize("kind", ["clientAddress", "host"])
def test_a_client_and_a_host_stay_with_one_endpoint(site, kind):
    with back_ends(4) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", "hashOn": kind})
        assert len(set(names(site, 20))) == 1


def test_clients_are_told_apart_by_address(site):
    with back_ends(2) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", "hashOn": "clientAddress"})
        found = set()
        for last in range(1, 40):
            with Wire.connect(site.gateway.http_port, source=f"127.0.0.{last}") as wire:
                found.add(json.loads(wire.request("GET", "/", site.host).body)["backend"])
    assert found == {"b0", "b1"}


def test_a_request_without_the_key_takes_a_turn(site):
    with back_ends(2) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", "hashOn": "header", "hashName": "x-user"})
        near(names(site, 100), {"b0": 0.5, "b1": 0.5}, 0.01)


def test_few_keys_move_when_an_endpoint_goes(site):
    def where():
        return names(site, 1_000, fields=lambda n: (("x-user", f"user-{n}"),))

    with back_ends(5) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", "hashOn": "header", "hashName": "x-user"})
        before = where()
        near(before, {f"b{n}": 0.2 for n in range(5)})
        update(site, domain=",".join(f"127.0.0.1:{server.port}" for server in servers[:-1]))
        after = where()
    moved = sum(a != b for a, b in zip(before, after))
    assert moved >= sum(name == "b4" for name in before)
    assert moved <= 1_000 * 1.5 / 5


def test_only_its_own_keys_move_when_an_endpoint_fails(site):
    def where():
        return names(site, 400, fields=lambda n: (("x-user", f"user-{n}"),))

    with back_ends(4) as servers:
        serve(site, servers, loadBalancing={"policy": "consistentHash", "hashOn": "header", "hashName": "x-user"})
        before = where()
        servers[2].stop()
        after = where()
    assert all(b != "b2" and (a == "b2" or a == b) for a, b in zip(before, after))


# ---- annotations


@pytest.mark.parametrize("prefix", ["higress.io/", "nginx.ingress.kubernetes.io/"])
@pytest.mark.parametrize(
    "annotation, value, sticks",
    [
        ("load-balance", "round_robin", False),
        ("load-balance", "least_conn", False),
        ("load-balance", "random", False),
        ("load-balance", "ip_hash", True),
        ("upstream-hash-by", "$request_uri", True),
        ("upstream-hash-by", "$host", True),
        ("upstream-hash-by", "$remote_addr", True),
        ("upstream-hash-by", "$http_x_user", True),
        ("upstream-hash-by", "$arg_q", True),
    ],
)
def test_annotations(site, prefix, annotation, value, sticks):
    with back_ends(3) as servers:
        serve(site, servers, annotations={prefix + annotation: value})
        found = names(site, 60, path=lambda n: "/p?q=1", fields=lambda n: (("x-user", "u"),))
    assert len(set(found)) == (1 if sticks else 3)


def test_a_field_wins_over_the_annotation(site):
    with back_ends(2) as servers:
        serve(
            site,
            servers,
            annotations={"higress.io/upstream-hash-by": "$host"},
            route_balancing={"policy": "roundRobin"},
        )
        near(names(site, 40), {"b0": 0.5, "b1": 0.5}, 0.01)


# ---- taking an endpoint out


def test_a_drained_endpoint_gets_nothing_new_and_finishes_what_it_has(site):
    held = []

    def hold(wire):
        wire.read_head()
        held.append(wire)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        wire.read_to_end()

    def reach(wire, count):
        """Takes turns until `leaving` has so many requests."""
        while len(held) < count:
            stays.seen.clear()
            wire.send(f"GET /long HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            wait_until(lambda: len(held) >= count or stays.seen)
            if len(held) < count:
                wire.read_response()

    with RawServer(hold) as leaving, EchoServer("stays") as stays:
        with site.http1(tls=False) as running, site.http1(tls=False) as later:
            serve(site, [leaving, stays])
            reach(running, 1)
            update(site, endpoints=[{"address": f"127.0.0.1:{leaving.port}", "drain": True}])
            assert shares(names(site, 50)) == {"stays": 1.0}
            held[0].send("ok")
            assert running.read_response().body == b"ok"
            update(site, endpoints=[])
            reach(later, 2)


def test_every_endpoint_drained_is_told_as_such(site):
    with back_ends(1) as servers:
        serve(site, servers)
        answer = update(site, endpoints=[{"address": f"127.0.0.1:{servers[0].port}", "drain": True}])
        assert any("every endpoint is drained" in warning for warning in answer["warnings"])
        assert site.get("/").status == 503
        assert site.gateway.wait_log(authority=site.host)["flag"] == "UH"


# ---- what is refused


@pytest.mark.parametrize(
    "source, field",
    [
        ({"loadBalancing": {"policy": "magic"}}, "loadBalancing.policy"),
        ({"loadBalancing": {"policy": "consistentHash"}}, "loadBalancing.hashOn"),
        ({"loadBalancing": {"policy": "consistentHash", "hashOn": "moon"}}, "loadBalancing.hashOn"),
        ({"loadBalancing": {"policy": "consistentHash", "hashOn": "header"}}, "loadBalancing.hashName"),
        ({"loadBalancing": {"policy": "consistentHash", "hashOn": "header", "hashName": "a b"}}, "loadBalancing.hashName"),
        ({"loadBalancing": {"policy": "consistentHash", "hashOn": "path", "hashName": "a"}}, "loadBalancing.hashName"),
        ({"loadBalancing": {"policy": "random", "hashOn": "path"}}, "loadBalancing.hashOn"),
        ({"endpoints": [{"address": "10.0.0.9:1"}]}, "endpoints[0].address"),
        ({"endpoints": [{"weight": 1}]}, "endpoints[0].address"),
        ({"endpoints": [{"address": "10.0.0.1:1", "weight": 0}]}, "endpoints[0].weight"),
        ({"endpoints": [{"address": "10.0.0.1:1"}, {"address": "10.0.0.1:1"}]}, "endpoints[1].address"),
    ],
)
def test_bad_settings_are_refused_by_field(gateway, source, field):
    body = {"name": "bad", "type": "static", "domain": "10.0.0.1:1", **source}
    answer = gateway.api.call("POST", "/v1/service-sources", body)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_hash_annotation_that_names_nothing_is_refused(gateway):
    body = route("bad", [], "any.static", customConfigs={"higress.io/upstream-hash-by": "$nothing"})
    answer = gateway.api.call("POST", "/v1/routes", body)
    assert answer.status_code == 400
    assert "customConfigs[higress.io/upstream-hash-by]" in [each["field"] for each in answer.json()["errors"]]


@pytest.mark.parametrize("bound, own", [(2, None), (1, {"maxPerEndpoint": 2})])
def test_connections_to_an_endpoint_are_bounded_where_the_setting_or_the_source_says_so(new_gateway, authority, bound, own):
    gateway = new_gateway(loops=1, settings=[f"max-endpoint-connections={bound}"]).start()
    site = Site(gateway, authority, "bounded.test", https="off")
    with EchoServer() as server:
        gateway.api.create_static(site.name, server.port, connections=own)
        site.route(site.name, f"{site.name}.static")
        threads = [threading.Thread(target=lambda: statuses.append(site.get("/").status)) for _ in range(12)]
        statuses = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 12
        assert server.connections == 2
