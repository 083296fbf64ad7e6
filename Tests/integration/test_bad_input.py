"""Bad input at every door: a clear answer or a clean close, nothing lost, no crash."""

import json
import os
import random
import socket
import ssl

import pytest
import requests

from integration.api import route
from integration.certificates import Authority, openssl
from integration.site import Site
from integration.waiting import wait_until
from peers import channel
from peers.wire import Closed, Wire


@pytest.fixture(autouse=True)
def nothing_is_harmed(gateway):
    """After each test both processes are the ones that they were, and serve."""
    before = gateway.control.pid, gateway.worker.pid
    domains = gateway.api.get("/v1/domains")
    yield
    assert gateway.control.running and gateway.worker.running
    assert (gateway.control.pid, gateway.worker.pid) == before
    assert gateway.worker_ready()
    names = {each["name"] for each in gateway.api.get("/v1/domains")}
    assert {each["name"] for each in domains} <= names


def refused(gateway, method, path, body, status=400, field=None):
    """The answer is of that status, in the one shape of errors, and names the field."""
    answer = gateway.api.call(method, path, body)
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    told = answer.json()
    assert told["success"] is False and told["message"] and told["data"] is None
    if field is not None:
        fields = [each["field"] for each in told.get("errors") or []]
        assert field in fields, told
    return told


def raw(gateway, method, path, data, content_type="application/json"):
    return requests.request(
        method,
        gateway.api.base + path,
        data=data,
        auth=(gateway.api.user, gateway.api.password),
        headers={"Content-Type": content_type},
        timeout=30,
    )


# ---- JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":}',
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"name":"a.test"} trailing',
        b"[" * 100_000,
        b'{"name":"\xc3\x28.test"}',
    ],
    ids=[
        "empty",
        "cut",
        "no value",
        "array",
        "null",
        "string",
        "not UTF-8",
        "trailing",
        "deep",
        "bad UTF-8 in a string",
    ],
)
def test_malformed_json(gateway, body):
    answer = raw(gateway, "POST", "/v1/domains", body)
    assert answer.status_code == 400
    assert answer.json()["success"] is False and answer.json()["message"]


def test_unknown_fields_are_named_and_do_not_fail(gateway):
    answer = gateway.api.post(
        "/v1/domains", {"name": "unknown-fields.test", "enableHttps": "off", "colour": "red", "nested": {"a": 1}}
    )
    assert "colour" in json.dumps(answer["warnings"]) and "nested" in json.dumps(answer["warnings"])
    stored = gateway.api.get("/v1/domains/unknown-fields.test")
    assert "colour" not in stored


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/v1/domains", {"name": 5}, "name"),
        ("/v1/domains", {"name": ["a.test"]}, "name"),
        ("/v1/domains", {"name": "a.test", "enableHttps": True}, "enableHttps"),
        ("/v1/tls-certificates", {"name": "a", "cert": {}, "key": "x"}, "cert"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4:5", "port": "80"}, "port"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4:5", "port": 1.5}, "port"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4:5", "port": 1e400}, None),
        ("/v1/routes", {"name": "a", "path": "/", "services": []}, "path"),
        ("/v1/routes", {"name": "a", "path": {"matchType": "PRE", "matchValue": "/"}, "services": {}}, "services"),
        (
            "/v1/routes",
            {"name": "a", "path": {"matchType": "PRE", "matchValue": "/"}, "services": [{"name": "x", "port": "y"}]},
            "services[0].port",
        ),
    ],
)
def test_wrong_types_name_the_field(gateway, path, body, field):
    text = json.dumps(body).replace("Infinity", "1e400")
    answer = raw(gateway, "POST", path, text)
    assert answer.status_code == 400, answer.text
    if field:
        assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/v1/domains", {"name": ""}, "name"),
        ("/v1/domains", {"name": "UPPER.test"}, "name"),
        ("/v1/domains", {"name": "a..test"}, "name"),
        ("/v1/domains", {"name": "*.*.test"}, "name"),
        ("/v1/domains", {"name": "a.test:80"}, "name"),
        ("/v1/domains", {"name": "a" * 300 + ".test"}, "name"),
        ("/v1/domains", {"name": "a.test", "enableHttps": "maybe"}, "enableHttps"),
        ("/v1/domains", {"name": "a.test", "enableHttps": "on"}, "certIdentifier"),
        ("/v1/domains", {"name": "a.test", "enableHttps": "on", "certIdentifier": "nobody"}, "certIdentifier"),
        ("/v1/service-sources", {"name": "-a", "type": "static", "domain": "1.2.3.4:5", "port": 80}, "name"),
        ("/v1/service-sources", {"name": "a", "type": "magic", "domain": "1.2.3.4:5", "port": 80}, "type"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "", "port": 80}, "domain"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4", "port": 80}, "domain"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4:70000", "port": 80}, "domain"),
        ("/v1/service-sources", {"name": "a", "type": "static", "domain": "1.2.3.4:5", "port": 0}, "port"),
        (
            "/v1/service-sources",
            {"name": "a", "type": "static", "domain": "1.2.3.4:5", "port": 80, "protocol": "gopher"},
            "protocol",
        ),
        ("/v1/routes", route("", [], "x.static"), "name"),
        ("/v1/routes", route("a.internal", [], "x.static"), "name"),
        ("/v1/routes", route("a", ["nowhere.test"], "x.static"), "domains[0]"),
        ("/v1/routes", route("a", [], "nobody.static"), "services[0].name"),
        ("/v1/routes", route("a", [], "x.static", "no-slash"), "path.matchValue"),
        ("/v1/routes", route("a", [], "x.static", "/", "EXACT"), "path.matchType"),
        ("/v1/routes", route("a", [], "x.static", "(unclosed", "REGULAR"), "path.matchValue"),
        ("/v1/routes", route("a", [], "x.static", "/(a+)+(b{1000}){1000}", "REGULAR"), "path.matchValue"),
        ("/v1/routes", route("a", [], "x.static", methods=["FETCH"]), "methods[0]"),
        ("/v1/routes", route("a", [], "x.static", protocol="SPDY"), "protocol"),
        ("/v1/routes", {"name": "a", "services": [{"name": "x.static"}]}, "path"),
        ("/v1/routes", {"name": "a", "path": {"matchType": "PRE", "matchValue": "/"}, "services": []}, "services"),
    ],
)
def test_bad_values_name_the_field(gateway, path, body, field):
    refused(gateway, "POST", path, body, field=field)


