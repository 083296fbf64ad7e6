"""Every field of the API has its place in a form, keeps what it was, and says what it was told."""

import pytest
import yaml

from browser import full
from integration.gateway import ROOT
from integration.ports import free_port

DOCUMENT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())

# What a form leaves to the API: members that are another way to say what a field says, that do not act, or that the
# name of the object stands for. The port of a route's service is the source's.
LEFT_OUT = {
    "Route": {
        "timeout",
        "readonly",
        "services[0].port",
        "services[0].version",
        "headers[0].caseSensitive",
        "urlParams[0].caseSensitive",
    },
    "ServiceSource": set(),
    "Domain": set(),
    "ProxyServer": {"type"},
    "Listener": set(),
    "Consumer": set(),
    "TlsCertificate": set(),
}
# Members that stand for another choice of the same form than the one that is open.
OTHER_CHOICE = {
    "ServiceSource": {"healthCheck.service", "properties", "authN.enabled", "authN.properties"},
    "TlsCertificate": {"passphrase"},
    "Consumer": {
        f"credentials[0].{each}"
        for each in [
            *("username", "password", "issuer", "subject", "audiences", "clockSkewSeconds", "keepToken"),
            *("claimsToHeaders[0].claim", "claimsToHeaders[0].header"),
            *(f"jwks.keys[0].{member}" for member in ("kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e", "k")),
        ]
    },
}
KINDS = {
    "Route": ("routes", "/v1/routes"),
    "ServiceSource": ("sources", "/v1/service-sources"),
    "Domain": ("domains", "/v1/domains"),
    "Consumer": ("consumers", "/v1/consumers"),
    "ProxyServer": ("proxies", "/v1/proxy-servers"),
    "Listener": ("listeners", "/v1/listeners"),
}


def everything(api, authority):
    """An object of each kind with every field."""
    identity = authority.issue("full.test")
    api.create_certificate("full", identity.chain, identity.key)
    made = {
        "Domain": full.domain(authority),
        "Consumer": full.consumer(),
        "ProxyServer": full.proxy_server(),
        "Listener": full.listener(free_port()),
        "ServiceSource": full.source(authority),
        "Route": full.route(),
    }
    api.create_static("old", 9)
    api.create_static("new", 10)
    for kind in ("Domain", "Consumer", "ProxyServer", "Listener", "ServiceSource", "Route"):
        api.post(KINDS[kind][1], made[kind])
    return made


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_field_of_the_api_has_a_control(kind, admin, api, authority):
    made = everything(api, authority)[kind]
    page, path = KINDS[kind]
    admin.open(f"#/{page}?edit={made['name']}").one("dialog[open] form")
    shown = set(admin.script("return [...document.querySelectorAll('dialog[open] [data-path]')].map((e) => e.dataset.path)"))
    missing = {each for each in full.fields(made) if each not in shown} - LEFT_OUT[kind]
    assert not {each for each in missing if not each.endswith((".port",))}
    # And the object of this test has every field that the document knows.
    known = set(full.schema_fields(DOCUMENT, {"$ref": f"#/components/schemas/{kind}"}))
    assert "name" in known
    assert known - set(full.fields(made)) - LEFT_OUT[kind] - OTHER_CHOICE.get(kind, set()) == set()
    # Saved without a change it makes no version: nothing was lost on the way through the form.
    before, versions = api.get(f"{path}/{made['name']}"), len(api.get("/v1/versions?pageSize=100"))
    admin.click("Save", exact=True).no_dialog()
    assert api.get(f"{path}/{made['name']}") == before
    assert len(api.get("/v1/versions?pageSize=100")) == versions


