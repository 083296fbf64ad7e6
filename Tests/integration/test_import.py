"""Kubernetes manifests in, real traffic through what came of them: Ingresses of ingress-nginx and of Higress, their Secrets, Services and
McpBridges, and a word on whatever was not taken over as it is."""

import json
import time

import pytest
import yaml

from integration import manifests as k8s
from integration.manifests import MCP_BRIDGE, Importer, backend, bridge, endpoints, ingress, nginx, path, report, service
from integration.routing import ask, send, who
from integration.site import Site
from integration.test_versions import whole
from peers.http1 import EchoServer
from peers.protos import Greeter, HelloRequest
from peers.wire import Wire, tls_context

# Nine lines of YAML that stand for a thousand million values.
LAUGHS = "l0: &l0 x\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))


class Imported(Site):
    """A host that an import made."""

    def __init__(self, gateway, authority, host):
        self.gateway, self.authority, self.host = gateway, authority, host


@pytest.fixture
def own(new_gateway):
    """A gateway of a test's own, running."""
    return new_gateway().start()


@pytest.fixture
def control(new_gateway):
    """A control plane alone."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    return gateway.api


@pytest.fixture
def echoes():
    made = {name: EchoServer(name) for name in ("stable", "canary", "old", "fallback")}
    yield made
    for each in made.values():
        each.stop()


# ---- whole manifests


def shop(identity, echoes, grpc_port, ws_port):
    """What a shop behind ingress-nginx has: gRPC, WebSocket, a canary pair, a rewrite, an allow list, one certificate."""
    tls = {"shop.test": "shop-tls"}
    return [
        k8s.tls_secret("shop-tls", identity, "shop"),
        *(
            each
            for name, port in [
                ("web", echoes["stable"].port),
                ("web-canary", echoes["canary"].port),
                ("legacy", echoes["old"].port),
                ("chat", ws_port),
            ]
            for each in (service(name, namespace="shop"), endpoints(name, port, namespace="shop"))
        ),
        service("greeter", 50051, "shop", "grpc"),
        *k8s.slice_of("greeter", grpc_port, namespace="shop", port_name="grpc"),
        ingress(
            "web",
            {
                "shop.test": [
                    path("/", backend("web", "http")),
                    path("/exact", backend("legacy"), "Exact"),
                    path("/impl", backend("legacy"), "ImplementationSpecific"),
                ]
            },
            "shop",
            "nginx",
            nginx(proxy_body_size="8m", proxy_read_timeout="30"),
            tls,
        ),
        ingress(
            "web-canary",
            {"shop.test": [path("/", backend("web-canary", "http"))]},
            "shop",
            "nginx",
            nginx(canary="true", canary_by_header="x-canary"),
        ),
        ingress(
            "greeter",
            {"shop.test": [path("/helloworld.Greeter/", backend("greeter", "grpc"))]},
            "shop",
            "nginx",
            nginx(backend_protocol="GRPC"),
            tls,
        ),
        ingress(
            "legacy",
            {"shop.test": [path("/old(/|$)(.*)", backend("legacy"), "ImplementationSpecific")]},
            "shop",
            "nginx",
            nginx(rewrite_target="/v1/$2", use_regex="true"),
            tls,
        ),
        ingress(
            "office",
            {"*.office.test": [path("/", backend("web"))]},
            "shop",
            "nginx",
            nginx(whitelist_source_range="192.0.2.0/24"),
        ),
        ingress("chat", {"chat.test": [path("/chat", backend("chat"))]}, "shop", "nginx"),
    ]


def test_a_shop_behind_ingress_nginx_is_served_as_before(own, authority, echoes, grpc_server, ws_server):
    importer = Importer(own.api)
    objects = shop(authority.issue("shop.test"), echoes, grpc_server.port, ws_server.port)
    answer = importer(*objects)
    made = {(each["kind"], each["name"]): each for each in answer["objects"]}
    assert {each["action"] for each in made.values()} == {"create"}
    assert made["route", "shop.web-2"]["from"] == [
        {"document": 12, "kind": "Ingress", "name": "web", "namespace": "shop"}
    ]
    assert {name for kind, name in made if kind == "route"} == {
        "shop.web", "shop.web-2", "shop.web-3", "shop.web-canary", "shop.greeter", "shop.legacy", "shop.office", "shop.chat"
    }  # fmt: skip
    assert {name for kind, name in made if kind == "service-source"} == {
        f"shop-{name}" for name in ("web-80", "web-canary-80", "legacy-80", "chat-80", "greeter-50051")
    }
    assert own.api.get("/v1/domains/shop.test")["enableHttps"] == "force", "as ingress-nginx redirects"

    at = Imported(own, authority, "shop.test")
    with at.channel() as channel:
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10).message == "Hello, you!"
    with Imported(own, authority, "chat.test").websocket("/chat", tls=False) as ws:
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"
    assert send(own, "shop.test", "/").status == 308

    def asked(target, *fields):
        got = json.loads(at.get(target, *fields, tls=True).body)
        return got["backend"], got["target"]

    assert asked("/") == ("stable", "/")
    assert asked("/x", ("X-Canary", "always")) == ("canary", "/x")
    assert asked("/x", ("X-Canary", "never")) == ("stable", "/x")
    assert asked("/exact")[0] == "old" and asked("/exact/more")[0] == "stable"
    assert asked("/impl/more")[0] == "old" and asked("/implied")[0] == "stable"
    assert asked("/old/a/b?c=d") == ("old", "/v1/a/b?c=d") and asked("/OLD/a") == ("old", "/v1/a")
    assert [send(own, f"{host}.office.test", "/").status for host in ("a", "b")] == [403, 403]

    told = report(answer)
    assert "no effect" in told["Ingress", "web", f"metadata.annotations[{k8s.NGINX}proxy-body-size]"]
    assert "Prefix" in told["Ingress", "web", "spec.rules[0].http.paths[2].pathType"]
    assert "redirects to HTTPS" in told["Ingress", "web", "spec.tls"]
    assert report(answer, "refused") == {}
    assert told["EndpointSlice", "greeter-0", "endpoints[1]"] == "Is not ready."
    assert told["Service", "greeter", "spec.selector"] == "Has no meaning here; it is left out."

    again = importer(*objects)
    assert again["version"] == answer["version"] and again["changes"] == []
    assert {each["action"] for each in again["objects"]} == {"unchanged"} and again["report"] == answer["report"]


def console(identity, echoes):
    """What Higress's console writes, with its registries."""
    rows = [("v1", echoes["stable"].port), ("v2", echoes["canary"].port), ("spare", echoes["fallback"].port)]
    owner = {"higress.io/resource-definer": "higress", "higress.io/domain_api.test": "true", "team": "blue"}
    return [
        k8s.tls_secret("api", identity, "higress-system"),
        bridge(
            *({"name": name, "type": "static", "domain": f"127.0.0.1:{port}", "port": 80} for name, port in rows),
            {"name": "local", "type": "dns", "domain": "localhost", "port": echoes["old"].port, "protocol": "http"},
            {
                "name": "names",
                "type": "nacos2",
                "domain": "nacos.test",
                "port": 8848,
                "nacosGroups": ["DEFAULT_GROUP"],
                "authSecretName": "names-auth",
            },
        ),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": k8s.metadata("names-auth", "higress-system"),
            "stringData": {"nacosUsername": "user", "nacosPassword": "never told"},
        },
        ingress(
            "api",
            {host: [path("/v", MCP_BRIDGE)] for host in ("api.test", "api2.test")},
            "higress-system",
            "higress",
            {
                "higress.io/destination": "100% v1.static:80\n0% v2.static:80",
                "higress.io/ignore-path-case": "true",
                "higress.io/ssl-redirect": "true",
                "higress.io/match-method": "GET POST",
                "higress.io/exact-match-header-x-who": "me",
                "higress.io/prefix-match-query-page": "1",
                "higress.io/rewrite-path": "/w",
                "higress.io/upstream-vhost": "inner.test",
                "higress.io/request-header-control-add": 'x-added one\nx-quoted "two three"',
                "higress.io/response-header-control-update": "x-seen yes",
                "higress.io/enable-cors": "true",
                "higress.io/cors-allow-origin": "https://a.test, https://b.test",
                "higress.io/enable-proxy-next-upstream": "true",
                "higress.io/proxy-next-upstream": "error,timeout",
                "higress.io/proxy-next-upstream-tries": "2",
                "higress.io/timeout": "20",
                "higress.io/comment": "made by hand",
            },
            {"api.test": "api", "api2.test": "api"},
            owner,
        ),
        ingress(
            "local",
            {"local.test": [path("/", MCP_BRIDGE)]},
            "higress-system",
            "higress",
            {"higress.io/destination": f"local.dns:{echoes['old'].port}"},
        ),
    ]


