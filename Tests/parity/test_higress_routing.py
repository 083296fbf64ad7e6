"""The routing, rewriting and TLS cases of the Higress suite that need no Kubernetes, replayed through the API and a real worker.

Each test has the name of its case there. What Higress says by annotations that its console owns is said here by the fields of the
console; the other annotations are given as they are, under both prefixes.
"""

import socket
import ssl

import pytest

from integration.routing import ask, send, who
from integration.site import Site
from peers.wire import Closed, Wire, tls_context


def test_HTTPRouteSimpleSameNamespace(gateway, table):
    table((["foo.com"], "PRE", "/", "v1"))
    assert who(gateway, "foo.com", "/hello") == "v1"
    assert who(gateway, "bar.com", "/hello") == 404


def test_HTTPRouteHostNameSameNamespace(gateway, table):
    table(
        (["foo.com"], "PRE", "/foo", "v1"),
        (["bar.com", "*.bar.com"], "PRE", "/bar", "v2"),
        (["api.bar.com"], "PRE", "/any", "v3"),
        (["api-bar.com"], "PRE", "/bar", "v1"),
    )
    assert who(gateway, "foo.com", "/foo") == "v1"
    assert who(gateway, "bar.com", "/bar") == "v2"
    assert who(gateway, "x.bar.com", "/bar") == "v2"
    assert who(gateway, "a.b.bar.com", "/bar") == "v2"
    assert who(gateway, "api.bar.com", "/any") == "v3"
    assert who(gateway, "api-bar.com", "/bar") == "v1", "api-bar.com is not *.bar.com"
    assert who(gateway, "foo.com", "/bar") == 404
    assert who(gateway, "FOO.com:8000", "/foo") == "v1", "port and case do not count"


def test_HTTPRouteExactDomainFallback(gateway, table):
    table((["*.foo.com"], "PRE", "/", "v1"), (["www.foo.com"], "EQUAL", "/bar", "v2"))
    assert who(gateway, "www.foo.com", "/bar") == "v2"
    assert who(gateway, "www.foo.com", "/foo") == "v1"


def test_HTTPRouteMatchPath(gateway, table):
    table(
        (["foo.com"], "EQUAL", "/foo", "v1"),
        (["foo.com"], "PRE", "/foo", "v2"),
        (["foo.com"], "PRE", "/bar", "v2"),
        (["foo.com"], "PRE", "/cat/", "v3"),
    )
    for target, backend in [
        ("/foo", "v1"),
        ("/foo/", "v2"),
        ("/foo?q=1", "v1"),
        ("/bar", "v2"),
        ("/bard", 404),
        ("/cat", "v3"),
        ("/cat/ok", "v3"),
        ("/cats", 404),
    ]:
        assert who(gateway, "foo.com", target) == backend, target


def test_HTTPRouteEnableIgnoreCase(gateway, table):
    loose = {"case_sensitive": False}
    table(
        (["foo.com"], "EQUAL", "/foo", "v1", loose),
        (["foo.com"], "PRE", "/bar", "v2", loose),
        (["foo.com"], "PRE", "/cat/", "v3", loose),
    )
    assert [who(gateway, "foo.com", target) for target in ("/fOO", "/BAR", "/CAT/ok")] == ["v1", "v2", "v3"]


def test_HTTPRouteFullPathRegex(gateway, table):
    table((["foo.com"], "REGULAR", "/foo/[A-Z0-9]{3}", "v1"), (["foo.com"], "REGULAR", "/bar/[A-Z0-9]{3}$", "v2"))
    for target, backend in [
        ("/foo/1234", "v1"),
        ("/foo/12", 404),
        ("/x/foo/123", 404),
        ("/bar/123", "v2"),
        ("/bar/1234", 404),
    ]:
        assert who(gateway, "foo.com", target) == backend, target


def test_HTTPRouteMatchMethods(gateway, table):
    table((["foo.com"], "PRE", "/", "v1", {"methods": ["POST", "PUT", "PATCH"]}))
    assert who(gateway, "foo.com", "/") == 404
    assert {who(gateway, "foo.com", "/", method=method) for method in ("POST", "PUT", "PATCH")} == {"v1"}


TRIO = [("abc", "EQUAL", "123"), ("content-type", "REGULAR", "application/(json|xml)"), ("user-id", "PRE", "10086-1")]


