"""Certificates: what uses them, and which of them expire soon."""

import datetime

import pytest

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
