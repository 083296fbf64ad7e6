"""The admin API as clients written for the Higress console use it, with its mistakes mended, and the rules that protect it."""

import base64

import pytest
import requests

from integration.api import Api, route
from integration.site import Site
from integration.waiting import wait_until


@pytest.fixture
def fresh(new_gateway):
    """A control plane alone, not yet set up."""
    gateway = new_gateway()
    gateway.start_control()
    return gateway


# ---- set-up, login


def test_set_up_happens_once(fresh):
    config = fresh.api.call("GET", "/system/config", auth=False).json()
    assert config["success"] is True and config["data"]["system.initialized"] is False
    assert fresh.api.call("GET", "/v1/domains").status_code == 401
    fresh.api.initialize()
    assert fresh.api.call("GET", "/system/config", auth=False).json()["data"]["system.initialized"] is True
    again = fresh.api.call(
        "POST", "/system/init", {"adminUser": {"name": "x", "displayName": "x", "password": "yyyyyyyy"}}, auth=False
    )
    assert again.status_code == 409
    assert fresh.api.get("/user/info")["name"] == fresh.api.user


@pytest.mark.parametrize("missing", ["name", "displayName", "password"])
def test_set_up_needs_all_fields(fresh, missing):
    user = {"name": "admin", "displayName": "Admin", "password": "long enough"}
    answer = fresh.api.call("POST", "/system/init", {"adminUser": {**user, missing: ""}}, auth=False)
    assert answer.status_code == 400


def test_open_pages(gateway):
    for path in ("/healthz/ready", "/system/info", "/system/config"):
        assert gateway.api.call("GET", path, auth=False).status_code == 200
    info = gateway.api.call("GET", "/system/info", auth=False).json()
    assert info["version"] and "config.ingress.v1" in info["capabilities"]
    assert gateway.api.call("GET", "/healthz/ready", auth=False).text == "ok"


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PATCH", "/v1/routes", "GET, HEAD, POST"),
        ("POST", "/v1/routes/x", "DELETE, GET, HEAD, PUT"),
        ("DELETE", "/system/info", "GET, HEAD"),
        ("GET", "/v1/nothing", None),
        ("PUT", "/v1/nothing/at/all", None),
    ],
)
def test_methods_that_a_path_does_not_have(gateway, method, path, allowed):
    answer = gateway.api.call(method, path)
    assert (answer.status_code, answer.headers.get("Allow")) == (405 if allowed else 404, allowed)
    assert answer.json()["code"] == ("method_not_allowed" if allowed else "not_found")


def test_login_by_cookie_and_logout(gateway):
    session = requests.Session()
    credentials = {"username": gateway.api.user, "password": gateway.api.password}
    answer = session.post(gateway.api.base + "/session/login", json=credentials)
    assert answer.status_code == 201
    user = answer.json()
    assert (user["name"], user["password"]) == (gateway.api.user, None) and "success" not in user
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("_hi_sess=") and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert "Secure" not in cookie and "Max-Age" not in cookie
    assert session.get(gateway.api.base + "/v1/domains").status_code == 200
    value = session.cookies["_hi_sess"]
    assert session.get(gateway.api.base + "/session/logout").status_code == 200
    stolen = requests.get(gateway.api.base + "/v1/domains", cookies={"_hi_sess": value})
    assert stolen.status_code == 401, "a session that was logged out still opens"


def test_auto_login_keeps_the_cookie(gateway):
    answer = requests.post(
        gateway.api.base + "/session/login",
        json={"username": gateway.api.user, "password": gateway.api.password, "autoLogin": True},
    )
    assert "Max-Age=2592000" in answer.headers["Set-Cookie"]


def test_wrong_credentials(fresh):
    fresh.api.initialize()
    for user, password in [(fresh.api.user, "wrong"), ("nobody", fresh.api.password)]:
        by_login = fresh.api.call("POST", "/session/login", {"username": user, "password": password}, auth=False)
        by_basic = fresh.api.call("GET", "/v1/domains", auth=(user, password))
        for answer in (by_login, by_basic):
            assert answer.status_code == 401
            assert answer.json()["success"] is False
            assert "WWW-Authenticate" not in answer.headers
            assert "Set-Cookie" not in answer.headers


