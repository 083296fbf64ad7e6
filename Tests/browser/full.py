"""Objects that have every field of the API, for forms to show and to leave as they are."""

from peers.tokens import Key


def domain(authority):
    return {
        "name": "full.test",
        "enableHttps": "force",
        "certIdentifier": "full",
        "clientAuth": {"mode": "optional", "ca": authority.cert, "depth": 2},
        "tls": {"minVersion": "1.2", "maxVersion": "1.3", "cipherSuites": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]},
    }


def source(authority):
    return {
        "name": "full",
        "type": "dns",
        "domain": "one.internal.test,two.internal.test",
        "port": 8443,
        "protocol": "https",
        "sni": "api.internal.test",
        "tlsVerify": True,
        "tlsCa": authority.cert,
        "tlsClientCertificate": "full",
        "loadBalancing": {"policy": "consistentHash", "hashOn": "header", "hashName": "x-user"},
        "endpoints": [{"address": "one.internal.test", "weight": 3, "drain": True}],
        "connections": {"connectTimeout": 1500, "idleTimeout": 20000, "maxPerEndpoint": 8},
        "healthCheck": {
            "type": "http",
            "interval": 7000,
            "timeout": 900,
            "unhealthyThreshold": 4,
            "healthyThreshold": 5,
            "path": "/health",
            "host": "health.test",
            "statuses": ["200-204", "301"],
            "service": None,
        },
        "ejection": {
            "enabled": True,
            "failures": 6,
            "baseTime": 1500,
            "maxTime": 120000,
            "maxPercent": 40,
            "countResponses": True,
        },
        "slowStart": 30000,
        "panicThreshold": 20,
        "proxyName": "full",
        "vport": {"defaultValue": 90, "servicesVport": [{"name": "one", "value": 91}]},
    }


def proxy_server():
    return {"name": "full", "type": "HTTP", "serverAddress": "proxy.internal.test", "serverPort": 3128, "connectTimeout": 900}


def listener(port):
    return {
        "name": "full",
        "address": "127.0.0.1",
        "port": port,
        "protocol": "https",
        "proxyProtocol": {"trustedRanges": ["192.0.2.0/24", "2001:db8::/32"]},
        "forwardedHeaders": {"trustedRanges": ["198.51.100.7"]},
        "limits": {
            "maxConnections": 1000,
            "maxHandshakes": 100,
            "maxConcurrentStreams": 50,
            "maxHeaderListSize": 32768,
            "tlsHandshakeTimeout": 9000,
            "requestHeadersTimeout": 8000,
            "requestProgressTimeout": 50000,
            "connectionIdleTimeout": 500000,
            "streamStallTimeout": 200000,
            "memoryPerConnection": 16777216,
            "memoryPerLoop": 134217728,
            "memoryPerWorker": 536870912,
            "maxResets": 90,
            "maxProvokedResets": 80,
            "maxControlFrames": 900,
            "maxContinuations": 32,
            "headerDecodeFactor": 3,
            "requestsPerTurn": 128,
            "replaySize": 131072,
        },
    }


def consumer():
    return {
        "name": "full",
        "credentials": [
            {"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": ["first", "second"]},
            {"type": "basic-auth", "username": "full", "password": "secret"},
            {
                "type": "jwt",
                "source": "HEADER",
                "key": "x-token",
                "issuer": "https://issuer.test",
                "subject": "full",
                "audiences": ["shop", "https://shop.test/api"],
                "jwks": {"keys": [Key("ES256", "one").jwk, Key("HS256", "two").jwk]},
                "clockSkewSeconds": 30,
                "claimsToHeaders": [{"claim": "sub", "header": "x-user"}, {"claim": "level", "header": "x-level"}],
                "keepToken": False,
            },
        ],
    }


def route():
    return {
        "name": "full",
        "domains": ["full.test"],
        "path": {"matchType": "REGULAR", "matchValue": "/api/v[0-9]+/(.*)", "caseSensitive": False},
        "methods": ["GET", "POST"],
        "headers": [{"key": "x-canary", "matchType": "EQUAL", "matchValue": "yes"}],
        "urlParams": [{"key": "debug", "matchType": "PRE", "matchValue": "1"}],
        "services": [{"name": "old.static", "port": 80, "weight": 90}, {"name": "new.static", "port": 80, "weight": 10}],
        "protocol": "HTTP2",
        "rewrite": {"enabled": True, "path": "/$1", "host": "api.internal.test"},
        "timeouts": {"responseHeaders": 5000, "streamIdle": 90000, "total": 1500},
        "streamPolicy": {"mode": "drain", "after": 60000},
        "loadBalancing": {"policy": "consistentHash", "hashOn": "cookie", "hashName": "session"},
        "proxyNextUpstream": {"enabled": True, "attempts": 2, "timeout": 3, "conditions": ["error", "http_503"]},
        "cors": {
            "enabled": True,
            "allowOrigins": ["https://app.test"],
            "allowMethods": ["GET"],
            "allowHeaders": ["content-type"],
            "exposeHeaders": ["grpc-status"],
            "maxAge": 600,
            "allowCredentials": True,
        },
        "headerControl": {
            "enabled": True,
            "request": {
                "add": [{"key": "x-added", "value": "1"}],
                "set": [{"key": "x-set", "value": "2"}],
                "remove": ["x-gone"],
            },
            "response": {
                "add": [{"key": "x-added", "value": "3"}],
                "set": [{"key": "x-set", "value": "4"}],
                "remove": ["server"],
            },
        },
        "authConfig": {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": ["full"]},
        "mock": {"enabled": False, "status": 418, "content": "no", "contentType": "text/plain"},
        "redirect": {"enabled": False, "status": 308, "url": "https://elsewhere.test/"},
        "rateLimit": {"enabled": True, "qps": 100, "burst": 20, "perAddress": True},
        "concurrencyLimit": {"enabled": True, "max": 40, "perAddress": True},
        "webSocket": {"maxFrameSize": 65536, "maxMessageSize": 1000001},
        "ipAccess": {"enabled": True, "allow": ["10.0.0.0/8"], "deny": ["10.1.2.3"]},
        "mirror": {"enabled": True, "service": "new.static", "percentage": 12.5},
        "customConfigs": {"higress.io/unknown": "kept"},
        "customLabels": {"team": "shop"},
    }


def fields(value, path=""):
    """Paths of all members that have a value, down to lists of texts: `headers[0].key`, `cors.allowOrigins`."""
    if isinstance(value, dict) and path.rpartition(".")[2] not in ("customConfigs", "customLabels", "jwks"):
        for key, each in value.items():
            yield from fields(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for at, each in enumerate(value):
            yield from fields(each, f"{path}[{at}]")
    elif value is not None:
        yield path


def resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def properties(document, schema):
    """All that a schema is put together from."""
    schema = resolved(document, schema)
    found = {}
    for part in schema.get("allOf", []) + schema.get("oneOf", []) + schema.get("anyOf", []):
        found |= properties(document, part)
    return found | schema.get("properties", {})


def schema_fields(document, schema, path=""):
    """Paths of all members that a schema lets one write, in the same notation."""
    for name, member in properties(document, schema).items():
        here = f"{path}.{name}" if path else name
        member = resolved(document, member)
        if member.get("readOnly") or name in ("version", "warnings") and not path:
            continue
        if properties(document, member):
            yield from schema_fields(document, member, here)
        elif properties(document, member.get("items", {})):
            yield from schema_fields(document, member["items"], f"{here}[0]")
        else:
            yield here