def test_a_route_is_typed_field_by_field(admin, api):
    api.create_static("greeter", 9, protocol="grpc")
    api.create_static("canary", 10, protocol="grpc")
    api.create_domain("typed.test")
    api.post("/v1/consumers", {"name": "alice", "credentials": [{"type": "key-auth", "source": "BEARER", "values": ["k"]}]})
    admin.open("#/routes?new=1")
    admin.fill("name", "typed")
    admin.fill("path.matchType", "EQUAL").fill("path.matchValue", "/helloworld.Greeter/SayHello")
    admin.card("grpc").fill("services[0].name", "greeter.static").click("Add a service")
    admin.fill("services[0].weight", "95").fill("services[1].name", "canary.static").fill("services[1].weight", "5")
    admin.see("95 %", "5 %")
    admin.unfold("More conditions").click("POST", kinds="label.chip").click("Add a header")
    admin.fill("headers[0].key", "x-user").fill("headers[0].matchType", "PRE").fill("headers[0].matchValue", "a")
    admin.unfold("Timeouts").see("a quiet stream stays open for ever")
    admin.fill("timeouts.total", "1.5").fill("timeouts.streamIdle", "0")
    admin.unfold("Load balancing").fill("loadBalancing.policy", "leastRequest")
    admin.unfold("Who may use it").fill("authConfig.enabled", True).click("alice", kinds="label.chip")
    admin.unfold("Client addresses").fill("ipAccess.enabled", True).fill("ipAccess.allow", "10.0.0.0/8\n127.0.0.0/8")
    admin.unfold("Rate limit").fill("rateLimit.enabled", True).fill("rateLimit.qps", "50").fill("rateLimit.perAddress", True)
    admin.unfold("Retries").fill("proxyNextUpstream.enabled", True).fill("proxyNextUpstream.attempts", "1")
    admin.click("also POST and PATCH (gRPC)", kinds="label.chip")
    admin.unfold("Headers").fill("headerControl.enabled", True)
    admin.fill("headerControl.response.remove", "server")
    admin.unfold("Mirror").fill("mirror.enabled", True).fill("mirror.service", "canary.static").fill("mirror.percentage", "0.5")
    admin.unfold("When the route changes").fill("streamPolicy.mode", "drain").fill("streamPolicy.after", "30")
    admin.click("Create", exact=True).no_dialog()
    route = api.get("/v1/routes/typed")
    assert route["path"]["matchType"] == "EQUAL" and route["path"]["matchValue"] == "/helloworld.Greeter/SayHello"
    assert [(each["name"], each["weight"]) for each in route["services"]] == [("greeter.static", 95), ("canary.static", 5)]
    assert (route["protocol"], route["methods"], route["domains"]) == ("GRPC", ["POST"], ["typed.test"])
    assert route["headers"][0]["matchValue"] == "a" and route["headers"][0]["matchType"] == "PRE"
    assert (route["timeouts"]["total"], route["timeouts"]["streamIdle"]) == (1500, 0)
    assert route["loadBalancing"]["policy"] == "leastRequest"
    assert route["authConfig"]["allowedConsumers"] == ["alice"]
    assert route["ipAccess"]["allow"] == ["10.0.0.0/8", "127.0.0.0/8"]
    assert (route["rateLimit"]["qps"], route["rateLimit"]["perAddress"]) == (50, True)
    assert route["proxyNextUpstream"] == {"enabled": True, "attempts": 1, "timeout": None, "conditions": ["non_idempotent"]}
    assert route["headerControl"]["response"]["remove"] == ["server"]
    assert (route["mirror"]["service"], route["mirror"]["percentage"]) == ("canary.static", 0.5)
    assert (route["streamPolicy"]["mode"], route["streamPolicy"]["after"]) == ("drain", 30000)
    row = admin.row("typed")
    assert "95\u00a0%" in row and "GRPC" in row and "rate limit" in row


NGINX, HIGRESS = "nginx.ingress.kubernetes.io/", "higress.io/"


