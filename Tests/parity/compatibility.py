#!/usr/bin/env python3
"""What of the Higress console's API works here: docs/higress-compatibility.md is made from these rows, and test_compatibility.py has a
test for each. A row that is wrong fails, and so does a document that says something else.

usage: compatibility.py            prints what differs and ends with 1 when something does
       compatibility.py --write    writes the tables; the words around them stay
"""

import dataclasses
import difflib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from parity.annotations import BOTH, TABLE  # noqa: E402

DOCUMENT = HERE.parent.parent / "docs/higress-compatibility.md"
WORKS, DIFFERS, NOT_SERVED = "works", "differs on purpose", "not served"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """`shape` of the answer: one, list, raw, done (an envelope with nothing), empty, text."""

    method: str
    path: str
    shape: str = ""
    why: str = ""  # differs on purpose
    missing: str = ""  # not served

    @property
    def verdict(self):
        return NOT_SERVED if self.missing else DIFFERS if self.why else WORKS

    @property
    def name(self):
        return f"{self.method} {self.path}"


def _endpoints():
    yield Endpoint("GET", "/healthz/ready", "text")
    yield Endpoint("GET", "/landing", "text")
    yield Endpoint("POST", "/system/init", "done", "a second time is 409, not 500; from another machine it needs a code")
    yield Endpoint("GET", "/system/info", "raw")
    yield Endpoint("GET", "/system/config", "one")
    settings = "there is no ConfigMap: `causeway-control --setting`, and the fields of routes and sources"
    for method in ("GET", "PUT"):
        yield Endpoint(method, "/system/higress-config", missing=settings)
    yield Endpoint("POST", "/session/login", "raw", "sessions end with logout and a change of password; wrong passwords are slowed down")
    yield Endpoint("GET", "/session/logout", "done")
    yield Endpoint("GET", "/user/info", "one")
    yield Endpoint("POST", "/user/changePassword", "done", "ends every session of the account; 403, not 500, where it is switched off")

    in_use = "in use is 409, not 500, and names who uses it; an unknown name is 404, not 204"
    page = "past the last page is an empty list, not 500"
    unknown = "an unknown name is 404, not 500"
    for path, noun, writes in [
        ("/v1/domains", "domain", "name, mode and certificate are checked"),
        ("/v1/tls-certificates", "certificate", "the PEM is checked: key, chain, dates"),
        ("/v1/routes", "route", "what it names must exist; no half-saved `authConfig`"),
        ("/v1/service-sources", "service source", "the protocol is checked"),
        ("/v1/consumers", "consumer", "a name that exists is 409; secrets do not come back"),
        ("/v1/proxy-servers", "proxy server", "the field that is wrong is named"),
    ]:
        put = {
            "/v1/tls-certificates": f"without PEM the stored one stays; {unknown}",
            "/v1/service-sources": "an unknown name is 404: PUT makes nothing; a stale `version` is 409",
            "/v1/consumers": "an unknown name is 404: PUT makes nothing; a stale `version` is 409",
            "/v1/proxy-servers": "an unknown name is 404: PUT makes nothing; a stale `version` is 409",
        }.get(path, unknown)
        delete = {"/v1/routes": "an unknown name is 404, not 204"}.get(path, in_use)
        yield Endpoint("GET", path, "list", page)
        yield Endpoint("POST", path, "raw", writes)
        yield Endpoint("GET", f"{path}/{{name}}", "one")
        yield Endpoint("PUT", f"{path}/{{name}}", "raw", put)
        yield Endpoint("DELETE", f"{path}/{{name}}", "empty", delete)
        if path == "/v1/domains":
            yield Endpoint("GET", "/v1/domains/{name}/routes", "list", page)
    yield Endpoint("GET", "/v1/services", "list", "only of static, dns and file sources: there is no Kubernetes, and no registry is asked")

    dashboard = "metrics are Prometheus text at the worker, for a Grafana of one's own"
    for method, path in [
        ("GET", "/dashboard/init"),
        ("GET", "/dashboard/info"),
        ("PUT", "/dashboard/info"),
        ("GET", "/dashboard/configData"),
        ("GET", "/grafana/d/x"),
    ]:
        yield Endpoint(method, path, missing=dashboard)
    plugins = "no WebAssembly: fields of routes and consumers do what key-auth, basic-auth, jwt-auth, ip-restriction, cors and custom-response do"
    for method, path in [
        ("GET", "/v1/wasm-plugins"),
        ("POST", "/v1/wasm-plugins"),
        ("GET", "/v1/wasm-plugins/{name}"),
        ("PUT", "/v1/wasm-plugins/{name}"),
        ("DELETE", "/v1/wasm-plugins/{name}"),
        ("GET", "/v1/wasm-plugins/{name}/config"),
        ("GET", "/v1/wasm-plugins/{name}/readme"),
    ]:
        yield Endpoint(method, path, missing=plugins)
    for level in ("/v1/global", "/v1/domains/{name}", "/v1/routes/{name}", "/v1/services/{name}"):
        yield Endpoint("GET", f"{level}/plugin-instances", missing=plugins)
        for method in ("GET", "PUT", "DELETE"):
            yield Endpoint(method, f"{level}/plugin-instances/{{name}}", missing=plugins)
    for path in ("/v1/ai/routes", "/v1/ai/providers"):
        yield Endpoint("GET", path, missing="no AI gateway")
    for method in ("GET", "PUT"):
        yield Endpoint(method, "/v1/mcpServer", missing="no MCP servers")


