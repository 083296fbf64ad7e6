"""Everything there and back: a configuration with every kind of object and every field goes out as a document and in again elsewhere, and
each of 50 versions comes back as it was."""

import random
import re
import time

import pytest
import yaml

from browser import full
from integration.api import route
from integration.ports import free_port
from integration.test_documents import PASSPHRASE, apply, export
from integration.test_versions import write
from peers.http1 import EchoServer
from peers.wire import Wire

REGISTRIES = {
    "nacos": ({"nacosNamespaceId": "n", "nacosGroups": ["g", "h"]}, {"nacosUsername": "u", "nacosPassword": "secret of nacos"}),
    "nacos3": ({"enableMCPServer": True, "mcpServerBaseUrl": "/mcp", "mcpServerExportDomains": ["a.test"]}, None),
    "consul": ({"consulDatacenter": "dc", "consulServiceTag": "t", "consulRefreshInterval": 20}, {"consulToken": "secret of consul"}),
    "eureka": ({}, None),
    "zookeeper": ({"zkServicesPath": ["/services"]}, None),
}


def fill(api, authority):
    """Every kind of object, every field."""
    identity = authority.issue("full.test")
    write(api, "POST", "/v1/tls-certificates", {"name": "full", "cert": identity.chain, "key": identity.key})
    write(api, "POST", "/v1/domains", full.domain(authority))
    write(api, "POST", "/v1/domains", {"name": "*.plain.test"})
    for name in ("old", "new"):
        write(api, "POST", "/v1/service-sources", {"name": name, "type": "static", "domain": "127.0.0.1:9", "port": 80})
    write(api, "POST", "/v1/proxy-servers", full.proxy_server())
    write(api, "POST", "/v1/service-sources", full.source(authority))
    for kind, (properties, credentials) in REGISTRIES.items():
        authentication = {"enabled": True, "properties": credentials} if credentials else None
        source = {"name": kind, "type": kind, "domain": f"{kind}.test", "port": 8848, "properties": properties}
        write(api, "POST", "/v1/service-sources", {**source, "authN": authentication})
    write(api, "POST", "/v1/consumers", full.consumer())
    write(api, "POST", "/v1/listeners", full.listener(free_port()))
    # Made against the order of their names: the older of two that rank equal goes first.
    write(api, "POST", "/v1/routes", route("z-older", ["*.plain.test"], "full.dns", "/same"))
    write(api, "POST", "/v1/routes", full.route())
    write(api, "POST", "/v1/routes", {**full.route(), "name": "mock", "mock": {**full.route()["mock"], "enabled": True}})
    return write(api, "POST", "/v1/routes", route("a-younger", ["*.plain.test"], "full.dns", "/same"))


def contents(document):
    """Without what tells of the export rather than of the configuration."""
    return {key: value for key, value in document.items() if key not in ("version", "sealed")}


@pytest.fixture
def installations(new_gateway):
    """Control planes, each with a sealing key of its own."""

    def make():
        gateway = new_gateway()
        gateway.start_control()
        gateway.api.initialize()
        return gateway

    return make


def apply_yaml(api, text, query=""):
    answer = api.session.post(
        f"{api.base}/v1/apply{query}",
        data=text.encode(),
        headers={"Content-Type": "application/yaml"},
        auth=(api.user, api.password),
    )
    assert answer.status_code == 200, answer.text[:2000]
    return answer.json()


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_every_field_of_every_kind_comes_back_elsewhere(installations, authority, form):
    here, there = installations().api, installations().api
    version = fill(here, authority)
    plain = export(here)
    if form == "json":
        sealed = here.expect(200, "POST", "/v1/export", {"passphrase": PASSPHRASE}).json()

        def put(api, query=""):
            return apply(api, {**sealed, "passphrase": PASSPHRASE}, query)
    else:
        text = here.expect(200, "POST", "/v1/export?format=yaml", {"passphrase": PASSPHRASE}).text
        sealed = yaml.safe_load(text)

        def put(api, query=""):
            return apply_yaml(api, re.sub("^passphrase: null$", f"passphrase: '{PASSPHRASE}'", text, flags=re.MULTILINE), query)

    assert contents(sealed) == contents(plain)

    # Of the first version are two listeners, which are there at other ports.
    assert len(put(there)["changes"]) == version + 1
    assert contents(export(there)) == contents(plain)
    assert there.get("/v1/route-tester/shadowed") == here.get("/v1/route-tester/shadowed"), "the order of creation"
    for query in ("", "?prune=true"):
        assert (put(there, query)["changes"], put(here, query)["changes"]) == ([], [])
    assert (there.get("/v1/versions")[0]["version"], here.get("/v1/versions")[0]["version"]) == ("2", str(version))

    # What comes from there, secrets and all, changes nothing here: so the secrets are the same, too.
    back = there.expect(200, "POST", "/v1/export", {"passphrase": PASSPHRASE}).json()
    assert apply(here, {**back, "passphrase": PASSPHRASE}, "?prune=true")["changes"] == []