def test_routes_of_higress_console_come_as_its_fields(own, authority, echoes):
    importer = Importer(own.api)
    objects = console(authority.issue("api.test"), echoes)
    answer = importer(*objects)
    route = own.api.get("/v1/routes/api")
    assert route["domains"] == ["api.test", "api2.test"] and route["customLabels"] == {"team": "blue"}
    assert route["path"] == {"matchType": "PRE", "matchValue": "/v", "caseSensitive": False}
    assert [(each["name"], each["weight"]) for each in route["services"]] == [("v1.static", 100), ("v2.static", 0)]
    assert route["methods"] == ["GET", "POST"] and route["headers"][0]["matchValue"] == "me"
    assert route["urlParams"][0]["matchType"] == "PRE"
    assert route["rewrite"] == {"enabled": True, "path": "/w", "host": "inner.test"}
    assert route["headerControl"]["request"]["add"][1] == {"key": "x-quoted", "value": "two three"}
    assert route["headerControl"]["response"]["set"] == [{"key": "x-seen", "value": "yes"}]
    assert route["cors"]["allowOrigins"] == ["https://a.test", "https://b.test"]
    assert route["proxyNextUpstream"] == {
        "enabled": True, "attempts": 2, "timeout": None, "conditions": ["error", "timeout"]
    }  # fmt: skip
    assert route["customConfigs"] == {"higress.io/timeout": "20"}
    assert {own.api.get(f"/v1/domains/{host}")["enableHttps"] for host in ("api.test", "api2.test")} == {"force"}
    assert own.api.get("/v1/service-sources/names")["authN"]["enabled"] is True
    assert "never told" not in json.dumps(answer) + own.api.expect(200, "GET", "/v1/service-sources").text
    told = report(answer)
    assert "not asked for services" in told["McpBridge", "default", "spec.registries[4].type"]
    assert "console" in told["Ingress", "api", "metadata.annotations[higress.io/comment]"]

    at = Imported(own, authority, "api.test")
    got = at.get("/V/a?page=12", ("X-Who", "me"), tls=True)
    assert got.status == 200 and got.get("x-seen") == "yes"
    saw = json.loads(got.body)
    assert (saw["backend"], saw["target"], saw["host"]) == ("stable", "/w/a?page=12", "inner.test")
    assert ["x-quoted", "two three"] in saw["headers"]
    assert at.get("/v/a?page=12", tls=True).status == 404 and who(own, "local.test", "/") == "old"
    assert importer(*objects)["changes"] == []
    exported = own.api.session.get(f"{own.api.base}/v1/export", auth=(own.api.user, own.api.password)).json()
    assert own.api.expect(200, "POST", "/v1/apply?prune=true", exported).json()["changes"] == []


