"""People, sessions, tokens, roles: who may do what, from the API's own description, and how each right ends."""

import concurrent.futures
import json
import os
import socket
import sqlite3
import subprocess
import time

import pytest
import requests

from integration.api import Api
from integration.gateway import BINARIES, ROOT
from integration.openapi import OPERATIONS
from integration.waiting import wait_until
from peers.wire import Closed, Wire

PASSWORD = "tests: a pass:word"
RANK = {"none": 0, "viewer": 1, "editor": 2, "admin": 3}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A control plane alone, with one account of each role."""
    from integration.gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("accounts"))
    try:
        gateway.start_control()
        gateway.api.initialize()
        for role in ("viewer", "editor"):
            make_user(gateway.api, role, role)
        yield gateway
        gateway.stop()
    finally:
        gateway.abandon()


@pytest.fixture
def fresh(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    return gateway


def make_user(api, name, role):
    return api.post("/v1/users", {"name": name, "password": PASSWORD, "role": role}, live=False)


def make_token(api, name, role, **more):
    return api.post("/v1/tokens", {"name": name, "role": role, **more}, live=False)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def login(api, **more):
    """The value of a new session's cookie."""
    answer = api.expect(
        201, "POST", "/session/login", {"username": api.user, "password": api.password, **more}, auth=False
    )
    return answer.cookies["_hi_sess"]


def with_cookie(api, cookie, path="/user/info"):
    return requests.get(api.base + path, cookies={"_hi_sess": cookie}).status_code


# ---- the matrix


@pytest.fixture(scope="module")
def callers(control):
    """Credentials by name, each with what it is: (headers, role, whether a token, kinds)."""
    as_role = {role: Api(control.admin_port, role, PASSWORD) for role in ("viewer", "editor")}
    as_role["admin"] = control.api
    made = {"anonymous": ({}, "none", False, None)}
    for role, api in as_role.items():
        request = requests.Request("GET", api.base, auth=(api.user, api.password)).prepare()
        made[role] = ({"Authorization": request.headers["Authorization"]}, role, False, None)
        token = make_token(control.api, f"matrix-{role}", role)["token"]
        made[f"token of {role}"] = (bearer(token), role, True, None)
    made["token of routes"] = (
        bearer(make_token(control.api, "matrix-routes", "admin", kinds=["routes"])["token"]),
        "admin",
        True,
        ["routes"],
    )
    expired = make_token(control.api, "matrix-expired", "admin", expiresAt="2099-01-01T00:00:00Z")
    with sqlite3.connect(control.data / "causeway.db", timeout=20) as db:
        db.execute("UPDATE token SET expires_at = 1000 WHERE id = ?", (expired["id"],))
    made["expired token"] = (bearer(expired["token"]), "none", True, None)
    revoked = make_token(control.api, "matrix-revoked", "admin")
    control.api.delete(f"/v1/tokens/{revoked['id']}", live=False)
    made["revoked token"] = (bearer(revoked["token"]), "none", True, None)
    made["another's token"] = (bearer("causeway_" + "0" * 64), "none", True, None)
    return made


def expected(operation, role, is_token, kinds):
    if operation.role == "none":
        return "served"
    if role == "none":
        return 401
    if is_token and not operation.tokens:
        return 403
    if kinds and operation.kind and operation.kind not in kinds:
        return 403
    return "served" if RANK[role] >= RANK[operation.role] else 403


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_each_operation_serves_who_may_call_it(control, callers, operation):
    for name, (headers, role, is_token, kinds) in callers.items():
        answer = requests.request(
            operation.method,
            control.api.base + operation.url(),
            json=operation.body,
            headers=headers,
            timeout=20,
            stream=True,
        )
        wanted = expected(operation, role, is_token, kinds)
        allowed = answer.status_code not in (401, 403, 500) if wanted == "served" else answer.status_code == wanted
        assert allowed, f"{operation} as {name}: {answer.status_code}, expected {wanted}: {answer.text[:500]}"
        assert "WWW-Authenticate" not in answer.headers
        answer.close()


# ---- users