def test_a_source_of_a_file(admin, api):
    admin.expected.add("400")
    admin.open("#/sources?new=1").fill("name", "shop").fill("type", "file").fill("domain", "shop.json").fill("port", "8080").card("grpc")
    admin.click("Create", exact=True)
    assert admin.error("domain") == "Must be the absolute path of a file, as in /etc/causeway/endpoints/shop.json."
    admin.fill("domain", "/etc/a, b.json").click("Create", exact=True).no_dialog().see("/etc/a, b.json", "File of endpoints")
    source = api.get("/v1/service-sources/shop")
    assert (source["type"], source["domain"], source["port"], source["protocol"]) == ("file", "/etc/a, b.json", 8080, "grpc")


def test_sessions_by_a_cookie(admin, api):
    api.create_static("one", 9)
    api.create_route("kept", [], "one.static", customConfigs={f"{HIGRESS}unknown": "stays"})
    admin.open("#/routes?edit=kept").unfold("Sessions").fill(f"customConfigs[{HIGRESS}affinity]", True)
    admin.fill(f"customConfigs[{HIGRESS}session-cookie-name]", "shop").fill(f"customConfigs[{HIGRESS}session-cookie-max-age]", "90")
    admin.fill(f"customConfigs[{HIGRESS}affinity-mode]", "persistent")
    # Rows of other annotations are typed beside it, and take nothing away.
    admin.unfold("Annotations and labels").fill("pairs[0].value", "changed").click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/kept")["customConfigs"] == {
        f"{HIGRESS}unknown": "changed",
        f"{HIGRESS}affinity": "cookie",
        f"{HIGRESS}session-cookie-name": "shop",
        f"{HIGRESS}session-cookie-max-age": "90",
        f"{HIGRESS}affinity-mode": "persistent",
    }
    assert "sessions" in admin.row("kept")
    admin.expected.add("400")
    admin.open("#/routes?edit=kept").unfold("Sessions")
    assert admin.value(f"customConfigs[{HIGRESS}session-cookie-max-age]") == "90"
    admin.fill(f"customConfigs[{HIGRESS}session-cookie-path]", "shop").click("Save", exact=True)
    assert admin.error(f"customConfigs[{HIGRESS}session-cookie-path]") == "Must be a path that begins with '/'."
    admin.fill(f"customConfigs[{HIGRESS}affinity]", False).click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/kept")["customConfigs"] == {f"{HIGRESS}unknown": "changed"}


def test_a_canary_and_what_else_annotations_say(admin, api):
    api.create_static("one", 9)
    api.create_static("two", 10)
    # The form of nginx counts, where both are given, and stays the one that is written.
    before = {f"{NGINX}proxy-read-timeout": "1500ms", f"{NGINX}canary": "true", f"{NGINX}canary-weight": "5"}
    api.create_route("part", [], "one.static", path="/shop", customConfigs=before)
    api.create_route("whole", [], "two.static", path="/shop")
    admin.open("#/routes?edit=part").unfold("Canary")
    assert admin.value(f"customConfigs[{NGINX}canary-weight]") == "5"
    admin.fill("by", "header").fill(f"customConfigs[{HIGRESS}canary-by-header]", "x-shop").fill(f"customConfigs[{HIGRESS}canary-by-header-value]", "new")
    admin.unfold("Fallback and error pages").fill(f"customConfigs[{HIGRESS}default-backend]", "two.static")
    admin.fill(f"customConfigs[{HIGRESS}custom-http-errors]", "404\n503")
    admin.unfold("Timeouts").fill(f"customConfigs[{HIGRESS}proxy-connect-timeout]", "2")
    assert admin.value(f"customConfigs[{NGINX}proxy-read-timeout]") == "1500"
    admin.fill(f"customConfigs[{NGINX}proxy-read-timeout]", "2000").click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/part")["customConfigs"] == {
        f"{NGINX}canary": "true",
        f"{HIGRESS}canary-by-header": "x-shop",
        f"{HIGRESS}canary-by-header-value": "new",
        f"{HIGRESS}default-backend": "two.static",
        f"{HIGRESS}custom-http-errors": "404,503",
        f"{HIGRESS}proxy-connect-timeout": "2",
        f"{NGINX}proxy-read-timeout": "2",
    }
    assert "canary" in admin.row("part")
    admin.open("#/routes?edit=part").unfold("Canary").fill(f"customConfigs[{NGINX}canary]", False)
    admin.fill("path.matchType", "REGULAR").fill("path.matchValue", "/shop/[0-9]+").unfold("More conditions")
    admin.fill(f"customConfigs[{HIGRESS}full-path-regex]", True).click("Save", exact=True).no_dialog()
    configs = api.get("/v1/routes/part")["customConfigs"]
    assert configs[f"{HIGRESS}full-path-regex"] == "true" and not [key for key in configs if "canary" in key]


