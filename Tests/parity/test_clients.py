"""The known clients of the Higress console's API against the real control plane, and what they set up against real traffic."""

import json

import pytest

from parity.clients import ClientError, CommandLine, Console, LoginRequired, OpsServer, ToolServer, basic
from integration.api import Api
from integration.site import Site
from peers.http1 import EchoServer
from peers.protos import Greeter, HelloRequest
from peers.wire import Wire

GRPC = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
LISTS = [
    "/v1/domains",
    "/v1/tls-certificates",
    "/v1/routes",
    "/v1/services",
    "/v1/service-sources",
    "/v1/consumers",
]


@pytest.fixture
def console(gateway):
    with Console(gateway.api.base) as client:
        client.login(gateway.api.user, gateway.api.password)
        yield client


@pytest.fixture
def ops(gateway):
    # A password of its own account with `:` in it passes here; in Higress it never does.
    with OpsServer(gateway.api.base, gateway.api.user, gateway.api.password) as client:
        yield client


@pytest.fixture
def command_line(gateway):
    with CommandLine(gateway.api.base, gateway.api.user, gateway.api.password) as client:
        yield client


@pytest.fixture
def tools(gateway):
    with ToolServer(gateway.api.base) as client:
        yield client


@pytest.fixture
def caller(gateway):
    return basic(gateway.api.user, gateway.api.password)


def live(gateway):
    """None of the clients asks to wait; the last version is live when an empty change that waits has been."""
    gateway.api.expect(201, "POST", "/v1/service-sources?wait=live&timeout=20s", _nothing())


def _nothing(count=[0]):  # noqa: B006: counts calls
    count[0] += 1
    return {"name": f"nothing-{count[0]}", "type": "static", "domain": "127.0.0.1:9", "port": 80}


def get(gateway, host, target="/"):
    with Wire.connect(gateway.http_port) as wire:
        answer = wire.request("GET", target, host)
    return json.loads(answer.body) if answer.status == 200 else answer.status


def source(name, port, **more):
    return {"name": name, "type": "static", "domain": f"127.0.0.1:{port}", "port": 80, **more}


def route(name, host, service, **more):
    return {
        "name": name,
        "domains": [host],
        "path": {"matchType": "PRE", "matchValue": "/", "caseSensitive": True},
        "services": [{"name": service, "port": 80, "weight": 100}],
        **more,
    }


# ---- the page


