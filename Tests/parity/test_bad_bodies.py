"""Bodies that are wrong in every way that chance finds: none makes a 500, each is refused with its reason, and what is taken is kept
as it was given. `--bad-bodies 10000` is the long form, `--schema-seed N` another run."""

import copy
import http.client
import json
import pathlib
import random

import pytest

from integration.waiting import wait_until

GOOD = {
    "/v1/domains": {"name": "bad.test", "enableHttps": "off", "certIdentifier": None, "version": None},
    "/v1/tls-certificates": {"name": "bad", "cert": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "key": "k"},
    "/v1/service-sources": {
        "name": "bad",
        "type": "static",
        "domain": "10.0.0.5:50051,10.0.0.6:50051",
        "port": 80,
        "protocol": "grpc",
        "properties": {"nacosGroups": ["a"]},
        "authN": {"enabled": True, "properties": {"nacosUsername": "u"}},
        "vport": {"defaultValue": 80, "servicesVport": [{"name": "a", "value": 81}]},
        "endpoints": [{"address": "10.0.0.5:50051", "weight": 3, "drain": False}],
        "healthCheck": {"type": "http", "interval": 1000, "statuses": ["200-299"]},
        "loadBalancing": {"policy": "consistentHash", "hashOn": "header", "hashName": "x-a"},
        "ejection": {"failures": 5, "maxPercent": 50},
    },
    "/v1/consumers": {
        "name": "bad",
        "credentials": [
            {"type": "key-auth", "source": "HEADER", "key": "x-a", "values": ["a"]},
            {"type": "basic-auth", "username": "u", "password": "p"},
        ],
    },
    "/v1/proxy-servers": {"name": "bad", "type": "HTTP", "serverAddress": "proxy.test", "serverPort": 3128, "connectTimeout": 900},
    "/v1/routes": {
        "name": "bad",
        "domains": ["bad.test"],
        "path": {"matchType": "REGULAR", "matchValue": "/a(b|c)*", "caseSensitive": False},
        "methods": ["GET"],
        "headers": [{"key": ":authority", "matchType": "PRE", "matchValue": "a"}],
        "urlParams": [{"key": "a", "matchType": "EQUAL", "matchValue": "1"}],
        "services": [{"name": "there.static", "port": 80, "weight": 50, "version": None}],
        "rewrite": {"enabled": True, "path": "/$1", "host": "b.test"},
        "timeouts": {"responseHeaders": 1, "streamIdle": 2, "total": 3},
        "proxyNextUpstream": {"enabled": True, "attempts": 2, "timeout": 3, "conditions": ["error", "http_503"]},
        "cors": {"enabled": True, "allowOrigins": ["*"], "maxAge": 5},
        "headerControl": {"enabled": True, "request": {"add": [{"key": "x-a", "value": "1"}], "remove": ["x-b"]}},
        "authConfig": {"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": []},
        "mock": {"enabled": False, "status": 200, "content": "x"},
        "redirect": {"enabled": False, "status": 307, "url": "/x"},
        "rateLimit": {"enabled": True, "qps": 5, "burst": 6, "perAddress": True},
        "webSocket": {"maxFrameSize": 7, "maxMessageSize": 8},
        "ipAccess": {"allow": ["10.0.0.0/8"], "deny": ["::1"]},
        "mirror": {"service": "there.static", "percentage": 12.5},
        "loadBalancing": {"policy": "random"},
        "streamPolicy": {"mode": "drain", "after": 5},
        "customConfigs": {"higress.io/timeout": "5", "nginx.ingress.kubernetes.io/canary-weight": "5"},
        "customLabels": {"a": "b"},
    },
}
TEXTS = [
    "", " ", "\0", "\x7f", "a" * 70_000, "é", "\ud83d\ude00", "../../etc/passwd", "*.", "*", ".", "..", "a..b", "-a", "[::1]",
    "%00", "$1", "(", "(((((a*)*)*)*)*", "[a-", "\\", "x\r\ny: z", "😀.test", "xn--", "999999999999", "-1", "1e9", "NaN", "true",
    "default", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:80,", ",", "unix:", "_grpc._tcp.a.test", "higress-default-domain", "a.internal",
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 65_536, 2**31, 2**63, 2**64, -(2**63), 1.5, 1e308, 1e-9, [], {}, [[]], [None], [{}], {"": None},
    [1, "a", None], {"a": {"b": {"c": []}}},
]  # fmt: skip