def test_proxies_of_a_bridge_are_proxy_servers(own):
    importer = Importer(own.api)
    proxy = {"name": "egress", "type": "HTTP", "serverAddress": "10.0.0.1", "serverPort": 3128, "connectTimeout": 700, "listenerPort": 50001}
    far = {"name": "far", "type": "dns", "domain": "far.test", "port": 443, "protocol": "https", "proxyName": "egress"}
    lost = {**far, "name": "lost", "proxyName": "nobody"}
    wrong = {**proxy, "name": "wrong", "serverPort": 0}
    answer = importer(bridge(far, lost, proxies=[proxy, wrong]), status=400)
    assert "no proxy server named nobody" in json.dumps(answer) and "serverPort" in json.dumps(answer)
    answer = importer(bridge(far, proxies=[proxy]))
    assert [(each["kind"], each["name"]) for each in answer["objects"]] == [("proxy-server", "egress"), ("service-source", "far")]
    assert own.api.get("/v1/proxy-servers/egress")["connectTimeout"] == 700
    assert own.api.get("/v1/service-sources/far")["proxyName"] == "egress"


def test_weights_move_requests(own, echoes):
    body = console_weights(echoes, "100", "0"), console_weights(echoes, "0", "100")
    importer = Importer(own.api)
    importer(*body[0])
    assert {who(own, "w.test", "/") for _ in range(10)} == {"stable"}
    refused = importer(*body[1], status=409)
    assert refused["errors"][0]["field"] == "route w" and "overwrite=true" in refused["message"]
    assert {each["name"]: each["action"] for each in refused["objects"]}["w"] == "conflict"
    assert {who(own, "w.test", "/") for _ in range(10)} == {"stable"}, "nothing was saved"
    preview = importer(*body[1], query="?dryRun=true&overwrite=true")
    assert [each["name"] for each in preview["data"]["changes"]] == ["w"]
    done = importer(*body[1], query="?overwrite=true&wait=live&timeout=20s")
    assert [each["action"] for each in done["changes"]] == ["update"]
    assert {who(own, "w.test", "/") for _ in range(10)} == {"canary"}


