"""Every list of the API, searched, sorted and paged: which there are, and by what each is sorted, is read from docs/openapi.yaml."""

import datetime
import re
import unicodedata

import pytest
import requests

from integration.api import Api, route
from integration.openapi import DOCUMENT, OPERATIONS
from integration.ports import free_port
from integration.waiting import wait_until
from peers.channel import FakeWorker

# Those that have an order of their own: what was done, and what never is reached.
IN_THEIR_OWN_ORDER = {"/v1/versions", "/v1/audit", "/v1/route-tester/shadowed"}
PAGED = [each for each in OPERATIONS if each.method == "GET" and "schemas/Page'" in str(each.details["responses"].get("200"))]


def parameters(operation):
    """The parameters of an operation by name."""
    found = [
        DOCUMENT["components"]["parameters"][each["$ref"].split("/")[-1]] if "$ref" in each else each
        for each in operation.details.get("parameters", [])
    ]
    return {each["name"]: each for each in found}


def columns(operation):
    return [each for each in parameters(operation)["sort"]["schema"]["enum"] if each and not each.startswith("-")]


LISTS = [each for each in PAGED if each.path not in IN_THEIR_OWN_ORDER]
SORTS = [(each, column) for each in LISTS for column in columns(each)]


def url(operation, **query):
    address = operation.path.replace("{name}", "shop.test")
    if operation.path in ("/v1/tokens", "/v1/sessions"):
        query["all"] = "true"
    return address + "?" + "&".join(f"{name}={value}" for name, value in query.items())


def natural(text):
    """As people read it."""
    folded = "".join(each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each))
    return [(int(each), "") if each.isdigit() else (0, each) for each in re.split(r"(\d+)", folded)]


def text(value):
    return natural(" ".join(value) if isinstance(value, list) else value or "")


def features(row):
    """Of routes and sources: only the names of fields that the rows here have."""
    known = {
        "route": ["cors", "rewrite", "timeouts"],
        "source": ["healthCheck", "loadBalancing", "proxyName"],
        "listener": ["proxyProtocol", "limits"],
    }
    return {name: row.get(name) for names in known.values() for name in names}


# What a row is sorted by, where it is not the field of that name. Features are compared as groups: equal ones stand together.
KEYS = {
    "usedBy": lambda row: row["usedByTotal"],
    "expires": lambda row: datetime.datetime.strptime(row["validityEnd"], "%Y/%m/%d %H:%M:%SZ"),
    "path": lambda row: text([row["path"]["matchValue"], *(row["methods"] or [])]),
    "services": lambda row: text([each["name"] for each in row["services"]]),
    "protocol": lambda row: text(row["protocol"] or (row["customConfigs"].get("higress.io/backend-protocol", "") if "services" in row else "http")),
    "serverAddress": lambda row: text(f"{row['serverAddress']}:{row['serverPort']}"),
    "address": lambda row: text(row["address"] if "agent" in row else f"{row['address']}:{row['port']}"),
    "credentials": lambda row: text([f"{each['source'] or each['type']} {each['key'] or each['username'] or ''}".strip() for each in row["credentials"]]),
    "requests": lambda row: 0,
    "state": lambda row: text(row["state"]) if "pid" in row else 0,
    "version": lambda row: row["version"] or 0,
    "expiresAt": lambda row: row["expiresAt"] or "9",
    "lastUsedAt": lambda row: row["lastUsedAt"] or "",
}


def key(column, row):
    if column in KEYS:
        return KEYS[column](row)
    value = row[column]
    return value if isinstance(value, int) else text(value)