@pytest.mark.parametrize("path", ["/v1/domains", "/v1/tls-certificates", "/v1/service-sources", "/v1/routes"])
@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\0b",
        "a\x1bb",
        "a\x7fb",
        "a\u0085b",
        "a\u202eb.test",
        "../../etc/passwd",
        "a/b",
        "a b",
        "'; DROP TABLE resource; --",
        "<script>",
        "%2e%2e",
    ],
)
def test_names_with_what_no_name_holds(gateway, path, name):
    refused(
        gateway,
        "POST",
        path,
        {
            "name": name,
            "type": "static",
            "domain": "1.2.3.4:5",
            "port": 80,
            "enableHttps": "off",
            "path": {"matchType": "PRE", "matchValue": "/"},
            "services": [{"name": "x.static"}],
            "cert": "x",
            "key": "y",
        },
        field="name",
    )


@pytest.mark.parametrize(
    "path", ["/v1/domains", "/v1/tls-certificates", "/v1/routes", "/session/login", "/system/init"]
)
def test_a_body_of_10_mib_is_refused(gateway, path):
    try:
        answer = raw(gateway, "POST", path, b'{"name":"' + b"x" * (10 << 20) + b'"}')
    except requests.ConnectionError:
        return  # refused while it was still being sent
    assert answer.status_code == 413, answer.text[:200]


def test_a_duplicate_and_a_stale_version(gateway):
    gateway.api.create_domain("twice.test")
    refused(gateway, "POST", "/v1/domains", {"name": "twice.test"}, 409)
    gateway.api.create_static("twice", 1)
    first = gateway.api.post("/v1/routes", route("twice", ["twice.test"], "twice.static"))
    gateway.api.put("/v1/routes/twice", {**first, "path": {"matchType": "PRE", "matchValue": "/2"}})
    refused(gateway, "PUT", "/v1/routes/twice", {**first, "path": {"matchType": "PRE", "matchValue": "/3"}}, 409)
    assert gateway.api.get("/v1/routes/twice")["path"]["matchValue"] == "/2"


# ---- certificates


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("bad-input.test")


