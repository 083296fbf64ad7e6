"""Each row of docs/higress-compatibility.md against the running control plane."""

import copy
import re

import pytest

from parity import compatibility
from parity.compatibility import ENDPOINTS, FIELDS

COLLECTIONS = {
    "Domain": "/v1/domains",
    "TlsCertificate": "/v1/tls-certificates",
    "Route": "/v1/routes",
    "ServiceSource": "/v1/service-sources",
    "Consumer": "/v1/consumers",
    "ProxyServer": "/v1/proxy-servers",
}


class World:
    """A gateway with one object of each kind, and bodies for more of them."""

    def __init__(self, gateway, authority):
        self.api, self.authority, self.count = gateway.api, authority, 0
        identity = authority.issue("row.test")
        api = self.api
        api.create_certificate("row", identity.chain, identity.key)
        api.create_domain("row.test", "on", "row")
        api.create_static("row", 9)
        api.post("/v1/consumers", self.body("Consumer", "row"))
        api.post("/v1/proxy-servers", self.body("ProxyServer", "row"))
        api.create_route("row", ["row.test"], "row.static")

    def body(self, model, name=None):
        """The least that makes one of its kind."""
        self.count += 1
        name = name or (f"row{self.count}.test" if model == "Domain" else f"row{self.count}")
        match model:
            case "Domain":
                return {"name": name, "certIdentifier": "row"}
            case "TlsCertificate":
                identity = self.authority.issue(f"{name}.test")
                return {"name": name, "cert": identity.chain, "key": identity.key}
            case "Route":
                return {
                    "name": name,
                    "domains": ["row.test"],
                    "path": {"matchType": "PRE", "matchValue": "/"},
                    "services": [{"name": "row.static", "port": 80}],
                }
            case "ServiceSource":
                return {"name": name, "type": "static", "domain": "10.0.0.1:80", "port": 80}
            case "Consumer":
                key = {"type": "key-auth", "source": "HEADER", "key": "x-row", "values": [f"key of {name} {self.count}"]}
                return {"name": name, "credentials": [key]}
            case "ProxyServer":
                return {"name": name, "type": "HTTP", "serverAddress": "proxy.test", "serverPort": 3128}


@pytest.fixture(scope="module")
def world(gateway, authority):
    return World(gateway, authority)


def test_the_document_has_these_rows():
    assert not compatibility.differences(), "run: .venv/bin/python Tests/parity/compatibility.py --write"


def test_rows_are_unique():
    names = [row.name for row in ENDPOINTS] + [row.label for row in FIELDS]
    assert len(names) == len(set(names))


def test_what_is_served_is_in_the_api_s_document(gateway):
    paths = set(re.findall(r"^  (/\S*):$", gateway.api.call("GET", "/openapi.yaml", auth=False).text, re.MULTILINE))
    for row in ENDPOINTS:
        assert (row.path in paths) != bool(row.missing), row.name


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_endpoint(world, new_gateway, row):
    api = world.api
    if row.missing:
        answer = api.call(row.method, row.path.replace("{name}", "row"), None if row.method == "GET" else {})
        assert answer.status_code in (404, 405) and answer.json()["message"], answer.text
        return
    if row.path in ("/system/init", "/user/changePassword", "/session/logout"):
        own = new_gateway()
        own.start_control()
        api = own.api
        if row.path != "/system/init":
            api.initialize()
    collection = row.path.split("/{")[0]
    model = next((model for model, path in COLLECTIONS.items() if path == collection), None)
    body = {
        "/system/init": {"adminUser": {"name": "admin", "displayName": "a", "password": "long enough"}},
        "/session/login": {"username": api.user, "password": api.password},
        "/user/changePassword": {"oldPassword": api.password, "newPassword": "another one"},
    }.get(row.path)
    path = row.path
    if model and row.method != "GET":
        body = world.body(model)
        if row.method != "POST":
            api.expect(201, "POST", collection, body)
            path = f"{collection}/{body['name']}"
    path = path.replace("{name}", "row.test" if collection == "/v1/domains" else "row")
    answer = api.call(row.method, path, body, auth=not row.path.startswith(("/system", "/session")))
    wanted = {"POST": 200 if row.shape == "done" else 201, "DELETE": 204}.get(row.method, 200)
    assert answer.status_code == wanted, answer.text
    if row.shape in ("empty", "text"):
        assert (row.shape == "empty") == (answer.content == b"")
        return
    whole = answer.json()
    if row.shape == "raw":
        assert "success" not in whole and "data" not in whole
        return
    assert (whole["success"], whole["message"]) == (True, None)
    if row.shape == "list":
        assert whole["total"] == len(whole["data"]) > 0 and {"pageNum", "pageSize"} <= whole.keys()
        beyond = api.call("GET", f"{path}?pageNum=1000").json()
        assert (beyond["data"], beyond["pageNum"], beyond["pageSize"]) == ([], 1000, 10)
    if row.shape == "one":
        assert isinstance(whole["data"], dict)
    if row.path.endswith("/{name}") and row.method == "GET":
        missing = api.call("GET", f"{collection}/nobody.test")
        assert (missing.status_code, missing.content) == (404, b"")


