"""Every annotation of annotations.py under both prefixes: it acts, is refused in favour of a field, or is named in the warnings."""

import contextlib
import email.utils
import json
import ssl
import threading
import time

import pytest

from integration.api import route
from integration.site import Site
from integration.test_client_certificates import refused
from integration.waiting import wait_until
from parity.annotations import BOTH, BY_NAME, HIGRESS, NGINX, TABLE
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import tls_context


class Place:
    """A domain in clear text with routes to v1.static, and what the proofs ask of it."""

    def __init__(self, gateway, authority, backends, prefix):
        self.site, self.backends, self.prefix = Site(gateway, authority, https="off"), backends, prefix
        self.count = 0

    def over_tls(self):
        """The same on a domain with a certificate."""
        self.site = Site(self.site.gateway, self.site.authority)
        return self

    def configs(self, **annotations):
        return {self.prefix + name.replace("_", "-"): value for name, value in annotations.items()}

    def serve(self, service="v1.static", path="/", match="PRE", more=None, **annotations):
        self.count += 1
        return self.site.route(
            f"{self.site.name}-{self.count}",
            service,
            path,
            match,
            customConfigs={**self.configs(**annotations), **(more or {})},
        )

    def get(self, path="/", *fields, **more):
        return self.site.get(path, *fields, **more)

    def who(self, path="/", *fields):
        answer = self.get(path, *fields)
        return answer.get("x-backend") if answer.status == 200 else answer.status

    def location(self, path="/"):
        answer = self.get(path)
        return answer.status, answer.get("location")

    def source(self, *ports, **more):
        name = f"{self.site.name}-source"
        self.site.gateway.api.create_static(name, *ports, **more)
        return f"{name}.static"


@contextlib.contextmanager
def silent(place):
    """A service that takes requests and never answers."""
    with RawServer(lambda wire: (wire.read_request(), wire.is_closed())) as server:
        yield place.source(server.port)


@contextlib.contextmanager
def pair(place, **source):
    with EchoServer("one") as one, EchoServer("two") as two:
        yield place.source(one.port, two.port, **source)


# ---- proofs: what traffic shows of an annotation that acts; each makes its routes with the value of its row

PROOFS = {}


def proof(function):
    PROOFS[function.__name__.replace("_", "-")] = function
    return function


@proof
def backend_protocol(place):
    with http2.Server() as server:
        place.serve(place.source(server.port), backend_protocol="http2")
        assert place.who() == "b1"


@proof
def force_ssl_redirect(place):
    place.serve(force_ssl_redirect="true")
    status, location = place.location("/x")
    assert status == 308 and location.startswith("https://")