def test_the_page_before_anybody_has_logged_in(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    with Console(gateway.api.base) as page:
        assert page.call("GET", "/system/config")["system.initialized"] is False
        assert page.call("GET", "/system/info")["version"]
        with pytest.raises(LoginRequired):
            page.call("GET", "/v1/routes")
        user = {"name": "admin", "displayName": "admin", "password": "a good password"}
        page.call("POST", "/system/init", {"adminUser": user})
        assert page.call("GET", "/system/config")["system.initialized"] is True
        with pytest.raises(LoginRequired):
            page.login("admin", "another")
        assert page.login("admin", "a good password", keep=True)["name"] == "admin"
        assert page.call("GET", "/user/info")["name"] == "admin"
        page.call("POST", "/user/changePassword", {"oldPassword": "a good password", "newPassword": "a better password"})
        with pytest.raises(LoginRequired):
            page.call("GET", "/user/info")
        page.login("admin", "a better password")
        page.call("GET", "/session/logout")
        with pytest.raises(LoginRequired):
            page.call("GET", "/v1/domains")


@pytest.mark.parametrize("path", LISTS)
def test_the_page_loads_every_list_whole(console, path):
    assert isinstance(console.call("GET", path), list)


def test_the_page_s_story(gateway, console, authority, grpc_server):
    """Certificate, domain, source and route by hand as in Higress, gRPC by the annotation; then everything edited and removed."""
    identity = authority.issue("story.parity.test")
    made = console.call("POST", "/v1/tls-certificates", {"name": "story", "cert": identity.chain, "key": identity.key})
    assert (made["cert"], made["key"], made["domains"]) == (None, None, ["story.parity.test"])
    console.call(
        "POST", "/v1/domains", {"name": "story.parity.test", "enableHttps": "on", "certIdentifier": "story"}
    )
    console.call("POST", "/v1/service-sources", source("story", grpc_server.port))
    assert "story.static" in [each["name"] for each in console.call("GET", "/v1/services")]
    console.call("POST", "/v1/routes", route("story", "story.parity.test", "story.static", customConfigs=GRPC))
    live(gateway)
    site = _site(gateway, authority, "story.parity.test")
    with site.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"

    for path in ("/v1/routes/story", "/v1/domains/story.parity.test", "/v1/service-sources/story"):
        console.call("PUT", path, console.call("GET", path))  # the drawer opened and confirmed
    live(gateway)
    with site.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"

    with pytest.raises(ClientError, match="already exists"):
        console.call("POST", "/v1/routes", route("story", "story.parity.test", "story.static"))
    stale = console.call("GET", "/v1/routes/story")
    console.call("PUT", "/v1/routes/story", {**stale, "methods": ["POST"]})
    with pytest.raises(ClientError, match="changed by somebody else"):
        console.call("PUT", "/v1/routes/story", {**stale, "methods": ["GET"]})
    with pytest.raises(ClientError, match="Bad request"):
        console.call("POST", "/v1/routes", route("bad", "story.parity.test", "nowhere.static"))
    with pytest.raises(ClientError, match="not found"):
        console.call("GET", "/v1/routes/nowhere")
    for path in (
        "/v1/routes/story",
        "/v1/domains/story.parity.test",
        "/v1/tls-certificates/story",
        "/v1/service-sources/story",
    ):
        assert console.call("DELETE", path) is None


def _site(gateway, authority, host):
    """The clients of a Site for a host that is set up already."""
    site = Site.__new__(Site)
    site.gateway, site.authority, site.host = gateway, authority, host
    return site


def test_the_page_s_strategies(gateway, console, echo):
    """The four built-in strategies are PUTs of the route; each acts, and switched off it keeps its values."""
    console.call("POST", "/v1/domains", {"name": "strategy.parity.test", "enableHttps": "off"})
    console.call("POST", "/v1/service-sources", source("strategy", echo.port))
    console.call("POST", "/v1/routes", route("strategy", "strategy.parity.test", "strategy.static"))

    def put(**changes):
        console.call("PUT", "/v1/routes/strategy", {**console.call("GET", "/v1/routes/strategy"), **changes})
        live(gateway)

    rewrite = {"enabled": True, "path": "/new", "host": "other.test"}
    put(rewrite=rewrite)
    put(headerControl={"enabled": True, "request": {"add": [{"key": "x-added", "value": "1"}]}})
    put(cors={"enabled": True, "allowOrigins": ["https://a.test"], "allowMethods": ["GET"], "maxAge": 86400})
    put(proxyNextUpstream={"enabled": True, "attempts": 3, "conditions": ["error", "timeout"], "timeout": 5})
    saw = get(gateway, "strategy.parity.test", "/x")
    assert (saw["target"], saw["host"]) == ("/new/x", "other.test")
    assert ["x-added", "1"] in [[name.lower(), value] for name, value in saw["headers"]]
    with Wire.connect(gateway.http_port) as wire:
        answer = wire.request("GET", "/", "strategy.parity.test", ("Origin", "https://a.test"))
    assert answer.get("access-control-allow-origin") == "https://a.test"
    put(rewrite={**rewrite, "enabled": False})
    assert get(gateway, "strategy.parity.test", "/")["target"] == "/"
    assert console.call("GET", "/v1/routes/strategy")["rewrite"] == {**rewrite, "enabled": False}


def test_the_page_s_consumers(gateway, console, echo):
    """Made, allowed on a route, edited without retyping its secrets, and held while a route names it."""
    credential = {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": ["page-secret"]}
    console.call("POST", "/v1/consumers", {"name": "page-user", "credentials": [credential]})
    console.call("POST", "/v1/domains", {"name": "consumer.parity.test", "enableHttps": "off"})
    console.call("POST", "/v1/service-sources", source("consumer", echo.port))
    auth = {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": ["page-user"]}
    console.call(
        "POST", "/v1/routes", route("consumer", "consumer.parity.test", "consumer.static", authConfig=auth)
    )
    assert console.call("GET", "/v1/routes/consumer")["authConfig"] == auth
    stored = console.call("GET", "/v1/consumers/page-user")
    console.call("PUT", "/v1/consumers/page-user", stored)
    console.call("PUT", "/v1/consumers/page-user", {**stored, "version": None, "credentials": [{**credential, "values": []}]})
    live(gateway)
    with Wire.connect(gateway.http_port) as wire:
        assert wire.request("GET", "/", "consumer.parity.test", ("x-key", "page-secret")).status == 200
        assert wire.request("GET", "/", "consumer.parity.test").status == 401
    with pytest.raises(ClientError):
        console.call("DELETE", "/v1/consumers/page-user")


# ---- the operations server


def test_operations(gateway, ops, echo):
    ops.call("POST", "/v1/domains", {"name": "ops.parity.test"})
    ops.call("POST", "/v1/service-sources", source("ops", echo.port))
    made = ops.call("POST", "/v1/routes", route("ops", "ops.parity.test", "ops.static"))
    assert made["name"] == "ops"
    assert "ops" in [each["name"] for each in ops.call("GET", "/v1/routes")]
    changed = ops.update("/v1/routes/ops", path={"matchType": "EQUAL", "matchValue": "/only", "caseSensitive": True})
    assert changed["path"]["matchValue"] == "/only"
    ops.update("/v1/service-sources/ops", protocol="http")
    live(gateway)
    assert get(gateway, "ops.parity.test", "/only")["backend"] == "b1"
    assert get(gateway, "ops.parity.test", "/other") == 404
    assert ops.call("DELETE", "/v1/routes/ops") == {}
    with pytest.raises(ClientError):
        ops.call("GET", "/v1/routes/ops")


def test_operations_learn_why(ops):
    with pytest.raises(ClientError, match="services") as refused:
        ops.call("POST", "/v1/routes", {**route("why", "ops.parity.test", "x.static"), "services": []})
    assert refused.value.status == 400
    with OpsServer(ops.base, "admin", "wrong") as stranger, pytest.raises(ClientError) as refused:
        stranger.call("GET", "/v1/routes")
    assert refused.value.status == 401


# ---- the command-line tool


def test_the_command_line_applies_twice(gateway, command_line, echo):
    domain, one = {"name": "cli.parity.test"}, source("cli", echo.port)
    assert [command_line.apply("/v1/domains", domain) for _ in range(2)] == ["made", "exists"]
    assert [command_line.apply("/v1/service-sources", one) for _ in range(2)] == ["made", "exists"]
    made = route("cli", "cli.parity.test", "cli.static")
    assert [command_line.apply("/v1/routes", made) for _ in range(2)] == ["made", "exists"]
    live(gateway)
    assert get(gateway, "cli.parity.test")["backend"] == "b1"


def test_the_command_line_says_what_is_wrong(command_line):
    with pytest.raises(ClientError, match="bad definition"):
        command_line.apply("/v1/service-sources", source("cli-bad", 0))
    with pytest.raises(ClientError, match="bad definition"):
        command_line.apply("/v1/routes", {"name": "cli-bad"})


@pytest.mark.parametrize("path", ["/v1/ai/providers", "/v1/ai/routes"])
def test_the_command_line_cannot_make_what_is_not_served(gateway, command_line, path):
    """Never a success, and never a 500 that looks like an accident: 404 with words."""
    with pytest.raises(ClientError, match="failed") as refused:
        command_line.apply(path, {"name": "x"})
    assert refused.value.status == 404
    assert gateway.api.call("POST", path, {"name": "x"}).json()["message"]


# ---- the tool server


def test_tools(gateway, tools, caller, echo):
    tools.call("POST", "/v1/domains", {"name": "tools.parity.test"}, caller)
    tools.call("POST", "/v1/service-sources", source("tools", echo.port), caller)
    tools.add_route(route("tools", "tools.parity.test", "tools.static"), caller)
    with pytest.raises(ClientError, match="no service source nowhere"):
        tools.add_route(route("tools-2", "tools.parity.test", "nowhere.static"), caller)
    live(gateway)
    assert get(gateway, "tools.parity.test", "/x")["backend"] == "b1"


def test_tools_without_authorization(tools):
    with pytest.raises(ClientError) as refused:
        tools.read("/v1/routes", None)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "kind, value, inside, outside",
    [("PRE", "/p", "/p/x", "/q"), ("EQUAL", "/p", "/p", "/p/x"), ("REGULAR", "/p[0-9]$", "/p7", "/p77")],
)
def test_tools_merge(gateway, tools, caller, echo, kind, value, inside, outside):
    """Everything that was read goes back, nulls and answers' own fields too, and only what was named has changed."""
    name = f"merge-{kind.lower()}"
    host = f"{name}.parity.test"
    tools.call("POST", "/v1/domains", {"name": host}, caller)
    tools.call("POST", "/v1/service-sources", source(name, echo.port, protocol="http"), caller)
    full = route(
        name,
        host,
        f"{name}.static",
        methods=["GET", "POST"],
        rewrite={"enabled": False, "path": "/kept", "host": None},
        headerControl={"enabled": True, "request": {"set": [{"key": "x-by", "value": "tools"}], "add": None}},
        customConfigs={"higress.io/timeout": "30"},
        customLabels={"team": "parity"},
    )
    tools.call("POST", "/v1/routes", full, caller)
    before = tools.read(f"/v1/routes/{name}", caller)
    tools.merge(f"/v1/routes/{name}", {"path": {"matchType": kind, "matchValue": value}}, caller)
    after = tools.read(f"/v1/routes/{name}", caller)
    assert {key: each for key, each in after.items() if key not in ("path", "version")} == {
        key: each for key, each in before.items() if key not in ("path", "version")
    }
    tools.merge(f"/v1/service-sources/{name}", {"domain": f"127.0.0.1:{echo.port},localhost:{echo.port}"}, caller)
    live(gateway)
    assert ["x-by", "tools"] in [[key.lower(), each] for key, each in get(gateway, host, inside)["headers"]]
    assert get(gateway, host, outside) == 404


def test_tools_merge_of_an_unchanged_object_makes_no_version(gateway, tools, caller, echo):
    tools.call("POST", "/v1/domains", {"name": "same.parity.test"}, caller)
    tools.call("POST", "/v1/service-sources", source("same", echo.port), caller)
    tools.call("POST", "/v1/routes", route("same", "same.parity.test", "same.static"), caller)
    before = gateway.api.get("/v1/versions?pageNum=1&pageSize=1")[0]["version"]
    for path in ("/v1/routes/same", "/v1/service-sources/same", "/v1/domains/same.parity.test"):
        tools.merge(path, {}, caller)
    assert gateway.api.get("/v1/versions?pageNum=1&pageSize=1")[0]["version"] == before


@pytest.mark.parametrize(
    "path", ["/v1/global/plugin-instances", "/v1/routes/x/plugin-instances/request-block", "/v1/mcpServer"]
)
def test_tools_find_what_is_not_served_missing(tools, caller, path):
    with pytest.raises(ClientError) as refused:
        tools.read(path, caller)
    assert refused.value.status == 404