def test_the_life_of_an_account(fresh):
    made = make_user(fresh.api, "erin", "editor")
    assert made["password"] is None and made["role"] == "editor" and made["displayName"] == "erin"
    assert fresh.api.call("POST", "/v1/users", {"name": "erin", "password": PASSWORD, "role": "viewer"}).status_code == 409
    erin = Api(fresh.admin_port, "erin", PASSWORD)
    assert erin.get("/user/info")["role"] == "editor"
    erin.create_domain("erin.test")
    cookie = login(erin)
    changed = fresh.api.put("/v1/users/erin", {"role": "viewer", "displayName": "Erin E."}, live=False)
    assert (changed["role"], changed["displayName"]) == ("viewer", "Erin E.")
    # At once, for remembered Basic credentials and for open sessions.
    assert erin.call("POST", "/v1/domains", {"name": "again.test"}).status_code == 403
    assert requests.delete(erin.base + "/v1/domains/erin.test", cookies={"_hi_sess": cookie}).status_code == 403
    fresh.api.expect(200, "POST", "/v1/users/erin/password", {"newPassword": "another: one"})
    assert erin.call("GET", "/user/info").status_code == 401
    assert with_cookie(erin, cookie) == 401
    erin.password = "another: one"
    assert erin.get("/user/info")["displayName"] == "Erin E."
    fresh.api.delete("/v1/users/erin", live=False)
    assert erin.call("GET", "/user/info").status_code == 401
    assert [each["name"] for each in fresh.api.get("/v1/users")] == ["admin"]


@pytest.mark.parametrize(
    "body, field",
    [
        ({"password": PASSWORD, "role": "viewer"}, "name"),
        ({"name": "a:b", "password": PASSWORD, "role": "viewer"}, "name"),
        ({"name": "x", "role": "viewer"}, "password"),
        ({"name": "x", "password": PASSWORD}, "role"),
        ({"name": "x", "password": PASSWORD, "role": "root"}, "role"),
    ],
)
def test_bad_accounts_are_refused_by_field(control, body, field):
    answer = control.api.expect(400, "POST", "/v1/users", body).json()
    assert [each["field"] for each in answer["errors"]] == [field]


def test_the_last_administrator_cannot_go(fresh):
    for method, path, body in [
        ("DELETE", "/v1/users/admin", None),
        ("PUT", "/v1/users/admin", {"role": "editor"}),
    ]:
        assert fresh.api.expect(409, method, path, body).json()["code"] == "last_administrator"
    make_user(fresh.api, "ada", "admin")
    fresh.api.put("/v1/users/admin", {"role": "editor"}, live=False)
    assert fresh.api.call("GET", "/v1/users").status_code == 403
    assert Api(fresh.admin_port, "ada", PASSWORD).call("DELETE", "/v1/users/ada").status_code == 409


def test_two_administrators_cannot_remove_each_other_at_once(fresh):
    for name in ("ada", "bea"):
        make_user(fresh.api, name, "admin")
    fresh.api.delete("/v1/users/admin", live=False)
    apis = [Api(fresh.admin_port, name, PASSWORD) for name in ("ada", "bea")]
    for api in apis:
        api.get("/user/info")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda pair: pair[0].call("DELETE", f"/v1/users/{pair[1]}").status_code, zip(apis, ("bea", "ada"))))
    assert statuses.count(204) == 1, statuses


# ---- sessions


def test_sessions_are_listed_and_ended(fresh):
    make_user(fresh.api, "erin", "viewer")
    erin = Api(fresh.admin_port, "erin", PASSWORD)
    mine, other, admins = login(erin), login(erin, autoLogin=True), login(fresh.api)
    listed = requests.get(erin.base + "/v1/sessions", cookies={"_hi_sess": mine}).json()["data"]
    assert [each["user"] for each in listed] == ["erin", "erin"]
    assert [each["current"] for each in listed] == [False, True]
    assert "python-requests" in listed[0]["agent"] and listed[0]["address"] == "127.0.0.1"
    assert mine not in json.dumps(listed)
    assert erin.call("GET", "/v1/sessions?all=true").status_code == 403
    everybody = fresh.api.get("/v1/sessions?all=true")
    assert sorted(each["user"] for each in everybody) == ["admin", "erin", "erin"]
    of_admin = next(each["id"] for each in everybody if each["user"] == "admin")
    assert erin.call("DELETE", f"/v1/sessions/{of_admin}").status_code == 404, "one may not end those of others"
    assert with_cookie(fresh.api, admins) == 200
    erin.delete(f"/v1/sessions/{listed[0]['id']}", live=False)
    assert (with_cookie(erin, other), with_cookie(erin, mine)) == (401, 200)
    fresh.api.delete(f"/v1/sessions/{listed[1]['id']}", live=False)
    assert with_cookie(erin, mine) == 401


