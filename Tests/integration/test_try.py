"""Requests tried out through the gateway's own listeners: what is told of them, how they end, what bounds them, and who sees them."""

import base64
import json
import socket
import time

import pytest

from integration.site import Site
from integration.tryout import Try, account
from integration.waiting import wait_until

MIB = 1 << 20


@pytest.fixture(params=["https", "http"])
def listener(request):
    return request.param


@pytest.fixture(scope="module")
def ws_site(gateway, authority, ws_server):
    made = Site(gateway, authority, "try-ws.test")
    made.serve(ws_server.port)
    return made


def body_of(events):
    return b"".join(
        data["text"].encode() if "text" in data else base64.b64decode(data["base64"])
        for event, data in events
        if event == "message"
    )


# ---- HTTP


def test_an_http_request_goes_through_its_route(gateway, site, echo, listener):
    site.serve(echo.port)
    tried = Try(
        gateway.api, site.host, "http", listener,
        path="/cart?id=1", method="POST", headers={"X-Tried": "yes"}, body="the body: ü",
    )  # fmt: skip
    events = tried.all()
    assert [event for event, _ in events[:2]] == ["open", "headers"] and events[-1][0] == "closed"
    assert events[0][1]["tls"] is (listener == "https")
    assert events[1][1]["status"] == 200
    assert any(field["name"].lower() == "content-type" for field in events[1][1]["headers"])
    seen = json.loads(body_of(events))
    assert seen["method"] == "POST" and seen["target"] == "/cart?id=1"
    assert all(data["direction"] == "in" and data["time"].endswith("Z") for event, data in events if event == "message")
    assert events[-1][1] == {"code": None, "reason": "The answer is complete."}
    wait_until(lambda: gateway.api.call("GET", f"{tried.path}/events").status_code == 404, 10, "it is gone")


def test_a_host_that_nobody_serves_gets_the_gateways_own_answer(gateway):
    events = Try(gateway.api, "nobody.test", "http", "http").all()
    assert events[1][0] == "headers" and events[1][1]["status"] == 404


def test_a_websocket_that_is_refused_is_an_answer_like_any_other(gateway):
    tried = Try(gateway.api, "nobody.test", listener="http")
    events = tried.all()
    assert [event for event, _ in events[:2]] == ["open", "headers"] and events[1][1]["status"] == 404
    assert events[-1][0] == "closed"


def test_a_name_without_a_certificate_is_told(gateway):
    event, data = Try(gateway.api, "nobody.test", "http", "https").all()[-1]
    assert event in ("error", "closed"), data
    if event == "error":
        assert "certificate" in data["reason"]


# ---- WebSocket


def test_messages_go_both_ways(gateway, ws_site, listener):
    tried = Try(gateway.api, ws_site.host, listener=listener).opened()
    tried.send(text="grüezi")
    for direction in ("out", "in"):
        event, data = tried.next()
        assert event == "message" and data["direction"] == direction and data["text"] == "grüezi"
    raw = bytes(range(256))
    tried.send(base64=base64.b64encode(raw).decode())
    for direction in ("out", "in"):
        event, data = tried.next()
        assert data["direction"] == direction and base64.b64decode(data["base64"]) == raw and "text" not in data
    tried.send(end=True, code=4001, reason="enough")
    assert tried.all() == [("closed", {"code": 4001, "reason": "enough"})]


def test_the_code_that_a_back_end_closes_with_is_told(gateway, ws_site, listener):
    tried = Try(gateway.api, ws_site.host, listener=listener, path="/close/4002/moved").opened()
    assert tried.all() == [("closed", {"code": 4002, "reason": "moved"})]
    wait_until(lambda: tried.api.call("POST", f"{tried.path}/messages", {"text": "late"}).status_code == 404, 10, "gone")


def test_what_comes_before_somebody_reads_is_kept(gateway, ws_site):
    tried = Try(gateway.api, ws_site.host, path="/push/20/100")
    tried.send(text="last")
    tried.listen().opened()
    pushed = [base64.b64decode(data["base64"]) for event, data in (tried.next() for _ in range(22)) if "base64" in data]
    assert [int.from_bytes(each[:4], "big") for each in pushed] == list(range(len(pushed)))
    tried.end()
    tried.all()


def test_a_subprotocol_is_asked_for(gateway, ws_site):
    tried = Try(gateway.api, ws_site.host, headers={"Sec-WebSocket-Protocol": "echo"})
    assert tried.next()[0] == "open"
    _, data = tried.next()
    assert {"name": "sec-websocket-protocol", "value": "echo"} in [
        {"name": each["name"].lower(), "value": each["value"]} for each in data["headers"]
    ]
    tried.end()


# ---- bounds and ends


def test_the_eleventh_waits(gateway, ws_site):
    api = account(gateway, "editor")
    open_ones = [Try(api, ws_site.host).opened() for _ in range(10)]
    answer = api.call("POST", "/v1/try", {"kind": "websocket", "listener": "https", "authority": ws_site.host})
    assert answer.status_code == 429 and answer.json()["code"] == "busy" and answer.headers["Retry-After"]
    open_ones[0].end()
    assert open_ones[0].all()[-1][0] == "closed"
    Try(api, ws_site.host).opened().end()
    for each in open_ones[1:]:
        each.end()


