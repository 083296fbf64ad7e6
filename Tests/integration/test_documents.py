"""The whole configuration as one document: out, in again, elsewhere, all or nothing."""

import json

import pytest
import yaml

from integration.api import route
from integration.test_versions import api, fill, whole, write  # noqa: F401  `api` is a fixture

# Nine lines of YAML that stand for a thousand million values.
LAUGHS = "l0: &l0 x\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))
PASSPHRASE = "a passphrase: long"


def export(api, **body):
    return api.expect(200, "POST" if body else "GET", "/v1/export", body or None).json()


def apply(api, document, query="", status=200):
    return api.expect(status, "POST", f"/v1/apply{query}", document).json()


@pytest.fixture
def elsewhere(new_gateway):
    """Another control plane, with another sealing key."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    return gateway


def test_what_was_exported_changes_nothing(api, authority):
    identity = authority.issue("a.test")
    version = fill(api, identity)
    answer = api.expect(200, "GET", "/v1/export")
    document = answer.json()
    assert document["format"] == "causeway.configuration/1" and document["version"] == str(version)
    for secret in (identity.key.splitlines()[1], "a secret value"):
        assert secret not in answer.text
    assert apply(api, document) == {"version": str(version), "changes": []}
    assert apply(api, document, "?prune=true") == {"version": str(version), "changes": []}
    again = export(api)
    assert again == document


def test_a_document_with_secrets_works_elsewhere(api, authority, elsewhere):
    identity = authority.issue("a.test")
    fill(api, identity)
    answer = api.expect(200, "POST", "/v1/export", {"passphrase": PASSPHRASE})
    for secret in (identity.key.splitlines()[1], "a secret value", PASSPHRASE):
        assert secret not in answer.text
    document = answer.json()
    bare = {key: value for key, value in document.items() if key != "sealed"}
    assert {each["field"] for each in apply(elsewhere.api, bare, status=400)["errors"]} >= {"tlsCertificates[0].key"}
    wrong = apply(elsewhere.api, {**document, "passphrase": "another passphrase"}, status=400)
    assert wrong["errors"][0]["field"] == "sealed" and len(elsewhere.api.get("/v1/versions")) == 1, "its listeners"
    assert apply(elsewhere.api, document, status=400)["errors"][0]["field"] == "passphrase"

    done = apply(elsewhere.api, {**document, "passphrase": PASSPHRASE})
    assert done["version"] == "2" and len(done["changes"]) == 8, "six, and two listeners at other ports"
    assert whole(elsewhere.api) == whole(api)
    assert {each["by"] for each in elsewhere.api.get("/v1/route-tester/shadowed")} == {"r1"}, "the order of creation"
    assert apply(elsewhere.api, {**document, "passphrase": PASSPHRASE}) == {"version": "2", "changes": []}
    # The key is there and fits: the worker's own checks take it.
    elsewhere.start_worker()
    entry = api.get("/v1/audit?action=export")[0]
    assert entry["actor"] == "admin" and PASSPHRASE not in json.dumps(entry)


def test_short_passphrases_are_refused(api):
    for passphrase in ("", "short", None):
        answer = api.expect(400, "POST", "/v1/export", {"passphrase": passphrase}).json()
        assert answer["errors"][0]["field"] == "passphrase"


def test_yaml_says_the_same(api, authority):
    version = fill(api, authority.issue("a.test"))
    odd = {"note": "yes", "number": "0123", "empty": "", "colon": "a: b # c", "tilde": "~"}
    lines = {"enabled": True, "status": 200, "content": "one\n  two\n\n# three"}
    write(api, "POST", "/v1/routes", {**route("odd", ["a.test"], "s.static", "/odd"), "customLabels": odd, "mock": lines})
    text = api.expect(200, "GET", "/v1/export?format=yaml")
    assert text.headers["Content-Type"].startswith("application/yaml")
    assert yaml.safe_load(text.text) == export(api)
    headers = {"Content-Type": "application/yaml"}
    credentials = (api.user, api.password)

    def put(body):
        return api.session.post(f"{api.base}/v1/apply", data=body.encode(), headers=headers, auth=credentials)

    assert put(text.text).json() == {"version": str(version + 1), "changes": []}
    changed = text.text.replace("matchValue: /odd", "matchValue: /even")
    assert [each["name"] for each in put(changed).json()["changes"]] == ["odd"]
    for bad in ("a: [", LAUGHS, "--- {}\n--- {}\n", "--- {}\n--- [\n", "- 1", "[" * 100 + "]" * 100, "a: b\na: c\n"):
        assert put(bad).status_code == 400, bad
    for bad, reason in (("a: [", "line 2"), ("format: x\nroutes: ]\n", "line 2"), ("a: b\na: c\n", "duplicat")):
        told = put(bad).json()["message"]
        assert "not valid YAML" in told and reason in told.lower(), told
    assert api.call("GET", "/v1/export?format=xml").status_code == 400


def test_all_of_it_or_nothing(api, authority):
    fill(api, authority.issue("a.test"))
    before, document = whole(api), export(api)
    document["domains"].append({"name": "b.test"})
    document["routes"].append(route("bad", ["b.test"], "nowhere.static", "(", "REGULAR"))
    errors = {each["field"] for each in apply(api, document, status=400)["errors"]}
    assert errors == {"routes[2].path.matchValue"}
    document["routes"][2]["path"]["matchValue"] = "/x"
    assert apply(api, document, status=400)["errors"][0]["field"] == "routes[2].services[0].name"
    document["routes"][2] = document["routes"][0]
    assert apply(api, document, status=400)["errors"][0]["field"] == "routes[2].name"
    assert whole(api) == before


def test_pruning_removes_what_the_document_does_not_have(api, authority):
    version = fill(api, authority.issue("a.test"))
    document = export(api)
    document["routes"] = document["routes"][1:]
    assert apply(api, document)["changes"] == [], "without prune nothing is removed"
    preview = apply(api, document, "?prune=true&dryRun=true")["data"]
    assert [(each["name"], each["action"]) for each in preview["changes"]] == [("r1", "delete")]
    done = apply(api, document, "?prune=true")
    assert done["changes"] == [{"kind": "route", "name": "r1", "action": "delete"}]
    assert done["version"] == str(version + 1)
    used = apply(api, {"serviceSources": []}, "?prune=true", status=400)
    assert "s.static" in used["message"] and "r2" in used["message"]
    assert apply(api, {"consumers": []}, "?prune=true")["changes"][0]["name"] == "who"
    whole_gone = {kind: [] for kind in ("routes", "domains", "tlsCertificates", "serviceSources", "consumers")}
    assert len(apply(api, whole_gone, "?prune=true")["changes"]) == 4
    assert {kind for kind, each in whole(api).items() if each} == {"listeners"}, "of which nothing was said"


def test_a_service_that_others_use_cannot_become_another(api, authority):
    fill(api, authority.issue("a.test"))
    source = {"name": "s", "type": "dns", "domain": "a.test", "port": 80}
    refused = apply(api, {"serviceSources": [source]}, status=400)
    assert "s.static" in refused["message"]
    routes = [route(name, ["a.test"], "s.dns", "/x") for name in ("r1", "r2")]
    assert len(apply(api, {"serviceSources": [source], "routes": routes})["changes"]) == 3


def test_another_certificate_needs_its_key(api, authority):
    fill(api, authority.issue("a.test"))
    other = authority.issue("a.test")
    document = {"tlsCertificates": [{"name": "c", "cert": other.cert}]}
    assert apply(api, document, status=400)["errors"][0]["field"] == "tlsCertificates[0].key"
    document["tlsCertificates"][0]["key"] = other.key
    assert len(apply(api, document)["changes"]) == 1


def test_a_document_may_be_longer_than_other_bodies(api):
    write(api, "POST", "/v1/service-sources", {"name": "s", "type": "static", "domain": "127.0.0.1:9", "port": 80})
    routes = [route(f"many-{number}", [], "s.static", f"/many/{number}") for number in range(8_000)]
    document = {"routes": routes}
    assert len(json.dumps(document)) > 1 << 20
    assert len(apply(api, document)["changes"]) == 8_000
    assert apply(api, export(api))["changes"] == []