@proof
def ssl_cipher(place):
    place.over_tls().serve(ssl_cipher="ECDHE-ECDSA-AES256-GCM-SHA384")
    for suite, is_taken in [("ECDHE-ECDSA-AES256-GCM-SHA384", True), ("ECDHE-ECDSA-AES128-GCM-SHA256", False)]:
        client = tls_context(("http/1.1",), ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
        client.set_ciphers(suite)
        assert refused(place.site, made=client) != is_taken, suite


@proof
def tls_min_protocol_version(place):
    place.over_tls().serve(tls_min_protocol_version="TLSv1.3")
    assert refused(place.site, version=ssl.TLSVersion.TLSv1_2) and not refused(place.site, version=ssl.TLSVersion.TLSv1_3)


@proof
def tls_max_protocol_version(place):
    place.over_tls().serve(tls_max_protocol_version="TLSv1.2")
    assert refused(place.site, version=ssl.TLSVersion.TLSv1_3) and not refused(place.site, version=ssl.TLSVersion.TLSv1_2)


@proof
def app_root(place):
    place.serve(app_root="/app")
    status, location = place.location("/")
    assert status == 302 and location.endswith("/app") and place.who("/app") == "v1"


@proof
def temporal_redirect(place):
    place.serve(temporal_redirect="https://other.test/t", permanent_redirect="https://other.test/p")
    assert place.location() == (302, "https://other.test/t"), "it wins over the permanent one"


@proof
def permanent_redirect(place):
    place.serve(permanent_redirect="https://other.test/p")
    assert place.location() == (301, "https://other.test/p")


@proof
def permanent_redirect_code(place):
    place.serve(permanent_redirect="https://other.test/p", permanent_redirect_code="308")
    assert place.location() == (308, "https://other.test/p")


@proof
def full_path_regex(place):
    place.serve(path="/a[0-9]|/b", match="REGULAR", full_path_regex="true")
    assert [place.who(path) for path in ("/a1", "/b", "/a12", "/bc")] == ["v1", "v1", 404, 404]


@proof
def timeout(place):
    with silent(place) as service:
        place.serve(service, timeout="1")
        assert place.get().status == 504


@proof
def proxy_read_timeout(place):
    with silent(place) as service:
        place.serve(service, proxy_read_timeout="1")
        assert place.get().status == 504


@proof
def proxy_connect_timeout(place):
    """TLS is part of it: the service accepts, and never says anything."""
    with silent(place) as service:
        place.serve(service, proxy_connect_timeout="1", more={f"{place.prefix}backend-protocol": "HTTPS"})
        begun = time.monotonic()
        assert place.get().status == 503
        # A connection that failed is tried again, three times: with the gateway's own 5 s for each that takes 20.
        assert 0.9 < time.monotonic() - begun < 12


@proof
def load_balance(place):
    with pair(place, loadBalancing={"policy": "consistentHash", "hashOn": "clientAddress"}) as service:
        place.serve(service, path="/as-the-source")
        place.serve(service, load_balance="round_robin")
        assert len({place.who("/as-the-source") for _ in range(12)}) == 1
        assert {place.who() for _ in range(12)} == {"one", "two"}


@proof
def upstream_hash_by(place):
    with pair(place) as service:
        place.serve(service, upstream_hash_by="$request_uri")
        assert all(len({place.who(f"/{n}") for _ in range(4)}) == 1 for n in range(6))
        assert {place.who(f"/{n}") for n in range(40)} == {"one", "two"}


def cookie_of(answer):
    """Name, value and attributes of the one cookie that an answer sets."""
    (text,) = answer.all("set-cookie")
    pair, *attributes = text.split("; ")
    return (*pair.split("=", 1), attributes)


def sticks(place, name="INGRESSCOOKIE"):
    """Each session stays with its endpoint, and all endpoints get some."""
    used = set()
    for _ in range(12):
        first = place.get()
        said, value, _ = cookie_of(first)
        assert said == name
        again = [place.get("/", ("cookie", f"a=b; {name}={value}")) for _ in range(6)]
        assert {each.get("x-backend") for each in again} == {first.get("x-backend")}
        assert not any(each.get("set-cookie") for each in again), "the client has it"
        used.add(first.get("x-backend"))
    assert used == {"one", "two"}


@proof
def affinity(place):
    with pair(place) as service:
        place.serve(service, affinity="cookie")
        sticks(place)


@proof
def affinity_mode(place):
    with pair(place) as service:
        place.serve(service, affinity="cookie", affinity_mode="persistent")
        sticks(place)
        values = {each.get("x-backend"): cookie_of(each)[1] for each in [place.get() for _ in range(12)]}
        assert len(set(values.values())) == 2, "the cookie names the endpoint"


@proof
def affinity_canary_behavior(place):
    def share(path):
        value = cookie_of(place.get(path))[1]
        return {place.who(path, ("cookie", f"INGRESSCOOKIE={value}")) for _ in range(40)}

    for path, more in (("/sticky", {}), ("/legacy", {"affinity_canary_behavior": "legacy"})):
        place.serve(path=path, affinity="cookie", **more)
        place.serve("v2.static", path, canary="true", canary_weight="50")
    assert {len(share("/sticky")) for _ in range(8)} == {1} and len(share("/legacy")) == 2


@proof
def session_cookie_name(place):
    with pair(place) as service:
        place.serve(service, affinity="cookie", session_cookie_name="ROUTE")
        sticks(place, "ROUTE")


def attributes(place, **annotations):
    place.serve(affinity="cookie", **annotations)
    return cookie_of(place.get())[2]


@proof
def session_cookie_path(place):
    assert attributes(place, session_cookie_path="/shop") == ["Path=/shop", "HttpOnly"]


@proof
def session_cookie_max_age(place):
    assert attributes(place, session_cookie_max_age="60") == ["Path=/", "Max-Age=60", "HttpOnly"]


@proof
def session_cookie_expires(place):
    path, only, expires = attributes(place, session_cookie_expires="60")
    until = email.utils.parsedate_to_datetime(expires.removeprefix("Expires=")).timestamp()
    assert 50 < until - time.time() < 61


def with_canary(place, **annotations):
    place.serve()
    place.serve("v2.static", canary="true", **annotations)


@proof
def canary(place):
    with_canary(place, canary_weight="100")
    assert {place.who() for _ in range(10)} == {"v2"}


@proof
def canary_by_header(place):
    with_canary(place, canary_by_header="x-canary")
    assert [place.who("/", ("x-canary", value)) for value in ("always", "never")] == ["v2", "v1"]


@proof
def canary_by_header_value(place):
    with_canary(place, canary_by_header="x-canary", canary_by_header_value="yes")
    assert [place.who("/", ("x-canary", value)) for value in ("yes", "always", "yes!")] == ["v2", "v1", "v1"]


@proof
def canary_by_header_pattern(place):
    with_canary(place, canary_by_header="x-canary", canary_by_header_pattern="ye.$")
    assert [place.who("/", ("x-canary", value)) for value in ("yes", "yea", "no", "yess")] == ["v2", "v2", "v1", "v1"]


@proof
def canary_by_cookie(place):
    with_canary(place, canary_by_cookie="can.ary")
    for cookie, backend in {
        "can.ary=always": "v2",
        "a=b; can.ary=always; c=d": "v2",
        "a=b;can.ary=always": "v2",
        "can.ary=never": "v1",
        "canxary=always": "v1",
        "acan.ary=always": "v1",
        "can.ary=always1": "v1",
    }.items():
        assert place.who("/", ("cookie", cookie)) == backend, cookie
    assert place.who() == "v1"
    with place.site.http2(tls=False) as client:
        stream = client.request("GET", place.site.host, "/", ("cookie", "a=b"), ("cookie", "can.ary=always"))
    assert stream.headers["x-backend"] == "v2", "cookies in fields of their own"


@proof
def canary_weight(place):
    with_canary(place, canary_weight="30")
    share = [place.who() for _ in range(200)].count("v2") / 200
    assert 0.15 < share < 0.45


@proof
def canary_weight_total(place):
    with_canary(place, canary_weight="1", canary_weight_total="1")
    assert {place.who() for _ in range(10)} == {"v2"}


@proof
def mirror_target_service(place, name="mirror_target_service", **more):
    with EchoServer("shadow") as shadow:
        service = place.source(shadow.port)
        value = f"default/{service}:80" if name == "mirror_target_service" else service
        place.serve(**{name: value}, **more)
        assert place.who("/copied") == "v1"
        wait_until(lambda: [each.target for each in shadow.seen] == ["/copied"], 10, "the copy")


@proof
def mirror_target_fqdn(place):
    mirror_target_service(place, "mirror_target_fqdn", mirror_target_service="v2.static")  # it wins


@proof
def mirror_percentage(place):
    with EchoServer("shadow") as shadow:
        service = place.source(shadow.port)
        place.serve(path="/some", mirror_target_fqdn=service, mirror_percentage="50")
        place.serve(path="/none", mirror_target_fqdn=service, mirror_percentage="0")
        for path in ("/none", "/some"):
            assert {place.who(path) for _ in range(60)} == {"v1"}
        wait_until(lambda: len(shadow.seen) >= 10, 10, "copies")
        assert {each.target for each in shadow.seen} == {"/some"} and len(shadow.seen) <= 50


@proof
def default_backend(place):
    place.serve(place.source("nowhere.invalid:80"), default_backend="default/v2.static")
    assert place.who() == "v2"


@proof
def custom_http_errors(place):
    with RawServer(lambda wire: (wire.read_request(), wire.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))) as server:
        place.serve(place.source(server.port), custom_http_errors="404,503", default_backend="v2.static")
        assert place.who() == "v2"


