"""What was given in confidence is found nowhere in clear: not in files, logs, answers or errors, nor in what `ps` shows of a process.

One gateway with the most talkative log gets a secret of each kind, uses each, and is looked through while it runs and once it has ended.
"""

import base64
import json
import pathlib
import re
import urllib.parse

import pytest

from integration.api import Api
from integration.certificates import openssl, pack
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer, RawServer
from peers.tokens import Key, bearer, credential
from peers.wire import Wire

# Each is long and unlike anything else, so that finding it is no accident.
ADMIN = "admin pass:word 7f3a9c"
CHANGED = "changed pass:word 51be02"
WRONG = "wrong pass:word e4d871"
PASSPHRASE = "passphrase-of-a-key-93c1"
BACKUP = "passphrase of a backup 4be9"
KEYS = {
    "bearer": "bearer-token-5a1c77",
    "header": "header-key-0b94d2",
    "query": "query-key-e18f36",
    "basic": "basic-password-c07b58",
    "nacos": "nacos-password-6d2e41",
    "consul": "consul-token-f9a803",
    "refused": "refused-secret-28cd90",
}


@pytest.fixture(scope="module")
def used(tmp_path_factory, authority):
    """(gateway, secrets by name, everything that was answered)."""
    from integration.gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("secrets"), log_level="trace")
    gateway.api = Api(gateway.admin_port, password=ADMIN)
    answers = []
    _listen(gateway.api, answers)
    try:
        gateway.start()
        secrets = {"admin": ADMIN, "changed": CHANGED, "wrong": WRONG, "passphrase": PASSPHRASE, "backup": BACKUP, **KEYS}
        secrets |= fill(gateway, authority)
        secrets |= log_in_and_change(gateway, answers)
        read_everything(gateway)
        refuse(gateway)
        put_back(gateway)
        yield gateway, secrets, answers
    finally:
        gateway.abandon()


def _listen(api, answers):
    """Keeps what the API says. Cookies are for their owner, so `Set-Cookie` does not count."""

    def keep(response, **_):
        fields = {name: value for name, value in response.headers.items() if name.lower() != "set-cookie"}
        answers.append(f"{fields}\n".encode() + response.content)

    api.session.hooks["response"].append(keep)


def private_bytes(pem):
    """A private key as it may be found: lines of PEM, and the number itself within the DER."""
    text = openssl("pkey", "-text", "-noout", stdin=pem)
    number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", re.search(r"priv:\n([0-9a-f:\s]+)\n", text)[1]))
    lines = [line for line in pem.splitlines() if line and not line.startswith("-")]
    return {"PEM": max(lines, key=len), "number": number.lstrip(b"\0")}