def upload(gateway, cert, key, field=None, status=400, **more):
    body = {"name": "refused", "cert": cert, "key": key, **more}
    if status == 201:
        return gateway.api.post("/v1/tls-certificates", body)
    return refused(gateway, "POST", "/v1/tls-certificates", body, status, field)


def test_a_key_of_another_certificate(gateway, authority, pair):
    told = upload(gateway, pair.cert, authority.issue("other.test").key, "key")
    assert "not belong" in json.dumps(told)


@pytest.mark.parametrize(
    "cert",
    [
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
        "\0" * 100,
    ],
    ids=["text", "bad base64", "cut", "zeros"],
)
def test_a_certificate_that_is_none(gateway, pair, cert):
    upload(gateway, cert, pair.key, "cert")


@pytest.mark.parametrize("key", ["garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none(gateway, pair, key):
    upload(gateway, pair.cert, key, "key")


def test_key_and_certificate_swapped(gateway, pair):
    upload(gateway, pair.key, pair.cert, "cert")


def test_a_chain_with_a_stranger_in_it(gateway, pair, tmp_path):
    stranger = Authority(tmp_path / "stranger", "Stranger")
    made = gateway.api.create_certificate("stranger", pair.cert + stranger.cert, pair.key)
    assert any("certificate 2 (CN=Stranger) issued none of the others: it is left out" in each for each in made["warnings"])


def test_a_chain_in_the_wrong_order_is_put_right(gateway, authority, tmp_path):
    middle = Authority(tmp_path / "middle", "Middle", parent=authority)
    leaf = middle.issue("ordered.test")
    made = gateway.api.create_certificate("ordered", middle.cert + leaf.cert, leaf.key)
    assert made["domains"][0] == "ordered.test"
    assert any("not in the order of the chain" in each for each in made["warnings"])


def test_an_encrypted_key_needs_its_passphrase(gateway, pair, tmp_path):
    encrypted = openssl("pkcs8", "-topk8", "-in", pair.key_path, "-passout", "pass:open sesame", "-v2", "aes-256-cbc")
    upload(gateway, pair.cert, encrypted, "passphrase")
    upload(gateway, pair.cert, encrypted, "passphrase", passphrase="wrong")
    gateway.api.create_certificate("encrypted", pair.cert, encrypted, passphrase="open sesame")
    Site(gateway, None, "uses-encrypted.test", https="off")
    gateway.api.put(
        "/v1/domains/uses-encrypted.test",
        {"name": "uses-encrypted.test", "enableHttps": "on", "certIdentifier": "encrypted"},
    )
    with Wire.connect(gateway.https_port, tls=True, sni="uses-encrypted.test") as wire:
        assert wire.sock.version()


@pytest.mark.parametrize(
    "dates, words",
    [
        ({"start": "20200101000000Z", "end": "20210101000000Z"}, "expired"),
        ({"start": "20480101000000Z", "end": "20490101000000Z"}, "not yet valid"),
        ({"san": None}, "SAN"),
    ],
    ids=["expired", "not yet valid", "no SAN"],
)
def test_what_is_unwise_but_possible_is_a_warning(gateway, authority, dates, words):
    name = words.lower().replace(" ", "-")
    identity = authority.issue(f"{name}.test", **dates)
    made = gateway.api.create_certificate(f"warned-{name}", identity.cert, identity.key)
    assert words in json.dumps(made["warnings"]), made


def test_keys_never_come_back(gateway, pair):
    made = gateway.api.create_certificate("secret", pair.cert, pair.key)
    shown = (
        gateway.api.call("GET", "/v1/tls-certificates").text
        + gateway.api.call("GET", "/v1/tls-certificates/secret").text
    )
    assert made["key"] is None and made["cert"] is None
    assert "PRIVATE" not in shown and "BEGIN" not in shown


def test_keys_are_sealed_at_rest(gateway, pair):
    """Neither the PEM nor the bytes in it may stand in any file of either process."""
    gateway.api.create_certificate("sealed", pair.cert, pair.key)
    needles = [line.encode() for line in pair.key.splitlines()[1:-1]]
    der = ssl.PEM_cert_to_DER_cert(pair.key.replace("PRIVATE KEY", "CERTIFICATE"))
    needles.append(der[-64:])
    for folder in (gateway.data, gateway.state, gateway.folder):
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert not any(needle in data for needle in needles), path


# ---- garbage at the ports


def garbage(seed):
    rng = random.Random(seed)
    return bytes(rng.randrange(256) for _ in range(rng.choice([1, 7, 100, 5000, 100_000])))


CLIENT_HELLO_START = bytes.fromhex("16030100f5010000f10303")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("door", ["clear", "tls", "in tls", "h2", "admin"])
def test_garbage_at_the_ports(gateway, site, door, seed):
    data = garbage(seed)
    if door == "tls" and seed % 2:
        data = CLIENT_HELLO_START + data
    port = {"clear": gateway.http_port, "admin": gateway.admin_port}.get(door, gateway.https_port)
    if door == "h2":
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + data
    # Noise may look like the beginning of a long frame, whose rest the gateway awaits for ten seconds; we do not.
    protocol, timeout = ("h2", 2) if door == "h2" else ("http/1.1", 15)
    with Wire.connect(port, tls=door in ("in tls", "h2"), sni=site.host, alpn=(protocol,), timeout=timeout) as wire:
        try:
            wire.send(data)
            if door != "h2":
                wire.send(b"\r\n\r\n")
            if door not in ("in tls", "h2"):
                wire.half_close()
            answer = wire.read_to_end()
        except (OSError, Closed):
            answer = b""
    if door in ("clear", "in tls", "admin") and answer:
        assert answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 5"), answer[:100]


@pytest.mark.parametrize("seed", range(8))
def test_garbage_on_the_unix_socket(gateway, seed):
    data = garbage(seed)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(15)
        sock.connect(str(gateway.channel))
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except OSError:
            pass


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xff\xff\xff\x01",
        b"\x7f\xff\xff\xff\x04",
        b"\0\0\0\0\x63",
        b"\0\0\0\2\x01\0\x63",
        channel.frame(channel.ACK, os.urandom(36)),
    ],
    ids=["4 GiB", "2 GiB of objects", "unknown type", "another protocol", "an answer before hello"],
)
def test_frames_that_no_worker_sends(gateway, head):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(15)
        sock.connect(str(gateway.channel))
        sock.sendall(head)
        data = b""
        try:
            while more := sock.recv(65536):
                data += more
        except ConnectionResetError:
            pass
    if data:  # a clear refusal, in the protocol
        assert data[4] == channel.REFUSED, data[:50]