ENDPOINTS = list(_endpoints())


@dataclasses.dataclass(frozen=True)
class Field:
    """`given` is sent, `shown` is read back (the same where it is left out). `outcome`: kept, refused, warned, shown (read-only)."""

    model: str
    name: str
    given: object = None
    outcome: str = "kept"
    shown: object = None
    why: str = ""
    missing: str = ""

    @property
    def verdict(self):
        return NOT_SERVED if self.missing else DIFFERS if self.why else WORKS

    @property
    def label(self):
        return f"{self.model}.{self.name}"


def _fields():
    """Names as in the JSON; a dot goes into an object, `[]` into the first of a list."""
    domain = "Domain"
    yield Field(domain, "name", "row.example.com", why="a host name in lower case, or one with a leading `*.`")
    yield Field(domain, "version", outcome="shown", why="the number of the saved version that last wrote it")
    yield Field(domain, "enableHttps", "on", why="other values than off, on, force are refused; on and force need a certificate")
    yield Field(domain, "certIdentifier", "row", why="must exist")

    certificate = "TlsCertificate"
    yield Field(certificate, "name", "row-2")
    yield Field(certificate, "version", outcome="shown", why="the number of the saved version that last wrote it")
    yield Field(certificate, "cert", outcome="hidden")
    yield Field(certificate, "key", outcome="hidden")
    yield Field(certificate, "domains", outcome="shown")
    yield Field(certificate, "validityStart", outcome="shown", why="in UTC, as its Z says")
    yield Field(certificate, "validityEnd", outcome="shown", why="in UTC, as its Z says")

    route = "Route"
    yield Field(route, "name", "row.route-1")
    yield Field(route, "version", outcome="shown", why="the number of the saved version that last wrote it")
    yield Field(route, "domains", ["row.test"], why="must exist; routes of several domains of different modes are taken")
    yield Field(route, "path.matchType", "REGULAR", why="any letter case is taken; absence of `path` is 400, not 500")
    yield Field(route, "path.matchValue", "/row")
    yield Field(route, "path.caseSensitive", False)
    yield Field(route, "methods", ["GET", "CONNECT"], why="unknown methods are refused, not dropped")
    for name in ("headers", "urlParams"):
        yield Field(route, f"{name}[].key", ":authority" if name == "headers" else "a")
        yield Field(route, f"{name}[].matchType", "PRE")
        yield Field(route, f"{name}[].matchValue", "1")
        yield Field(route, f"{name}[].caseSensitive", True, why="kept; without effect, as in Higress")
    yield Field(route, "services[].name", "row.static", why="must exist")
    yield Field(route, "services[].port", 80, why="the source knows it: another one is named in a warning")
    yield Field(route, "services[].version", "v1", "warned", missing="no subsets; a warning says so")
    yield Field(route, "services[].weight", 30, why="relative to the sum, which need not be 100")
    yield Field(route, "rewrite.enabled", False)
    yield Field(route, "rewrite.path", "/new")
    yield Field(route, "rewrite.host", "b.test")
    yield Field(route, "proxyNextUpstream.enabled", False)
    yield Field(route, "proxyNextUpstream.attempts", 2)
    yield Field(route, "proxyNextUpstream.timeout", 5)
    yield Field(route, "proxyNextUpstream.conditions", ["error", "timeout", "http_503", "non_idempotent"])
    yield Field(route, "cors.enabled", False, why="without `cors` it is null, not an object of nulls")
    yield Field(route, "cors.allowOrigins", ["https://a.test"])
    yield Field(route, "cors.allowMethods", ["GET"])
    yield Field(route, "cors.allowHeaders", ["x-a"])
    yield Field(route, "cors.exposeHeaders", ["x-b"])
    yield Field(route, "cors.maxAge", 60)
    yield Field(route, "cors.allowCredentials", True)
    yield Field(route, "headerControl.enabled", False)
    for stage in ("request", "response"):
        yield Field(route, f"headerControl.{stage}.add", [{"key": "x-a", "value": "1"}])
        yield Field(route, f"headerControl.{stage}.set", [{"key": "x-a", "value": "1"}])
        yield Field(route, f"headerControl.{stage}.remove", ["x-a"])
    yield Field(route, "authConfig.enabled", True, why="saved with the route or not at all")
    yield Field(route, "authConfig.allowedCredentialTypes", ["key-auth"], why="basic-auth and jwt, too; others are 400, not 500")
    yield Field(route, "authConfig.allowedConsumers", ["row"], why="must exist")
    yield Field(route, "customConfigs", {"higress.io/timeout": "5"}, why="what has no effect is named in warnings")
    yield Field(route, "customLabels", {"team": "row"})
    yield Field(route, "mock", {"enabled": True, "status": 204, "content": "x", "contentType": None}, why="acts, unlike in Higress")
    yield Field(route, "redirect", {"enabled": True, "status": 301, "url": "/x"}, why="acts, unlike in Higress")
    yield Field(
        route, "rateLimit", {"enabled": True, "qps": 5, "burst": None, "perAddress": None}, why="acts, unlike in Higress"
    )
    yield Field(route, "timeout", "30s", why="acts, unlike in Higress")
    yield Field(route, "readonly", outcome="shown")

    service = "Service"
    yield Field(service, "name", outcome="shown")
    yield Field(service, "namespace", outcome="shown")
    yield Field(service, "port", outcome="shown")
    yield Field(service, "version", outcome="hidden")
    yield Field(service, "endpoints", outcome="shown")
    yield Field(service, "protocol", outcome="shown")

    source = "ServiceSource"
    yield Field(source, "name", "row-3")
    yield Field(source, "version", outcome="shown", why="its own, and a stale one is 409")
    yield Field(source, "type", "dns")
    for kind in ("nacos", "nacos2", "nacos3", "zookeeper", "consul", "eureka"):
        yield Field(source, f"type ({kind})", kind, "warned", missing="stored, and a warning says that no registry is asked")
    yield Field(source, "domain", "10.0.0.1:80,[::1]:80,localhost:80", why="IPv6, host names and Unix sockets, too")
    yield Field(source, "port", 80)
    yield Field(source, "protocol", "grpcs", why="http2 and http2s, too; others are refused; certificates are checked")
    yield Field(source, "sni", "a.test")
    yield Field(source, "proxyName", "row", why="must exist; static sources, too")
    yield Field(source, "properties", {"nacosGroups": ["a"]})
    yield Field(source, "authN.enabled", True)
    yield Field(source, "authN.properties", {"consulToken": "row-secret"}, "hidden", why="sealed in the database")
    yield Field(source, "vport.defaultValue", 80, "warned", missing="stored, and a warning says that it does not act")
    yield Field(
        source, "vport.servicesVport", [{"name": "a", "value": 81}], "warned", missing="stored, and a warning says that it does not act"
    )

    consumer = "Consumer"
    yield Field(consumer, "name", "row-4")
    yield Field(consumer, "credentials[].type", "key-auth", why="basic-auth and jwt, too; others are 400, not dropped")
    for kind in ("BEARER", "HEADER", "QUERY"):
        yield Field(consumer, f"credentials[].source ({kind})", kind)
    yield Field(consumer, "credentials[].key", "x-row")
    yield Field(consumer, "credentials[].values", ["row-key"], "hidden", why="do not come back; hashed for the worker")

    proxy = "ProxyServer"
    yield Field(proxy, "name", "row-5")
    yield Field(proxy, "version", outcome="shown", why="its own, and a stale one is 409")
    yield Field(proxy, "type", "HTTP", why="others are refused")
    yield Field(proxy, "serverAddress", "::1", why="IPv6, too")
    yield Field(proxy, "serverPort", 3128)
    yield Field(proxy, "connectTimeout", 900, why="without it 1200; 0 is the same")

    for model, reason in {
        "WasmPlugin": "no WebAssembly",
        "WasmPluginInstance": "no WebAssembly",
        "DashboardInfo": "no built-in Grafana",
    }.items():
        yield Field(model, "(all)", outcome="none", missing=reason)

    user = "User"
    for name in ("name", "displayName"):
        yield Field(user, name, outcome="shown")
    for name in ("avatarUrl", "password"):
        yield Field(user, name, outcome="hidden")
    for name in ("version", "capabilities"):
        yield Field("SystemInfo", name, outcome="shown")