def test_HTTPRouteMatchHeaders(gateway, table):
    table(
        (
            ["foo.com"],
            "PRE",
            "/",
            "v1",
            {"headers": [{"key": key, "matchType": kind, "matchValue": value} for key, kind, value in TRIO]},
        )
    )
    good = [("abc", "123"), ("content-type", "application/json"), ("user-id", "10086-123")]
    assert who(gateway, "foo.com", "/", *good) == "v1"
    assert who(gateway, "foo.com", "/", ("ABC", "123"), *good[1:]) == "v1", "names have no case"
    for missing in range(3):
        assert who(gateway, "foo.com", "/", *(field for n, field in enumerate(good) if n != missing)) == 404
    assert who(gateway, "foo.com", "/", ("abc", "12"), *good[1:]) == 404
    assert who(gateway, "foo.com", "/", good[0], ("content-type", "text/json"), good[2]) == 404


def test_HTTPRouteMatchQueryParams(gateway, table):
    table(
        (
            ["foo.com"],
            "PRE",
            "/",
            "v1",
            {"urlParams": [{"key": key, "matchType": kind, "matchValue": value} for key, kind, value in TRIO]},
        )
    )
    assert who(gateway, "foo.com", "/?abc=123&content-type=application%2Fxml&user-id=10086-1") == "v1"
    assert who(gateway, "foo.com", "/?user-id=10086-199&content-type=application/json&abc=123") == "v1"
    assert who(gateway, "foo.com", "/?abc=12&content-type=application/xml&user-id=10086-1") == 404
    assert who(gateway, "foo.com", "/") == 404


def test_HTTPRouteMatchPseudoHeaders(gateway, table):
    authority = ":authority"
    table(
        (
            ["*.foo.com"],
            "PRE",
            "/v1",
            "v1",
            {"headers": [{"key": authority, "matchType": "EQUAL", "matchValue": "test.foo.com"}]},
        ),
        (
            ["*.foo.com"],
            "PRE",
            "/v2",
            "v2",
            {"headers": [{"key": authority, "matchType": "REGULAR", "matchValue": r"test.+\.foo\.com"}]},
        ),
        (
            ["*.foo.com"],
            "PRE",
            "/v3",
            "v3",
            {"headers": [{"key": ":path", "matchType": "PRE", "matchValue": "/v3/bar"}]},
        ),
    )
    for host, target, backend in [
        ("test.foo.com", "/v1", "v1"),
        ("test2.foo.com", "/v1", 404),
        ("test.foo.com", "/v2", 404),
        ("test2.foo.com", "/v2", "v2"),
        ("test.foo.com", "/v3", 404),
        ("test.foo.com", "/v3/bar/x", "v3"),
    ]:
        assert who(gateway, host, target) == backend, (host, target)


def test_HTTPRouteSameHostAndPath(gateway, table):
    def having(*pairs):
        return {"headers": [{"key": key, "matchType": "EQUAL", "matchValue": value} for key, value in pairs]}

    table(
        (["foo.com"], "PRE", "/hello-world", "v1", having(("stage", "test"))),
        (["foo.com"], "PRE", "/hello-world", "v2", having(("stage", "test"), ("canary", "true"))),
        (["foo.com"], "PRE", "/hello-world", "v3"),
        (["foo.com"], "PRE", "/", "v3", having(("stage", "test"))),
        (["foo.com"], "PRE", "/", "v1"),
        (["foo.com"], "PRE", "/", "v2"),
    )
    assert who(gateway, "foo.com", "/hello-world", ("stage", "test")) == "v1"
    assert who(gateway, "foo.com", "/hello-world", ("stage", "test"), ("canary", "true")) == "v2"
    assert who(gateway, "foo.com", "/hello-world") == "v3"
    assert who(gateway, "foo.com", "/x", ("stage", "test")) == "v3"
    assert who(gateway, "foo.com", "/x") == "v1", "of two equal routes the older wins"


def test_HTTPRouteRewritePath(gateway, table):
    table(
        (["foo.com"], "REGULAR", "/svc/(.*)", "v1", {"rewrite": {"path": "/$1"}}),
        (["foo.com"], "PRE", "/old", "v2", {"rewrite": {"path": "/new"}}),
        (["foo.com"], "EQUAL", "/one", "v3", {"rewrite": {"path": "/two"}}),
    )
    for target, backend, seen in [
        ("/svc/foo?q=1", "v1", "/foo?q=1"),
        ("/old/a", "v2", "/new/a"),
        ("/old", "v2", "/new"),
        ("/one?x", "v3", "/two?x"),
    ]:
        name, saw = ask(gateway, "foo.com", target)
        assert (name, saw["target"]) == (backend, seen), target


def test_HTTPRouteRewriteHost(gateway, table):
    table((["foo.com", "bar.com"], "PRE", "/", "v1", {"rewrite": {"host": "higress.io"}}))
    for host in ("foo.com", "bar.com"):
        name, saw = ask(gateway, host, "/")
        assert (name, saw["host"]) == ("v1", "higress.io")


