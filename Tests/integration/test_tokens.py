"""JSON Web Tokens as credentials of consumers: PyJWT makes them, real clients show them, and each way to cheat is tried."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import pathlib
import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from websockets.exceptions import InvalidStatus

from integration.waiting import wait_until
from peers import grpc_web, http2
from peers.http1 import EchoServer
from peers.protos import Ask, Greeter, HelloRequest, Kinds
from peers.tokens import AUDIENCE, ISSUER, Key, b64, bearer, claims_of, credential

ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"),
]
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def plain(gateway):
    with EchoServer() as server:
        yield server


@pytest.fixture(scope="module")
def key():
    return Key("ES256", "first")


@pytest.fixture
def consumer(gateway):
    """`consumer(credential, …)` makes a consumer of its own issuer and gives its name; taken away with the routes of the test."""
    made = []

    def make(*credentials, status=201):
        name = f"token-user-{next(numbers)}"
        answer = gateway.api.expect(
            status, "POST", "/v1/consumers?wait=live&timeout=20s", {"name": name, "credentials": list(credentials)}
        ).json()
        if status != 201:
            return answer
        made.append(name)
        return name

    yield make
    for name in made:
        for each in gateway.api.get("/v1/routes"):
            if name in ((each.get("authConfig") or {}).get("allowedConsumers") or []):
                gateway.api.delete(f"/v1/routes/{each['name']}", live=False)
        gateway.api.delete(f"/v1/consumers/{name}")


def auth(*names, types=("jwt",)):
    return {"enabled": True, "allowedCredentialTypes": list(types), "allowedConsumers": list(names)}


@pytest.fixture
def shop(site, plain, consumer, key):
    """A site whose route takes tokens of `key`."""
    site.serve(plain.port, authConfig=auth(consumer(credential(key))))
    return site


def get(site, token, path="/"):
    return site.get(path, bearer(token))


def refused(gateway, site, token, kind):
    """401 in the words of RFC 6750; the log and the counter tell the same kind, and nothing tells the token."""
    before = gateway.metric("causeway_errors_total", flag="UA", kind=kind)
    answer = get(site, token)
    assert answer.status == 401, answer.body
    challenge = answer.get("www-authenticate")
    assert challenge.startswith('Bearer realm="gateway", error="invalid_token", error_description="')
    assert gateway.metric("causeway_errors_total", flag="UA", kind=kind) == before + 1, challenge
    reason = challenge.split('"')[-2]
    assert gateway.wait_log(authority=site.host, status=401, reason=reason)["flag"] == "UA"
    for log in (gateway.access_log_path, gateway.worker.log):
        assert token not in pathlib.Path(log).read_text()


# ---- good tokens


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(gateway, site, plain, consumer, algorithm):
    key, other = Key(algorithm, "k"), Key(algorithm, "k", octets=bytes(64))
    site.serve(plain.port, authConfig=auth(name := consumer(credential(key))))
    token = key.sign()
    for _ in range(3):
        assert get(site, token).status == 200
        assert plain.seen[-1].all("x-mse-consumer") == [name]
        assert plain.seen[-1].all("authorization") == [f"Bearer {token}"]
    refused(gateway, site, other.sign(), "tokenSignature")
    head, payload, signature = token.split(".")
    changed = b64({**claims_of(), "sub": "root"})
    refused(gateway, site, f"{head}.{changed}.{signature}", "tokenSignature")
    raw = base64.urlsafe_b64decode(signature + "==")
    for wrong in (raw[:-1], raw + b"\0", b"", bytes(len(raw)), b"\0" + raw[:-1]):
        refused(gateway, site, f"{head}.{payload}.{b64(wrong)}", "tokenSignature")


def test_a_key_without_an_algorithm_takes_all_of_its_type(site, plain, consumer):
    key = Key("RS256")
    key.jwk.pop("alg", None)
    site.serve(plain.port, authConfig=auth(consumer(credential(key))))
    for algorithm in ("RS256", "RS512", "PS256", "PS384"):
        assert get(site, key.sign(algorithm=algorithm)).status == 200
    assert get(site, key.sign({"kid": "another"})).status == 200, "a key without a name may be any"


def test_over_http2_grpc_and_websockets(gateway, site, plain, grpc_server, ws_server, consumer, key):
    config = auth(consumer(credential(key), credential(key, source="QUERY", key="token")))
    site.serve(plain.port, path="/plain", authConfig=config)
    site.serve(ws_server.port, path="/ws", authConfig=config)
    site.serve(grpc_server.port, path="/", protocol="GRPC", authConfig=config)
    good, late = key.sign(), key.sign(exp=int(time.time()) - 300)
    with site.http2() as client:
        assert client.request("GET", site.host, "/plain", bearer(good)).status == 200
        answer = client.request("GET", site.host, "/plain", bearer(late))
        assert answer.status == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"]
    with site.channel() as channel:
        greeter = Greeter(channel)
        call = greeter.SayHello(HelloRequest(name="you"), timeout=10, metadata=[bearer(good)])
        assert call.message == "Hello, you!"
        for metadata, words in (([bearer(late)], "the token has expired"), ([], "a credential of a known consumer is required")):
            with pytest.raises(grpc.RpcError) as error:
                greeter.SayHello(HelloRequest(name="you"), timeout=10, metadata=metadata)
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED and error.value.details() == words
    path, message = "/helloworld.Greeter/SayHello", HelloRequest(name="you").SerializeToString()
    for h2 in (False, True):
        for token, status in ((good, 0), (late, 16)):
            assert grpc_web.call(site, path, message, h2=h2, fields=[bearer(token)]).status == status
    for more in ({"additional_headers": dict([bearer(good)])}, {}):
        with site.websocket("/ws" if more else f"/ws?token={good}", **more) as ws:
            ws.send("hello")
            assert ws.recv(timeout=10) == "hello"
    with pytest.raises(InvalidStatus) as error:
        site.websocket(f"/ws?token={late}")
    assert error.value.response.status_code == 401
    assert "the token has expired" in error.value.response.headers["www-authenticate"]
    line = gateway.wait_log(status=401, path="/ws?token=***")
    assert line["reason"] == "the token has expired"


def test_a_consumer_who_may_not_use_the_route(gateway, site, plain, grpc_server, consumer, key):
    name, other = consumer(credential(key, subject="alice")), consumer(credential(key, subject="bob"))
    site.serve(plain.port, path="/plain", authConfig=auth(other))
    site.serve(grpc_server.port, path="/", protocol="GRPC", authConfig=auth(other))
    assert get(site, key.sign(), "/plain").status == 403
    assert get(site, key.sign(sub="bob"), "/plain").status == 200
    with site.channel() as channel, pytest.raises(grpc.RpcError) as error:
        Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10, metadata=[bearer(key.sign())])
    assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert name != other


@pytest.mark.parametrize("source, name", [("HEADER", "X-Token"), ("QUERY", "tok")])
@pytest.mark.parametrize("keep", [True, False])
def test_places_and_whether_the_token_goes_on(site, plain, consumer, key, source, name, keep):
    site.serve(plain.port, authConfig=auth(consumer(credential(key, source=source, key=name, keepToken=keep))))
    token = key.sign()
    if source == "HEADER":
        assert site.get("/a?b=1", (name, token), ("x-other", "1")).status == 200
        assert plain.seen[-1].all("x-token") == ([token] if keep else []) and plain.seen[-1].all("x-other") == ["1"]
        assert site.get("/", bearer(token)).status == 401, "it is looked for in its place alone"
        assert site.get("/", (name, token), (name, token)).status == 401, "which of them does the service take?"
        return
    for before, after in (("?", ""), ("?a=1&", ""), ("?", "&b=2"), ("?a=1&", "&b=2&c")):
        assert site.get(f"/p{before}tok={token}{after}").status == 200
        rest = f"{before}tok={token}{after}" if keep else (before + after).replace("&&", "&").replace("?&", "?").rstrip("?&")
        assert plain.seen[-1].target == f"/p{rest}"
    assert site.get(f"/p?tok={token}&t%6fk={token}").status == 401


def test_a_bearer_token_can_be_taken_out(site, plain, consumer, key):
    site.serve(plain.port, authConfig=auth(consumer(credential(key, keepToken=False))))
    assert site.get("/", bearer(key.sign()), ("x-other", "1")).status == 200
    assert plain.seen[-1].all("authorization") == [] and plain.seen[-1].all("x-other") == ["1"]
    assert site.get("/", bearer(key.sign()), bearer("x")).status == 401


def test_beside_other_credentials(site, plain, consumer, key):
    both = consumer(credential(key), {"type": "key-auth", "source": "BEARER", "values": ["plain-key"]})
    site.serve(plain.port, path="/any", authConfig=auth(both, types=()))
    site.serve(plain.port, path="/keys", authConfig=auth(both, types=("key-auth",)))
    token = key.sign()
    assert [get(site, value, "/any").status for value in (token, "plain-key", "other")] == [200, 200, 401]
    assert [get(site, value, "/keys").status for value in (token, "plain-key")] == [401, 200]
    assert site.get("/any").get("www-authenticate").startswith("Basic ")
    assert site.get("/keys").get("www-authenticate") == 'Bearer realm="gateway"'


# ---- claims


def test_claims_become_headers_that_nobody_else_can_write(site, plain, consumer, key):
    claims = {"sub": "x-user", "level": "x-level", "admin": "x-admin", "list": "x-list", "gone": "x-gone", "bad": "x-bad"}
    headers = [{"claim": claim, "header": header} for claim, header in claims.items()]
    name = consumer(credential(key, claimsToHeaders=headers))
    site.serve(plain.port, path="/in", authConfig=auth(name))
    site.serve(plain.port, path="/open")
    forged = [(header, "forged") for header in claims.values()] + [("X_User", "forged"), ("X-USER", "forged")]
    token = key.sign(sub="älice", level=3.50, admin=True, list=["a"], bad="a\r\nx-evil: 1")
    for _ in range(2):
        assert site.get("/in", bearer(token), *forged, ("x-kept", "1")).status == 200
        seen = plain.seen[-1]
        assert [value.encode("latin-1").decode() for value in seen.all("x-user")] == ["älice"]
        assert [seen.all(header) for header in ("x-level", "x-admin")] == [["3.5"], ["true"]]
        assert all(seen.all(header) == [] for header in ("x-list", "x-gone", "x-bad", "x-evil", "x_user"))
        assert seen.all("x-kept") == ["1"]
    assert site.get("/open", *forged, ("x-kept", "1")).status == 200
    assert all(plain.seen[-1].all(header) == [] for header in (*claims.values(), "x_user"))
    assert plain.seen[-1].all("x-kept") == ["1"]
    trailers = "".join(f"{name}: {value}\r\n" for name, value in [*forged, ("x-kept", "1")])
    with site.http1(tls=False) as wire:
        wire.send(f"POST /open HTTP/1.1\r\nHost: {site.host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n")
        assert wire.read_response().status == 200
    assert [(name.lower(), value) for name, value in plain.seen[-1].trailers] == [("x-kept", "1")]


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb", " a", "a ", "\x7f", "x" * 1025, {"a": 1}, None, ["a"]])
def test_claims_that_cannot_stand_in_a_header_are_left_out(site, plain, consumer, key, value):
    name = consumer(credential(key, claimsToHeaders=[{"claim": "c", "header": "x-c"}]))
    site.serve(plain.port, authConfig=auth(name))
    token = key.sign_raw({"alg": "ES256"}, {**claims_of(), "c": value})
    assert get(site, token).status == 200 and plain.seen[-1].all("x-c") == []


def test_claims_reach_grpc_with_its_deadline(site, consumer, key):
    """Fields move in the list, and the deadline is still found."""
    name = consumer(credential(key, claimsToHeaders=[{"claim": "sub", "header": "x-user"}], keepToken=False))
    with http2.Server(script=lambda *_: None) as silent:
        site.serve(silent.port, protocol="GRPC", authConfig=auth(name))
        with site.http2() as client:
            forged = [("x-user", "root"), bearer(key.sign()), ("x-a", "1"), ("grpc-timeout", "300m"), ("x-user", "root")]
            assert client.grpc(site.host, "/a/B", b"", *forged).grpc_status == 4
        seen = dict(silent.fields[-1])
        assert seen["x-user"] == "alice" and "authorization" not in seen and seen["x-a"] == "1" and "grpc-timeout" in seen


def test_a_copy_has_the_claims_too(site, plain, consumer, key):
    name = consumer(credential(key, claimsToHeaders=[{"claim": "sub", "header": "x-user"}], keepToken=False))
    with EchoServer() as copies:
        site.gateway.api.create_static(f"{site.name}-copies", copies.port)
        mirror = {"service": f"{site.name}-copies.static", "percentage": 100}
        site.serve(plain.port, authConfig=auth(name), mirror=mirror)
        assert site.get("/", bearer(key.sign()), ("x-user", "root")).status == 200
        wait_until(lambda: copies.seen, 10, "the copy")
        for seen in (plain.seen[-1], copies.seen[-1]):
            assert seen.all("x-user") == ["alice"] and seen.all("authorization") == []


# ---- attacks (RFC 8725)


def test_none_is_no_algorithm(gateway, shop, key):
    for name in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", b64(b"x")):
            token = f"{b64({'alg': name, 'kid': 'first'})}.{b64(claims_of())}.{signature}"
            refused(gateway, shop, token, "tokenAlgorithm")


def test_a_public_key_is_no_secret(gateway, site, plain, consumer):
    """RS256 in the issuer's hands, HS256 with its public key in the attacker's."""
    key = Key("RS256", "k")
    site.serve(plain.port, authConfig=auth(consumer(credential(key))))
    public = key.private.public_key()
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        key.jwk["n"].encode(),
    ]
    for secret in forms:
        for head in ({"alg": "HS256", "kid": "k"}, {"alg": "HS256"}):
            text = f"{b64(head)}.{b64(claims_of())}"
            token = f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"
            refused(gateway, site, token, "tokenAlgorithm")


def test_an_algorithm_is_bound_to_its_key(gateway, site, plain, consumer):
    key = Key("RS256", "k")
    key.jwk["alg"] = "RS256"
    site.serve(plain.port, authConfig=auth(consumer(credential(key))))
    assert get(site, key.sign()).status == 200
    for algorithm in ("RS384", "RS512", "PS256"):
        refused(gateway, site, key.sign(algorithm=algorithm), "tokenAlgorithm")


def test_keys_that_a_token_brings_are_not_looked_at(gateway, shop):
    own = Key("ES256", "first")
    brought = {"jwk": own.jwk, "jku": "http://127.0.0.1/keys", "x5u": "http://127.0.0.1/x", "x5c": ["AAAA"]}
    refused(gateway, shop, own.sign(brought), "tokenSignature")
    refused(gateway, shop, own.sign({**brought, "kid": "second"}), "tokenKeyUnknown")
    refused(gateway, shop, own.sign({**brought, "kid": "../../first' or 1=1"}), "tokenKeyUnknown")


def test_extensions_are_not_understood(gateway, shop, key):
    for critical in (["exp"], ["b64"], [], "x", None):
        refused(gateway, shop, key.sign_raw({"alg": "ES256", "crit": critical, "b64": True}, claims_of()), "tokenAlgorithm")


def test_names_that_stand_twice(gateway, shop, key):
    claims = json.dumps(claims_of())
    twice = [claims[:-1] + ', "sub": "root"}', claims[:-1] + ', "\\u0073ub": "root"}', claims[:-1] + ', "o": {"a": 1, "a": 2}}']
    for payload in twice:
        refused(gateway, shop, key.sign_raw({"alg": "ES256"}, payload), "tokenMalformed")
    refused(gateway, shop, key.sign_raw('{"alg": "none", "alg": "ES256"}', claims), "tokenMalformed")


@pytest.mark.parametrize(
    "payload",
    ["", "[]", "null", '"x"', "{}", "x", '{"iss": 1}', '{"a": ' + "[" * 1000 + "]" * 1000 + "}", b"\xff\xfe{}", "\ufeff{}"],
)
def test_payloads_that_are_none(gateway, shop, key, payload):
    refused(gateway, shop, key.sign_raw({"alg": "ES256"}, payload), "tokenMalformed")


@pytest.mark.parametrize("header", ["", "[]", "{}", {"alg": 1}, {"alg": ["ES256"]}, {"alg": "ES256", "kid": 1}, "\0"])
def test_headers_that_are_none(gateway, shop, key, header):
    refused(gateway, shop, key.sign_raw(header, claims_of()), "tokenMalformed")


def test_texts_that_are_no_tokens(gateway, shop, key):
    head, payload, signature = key.sign().split(".")
    bad = [
        *("x", "a.b", "a.b.c.d", "..", "a..", f"{head}.{payload}", f"{head}.{payload}.{signature}.{signature}.x"),
        *(f"{head}.{payload}.{signature}=", f"{head}=.{payload}.{signature}", f"{head}.{payload}.+{signature[1:]}"),
        *(f"{head}.{payload}.{signature[:-1]}", f"{head} .{payload}.{signature}", f"{head}.{payload}.é"),
        "." * 5000,
    ]
    for token in bad:
        assert get(shop, token).status == 401, token
    # Another last character with the same bytes: one token has one text.
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signature[:-1] + last[last.index(signature[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin + "==") == base64.urlsafe_b64decode(signature + "==")
    refused(gateway, shop, f"{head}.{payload}.{twin}", "tokenMalformed")


def test_the_longest_token(gateway, shop, key):
    def padded(count):
        return key.sign_raw({"alg": "ES256"}, {**claims_of(), "pad": "x" * count})

    base = (8_192 - len(padded(0))) * 3 // 4
    tokens = {len(token): token for token in map(padded, range(base - 4, base + 5))}
    assert get(shop, tokens[8_192]).status == 200
    refused(gateway, shop, tokens[min(length for length in tokens if length > 8_192)], "tokenMalformed")


# ---- what a token says of itself


def test_times(gateway, shop, key):
    now = int(time.time())
    for claims in ({"exp": now - 50}, {"nbf": now + 50}, {"iat": now + 50}, {"exp": now + 1000.5}, {"iat": None}):
        assert get(shop, key.sign_raw({"alg": "ES256"}, claims_of(**claims))).status == 200, claims
    for claims, kind in (
        ({"exp": now - 70}, "tokenExpired"),
        ({"exp": 0}, "tokenExpired"),
        ({"exp": -5}, "tokenExpired"),
        ({"nbf": now + 80}, "tokenNotYetValid"),
        ({"iat": now + 80}, "tokenNotYetValid"),
        ({"exp": None}, "tokenMalformed"),
        ({"exp": str(now + 100)}, "tokenMalformed"),
        ({"exp": 1e300}, "tokenMalformed"),
        ({"nbf": "x"}, "tokenMalformed"),
        ({"iat": []}, "tokenMalformed"),
    ):
        refused(gateway, shop, key.sign_raw({"alg": "ES256"}, claims_of(**claims)), kind)


def test_a_token_that_was_good_expires(site, plain, consumer, key):
    site.serve(plain.port, authConfig=auth(consumer(credential(key, clockSkewSeconds=0))))
    token = key.sign(exp=int(time.time()) + 2)
    assert get(site, token).status == 200
    wait_until(lambda: get(site, token).status == 401, 10, "its end")


@pytest.mark.parametrize(
    "audience, good", [(AUDIENCE, True), (["x", AUDIENCE], True), (["x"], False), ("SHOP", False), (None, False), ([], False), ([AUDIENCE, 1], None), (1, False), ({}, False)]
)
def test_audiences(gateway, shop, key, audience, good):
    token = key.sign_raw({"alg": "ES256"}, claims_of(aud=audience))
    if good:
        assert get(shop, token).status == 200
    else:
        refused(gateway, shop, token, "tokenMalformed" if good is None else "tokenAudience")


def test_issuers_and_subjects(gateway, site, plain, consumer, key):
    other = Key("ES256", "first")
    one, two = consumer(credential(key, subject="alice")), consumer(credential(other, subject="bob"))
    rest = consumer(credential(key))
    site.serve(plain.port, authConfig=auth(one, two, rest))
    for token, name in ((key.sign(), one), (other.sign(sub="bob"), two), (key.sign(sub="carol"), rest), (key.sign(sub=None), rest)):
        assert get(site, token).status == 200
        assert plain.seen[-1].all("x-mse-consumer") == [name]
    refused(gateway, site, key.sign(sub="bob"), "tokenSignature")
    for issuer in (ISSUER + "/", ISSUER.upper(), "", ISSUER + "\0alice"):
        refused(gateway, site, key.sign(iss=issuer, sub=None), "tokenIssuerUnknown")
    refused(gateway, site, key.sign(iss=None), "tokenMalformed")
    answer = consumer(credential(key, subject="alice"), status=400)
    assert answer["errors"][0]["field"] == "credentials[0].issuer" and one in answer["errors"][0]["message"]
    answer = consumer(credential(key, issuer="https://other.test"), credential(key, issuer="https://other.test"), status=400)
    assert answer["errors"][0]["field"] == "credentials[1]"


# ---- keys change


def test_keys_rotate_under_running_streams(gateway, site, ws_server, grpc_server, consumer):
    old, new = Key("ES256", "old"), Key("RS256", "new")
    config = auth(name := consumer(credential(old, new)))
    site.serve(ws_server.port, path="/ws", authConfig=config)
    site.serve(grpc_server.port, path="/", protocol="GRPC", authConfig=config)
    token, later = old.sign(), new.sign()
    with contextlib.ExitStack() as stack:
        ws = stack.enter_context(site.websocket("/ws", additional_headers=dict([bearer(token)])))
        channel = stack.enter_context(site.channel())
        stream = Kinds(channel).Bidi(iter([]), timeout=30, metadata=[bearer(token)]) if False else None
        greeter = Greeter(channel)
        for each in (token, later):
            assert greeter.SayHello(HelloRequest(name="x"), timeout=10, metadata=[bearer(each)]).message
        gateway.api.put(f"/v1/consumers/{name}", {"credentials": [credential(new)]})
        with pytest.raises(grpc.RpcError) as error:
            greeter.SayHello(HelloRequest(name="x"), timeout=10, metadata=[bearer(token)])
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert error.value.details() in ("the token's key is none of its issuer's", "the token's algorithm or extension is not accepted")
        assert greeter.SayHello(HelloRequest(name="x"), timeout=10, metadata=[bearer(later)]).message
        with pytest.raises(InvalidStatus):
            site.websocket("/ws", additional_headers=dict([bearer(token)]))
        ws.send("still")
        assert ws.recv(timeout=10) == "still", "what runs goes on"
        assert stream is None


def test_a_publish_of_something_else_forgets_nothing_and_a_removed_consumer_is_out(gateway, site, plain, consumer, key):
    name, other = consumer(credential(key, subject="a")), consumer(credential(key, subject="b"))
    site.serve(plain.port, authConfig=auth(name, other))
    token = key.sign(sub="b")
    assert get(site, token).status == 200
    body = gateway.api.get(f"/v1/routes/{site.name}-1")
    gateway.api.put(f"/v1/routes/{site.name}-1", {**body, "authConfig": auth(name)})
    assert get(site, token).status == 403
    gateway.api.put(f"/v1/consumers/{other}", {"credentials": [credential(key, subject="c")]})
    assert get(site, token).status == 401


# ---- the API


def test_rules_of_token_credentials(gateway, consumer, key):
    def fields(**more):
        return [each["field"].removeprefix("credentials[0].") for each in consumer({**credential(key), **more}, status=400)["errors"]]

    assert fields(issuer=None) == ["issuer"]
    assert fields(jwks=None) == ["jwks"] and fields(jwks={"keys": []}) == ["jwks"] and fields(jwks="x") == ["jwks"]
    assert fields(source="COOKIE") == ["source"]
    beside = {**key.jwk, "y": key.jwk["x"]}
    assert fields(jwks={"keys": [beside]}) == ["jwks.keys[0]"]
    assert fields(jwks={"keys": [Key("RS256", bits=1024).jwk]}) == ["jwks.keys[0].n"]
    assert fields(claimsToHeaders=[{"claim": "sub", "header": "Cookie"}]) == ["claimsToHeaders[0].header"]
    assert fields(claimsToHeaders=[{"claim": "sub", "header": "X-Forwarded-User"}]) == ["claimsToHeaders[0].header"]
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.private))
    answer = consumer({**credential(key), "jwks": {"keys": [private]}}, status=400)
    assert answer["errors"][0]["field"] == "credentials[0].jwks.keys[0]" and private["d"] not in json.dumps(answer)
    body = {"name": f"warned-{next(numbers)}", "credentials": [credential(key, audiences=None, issuer="https://w.test")]}
    warned = gateway.api.expect(200, "POST", "/v1/consumers?dryRun=true", body).json()
    assert "audiences" in json.dumps(warned)


def test_secrets_of_issuers_are_kept_and_not_shown(gateway, site, plain, consumer):
    key = Key("HS256", "s")
    name = consumer(credential(key))
    site.serve(plain.port, authConfig=auth(name))
    assert get(site, key.sign()).status == 200
    shown = gateway.api.get(f"/v1/consumers/{name}")
    assert shown["credentials"][0]["jwks"] == {"keys": [{"kty": "oct", "kid": "s", "alg": "HS256"}]}
    shown["credentials"][0]["clockSkewSeconds"] = 5
    gateway.api.put(f"/v1/consumers/{name}", shown)
    assert get(site, key.sign()).status == 200, "what was shown leads back to what is kept"
    document = gateway.api.expect(200, "GET", "/v1/export").json()
    assert key.jwk["k"] not in json.dumps(document)
    assert gateway.api.expect(200, "POST", "/v1/apply", document).json()["changes"] == []
    as_text = {**credential(key), "jwks": json.dumps({"keys": [key.jwk]}), "clockSkewSeconds": 5}
    gateway.api.put(f"/v1/consumers/{name}", {"credentials": [as_text]})
    assert get(site, key.sign()).status == 200
