"""TLS towards back ends: the certificate is checked unless the source says otherwise, SNI and ALPN are right."""

import ssl

import pytest

from integration.certificates import Authority
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Closed


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


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("whole", [True, False], ids=["close_notify", "FIN alone"])
def test_a_body_without_a_length_ends_with_close_notify_only(site, identity, whole, version):
    """RFC 9112 §9.8: anybody on the way can make a FIN."""

    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\n\r\nhello")
        if whole:
            wire.sock.unwrap()

    with RawServer(respond, tls=server_context(identity)) as server, site.http1() as wire:
        serve(site, server.port, "https", sni="back.test", tlsVerify=False)
        wire.send(f"GET / HTTP/{version}\r\nHost: {site.host}\r\n\r\n")
        if whole:
            assert wire.read_response().body == b"hello"
        elif version == "1.0":
            wire.read_until(b"\r\n\r\nhello")
            assert not wire.ends_in_order()
        else:
            with pytest.raises(Closed):
                wire.read_response()


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


def test_a_source_s_own_authorities_vouch_for_its_endpoints(gateway, authority, identity, tmp_path):
    """Those and no others: the system's do not count beside them."""
    strangers = Authority(tmp_path / "strangers", "Strangers")
    for ca, status in [(authority.cert, 200), (strangers.cert, 503), (strangers.cert + authority.cert, 200)]:
        site = Site(gateway, authority, https="off")
        with EchoServer(tls=server_context(identity)) as server:
            serve(site, server.port, "https", sni="back.test", tlsCa=ca)
            assert site.get("/own").status == status
    assert gateway.wait_log(path="/own", status=503)["flag"] == "UF"


def asking(identity, authority):
    """A back end that takes clients with a certificate of that authority only."""
    context = server_context(identity)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.cert)
    return context


def test_endpoints_that_ask_are_shown_the_source_s_certificate(gateway, authority, identity, echo):
    ours = authority.issue("gateway.test")
    gateway.api.create_certificate("towards-upstreams", ours.chain, ours.key)
    shown = []

    class Noting(EchoServer):
        def _echo(self, wire):
            shown.append(wire.sock.getpeercert(True))
            super()._echo(wire)

    with Noting(tls=asking(identity, authority)) as server:
        site = Site(gateway, authority, https="off")
        serve(site, server.port, "https", sni="back.test", tlsCa=authority.cert)
        assert site.get("/").status in (502, 503), "no certificate, no service"
        source = gateway.api.get(f"/v1/service-sources/{site.name}")
        gateway.api.put(
            f"/v1/service-sources/{site.name}", {**source, "tlsClientCertificate": "towards-upstreams"}
        )
        assert site.get("/").status == 200
        assert shown[-1] == ssl.PEM_cert_to_DER_cert(ours.cert)

        newer = authority.issue("gateway.test")
        gateway.api.put(
            "/v1/tls-certificates/towards-upstreams", {"name": "towards-upstreams", "cert": newer.chain, "key": newer.key}
        )

        def with_the_new_one():
            for wire in list(server.open):
                wire.half_close(notify=False)  # another thread reads
            return site.get("/").status == 200 and shown[-1] == ssl.PEM_cert_to_DER_cert(newer.cert)

        wait_until(with_the_new_one, 10, "a new connection shows the new certificate")
        in_use = gateway.api.expect(409, "DELETE", "/v1/tls-certificates/towards-upstreams").json()
        assert site.name in in_use["message"]


@pytest.mark.parametrize(
    "settings, field, words",
    [
        ({"tlsCa": "nonsense"}, "tlsCa", "no certificate in PEM"),
        ({"tlsCa": "CA", "tlsVerify": False}, "tlsCa", "tlsVerify is false"),
        ({"tlsClientCertificate": "nobody"}, "tlsClientCertificate", "no certificate named nobody"),
    ],
)
def test_bad_settings_are_refused_by_field(gateway, authority, settings, field, words):
    if settings.get("tlsCa") == "CA":
        settings = {**settings, "tlsCa": authority.cert}
    body = {"name": "bad-tls", "type": "static", "domain": "127.0.0.1:1", "port": 80, "protocol": "https", **settings}
    answer = gateway.api.expect(400, "POST", "/v1/service-sources", body).json()
    assert [error["field"] for error in answer["errors"]] == [field], answer
    assert words in answer["errors"][0]["message"], answer