def fill(gateway, authority):
    api = gateway.api
    server, client = authority.issue("secrets.test"), authority.issue("client.test")
    locked = openssl("pkey", "-aes256", "-passout", f"pass:{PASSPHRASE}", stdin=client.key)
    api.create_certificate("server", server.chain, server.key)
    api.create_certificate("client", client.chain, locked, passphrase=PASSPHRASE)
    packed = authority.issue("packed.test")
    file = pack(packed, PASSPHRASE)
    api.post("/v1/tls-certificates", {"name": "packed", "pkcs12": file, "passphrase": PASSPHRASE})
    api.put("/v1/tls-certificates/packed?dryRun=true", {"pkcs12": file, "passphrase": PASSPHRASE}, live=False)
    document = {"tlsCertificates": [{"name": "applied", "pkcs12": file, "passphrase": PASSPHRASE}]}
    api.expect(200, "POST", "/v1/apply", document)
    api.create_domain("secrets.test", "on", "server")
    with EchoServer() as echo:
        api.create_static("plain", echo.port, tlsClientCertificate="client")
        for name, kind, more, properties in [
            ("nacos", "nacos2", {"nacosGroups": ["g"]}, {"nacosUsername": "u", "nacosPassword": KEYS["nacos"]}),
            ("consul", "consul", {"consulDatacenter": "dc"}, {"consulToken": KEYS["consul"]}),
        ]:
            source = {"name": name, "type": kind, "domain": "10.0.0.1", "port": 8848, "properties": more}
            api.post("/v1/service-sources", {**source, "authN": {"enabled": True, "properties": properties}})
        credentials = [
            {"type": "key-auth", "source": "BEARER", "values": [KEYS["bearer"]]},
            {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": [KEYS["header"]]},
            {"type": "key-auth", "source": "QUERY", "key": "key", "values": [KEYS["query"]]},
            {"type": "basic-auth", "username": "someone", "password": KEYS["basic"]},
        ]
        secret = Key("HS256", "s", octets=bytes(range(40, 80)))
        tokens = [credential(secret), credential(secret, source="QUERY", key="tok")]
        credentials += tokens
        token = secret.sign(jti="token-of-no-other-7be0")
        api.post("/v1/consumers", {"name": "someone", "credentials": credentials})
        auth = {"enabled": True, "allowedConsumers": ["someone"]}
        api.create_route("plain", ["secrets.test"], "plain.static", authConfig=auth)
        site = Site.__new__(Site)
        site.gateway, site.authority, site.host = gateway, authority, "secrets.test"
        basic = base64.b64encode(f"someone:{KEYS['basic']}".encode()).decode()
        for target, fields in [
            ("/", [("Authorization", f"Bearer {KEYS['bearer']}")]),
            ("/", [("x-key", KEYS["header"])]),
            (f"/?key={KEYS['query']}", []),
            ("/", [("Authorization", f"Basic {basic}")]),
            ("/", [bearer(token)]),
        ]:
            assert site.get(target, *fields, tls=True).status == 200
            assert site.get(target + "x", *((name, value + "x") for name, value in fields), tls=True).status == 401
        assert site.get(f"/?tok={token}", tls=True).status == 200
        assert site.get(f"/?tok={token}x", tls=True).status == 401
        gateway.wait_log(authority="secrets.test", status=401, path="/?tok=***")
    open_halves = api.get("/v1/consumers/someone")["credentials"][-len(tokens) :]
    kept = [{**each, "values": None, "password": None} for each in credentials[: -len(tokens)]] + open_halves
    api.put("/v1/consumers/someone", {"credentials": kept})
    found = {"basic credentials": basic, "PKCS#12 file": file[1_000:1_100], "secret of an issuer": secret.jwk["k"]}
    found |= {"octets of an issuer": secret.private, "token": token, "signature of a token": token.rpartition(".")[2]}
    for name, pem in {"server": server.key, "client": client.key, "packed": packed.key}.items():
        found |= {f"private key of {name}, {form}": value for form, value in private_bytes(pem).items()}
    return found


def log_in_and_change(gateway, answers):
    api = gateway.api
    page = Api(gateway.admin_port)
    _listen(page, answers)
    login = page.expect(201, "POST", "/session/login", {"username": "admin", "password": ADMIN}, auth=False)
    cookie = login.cookies["_hi_sess"]
    page.expect(401, "POST", "/session/login", {"username": "admin", "password": WRONG}, auth=False)
    page.expect(400, "POST", "/user/changePassword", {"oldPassword": WRONG, "newPassword": CHANGED}, auth=("admin", ADMIN))
    page.close()
    api.expect(200, "POST", "/user/changePassword", {"oldPassword": ADMIN, "newPassword": CHANGED})
    api.password = CHANGED
    header = base64.b64encode(f"admin:{CHANGED}".encode()).decode()
    return {"session": cookie, "authorization": header}


def put_back(gateway):
    """A backup in its place, by its passphrase; and by another one, which is wrong only where it is needed."""
    api = gateway.api
    file = api.expect(200, "POST", "/v1/backup", {"passphrase": BACKUP}).content
    for query in ("?dryRun=true", ""):
        headers = {"Content-Type": "application/vnd.sqlite3", "Causeway-Passphrase": urllib.parse.quote(BACKUP)}
        answer = api.session.post(f"{api.base}/v1/restore{query}", data=file, headers=headers, auth=(api.user, api.password))
        assert answer.status_code == 200, answer.text
    wait_until(lambda: gateway.workers()[0]["servedHistory"] == answer.json()["data"]["history"], 20, "the worker has it")


READS = [
    "/user/info",
    "/system/config",
    "/system/info",
    "/v1/domains",
    "/v1/tls-certificates",
    "/v1/tls-certificates/client",
    "/v1/tls-certificates/packed",
    "/v1/routes",
    "/v1/services",
    "/v1/service-sources",
    "/v1/service-sources/nacos",
    "/v1/consumers",
    "/v1/consumers/someone",
    "/v1/workers",
    "/v1/versions",
]


def read_everything(gateway):
    for path in READS:
        gateway.api.expect(200, "GET", path)
    for version in gateway.api.get("/v1/versions"):
        gateway.api.expect(200, "GET", f"/v1/versions/{version['version']}")


def refuse(gateway):
    """Requests that are refused for something beside a secret that they hold."""
    secret, api = KEYS["refused"], gateway.api
    key = {"type": "key-auth", "source": "HEADER", "key": "x-key"}
    bodies = [
        ("/v1/consumers", {"name": "Not A Name!", "credentials": [{**key, "values": [secret]}]}),
        ("/v1/consumers", {"name": "two", "credentials": [{**key, "values": [KEYS["header"]]}]}),
        ("/v1/consumers", {"name": "two", "credentials": [{**key, "values": secret}]}),
        ("/v1/consumers", {"name": "two", "credentials": [{"type": "basic-auth", "username": "a:b", "password": secret}]}),
        ("/v1/tls-certificates", {"name": "two", "cert": "nonsense", "key": secret}),
        ("/v1/tls-certificates", {"name": "two", "cert": "nonsense", "key": "nonsense", "passphrase": secret}),
        ("/v1/tls-certificates", {"name": "two", "pkcs12": secret}),
        ("/v1/tls-certificates", {"name": "two", "pkcs12": "MIIB", "passphrase": secret}),
        ("/v1/service-sources", {"name": "two", "type": "nacos2", "authN": {"enabled": True, "properties": {"nacosPassword": secret}}}),
        ("/v1/service-sources", {"name": "two", "type": "nacos2", "authN": {"enabled": secret}}),
        ("/session/login", {"username": "admin", "password": [secret]}),
        ("/user/changePassword", {"oldPassword": secret, "newPassword": ""}),
        ("/v1/consumers?wait=live&timeout=1s", {"name": "someone", "credentials": [{**key, "values": [secret]}]}),
    ]
    for path, body in bodies:
        assert 400 <= api.call("POST", path, body).status_code < 500, path
    for raw in (f'{{"name": "two", "credentials": [{{"values": ["{secret}"', f'{{"password": "{secret}" nonsense', f'["{secret}"]'):
        for path in ("/v1/consumers", "/v1/tls-certificates", "/session/login", "/system/init"):
            answer = api.session.post(
                api.base + path, data=raw, headers={"Content-Type": "application/json"}, auth=(api.user, api.password)
            )
            assert 400 <= answer.status_code < 500, path


def forms(secret):
    """The ways in which a text may be written down."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    yield raw
    yield base64.b64encode(raw)
    yield raw.hex().encode()
    if isinstance(secret, str):
        yield urllib.parse.quote(secret).encode()
        yield json.dumps(secret)[1:-1].encode()
        yield secret.encode("utf-16-le")


def look(places, secrets):
    found = [
        f"{name} in {place}"
        for place, content in places
        for name, secret in secrets.items()
        if any(form in content for form in forms(secret))
    ]
    assert not found, found


def files(gateway):
    for folder in (gateway.data, gateway.state):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes()


def test_files_of_both_processes(used):
    gateway, secrets, _ = used
    found = list(files(gateway))
    assert len({path.parent for path, _ in found}) >= 2 and any(b"SQLite format 3" in content for _, content in found)
    look(found, secrets)


def test_logs(used):
    gateway, secrets, _ = used
    logs = [gateway.control.log, gateway.worker.log, gateway.access_log_path]
    assert all(pathlib.Path(log).stat().st_size > 100 for log in logs)
    look([(log, pathlib.Path(log).read_bytes()) for log in logs], secrets)


def test_answers_and_errors(used):
    _, secrets, answers = used
    assert len(answers) > 50
    look([(f"answer {number}: {answer[:200]}", answer) for number, answer in enumerate(answers)], secrets)


def test_what_others_see_of_the_processes(used):
    gateway, secrets, _ = used
    seen = [
        (f"/proc/{each.name}/{file}", pathlib.Path(f"/proc/{each.pid}/{file}").read_bytes())
        for each in (gateway.control, gateway.worker)
        for file in ("cmdline", "environ", "comm", "status")
    ]
    assert all(content for place, content in seen)
    look(seen, secrets)


def test_metrics_and_streams(used):
    """While a request runs whose key is in its query."""
    gateway, secrets, _ = used
    with RawServer(lambda wire: (wire.read_request(), wire.is_closed())) as silent:
        gateway.api.create_static("silent", silent.port)
        auth = {"enabled": True, "allowedConsumers": ["someone"]}
        gateway.api.create_route("silent", ["secrets.test"], "silent.static", "/silent", authConfig=auth)
        with Wire.connect(gateway.https_port, tls=True, sni="secrets.test") as wire:
            wire.send(f"GET /silent?a=1&k%65y={KEYS['query']}&b=2 HTTP/1.1\r\nHost: secrets.test\r\n\r\n")
            path = "/silent?a=1&k%65y=***&b=2"
            streams = wait_until(
                lambda: path in (text := gateway._get(gateway.metrics_port, "/streams")) and text, 10, "the stream"
            )
        look([("/streams", streams.encode()), ("/metrics", gateway._get(gateway.metrics_port, "/metrics").encode())], secrets)
    gateway.wait_log(path=path)


def test_files_that_hold_what_opens_secrets_are_for_their_owner_alone(used):
    gateway, _, _ = used
    harmless = {"admin.port", "metrics.port", "worker.id"}
    kept = [path for path, _ in files(gateway) if path.name not in harmless]
    assert {"sealing.key", "causeway.db", "worker.key"} <= {path.name for path in kept}
    for path in kept:
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_search_finds_what_is_there():
    """The search itself can fail: each way of writing a secret down is found."""
    for form in forms(ADMIN):
        with pytest.raises(AssertionError):
            look([("there", b"..." + form + b"...")], {"admin": ADMIN})