def places(value, path=()):
    """Every place in a body, its containers before what is in them."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def change(chance, body):
    """One place of the body, changed."""
    found = [path for path in places(body) if path]
    if not found:
        return
    path = chance.choice(found)
    parent = body
    for step in path[:-1]:
        parent = parent[step]
    last, old = path[-1], parent[path[-1]]
    match chance.randrange(7):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, dict):
            parent[chance.choice(TEXTS)] = parent.pop(last)
        case 2:
            parent[last] = copy.deepcopy(chance.choice(VALUES))
        case 3 if isinstance(old, list) and old:
            parent[last] = old * chance.choice([2, 3, 300])
        case 4 if isinstance(old, str) and old:
            at = chance.randrange(len(old) + 1)
            parent[last] = old[:at] + chance.choice(TEXTS)[:300] + old[at + chance.randrange(2) :]
        case 5 if isinstance(old, (int, float)) and not isinstance(old, bool):
            parent[last] = old + chance.choice([-(10**6), -old, 1, 10**9, 10**19])
        case _:
            parent[last] = chance.choice(TEXTS)


def spoil(chance, text):
    """JSON that is none any more, or is at the edge of it."""
    data = text.encode("utf-8", "surrogatepass")
    at = chance.randrange(len(data))
    match chance.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + chance.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0"]) + data[at:]
        case 3:
            return b"[" * chance.choice([1, 600, 100_000]) + data
        case 4:
            return b'{"a":' * chance.choice([1, 600, 50_000]) + data
        case 5:
            return data + chance.choice([b"}", b"null", b"\0", b" x", data])
        case 6:
            return data[:1] + b'"name":"twice",' + data[1:]
        case _:
            return data[:at] + chance.choice([b"\\ud800", b"\\u12", b"1e999999", b"-", b"01", b"'", b"//", b"\xef\xbb\xbf"]) + data[at:]


@pytest.fixture(scope="module")
def target(gateway):
    gateway.api.create_static("there", 9)
    gateway.api.create_domain("bad.test")
    login = gateway.api.expect(
        201, "POST", "/session/login", {"username": gateway.api.user, "password": gateway.api.password}, auth=False
    )
    return gateway, f"_hi_sess={login.cookies['_hi_sess']}"


def test_bad_bodies(target, request):
    gateway, cookie = target
    chance = random.Random(request.config.getoption("--schema-seed"))
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=60)

    def ask(method, path, data=None):
        connection.request(method, path, data, {"Cookie": cookie, "Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    taken = 0
    for number in range(request.config.getoption("--bad-bodies")):
        path = chance.choice(list(GOOD))
        body = copy.deepcopy(GOOD[path])
        body["name"] = f"bad{number}.test" if path == "/v1/domains" else f"bad{number}"
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            change(chance, body)
        data = json.dumps(body).encode() if chance.random() < 0.5 else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if chance.random() < 0.25:
            data = spoil(chance, data.decode("utf-8", "surrogatepass"))
        method, where = ("POST", path) if chance.random() < 0.7 else ("PUT", f"{path}/there" if path == "/v1/service-sources" else f"{path}/bad.test")
        status, answered = ask(method, where, data)
        story = f"{number}: {method} {where} {data[:3000]!r} -> {status} {answered[:2000]!r}"
        assert status in (200, 201, 400, 404, 409, 413), story
        whole = json.loads(answered)
        if status >= 400:
            assert whole["success"] is False and whole["code"] and whole["message"], story
            assert whole["code"] in ("malformed_body", "not_found", "too_large", "stale_version", "in_use") or whole["errors"], story
        elif status == 201:
            # What is taken can be read, is the same when it is written again, and goes.
            taken += 1
            own = f"{path}/{whole['name']}"
            status, read = ask("GET", own)
            assert status == 200, story
            stored = json.loads(read)["data"]
            status, again = ask("PUT", own, json.dumps(stored).encode())
            assert status == 200 and json.loads(again)["version"] == stored["version"], (story, again)
            assert ask("DELETE", own)[0] == 204, story
    assert taken > 0, "some of these harm nothing, and are taken"
    connection.close()
    assert gateway.control.running and gateway.worker.running
    log = pathlib.Path(gateway.control.log).read_text()
    assert '"level":"error"' not in log and '"level":"critical"' not in log
    latest = gateway.api.get("/v1/versions?pageNum=1&pageSize=1")[0]["version"]
    wait_until(lambda: str(gateway.workers()[0]["version"]) == latest, 20, "the worker serves what was saved last")
