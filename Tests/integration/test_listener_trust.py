"""Whom a listener believes what they say of others: PROXY protocol headers and X-Forwarded-*, each from trusted ranges alone."""

import json
import socket
import struct

import pytest

from integration.ports import free_port
from integration.site import Site
from integration.test_forwarding import saw
from integration.test_listeners import listener
from integration.tryout import Try
from integration.waiting import wait_until
from peers import http2
from peers.wire import Wire, tls_context

PROXY, OTHER = "127.0.0.2", "127.0.0.3"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ONE = b"PROXY TCP4 203.0.113.9 127.0.0.1 49153 443\r\n"


def binary(command=1, family=0x11, rest=None):
    if rest is None:
        rest = socket.inet_aton("203.0.113.9") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 49153, 443)
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(rest)) + rest


def six():
    return binary(family=0x21, rest=socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack(">HH", 1, 2))


@pytest.fixture
def ports(gateway):
    """Listeners of this test: `ports(protocol, ...)` gives the port of one."""
    names = []

    def make(protocol="http", **more):
        names.append(f"trust{len(names)}")
        return gateway.api.post("/v1/listeners", listener(names[-1], free_port(), protocol, **more))["port"]

    yield make
    for name in names:
        gateway.api.delete(f"/v1/listeners/{name}")


def proxied(port, host, header, *fields, tls=False, source=PROXY, path="/"):
    """One request on a connection that begins with the header, from an address of a proxy."""
    with Wire.connect(port, source=source) as wire:
        wire.sock.sendall(header)
        if tls:
            wire.sock = tls_context().wrap_socket(wire.sock, server_hostname=host)
        return wire.request("GET", path, host, *fields)


def trusting(*ranges):
    return {"trustedRanges": list(ranges)}


# ---- PROXY protocol


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("header, client", [(ONE, "203.0.113.9"), (binary(), "203.0.113.9"), (six(), "2001:db8::7")])
def test_a_header_of_a_trusted_peer_names_the_client(gateway, site, echo, ports, tls, header, client):
    site.serve(echo.port)
    port = ports("https" if tls else "http", proxyProtocol=trusting(f"{PROXY}/32"))
    assert saw(proxied(port, site.host, header, tls=tls))["x-forwarded-for"] == client
    shown = f"[{client}]" if ":" in client else client
    record = gateway.wait_log(authority=site.host)
    assert record["peer"].rpartition(":")[0] == shown and record["client"] == ""


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary(command=0, family=0, rest=b""), binary(family=0x31, rest=bytes(216))])
def test_a_proxy_may_speak_for_itself(site, echo, ports, header):
    site.serve(echo.port)
    port = ports(proxyProtocol=trusting(PROXY))
    assert saw(proxied(port, site.host, header))["x-forwarded-for"] == PROXY


def test_a_header_may_come_byte_by_byte_and_with_what_is_behind_it(site, echo, ports):
    site.serve(echo.port)
    port = ports(proxyProtocol=trusting(PROXY))
    for header in (ONE, six()):
        with Wire.connect(port, source=PROXY) as wire:
            for byte in header:
                wire.sock.sendall(bytes([byte]))
            assert wire.request("GET", "/", site.host).status == 200
            assert wire.request("GET", "/", site.host).status == 200, "once a connection"
        with Wire.connect(port, source=PROXY) as wire:
            wire.send(header + f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
            assert wire.read_response().status == 200


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", b"PROXY " + b"x" * 200, SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\xff\xff", b"\x16\x03\x01\x02\0", binary(rest=b"short"),
    ],
)  # fmt: skip
def test_a_trusted_peer_without_a_header_is_closed(gateway, ports, start):
    port = ports(proxyProtocol=trusting(PROXY))
    name = next(each["name"] for each in gateway.api.get("/v1/listeners") if each["port"] == port)
    with Wire.connect(port, source=PROXY) as wire:
        wire.sock.sendall(start)
        assert wire.is_closed()
    wait_until(lambda: gateway.metric("causeway_listener_proxy_failures_total", listener=name) == 1, 5)
    assert gateway.metric("causeway_listener_requests_total", listener=name) == 0


