"""Certificates: PKCS#12, what is said about chains, what uses them, and which of them expire soon."""

import datetime
import re

import pytest

from integration.certificates import Authority, openssl, pack
from integration.test_versions import api, write  # noqa: F401  `api` is a fixture


def upload(api, authority, name, days):
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
    identity = authority.issue(f"{name}.test", end=end)
    write(api, "POST", "/v1/tls-certificates", {"name": name, "cert": identity.cert, "key": identity.key})
    return identity


def test_those_that_expire_soon_are_listed(api, authority):
    for name, days in [("year", 365), ("week", 7), ("month", 29), ("gone", -1)]:
        upload(api, authority, name, days)

    def soon(query):
        return [each["name"] for each in api.get(f"/v1/tls-certificates?expiringWithin={query}")]

    assert soon("30d") == ["gone", "week", "month"]
    assert soon("0d") == ["gone"] and soon("169h") == ["gone", "week"]
    assert len(soon("36500d")) == 4
    page = api.expect(200, "GET", "/v1/tls-certificates?expiringWithin=30d&pageNum=2&pageSize=2").json()
    assert ([each["name"] for each in page["data"]], page["total"]) == (["month"], 3)


@pytest.mark.parametrize("text", ["30", "d", "-1d", "30m", "9999999999999999999d", "1.5d"])
def test_times_are_checked(api, text):
    assert api.call("GET", f"/v1/tls-certificates?expiringWithin={text}").status_code == 400


def test_what_uses_a_certificate_is_told(api, authority):
    upload(api, authority, "c", 100)
    assert api.get("/v1/tls-certificates/c")["usedBy"] == []
    write(api, "POST", "/v1/domains", {"name": "c.test", "enableHttps": "on", "certIdentifier": "c"})
    source = {"name": "s", "type": "static", "domain": "127.0.0.1:9", "port": 80, "protocol": "https"}
    write(api, "POST", "/v1/service-sources", {**source, "tlsClientCertificate": "c"})
    shown = api.get("/v1/tls-certificates/c")
    assert shown["usedBy"] == ["domain c.test", "service source s"]
    assert len(shown["fingerprint"]) == 64 and "256" in shown["keyType"]
    # What GET gave may be sent back as it is.
    assert api.put("/v1/tls-certificates/c", shown, live=False)["version"] == shown["version"]


# ---- PKCS#12

PASSPHRASE = "p\u00e4ss: phrase"


def refused(api, body, path="/v1/tls-certificates", method="POST"):
    return [(each["field"], each["message"]) for each in api.expect(400, method, path, body).json()["errors"]]


def served(gateway, host):
    """The chain that a client is shown, as PEM."""
    text = openssl("s_client", "-connect", f"127.0.0.1:{gateway.https_port}", "-servername", host, "-showcerts", stdin="")
    return re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text, re.DOTALL)


@pytest.mark.parametrize("options", [[], ["-legacy"]], ids=["modern", "legacy"])
def test_a_pkcs12_file_is_served(new_gateway, authority, tmp_path, options):
    gateway = new_gateway().start()
    middle = Authority(tmp_path / "middle", "Middle", parent=authority)
    identity = middle.issue("packed.test")
    file = pack(identity, PASSPHRASE, *options)
    made = gateway.api.post("/v1/tls-certificates", {"name": "packed", "pkcs12": file, "passphrase": PASSPHRASE})
    assert made["domains"] == ["packed.test"]
    assert [made[each] for each in ("pkcs12", "passphrase", "cert", "key")] == [None] * 4
    gateway.api.create_domain("packed.test", "on", "packed")
    assert served(gateway, "packed.test") == [identity.cert, middle.cert]
    # A renewed one in place of it, by PUT and by a document.
    renewed = middle.issue("packed.test")
    body = {"pkcs12": pack(renewed, "other"), "passphrase": "other"}
    gateway.api.put("/v1/tls-certificates/packed", body)
    assert served(gateway, "packed.test")[0] == renewed.cert
    body = {"tlsCertificates": [{"name": "packed", "pkcs12": file, "passphrase": PASSPHRASE}]}
    gateway.api.expect(200, "POST", "/v1/apply?wait=live", body)
    assert served(gateway, "packed.test")[0] == identity.cert


