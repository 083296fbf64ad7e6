"""`tls` of a domain: versions and cipher suites, decided by SNI; neither tickets nor connections cross them."""

import ssl

import pytest

from integration import manifests as k8s
from integration.manifests import Importer, ingress, path, report
from integration.site import Site
from integration.test_client_certificates import connect, refused
from peers.http2 import Client
from peers.wire import tls_context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# Certificates of the tests have P-256 keys.
AES256, CHACHA = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"


def make(gateway, authority, echo, **tls):
    site = Site(gateway, authority, tls=tls)
    site.serve(echo.port)
    return site


@pytest.mark.parametrize("tls, taken", [
    ({"minVersion": "1.3"}, {V13}), ({"maxVersion": "1.2"}, {V12}), ({"minVersion": "TLSv1.2", "maxVersion": "1.2"}, {V12}),
    ({"minVersion": "1.2"}, {V12, V13}),
])  # fmt: skip
def test_versions(gateway, authority, echo, tls, taken):
    site = make(gateway, authority, echo, **tls)
    for version in (V12, V13):
        assert refused(site, version=version) == (version not in taken)
    with connect(site) as wire:
        assert wire.request("GET", "/", site.host).status == 200
        assert wire.sock.version() == ("TLSv1.3" if V13 in taken else "TLSv1.2")


def test_cipher_suites_in_the_server_s_order(gateway, authority, echo):
    site = make(gateway, authority, echo, cipherSuites=[CHACHA, AES256])

    def chosen(*offered):
        made = tls_context(("http/1.1",), V12, V12)
        made.set_ciphers(":".join(offered))
        with connect(site, made=made) as wire:
            assert wire.request("GET", "/", site.host).status == 200
            return wire.sock.cipher()[0]

    assert chosen(AES256, CHACHA) == CHACHA and chosen(AES256) == AES256
    made = tls_context(("http/1.1",), V12, V12)
    made.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert refused(site, made=made)
    # TLS 1.3 is as it was, and so is every other domain.
    with connect(site, version=V13) as wire:
        assert wire.request("GET", "/", site.host).status == 200
    other = Site(gateway, authority)
    other.serve(echo.port)
    made = tls_context(("http/1.1",), V12, V12)
    made.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert not refused(other, made=made)


def test_a_session_is_not_resumed_under_other_settings(gateway, authority, echo):
    site = make(gateway, authority, echo, cipherSuites=[AES256])
    made = tls_context(("http/1.1",), V12, V12)
    with connect(site, made=made) as wire:
        wire.request("GET", "/", site.host)
        session = wire.sock.session
    with connect(site, made=made, session=session) as wire:
        assert wire.sock.session_reused
    stored = gateway.api.get(f"/v1/domains/{site.host}")
    gateway.api.put(f"/v1/domains/{site.host}", {**stored, "tls": {"cipherSuites": [CHACHA]}})
    with connect(site, made=made, session=session) as wire:
        assert not wire.sock.session_reused and wire.sock.cipher()[0] == CHACHA


def test_a_connection_serves_no_host_of_other_settings(gateway, authority, echo):
    strict = make(gateway, authority, echo, minVersion="1.3")
    plain = Site(gateway, authority)
    plain.serve(echo.port)
    with Client(gateway.https_port, sni=plain.host) as client:
        assert client.request("GET", plain.host, "/").headers[":status"] == "200"
        assert client.request("GET", strict.host, "/").headers[":status"] == "421"
    question = {"method": "GET", "url": f"https://{strict.host}/", "sni": plain.host}
    told = gateway.api.expect(200, "POST", "/v1/route-tester", question).json()
    assert "versions or cipher suites" in str(told)