def test_four_mebibytes_are_the_most(gateway, ws_site):
    tried = Try(gateway.api, ws_site.host).opened()
    answer = tried.send(413, text="m" * (4 * MIB + 1))
    assert answer.json()["code"] == "too_large"
    tried.end()
    pushed = Try(gateway.api, ws_site.host, path=f"/push/5/{MIB}").listen()
    events = pushed.all()
    assert events[-1][0] == "error" and str(4 * MIB) in events[-1][1]["reason"]
    assert sum(event == "message" for event, _ in events) == 4
    huge = Try(gateway.api, ws_site.host, path=f"/push/1/{5 * MIB}").listen().all()
    assert huge[-1][0] == "error" and str(4 * MIB) in huge[-1][1]["reason"]


def streams(gateway, site):
    return [each for each in gateway.api.get("/v1/streams") if each.get("route") == f"{site.name}-1"]


def test_it_ends_with_the_reader_of_its_events(gateway, site, ws_server):
    site.serve(ws_server.port)
    tried = Try(gateway.api, site.host).opened()
    wait_until(lambda: streams(gateway, site), 10, "the stream is open")
    tried.answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not streams(gateway, site), 20, "the stream has ended")
    wait_until(lambda: gateway.api.call("DELETE", tried.path).status_code == 404, 10, "it is gone")


def test_a_second_reader_is_refused(gateway, ws_site):
    tried = Try(gateway.api, ws_site.host).opened()
    gateway.api.expect(409, "GET", f"{tried.path}/events")
    tried.end()


def test_a_worker_that_is_killed_is_told(new_gateway, authority, ws_server):
    gateway = new_gateway().start()
    site = Site(gateway, authority)
    site.serve(ws_server.port)
    tried = Try(gateway.api, site.host).opened()
    gateway.worker.kill9()
    event, data = tried.all()[-1]
    assert event == "closed" and data["code"] == 1006
    event, data = Try(gateway.api, site.host).all()[-1]
    assert event == "error" and "Does the worker run?" in data["reason"]


def test_the_control_plane_ends_at_once_while_one_is_open(new_gateway, authority, ws_server):
    gateway = new_gateway().start()
    site = Site(gateway, authority)
    site.serve(ws_server.port)
    tried = Try(gateway.api, site.host).opened()
    begun = time.monotonic()
    gateway.stop()
    assert time.monotonic() - begun < 10
    tried.answer.close()


# ---- rights and bad input


def test_it_is_for_editors_and_each_sees_his_own(gateway, ws_site):
    body = {"kind": "websocket", "listener": "https", "authority": ws_site.host}
    account(gateway, "viewer").expect(403, "POST", "/v1/try", body)
    tried = Try(account(gateway, "editor"), ws_site.host)
    other = account(gateway, "editor")
    other.expect(404, "GET", f"{tried.path}/events")
    other.expect(404, "POST", f"{tried.path}/messages", {"text": "mine?"})
    other.expect(404, "DELETE", tried.path)
    gateway.api.expect(204, "POST", f"{tried.path}/messages", {"text": "an administrator may"})
    gateway.api.expect(204, "DELETE", tried.path)


def test_it_is_audited_without_the_query(gateway, ws_site):
    Try(gateway.api, ws_site.host, path="/?token=secret-of-mine").opened().end()
    entry = next(each for each in gateway.api.get("/v1/audit") if each["action"] == "try")
    assert entry["name"] == "https" and ws_site.host in entry["detail"] and "secret-of-mine" not in json.dumps(entry)


@pytest.mark.parametrize(
    "field, change",
    [
        ("kind", {"kind": "ftp"}),
        ("listener", {"listener": "10.0.0.1:80"}),
        ("authority", {"authority": "a.test\r\nx: y"}),
        ("authority", {"authority": ""}),
        ("path", {"path": "/a b"}),
        ("path", {"path": "http://elsewhere.test/"}),
        ("method", {"method": "GET / HTTP/1.1\r\nx:"}),
        ("headers[Host]", {"headers": {"Host": "other.test"}}),
        ("headers[X-A]", {"headers": {"X-A": "a\r\nb"}}),
        ("body", {"body": "x"}),
    ],
)
def test_bad_input_names_its_field(gateway, field, change):
    body = {"kind": "websocket", "listener": "https", "authority": "a.test", **change}
    answer = gateway.api.expect(400, "POST", "/v1/try", body).json()
    assert {each["field"] for each in answer["errors"]} == {field}


@pytest.mark.parametrize(
    "message", [{}, {"text": "a", "base64": "YQ=="}, {"base64": "?"}, {"end": True, "code": 1006}, {"text": "a", "code": 1000}]
)
def test_bad_messages_are_refused(gateway, ws_site, message):
    tried = Try(gateway.api, ws_site.host).opened()
    tried.send(400, **message)
    tried.end()
