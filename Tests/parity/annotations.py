"""The annotations of Higress that concern a gateway, those that people try because nginx has them, and what becomes of each here.

docs/higress-compatibility.md has this table, and test_annotations.py tries every row under both prefixes.
"""

import dataclasses

NGINX, HIGRESS = "nginx.ingress.kubernetes.io/", "higress.io/"
BOTH = (NGINX, HIGRESS)


@dataclasses.dataclass(frozen=True)
class Annotation:
    """`acts`: the prefixes under which it does what its name says. `field`: refused as in Higress, because the console owns the key,
    and the field that does it. Otherwise, and under other prefixes, a warning names it and nothing happens."""

    name: str
    value: str
    acts: tuple = ()
    field: str = ""
    differs: str = ""  # from Higress, on purpose


def _rows():
    # TLS, protocol, redirects
    yield Annotation("backend-protocol", "HTTP2", BOTH, differs="unknown values are refused; certificates of services are checked")
    for name in ("proxy-ssl-secret", "proxy-ssl-verify", "proxy-ssl-name", "proxy-ssl-server-name"):
        yield Annotation(name, "on", differs="`tlsClientCertificate`, `tlsVerify`, `tlsCa`, `sni` of the service source")
    yield Annotation("auth-tls-secret", "ns/ca", differs="`clientAuth` of the domain")
    yield Annotation("ssl-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", BOTH, differs="a comma between names does, too; unknown names are refused; `tls` of the domain goes before")
    yield Annotation("tls-min-protocol-version", "TLSv1.3", BOTH, differs="TLS 1.2 is the least that is spoken; `tls` of the domain goes before")
    yield Annotation("tls-max-protocol-version", "TLSv1.2", BOTH, differs="`tls` of the domain goes before")
    yield Annotation("ssl-redirect", "true", field="`enableHttps: force` of the domain")
    yield Annotation("force-ssl-redirect", "true", BOTH)
    yield Annotation("app-root", "/app", BOTH)
    yield Annotation("temporal-redirect", "https://other.test/t", BOTH)
    yield Annotation("permanent-redirect", "https://other.test/p", BOTH)
    yield Annotation("permanent-redirect-code", "308", BOTH, differs="only 301, 302, 303, 307, 308")

    # matching, rewriting, header fields, cross-origin requests
    yield Annotation("use-regex", "true", field="`path.matchType: REGULAR`")
    yield Annotation("full-path-regex", "true", (HIGRESS,))
    yield Annotation("ignore-path-case", "true", field="`path.caseSensitive: false`")
    yield Annotation("match-method", "GET POST", field="`methods`")
    for kind in ("exact", "prefix", "regex"):
        yield Annotation(f"{kind}-match-header-x-a", "1", field="`headers`")
        yield Annotation(f"{kind}-match-query-a", "1", field="`urlParams`")
        yield Annotation(f"{kind}-match-pseudo-header-authority", "a.test", field="`headers` with a key such as `:authority`")
    for name in ("rewrite-target", "rewrite-path"):
        yield Annotation(name, "/new", field="`rewrite.path`")
    yield Annotation("upstream-vhost", "b.test", field="`rewrite.host`")
    for stage in ("request", "response"):
        for change in ("add", "update", "remove"):
            yield Annotation(f"{stage}-header-control-{change}", "x-a 1", field="`headerControl`")
    for name in ("enable-cors", "cors-allow-origin", "cors-allow-methods", "cors-allow-headers", "cors-expose-headers"):
        yield Annotation(name, "true", field="`cors`")
    for name in ("cors-allow-credentials", "cors-max-age"):
        yield Annotation(name, "1", field="`cors`")

    # traffic
    yield Annotation("destination", "100% v1.static:80", field="`services`")
    yield Annotation("timeout", "1", (HIGRESS,), differs="units as in `1500ms`, too")
    for name in ("proxy-next-upstream", "proxy-next-upstream-tries", "proxy-next-upstream-timeout"):
        yield Annotation(name, "3", field="`proxyNextUpstream`")
    yield Annotation("load-balance", "round_robin", BOTH, differs="`ip_hash`, too; `mcp-sse` is not served")
    yield Annotation("upstream-hash-by", "$request_uri", BOTH, differs="`$cookie_NAME`, too")
    yield Annotation("affinity", "cookie", BOTH, differs="gRPC clients get no cookie; one that they send counts")
    for name, value in {"name": "ROUTE", "path": "/shop", "max-age": "60", "expires": "60"}.items():
        yield Annotation(f"session-cookie-{name}", value, BOTH)
    yield Annotation("affinity-mode", "persistent", BOTH, differs="acts, unlike in Higress")
    yield Annotation(
        "affinity-canary-behavior", "legacy", BOTH, differs="acts, unlike in Higress: on canaries by weight, and on weights of services"
    )
    yield Annotation("mcp-sse-stateful-param-name", "sessionId", differs="MCP is not served")
    yield Annotation("canary", "true", BOTH)
    yield Annotation("canary-by-header", "x-canary", BOTH)
    yield Annotation("canary-by-header-value", "yes", BOTH)
    yield Annotation("canary-by-header-pattern", "ye.", BOTH)
    yield Annotation("canary-by-cookie", "canary", BOTH)
    yield Annotation("canary-weight", "100", BOTH)
    yield Annotation("canary-weight-total", "1", BOTH)
    yield Annotation("mirror-target-service", "v2.static", BOTH, differs="a service that does not exist is refused")
    yield Annotation("mirror-target-fqdn", "v2.static", BOTH, differs="only names of services; others are refused")
    yield Annotation("mirror-target-fqdn-port", "8080", differs="the port is the service's own")
    yield Annotation("mirror-percentage", "0", BOTH)
    yield Annotation("default-backend", "v2.static", BOTH, differs="a service that does not exist is refused")
    yield Annotation("custom-http-errors", "503", BOTH, differs="from 400 to 599; without `default-backend` a warning")
    yield Annotation("whitelist-source-range", "10.0.0.0/8", BOTH)
    yield Annotation("route-limit-rps", "1", (HIGRESS,))
    yield Annotation("route-limit-rpm", "1", (HIGRESS,))
    yield Annotation("route-limit-burst-multiplier", "2", (HIGRESS,))
    yield Annotation("rpc-destination-name", "rpc", differs="Dubbo is not served")
    for name in ("mcp-server", "mcp-server-match-rule-domains", "mcp-server-upstream-type", "mcp-server-path-rewrite-prefix"):
        yield Annotation(name, "true", differs="MCP is not served")
    for name in ("enable-rewrite", "enable-header-control", "enable-proxy-next-upstream"):
        yield Annotation(name, "true", field="`enabled` of the object")
    yield Annotation("comment", "words", field="bookkeeping of the console")
    yield Annotation("disabled.app-root", "/app", field="bookkeeping of the console")

    # of nginx, without effect in Higress and without a word about it
    yield Annotation("proxy-read-timeout", "1", BOTH, differs="acts, unlike in Higress")
    yield Annotation(
        "proxy-connect-timeout", "1", BOTH, differs="acts, unlike in Higress; the setting `connect-timeout` is the most"
    )
    yield Annotation("proxy-send-timeout", "1", BOTH, differs="acts, unlike in Higress")
    yield Annotation("proxy-http-version", "2", BOTH, differs="acts, unlike in Higress: 1.1 or 2; gRPC is always HTTP/2")
    yield Annotation("denylist-source-range", "127.0.0.1", BOTH, differs="acts, unlike in Higress")
    yield Annotation("limit-rps", "1", BOTH, differs="acts, unlike in Higress: for each client address")
    yield Annotation("limit-rpm", "1", BOTH, differs="acts, unlike in Higress: for each client address")
    yield Annotation("limit-burst-multiplier", "2", BOTH, differs="acts, unlike in Higress")
    yield Annotation("limit-connections", "1", BOTH, differs="acts, unlike in Higress: on requests at once of each client address")
    for name, value in {
        "upstream-keepalive-timeout": "60",
        "upstream-keepalive-connections": "8",
        "proxy-buffering": "off",
        "proxy-buffer-size": "8k",
        "proxy-body-size": "8m",
        "proxy-request-buffering": "off",
        "websocket-services": "v1",
        "grpc-backend": "true",
        "configuration-snippet": "return 200;",
        "server-snippet": "return 200;",
        "auth-url": "https://auth.test/",
        "auth-signin": "https://auth.test/",
        "satisfy": "any",
        "auth-tls-verify-client": "on",
        "auth-tls-verify-depth": "1",
        "auth-tls-pass-certificate-to-upstream": "true",
        "auth-type": "basic",
        "auth-secret": "ns/users",
        "auth-secret-type": "auth-file",
        "auth-realm": "here",
        # what people made up where nothing said how it is done
        "websocket-enable": "true",
        "websocket-ping-interval": "30",
        "request-set-header": "x-a 1",
        "no-such-annotation": "1",
    }.items():
        yield Annotation(name, value, differs="named in a warning, which Higress does not")


TABLE = list(_rows())
BY_NAME = {row.name: row for row in TABLE}
