"""Names of endpoints, against a DNS server of the test's own: times to live, SRV, failures, and what needs no server."""

import socket
import time

import pytest

from integration.api import route
from integration.ports import free_port
from integration.site import Site
from integration.upstreams import names, near, shares
from integration.waiting import wait_until
from peers.dns import DNSServer
from peers.http1 import EchoServer


@pytest.fixture(scope="module")
def server():
    with DNSServer() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, server):
    from integration.gateway import Gateway

    made = Gateway(
        tmp_path_factory.mktemp("gateway"), loops=1, worker_options=("--resolver", f"127.0.0.1:{server.port}")
    )
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.abandon()


@pytest.fixture
def site(gateway, server, authority):
    server.broken = None
    return Site(gateway, authority, https="off")


def echo_at(address, port, name):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family)
    return EchoServer(name, listener=listener)


def serve(site, domain, port, **source):
    site.gateway.api.post(
        "/v1/service-sources", {"name": site.name, "type": "dns", "domain": domain, "port": port, **source}
    )
    site.gateway.api.post("/v1/routes", route(site.name, [site.host], f"{site.name}.dns"))


def get(site):
    return site.get("/").status


def test_every_address_of_a_name_is_an_endpoint(site, server):
    port = free_port()
    server.set("two.test", ("A", "127.0.0.2"), ("A", "127.0.0.3"))
    with echo_at("127.0.0.2", port, "b2"), echo_at("127.0.0.3", port, "b3"):
        serve(site, "two.test", port)
        wait_until(lambda: get(site) == 200)
        near(names(site, 40), {"b2": 0.5, "b3": 0.5}, 0.01)


def test_aaaa_alone_is_used(site, server):
    port = free_port()
    server.set("six.test", ("AAAA", "::1"))
    with echo_at("::1", port, "six"):
        serve(site, "six.test", port)
        wait_until(lambda: get(site) == 200)
        assert shares(names(site, 5)) == {"six": 1.0}


def test_a_name_is_looked_up_again_when_its_time_is_over(site, server):
    port = free_port()
    server.set("moving.test", ("A", "127.0.0.2"), ttl=1)
    with echo_at("127.0.0.2", port, "old"), echo_at("127.0.0.3", port, "new"):
        serve(site, "moving.test", port)
        wait_until(lambda: get(site) == 200)
        assert shares(names(site, 5)) == {"old": 1.0}
        server.set("moving.test", ("A", "127.0.0.3"), ttl=1)
        wait_until(lambda: shares(names(site, 5)) == {"new": 1.0})


def test_a_long_time_is_kept_and_none_is_a_second(site, server):
    port = free_port()
    server.set("long.test", ("A", "127.0.0.2"), ttl=3_000)
    server.set("zero.test", ("A", "127.0.0.2"), ttl=0)
    with echo_at("127.0.0.2", port, "b"):
        serve(site, "long.test,zero.test", port)
        wait_until(lambda: get(site) == 200)
        wait_until(lambda: server.count("zero.test") >= 1)
        begun, before = time.monotonic(), server.count("zero.test")
        wait_until(lambda: server.count("zero.test") >= before + 3)
        assert time.monotonic() - begun > 1.8, "no more than once a second"
        assert server.count("long.test") == 1


@pytest.mark.parametrize("broken", ["servfail", "silent"])
def test_when_dns_fails_the_addresses_stay(site, server, gateway, broken):
    port = free_port()
    name = f"{broken}.test"
    server.set(name, ("A", "127.0.0.2"), ttl=1)
    with echo_at("127.0.0.2", port, "b"), echo_at("127.0.0.3", port, "c"):
        serve(site, name, port)
        wait_until(lambda: get(site) == 200)
        failures = gateway.metric("causeway_dns_failures_total")
        server.broken = broken
        wait_until(lambda: gateway.metric("causeway_dns_failures_total") >= failures + 1, 30)
        assert shares(names(site, 5)) == {"b": 1.0}
        server.broken = None
        server.set(name, ("A", "127.0.0.3"), ttl=1)
        wait_until(lambda: shares(names(site, 5)) == {"c": 1.0}, 30)


def test_a_name_that_is_gone_keeps_its_addresses(site, server, gateway):
    port = free_port()
    server.set("gone.test", ("A", "127.0.0.2"), ttl=1)
    with echo_at("127.0.0.2", port, "b"):
        serve(site, "gone.test", port)
        wait_until(lambda: get(site) == 200)
        failures = gateway.metric("causeway_dns_failures_total")
        del server.records["gone.test"]
        wait_until(lambda: gateway.metric("causeway_dns_failures_total") > failures)
        assert get(site) == 200