def test_each_of_fifty_versions_comes_back_as_it_was(new_gateway, authority):
    seed = time.time_ns() % 1_000_000
    print("seed", seed)
    chance = random.Random(seed)
    gateway = new_gateway().start()
    api = gateway.api
    with EchoServer("first") as first, EchoServer("second") as second:
        history = History(api, authority, chance, (first, second))
        fill(api, authority)
        history.record()
        for _ in range(50):
            history.change()
            history.record()
        numbers = sorted(history.states)
        assert len(numbers) == 51
        for number in chance.sample(numbers, len(numbers)):
            api.expect(200, "POST", f"/v1/versions/{number}/rollback?wait=live&timeout=20s", {})
            document, marks = history.states[number]
            assert contents(export(api)) == document, f"version {number}"
            for at in range(History.ROUTES):
                assert history.ask(gateway, at) == marks.get(at, (404, None)), f"version {number}, route {at}"
        latest = export(api)
        gateway.control.stop()
        gateway.start_control()
        assert export(api) == latest
        assert api.get("/v1/audit?action=mint-history") == []
    gateway.stop()


class History:
    """Changes by chance, and what the configuration was after each: its export, and what the worker answers."""

    ROUTES = 4

    def __init__(self, api, authority, chance, echoes):
        self.api, self.chance, self.echoes = api, chance, echoes
        self.states, self.marks, self.count, self.backend = {}, {}, 0, 0
        self.identities = [authority.issue("full.test") for _ in range(2)]
        api.create_domain("turns.test")
        api.create_static("turns", echoes[0].port)
        self.ports = [free_port() for _ in range(3)]

    def record(self):
        document = export(self.api)
        backend = self.echoes[self.backend].name
        self.states[int(document["version"])] = (contents(document), {at: (200, f"{backend} {mark}") for at, mark in self.marks.items()})

    def change(self):
        self.count += 1
        kind = self.chance.choice(["route", "route", "route", "source", "consumer", "certificate", "domain", "registry", "listener"])
        match kind:
            case "route":
                self.change_route(self.chance.randrange(self.ROUTES))
            case "source":
                self.backend = 1 - self.backend
                self.put("service-sources/turns", domain=f"127.0.0.1:{self.echoes[self.backend].port}")
            case "registry":
                self.put("service-sources/nacos", authN={"enabled": True, "properties": {"nacosPassword": f"p{self.count}"}}, port=1000 + self.count)
            case "consumer":
                values = {"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": [f"value {self.count}"]}
                name = f"c{self.chance.randrange(3)}"
                if self.api.call("GET", f"/v1/consumers/{name}").status_code == 200:
                    write(self.api, "DELETE", f"/v1/consumers/{name}")
                else:
                    write(self.api, "POST", "/v1/consumers", {"name": name, "credentials": [values]})
            case "listener":
                current, other = self.api.get("/v1/listeners/full"), self.api.call("GET", "/v1/listeners/turned")
                if self.chance.random() < 0.4:
                    self.put("listeners/full", limits={**current["limits"], "maxConnections": 1000 + self.count})
                elif other.status_code == 200:
                    write(self.api, "DELETE", "/v1/listeners/turned")
                else:
                    made = {"name": "turned", "address": "127.0.0.1", "port": self.chance.choice(self.ports), "protocol": "http"}
                    write(self.api, "POST", "/v1/listeners", made)
            case "certificate":
                identity = self.identities[self.count % 2]
                before = self.api.get("/v1/tls-certificates/full")["version"]
                write(self.api, "PUT", "/v1/tls-certificates/full", {"name": "full", "cert": identity.chain, "key": identity.key})
                if self.api.get("/v1/tls-certificates/full")["version"] == before:
                    self.change_route(0)
            case "domain":
                current = self.api.get("/v1/domains/full.test")
                auth = {**current["clientAuth"], "depth": 1 + (current["clientAuth"]["depth"] + 1) % 9}
                self.put("domains/full.test", clientAuth=auth)

    def put(self, path, **changes):
        write(self.api, "PUT", f"/v1/{path}", {**self.api.get(f"/v1/{path}"), **changes})

    def change_route(self, at):
        if at in self.marks and self.chance.random() < 0.4:
            write(self.api, "DELETE", f"/v1/routes/turn-{at}")
            del self.marks[at]
            return
        mark = str(self.count)
        control = {"enabled": True, "response": {"set": [{"key": "x-mark", "value": mark}]}}
        body = route(f"turn-{at}", ["turns.test"], "turns.static", f"/{at}", headerControl=control)
        if at in self.marks:
            write(self.api, "PUT", f"/v1/routes/turn-{at}", body)
        else:
            write(self.api, "POST", "/v1/routes", body)
        self.marks[at] = mark

    @staticmethod
    def ask(gateway, at):
        with Wire.connect(gateway.http_port) as wire:
            answer = wire.request("GET", f"/{at}", "turns.test")
        if answer.status != 200:
            return answer.status, None
        return answer.status, f"{answer.get('x-backend')} {answer.get('x-mark')}"