def console_weights(echoes, first, second):
    registries = [("v1", echoes["stable"].port), ("v2", echoes["canary"].port)]
    return [
        bridge(*({"name": name, "type": "static", "domain": f"127.0.0.1:{port}", "port": 80} for name, port in registries)),
        ingress(
            "w",
            {"w.test": [path("/", MCP_BRIDGE)]},
            annotations={"higress.io/destination": f"{first}% v1.static:80\n{second}% v2.static:80"},
        ),
    ]


def test_default_backends_and_fallbacks(own, echoes):
    objects = [
        *(
            each
            for name, echo in [("main", "stable"), ("rest", "fallback")]
            for each in (service(name), endpoints(name, echoes[echo].port))
        ),
        service("gone"),
        endpoints("gone", 1),
        ingress("main", {"main.test": [path("/main", backend("main"))]}, defaultBackend=backend("rest")),
        ingress(
            "weak",
            {"weak.test": [path("/", backend("gone"))]},
            annotations={"higress.io/default-backend": "rest"},
        ),
    ]
    answer = Importer(own.api)(*objects)
    assert {each["name"] for each in answer["objects"] if each["kind"] == "route"} == {"main", "main-default", "weak"}
    assert who(own, "main.test", "/main") == "stable"
    assert who(own, "main.test", "/other") == "fallback" and who(own, "elsewhere.test", "/main") == "fallback"
    weak = own.api.get("/v1/routes/weak")["customConfigs"]
    assert list(weak.values()) == ["default-rest-80.static"]