def steps(name):
    """`headers[].key` is ["headers", 0, "key"]; a note in brackets belongs to people."""
    found = []
    for part in name.split(" (")[0].split("."):
        found += [part.removesuffix("[]"), 0] if part.endswith("[]") else [part]
    return found


def put(body, name, value):
    at = body
    path = steps(name)
    for step, following in zip(path, path[1:]):
        default = [{}] if following == 0 else {}
        if isinstance(step, int):
            at = at[step]
        else:
            if at.get(step) is None:
                at[step] = copy.deepcopy(default)
            at = at[step]
    at[path[-1]] = value


def read(body, name):
    for step in steps(name):
        body = body[step]
    return body


def complete(body, row):
    """What else must be there for a field to make sense."""
    first = row.name.split("[")[0]
    if first in ("headers", "urlParams"):
        body[first] = [{"key": "x-a", "matchType": "EQUAL", "matchValue": "1"}]
    if row.name == "type":
        body["domain"] = "a.example.com"
    if row.name.startswith("type ("):
        properties = {"nacosGroups": ["a"], "consulDatacenter": "dc"}
        body |= {"domain": "10.0.0.1", "port": 8848, "properties": properties}
    if row.name == "sni":
        body["protocol"] = "https"
    return body


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row.label)
def test_field(world, row):
    api = world.api
    if row.outcome == "none":
        missing = {
            "ProxyServer": "/v1/proxy-servers",
            "WasmPlugin": "/v1/wasm-plugins",
            "WasmPluginInstance": "/v1/global/plugin-instances",
            "DashboardInfo": "/dashboard/info",
        }
        assert api.call("GET", missing[row.model]).status_code == 404
        return
    if row.model not in COLLECTIONS:
        path = {"Service": "/v1/services", "User": "/user/info", "SystemInfo": "/system/info"}[row.model]
        whole = api.call("GET", path).json()
        found = whole.get("data", whole)
        found = next(each for each in found if each["name"] == "row.static") if isinstance(found, list) else found
        assert row.name in found and (found[row.name] is None) == (row.outcome == "hidden" or row.name == "protocol")
        return
    collection = COLLECTIONS[row.model]
    body = complete(world.body(row.model), row)
    if row.outcome != "shown" and row.given is not None:
        put(body, row.name, row.given)
    if row.outcome == "refused":
        errors = api.expect(400, "POST", collection, body).json()["errors"]
        assert row.name in [error["field"] for error in errors]
        return
    made = api.expect(201, "POST", collection, body).json()
    stored = api.get(f"{collection}/{made['name']}")
    try:
        first = str(steps(row.name)[0])
        warned = [warning for warning in stored.get("warnings", []) if warning.startswith(first)]
        if row.outcome == "shown":
            assert stored[row.name] is not None
        elif row.outcome == "hidden":
            assert read(stored, row.name) is None and read(made, row.name) is None
        else:
            assert read(stored, row.name) == row.given
            if row.outcome == "warned":
                assert warned, stored
        again = {key: value for key, value in stored.items() if key != "warnings"}
        assert api.put(f"{collection}/{made['name']}", again)["version"] == stored["version"], "the same, put back"
    finally:
        api.delete(f"{collection}/{made['name']}")
