"""Client certificates (mutual TLS): who is let in, what upstreams are told, and that neither a session ticket nor an open
connection carries a client from one policy to another."""

import hashlib
import re
import socket
import ssl

import pytest

from integration.certificates import Authority
from integration.site import Site
from integration.waiting import wait_until
from peers.http2 import Client
from peers.wire import Closed, Wire, tls_context

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The authority that signs clients."""
    return Authority(tmp_path_factory.mktemp("people"), "People CA")


@pytest.fixture(scope="module")
def alice(people):
    return people.issue("alice", san=None)


@pytest.fixture
def guarded(gateway, authority, people, echo):
    made = Site(gateway, authority, clientAuth={"mode": "required", "ca": people.cert})
    made.serve(echo.port)
    return made


def context(identity=None, version=None, alpn=("http/1.1",)):
    made = tls_context(alpn, version, version)
    if identity:
        made.load_cert_chain(identity.path, identity.key_path)
    return made


def connect(site, identity=None, version=None, sni=None, session=None, made=None):
    """A connection whose handshake is over on both sides, or an error."""
    sock = socket.create_connection(("127.0.0.1", site.gateway.https_port), 10)
    made = made or context(identity, version)
    return Wire(made.wrap_socket(sock, server_hostname=sni or site.host, session=session))


def refused(site, identity=None, version=None, **more):
    try:
        with connect(site, identity, version, **more) as wire:
            # With TLS 1.3 a client believes that it is in before the server has looked at its certificate.
            wire.request("GET", "/", site.host)
    except (ssl.SSLError, ConnectionError, Closed):
        return True
    return False


@pytest.mark.parametrize("version", VERSIONS)
def test_only_clients_with_a_certificate_of_the_authority_are_let_in(guarded, authority, alice, echo, version):
    with connect(guarded, alice, version) as wire:
        assert wire.request("GET", "/in", guarded.host).status == 200
    assert refused(guarded, None, version), "without a certificate"
    assert refused(guarded, authority.issue("mallory"), version), "with one of another authority"
    assert all("/in" in request.target for request in echo.seen)


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_the_upstream_is_told_who_it_is_and_nobody_can_pretend(gateway, authority, people, alice, echo, mode):
    site = Site(gateway, authority, clientAuth={"mode": mode, "ca": people.cert})
    site.serve(echo.port)
    with connect(site, alice) as wire:
        wire.request("GET", "/", site.host, ("X-Forwarded-Client-Cert", "Hash=00;Subject=\"CN=root\""))
    (told,) = echo.seen[-1].all("x-forwarded-client-cert")
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(alice.cert)).hexdigest()
    assert told == f'Hash={fingerprint};Subject="CN=alice"'
    if mode == "optional":
        with connect(site) as wire:
            assert wire.request("GET", "/", site.host, ("X-Forwarded-Client-Cert", "Hash=00")).status == 200
        assert echo.seen[-1].all("x-forwarded-client-cert") == []
        assert refused(site, authority.issue("mallory")), "one that is shown must be good"


@pytest.mark.parametrize("depth, lets_in", [(0, False), (1, True)])
def test_depth_counts_intermediate_certificates(gateway, authority, people, tmp_path, echo, depth, lets_in):
    middle = Authority(tmp_path / "middle", "Middle CA", parent=people)
    bob = middle.issue("bob", san=None)
    chain = tmp_path / "bob-chain.pem"
    chain.write_text(bob.chain)
    site = Site(gateway, authority, clientAuth={"mode": "required", "ca": people.cert, "depth": depth})
    site.serve(echo.port)
    made = tls_context()
    made.load_cert_chain(chain, bob.key_path)
    assert refused(site, made=made) != lets_in


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_does_not_cross_policies(gateway, authority, guarded, alice, echo, version):
    """Made without a certificate at an open domain, and offered to one that requires them; and the reverse."""
    open_site = Site(gateway, authority)
    open_site.serve(echo.port)
    made = context(None, version)
    with connect(open_site, made=made) as wire:
        wire.request("GET", "/", open_site.host)
        session = wire.sock.session
    with connect(open_site, made=made, session=session) as wire:
        assert wire.request("GET", "/", open_site.host).status == 200
        assert wire.sock.session_reused
    assert refused(guarded, made=made, session=session)
    assert not refused(guarded, alice, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_under_its_own_policy_until_the_authorities_change(guarded, people, alice, tmp_path, version):
    made = context(alice, version)
    with connect(guarded, made=made) as wire:
        wire.request("GET", "/", guarded.host)
        session = wire.sock.session
    with connect(guarded, made=made, session=session) as wire:
        answer = wire.request("GET", "/", guarded.host)
        assert answer.status == 200 and wire.sock.session_reused
        session = wire.sock.session
        strangers = Authority(tmp_path / "strangers", "Strangers")
        guarded.gateway.api.put(
            f"/v1/domains/{guarded.host}",
            {**guarded.domain, "version": None, "clientAuth": {"mode": "required", "ca": strangers.cert}},
        )
        assert refused(guarded, made=made, session=session), "the old authority is not trusted any more"
        assert wire.request("GET", "/", guarded.host).status == 421, "nor is who came in by it, on an open connection"


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_a_connection_does_not_cross_policies(gateway, authority, guarded, alice, echo, protocol):
    """421, also where the client has named no host in its handshake."""
    open_site = Site(gateway, authority, identity=authority.issue("other.test", guarded.host))
    open_site.serve(echo.port)
    before = len(echo.seen)
    for sni in (open_site.host, None):
        if protocol == "h1":
            with Wire.connect(gateway.https_port, tls=True, sni=sni) as wire:
                assert wire.request("GET", "/", guarded.host).status == 421
        else:
            with Client(gateway.https_port, tls=True, sni=sni) as client:
                assert client.request("GET", guarded.host, "/").status == 421
                assert client.grpc(guarded.host, "/a.B/C").grpc_status == 14
    assert len(echo.seen) == before
    with connect(guarded, alice) as wire:
        assert wire.request("GET", "/", open_site.host).status == 421, "from the guarded one to the open one likewise"
    record = gateway.wait_log(authority=guarded.host, status=421)
    assert record["flag"] == "MD"


def test_two_domains_of_one_policy_share_connections(gateway, authority, people, alice, echo):
    auth = {"mode": "required", "ca": people.cert}
    identity = authority.issue("one.policy.test", "two.policy.test")
    one = Site(gateway, authority, "one.policy.test", identity=identity, clientAuth=auth)
    two = Site(gateway, authority, "two.policy.test", identity=identity, clientAuth=auth)
    one.serve(echo.port)
    two.serve(echo.port)
    with connect(one, alice) as wire:
        assert [wire.request("GET", "/", host).status for host in (one.host, two.host)] == [200, 200]


def test_tickets_open_after_a_key_change_and_not_for_ever(new_gateway, authority, echo):
    made = new_gateway(worker_options=["--ticket-rotation", "1"]).start()
    site = Site(made, authority)
    site.serve(echo.port)
    ctx = tls_context()
    with connect(site, made=ctx) as wire:
        wire.request("GET", "/", site.host)
        session = wire.sock.session

    def full_handshake():
        with connect(site, made=ctx, session=session) as wire:
            assert wire.request("GET", "/", site.host).status == 200
            return not wire.sock.session_reused

    assert not full_handshake(), "the key is still among the last three"
    wait_until(full_handshake, 10, "the ticket's key is gone", interval=0.3)
    made.stop()


@pytest.mark.parametrize(
    "auth, field, words",
    [
        ({"mode": "maybe", "ca": "x"}, "clientAuth.mode", "required, optional"),
        ({"mode": "required"}, "clientAuth.ca", "required"),
        ({"mode": "required", "ca": "nonsense"}, "clientAuth.ca", "no certificate in PEM"),
        ({"mode": "required", "ca": "LEAF"}, "clientAuth.ca", "not a certificate authority"),
        ({"mode": "required", "ca": "KEY"}, "clientAuth.ca", "PRIVATE KEY"),
        ({"mode": "required", "ca": "CA", "depth": 11}, "clientAuth.depth", "0 and 10"),
    ],
)
def test_bad_settings_are_refused_by_field(gateway, authority, people, alice, auth, field, words):
    texts = {"LEAF": alice.cert, "KEY": alice.key, "CA": people.cert}
    auth = {**auth, **({"ca": texts.get(auth["ca"], auth["ca"])} if "ca" in auth else {})}
    site = Site(gateway, authority)
    answer = gateway.api.expect(400, "PUT", f"/v1/domains/{site.host}", {**site.domain, "clientAuth": auth}).json()
    assert [error["field"] for error in answer["errors"]] == [field], answer
    assert re.search(words, answer["errors"][0]["message"]), answer


def test_client_certificates_without_https_are_refused(gateway, people):
    body = {"name": "clear.auth.test", "enableHttps": "off", "clientAuth": {"mode": "required", "ca": people.cert}}
    answer = gateway.api.expect(400, "POST", "/v1/domains", body).json()
    assert answer["errors"][0]["field"] == "clientAuth" and "TLS only" in answer["errors"][0]["message"]