@proof
def proxy_send_timeout(place):
    with RawServer(lambda wire: (wire.read_head(), threading.Event().wait(8))) as server:
        place.serve(place.source(server.port), proxy_send_timeout="1")
        with place.site.http1(tls=False) as wire:
            wire.send(f"POST / HTTP/1.1\r\nHost: {place.site.host}\r\nContent-Length: {64 << 20}\r\n\r\n")
            sender = threading.Thread(target=send_for_ever, args=(wire,), daemon=True)
            sender.start()
            assert wire.read_response().status == 504


def send_for_ever(wire):
    with contextlib.suppress(OSError):
        for _ in range(1024):
            wire.sock.sendall(bytes(1 << 16))


@proof
def proxy_http_version(place):
    with http2.Server() as server:
        place.serve(place.source(server.port), proxy_http_version="2")
        assert place.who() == "b1"


@proof
def whitelist_source_range(place):
    place.serve(path="/out", whitelist_source_range="10.0.0.0/8")
    place.serve(path="/in", whitelist_source_range="10.0.0.0/8, 127.0.0.0/8")
    assert [place.who(path) for path in ("/in", "/out")] == ["v1", 403]


@proof
def denylist_source_range(place):
    place.serve(denylist_source_range="127.0.0.1")
    assert place.get().status == 403