PREFIXES = pytest.mark.parametrize("prefix", ["nginx.ingress.kubernetes.io/", "higress.io/"])


def test_HTTPRouteFullPathRegex_by_annotation(gateway, table):
    """As the case has it: a key of Higress's own that the console leaves to `customConfigs`."""
    table(
        (["foo.com"], "REGULAR", "/foo/[A-Z0-9]{3}", "v1"),
        (["foo.com"], "REGULAR", "/bar/[A-Z0-9]{3}", "v2", {"customConfigs": {"higress.io/full-path-regex": "true"}}),
    )
    assert who(gateway, "foo.com", "/foo/1234") == "v1"
    assert who(gateway, "foo.com", "/bar/123") == "v2"
    assert who(gateway, "foo.com", "/bar/1234") == 404


# ---- header fields


def header(saw, name):
    return [value for key, value in saw["headers"] if key.lower() == name]


def pairs(*given):
    return [{"key": key, "value": value} for key, value in given]


@pytest.mark.parametrize(
    "control, sent, seen",
    [
        ({"add": pairs(("stage", "test"))}, [], {"stage": ["test"]}),
        (
            {"add": pairs(("stage", "test"), ("canary", "true"), ("x-test", "higress; test=true"))},
            [],
            {"stage": ["test"], "canary": ["true"], "x-test": ["higress; test=true"]},
        ),
        ({"set": pairs(("stage", "pro"))}, [("stage", "test")], {"stage": ["pro"]}),
        (
            {"set": pairs(("stage", "pro"), ("canary", "false"))},
            [("stage", "test"), ("canary", "true")],
            {"stage": ["pro"], "canary": ["false"]},
        ),
        ({"remove": ["stage"]}, [("stage", "test")], {"stage": []}),
        ({"remove": ["stage", "canary"]}, [("stage", "test"), ("canary", "true")], {"stage": [], "canary": []}),
    ],
    ids=["add one", "add several", "update one", "update several", "remove one", "remove several"],
)
def test_HTTPRouteRequestHeaderControl(gateway, table, control, sent, seen):
    table((["foo.com"], "EQUAL", "/foo1", "v1", {"headerControl": {"enabled": True, "request": control}}))
    name, saw = ask(gateway, "foo.com", "/foo1", *sent)
    assert name == "v1" and {key: header(saw, key) for key in seen} == seen


@pytest.mark.parametrize(
    "added", [[("stage", "test")], [("stage", "test"), ("canary", "true")]], ids=["add one", "add several"]
)
def test_HTTPRouteResponseHeaderControl(gateway, table, added):
    table((["foo.com"], "EQUAL", "/foo1", "v1", {"headerControl": {"enabled": True, "response": {"add": pairs(*added)}}}))
    answer = send(gateway, "foo.com", "/foo1")
    assert answer.status == 200 and all(answer.all(key) == [value] for key, value in added)


@pytest.mark.parametrize(
    "cors, origin, seen",
    [
        ({"enabled": False, "allowOrigins": ["*"]}, "http://bar.com", {}),
        (
            {"enabled": True, "allowOrigins": ["*"], "allowCredentials": True},
            "http://bar.com",
            {"allow-origin": "http://bar.com", "allow-credentials": "true"},
        ),
        (
            {"enabled": True, "allowOrigins": ["http://bar.com"], "exposeHeaders": ["*"], "allowCredentials": True},
            "http://bar.com",
            {"allow-origin": "http://bar.com", "allow-credentials": "true", "expose-headers": "*"},
        ),
        ({"enabled": True, "allowOrigins": ["http://bar.com"]}, "http://foo.com", {}),
    ],
    ids=["off", "on", "one origin and exposed headers", "another origin"],
)
def test_HTTPRouteEnableCors(gateway, table, cors, origin, seen):
    table((["foo.com"], "EQUAL", "/foo", "v1", {"cors": cors}))
    answer = send(gateway, "foo.com", "/foo", ("Origin", origin))
    got = {key.lower().removeprefix("access-control-"): value for key, value in answer.fields if key.lower().startswith("access-control-")}
    assert answer.status == 200 and got == seen


# ---- redirects


@PREFIXES
def test_HTTPRouteAppRoot(gateway, table, prefix):
    table((["foo.com"], "PRE", "/", "v1", {"customConfigs": {f"{prefix}app-root": "/foo"}}))
    answer = send(gateway, "foo.com", "/")
    assert answer.status == 302 and answer.get("location").removeprefix("http://foo.com") == "/foo"
    assert who(gateway, "foo.com", "/foo") == "v1"


def redirected(gateway, table, annotations):
    table((["foo.com"], "EQUAL", "/foo", "v1", {"customConfigs": annotations}))
    answer = send(gateway, "foo.com", "/foo")
    return answer.status, answer.get("location")


