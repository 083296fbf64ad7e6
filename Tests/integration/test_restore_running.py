"""A backup put back into a running control plane: what comes with it, what goes, who is told; what is no backup changes nothing; a
process that is killed anywhere in it leaves the old state or the restored one."""

import collections
import concurrent.futures
import contextlib
import http.client
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import urllib.parse

import pytest
import requests

from integration.api import Api
from integration.live import Callers, Streams
from integration.site import Site
from integration.sse import EventStream
from integration.test_admin_tls import der, secure, shown
from integration.test_backup import PASSPHRASE, back_up, restore
from integration.test_versions import api, fill, whole, write  # noqa: F401  `api` is a fixture
from integration.waiting import wait_until


def put_back(api, content, query="", passphrase=None, **more):
    headers = {"Content-Type": "application/vnd.sqlite3", **more.pop("headers", {})}
    if passphrase:
        headers["Causeway-Passphrase"] = urllib.parse.quote(passphrase)
    content = content.read_bytes() if hasattr(content, "read_bytes") else content
    more.setdefault("auth", (api.user, api.password))
    return requests.post(f"{api.base}/v1/restore{query}", data=content, headers=headers, timeout=60, **more)


def without_listeners(api):
    return {**whole(api), "listeners": None}


def login(api):
    user = {"username": api.user, "password": api.password}
    return api.expect(201, "POST", "/session/login", user, auth=False).cookies["_hi_sess"]


def with_cookie(api, cookie):
    return requests.get(f"{api.base}/user/info", cookies={"_hi_sess": cookie}).status_code


def leftovers(gateway):
    return sorted(path.name for path in gateway.data.iterdir() if path.name.startswith(("restore-", "backup-")))


def state(api):
    """Everything that a restore replaces."""
    return {
        "configuration": whole(api),
        "versions": api.get("/v1/versions"),
        "users": api.get("/v1/users"),
        "settings": api.get("/v1/settings"),
        "audit": [each["id"] for each in api.get("/v1/audit?pageNum=1&pageSize=1000")],
    }


# ---- the way back