def test_guessing_is_throttled(fresh):
    fresh.api.initialize()
    statuses = [
        fresh.api.call(
            "POST", "/session/login", {"username": fresh.api.user, "password": f"guess {n}"}, auth=False
        ).status_code
        for n in range(40)
    ]
    assert 429 in statuses, statuses
    assert set(statuses) <= {401, 429}


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Bearer x",
        "",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    ],
)
def test_odd_authorization_is_401_and_no_error(gateway, header):
    answer = requests.get(gateway.api.base + "/v1/domains", headers={"Authorization": header})
    assert answer.status_code == 401


def test_change_of_password_ends_sessions(fresh):
    fresh.api.initialize()
    session = requests.Session()
    session.post(fresh.api.base + "/session/login", json={"username": fresh.api.user, "password": fresh.api.password})
    wrong = fresh.api.call("POST", "/user/changePassword", {"oldPassword": "no", "newPassword": "another: one"})
    assert wrong.status_code == 400
    fresh.api.expect(
        200, "POST", "/user/changePassword", {"oldPassword": fresh.api.password, "newPassword": "another: one"}
    )
    assert session.get(fresh.api.base + "/user/info").status_code == 401
    assert fresh.api.call("GET", "/user/info").status_code == 401, "the old password still opens"
    assert Api(fresh.admin_port, fresh.api.user, "another: one").get("/user/info")["name"] == fresh.api.user


def test_accounts_and_configuration_survive_a_restart(fresh):
    fresh.api.initialize()
    fresh.api.create_domain("kept.test")
    fresh.control.stop()
    fresh.start_control()
    assert [each["name"] for each in fresh.api.get("/v1/domains")] == ["kept.test"]


# ---- protection


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "OURS"}, 201),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
    ],
)
def test_writes_from_elsewhere_are_refused(gateway, headers, status):
    headers = {key: gateway.api.base if value == "OURS" else value for key, value in headers.items()}
    headers.setdefault("Content-Type", "application/json")
    name = f"csrf-{abs(hash(str(sorted(headers.items()))))}.test"
    answer = requests.post(
        gateway.api.base + "/v1/domains",
        data=f'{{"name":"{name}"}}',
        headers=headers,
        auth=(gateway.api.user, gateway.api.password),
    )
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("[::1]:{port}", 200),
        ("evil.test", 421),
        ("evil.test:{port}", 421),
        ("127.0.0.1.evil.test:{port}", 421),
    ],
)
def test_only_our_own_names_reach_the_api(gateway, host, status):
    answer = requests.get(gateway.api.base + "/system/info", headers={"Host": host.format(port=gateway.admin_port)})
    assert answer.status_code == status


def test_the_page_is_served_with_a_strict_policy(gateway):
    for path in ("/", "/index.html"):
        answer = requests.get(gateway.api.base + path)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path, kind in [("/app.js", "javascript"), ("/css/vars.css", "text/css"), ("/i18n/zh.json", "application/json")]:
        answer = requests.get(gateway.api.base + path)
        assert answer.status_code == 200 and kind in answer.headers["Content-Type"], path


@pytest.mark.parametrize(
    "path",
    [
        "/../control/causeway.db",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/css/../../control/key",
        "/css%00.css",
    ],
)
def test_no_file_outside_the_page_is_served(gateway, path):
    from peers.wire import Wire

    with Wire.connect(gateway.admin_port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.admin_port}\r\nConnection: close\r\n\r\n")
        answer = wire.read_response()
    assert answer.status in (400, 404) or b"<!doctype html" in answer.body.lower(), answer.line
    assert b"root:" not in answer.body and b"SQLite" not in answer.body


# ---- shapes


