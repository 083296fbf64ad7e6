"""Domains over TLS: off, on and force; which certificate is shown for which name; changing one without cutting anybody."""

import hashlib
import socket
import ssl

import pytest

from integration.site import Site
from peers.wire import Closed, Wire, tls_context


def shown(gateway, sni):
    """SHA-256 of the certificate that the gateway shows for a name; None when it refuses the handshake."""
    try:
        with Wire.connect(gateway.https_port, tls=True, sni=sni) as wire:
            return hashlib.sha256(wire.sock.getpeercert(True)).hexdigest()
    except (ssl.SSLError, ConnectionError):
        return None


def fingerprint(identity):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(identity.cert)).hexdigest()


def test_off_serves_the_clear_port(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    site.serve(echo.port)
    assert site.get("/").status == 200


def test_on_serves_both_ports(site, echo):
    site.serve(echo.port)
    assert [site.get("/", tls=tls).status for tls in (False, True)] == [200, 200]


def test_force_redirects_with_308_and_serves_tls(gateway, authority, echo):
    site = Site(gateway, authority, https="force")
    site.serve(echo.port)
    answer = site.get("/a/b?c=d%20e", method="POST", body=b"x")
    assert answer.status == 308
    assert answer.get("location") == f"https://{site.host}:{gateway.https_port}/a/b?c=d%20e"
    assert site.get("/", tls=True).status == 200
    assert [request.target for request in echo.seen] == ["/"]


def test_force_tells_grpc_clients_in_their_own_terms(gateway, authority, grpc_server):
    site = Site(gateway, authority, https="force")
    site.serve(grpc_server.port, protocol="GRPC")
    with site.http2(tls=False) as client:
        stream = client.grpc(site.host, "/helloworld.Greeter/SayHello")
    assert (stream.status, stream.grpc_status) == (200, 14) and "https" in stream.grpc_message


def test_a_mode_changes_while_it_runs(gateway, authority, echo):
    site = Site(gateway, authority, https="on")
    site.serve(echo.port)
    with site.http1(tls=False) as wire:
        assert wire.request("GET", "/", site.host).status == 200
        gateway.api.put(f"/v1/domains/{site.host}", {**site.domain, "enableHttps": "force"})
        assert wire.request("GET", "/", site.host).status == 308, "on the connection that was open already"


def test_sni_exact_beats_wildcard_beats_shorter_wildcard(gateway, authority):
    names = ["*.w.test", "exact.w.test", "*.a.w.test"]
    identities = {name: authority.issue(name) for name in names}
    for name, identity in identities.items():
        Site(gateway, authority, name, identity=identity)
    for sni, name in [
        ("exact.w.test", "exact.w.test"),
        ("any.w.test", "*.w.test"),
        ("x.a.w.test", "*.a.w.test"),
        ("EXACT.w.TEST", "exact.w.test"),
    ]:
        assert shown(gateway, sni) == fingerprint(identities[name]), sni


def test_the_wildcard_of_a_domain_serves_requests(gateway, authority, echo):
    site = Site(gateway, authority, "*.wild.test")
    site.serve(echo.port)
    with Wire.connect(gateway.https_port, tls=True, sni="one.wild.test") as wire:
        assert wire.request("GET", "/", "one.wild.test").status == 200


@pytest.mark.parametrize(
    "key, kind", [("ec", "ECDSA P-256"), ("ec384", "ECDSA P-384"), ("rsa", "RSA 2048"), ("ed25519", "Ed25519")]
)
def test_kinds_of_keys(gateway, authority, key, kind, echo):
    site = Site(gateway, authority, identity=authority.issue(f"{key}.keys.test", key=key), host=f"{key}.keys.test")
    site.serve(echo.port)
    assert gateway.api.get(f"/v1/tls-certificates/{site.name}")["keyType"] == kind
    trusting = ssl.create_default_context(cadata=authority.cert)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusting.minimum_version = trusting.maximum_version = version
        sock = socket.create_connection(("127.0.0.1", gateway.https_port), 10)
        with Wire(trusting.wrap_socket(sock, server_hostname=site.host)) as wire:
            assert hashlib.sha256(wire.sock.getpeercert(True)).hexdigest() == fingerprint(site.identity)
            assert wire.request("GET", "/", site.host).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(site, echo, version):
    site.serve(echo.port)
    with site.http1(minimum=version, maximum=version) as wire:
        assert wire.sock.version() == version.name.replace("_", ".")
        assert wire.request("GET", "/", site.host).status == 200


def test_old_tls_is_refused(site, gateway):
    context = tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", gateway.https_port), 5) as sock, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(sock, server_hostname=site.host)


def test_the_whole_chain_is_shown(gateway, authority, tmp_path, echo):
    from integration.certificates import Authority

    middle = Authority(tmp_path / "middle", "Middle CA", parent=authority)
    identity = middle.issue("chain.test")
    site = Site(gateway, authority, "chain.test", identity=identity)
    site.serve(echo.port)
    context = ssl.create_default_context(cadata=authority.cert)
    with socket.create_connection(("127.0.0.1", gateway.https_port), 5) as sock:
        with context.wrap_socket(sock, server_hostname="chain.test") as tls:
            assert tls.version() == "TLSv1.3"


def test_a_replaced_certificate_is_shown_at_once_and_cuts_nobody(site, gateway, authority, echo):
    site.serve(echo.port)
    assert shown(gateway, site.host) == fingerprint(site.identity)
    with site.http1() as before:
        assert before.request("GET", "/", site.host).status == 200
        newer = authority.issue(site.host)
        gateway.api.put(f"/v1/tls-certificates/{site.name}", {"name": site.name, "cert": newer.chain, "key": newer.key})
        assert shown(gateway, site.host) == fingerprint(newer)
        assert before.request("GET", "/", site.host).status == 200, "the open connection was cut"


def test_a_certificate_without_san_is_served_with_a_warning(gateway, authority, echo):
    identity = authority.issue("nosan.test", san=None)
    answer = gateway.api.create_certificate("nosan", identity.chain, identity.key)
    assert any("SAN" in warning for warning in answer["warnings"]), answer
    gateway.api.create_domain("nosan.test", https="on", certificate="nosan")
    assert shown(gateway, "nosan.test") == fingerprint(identity)


def test_resumption_works(site, echo):
    site.serve(echo.port)
    context = tls_context()
    session = None
    for turn in range(2):
        with socket.create_connection(("127.0.0.1", site.gateway.https_port), 5) as sock:
            with context.wrap_socket(sock, server_hostname=site.host, session=session) as tls:
                wire = Wire(tls)
                assert wire.request("GET", "/", site.host).status == 200
                assert tls.session_reused == (turn == 1)
                session = tls.session


def test_a_name_that_nobody_has_gets_a_clear_end(gateway, site):
    """No default certificate here: a refused handshake, or a certificate and then a 4xx; never a hang."""
    try:
        with Wire.connect(gateway.https_port, tls=True, sni="stranger.invalid", timeout=5) as wire:
            assert 400 <= wire.request("GET", "/", "stranger.invalid").status < 500
    except (ssl.SSLError, ConnectionError, Closed):
        pass
    assert site.http1().sock.version(), "others are served on"
