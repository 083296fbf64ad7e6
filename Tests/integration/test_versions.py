"""Versions: what differs, the way back, what is kept; and dry runs, which tell all that and do nothing."""

import sqlite3

import pytest

from integration.api import route
from integration.site import Site
from integration.waiting import wait_until


@pytest.fixture
def api(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    gateway.api.gateway = gateway
    return gateway.api


def write(api, method, path, body=None):
    """A write without a worker; returns the number of its version."""
    return int(api.expect((200, 201, 204), method, path, body).headers["Causeway-Version"])


def whole(api):
    """The configuration without versions, by kind."""
    kinds = ("domains", "tls-certificates", "routes", "service-sources", "consumers", "listeners")
    return {
        kind: [{key: value for key, value in each.items() if key != "version"} for each in api.get(f"/v1/{kind}")]
        for kind in kinds
    }


def fill(api, identity):
    write(api, "POST", "/v1/tls-certificates", {"name": "c", "cert": identity.cert, "key": identity.key})
    write(api, "POST", "/v1/domains", {"name": "a.test", "enableHttps": "on", "certIdentifier": "c"})
    write(api, "POST", "/v1/service-sources", {"name": "s", "type": "static", "domain": "127.0.0.1:9", "port": 80})
    credential = {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": ["a secret value"]}
    write(api, "POST", "/v1/consumers", {"name": "who", "credentials": [credential]})
    write(api, "POST", "/v1/routes", route("r1", ["a.test"], "s.static", "/x"))
    return write(api, "POST", "/v1/routes", route("r2", ["a.test"], "s.static", "/x"))


# ---- diff


def test_two_versions_are_compared(api, authority):
    identity = authority.issue("a.test")
    first = fill(api, identity)
    write(api, "PUT", "/v1/routes/r2", route("r2", ["a.test"], "s.static", "/y", methods=["GET"]))
    credential = {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": ["another value"]}
    write(api, "PUT", "/v1/consumers/who", {"name": "who", "credentials": [credential]})
    last = write(api, "DELETE", "/v1/routes/r1")
    diff = api.get(f"/v1/versions/{last}/diff?from={first}")
    assert (diff["from"], diff["to"]) == (str(first), str(last))
    changes = {(each["kind"], each["name"]): each for each in diff["changes"]}
    assert {key: each["action"] for key, each in changes.items()} == {
        ("consumer", "who"): "update",
        ("route", "r1"): "delete",
        ("route", "r2"): "update",
    }
    fields = {each["field"]: (each["before"], each["after"]) for each in changes["route", "r2"]["fields"]}
    assert fields == {"path.matchValue": ("/x", "/y"), "methods": (None, ["GET"])}
    [secret] = changes["consumer", "who"]["fields"]
    assert secret["field"] == "credentialsFingerprint" and secret["before"] != secret["after"]
    assert "secret value" not in str(diff) and "another value" not in str(diff)
    back = api.get(f"/v1/versions/{first}/diff?from={last}")
    assert {(each["name"], each["action"]) for each in back["changes"]} == {
        ("who", "update"),
        ("r1", "create"),
        ("r2", "update"),
    }
    assert [each["name"] for each in api.get(f"/v1/versions/{last}/diff")["changes"]] == ["r1"], "the one before"
    # The first version made two listeners.
    assert len(api.get(f"/v1/versions/{first}/diff?from=0")["changes"]) == first + 1
    assert identity.key.splitlines()[1] not in str(api.get(f"/v1/versions/{first}/diff?from=0"))
    assert api.get("/v1/versions/0/diff") == {"from": "0", "to": "0", "changes": []}, "nothing is before the beginning"
    for bad in (f"/v1/versions/{last + 1}/diff", f"/v1/versions/{last}/diff?from=x", "/v1/versions/x/diff"):
        assert api.call("GET", bad).status_code == 404, bad


# ---- rollback


def test_a_former_version_comes_back_whole(api, authority):
    identity = authority.issue("a.test")
    first = fill(api, identity)
    before = whole(api)
    for name in ("r1", "r2"):
        write(api, "DELETE", f"/v1/routes/{name}")
    for path in ("domains/a.test", "tls-certificates/c", "service-sources/s", "consumers/who"):
        write(api, "DELETE", f"/v1/{path}")
    last = write(api, "POST", "/v1/domains", {"name": "new.test"})
    answer = api.expect(200, "POST", f"/v1/versions/{first}/rollback", {"expectedVersion": str(last)})
    done = answer.json()
    assert done["version"] == str(last + 1) == answer.headers["Causeway-Version"] and done["restored"] == str(first)
    assert len(done["changes"]) == 7
    assert whole(api) == before
    # The key came back with the certificate, and of routes that rank equal the older one is the older one again.
    assert {each["by"] for each in api.get("/v1/route-tester/shadowed")} == {"r1"}
    api.gateway.control.stop()
    api.gateway.start_control()
    assert whole(api) == before
    again = api.expect(200, "POST", f"/v1/versions/{first}/rollback", {}).json()
    assert (again["version"], again["changes"]) == (str(last + 1), []), "nothing differs: no version"


def test_a_key_that_came_back_is_served(gateway, authority):
    site = Site(gateway, authority, "comes-back.test")
    version = gateway.api.get("/v1/domains/comes-back.test")["version"]
    gateway.api.delete("/v1/domains/comes-back.test")
    gateway.api.delete("/v1/tls-certificates/comes-back-test")
    gateway.api.expect(200, "POST", f"/v1/versions/{version}/rollback?wait=live", {})
    with site.http1() as wire:
        assert b"comes-back.test" in wire.sock.getpeercert(binary_form=True)


def test_a_rollback_that_expects_another_version_is_refused(api):
    first = write(api, "POST", "/v1/domains", {"name": "a.test"})
    last = write(api, "POST", "/v1/domains", {"name": "b.test"})
    refused = api.expect(409, "POST", f"/v1/versions/{first}/rollback", {"expectedVersion": str(first)}).json()
    assert refused["code"] == "stale_version" and str(last) in refused["message"]
    assert len(api.get("/v1/domains")) == 2
    assert api.call("POST", f"/v1/versions/{last + 1}/rollback", {}).status_code == 404


def test_an_expired_certificate_that_comes_back_is_named(api, authority):
    old = authority.issue("old.test", start="20190101000000Z", end="20200101000000Z")
    first = write(api, "POST", "/v1/tls-certificates", {"name": "old", "cert": old.cert, "key": old.key})
    write(api, "DELETE", "/v1/tls-certificates/old")
    done = api.expect(200, "POST", f"/v1/versions/{first}/rollback", {}).json()
    assert any("old" in each and "expired" in each for each in done["warnings"]), done


# ---- retention


def secrets(api):
    with sqlite3.connect(f"file:{api.gateway.data / 'causeway.db'}?mode=ro", uri=True, timeout=20) as db:
        return db.execute("SELECT count(*) FROM secret").fetchone()[0]


def test_old_versions_are_forgotten_with_their_keys(api, authority):
    for number in range(3):
        identity = authority.issue("a.test")
        body = {"name": "c", "cert": identity.cert, "key": identity.key}
        write(api, *(("PUT", "/v1/tls-certificates/c") if number else ("POST", "/v1/tls-certificates")), body)
    write(api, "DELETE", "/v1/tls-certificates/c")
    kept = write(api, "POST", "/v1/domains", {"name": "kept.test"})
    assert secrets(api) == 3
    audit = api.get("/v1/audit?kind=tls-certificate")
    api.put("/v1/settings/versions.keep", {"value": 3}, live=False)
    for number in range(3):
        last = write(api, "POST", "/v1/domains", {"name": f"d{number}.test"})
    wait_until(lambda: secrets(api) == 0, 10, "the keys are deleted")
    assert [int(each["version"]) for each in api.get("/v1/versions")] == [last, last - 1, last - 2]
    for gone in (kept - 1, kept):
        assert api.call("GET", f"/v1/versions/{gone}").status_code == 404
        assert api.call("POST", f"/v1/versions/{gone}/rollback", {}).status_code == 404
        assert api.call("GET", f"/v1/versions/{last}/diff?from={gone}").status_code == 404
    assert api.get("/v1/audit?kind=tls-certificate") == audit, "the audit keeps what it tells"
    api.expect(200, "POST", f"/v1/versions/{last - 2}/rollback", {})
    assert sorted(each["name"] for each in api.get("/v1/domains")) == ["d0.test", "kept.test"]


# ---- dry runs


def dry(api, method, path, body=None, status=200):
    answer = api.expect(status, method, path + ("&" if "?" in path else "?") + "dryRun=true", body).json()
    return answer["data"] if status == 200 else answer


def test_dry_runs_change_nothing_and_tell_what_would_change(api, authority):
    version = fill(api, authority.issue("a.test"))
    before, entries = whole(api), api.expect(200, "GET", "/v1/audit").json()["total"]

    made = dry(api, "POST", "/v1/domains", {"name": "new.test"})
    assert made["version"] == str(version + 1)
    assert [(each["kind"], each["name"], each["action"]) for each in made["changes"]] == [
        ("domain", "new.test", "create")
    ]
    moved = dry(api, "PUT", "/v1/service-sources/s", {"type": "static", "domain": "127.0.0.2:9", "port": 80})
    assert [each["field"] for each in moved["changes"][0]["fields"]] == ["domain"]
    assert [each["route"] for each in moved["routes"]] == ["r1", "r2"]
    assert "endpoint 127.0.0.2:9" in moved["routes"][0]["gains"] and "endpoint 127.0.0.1:9" in moved["routes"][0]["loses"]
    shadow = dry(api, "POST", "/v1/routes", route("r3", ["a.test"], "s.static", "/x/"))
    assert {each["route"] for each in shadow["shadowed"]} == {"r1"} and shadow["shadowed"][0]["by"] == "r3"
    forced = dry(api, "PUT", "/v1/domains/a.test", {"enableHttps": "force", "certIdentifier": "c"})
    assert "a.test: HTTPS force" in forced["routes"][0]["gains"]
    gone = dry(api, "DELETE", "/v1/routes/r1")
    assert gone["routes"][0]["gains"] == [] and "domain a.test" in gone["routes"][0]["loses"]
    nothing = dry(api, "PUT", "/v1/routes/r1", api.get("/v1/routes/r1"))
    assert (nothing["version"], nothing["changes"], nothing["routes"]) == (str(version), [], [])
    back = dry(api, "POST", f"/v1/versions/{version - 1}/rollback", {})
    assert [(each["name"], each["action"]) for each in back["changes"]] == [("r2", "delete")]

    assert whole(api) == before and api.get("/v1/versions")[0]["version"] == str(version)
    assert api.expect(200, "GET", "/v1/audit").json()["total"] == entries
    assert write(api, "POST", "/v1/domains", {"name": "new.test"}) == version + 1


def test_dry_runs_refuse_what_the_write_would_refuse(api, authority):
    fill(api, authority.issue("a.test"))
    assert dry(api, "POST", "/v1/domains", {"name": "a.test"}, 409)["code"] == "duplicate"
    assert dry(api, "DELETE", "/v1/domains/a.test", status=409)["code"] == "in_use"
    assert dry(api, "PUT", "/v1/routes/r1", {**api.get("/v1/routes/r1"), "version": "1"}, 409)["code"] == "stale_version"
    assert dry(api, "POST", "/v1/routes", route("r9", ["no.test"], "s.static"), 400)["errors"][0]["field"] == "domains[0]"
    assert dry(api, "POST", "/v1/routes", route("r9", [], "s.static", "(", "REGULAR"), 400)
    assert api.call("POST", "/v1/domains?dryRun=perhaps", {"name": "b.test"}).status_code == 400


def test_dry_runs_count_the_streams_on_what_they_touch(gateway, authority, ws_server):
    site = Site(gateway, authority, "touched.test")
    made = site.serve(ws_server.port)
    with site.websocket("/chat") as socket:
        socket.send("hello")
        socket.recv()
        change = {**gateway.api.get(f"/v1/routes/{made['name']}"), "methods": ["GET"]}

        def touched():
            return dry(gateway.api, "PUT", f"/v1/routes/{made['name']}", change)["streams"]

        streams = wait_until(lambda: (lambda s: s if s["touched"] else None)(touched()), 10, "the stream is a second old")
        assert streams == {"touched": 1, "byRoute": {made["name"]: 1}, "ended": 0, "incomplete": False}
        change["streamPolicy"] = {"mode": "close"}
        assert touched()["ended"] == 1
        assert dry(gateway.api, "DELETE", f"/v1/routes/{made['name']}")["streams"]["ended"] == 0, "as it was: kept"
        gateway.api.create_domain("untouched.test")
        assert dry(gateway.api, "DELETE", "/v1/domains/untouched.test")["streams"]["touched"] == 0
        socket.send("still here")
        assert socket.recv() == "still here"