@pytest.mark.parametrize("tls, field", [
    ({"minVersion": "1.1"}, "tls.minVersion"), ({"maxVersion": "ssl3"}, "tls.maxVersion"),
    ({"minVersion": "1.3", "maxVersion": "1.2"}, "tls.maxVersion"),
    ({"cipherSuites": ["NO-SUCH-SUITE"]}, "tls.cipherSuites"), ({"cipherSuites": ["HIGH"]}, "tls.cipherSuites"),
    ({"cipherSuites": ["TLS_AES_128_GCM_SHA256"]}, "tls.cipherSuites"), ({"cipherSuites": [AES256, "!aNULL"]}, "tls.cipherSuites"),
    ({"cipherSuites": ["a:b"]}, "tls.cipherSuites[0]"), ({"cipherSuites": ["ECDHE-RSA-RC4-SHA"]}, "tls.cipherSuites"),
])  # fmt: skip
def test_what_cannot_be_is_refused_at_the_field(gateway, authority, tls, field):
    identity = authority.issue("wrong.test")
    if gateway.api.call("GET", "/v1/tls-certificates/wrong").status_code == 404:
        gateway.api.create_certificate("wrong", identity.chain, identity.key)
    body = {"name": "wrong.test", "enableHttps": "on", "certIdentifier": "wrong", "tls": tls}
    answer = gateway.api.expect(400, "POST", "/v1/domains", body).json()
    assert [error["field"] for error in answer["errors"]] == [field], answer


def test_suites_that_do_not_fit_the_certificate_are_named(gateway, authority):
    site = Site(gateway, authority, tls={"cipherSuites": ["ECDHE-RSA-AES128-GCM-SHA256"]})
    assert [each for each in site.domain["warnings"] if each.startswith("tls.cipherSuites")]
    assert not Site(gateway, authority, tls={"cipherSuites": [AES256]}).domain.get("warnings")


def test_annotations_of_a_route_say_it_where_the_domain_does_not(gateway, authority, echo):
    nginx = "nginx.ingress.kubernetes.io/"
    site = Site(gateway, authority, tls={"minVersion": "1.2"})
    first = site.serve(echo.port, customConfigs={f"{nginx}tls-max-protocol-version": "TLSv1.2"})
    assert not first.get("warnings") and refused(site, version=V13) and not refused(site, version=V12)
    # The oldest route counts; one that says something else is told.
    second = site.serve(echo.port, path="/b", customConfigs={f"{nginx}tls-min-protocol-version": "TLSv1.3"})
    assert [each for each in second["warnings"] if first["name"] in each], second["warnings"]
    assert refused(site, version=V13)
    gateway.api.delete(f"/v1/routes/{first['name']}")
    # The domain's own field goes before the annotation.
    assert not refused(site, version=V13) and not refused(site, version=V12)
    read = gateway.api.get(f"/v1/routes/{second['name']}")
    assert [each for each in read["warnings"] if f"tls of the domain {site.host}" in each]
    stored = gateway.api.get(f"/v1/domains/{site.host}")
    gateway.api.put(f"/v1/domains/{site.host}", {**stored, "tls": None})
    assert refused(site, version=V12) and not refused(site, version=V13)
    # A change of the route's, and its end, are the domain's.
    read = gateway.api.get(f"/v1/routes/{second['name']}")
    assert not read.get("warnings")
    gateway.api.put(f"/v1/routes/{second['name']}", {**read, "customConfigs": {f"{nginx}tls-min-protocol-version": "TLSv1.1"}})
    assert not refused(site, version=V12)


def test_an_import_makes_it_of_annotations(new_gateway, authority, echo):
    gateway = new_gateway().start()
    gateway.api.create_static("there", echo.port)
    nginx = "nginx.ingress.kubernetes.io/"
    answer = Importer(gateway.api)(
        k8s.tls_secret("cert", authority.issue("in.test"), "default"),
        ingress(
            "in", {"in.test": [path("/", k8s.MCP_BRIDGE)]}, class_name="higress",
            annotations={
                "higress.io/destination": "there.static:80", f"{nginx}ssl-cipher": f"{CHACHA},{AES256}:NOT-KNOWN",
                f"{nginx}tls-min-protocol-version": "TLSv1.0", f"{nginx}tls-max-protocol-version": "TLSv1.2",
            }, tls={"in.test": "cert"},
        ),
    )  # fmt: skip
    assert gateway.api.get("/v1/domains/in.test")["tls"] == {
        "minVersion": None, "maxVersion": "1.2", "cipherSuites": [CHACHA, AES256]
    }  # fmt: skip
    told = report(answer)
    assert "NOT-KNOWN" in told["Ingress", "in", f"metadata.annotations[{nginx}ssl-cipher]"]
    assert "TLS 1.2" in told["Ingress", "in", f"metadata.annotations[{nginx}tls-min-protocol-version]"]
