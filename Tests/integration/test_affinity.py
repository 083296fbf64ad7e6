"""Sessions kept by a cookie of the gateway (`affinity: cookie`): who stays where, what becomes of them when endpoints go, and who gets no
cookie."""

import contextlib

import pytest

from integration.api import route
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.protos import Greeter, HelloRequest

NGINX = "nginx.ingress.kubernetes.io/"
NAME = "INGRESSCOOKIE"


@contextlib.contextmanager
def echoes(*names):
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(EchoServer(name)) for name in names}


def serve(site, *ports, persistent=False, protocol=None, **annotations):
    configs = {"affinity": "cookie", **({"affinity-mode": "persistent"} if persistent else {}), **annotations}
    return site.serve(*ports, protocol=protocol, customConfigs={NGINX + key: value for key, value in configs.items()})


def ask(site, value=None, tls=False):
    """Who answers, and the value that the client has then."""
    answer = site.get("/", *([("cookie", f"{NAME}={value}")] if value else []), tls=tls)
    assert answer.status == 200, answer
    said = answer.get("set-cookie")
    return answer.get("x-backend"), said.split(";")[0].split("=", 1)[1] if said else value


@pytest.mark.parametrize("persistent", [False, True], ids=["balanced", "persistent"])
def test_a_session_whose_endpoint_is_gone_goes_on_elsewhere(site, persistent):
    with echoes("a", "b", "c") as servers:
        serve(site, *(each.port for each in servers.values()), persistent=persistent)
        sessions = {}
        while len(sessions) < 3:
            backend, value = ask(site)
            sessions.setdefault(backend, value)
        gone = servers["b"]
        gone.stop()
        backend, value = ask(site, sessions["b"])
        assert backend in ("a", "c")
        # Balanced: the cookie is the session's name, and stays. Persistent: it is the endpoint's.
        assert (value == sessions["b"]) is not persistent
        if persistent:
            assert {ask(site, value) for _ in range(6)} == {(backend, value)}
        for name in ("a", "c"):
            assert {ask(site, sessions[name]) for _ in range(4)} == {(name, sessions[name])}, "the others stay"


def test_other_sessions_stay_when_endpoints_come(site):
    with echoes("a", "b", "c") as servers:
        ports = [each.port for each in servers.values()]
        made = serve(site, *ports[:2], persistent=True)
        sessions = [ask(site) for _ in range(20)]
        name = made["services"][0]["name"].removesuffix(".static")
        source = site.gateway.api.get(f"/v1/service-sources/{name}")
        source["domain"] = ",".join(f"127.0.0.1:{port}" for port in ports)
        site.gateway.api.put(f"/v1/service-sources/{name}", source)
        assert [ask(site, value) for _, value in sessions] == sessions
        wait_until(lambda: ask(site)[0] == "c", 10, "the new endpoint gets new sessions")


def test_the_cookie_tells_no_address_and_is_for_the_gateway_alone(site, echo):
    serve(site, echo.port, persistent=True)
    plain, secure = (site.get("/", tls=tls).get("set-cookie") for tls in (False, True))
    value = plain.split(";")[0].removeprefix(f"{NAME}=")
    assert len(value) == 32 and not set(value) - set("0123456789abcdef")
    assert plain == f"{NAME}={value}; Path=/; HttpOnly" and secure == f"{plain}; Secure"
    with site.http2() as client:
        stream = client.request("GET", site.host, "/", ("cookie", "x=y"), ("cookie", f"{NAME}={value}"))
    assert "set-cookie" not in stream.headers, "cookies in fields of their own"


@pytest.mark.parametrize("value", ["", "x", "0" * 32, "zz" * 16, "a" * 4000, "169.1.2|abc"])
@pytest.mark.parametrize("persistent", [False, True], ids=["balanced", "persistent"])
def test_values_of_others_do_no_harm(site, echo, persistent, value):
    serve(site, echo.port, persistent=persistent)
    answer = site.get("/", ("cookie", f"{NAME}={value}"))
    assert answer.status == 200
    # A session by another name is one all the same; an endpoint of another name is none.
    assert bool(answer.get("set-cookie")) is (persistent or not value)


def test_a_websocket_stays_with_its_session(site, ws_server):
    serve(site, ws_server.port, persistent=True)
    with site.websocket() as ws:
        said = ws.response.headers["Set-Cookie"]
        ws.send("x")
        assert ws.recv(timeout=10) == "x"
    with site.websocket(additional_headers={"Cookie": said.split(";")[0]}) as ws:
        assert "Set-Cookie" not in ws.response.headers


def test_grpc_gets_no_cookie_and_follows_one(gateway, authority, grpc_server):
    site = Site(gateway, authority)
    serve(site, grpc_server.port, persistent=True, protocol="GRPC")
    with site.channel() as channel:
        _, call = Greeter(channel).SayHello.with_call(HelloRequest(name="you"), timeout=10)
        assert "set-cookie" not in dict(call.initial_metadata())
        value = ("cookie", f"{NAME}={'0' * 32}")
        assert Greeter(channel).SayHello(HelloRequest(name="you"), timeout=10, metadata=[value]).message == "Hello, you!"


def test_a_canary_that_gets_nothing_any_more_keeps_nobody(site):
    with echoes("a", "b") as servers:
        names = {}
        for name, server in servers.items():
            names[name] = f"{site.name}-{name}"
            site.gateway.api.create_static(names[name], server.port)
        configs = {f"{NGINX}affinity": "cookie", f"{NGINX}affinity-mode": "persistent"}

        def services(a, b):
            return [(f"{names['a']}.static", a), (f"{names['b']}.static", b)]

        site.gateway.api.post("/v1/routes", route("split", [site.host], services(50, 50), customConfigs=configs))
        sessions = {}
        while len(sessions) < 2:
            backend, value = ask(site)
            sessions.setdefault(backend, value)
        for name in servers:
            assert {ask(site, sessions[name])[0] for _ in range(10)} == {name}
        changed = route("split", [site.host], services(100, 0), customConfigs=configs)
        site.gateway.api.put("/v1/routes/split", changed)
        assert ask(site, sessions["b"])[0] == "a" and ask(site, sessions["a"]) == ("a", sessions["a"])
        site.gateway.api.delete("/v1/routes/split")


def test_an_answer_of_the_fallback_makes_no_session(site, echo):
    spare = f"{site.name}-spare"
    site.gateway.api.create_static(spare, echo.port)
    serve(site, "nowhere.invalid:80", persistent=True, **{"default-backend": f"{spare}.static"})
    answer = site.get("/")
    assert answer.status == 200 and not answer.get("set-cookie")