@pytest.fixture(scope="module")
def api(gateway, authority):
    """A gateway with some of everything, so that no column has one value alone."""
    api = gateway.api
    # They end so soon that each is an alert.
    for number, names in enumerate((["b.test"], ["a9.test", "z.test"], ["a10.test"])):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=(20, 5, 25)[number])
        identity = authority.issue(*names, end=f"{end:%Y%m%d%H%M%SZ}", key=("rsa", "ec", "ec")[number])
        api.create_certificate(f"Cert-{10 - number}", identity.cert, identity.key)
    api.expect(
        200,
        "POST",
        "/v1/apply",
        {
            "proxyServers": [
                {"name": f"egress-{n}", "type": "HTTP", "serverAddress": f"10.0.0.{n}", "serverPort": 3128, "connectTimeout": 5000 - n}
                for n in (9, 10, 11)
            ],
            "serviceSources": [
                {"name": "s2", "type": "static", "domain": "127.0.0.1:9,127.0.0.2:9", "port": 80, "proxyName": "egress-10"},
                {"name": "s10", "type": "static", "domain": "127.0.0.10:9", "port": 80, "protocol": "grpc", "proxyName": "egress-10"},
                {"name": "named", "type": "dns", "domain": "backend.internal.test", "port": 8080, "protocol": "https", "tlsClientCertificate": "Cert-9"},
                {"name": "checked", "type": "static", "domain": "127.0.0.1:7", "port": 80, "healthCheck": {"type": "tcp"}},
                {"name": "spread", "type": "static", "domain": "127.0.0.1:8", "port": 80, "loadBalancing": {"policy": "leastRequest"}, "proxyName": "egress-9"},
            ],
            "consumers": [
                {"name": "bob", "credentials": [{"type": "key-auth", "source": "BEARER", "values": ["hidden-1"]}]},
                {"name": "alice", "credentials": [{"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": ["hidden-2"]}]},
                {"name": "carol", "credentials": [{"type": "basic-auth", "username": "carol-login", "password": "hidden-3"}]},
            ],
            "domains": [
                {"name": "shop.test", "enableHttps": "on", "certIdentifier": "Cert-10"},
                {"name": "a9.test", "enableHttps": "on", "certIdentifier": "Cert-9"},
                {"name": "a10.test", "enableHttps": "force", "certIdentifier": "Cert-8"},
                {"name": "*.z.test", "enableHttps": "on", "certIdentifier": "Cert-9"},
                {"name": "higress-default-domain"},
            ],
            "routes": [
                *(route(f"many-{n}", ["shop.test"], "s2.static", f"/many/{n % 7}") for n in range(30)),
                route("Greet-2", ["shop.test", "a9.test"], "s10.static", "/greet.Greeter/", protocol="GRPC", cors={"enabled": True}),
                route("greet-10", ["a10.test"], [("s2.static", 9), ("spread.static", 1)], "/v10", methods=["GET", "POST"], timeouts={"total": 5000}),
                route("anybody", [], "named.dns", "/v9", rewrite={"path": "/x"}, authConfig={"enabled": True, "allowedConsumers": ["bob", "alice"]}),
                route("annotated", ["a9.test"], "s2.static", "/annotated", customConfigs={"higress.io/backend-protocol": "HTTP2"}, authConfig={"enabled": True, "allowedConsumers": ["bob"]}),
            ],
            "listeners": [
                {"name": "extra", "address": "127.0.0.1", "port": free_port(), "protocol": "http", "limits": {"maxConnections": 10}},
                {"name": "Balanced", "address": "127.0.0.1", "port": free_port(), "protocol": "https", "proxyProtocol": {"trustedRanges": ["10.0.0.0/8"]}},
            ],
        },
    )
    for name, shown, role in (("erin-10", "Zoë", "editor"), ("erin-9", "anna", "viewer"), ("Root", "Émile", "admin")):
        api.post("/v1/users", {"name": name, "displayName": shown, "role": role, "password": "a long password"}, live=False)
    for name, kinds, role in (("deploy", ["routes"], "editor"), ("Metrics", None, "viewer"), ("backup", ["stats"], "admin")):
        expiry = {"expiresAt": "2040-01-01T00:00:00Z"} if kinds else {}
        api.post("/v1/tokens", {"name": name, "kinds": kinds, "role": role, **expiry}, live=False)
    other = Api(gateway.admin_port, "Root", "a long password")
    other.post("/v1/tokens", {"name": "root-sees", "role": "viewer"}, live=False)
    for agent, name in (("Firefox/9", "admin"), ("firefox/10", "Root"), ("Chrome", "admin")):
        login = {"username": name, "password": api.password if name == "admin" else "a long password", "autoLogin": agent == "Chrome"}
        api.expect(201, "POST", "/session/login", login, auth=False, headers={"User-Agent": agent})
        api.session.cookies.clear()
    with FakeWorker(gateway.channel, "edge-10"), FakeWorker(gateway.channel, "edge-9"):
        wait_until(lambda: len(api.get("/v1/workers")) == 3, 10, "three workers")
        wait_until(lambda: len(api.get("/v1/alerts")) == 3, 20, "three alerts")
        yield api