@proof
def limit_connections(place):
    go = threading.Event()
    with RawServer(lambda wire: (wire.read_request(), go.wait(10), wire.send("HTTP/1.1 204 No\r\n\r\n"))) as server:
        place.serve(place.source(server.port), limit_connections="1")
        with place.site.http1(tls=False) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {place.site.host}\r\n\r\n")
            wait_until(lambda: server.connections == 1, 10, "the first is on its way")
            assert place.get().status == 429
            go.set()
            assert wire.read_response().status == 204


def passes(place, least, most):
    statuses = [place.get().status for _ in range(least + 10)]
    assert set(statuses) == {200, 429} and least <= statuses.count(200) <= most


@proof
def route_limit_rps(place):
    place.serve(route_limit_rps="2")
    passes(place, 10, 15)  # five times the rate is the burst, as in Higress


@proof
def route_limit_rpm(place):
    place.serve(route_limit_rpm="2", route_limit_rps="1000")
    passes(place, 10, 11)


@proof
def route_limit_burst_multiplier(place):
    place.serve(route_limit_rpm="4", route_limit_burst_multiplier="3")
    passes(place, 12, 13)


@proof
def limit_rps(place):
    place.serve(limit_rps="2")
    passes(place, 10, 15)


@proof
def limit_rpm(place):
    place.serve(limit_rpm="2")
    passes(place, 10, 11)


@proof
def limit_burst_multiplier(place):
    place.serve(limit_rpm="4", limit_burst_multiplier="3")
    passes(place, 12, 13)


# ---- the table


def test_every_row_that_acts_has_a_proof():
    assert {row.name for row in TABLE if row.acts} == set(PROOFS)
    assert all(not (row.acts and row.field) for row in TABLE) and len(BY_NAME) == len(TABLE)