def test_a_worker_of_another_protocol_is_told_why(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(15)
        sock.connect(str(gateway.channel))
        sock.sendall(channel.frame(channel.HELLO, b"\0\x63" + b"whatever"))
        kind, payload = channel.read_frame(sock)
    assert kind == channel.REFUSED
    assert "protocol" in channel.Reader(payload[1:]).counted().decode()


def test_many_silent_connections_at_every_door(gateway, site, echo):
    site.serve(echo.port)
    silent = []
    try:
        for port in (gateway.http_port, gateway.https_port, gateway.admin_port):
            silent += [socket.create_connection(("127.0.0.1", port), 5) for _ in range(100)]
        for _ in range(20):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(gateway.channel))
            silent.append(sock)
        assert site.get("/").status == 200
        assert gateway.api.get("/v1/domains") is not None
        gateway.api.put(
            f"/v1/routes/{site.name}-1", route(f"{site.name}-1", [site.host], f"{site.name}-1.static", "/moved")
        )
        wait_until(lambda: site.get("/moved").status == 200, 10)
    finally:
        for sock in silent:
            sock.close()


def test_a_control_plane_that_talks_nonsense_does_not_harm_the_worker(new_gateway, authority, echo):
    """The worker's side of the socket: what comes is no protocol; the worker closes, waits, and serves on."""
    gateway = new_gateway().start()
    site = Site(gateway, authority, "nonsense.test", https="off")
    site.serve(echo.port)
    gateway.control.stop()
    gateway.channel.unlink(missing_ok=True)
    rng = random.Random(3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(gateway.channel))
        listener.listen()
        listener.settimeout(30)
        for turn in range(3):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(
                    [
                        b"\xff" * 100,
                        bytes(rng.randrange(256) for _ in range(5000)),
                        channel.frame(channel.PUBLISH_END, b"\0" * 8),
                    ][turn]
                )
                connection.settimeout(10)
                try:
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass
            assert site.get("/").status == 200
    gateway.channel.unlink()
    gateway.start_control()
    wait_until(gateway.workers, 20, "the worker is back")