def test_one_that_never_ends_its_header_is_closed_in_time(ports):
    port = ports(proxyProtocol=trusting(PROXY), limits={"requestHeadersTimeout": 300})
    with Wire.connect(port, source=PROXY) as wire:
        wire.send(b"PROXY TCP4 ")
        assert wire.is_closed()
    secure = ports("https", proxyProtocol=trusting(PROXY), limits={"tlsHandshakeTimeout": 300})
    with Wire.connect(secure, source=PROXY) as wire:
        assert wire.is_closed()
    with Wire.connect(port, source=PROXY) as wire:
        wire.send(b"PROXY TCP4 ")
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.is_closed()


def test_others_are_served_as_they_come_and_cannot_feign(gateway, site, echo, ports):
    site.serve(echo.port)
    port = ports(proxyProtocol=trusting(PROXY))
    assert saw(proxied(port, site.host, b"", source=OTHER))["x-forwarded-for"] == OTHER
    assert proxied(port, site.host, ONE, source=OTHER).status == 400
    assert site.get("/").status == 200, "nor at another listener"
    with Wire.connect(gateway.http_port, source=PROXY) as wire:
        wire.send(ONE + b"\r\n")
        assert wire.read_response().status == 400


def test_trust_can_be_given_and_taken_while_it_runs(gateway, site, echo, ports):
    site.serve(echo.port)
    port = ports(proxyProtocol=trusting(PROXY))
    one = next(each for each in gateway.api.get("/v1/listeners") if each["port"] == port)
    with Wire.connect(port, source=PROXY) as before:
        before.sock.sendall(ONE)
        assert before.request("GET", "/", site.host).status == 200
        changed = gateway.api.put(f"/v1/listeners/{one['name']}", {**one, "proxyProtocol": None})
        assert saw(proxied(port, site.host, b""))["x-forwarded-for"] == PROXY
        assert proxied(port, site.host, ONE).status == 400
        assert before.is_closed(), "what was believed before ends with its connection"
    gateway.api.put(f"/v1/listeners/{one['name']}", {**changed, "forwardedHeaders": trusting(PROXY)})
    assert saw(proxied(port, site.host, b"", ("X-Forwarded-For", "203.0.113.9")))["x-forwarded-for"] == f"203.0.113.9, {PROXY}"


@pytest.mark.parametrize("protocol", ["http", "https"])
@pytest.mark.parametrize("kind", ["http", "websocket", "grpc"])
def test_try_outs_know_that_they_are_proxies_there(gateway, site, echo, grpc_server, ws_server, ports, protocol, kind):
    site.serve({"http": echo.port, "websocket": ws_server.port, "grpc": grpc_server.port}[kind], protocol="GRPC" if kind == "grpc" else None)
    port = ports(protocol, proxyProtocol=trusting("127.0.0.0/8"))
    name = next(each["name"] for each in gateway.api.get("/v1/listeners") if each["port"] == port)
    if kind == "websocket":
        tried = Try(gateway.api, site.host, kind, name, path="/").opened()
        tried.end()
        return
    events = Try(gateway.api, site.host, kind, name).all()
    assert "error" not in [event for event, _ in events], events
    assert events[-1][0] == "closed" or kind == "grpc"


# ---- X-Forwarded-*


