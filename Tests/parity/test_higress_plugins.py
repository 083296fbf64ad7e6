"""The plugin cases of the Higress suite whose work is done here by fields of routes and consumers, with the same verdicts."""

import base64

import pytest

from integration.site import Site
from peers import http2
from peers.wire import Wire


def basic(user, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def auth(*allowed, types=()):
    return {"enabled": True, "allowedCredentialTypes": list(types), "allowedConsumers": list(allowed)}


@pytest.fixture(scope="module")
def consumers(gateway):
    """Three consumers, each with its own way to say who it is."""
    for name, credentials in {
        "consumer1": [
            {"type": "basic-auth", "username": "admin", "password": "123456"},
            {"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": ["token1"]},
            {"type": "key-auth", "source": "QUERY", "key": "apikey", "values": ["token1"]},
        ],
        "consumer2": [
            {"type": "basic-auth", "username": "guest", "password": "abc"},
            {"type": "key-auth", "source": "HEADER", "key": "x-api-key", "values": ["token2"]},
        ],
    }.items():
        gateway.api.post("/v1/consumers", {"name": name, "credentials": credentials})


@pytest.mark.parametrize(
    "fields, status",
    [
        ([basic("admin", "123456")], 200),
        ([basic("admin", "wrong")], 401),
        ([], 401),
        ([basic("nobody", "123456")], 401),
        ([basic("guest", "abc")], 403),
    ],
    ids=["right", "wrong password", "nothing", "unknown user", "not allowed"],
)
def test_WasmPluginsBasicAuth(gateway, authority, echo, consumers, fields, status):
    site = Site(gateway, authority, https="off")
    site.serve(echo.port, authConfig=auth("consumer1", types=["basic-auth"]))
    answer = site.get("/foo", *fields)
    assert answer.status == status
    if status == 200:
        assert echo.seen[-1].get("x-mse-consumer") == "consumer1"
    if status == 401:
        assert answer.get("www-authenticate").startswith("Basic ")


@pytest.mark.parametrize(
    "target, fields, status",
    [
        ("/foo", [("x-api-key", "token1")], 200),
        ("/foo?apikey=token1", [], 200),
        ("/foo", [("x-api-key", "token3")], 401),
        ("/foo", [("x-api-key", "token2")], 403),
        ("/foo?apikey=token2", [], 401),
        ("/foo", [], 401),
    ],
    ids=["header", "query", "unknown key", "not allowed", "key in a place of another's", "nothing"],
)
def test_WasmPluginsKeyAuth(gateway, authority, echo, consumers, target, fields, status):
    site = Site(gateway, authority, https="off")
    site.serve(echo.port, authConfig=auth("consumer1", types=["key-auth"]))
    assert site.get(target, *fields).status == status


def from_address(site, address):
    with Wire.connect(site.gateway.http_port, source=address) as wire:
        return wire.request("GET", "/get", site.host).status


@pytest.mark.parametrize(
    "access, verdicts",
    [
        ({"allow": ["127.0.0.2"]}, {"127.0.0.2": 200, "127.0.0.3": 403}),
        ({"allow": ["127.0.1.0/24", "127.0.0.9"]}, {"127.0.1.7": 200, "127.0.0.9": 200, "127.0.2.7": 403}),
    ],
    ids=["address", "ranges"],
)
def test_WasmPluginsIPRestrictionAllow(gateway, authority, echo, access, verdicts):
    site = Site(gateway, authority, https="off")
    site.serve(echo.port, ipAccess=access)
    assert {address: from_address(site, address) for address in verdicts} == verdicts


@pytest.mark.parametrize(
    "access, verdicts",
    [
        ({"deny": ["127.0.0.2"]}, {"127.0.0.2": 403, "127.0.0.3": 200}),
        ({"deny": ["127.0.1.0/24", "127.0.0.9"]}, {"127.0.1.7": 403, "127.0.0.9": 403, "127.0.2.7": 200}),
    ],
    ids=["address", "ranges"],
)
def test_WasmPluginsIPRestrictionDeny(gateway, authority, echo, access, verdicts):
    site = Site(gateway, authority, https="off")
    site.serve(echo.port, ipAccess=access)
    assert {address: from_address(site, address) for address in verdicts} == verdicts


@pytest.mark.parametrize("same", [True, False], ids=["the host of the handshake", "another host"])
@pytest.mark.parametrize("protocol", ["h2", "h1"])
def test_WasmPluginsSniMisdirect(gateway, authority, echo, protocol, same):
    """Two hosts with a certificate each. Over HTTP/2 a browser may only reuse a connection for names of its certificate: 421 tells
    it. Clients of HTTP/1.1 do not reuse connections for other names, and are served."""
    first, second = Site(gateway, authority), Site(gateway, authority)
    first.serve(echo.port)
    second.serve(echo.port)
    asked = first if same else second
    if protocol == "h1":
        with first.http1() as wire:
            assert wire.request("GET", "/foo", asked.host).status == 200
    else:
        with first.http2() as client:
            assert client.request("GET", asked.host, "/foo").status == (200 if same else 421)