def test_one_resource_through_its_life(gateway):
    made = gateway.api.expect(201, "POST", "/v1/domains", {"name": "life.test", "enableHttps": "off"}).json()
    assert made["name"] == "life.test" and "success" not in made and made["version"].isdigit()
    shown = gateway.api.call("GET", "/v1/domains/life.test").json()
    assert shown["success"] is True and shown["message"] is None and shown["data"]["name"] == "life.test"
    assert gateway.api.call("PUT", "/v1/domains/other.test", {"name": "life.test"}).status_code == 400
    assert gateway.api.call("PUT", "/v1/domains/missing.test", {"name": "missing.test"}).status_code == 404
    assert gateway.api.call("DELETE", "/v1/domains/life.test").status_code == 204
    gone = gateway.api.call("GET", "/v1/domains/life.test")
    assert (gone.status_code, gone.content) == (404, b"")


def test_paging(fresh):
    fresh.api.initialize()
    for n in range(25):
        fresh.api.create_domain(f"page-{n:02}.test")

    def page(query):
        answer = fresh.api.expect(200, "GET", f"/v1/domains{query}").json()
        return len(answer["data"]), answer["total"], answer["pageNum"], answer["pageSize"]

    assert page("") == (25, 25, None, None)
    assert page("?ts=1700000000000") == (25, 25, None, None)
    assert page("?pageNum=1") == (10, 25, 1, 10)
    assert page("?pageSize=20") == (20, 25, 1, 20)
    assert page("?pageNum=3&pageSize=10") == (5, 25, 3, 10)
    assert page("?pageNum=9&pageSize=10") == (0, 25, 9, 10), "past the end"
    assert page("?pageNum=0&pageSize=10") == (10, 25, 1, 10)
    assert page("?pageNum=1&pageSize=-1") == (1, 25, 1, 1)
    for bad in ("?pageNum=x", "?pageSize=1.5", "?pageSize=99999999999999999999"):
        assert fresh.api.call("GET", f"/v1/domains{bad}").status_code == 400, bad
    names = [each["name"] for n in (1, 2, 3) for each in fresh.api.get(f"/v1/domains?pageNum={n}&pageSize=10")]
    assert sorted(names) == [f"page-{n:02}.test" for n in range(25)], "each on one page"


def test_locking_is_optional_and_strict(gateway):
    first = gateway.api.create_static("locked", 1)
    gateway.api.create_domain("locked.test")
    made = gateway.api.post("/v1/routes", route("locked", ["locked.test"], "locked.static"))
    second = gateway.api.put("/v1/routes/locked", {**made, "methods": ["GET"]})
    assert int(second["version"]) > int(made["version"]) > int(first["version"])
    assert gateway.api.call("PUT", "/v1/routes/locked", {**made, "methods": ["PUT"]}).status_code == 409
    free = gateway.api.put("/v1/routes/locked", {**made, "version": None, "methods": ["POST"]})
    assert free["methods"] == ["POST"]
    # What GET gave may be sent back as it is.
    shown = gateway.api.get("/v1/routes/locked")
    assert gateway.api.put("/v1/routes/locked", shown)["version"] == shown["version"]


def test_what_is_in_use_cannot_be_removed(gateway, authority):
    site = Site(gateway, authority, "in-use.test")
    gateway.api.create_static("in-use", 1)
    site.route("in-use", "in-use.static")
    for path, by in [
        ("/v1/tls-certificates/in-use-test", "in-use.test"),
        ("/v1/service-sources/in-use", "in-use"),
        ("/v1/domains/in-use.test", "in-use"),
    ]:
        answer = gateway.api.call("DELETE", path)
        assert answer.status_code == 409 and by in answer.json()["message"], answer.text
    gateway.api.delete("/v1/routes/in-use")
    gateway.api.delete("/v1/domains/in-use.test")
    gateway.api.delete("/v1/tls-certificates/in-use-test")
    gateway.api.delete("/v1/service-sources/in-use")