def test_client_certificates_and_tls_to_services(own, authority, tmp_path):
    from integration.certificates import Authority

    people = Authority(tmp_path / "people", "People CA")
    inner = authority.issue("inner.test")
    with EchoServer("inner", tls=server_context(inner, authority)) as server:
        objects = [
            k8s.tls_secret("edge", authority.issue("edge.test")),
            k8s.ca_secret("people", people.cert),
            {**k8s.ca_secret("inner", authority.cert)},
            service("inner"),
            endpoints("inner", server.port),
            ingress(
                "edge",
                {"edge.test": [path("/", backend("inner"))]},
                class_name="nginx",
                annotations=nginx(
                    auth_tls_secret="default/people",
                    auth_tls_verify_client="on",
                    backend_protocol="HTTPS",
                    proxy_ssl_secret="default/inner",
                    proxy_ssl_verify="on",
                    proxy_ssl_name="inner.test",
                    proxy_ssl_server_name="on",
                ),
                tls={"edge.test": "edge"},
            ),
        ]
        answer = Importer(own.api)(*objects)
        assert report(answer, "refused") == {}
        source = own.api.get("/v1/service-sources/default-inner-80")
        assert source["tlsVerify"] and source["sni"] == "inner.test" and source["tlsCa"] == authority.cert
        domain = own.api.get("/v1/domains/edge.test")
        assert domain["clientAuth"]["mode"] == "required" and domain["clientAuth"]["depth"] == 1
        alice = people.issue("alice", san=None)
        context = tls_context(("http/1.1",))
        context.load_cert_chain(alice.path, alice.key_path)
        import socket

        with socket.create_connection(("127.0.0.1", own.https_port), 10) as sock:
            with Wire(context.wrap_socket(sock, server_hostname="edge.test")) as wire:
                assert json.loads(wire.request("GET", "/", "edge.test").body)["backend"] == "inner"


def server_context(identity, authority):
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(identity.path, identity.key_path)
    return made


# ---- what is not saved


def test_a_dry_run_changes_nothing(control, authority, echoes):
    objects = shop(authority.issue("shop.test"), echoes, 1, 2)
    before = whole(control)
    answer = Importer(control)(*objects, query="?dryRun=true")
    assert answer["success"] and answer["data"]["dryRun"] and answer["data"]["version"] == "2"
    assert {each["name"] for each in answer["data"]["changes"]} == {each["name"] for each in answer["objects"]}
    assert answer["report"] and whole(control) == before and len(control.get("/v1/versions")) == 1
    assert "PRIVATE KEY" not in json.dumps(answer)