def names(rows):
    return [row["subject"]["certificate"] if "subject" in row else row.get("name") or row["id"] for row in rows]


def test_every_list_can_be_searched_and_sorted():
    assert {each.path for each in PAGED} >= IN_THEIR_OWN_ORDER
    for each in LISTS:
        assert {"q", "sort", "pageNum", "pageSize"} <= set(parameters(each)), each
        assert parameters(each)["sort"]["schema"]["enum"] == [
            *(sign + column for column in columns(each) for sign in ("", "-")),
            "",
        ], each


@pytest.mark.parametrize("operation, column", SORTS, ids=[f"{each.path} {column}" for each, column in SORTS])
def test_lists_are_sorted(api, operation, column):
    plain = api.get(url(operation))
    assert len(plain) >= 3
    if column == "features":
        rows = api.get(url(operation, sort=column))
        groups = [str(features(row)) for row in rows]
        assert sorted(names(rows)) == sorted(names(plain))
        assert sum(a != b for a, b in zip(groups, groups[1:])) == len(set(groups)) - 1, "equal ones stand together"
        assert names(api.get(url(operation, sort="-features")))[0] != names(rows)[0]
        return
    for sign in (1, -1):
        wanted = sorted(plain, key=lambda row: key(column, row), reverse=sign < 0)
        if sign < 0:
            # Equals stay in the list's own order then, too.
            wanted = sorted(plain[::-1], key=lambda row: key(column, row))[::-1]
        sort = column if sign > 0 else f"-{column}"
        whole = api.expect(200, "GET", url(operation, sort=sort)).json()
        assert names(whole["data"]) == names(wanted), sort
        assert whole["total"] == len(plain)
        pages = [api.expect(200, "GET", url(operation, sort=sort, pageNum=n, pageSize=2)).json() for n in range(1, len(plain) // 2 + 2)]
        assert names([row for page in pages for row in page["data"]]) == names(wanted), "each on one page"
        assert {page["total"] for page in pages} == {len(plain)}


# What is looked for, and the names of what has it.
SEARCHES = {
    "/v1/domains": [("A9", ["a9.test"]), ("cert-9", ["*.z.test", "a9.test"]), ("nothing", [])],
    "/v1/domains/{name}/routes": [("greeter", ["Greet-2"]), ("many /many/6", [f"many-{n}" for n in (13, 20, 27, 6)])],
    "/v1/tls-certificates": [("A9.TEST", ["Cert-9"]), ("cert-1", ["Cert-10"]), ("rsa nothing", [])],
    "/v1/routes": [
        ("greet", ["Greet-2", "greet-10"]),
        ("GREET a10.test", ["greet-10"]),
        ("/many/6", [f"many-{n}" for n in (13, 20, 27, 6)]),
        ("post", ["greet-10"]),
        ("named.dns", ["anybody"]),
        ("http2", ["annotated"]),
        ("cors", ["Greet-2"]),
    ],
    "/v1/services": [("s2", ["s2.static"]), ("127.0.0.10", ["s10.static"]), ("backend grpc", []), ("HTTPS", ["named.dns"])],
    "/v1/service-sources": [("s10", ["s10"]), ("8080", ["named"]), ("tcp", ["checked"]), ("Egress-10", ["s10", "s2"])],
    "/v1/proxy-servers": [("10.0.0.9", ["egress-9"]), ("3128 egress-1", ["egress-10", "egress-11"])],
    "/v1/consumers": [("bearer", ["bob"]), ("carol-LOGIN", ["carol"]), ("hidden", []), ("x-api", ["alice"])],
    "/v1/listeners": [("balanced", ["Balanced"]), ("limits", ["extra"]), ("127.0.0.1 https", ["Balanced", "https"])],
    "/v1/alerts": [("critical", ["Cert-9"]), ("CertificateExpiring cert-8", ["Cert-8"]), ("shop.test", ["Cert-10"])],
    "/v1/workers": [("EDGE", ["edge-10", "edge-9"]), ("edge-9", ["edge-9"])],
    "/v1/users": [("erin", ["erin-10", "erin-9"]), ("emile", ["Root"]), ("ZOË", ["erin-10"]), ("editor", ["erin-10"])],
    "/v1/sessions": [("firefox/1 root", ["firefox/10"]), ("FIREFOX", ["Firefox/9", "firefox/10"])],
    "/v1/tokens": [("routes", ["deploy"]), ("root", ["root-sees"]), ("viewer", ["Metrics", "root-sees"])],
    "/v1/settings": [("session.kept", ["session.kept-lifetime"]), ("seconds session", ["session.kept-lifetime", "session.lifetime"])],
}


@pytest.mark.parametrize("operation", LISTS, ids=[each.path for each in LISTS])
def test_lists_are_searched(api, operation):
    plain = names(api.get(url(operation)))
    for words, found in SEARCHES[operation.path]:
        query = words.replace(" ", "%20")
        answer = api.expect(200, "GET", url(operation, q=query)).json()
        assert api.expect(200, "GET", url(operation, q=query.replace("%20", "+"))).json() == answer, "as forms write it"
        shown = [row.get("agent") or names([row])[0] for row in answer["data"]]
        assert sorted(shown) == sorted(found), words
        assert answer["total"] == len(found)
        assert names(answer["data"]) == [each for each in plain if each in names(answer["data"])], "the list's own order"
        column = columns(operation)[0]
        paged = api.expect(200, "GET", url(operation, q=query, sort=f"-{column}", pageNum=1, pageSize=1)).json()
        assert (len(paged["data"]), paged["total"]) == (min(1, len(found)), len(found))
        if found:
            last = max(answer["data"], key=lambda row: key(column, row))
            assert key(column, paged["data"][0]) == key(column, last)
    for blank in ("", "%20", "%20%09%20"):
        assert names(api.get(url(operation, q=blank, sort=""))) == plain


@pytest.mark.parametrize("operation", LISTS, ids=[each.path for each in LISTS])
def test_what_a_list_is_not_asked(api, operation):
    for bad in ("color", "-", "--name", "Name", "-color", "name,name", "%20name"):
        refused = api.expect(400, "GET", url(operation, sort=bad)).json()
        assert (refused["code"], [each["field"] for each in refused["errors"]]) == ("invalid_query", ["sort"]), bad
        assert all(column in refused["message"] for column in columns(operation)), refused["message"]
    assert api.get(url(operation, q="x" * 256)) == []
    assert api.get(url(operation, q="%C3%AB" * 256)) == [], "characters, not bytes"
    for long in ("x" * 257, "%C3%AB" * 257, "x%20" * 200):
        refused = api.expect(400, "GET", url(operation, q=long)).json()
        assert refused["errors"] == [{"field": "q", "message": "Must have at most 256 characters."}]


def test_filters_go_together_with_words_and_columns(api):
    def shown(path):
        answer = api.expect(200, "GET", path).json()
        assert answer["total"] == len(answer["data"])
        return names(answer["data"])

    assert shown("/v1/routes?domainName=a9.test&sort=-name") == ["Greet-2", "annotated"]
    assert shown("/v1/routes?domainName=a9.test&q=greet") == ["Greet-2"]
    assert shown("/v1/routes?domainName=higress-default-domain&q=v9&sort=path") == ["anybody"]
    assert shown("/v1/routes?domainName=a9.test&q=many") == []
    assert shown("/v1/domains/a9.test/routes?sort=-path") == ["Greet-2", "annotated"]
    assert shown("/v1/listeners?protocol=https&sort=-name") == ["https", "Balanced"]
    assert shown("/v1/listeners?protocol=http&q=extra") == ["extra"]
    assert shown("/v1/tls-certificates?expiringWithin=36500d&q=a9") == ["Cert-9"]
    assert shown("/v1/tls-certificates?expiringWithin=36500d&sort=-name") == ["Cert-10", "Cert-9", "Cert-8"]
    assert shown("/v1/tls-certificates?expiringWithin=1d&sort=name") == []
    assert shown("/v1/tokens?q=root") == [], "one's own"
    paged = api.expect(200, "GET", "/v1/routes?domainName=shop.test&q=many-1&sort=-name&pageNum=2&pageSize=4").json()
    assert (names(paged["data"]), paged["total"]) == (["many-15", "many-14", "many-13", "many-12"], 11)


def test_the_first_of_repeated_parameters_counts(api):
    once = names(api.get("/v1/routes?q=greet&sort=-name&pageSize=1"))
    assert names(api.get("/v1/routes?q=greet&sort=-name&pageSize=1&q=many&sort=name&pageSize=9")) == once


def test_who_uses_an_object_is_told(api):
    def usage(path):
        shown = api.get(path)
        listed = next(each for each in api.get(path.rsplit("/", 1)[0]) if each["name"] == shown["name"])
        assert (listed["usedBy"], listed["usedByTotal"]) == (shown["usedBy"], shown["usedByTotal"])
        return shown["usedBy"], shown["usedByTotal"]

    many = [f"route {name}" for name in sorted(["annotated", "greet-10", *(f"many-{n}" for n in range(30))])]
    assert usage("/v1/service-sources/s2") == (many[:20], 32)
    services = {each["name"]: each for each in api.get("/v1/services")}
    assert (services["s2.static"]["usedBy"], services["s2.static"]["usedByTotal"]) == (many[:20], 32)
    assert usage("/v1/domains/a9.test") == (["route Greet-2", "route annotated"], 2)
    assert usage("/v1/domains/higress-default-domain") == (["route anybody"], 1)
    assert usage("/v1/tls-certificates/Cert-9") == (["domain *.z.test", "domain a9.test", "service source named"], 3)
    assert usage("/v1/tls-certificates/Cert-8") == (["domain a10.test"], 1)
    assert usage("/v1/consumers/bob") == (["route annotated", "route anybody"], 2)
    assert usage("/v1/consumers/carol") == ([], 0)
    assert usage("/v1/proxy-servers/egress-10") == (["service source s10", "service source s2"], 2)


@pytest.mark.parametrize(
    "path", ["domains/a9.test", "tls-certificates/Cert-9", "service-sources/s2", "consumers/bob", "proxy-servers/egress-10"]
)
def test_what_is_told_of_users_says_nothing_on_the_way_in(api, path):
    shown = api.get(f"/v1/{path}")
    answer = api.put(f"/v1/{path}", {**shown, "usedBy": ["route nonsense"], "usedByTotal": -1}, live=False)
    assert not any("usedBy" in each for each in answer.get("warnings", []))
    assert {name: answer[name] for name in ("version", "usedBy", "usedByTotal")} == {
        name: shown[name] for name in ("version", "usedBy", "usedByTotal")
    }, "nothing has changed"
    preview = api.expect(200, "PUT", f"/v1/{path}?dryRun=true", {**shown, "usedBy": []}).json()["data"]
    assert preview["changes"] == []
    export = api.expect(200, "GET", "/v1/export").text
    assert "usedBy" not in export
    assert api.expect(200, "POST", "/v1/apply", api.expect(200, "GET", "/v1/export").json()).json()["changes"] == []


def test_routes_are_sorted_by_what_they_get(new_gateway, echo):
    gateway = new_gateway().start()
    gateway.api.create_static("s", echo.port)
    for name in ("idle", "some", "busy"):
        gateway.api.create_route(name, [], "s.static", f"/{name}")
    for path in ["/some"] * 3 + ["/busy"] * 9:
        assert requests.get(f"http://127.0.0.1:{gateway.http_port}{path}").status_code == 200

    def counted():
        minute = gateway.api.get("/v1/stats")["lastMinute"]
        return minute and minute["routes"].get("busy", {}).get("requests") == 9

    wait_until(counted, 20, "the sampler has seen them")
    assert names(gateway.api.get("/v1/routes?sort=-requests")) == ["busy", "some", "idle"]
    assert names(gateway.api.get("/v1/routes?sort=requests&q=/")) == ["idle", "some", "busy"]
    gateway.stop()