def test_everything_comes_back(api, authority, tmp_path):
    gateway = api.gateway
    fill(api, authority.issue("a.test"))
    api.post("/v1/users", {"name": "erin", "password": "erin: a password", "role": "editor"}, live=False)
    token = api.post("/v1/tokens", {"name": "t", "role": "viewer"}, live=False)["token"]
    before = state(api)
    file = back_up(api, tmp_path / "backup.db", None)
    cookie = login(api)
    # Since then one account went, another came with the number that the first had no more use for, and the configuration changed.
    api.delete("/v1/users/erin", live=False)
    api.post("/v1/users", {"name": "later", "password": "later: a password", "role": "admin"}, live=False)
    later = Api(gateway.admin_port, "later", "later: a password")
    later.get("/user/info")
    for number in range(5):
        write(api, "POST", "/v1/domains", {"name": f"lost-{number}.test"})
    replaced = api.get("/v1/versions?pageNum=1&pageSize=1")[0]

    dry = put_back(api, file, "?dryRun=true")
    assert dry.status_code == 200 and "Causeway-Version" not in dry.headers
    told = dry.json()["data"]
    counts = {"domain": 1, "tls-certificate": 1, "route": 2, "service-source": 1, "consumer": 1, "listener": 2}
    # The audit goes on until the backup is made.
    assert told["counts"].pop("audit") == len(before["audit"])
    assert {kind: count for kind, count in told["counts"].items() if count} == {**counts, "accounts": 2, "tokens": 1, "versions": 7}
    history = before["versions"][0]["history"]
    assert (told["dryRun"], told["version"], told["history"], told["sealingKey"]) == (True, "7", history, "same")
    assert told["createdAt"][:2] == "20" and told["migrations"] == [] and told["sessionsEnded"] is False
    assert told["replaces"] == {"version": replaced["version"], "history": history}
    assert api.get("/v1/versions?pageNum=1&pageSize=1")[0]["version"] == "12" and with_cookie(api, cookie) == 200

    done = put_back(api, file, auth=None, cookies={"_hi_sess": cookie})
    assert done.status_code == 200, done.text
    assert "_hi_sess=;" in done.headers["Set-Cookie"] and done.headers["Causeway-Version"] == "7"
    answer = done.json()["data"]
    assert (answer["dryRun"], answer["version"], answer["sessionsEnded"]) == (False, "7", True)
    assert answer["history"] not in (history, None) and answer["replaces"] == told["replaces"]
    assert with_cookie(api, cookie) == 401
    assert later.call("GET", "/user/info").status_code == 401, "also where the password was remembered"
    assert Api(gateway.admin_port, "erin", "erin: a password").get("/user/info")["role"] == "editor"
    assert requests.get(api.base + "/v1/domains", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    after = state(api)
    assert {**after, "audit": None} == {**before, "audit": None}
    entry = api.get("/v1/audit?action=restore")[0]
    assert (entry["actor"], entry["address"], entry["via"]) == (api.user, "127.0.0.1", "session")
    assert entry["before"] == {"version": "12", "history": history} and entry["after"]["version"] == "7"
    assert after["audit"][0] == entry["id"] and len(after["audit"]) == len(before["audit"]) + 1
    # And it goes on from there, over a start.
    assert write(api, "POST", "/v1/domains", {"name": "goes-on.test"}) == 8
    assert api.get("/v1/versions/8")["history"] == answer["history"]
    assert leftovers(gateway) == []
    gateway.control.stop()
    with contextlib.closing(sqlite3.connect(gateway.data / "causeway.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'backup'").fetchone() == (0,)
    gateway.start_control()
    assert [each["name"] for each in api.get("/v1/domains")] == ["a.test", "goes-on.test"]


def test_a_backup_of_another_control_plane(api, authority, tmp_path, new_gateway):
    """Its secrets are sealed with this one's key from then on, former versions' too."""
    identity = authority.issue("a.test")
    fill(api, identity)
    credential = {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": ["another value"]}
    write(api, "PUT", "/v1/consumers/who", {"name": "who", "credentials": [credential]})
    before = whole(api)
    file = back_up(api, tmp_path / "backup.db", "pässphrase: 100% long")
    other = new_gateway()
    other.start_control()
    other.api.initialize()
    key = (other.data / "sealing.key").read_bytes()
    for wrong, words in [(None, "Is needed"), ("another passphrase", "passphrase is wrong")]:
        refused = put_back(other.api, file, passphrase=wrong)
        assert refused.status_code == 400 and refused.json()["code"] == "invalid_backup", refused.text
        assert refused.json()["errors"][0]["field"] == "passphrase" and words in refused.json()["message"]
    assert [each["version"] for each in other.api.get("/v1/versions")] == ["1"], "its listeners"
    done = put_back(other.api, file, passphrase="pässphrase: 100% long")
    assert done.status_code == 200 and done.json()["data"]["sealingKey"] == "other", done.text
    assert whole(other.api) == before
    assert (other.data / "sealing.key").read_bytes() == key
    other.control.stop()
    other.start_control()
    other.start_worker()
    assert without_listeners(other.api) == {**before, "listeners": None}, "its flags are others than those of the backup"
    write(other.api, "POST", "/v1/versions/5/rollback", {})
    assert b"causeway-sealed" not in (other.data / "causeway.db").read_bytes(), "nothing of the backup's key is left"


def test_an_older_backup_is_brought_up_to_date(api, tmp_path):
    write(api, "POST", "/v1/domains", {"name": "kept.test"})
    file = back_up(api, tmp_path / "backup.db", None)
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.executescript(
            "ALTER TABLE installation DROP COLUMN listener_flags; ALTER TABLE installation DROP COLUMN oldest_version;"
            "DELETE FROM migration WHERE number >= 3; DELETE FROM change WHERE kind = 'listener';"
            "DELETE FROM resource WHERE kind = 'listener';"
        )
    before = api.get("/v1/listeners")
    write(api, "POST", "/v1/domains", {"name": "lost.test"})
    done = put_back(api, file)
    assert done.status_code == 200, done.text
    assert done.json()["data"]["migrations"] == ["0003_retention.sql", "0004_listeners.sql"]
    assert [each["name"] for each in api.get("/v1/domains")] == ["kept.test"]
    # From before there were listeners: they are made as at a start.
    made = api.get("/v1/listeners")
    assert [(each["name"], each["port"]) for each in made] == [(each["name"], each["port"]) for each in before]
    assert made[0]["version"] == done.json()["data"]["version"] == done.headers["Causeway-Version"]


def test_a_copy_of_the_file_itself_is_taken_too(api, tmp_path):
    """As somebody has it who copied the folder; its sessions end as well."""
    write(api, "POST", "/v1/domains", {"name": "kept.test"})
    cookie = login(api)
    api.gateway.control.stop()
    content = (api.gateway.data / "causeway.db").read_bytes()
    assert content[18:20] == b"\2\2", "its header asks for a write-ahead log"
    api.gateway.start_control()
    assert with_cookie(api, cookie) == 200
    write(api, "POST", "/v1/domains", {"name": "lost.test"})
    done = put_back(api, content)
    assert done.status_code == 200 and done.json()["data"]["createdAt"] is None, done.text
    assert [each["name"] for each in api.get("/v1/domains")] == ["kept.test"]
    assert with_cookie(api, cookie) == 401


def test_the_admin_listeners_certificate_has_to_be_in_it(new_gateway, authority, tmp_path):
    """Without it the next start would fail; with another form of it that one is shown from then on."""
    gateway = new_gateway()
    gateway.start_control()
    api = gateway.api
    api.initialize()
    without = back_up(api, tmp_path / "without.db", None)
    former, newer = authority.issue("admin.test", "localhost"), authority.issue("admin.test", "localhost")
    body = {"name": "admin", "cert": former.cert, "key": former.key}
    write(api, "POST", "/v1/tls-certificates", body)
    old = back_up(api, tmp_path / "old.db", None)
    gateway.control.stop()
    secure(gateway, "--admin-certificate-name", "admin")
    api.session.verify = str(authority.path)
    write(api, "PUT", "/v1/tls-certificates/admin", {"cert": newer.cert, "key": newer.key})
    assert shown(gateway) == der(newer.path)
    refused = put_back(api, without, verify=str(authority.path))
    assert refused.status_code == 400 and "--admin-certificate-name" in refused.json()["message"], refused.text
    assert put_back(api, old, verify=str(authority.path)).status_code == 200
    assert shown(gateway) == der(former.path)


def test_nothing_is_cut_while_a_worker_serves(new_gateway, authority, tmp_path, echo, ws_server, grpc_server):
    gateway = new_gateway().start()
    api = gateway.api
    site = Site(gateway, authority, "restored.test")
    site.serve(ws_server.port, path="/ws")
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    site.serve(echo.port, path="/caller")
    gone = site.serve(echo.port, path="/gone")
    file = back_up(api, tmp_path / "backup.db", None)
    api.delete(f"/v1/routes/{gone['name']}")
    site.serve(echo.port, path="/later")
    site.serve(ws_server.port, path="/later/ws")
    incarnation = gateway.workers()[0]["pid"]
    with Streams(site) as streams, site.websocket("/later/ws") as later, Callers(site) as callers:
        streams.speak("before")
        for turn in range(3):
            done = put_back(api, file, "?wait=live&timeout=20s")
            assert done.status_code == 200 and done.headers["Causeway-Live"] == "true", done.text
            assert [site.get(path).status for path in ("/gone", "/later")] == [200, 404]
            streams.speak(f"restored {turn}")
            later.send("its route has gone")
            assert later.recv(timeout=10) == "its route has gone"
            saved = api.expect(201, "POST", "/v1/domains?wait=live", {"name": f"after-{turn}.test"})
            assert saved.headers["Causeway-Live"] == "true"
            [worker] = gateway.workers()
            assert worker["servedHistory"] == done.json()["data"]["history"] and worker["pid"] == incarnation
        callers.goes_on()
    assert callers.failures == []
    flags = {record["flag"] for record in gateway.access_log() if record["authority"] == site.host}
    assert flags <= {"-", "NR"}, flags
    # The worker's disk has it.
    gateway.control.stop()
    gateway.worker.kill9()
    gateway.start_worker()
    assert [site.get(path).status for path in ("/gone", "/later", "/caller")] == [200, 404, 200]


def test_who_follows_events_is_told_and_let_go(api, tmp_path):
    file = back_up(api, tmp_path / "backup.db", None)
    for number in range(3):
        write(api, "POST", "/v1/domains", {"name": f"d{number}.test"})
    cookie = login(api)
    with requests.get(api.base + "/v1/events", cookies={"_hi_sess": cookie}, stream=True, timeout=20) as page:
        assert page.status_code == 200
        with EventStream(api, "/v1/events") as script:
            assert put_back(api, file).status_code == 200
            # The account is the same, so its password still counts.
            assert script.next() == ("reset", {})
            write(api, "POST", "/v1/domains", {"name": "after.test"})
            told = [script.next() for _ in range(2)]
            assert {name for name, _ in told} == {"audit", "version"}, told
            assert [each["version"] for name, each in told if name == "version"] == ["2"]
        text = page.raw.read().decode()
    assert "event: reset" in text and "after.test" not in text


# ---- what is no backup


def edit(file, *statements):
    with contextlib.closing(sqlite3.connect(file)) as db:
        for each in statements:
            db.execute(each)
        db.commit()
    return file.read_bytes()


FOREIGN = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"
NOT_STRICT = "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'account'"
BROKEN = "UPDATE resource SET body = replace(body, '\"PRE\"', '\"REGULAR\"') WHERE name = 'r1'"
BAD = {
    "nothing": lambda file: b"",
    "random bytes": lambda file: os.urandom(50_000),
    "cut": lambda file: file.read_bytes()[:20_000],
    "text": lambda file: b'{"passphrase": null}' * 100,
    "a page": lambda file: file.read_bytes()[:8192] + os.urandom(4096) + file.read_bytes()[12288:],
    "of another application": lambda file: (file.unlink(), edit(file, FOREIGN))[1],
    "empty database": lambda file: (file.unlink(), edit(file, FOREIGN, "DROP TABLE notes"))[1],
    "newer": lambda file: edit(file, "INSERT INTO migration VALUES (5, '0005_newer.sql', 'x', 0)"),
    "changed migration": lambda file: edit(file, "UPDATE migration SET sha256 = 'x' WHERE number = 1"),
    "foreign key id": lambda file: edit(file, "UPDATE installation SET sealing_key_id = '0011223344556677'"),
    "trigger": lambda file: edit(file, "CREATE TRIGGER t AFTER INSERT ON audit BEGIN DELETE FROM account; END"),
    "view": lambda file: edit(file, "CREATE VIEW v AS SELECT * FROM account"),
    "one table more": lambda file: edit(file, FOREIGN),
    "not strict": lambda file: edit(
        file, "PRAGMA writable_schema = ON", NOT_STRICT, "PRAGMA writable_schema = RESET", "UPDATE account SET name = x'ff00'"
    ),
    "dangling": lambda file: edit(file, "UPDATE token SET account_id = 77", "UPDATE resource SET version = 99 WHERE name = 'r1'"),
    "numbers that trap": lambda file: edit(file, "UPDATE sqlite_sequence SET seq = 9223372036854775807 WHERE name = 'resource'"),
    "times that trap": lambda file: edit(file, "UPDATE audit SET at = -9223372036854775808"),
    "a secret moved": lambda file: edit(
        file, "UPDATE secret SET sealed = (SELECT sealed FROM secret AS other WHERE other.id <> secret.id LIMIT 1)"
    ),
    "no administrator": lambda file: edit(file, "UPDATE account SET role = 'viewer'"),
    "a resource that cannot be read": lambda file: edit(file, "UPDATE resource SET body = '{\"path\":7}' WHERE name = 'r1'"),
    "does not compile": lambda file: edit(file, BROKEN, "UPDATE resource SET body = replace(body, '\"/x\"', '\"(\"') WHERE name = 'r1'"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory, authority):
    from integration.gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("filled"))
    try:
        gateway.start()
        gateway.api.gateway = gateway
        fill(gateway.api, authority.issue("a.test"))
        yield gateway.api
    finally:
        gateway.abandon()


@pytest.mark.parametrize("damage", BAD)
def test_what_is_no_backup_changes_nothing(filled, tmp_path, damage):
    api = filled
    file = back_up(api, tmp_path / "backup.db", None)
    before = state(api)
    content = BAD[damage](file)
    for query in ("?dryRun=true", ""):
        refused = put_back(api, content, query)
        assert refused.status_code == 400, f"{refused.status_code} {refused.text}"
        told = refused.json()
        assert told["code"] == "invalid_backup" and told["errors"][0]["message"].endswith("."), told
    assert state(api) == before and leftovers(api.gateway) == []
    assert api.gateway.control.running
    print(damage, told["message"])


def test_what_does_not_compile_is_named(filled, tmp_path):
    content = BAD["does not compile"](back_up(filled, tmp_path / "backup.db", None))
    [error] = put_back(filled, content).json()["errors"]
    assert error["field"] == "" and error["message"].startswith("route r1, path"), error


def test_other_media_types_and_sites_are_refused(filled, tmp_path):
    content = back_up(filled, tmp_path / "backup.db", None).read_bytes()
    for kind in ("application/json", "application/octet-stream", "multipart/form-data; boundary=x", "text/plain", None):
        assert put_back(filled, content, headers={"Content-Type": kind}).status_code == 415, kind
    for fields in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.test"}):
        assert put_back(filled, content, headers=fields).status_code == 403
    elsewhere = requests.post(
        filled.base + "/v1/domains", data=b"{}", headers={"Content-Type": "application/vnd.sqlite3"}, auth=(filled.user, filled.password)
    )
    assert elsewhere.status_code == 415, "the upload type is that of one operation"
    token = filled.post("/v1/tokens", {"name": "no", "role": "admin"}, live=False)["token"]
    assert put_back(filled, content, auth=None, headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_what_is_too_large_is_refused_before_it_is_kept(new_gateway, tmp_path):
    gateway = new_gateway()
    gateway.control.command += ["--restore-limit", str(1 << 20)]
    gateway.start_control()
    gateway.api.initialize()
    before = state(gateway.api)

    def chunks():
        for _ in range(40):
            yield bytes(1 << 16)

    for content in (bytes((1 << 20) + 1), chunks()):
        with contextlib.suppress(requests.ConnectionError):  # it may still be sending when the answer ends the connection
            refused = put_back(gateway.api, content)
            assert refused.status_code == 413 and "--restore-limit" in refused.json()["message"], refused.text
    assert state(gateway.api) == before and leftovers(gateway) == []


def test_an_upload_that_breaks_off_changes_nothing(filled, tmp_path):
    content = back_up(filled, tmp_path / "backup.db", None).read_bytes()
    before = state(filled)
    begin(filled, content[:20_000], len(content)).close()
    wait_until(lambda: leftovers(filled.gateway) == [], 10, "the file has gone")
    assert state(filled) == before
    assert put_back(filled, content, "?dryRun=true").status_code == 200


def test_who_stops_sending_is_let_go(api, tmp_path):
    """After half a minute: until then nobody else can restore."""
    content = back_up(api, tmp_path / "backup.db", None).read_bytes()
    silent = begin(api, content[:20_000], len(content))
    assert put_back(api, content, "?dryRun=true").status_code == 409
    wait_until(lambda: leftovers(api.gateway) == [], 60, "it is let go")
    assert put_back(api, content, "?dryRun=true").status_code == 200
    silent.close()


def begin(api, content, length):
    """An upload that has not ended."""
    connection = http.client.HTTPConnection("127.0.0.1", api.gateway.admin_port, timeout=20)
    authorization = requests.Request("POST", api.base, auth=(api.user, api.password)).prepare().headers["Authorization"]
    connection.putrequest("POST", "/v1/restore")
    for name, value in [("Content-Type", "application/vnd.sqlite3"), ("Content-Length", length), ("Authorization", authorization)]:
        connection.putheader(name, str(value))
    connection.endheaders(content)
    wait_until(lambda: leftovers(api.gateway) != [], 10, "the upload has begun")
    return connection


# ---- at once


def test_of_two_at_once_one_is_told_to_wait(api, tmp_path):
    write(api, "POST", "/v1/domains", {"name": "kept.test"})
    content = back_up(api, tmp_path / "backup.db", None).read_bytes()
    first = begin(api, content[:20_000], len(content))
    for query in ("", "?dryRun=true"):
        second = put_back(api, content, query)
        assert second.status_code == 409 and second.json()["code"] == "busy", second.text
    first.send(content[20_000:])
    assert first.getresponse().status == 200
    first.close()
    assert put_back(api, content).status_code == 200, "it is free again"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(each.status_code for each in pool.map(lambda _: put_back(api, content), range(8)))
    assert set(statuses) <= {200, 409} and 200 in statuses, statuses


def test_writes_meanwhile_are_lost_or_refused_or_kept_but_never_mixed(api, tmp_path):
    """Each write is answered; what the restored state holds beyond the backup was written after it, and acknowledged."""
    for number in range(300):
        write(api, "POST", "/v1/domains", {"name": f"kept-{number}.test"})
    content = back_up(api, tmp_path / "backup.db", None).read_bytes()
    stop, answers, restores = threading.Event(), [], []

    def save(worker):
        mine, number = Api(api.gateway.admin_port), 0
        while not stop.is_set():
            number += 1
            name = f"w{worker}-{number}.test"
            answer = mine.call("POST", "/v1/domains", {"name": name})
            answers.append((name, answer.status_code, answer.headers.get("Causeway-Version"), answer.text))

    writers = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for each in writers:
        each.start()
    try:
        for _ in range(5):
            reached = len(answers) + 20
            wait_until(lambda: len(answers) >= reached, 30, "writes go on")
            restores.append(put_back(api, content).json()["data"])
    finally:
        reached = len(answers) + 20
        wait_until(lambda: len(answers) >= reached, 30, "writes go on after the last")
        stop.set()
        for each in writers:
            each.join(30)
    odd = [each for each in answers if each[1] not in (201, 409)]
    assert not odd, odd[:3]
    for _, status, _, text in answers:
        assert status == 201 or '"restored"' in text, text
    names = {each["name"] for each in api.get("/v1/domains")}
    kept = {f"kept-{number}.test" for number in range(300)}
    assert kept <= names and names - kept <= {name for name, status, _, _ in answers if status == 201}
    last = restores[-1]["history"]
    versions = [each for each in api.get("/v1/versions?pageNum=1&pageSize=1000") if each["history"] == last]
    assert {each["changes"][0]["name"] for each in versions} == names - kept, "each in the history that it was acknowledged in"


def test_who_waits_for_a_version_that_goes_is_told(new_gateway, tmp_path):
    gateway = new_gateway().start()
    content = back_up(gateway.api, tmp_path / "backup.db", None).read_bytes()
    gateway.worker.signal(signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            patient = Api(gateway.admin_port)
            saved = pool.submit(patient.call, "POST", "/v1/domains?wait=live&timeout=60s", {"name": "lost.test"})
            wait_until(lambda: gateway.api.get("/v1/domains"), 10, "it is saved")
            assert put_back(gateway.api, content).status_code == 200
            answer = saved.result(20)
            assert answer.status_code == 409 and answer.json()["code"] == "restored", answer.text
    finally:
        gateway.worker.signal(signal.SIGCONT)
    assert gateway.api.get("/v1/domains") == []


def test_a_slow_password_change_does_not_reach_another_account(api, tmp_path):
    """Numbers of accounts mean somebody else in another database: what began before a restore is refused."""
    api.post("/v1/users", {"name": "erin", "password": "erin: a password", "role": "editor"}, live=False)
    content = back_up(api, tmp_path / "backup.db", None).read_bytes()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for turn in range(4):
            body = {"newPassword": f"another {turn}: one"}
            changes = [pool.submit(Api(api.gateway.admin_port).call, "POST", "/v1/users/erin/password", body) for _ in range(2)]
            assert put_back(api, content).status_code == 200
            for each in changes:
                assert each.result().status_code in (200, 409, 429), each.result().text


# ---- kills


@pytest.mark.timeout(600)
def test_kill_9_anywhere_leaves_the_old_state_or_the_restored_one(new_gateway, authority, tmp_path, request):
    seed = request.config.getoption("--kill-seed")
    print("seed", seed)
    chance = random.Random(seed)
    gateway = new_gateway().start()
    api, data = gateway.api, gateway.data
    fill(api, authority.issue("a.test"))
    for number in range(60):
        write(api, "POST", "/v1/domains", {"name": f"old-{number}.test"})
    content = back_up(api, tmp_path / "backup.db", None).read_bytes()
    for number in range(60):
        api.delete(f"/v1/domains/old-{number}.test", live=False)
        write(api, "POST", "/v1/domains", {"name": f"new-{number}.test"})
    old = {f"new-{number}.test" for number in range(60)} | {"a.test"}
    restored = {f"old-{number}.test" for number in range(60)} | {"a.test"}
    copy = back_up(api, tmp_path / "now.db", None).read_bytes()

    def attach(*more):
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        command = ["strace", "-f", "-p", str(gateway.control.pid), "-e", "trace=pwrite64,fsync,fdatasync,ftruncate,unlink", "-o", calls, *more]
        tracer = subprocess.Popen([str(each) for each in command], stderr=subprocess.PIPE, text=True)
        line = tracer.stderr.readline()
        assert "attached" in line, line
        return tracer, calls

    tracer, calls = attach()
    assert put_back(api, content).status_code == 200
    tracer.terminate()
    tracer.communicate(timeout=20)
    # strace counts by thread: that of the database's writes the most.
    writes = max(collections.Counter(re.findall(r"^(\d+) +pwrite64\(", calls.read_text(), re.MULTILINE)).values())
    assert writes > 30, writes
    assert put_back(api, copy).status_code == 200
    outcomes = []
    for turn in range(20):
        # In the candidate, in the database's log, or in the file that the log goes into.
        moment = chance.randint(1, writes)
        tracer, _ = attach("-e", f"inject=pwrite64:signal=KILL:when={moment}")
        answer = None
        with contextlib.suppress(requests.ConnectionError):
            answer = put_back(api, content)
        if answer is not None:
            gateway.control.kill9()
        gateway.control.process.wait(20)
        tracer.communicate(timeout=20)
        gateway.start_control()
        assert leftovers(gateway) == [], "swept at the start"
        wait_until(gateway.workers, 20, "the worker is connected")
        names = {each["name"] for each in api.get("/v1/domains")}
        assert names in (old, restored), f"turn {turn}, write {moment}: a mixture"
        is_restored = names == restored
        assert is_restored or answer is None, f"turn {turn}: acknowledged, and not there"
        outcomes.append(is_restored)
        newest = api.get("/v1/versions?pageNum=1&pageSize=1")[0]
        assert ("old" in newest["summary"]) == is_restored
        assert bool(api.get("/v1/audit?action=restore&pageNum=1&pageSize=1")) or not is_restored
        saved = api.expect(201, "POST", "/v1/domains?wait=live&timeout=20s", {"name": "after.test"})
        assert saved.headers["Causeway-Live"] == "true"
        assert put_back(api, copy).status_code == 200
    gateway.control.stop()
    with contextlib.closing(sqlite3.connect(data / "causeway.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print("restored:", outcomes.count(True), "of", len(outcomes))
    assert len(set(outcomes)) == 2, f"all kills on one side of the commit: {outcomes}"


# ---- the disk


def test_a_full_disk_changes_nothing(new_gateway, tmp_path):
    """A file system of its own, as small as it needs to be; mounts, so as root."""
    gateway = new_gateway()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", gateway.data], check=True)
    try:
        gateway.start_control()
        gateway.api.initialize()
        api = gateway.api
        for number in range(50):
            write(api, "POST", "/v1/domains", {"name": f"d{number}.test"})
        file = back_up(api, tmp_path / "backup.db", None)
        edit(file, "UPDATE audit SET detail = printf('%.*c', 40000, 'x')")
        size = file.stat().st_size
        # Without a log that has room already.
        gateway.control.stop()
        gateway.start_control()
        before = state(api)
        # Room for the upload, and not for the database's log; then not for the upload either.
        for room in (size * 3 // 2, size // 2):
            with (gateway.data / "ballast").open("wb") as ballast:
                free = os.statvfs(gateway.data)
                ballast.write(bytes(free.f_bavail * free.f_bsize - room))
            refused = put_back(api, file)
            assert refused.status_code == 503 and "disk of the data folder (--data) is full" in refused.json()["message"], refused.text
            assert state(api) == before
            (gateway.data / "ballast").unlink()
            wait_until(lambda: leftovers(gateway) == [], 10, "the upload has gone")
        write(api, "POST", "/v1/domains", {"name": "after.test"})
        assert put_back(api, file).status_code == 200
        gateway.stop()
    finally:
        gateway.abandon()
        subprocess.run(["umount", gateway.data], check=True)


# ---- the offline command


def test_the_offline_command_keeps_the_folders_key(api, authority, tmp_path, new_gateway):
    identity = authority.issue("a.test")
    fill(api, identity)
    before = whole(api)
    file = back_up(api, tmp_path / "backup.db")
    other = new_gateway()
    other.start_control()
    other.api.initialize()
    other.control.stop()
    key = (other.data / "sealing.key").read_bytes()
    done = restore(file, other.data, PASSPHRASE)
    assert done.returncode == 0, done.stderr
    assert (other.data / "sealing.key").read_bytes() == key and len(list(other.data.glob("sealing.key*"))) == 1
    other.start_control()
    assert without_listeners(other.api) == {**before, "listeners": None}