def test_what_is_switched_off_is_not_forgotten(admin, api):
    api.create_static("one", 9)
    api.create_route("keeper", [], "one.static", rewrite={"enabled": True, "path": "/old"})
    admin.open("#/routes?edit=keeper").unfold("Rewrite").fill("rewrite.enabled", False)
    admin.click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/keeper")["rewrite"] == {"enabled": False, "path": "/old", "host": None}
    admin.open("#/routes?edit=keeper").unfold("Rewrite").fill("rewrite.enabled", True)
    assert admin.value("rewrite.path") == "/old"


def test_a_switch_shows_what_is_not_set_as_off(admin, api):
    api.create_static("one", 9)
    api.create_route("cased", [], "one.static", path="/Shop")
    admin.open("#/routes?edit=cased").unfold("More conditions")
    assert not admin.field("path.caseSensitive").is_selected()
    admin.fill("path.caseSensitive", True).click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/cased")["path"]["caseSensitive"] is False


def test_what_is_missing_is_told_without_the_server(browsers, api):
    page = browsers(language="zh-CN")
    page.open()
    page.fill("username", "admin").click("登录", kinds="button")
    assert page.error("password") == "必填。"
    page.fill("password", "tests: a pass:word").press("\ue007").see("概览")
    page.open("#/routes?new=1").unfold("限流").fill("rateLimit.enabled", True)
    page.click("创建", exact=True).see("有 3 个字段需要检查。")
    assert [page.error(each) for each in ("name", "services", "rateLimit.qps")] == ["必填。"] * 3
    # What another choice asks for is not asked for.
    page.fill("rateLimit.enabled", False).click("创建", exact=True).see("有 2 个字段需要检查。")


def test_errors_stand_at_their_fields(admin, api):
    admin.expected.add("400")
    api.create_static("one", 9)
    admin.open("#/routes?new=1").fill("name", "Bad name").fill("path.matchValue", "no-slash").fill("services[0].name", "one.static")
    admin.unfold("Rate limit").fill("rateLimit.enabled", True).fill("rateLimit.qps", "many")
    admin.click("Rate limit", kinds="summary").click("Create", exact=True)
    assert admin.error("rateLimit.qps") == "Must be a whole number."
    admin.fill("rateLimit.qps", "0").click("Create", exact=True)
    assert admin.error("name")
    assert admin.error("rateLimit.qps")
    admin.see("fields need a look")
    assert admin.script("return document.activeElement.value") == "Bad name"
    admin.fill("name", "good").fill("path.matchValue", "/").fill("rateLimit.qps", "5").click("Create", exact=True).no_dialog()
    assert "good" in admin.row("good")


def test_copy_of_a_route(admin, api):
    api.create_static("one", 9)
    api.create_route("first", [], "one.static", path="/one", timeouts={"total": 2000})
    admin.open("#/routes").click("Copy first")
    assert admin.value("name") == "first-copy"
    admin.fill("path.matchValue", "/two").click("Create", exact=True).no_dialog()
    copy = api.get("/v1/routes/first-copy")
    assert (copy["path"]["matchValue"], copy["timeouts"]["total"]) == ("/two", 2000)