def test_what_is_refused_is_named_and_nothing_saved(control):
    objects = [
        {**ingress("old", {"a.test": [path("/", backend("web"))]}), "apiVersion": "networking.k8s.io/v1beta1"},
        {**ingress("older", {"a.test": [path("/", backend("web"))]}), "apiVersion": "extensions/v1beta1"},
        ingress("named", {"b.test": [path("/", backend("web", "http"))]}),
        ingress("kind", {"b.test": [{"path": "/", "backend": backend("web")}]}),
        ingress("class", {"b.test": [path("/", MCP_BRIDGE)]}),
        ingress("nacos", {"b.test": [path("/", MCP_BRIDGE)]}, annotations={"higress.io/destination": "a.g.n.nacos:80"}),
        ingress("ranges", {"c.test": [path("/", backend("web"))]}, annotations=nginx(whitelist_source_range="here")),
        ingress("flag", {"c.test": [path("/", backend("web"))]}, annotations=nginx(use_regex=True)),
        ingress("tls", {"d.test": [path("/", backend("web"))]}, tls={"d.test": "nowhere"}),
        ingress("good", {"e.test": [path("/", backend("web"))]}),
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": k8s.metadata("bad"),
         "data": {"tls.crt": "AA==", "tls.key": "!"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": k8s.metadata("web"), "spec": {"replicas": 2}},
    ]  # fmt: skip
    importer = Importer(control)
    answer = importer(*objects, status=400)
    assert answer["code"] == "invalid_fields" and "Nothing was saved" in answer["message"]
    told = report(answer, "refused")
    for name in ("old", "older"):
        assert "networking.k8s.io/v1" in told["Ingress", name, "apiVersion"]
    assert "is not in the body" in told["Ingress", "named", "spec.rules[0].http.paths[0].backend.service"]
    assert "pathType" in " ".join(path for _, name, path in told if name == "kind")
    assert "destination" in told["Ingress", "class", "spec.rules[0].http.paths[0].backend"]
    assert "registries" in told["Ingress", "nacos", "metadata.annotations[higress.io/destination]"]
    assert "here" in told["Ingress", "ranges", f"metadata.annotations[{k8s.NGINX}whitelist-source-range]"]
    assert "quotes" in told["Ingress", "flag", f"metadata.annotations[{k8s.NGINX}use-regex]"]
    assert "kubectl get secret" in told["Ingress", "tls", "spec.tls[0].secretName"]
    assert any(name == "bad" for _, name, _ in told)
    assert report(answer, "ignored")["Deployment", "web", ""]
    assert {each["field"].split(":")[0] for each in answer["errors"]} >= {"Ingress default/old", "Secret default/bad"}
    assert {each["action"] for each in answer["objects"]} == {None} and len(control.get("/v1/versions")) == 1

    part = importer(*objects, query="?partial=true")
    assert {each["name"] for each in part["objects"] if each["kind"] == "route"} == {"good"}
    assert report(part, "refused") == told
    assert "web.default.svc.cluster.local:80" in report(part, "changed")[
        "Ingress", "good", "spec.rules[0].http.paths[0].backend.service"
    ]


def test_bodies_that_cannot_be_read(control):
    importer = Importer(control)
    twice = [ingress("a", {"a.test": [path("/", backend("web"))]})] * 2
    for body, words in [
        ("", "no Kubernetes object"), ("---\n---\n", "no Kubernetes object"), ("a: [", "not valid YAML"), (LAUGHS, "aliases"),
        ("a: b\na: c\n", "uplicat"), ("- 1", "must be a Kubernetes object"), ("a: b", "apiVersion and kind"),
        ("apiVersion: v1\nkind: Secret\n", "metadata.name"), ("apiVersion: v1\nkind: List\nitems: 1\n", "items"),
        ("[" * 100 + "]" * 100, "nested"), (twice, "stands twice"), (b"\xff\xfe", ""),
    ]:  # fmt: skip
        answer = importer.send(body)
        assert answer.status_code == 400 and words.lower() in answer.json()["message"].lower(), (body, answer.text)
    deep = {"kind": "List", "apiVersion": "v1", "items": []}
    for _ in range(10):
        deep = {"kind": "List", "apiVersion": "v1", "items": [deep]}
    assert importer.send([deep]).status_code == 400
    assert importer.send("x" * (65 << 20)).status_code == 413
    assert importer.send("a", kind="text/plain").status_code == 415
    for query in ("dryRun=maybe", "overwrite=1", "partial=x", "namespace=a/b", "wait=never", "clusterDomain=.x"):
        answer = importer.send(twice[:1], f"?{query}")
        assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == query.split("=")[0]
    assert len(control.get("/v1/versions")) == 1, "that of the listeners"


def test_what_nobody_knows_is_told_wherever_it_stands(control):
    objects = [
        service("web", sessionAffinity="ClientIP"),
        endpoints("web", 8080),
        ingress(
            "a",
            {"a.test": [path("/", backend("web"))]},
            annotations={**nginx(server_snippet="x", auth_url="http://x"), "cert-manager.io/cluster-issuer": "le"},
        ),
    ]
    objects[0]["metadata"] |= {"uid": "1", "resourceVersion": "2", "labels": {"app": "web"}}
    objects[2]["spec"]["unknown"] = {"deep": [1, {"leaf": True}]}
    objects[2]["spec"]["rules"][0]["http"]["paths"][0]["odd"] = "x"
    objects[2]["status"] = {"loadBalancer": {}, "x": 1}
    told = report(Importer(control)({"apiVersion": "v1", "kind": "List", "items": objects}), "ignored")
    assert {place for kind, _, place in told if kind == "Service"} == {
        "items[0].metadata", "items[0].metadata.labels", "items[0].spec.selector", "items[0].spec.sessionAffinity"
    }  # fmt: skip
    annotations = "items[2].metadata.annotations"
    assert {place for kind, _, place in told if kind == "Ingress"} == {
        f"{annotations}[{k8s.NGINX}server-snippet]", f"{annotations}[{k8s.NGINX}auth-url]",
        f"{annotations}[cert-manager.io/cluster-issuer]", "items[2].spec.unknown", "items[2].status",
        "items[2].spec.rules[0].http.paths[0].odd",
    }  # fmt: skip


def test_a_service_without_addresses_waits_for_them(control, echoes):
    importer = Importer(control)
    objects = [service("web"), ingress("a", {"a.test": [path("/", backend("web"))]})]
    first = importer(*objects)
    source = control.get("/v1/service-sources/default-web-80")
    assert (source["type"], source["domain"], source["port"]) == ("dns", "web.default.svc.cluster.local", 80)
    assert importer(*objects)["report"] == first["report"], "as long as it has none"
    source |= {"domain": "web.internal.test", "port": 8080}
    control.put("/v1/service-sources/default-web-80", source, live=False)
    again = importer(*objects)
    assert again["changes"] == [] and report(again, "changed") == {}, "what somebody gave it stays"
    other = importer(*objects, query="?namespace=default&clusterDomain=k8s.test&dryRun=true")
    assert other["data"]["changes"] == []


def test_thousands_of_objects_at_once(control):
    hosts = [f"h{n}.test" for n in range(3000)]
    objects = [service("web"), endpoints("web", 8080)]
    objects += [ingress(f"i{n}", {host: [path("/", backend("web"))]}) for n, host in enumerate(hosts)]
    answer = importer_of_json(control, objects)
    assert len(answer["changes"]) == 6001 and answer["report"]
    assert importer_of_json(control, objects)["changes"] == []


def importer_of_json(api, objects):
    begun = time.monotonic()
    answer = Importer(api).send({"apiVersion": "v1", "kind": "List", "items": objects}, kind="application/json")
    assert answer.status_code == 200, answer.text[:2000]
    # A second on a quiet machine; what grows with the square of them takes minutes.
    assert time.monotonic() - begun < 20
    return answer.json()


def test_clients_without_certificates_are_not_let_in_by_a_part_of_an_import(control, authority, tmp_path):
    people = authority.cert
    objects = [
        k8s.ca_secret("people", people),
        service("web"),
        endpoints("web", 8080),
        ingress("edge", {"edge.test": [path("/", backend("web"))]}, annotations=nginx(auth_tls_secret="people")),
        ingress("also", {"edge.test": [path("/x", backend("web"))]}),
        ingress("other", {"other.test": [path("/", backend("web"))]}),
    ]
    assert "edge.test" in Importer(control)(*objects, status=400)["message"]
    part = Importer(control)(*objects, query="?partial=true")
    assert [each["name"] for each in part["changes"]] == ["default-web-80", "other.test", "other"]


def test_classes_and_json(control):
    importer = Importer(control)
    objects = [
        service("web"),
        endpoints("web", 8080),
        ingress("a", {"a.test": [path("/", backend("web"))]}, class_name="nginx"),
        ingress("b", {"b.test": [path("/", backend("web"))]}, annotations={"kubernetes.io/ingress.class": "higress"}),
        ingress("c", {"c.test": [path("/", backend("web"))]}),
    ]
    body = {"apiVersion": "v1", "kind": "List", "items": objects}
    answer = importer.send(body, "?ingressClass=higress,other", kind="application/json").json()
    assert [each["name"] for each in answer["objects"]] == ["default-web-80", "b.test", "b"]
    told = report(answer, "ignored")
    assert told["Ingress", "a", "items[2]"] == "Its class is nginx." and "no class" in told["Ingress", "c", "items[4]"]


def test_an_import_is_an_editors_and_in_the_audit(control, authority, echoes):
    control.expect(201, "POST", "/v1/users", {"name": "eve", "password": "a long password", "role": "viewer"})
    objects = [service("web"), endpoints("web", 8080), ingress("a", {"a.test": [path("/", backend("web"))]})]
    importer = Importer(control)
    user, password = control.user, control.password
    control.user, control.password = "eve", "a long password"
    assert importer.send(objects).status_code == 403
    control.user, control.password = user, password
    answer = importer(*objects)
    entries = control.get("/v1/audit")
    assert [each["actor"] for each in entries if each.get("version") == answer["version"] or "a.test" in json.dumps(each)]


def test_yaml_of_kubectl_is_read(control):
    """Block scalars, comments, lists in lists, and times that look like numbers."""
    body = """
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
# one
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata:
    name: a
    creationTimestamp: "2026-01-01T00:00:00Z"
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"a": 1}
      higress.io/destination: |
        web.shop.svc.cluster.local:80
  spec:
    rules:
    - host: A.test
      http:
        paths:
        - {path: /, pathType: Prefix, backend: {resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}}}
"""
    answer = Importer(control).send(body).json()
    assert [each["name"] for each in answer["objects"]] == ["shop-web-80", "a.test", "a"]
    assert yaml.safe_load(body)["items"][0]["metadata"]["name"] == "a"


def leaves(value, place=""):
    """Every value of a document that holds no others, with its place as the report writes it."""
    if isinstance(value, dict):
        for key, each in value.items():
            step = f"[{key}]" if not key.isalnum() else f".{key}" if place else key
            yield from leaves(each, place + step)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, f"{place}[{index}]")
    else:
        yield place, value