@pytest.mark.parametrize(
    "came, client",
    [
        (["203.0.113.9"], "203.0.113.9"), (["203.0.113.9, 10.1.2.3"], "203.0.113.9"), (["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9,10.1.2.3"], "203.0.113.9"), (["203.0.113.9:4711"], "203.0.113.9"), (["[2001:db8::7]:443, 10.0.0.1"], "2001:db8::7"),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"), (["6.6.6.6, unknown, 10.1.2.3"], "10.1.2.3"), (["6.6.6.6, , 10.9.9.9"], "10.9.9.9"),
        ([], PROXY), (["nonsense"], PROXY), ([", ".join(["6.6.6.6"] + ["10.0.0.1"] * 40)], "10.0.0.1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_the_client_is_the_last_that_no_proxy_of_ours_is(gateway, site, echo, ports, came, client, version):
    site.serve(echo.port)
    port = ports(forwardedHeaders=trusting(PROXY, "10.0.0.0/8"))
    fields = [("x-forwarded-for", each) for each in came]
    if version == 1:
        assert proxied(port, site.host, b"", *fields).status == 200
    else:
        with http2.Client(port, tls=False, source=PROXY) as two:
            assert two.request("GET", site.host, "/", *fields).status == 200
    seen = echo.seen[-1]
    assert seen.all("x-forwarded-for") == [", ".join([*came, PROXY])], "all of it goes on, in one field"
    record = gateway.wait_log(authority=site.host)
    assert record["client"] == client and record["peer"].startswith(f"{PROXY}:")


def test_what_proxies_say_of_scheme_and_host_goes_on(site, echo, ports):
    site.serve(echo.port)
    port = ports(forwardedHeaders=trusting(PROXY))
    said = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.test"), ("X-Forwarded-Client-Cert", "feigned")]
    headers = saw(proxied(port, site.host, b"", *said))
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "shop.test")
    assert "x-forwarded-client-cert" not in headers, "that is for those who have seen it"
    assert saw(proxied(port, site.host, b""))["x-forwarded-proto"] == "http"
    assert saw(proxied(port, site.host, b"", ("X-Forwarded-Proto", "gopher")))["x-forwarded-proto"] == "http"


def test_of_others_nothing_is_believed(gateway, site, echo, ports):
    site.serve(echo.port)
    port = ports(forwardedHeaders=trusting(PROXY))
    said = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.test")]
    headers = saw(proxied(port, site.host, b"", *said, source=OTHER))
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == (OTHER, "http") and "x-forwarded-host" not in headers
    assert gateway.wait_log(authority=site.host)["client"] == ""


def test_address_filters_and_limits_go_by_the_client(site, echo, ports):
    site.serve(echo.port, path="/open", ipAccess={"allow": ["203.0.113.0/24"]})
    site.serve(echo.port, path="/shut", ipAccess={"deny": ["203.0.113.0/24", OTHER]})
    port = ports(forwardedHeaders=trusting(PROXY))
    client, stranger = ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.1")
    for path, field, source, status in [
        ("/open", client, PROXY, 200), ("/open", stranger, PROXY, 403), ("/open", client, OTHER, 403),
        ("/shut", client, PROXY, 403), ("/shut", stranger, PROXY, 200), ("/shut", stranger, OTHER, 403),
    ]:  # fmt: skip
        assert proxied(port, site.host, b"", field, source=source, path=path).status == status, (path, field, source)


def test_a_proxy_in_front_of_a_proxy(gateway, site, echo, ports):
    """One that tells by the PROXY protocol who speaks, and those are believed in turn."""
    site.serve(echo.port)
    port = ports(proxyProtocol=trusting(PROXY), forwardedHeaders=trusting("203.0.113.9"))
    headers = saw(proxied(port, site.host, ONE, ("X-Forwarded-For", "198.51.100.1")))
    assert headers["x-forwarded-for"] == "198.51.100.1, 203.0.113.9"
    # The proxy itself is not among those whose headers count.
    assert saw(proxied(port, site.host, b"PROXY UNKNOWN\r\n", ("X-Forwarded-For", "198.51.100.1")))["x-forwarded-for"] == PROXY


def test_a_host_of_https_only_takes_a_proxys_word(gateway, authority, echo, ports):
    site = Site(gateway, authority, https="force")
    site.serve(echo.port)
    port = ports(forwardedHeaders=trusting(PROXY))
    https = ("X-Forwarded-Proto", "https")
    assert proxied(port, site.host, b"", https).status == 200
    assert proxied(port, site.host, b"").status == proxied(port, site.host, b"", https, source=OTHER).status == 308
    # A client certificate it cannot have seen for us.
    asking = Site(gateway, authority, https="force", clientAuth={"mode": "required", "ca": authority.cert})
    asking.serve(echo.port)
    assert proxied(port, asking.host, b"", https).status == 421
    assert proxied(port, asking.host, b"").status == 308


def test_balancing_by_address_goes_by_the_client(gateway, site, ports, backends):
    services = [f"127.0.0.1:{each.port}" for each in backends.values()]
    name = site.name + "-hashed"
    gateway.api.create_static(name, *services, loadBalancing={"policy": "consistentHash", "hashOn": "clientAddress"})
    gateway.api.create_route(name, [site.host], f"{name}.static")
    port = ports(forwardedHeaders=trusting(PROXY))

    def chosen(client):
        return json.loads(proxied(port, site.host, b"", ("X-Forwarded-For", client)).body)["backend"]

    assert len({chosen(f"203.0.113.{last}") for last in range(30)}) == 3
    assert len({chosen("203.0.113.9") for _ in range(10)}) == 1