def test_what_is_wrong_with_a_pkcs12_file_is_told(api, authority):
    identity = authority.issue("wrong.test")
    file = pack(identity, PASSPHRASE)
    path = "/v1/tls-certificates"
    assert refused(api, {"name": "a", "pkcs12": file}) == [("passphrase", "Is needed: the file is encrypted.")]
    assert refused(api, {"name": "a", "pkcs12": file, "passphrase": "no"}) == [("passphrase", "Does not open the file.")]
    assert refused(api, {"name": "a", "pkcs12": "no base64!"}) == [("pkcs12", "Must be the file in base64.")]
    assert refused(api, {"name": "a", "pkcs12": file[:400], "passphrase": PASSPHRASE})[0][0] == "pkcs12"
    assert refused(api, {"name": "a", "pkcs12": "A" * 700_000}) == [("pkcs12", "Is larger than 512 KiB.")]
    assert refused(api, {"name": "a", "pkcs12": file, "cert": identity.cert})[0][0] == "pkcs12"
    document = {"tlsCertificates": [{"name": "a", "pkcs12": file, "passphrase": "no"}]}
    assert refused(api, document, "/v1/apply") == [("tlsCertificates[0].passphrase", "Does not open the file.")]
    assert api.get(path) == []


def test_without_the_legacy_provider_it_is_told_what_to_run(new_gateway, tmp_path, authority):
    gateway = new_gateway()
    gateway.start_control(OPENSSL_MODULES=str(tmp_path))
    gateway.api.initialize()
    identity = authority.issue("old.test")
    body = {"name": "a", "pkcs12": pack(identity, PASSPHRASE, "-legacy"), "passphrase": PASSPHRASE}
    [(field, message)] = refused(gateway.api, body)
    assert field == "pkcs12" and "`openssl pkcs12 -legacy -in old.p12 -nodes | openssl pkcs12 -export -out new.p12`" in message
    body["pkcs12"] = pack(identity, PASSPHRASE)
    gateway.api.expect(201, "POST", "/v1/tls-certificates", body)


# ---- chains


def test_hints_about_a_chain(api, authority, tmp_path):
    middle = Authority(tmp_path / "middle", "Middle", parent=authority)
    place = "http://ca.test/middle.crt"
    leaf = middle.issue("hints.test", also=[f"authorityInfoAccess=caIssuers;URI:{place}"])
    body = {"name": "hints", "cert": leaf.cert, "key": leaf.key}

    def said(answer, *words):
        return [each for each in answer.get("warnings", []) if all(word in each for word in words)]

    preview = api.expect(200, "POST", "/v1/tls-certificates?dryRun=true", body).json()["data"]
    assert said(preview, "cert: CN=hints.test was issued by CN=Middle", place), preview
    made = api.expect(201, "POST", "/v1/tls-certificates", body).json()
    assert said(made, "CN=Middle", place) == said(preview, "CN=Middle", place)
    assert said(api.get("/v1/tls-certificates/hints"), place), "it stays true"
    stranger = Authority(tmp_path / "stranger", "Stranger")
    body["cert"] = authority.cert + middle.cert + leaf.cert + stranger.cert
    for query in ("?dryRun=true", ""):
        answer = api.expect(200, "PUT", f"/v1/tls-certificates/hints{query}", body).json()
        answer = answer.get("data", answer)
        assert said(answer, "not in the order of the chain")
        assert said(answer, "certificate 4 (CN=Stranger)", "left out")
        assert said(answer, "root CN=Test CA is superfluous")
        assert not said(answer, "was issued by")
    assert api.get("/v1/tls-certificates/hints").get("warnings", []) == [], "what was put right is told once"
    body["cert"] = leaf.cert + middle.cert
    told = api.expect(200, "PUT", "/v1/tls-certificates/hints", body).json()
    assert said(told, "CN=Middle was issued by CN=Test CA"), "which may be a root of one's own"
    assert "warnings" not in api.get("/v1/tls-certificates/hints")
    assert "warnings" not in api.expect(200, "POST", "/v1/apply", {"tlsCertificates": [body]}).json()
    body["cert"] = leaf.cert
    told = api.expect(200, "POST", "/v1/apply", {"tlsCertificates": [body]}).json()
    assert said(told, "tlsCertificates[0].cert: CN=hints.test was issued by CN=Middle", place)


def test_an_authority_of_the_machine_need_not_be_in_the_chain(new_gateway, authority):
    gateway = new_gateway()
    gateway.start_control(SSL_CERT_FILE=str(authority.path))
    gateway.api.initialize()
    leaf = authority.issue("known.test")
    body = {"name": "a", "cert": leaf.cert, "key": leaf.key}
    made = gateway.api.expect(201, "POST", "/v1/tls-certificates", body).json()
    assert "warnings" not in made, made