def test_a_connection_that_fails_makes_it_look_again(site, server):
    port = free_port()
    server.set("dead.test", ("A", "127.0.0.2"), ttl=3_000)
    with echo_at("127.0.0.3", port, "alive"):
        serve(site, "dead.test", port)
        wait_until(lambda: server.count("dead.test") == 1)
        server.set("dead.test", ("A", "127.0.0.3"), ttl=3_000)
        # Long before its time is over.
        wait_until(lambda: get(site) == 200)
        assert server.count("dead.test") >= 2


def test_srv_gives_ports_and_weights(site, server):
    server.set("one.srv.test", ("A", "127.0.0.2"))
    server.set("two.srv.test", ("A", "127.0.0.3"))
    with EchoServer("spare") as spare:
        first, second = free_port(), free_port()
        with echo_at("127.0.0.2", first, "one"), echo_at("127.0.0.3", second, "two"):
            server.set(
                "_grpc._tcp.srv.test",
                ("SRV", (10, 1, first, "one.srv.test")),
                ("SRV", (10, 3, second, "two.srv.test")),
                ("SRV", (20, 9, spare.port, "one.srv.test")),
                ttl=1,
            )
            serve(site, "_grpc._tcp.srv.test", 1)
            wait_until(lambda: get(site) == 200)
            near(names(site, 80), {"one": 0.25, "two": 0.75}, 0.01)
            server.set("_grpc._tcp.srv.test", ("SRV", (10, 1, first, "one.srv.test")), ttl=1)
            wait_until(lambda: shares(names(site, 10)) == {"one": 1.0})
        assert spare.seen == []


def test_a_name_without_an_address_is_unavailable_until_it_has_one(site, server, gateway):
    port = free_port()
    serve(site, "later.test", port)
    wait_until(lambda: server.count("later.test") >= 1)
    assert get(site) == 503
    assert gateway.wait_log(authority=site.host, status=503)["flag"] == "UH"
    with echo_at("127.0.0.2", port, "b"):
        server.set("later.test", ("A", "127.0.0.2"))
        wait_until(lambda: get(site) == 200)


def test_an_address_that_is_new_starts_slowly(site, server):
    port = free_port()
    server.set("slow.test", ("A", "127.0.0.2"), ttl=1)
    with echo_at("127.0.0.2", port, "old"), echo_at("127.0.0.3", port, "new"):
        serve(site, "slow.test", port, slowStart=5_000)
        wait_until(lambda: get(site) == 200)
        server.set("slow.test", ("A", "127.0.0.2"), ("A", "127.0.0.3"), ttl=1)
        wait_until(lambda: "new" in names(site, 20))
        assert shares(names(site, 100))["new"] < 0.4
        wait_until(lambda: shares(names(site, 100))["new"] >= 0.48, 20)


def test_checks_follow_a_name(site, server, gateway):
    port = free_port()
    server.set("checked.test", ("A", "127.0.0.2"), ("A", "127.0.0.3"), ttl=1)
    cluster = f"{site.name}.dns/HTTP"

    def healthy(address):
        return gateway.metrics().get(
            f'causeway_upstream_endpoint_healthy{{cluster="{cluster}",endpoint="{address}:{port}"}}'
        )

    with echo_at("127.0.0.2", port, "up"):
        serve(site, "checked.test", port, healthCheck={"type": "tcp", "interval": 100})
        wait_until(lambda: healthy("127.0.0.3") == 0 and healthy("127.0.0.2") == 1)
        server.set("checked.test", ("A", "127.0.0.2"), ttl=1)
        wait_until(lambda: healthy("127.0.0.3") is None)


# ---- what needs no server


def test_localhost_and_unix_sockets(site, tmp_path, server):
    path = tmp_path / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with EchoServer("local") as local, EchoServer("unix", listener=listener):
        site.serve(f"localhost:{local.port}", f"unix:{path}")
        wait_until(lambda: shares(names(site, 20)).keys() == {"local", "unix"})
    assert server.count("localhost") == 0


def test_the_system_is_asked_without_a_resolver(new_gateway, authority):
    """/etc/hosts of this machine has its own name, or at least localhost by another."""
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, https="off")
    hosts = [
        name
        for line in open("/etc/hosts")
        for address, *many in [line.split("#")[0].split() or [""]]
        if address == "127.0.0.1"
        for name in many
        if name != "localhost"
    ]
    with EchoServer("local") as local:
        site.serve(f"{hosts[0] if hosts else 'localhost'}:{local.port}")
        wait_until(lambda: site.get("/").status == 200)


@pytest.mark.parametrize("value", ["nonsense", "127.0.0.1:0x35", "1.2.3.4.5"])
def test_a_resolver_that_is_no_address_stops_the_start(new_gateway, value):
    gateway = new_gateway(worker_options=("--resolver", value))
    gateway.start_control()
    gateway.start_worker(wait=False)
    assert gateway.worker.wait_exit(10) != 0
    assert f"--resolver {value}" in gateway.worker.log_text()