def test_how_long_a_session_lasts_is_a_setting(fresh):
    fresh.api.put("/v1/settings/session.kept-lifetime", {"value": 400}, live=False)
    answer = fresh.api.call(
        "POST",
        "/session/login",
        {"username": fresh.api.user, "password": fresh.api.password, "autoLogin": True},
        auth=False,
    )
    assert "Max-Age=400" in answer.headers["Set-Cookie"]
    session = fresh.api.get("/v1/sessions?all=true")[0]
    assert session["expiresAt"] > session["createdAt"]
    cookie = answer.cookies["_hi_sess"]
    assert with_cookie(fresh.api, cookie) == 200
    with sqlite3.connect(fresh.data / "causeway.db", timeout=20) as db:
        db.execute("UPDATE session SET expires_at = created_at + 1")
    assert with_cookie(fresh.api, cookie) == 401, "a session that has run out still opens"
    assert fresh.api.get("/v1/sessions?all=true") == []
    for value in (1, 10**12, "long", True):
        assert fresh.api.call("PUT", "/v1/settings/session.kept-lifetime", {"value": value}).status_code == 400, value
    fresh.api.delete("/v1/settings/session.kept-lifetime", live=False)
    shown = {each["name"]: each for each in fresh.api.get("/v1/settings")}
    assert shown["session.kept-lifetime"]["value"] == 2_592_000
    assert fresh.api.call("PUT", "/v1/settings/no.such", {"value": 1}).status_code == 404


def test_what_the_database_holds_opens_nothing(fresh):
    """Neither the value of a cookie nor a token stands in the files, nor does the hash that stands there work as one."""
    cookie, token = login(fresh.api), make_token(fresh.api, "t", "viewer")["token"]
    files = b"".join(path.read_bytes() for path in fresh.data.glob("causeway.db*"))
    for secret in (cookie, token, token.removeprefix("causeway_")):
        assert secret.encode() not in files and bytes.fromhex(secret.removeprefix("causeway_")) not in files
    with sqlite3.connect(fresh.data / "causeway.db", timeout=20) as db:
        session_hash = db.execute("SELECT hex(id_hash) FROM session").fetchone()[0].lower()
        token_hash = db.execute("SELECT hex(hash) FROM token").fetchone()[0].lower()
    assert with_cookie(fresh.api, session_hash) == 401
    assert requests.get(fresh.api.base + "/user/info", headers=bearer("causeway_" + token_hash)).status_code == 401


# ---- tokens


def test_the_life_of_a_token(fresh):
    made = make_token(fresh.api, "ci", "editor", kinds=["domains", "routes"], expiresAt="2099-01-01T00:00:00Z")
    assert made["token"].startswith("causeway_") and made["kinds"] == ["domains", "routes"]
    shown = fresh.api.get("/v1/tokens")
    assert [(each["name"], each["token"], each["lastUsedAt"]) for each in shown] == [("ci", None, None)]
    headers = bearer(made["token"])
    answer = requests.post(fresh.api.base + "/v1/domains", json={"name": "token.test"}, headers=headers)
    assert answer.status_code == 201
    assert requests.get(fresh.api.base + "/user/info", headers=headers).json()["data"]["name"] == "admin"
    assert requests.get(fresh.api.base + "/v1/consumers", headers=headers).status_code == 403
    used = fresh.api.get("/v1/tokens")[0]
    assert used["lastUsedAt"] and used["lastAddress"] == "127.0.0.1"
    entry = next(each for each in fresh.api.get("/v1/audit") if each["kind"] == "domain")
    assert (entry["actor"], entry["via"]) == ("admin", "token ci")
    fresh.api.delete(f"/v1/tokens/{made['id']}", live=False)
    assert requests.get(fresh.api.base + "/user/info", headers=headers).status_code == 401