FIELDS = list(_fields())


# ---- the document


def row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def endpoint_table():
    yield row("endpoint", "verdict", "how", "test")
    yield row("---", "---", "---", "---")
    for each in ENDPOINTS:
        yield row(f"`{each.name}`", each.verdict, each.why or each.missing, f"`test_endpoint[{each.name}]`")


def field_table():
    yield row("field", "verdict", "how", "test")
    yield row("---", "---", "---", "---")
    for each in FIELDS:
        yield row(f"`{each.label}`", each.verdict, each.why or each.missing, f"`test_field[{each.label}]`")


def annotation_table():
    yield row("annotation", "`nginx.ingress.kubernetes.io/`", "`higress.io/`", "how")
    yield row("---", "---", "---", "---")
    for each in TABLE:
        verdicts = ["acts" if prefix in each.acts else "refused" if each.field else "warning" for prefix in BOTH]
        yield row(f"`{each.name}`", *verdicts, each.field or each.differs)


def case_table():
    """The cases of Higress's own suite, from the tests that have their names."""
    yield row("case", "test")
    yield row("---", "---")
    found = []
    for path in sorted(HERE.glob("test_higress_*.py")):
        for name in re.findall(r"^def test_(\w+)\(", path.read_text(), re.MULTILINE):
            found.append((name.split("_")[0], f"`{path.stem}::test_{name}`"))
    for case in sorted({case for case, _ in found}, key=str.lower):
        yield row(case, ", ".join(test for name, test in found if name == case))


SECTIONS = {"Endpoints": endpoint_table, "Fields": field_table, "Annotations": annotation_table, "Cases": case_table}


def updated(text):
    """The document with our tables in place of those that it has; words before a table stay."""
    for heading, table in SECTIONS.items():
        found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        if not found:
            raise SystemExit(f"{DOCUMENT.name} has no section {heading}")
        words = found[1].split("\n|", 1)[0].strip()
        text = text[: found.start(1)] + f"\n{words}\n\n" + "\n".join(table()) + "\n\n" + text[found.end(1) :]
    return text.rstrip() + "\n"


def differences():
    text = DOCUMENT.read_text()
    return list(difflib.unified_diff(text.splitlines(), updated(text).splitlines(), "as it is", "as rows are", "", "", 0, ""))


def main(arguments):
    if arguments == ["--write"]:
        DOCUMENT.write_text(updated(DOCUMENT.read_text()))
        return 0
    found = differences()
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
