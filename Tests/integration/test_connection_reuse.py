"""Which hosts a TLS connection serves: A is the host named in its handshake (or the default one, where none was named), B the host that
a request asks for. RFC 9110 §7.4, RFC 9113 §9.1.1."""

import itertools

import pytest

from integration.certificates import Authority
from integration.site import Site
from peers.http1 import EchoServer
from peers.http2 import Client, Server
from peers.wire import Wire

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("people"), "People CA")


@pytest.fixture(scope="module")
def services():
    with EchoServer() as plain, Server() as calls:
        yield plain.port, calls.port


@pytest.fixture
def host(gateway, authority, services):
    """`host(name)`: served over HTTP/1.1, gRPC under `/a.B`; with a certificate of its own, if not told otherwise."""

    def make(name=None, **more):
        made = Site(gateway, authority, name, **more)
        made.serve(services[0])
        made.serve(services[1], protocol="GRPC", path="/a.B")
        return made

    return make


@pytest.fixture(scope="module", autouse=True)
def default(gateway, authority):
    """What clients see that name no host."""
    return Site(gateway, authority, "higress-default-domain", identity=authority.issue("default.test"))


# What B asks of handshakes, and A does not.
OTHER = {
    "client certificates": lambda people: {"clientAuth": {"mode": "optional", "ca": people.cert}},
    "versions": lambda people: {"tls": {"minVersion": "1.3"}},
    "cipher suites": lambda people: {"tls": {"cipherSuites": ["ECDHE-ECDSA-AES256-GCM-SHA384"]}},
}


def over_http1(gateway, sni, asked):
    with Wire.connect(gateway.https_port, tls=True, sni=sni) as wire:
        return wire.request("GET", "/", asked).status


def over_http2(gateway, sni, asked):
    """The status of a request, and that of a call with what it says."""
    with Client(gateway.https_port, sni=sni) as client:
        status = client.request("GET", asked, "/").status
        call = client.grpc(asked, "/a.B/C")
        assert call.status == 200, "a gRPC client sees no other status"
        return status, call.grpc_status, call.grpc_message or ""


def test_http1_is_served_under_equal_policies(gateway, host):
    """Whatever the certificates: such a client may be a proxy that shares its connections."""
    a, b = host(), host()
    assert [over_http1(gateway, sni, b.host) for sni in (a.host, None)] == [200, 200]


def test_http1_is_served_under_equal_policies_that_ask_for_something(gateway, host, people):
    auth = {"clientAuth": {"mode": "optional", "ca": people.cert}}
    a, b = host(**auth), host(**auth)
    assert over_http1(gateway, a.host, b.host) == 200
    status, call, message = over_http2(gateway, a.host, b.host)
    assert (status, call) == (421, 14) and "misdirected" in message


@pytest.mark.parametrize("other", OTHER)
@pytest.mark.parametrize("named", [True, False], ids=["SNI", "no SNI"])
def test_other_policies_are_refused(gateway, host, people, other, named):
    a, b = host(), host(**OTHER[other](people))
    for sni, asked in [(a.host if named else None, b.host), *([(b.host, a.host)] if named else [])]:
        assert over_http1(gateway, sni, asked) == 421
        status, call, message = over_http2(gateway, sni, asked)
        assert (status, call) == (421, 14) and "misdirected" in message
    # On a connection of its own each is served.
    assert [over_http1(gateway, each.host, each.host) for each in (a, b)] == [200, 200]


def test_http2_without_a_name_is_served_under_equal_policies(gateway, host, default):
    """The default certificate does not cover it: the client has not asked for any."""
    b = host()
    assert over_http2(gateway, None, b.host) == (200, 0, "")
    assert over_http2(gateway, default.host, b.host)[:2] == (421, 14), "one that has named a host is held to it"


# Names of A's certificate, where A is `a.DOMAIN`; CN; B's name; whether A's connections serve B.
COVERS = {
    "SAN": (("a.{}", "b.{}"), "a.{}", "b.{}", True),
    "SAN in other letters": (("a.{}", "B.{}"), "a.{}", "b.{}", True),
    "wildcard SAN": (("*.{}",), "a.{}", "b.{}", True),
    "wildcard SAN, two labels": (("*.{}",), "a.{}", "c.b.{}", False),
    "wildcard SAN, no label": (("a.{}", "*.{}"), "a.{}", "{}", False),
    "no SAN of B": (("a.{}",), "a.{}", "b.{}", False),
    "CN beside SANs": (("a.{}",), "b.{}", "b.{}", False),
    "CN alone": ((), "*.{}", "b.{}", True),
    "CN alone, of A": ((), "a.{}", "b.{}", False),
}


@pytest.mark.parametrize("case", COVERS)
def test_http2_is_served_where_the_certificate_covers_the_host(gateway, authority, host, case):
    names, cn, asked, served = COVERS[case]
    domain = f"cover{next(_numbers)}.test"
    names, cn, asked = [each.format(domain) for each in names], cn.format(domain), asked.format(domain)
    identity = authority.issue(*(names or [cn]), cn=cn, **({} if names else {"san": None}))
    a = host(f"a.{domain}", identity=identity)
    # With a certificate of its own: what is asked is whether A's will do.
    host(asked)
    assert over_http2(gateway, a.host, asked)[:2] == ((200, 0) if served else (421, 14))
    assert over_http2(gateway, a.host, a.host)[:2] == (200, 0), "its own host is always served"
    assert over_http1(gateway, a.host, asked) == 200