def test_a_certificate_keeps_its_pem_when_none_is_given(gateway, authority):
    site = Site(gateway, authority, "keeps.test")
    shown = gateway.api.get("/v1/tls-certificates/keeps-test")
    assert (shown["cert"], shown["key"], shown["domains"]) == (None, None, ["keeps.test"])
    assert shown["validityStart"] == "2020/01/01 00:00:00Z" and shown["validityEnd"] == "2049/01/01 00:00:00Z"
    gateway.api.put("/v1/tls-certificates/keeps-test", shown)
    with site.http1() as wire:
        assert wire.sock.version(), "the key is still there"
    alone = gateway.api.call("PUT", "/v1/tls-certificates/keeps-test", {**shown, "cert": site.identity.cert})
    assert alone.status_code == 400


def test_services_follow_from_sources(gateway):
    gateway.api.create_static("listed", "10.1.2.3:8080", "10.1.2.4:8080", protocol="grpc")
    services = {each["name"]: each for each in gateway.api.get("/v1/services")}
    service = services["listed.static"]
    assert service["port"] == 80 and sorted(service["endpoints"]) == ["10.1.2.3:8080", "10.1.2.4:8080"]
    assert service["namespace"] == "mcp" and service["protocol"] == "grpc"


def test_routes_of_a_domain(gateway):
    gateway.api.create_domain("listing.test")
    gateway.api.create_domain("listing-other.test")
    gateway.api.create_static("listing", 1)
    gateway.api.post("/v1/routes", route("listing-1", ["listing.test"], "listing.static"))
    gateway.api.post("/v1/routes", route("listing-2", ["listing-other.test"], "listing.static"))
    assert [each["name"] for each in gateway.api.get("/v1/domains/listing.test/routes")] == ["listing-1"]
    assert [each["name"] for each in gateway.api.get("/v1/routes?domainName=listing-other.test")] == ["listing-2"]
    assert gateway.api.get("/v1/domains/nobody.test/routes") == []


def test_lower_case_match_types_are_understood(gateway):
    gateway.api.create_static("lower", 1)
    made = gateway.api.post("/v1/routes", route("lower", [], "lower.static", "/lower", "pre"))
    assert made["path"]["matchType"] == "PRE"
    gateway.api.delete("/v1/routes/lower")


def test_unknown_annotations_are_reported(gateway):
    gateway.api.create_static("annotated", 1)
    made = gateway.api.post(
        "/v1/routes",
        route("annotated", [], "annotated.static", "/annotated", customConfigs={"higress.io/websocket-enable": "true"}),
    )
    assert any("higress.io/websocket-enable" in warning for warning in made["warnings"])
    assert made["customConfigs"] == {"higress.io/websocket-enable": "true"}
    gateway.api.delete("/v1/routes/annotated")


def test_an_unknown_path_is_404_in_the_one_shape(gateway):
    answer = gateway.api.call("GET", "/v1/nothing")
    assert answer.status_code == 404


def test_concurrent_writers_lose_nothing(gateway):
    """Each writer reads, changes and puts with the version it read; a conflict means another try. All changes are there."""
    import threading

    gateway.api.create_static("busy", 1)
    gateway.api.post("/v1/routes", route("busy", [], "busy.static", "/busy", customLabels={}))
    failures = []

    def write(number):
        api = Api(gateway.admin_port, gateway.api.user, gateway.api.password)
        for turn in range(5):

            def once():
                shown = api.get("/v1/routes/busy")
                shown["customLabels"][f"w{number}-{turn}"] = "x"
                answer = api.call("PUT", "/v1/routes/busy", shown)
                assert answer.status_code in (200, 409), answer.text
                return answer.status_code == 200

            try:
                wait_until(once, 20)
            except AssertionError as error:
                failures.append(error)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    assert not failures
    assert len(gateway.api.get("/v1/routes/busy")["customLabels"]) == 20
    gateway.api.delete("/v1/routes/busy")