@pytest.mark.parametrize("prefix", BOTH, ids=["nginx", "higress"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_annotation(gateway, authority, backends, row, prefix):
    place = Place(gateway, authority, backends, prefix)
    key = prefix + row.name
    if prefix in row.acts:
        PROOFS[row.name](place)
        return
    if row.field:
        body = route(place.site.name, [place.site.host], "v1.static", customConfigs={key: row.value})
        answer = gateway.api.expect(400, "POST", "/v1/routes", body).json()
        assert [error["field"] for error in answer["errors"]] == [f"customConfigs[{key}]"]
        return
    made = place.serve(more={key: row.value})
    named = [warning for warning in made["warnings"] if warning.startswith(f"customConfigs[{key}]: ")]
    assert len(named) == 1 and "no effect" in named[0], made["warnings"]
    assert made["customConfigs"] == {key: row.value}, "it is kept for whoever reads it"
    assert place.who("/x") == "v1"
    read = gateway.api.call("GET", f"/v1/routes/{made['name']}").json()
    assert named[0] in json.dumps(read, ensure_ascii=False), "who reads it later is told, too"


def test_an_annotation_that_acts_is_not_warned_about(gateway, authority, backends):
    place = Place(gateway, authority, backends, HIGRESS)
    assert not place.serve(timeout="30", load_balance="random").get("warnings")


@pytest.mark.parametrize("key", ["timeout", "example.com/timeout", "higress.io"])
def test_keys_without_a_prefix_are_named(gateway, authority, backends, key):
    made = Place(gateway, authority, backends, HIGRESS).serve(more={key: "1"})
    assert [warning for warning in made["warnings"] if f"customConfigs[{key}]" in warning]


@pytest.mark.parametrize(
    "name, value",
    [
        ("backend-protocol", "SPDY"),
        ("app-root", "app"),
        ("temporal-redirect", "ftp://other.test"),
        ("permanent-redirect-code", "200"),
        ("whitelist-source-range", "10.0.0.0/33"),
        ("upstream-hash-by", "$nothing"),
        ("force-ssl-redirect", "perhaps"),
        ("canary", "perhaps"),
        ("canary-weight", "-1"),
        ("canary-weight-total", "0"),
        ("canary-by-header", "not a name"),
        ("canary-by-header-pattern", "("),
        ("mirror-percentage", "half"),
        ("affinity", "header"),
        ("affinity-mode", "sometimes"),
        ("affinity-canary-behavior", "odd"),
        ("session-cookie-name", "a b"),
        ("session-cookie-path", "/a; Secure"),
        ("session-cookie-max-age", "soon"),
        ("mirror-target-service", "ns/"),
        ("custom-http-errors", "399"),
        ("custom-http-errors", "404,many"),
        ("custom-http-errors", ""),
        ("proxy-send-timeout", "soon"),
        ("proxy-http-version", "3"),
        ("ssl-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:NO-SUCH-SUITE"),
        ("ssl-cipher", ":"),
        ("tls-min-protocol-version", "1.3"),
        ("tls-max-protocol-version", "SSLv3"),
    ],
)
@pytest.mark.parametrize("prefix", BOTH, ids=["nginx", "higress"])
def test_values_that_cannot_be_are_refused_by_their_key(gateway, authority, backends, prefix, name, value):
    place = Place(gateway, authority, backends, prefix)
    configs = {prefix + name: value, **({f"{prefix}canary": "true"} if name.startswith("canary-") else {})}
    if name == "canary-by-header-pattern":
        configs[f"{prefix}canary-by-header"] = "x-canary"
    body = route(place.site.name, [place.site.host], "v1.static", customConfigs=configs)
    answer = gateway.api.expect(400, "POST", "/v1/routes", body).json()
    assert f"customConfigs[{prefix + name}]" in [error["field"] for error in answer["errors"]]


@pytest.mark.parametrize("name", ["mirror-target-fqdn", "default-backend"])
def test_services_of_annotations_must_be_there(gateway, authority, backends, name):
    place = Place(gateway, authority, backends, HIGRESS)
    body = route(place.site.name, [place.site.host], "v1.static", customConfigs={f"{HIGRESS}{name}": "gone.static"})
    answer = gateway.api.expect(400, "POST", "/v1/routes", body).json()
    assert "gone.static" in answer["errors"][0]["message"]
    used = place.source(9)
    place.serve(**{name.replace("-", "_"): used})
    gateway.api.expect(409, "DELETE", f"/v1/service-sources/{used.removesuffix('.static')}")


def test_a_canary_of_no_route_is_told_so(gateway, authority, backends):
    place = Place(gateway, authority, backends, HIGRESS)
    alone = place.serve("v2.static", canary="true", canary_weight="50")
    assert [warning for warning in alone["warnings"] if warning.startswith("customConfigs[canary]")]
    assert place.get().status == 404
    place.serve()
    read = gateway.api.get(f"/v1/routes/{alone['name']}")
    assert not read.get("warnings")
    assert {place.who() for _ in range(40)} == {"v1", "v2"}
    gateway.api.delete(f"/v1/routes/{alone['name']}")
    assert {place.who() for _ in range(10)} == {"v1"}


@pytest.mark.parametrize(
    "nginx, higress, seen",
    [
        ({"temporal-redirect": "https://n.test/"}, {"temporal-redirect": "https://h.test/"}, (302, "https://n.test/")),
        ({"whitelist-source-range": "10.0.0.0/8"}, {"whitelist-source-range": "*"}, (403, None)),
        ({"app-root": "/n"}, {"app-root": "/h"}, (302, "/n")),
    ],
    ids=["redirect", "addresses", "root"],
)
def test_where_both_prefixes_are_given_that_of_nginx_counts(gateway, authority, backends, nginx, higress, seen):
    place = Place(gateway, authority, backends, NGINX)
    place.serve(more={**{NGINX + k: v for k, v in nginx.items()}, **{HIGRESS + k: v for k, v in higress.items()}})
    status, location = place.location()
    assert (status, location) == seen
