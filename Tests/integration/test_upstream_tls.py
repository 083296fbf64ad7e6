"""TLS towards back ends: the certificate is checked unless the source says otherwise, SNI and ALPN are right."""

import ssl

import pytest

from integration.site import Site
from peers import http2
from peers.http1 import EchoServer, RawServer


def server_context(identity, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.path, identity.key_path)
    if alpn:
        context.set_alpn_protocols(alpn)
    context.asked = []
    context.sni_callback = lambda connection, name, _: context.asked.append(name) and None
    return context


@pytest.fixture
def identity(authority):
    return authority.issue("back.test")


def serve(site, port, protocol, **source):
    site.gateway.api.create_static(site.name, port, protocol=protocol, **source)
    site.route(site.name, f"{site.name}.static")


def test_a_certificate_that_nobody_vouches_for_is_refused(site, gateway, identity):
    with EchoServer(tls=server_context(identity)) as server:
        serve(site, server.port, "https", sni="back.test")
        answer = site.get("/tls")
        assert answer.status == 503 and server.seen == []
    record = gateway.wait_log(authority=site.host, path="/tls")
    assert record["flag"] == "UF" and "TLS" in record["reason"]


def test_unchecked_https_where_the_source_says_so(site, identity):
    context = server_context(identity)
    with EchoServer("secure", tls=context) as server:
        serve(site, server.port, "https", sni="back.test", tlsVerify=False)
        for _ in range(3):
            assert site.get("/").get("x-backend") == "secure"
    assert "back.test" in context.asked


def test_grpcs(site, identity):
    with http2.Server(tls=server_context(identity, ["h2"])) as server:
        serve(site, server.port, "grpcs", sni="back.test", tlsVerify=False)
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 0
        assert server.requests[0][":scheme"] == "https"


def test_a_back_end_that_does_not_choose_h2_is_an_error(site, gateway, identity):
    with EchoServer(tls=server_context(identity)) as server:
        serve(site, server.port, "grpcs", tlsVerify=False)
        with site.http2() as client:
            assert client.grpc(site.host, "/a.B/C").grpc_status == 14


def test_clear_text_where_tls_is_expected_is_an_error(site):
    def plain(wire):
        wire.read(5)
        wire.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with RawServer(plain) as server:
        serve(site, server.port, "https", tlsVerify=False)
        assert site.get("/").status == 503


def test_a_certificate_for_another_name_is_refused_and_the_right_one_taken(new_gateway, authority, identity, monkeypatch):
    """With the CA among the system's: what remains is the name."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    gateway = new_gateway().start()
    for name, status in [("back.test", 200), ("other.test", 503)]:
        site = Site(gateway, authority, https="off")
        with EchoServer(tls=server_context(identity)) as server:
            serve(site, server.port, "https", sni=name)
            assert site.get("/").status == status, name
    gateway.stop()