def changed(value, place, leaf=""):
    """A copy whose leaf at `place` is another."""
    if isinstance(value, dict):
        return {
            key: changed(each, place, leaf + (f"[{key}]" if not key.isalnum() else f".{key}" if leaf else key))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [changed(each, place, f"{leaf}[{index}]") for index, each in enumerate(value)]
    if leaf != place:
        return value
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"


# Where pods listen says nothing once it is known where they are; a console finds its own routes again by labels; a class counts where
# one is asked for; and a Secret that an Ingress names is what it holds, whatever it calls itself.
SAYS_NOTHING = ("targetPort", "[higress.io/domain_api.test]", "ingressClassName", "type")


@pytest.mark.parametrize("kind", ["shop", "console"])
def test_each_leaf_acts_or_is_told(control, authority, echoes, kind):
    """Whatever is changed in a manifest changes what is made of it or what is said of it, or stands in the report already."""
    identity = authority.issue("shop.test", "api.test")
    objects = shop(identity, echoes, 1001, 1002) if kind == "shop" else console(identity, echoes)
    importer = Importer(control)

    def told(objects):
        answer = importer.send(objects, "?dryRun=true&partial=true")
        assert answer.status_code in (200, 400), answer.text
        return answer.json()

    base = told(objects)
    spoken = [(each["document"], each["path"]) for each in base["report"]]
    count, silent = 0, []
    for number, document in enumerate(objects):
        for place, _ in leaves(document):
            count += 1
            if place.endswith(SAYS_NOTHING[:3]) or place == SAYS_NOTHING[3]:
                continue
            if any(number + 1 == at and place.startswith(path) for at, path in spoken):
                continue
            other = [changed(each, place) if index == number else each for index, each in enumerate(objects)]
            if told(other) == base:
                silent.append(f"{document['kind']} {document['metadata']['name']}: {place}")
    assert not silent, "\n".join(silent)
    assert count > 90