def test_a_token_has_no_more_rights_than_its_owner(fresh):
    make_user(fresh.api, "erin", "editor")
    erin = Api(fresh.admin_port, "erin", PASSWORD)
    assert erin.call("POST", "/v1/tokens", {"name": "up", "role": "admin"}).status_code == 400
    token = make_token(erin, "e", "editor")["token"]
    assert requests.post(erin.base + "/v1/domains", json={"name": "e.test"}, headers=bearer(token)).status_code == 201
    fresh.api.put("/v1/users/erin", {"role": "viewer"}, live=False)
    assert requests.delete(erin.base + "/v1/domains/e.test", headers=bearer(token)).status_code == 403
    fresh.api.delete("/v1/users/erin", live=False)
    assert requests.get(erin.base + "/v1/domains", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize(
    "more, field",
    [
        ({"name": ""}, "name"),
        ({"role": None}, "role"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["routes", "nonsense"]}, "kinds[1]"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    ],
)
def test_bad_tokens_are_refused_by_field(control, more, field):
    answer = control.api.expect(400, "POST", "/v1/tokens", {"name": "bad", "role": "viewer", **more}).json()
    assert [each["field"] for each in answer["errors"]] == [field]


# ---- defences


def test_a_stolen_cookie_is_no_use_from_another_sites_page(control):
    cookie = login(control.api)
    answer = requests.post(
        control.api.base + "/v1/domains",
        json={"name": "csrf.test"},
        cookies={"_hi_sess": cookie},
        headers={"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403 and answer.json()["code"] == "cross_site"
    rebound = requests.get(
        control.api.base + "/v1/domains", cookies={"_hi_sess": cookie}, headers={"Host": "evil.test"}
    )
    assert rebound.status_code == 421


def test_basic_guessing_is_throttled_like_the_login(fresh):
    """Ten wrong passwords by Basic; then even the right one has to wait, by Basic as by the login."""
    for guess in range(10):
        fresh.api.call("GET", "/user/info", auth=(fresh.api.user, f"guess {guess}"))
    by_basic = fresh.api.call("GET", "/user/info", auth=(fresh.api.user, "one more"))
    by_login = fresh.api.call(
        "POST", "/session/login", {"username": fresh.api.user, "password": fresh.api.password}, auth=False
    )
    for answer in (by_basic, by_login):
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1, answer.text
        assert answer.json()["code"] == "too_many_attempts"


def test_a_flood_of_requests_is_held_back(new_gateway):
    """One address gets no more than its rate; others, and the address itself a second later, are served."""
    gateway = new_gateway()
    gateway.control.command += ["--admin-rate", "20"]
    gateway.start_control()

    def ask(count, source="127.0.0.1"):
        with Wire.connect(gateway.admin_port, source=source) as wire:
            answers = [wire.request("GET", "/healthz/ready", "localhost") for _ in range(count)]
        return [answer.status for answer in answers], next((each for each in answers if each.status == 429), None)

    begun = time.monotonic()
    statuses, refused = ask(200)
    passed = statuses.count(200)
    assert 30 <= passed <= 45 + 20 * (time.monotonic() - begun) and set(statuses) == {200, 429}
    problem = json.loads(refused.body)
    assert problem["code"] == "too_many_requests" and "--admin-rate" in problem["message"] and refused.get("retry-after") == "1"
    assert ask(10, "127.0.0.9")[0] == [200] * 10
    wait_until(lambda: ask(1)[0] == [200], 5, "time gives requests back")


def test_header_lists_of_the_admin_api_are_bounded(fresh):
    with Wire.connect(fresh.admin_port) as wire:
        wire.send("GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for _ in range(64):
                wire.send("X-Filler: " + "a" * 16_000 + "\r\n")
            wire.send("\r\n")
            answer = wire.read_to_end()
        except (OSError, Closed) as error:
            answer = getattr(error, "rest", b"")
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431"), answer[:200]
    assert fresh.api.call("GET", "/healthz/ready").status_code == 200


def test_unknown_users_take_as_long_as_known_ones(fresh):
    def seconds(name, guess):
        start = time.perf_counter()
        answer = fresh.api.call("POST", "/session/login", {"username": name, "password": guess}, auth=False)
        assert answer.status_code == 401
        return time.perf_counter() - start

    known = min(seconds(fresh.api.user, f"x{n}") for n in range(4))
    unknown = min(seconds("nobody", f"x{n}") for n in range(4))
    assert known > 0.01, "scrypt ran"
    assert 0.5 < unknown / known < 2, (known, unknown)


def test_a_flood_of_logins_takes_two_cores_at_most_and_leaves_the_api_alone(fresh):
    cookie = login(fresh.api)

    def attempt(number):
        return fresh.api.call(
            "POST", "/session/login", {"username": f"flood{number}", "password": "x"}, auth=False
        ).status_code

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        flood = [pool.submit(attempt, number) for number in range(120)]
        slowest = 0.0
        while not all(each.done() for each in flood):
            start = time.perf_counter()
            assert with_cookie(fresh.api, cookie) == 200
            slowest = max(slowest, time.perf_counter() - start)
        statuses = [each.result() for each in flood]
    assert set(statuses) <= {401, 429} and statuses.count(429) > 20, statuses
    assert slowest < 2, slowest


# ---- the way back in


def reset(gateway, user, password):
    return subprocess.run(
        [
            BINARIES / "causeway-control",
            "reset-password",
            user,
            "--data",
            gateway.data,
            "--migrations",
            ROOT / "migrations",
        ],
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("running", [True, False])
def test_the_operator_resets_a_password(fresh, running):
    cookie = login(fresh.api)
    fresh.api.get("/user/info")
    if not running:
        fresh.control.stop()
    done = reset(fresh, "admin", "quite: another")
    assert done.returncode == 0, done.stderr
    assert "admin" in done.stdout and "quite" not in done.stdout
    if not running:
        fresh.start_control()
    assert fresh.api.call("GET", "/user/info").status_code == 401, "the old password still opens"
    assert with_cookie(fresh.api, cookie) == 401
    fresh.api.password = "quite: another"
    entry = next(each for each in fresh.api.get("/v1/audit") if each["action"] == "reset-password")
    assert (entry["actor"], entry["address"], entry["name"]) == ("system", "local", "admin")
    assert entry["via"].startswith(f"uid {os.geteuid()} ")
    for user, password, reason in [("nobody", "long enough", "no user nobody"), ("admin", "", "Is required")]:
        failed = reset(fresh, user, password)
        assert failed.returncode == 1 and reason in failed.stderr, failed.stderr


def test_a_reset_elsewhere_makes_no_folder(fresh, tmp_path):
    fresh.data = tmp_path / "nowhere"
    failed = reset(fresh, "admin", "long enough")
    assert failed.returncode == 1 and "no control plane" in failed.stderr
    assert not fresh.data.exists()


def test_the_management_socket_is_the_operators_alone(fresh):
    path = fresh.data / "management.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b'{"operation":"open-the-gates"}\n')
        assert json.loads(client.makefile().readline())["success"] is False
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"x" * 20_000)
        assert client.recv(100) == b"", "an endless line is not kept"
    if os.geteuid() == 0:
        # The modes keep others out; that the peer is checked too shows when they are opened.
        path.chmod(0o666)
        fresh.data.chmod(0o711)
        script = (
            "import socket\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.connect('management.sock')\n"
            "s.sendall(b'{\"operation\":\"reset-password\",\"user\":\"admin\",\"password\":\"stolen it\"}\\n')\n"
            "print('answer', s.recv(100))\n"
        )
        asked = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script],
            cwd=fresh.data,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert asked.stdout == "answer b''\n" or "BrokenPipe" in asked.stderr or "ConnectionReset" in asked.stderr, asked
        assert fresh.api.call("GET", "/user/info").status_code == 200


# ---- the audit


def test_the_audit_tells_who_did_what(fresh, authority):
    identity = authority.issue("audit.test")
    make_user(fresh.api, "erin", "editor")
    erin = Api(fresh.admin_port, "erin", PASSWORD)
    erin.create_certificate("audited", identity.cert, identity.key)
    erin.create_domain("audit.test")
    erin.put("/v1/domains/audit.test", {"enableHttps": "on", "certIdentifier": "audited"}, live=False)
    fresh.api.put("/v1/settings/login.prompt", {"value": "Hello"}, live=False)

    update = fresh.api.get("/v1/audit?kind=domain&action=update")[0]
    assert (update["actor"], update["address"], update["via"]) == ("erin", "127.0.0.1", "basic")
    assert (update["before"]["enableHttps"], update["after"]["enableHttps"]) == ("off", "on")
    assert update["version"] == fresh.api.get("/v1/domains/audit.test")["version"]
    certificate = fresh.api.get("/v1/audit?name=audited")[0]
    assert len(certificate["after"]["keyFingerprint"]) == 16
    setting = fresh.api.get("/v1/audit?kind=setting")[0]
    assert (setting["before"], setting["after"]) == (None, "Hello")

    whole = fresh.api.expect(200, "GET", "/v1/audit?pageSize=1000")
    lines = fresh.api.expect(200, "GET", "/v1/audit/export").text.splitlines()
    assert [json.loads(line) for line in lines] == whole.json()["data"]
    for secret in (identity.key, PASSWORD, identity.key.splitlines()[1]):
        assert secret not in whole.text
    of_erin = fresh.api.expect(200, "GET", "/v1/audit?actor=erin&pageSize=2").json()
    assert of_erin["total"] == 3 and len(of_erin["data"]) == 2
    assert fresh.api.get(f"/v1/audit?since={update['at']}&until={update['at']}&kind=domain") == [update]
    assert fresh.api.call("GET", "/v1/audit?since=yesterday").status_code == 400