@PREFIXES
def test_HTTPRoutePermanentRedirect(gateway, table, prefix):
    to = {f"{prefix}permanent-redirect": "http://bar.com"}
    assert redirected(gateway, table, to) == (301, "http://bar.com")


@PREFIXES
def test_HTTPRoutePermanentRedirectCode(gateway, table, prefix):
    to = {f"{prefix}permanent-redirect": "http://bar.com", f"{prefix}permanent-redirect-code": "308"}
    assert redirected(gateway, table, to) == (308, "http://bar.com")


@PREFIXES
def test_HTTPRouteTemporalRedirect(gateway, table, prefix):
    to = {f"{prefix}temporal-redirect": "http://bar.com"}
    assert redirected(gateway, table, to) == (302, "http://bar.com")


@PREFIXES
def test_HttpForceRedirectHttps(gateway, table, prefix):
    table((["foo.com"], "PRE", "/foo", "v1", {"customConfigs": {f"{prefix}force-ssl-redirect": "true"}}))
    answer = send(gateway, "foo.com", "/foo?q=1")
    assert answer.status == 308 and _to_https(gateway, answer) == "/foo?q=1"


def _to_https(gateway, answer):
    """Where on foo.com under https it points: the port of this gateway's listener, or none."""
    location = answer.get("location")
    for host in (f"https://foo.com:{gateway.https_port}", "https://foo.com"):
        if location.startswith(f"{host}/"):
            return location.removeprefix(host)
    return location


def test_HttpRedirectAsHttps(gateway, table, authority):
    """`ssl-redirect` belongs to the console: it is the domain's mode `force`."""
    identity = authority.issue("redirect.foo.com")
    gateway.api.create_certificate("redirect", identity.chain, identity.key)
    gateway.api.create_domain("redirect.foo.com", "force", "redirect")
    table(([], "PRE", "/", "v1"))
    gateway.api.create_route("redirect", ["redirect.foo.com"], "v2.static")
    answer = send(gateway, "redirect.foo.com", "/foo")
    assert answer.status == 308 and answer.get("location").startswith("https://redirect.foo.com")
    assert who(gateway, "other.com", "/foo") == "v1"
    assert send(gateway, "redirect.foo.com", "/foo", tls=True).status == 200
    gateway.api.delete("/v1/routes/redirect")
    gateway.api.delete("/v1/domains/redirect.foo.com")


# ---- TLS


def test_HTTPRouteDownstreamEncryption_client_certificates(gateway, authority, echo):
    """`auth-tls-secret` asks for client certificates by host; here the domain does (`clientAuth`)."""
    host = "mtls.foo.com"
    site = Site(gateway, authority, host=host, clientAuth={"mode": "required", "ca": authority.cert})
    site.serve(echo.port)
    context = tls_context()
    client = authority.issue("client.foo.com")
    with pytest.raises((Closed, OSError)):
        _tls(gateway, host, tls_context()).request("GET", "/", host)
    context.load_cert_chain(client.path, client.key_path)
    assert _tls(gateway, host, context).request("GET", "/", host).status == 200


def _tls(gateway, host, context):
    sock = socket.create_connection(("127.0.0.1", gateway.https_port), 10)
    return Wire(context.wrap_socket(sock, server_hostname=host))


@pytest.mark.parametrize(
    "ciphers, minimum",
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", None),
        ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", None),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_3),
    ],
    ids=["one cipher", "several ciphers", "TLS 1.3 ignores suites of 1.2"],
)
def test_HTTPRouteDownstreamEncryption_ciphers(gateway, authority, echo, ciphers, minimum):
    """A client with exactly these suites is served. That others are not is more than Higress's own case shows, and not served:
    `ssl-cipher` is named in the warnings (test_annotations.py)."""
    site = Site(gateway, authority)
    site.serve(echo.port)
    context = tls_context(minimum=minimum, maximum=None if minimum else ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(ciphers)
    wire = _tls(gateway, site.host, context)
    assert wire.request("GET", "/", site.host).status == 200
    if minimum is None:
        assert wire.sock.cipher()[0] in ciphers.split(":")


def test_HTTPHttpsWithoutSni(gateway, authority, echo):
    """The case as it was meant: no SNI at all, and the host in the request decides."""
    identity = authority.issue("nosni.foo.com")
    gateway.api.create_certificate("nosni", identity.chain, identity.key)
    site = Site(gateway, authority, host="*.nosni.foo.com")
    site.serve(echo.port)
    with Wire.connect(gateway.https_port, tls=True, sni=None) as wire:
        assert wire.request("GET", "/", "a.nosni.foo.com").status == 200
