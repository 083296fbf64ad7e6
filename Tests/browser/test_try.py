"""Requests and WebSockets through the gateway from the page, to real peers."""

import json

import pytest

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.api import Api
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.running import RunningPeer
from selenium.webdriver.common.keys import Keys

HTML = "<img/src=x/onerror=document.title='pwned'><b>"


@pytest.fixture
def site(empty, api, authority):
    empty.api = api
    site = Site(empty, authority)
    with EchoServer() as echo, RunningPeer("ws_echo.py") as chat, RunningPeer("grpc_server.py", "--kinds") as grpc:
        # Reflection, too, goes through the gateway.
        for service in ("grpc.reflection.v1alpha.ServerReflection", "causeway.test.Kinds", "helloworld.Greeter"):
            site.calls = site.serve(grpc.port, protocol="GRPC", path=f"/{service}")
        site.plain = site.serve(echo.port, path="/plain", methods=["POST"])
        site.serve(chat.port)
        yield site


def said(page, kind):
    """What stands in the transcript's entries of a kind."""
    return page.script(
        "return [...document.querySelectorAll(`.talk .${arguments[0]} pre`)].map((each) => each.textContent)", kind
    )


def connect(page, site, path="/chat"):
    return page.open(f"#/try?kind=websocket&authority={site.host}&path={path}").click("Connect", exact=True)


def test_a_request_from_a_route(admin, site, empty):
    admin.open("#/routes").see(site.plain["name"])
    admin.click(f"Try it: a request through the gateway {site.plain['name']}", exact=True).wait_address(f"authority={site.host}")
    assert admin.value("listener") == "https" and admin.value("path") == "/plain" and admin.value("method") == "POST"
    admin.fill("path", "/plain?id=1").fill("headers", "x-user: alice\nx-html: " + HTML).fill("body", HTML)
    admin.click("Send the request", exact=True).see("Status 200", "The answer is complete.", "x-backend: b1")
    admin.see(f"Connected to 127.0.0.1:{empty.https_port}")
    seen = json.loads("".join(said(admin, "received")))
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert (seen["method"], seen["target"], seen["host"]) == ("POST", "/plain?id=1", site.host)
    assert fields["x-user"] == "alice" and fields["x-html"] == HTML and seen["body"] == HTML
    assert not admin.all(".talk img, .talk b") and admin.script("return document.title") != "pwned"
    # Somebody else who is sent the address has the same request.
    admin.reload()
    admin.see("Send the request")
    assert admin.value("path") == "/plain?id=1" and admin.value("method") == "POST"
    assert admin.axe() == []


def test_what_is_wrong_is_told_where_it_is(admin, site, empty):
    admin.expected.add("400")
    admin.open("#/try").click("Send the request", exact=True)
    assert admin.error("authority") == "Is required."
    admin.fill("authority", site.host).fill("headers", "no header").click("Send the request", exact=True)
    assert "no header" in admin.error("headers")
    admin.fill("headers", "x-a: 1\nX-A: 2").click("Send the request", exact=True)
    assert "Each header once" in admin.error("headers")
    admin.fill("headers", "upgrade: h2c").fill("path", "/a b").click("Send the request", exact=True)
    assert "cannot be set" in admin.error("headers") and "percent-encoded" in admin.error("path")
    admin.fill("headers", "").fill("path", "/").fill("listener", "http").fill("authority", "nobody.test")
    admin.click("Send the request", exact=True).see("Status 404", "The answer is complete.")
    # A WebSocket that is refused is an answer as well.
    admin.click("WebSocket", exact=True).click("Connect", exact=True).see("Status 404")
    empty.worker.kill9()
    admin.click("HTTP request", exact=True).click("Send the request", exact=True).see("It failed", "Does the worker run?")


def test_messages_of_a_websocket_go_both_ways(admin, site):
    connect(admin, site).see("The WebSocket is open")
    admin.fill("message", HTML).press(Keys.ENTER)
    wait_until(lambda: said(admin, "received") == [HTML], 10, "the echo, as text")
    wait_until(lambda: admin.value("message") == "", 10, "room for the next message")
    admin.press("two", Keys.SHIFT, Keys.ENTER, Keys.NULL, "lines").click("Send", exact=True)
    wait_until(lambda: said(admin, "received") == [HTML, "two\nlines"], 10, "the second echo")
    assert said(admin, "sent") == [HTML, "two\nlines"]
    assert not admin.all(".talk img, .talk b") and admin.script("return document.title") != "pwned"
    assert admin.axe() == []
    admin.click("Close", exact=True, kinds="main button").see("Closed with 1000").gone("Send\n")
    connect(admin, site, "/close/4000/because").see("Closed with 4000", "because")


def test_bytes_are_written_and_shown_as_base64_or_hex(admin, site):
    connect(admin, site).see("The WebSocket is open")
    admin.fill("as", "hex").fill("message", "0x00 FF:7a").click("Send", exact=True)
    wait_until(lambda: said(admin, "received") == ["00 ff 7a"], 10, "the echo")
    admin.see("Sent, binary, 3 B, as hex", "Received, binary, 3 B, as hex")
    admin.fill("message", "0f0").click("Send", exact=True)
    assert admin.error("message") == "Is no hex: two digits a byte, as in 00 ff 7a."
    admin.fill("as", "base64").fill("message", "AP96").click("Send", exact=True)
    wait_until(lambda: said(admin, "received") == ["00 ff 7a", "AP96"], 10, "the second echo")
    admin.fill("message", "A").click("Send", exact=True)
    assert admin.error("message") == "Is no base64."
    # What stands in the field that is not sent does not hinder the end.
    admin.click("Close", exact=True, kinds="main button").see("Closed with 1000")


def test_a_websocket_is_closed_with_a_code_and_a_reason(admin, site):
    admin.expected.add("400")
    connect(admin, site).see("The WebSocket is open").click("Close frame")
    close = {"words": "Close", "kinds": "main button", "exact": True}
    admin.fill("code", "many").click(**close)
    assert admin.error("code") == "Must be a whole number."
    admin.fill("code", "1006").click(**close)
    assert admin.error("code") == "Must be 1000 to 1003, 1007 to 1014 or 3000 to 4999."
    admin.fill("code", "4001").fill("reason", "x" * 124).click(**close)
    assert "123" in admin.error("reason")
    assert admin.axe() == []
    # The peer answers with the same.
    admin.fill("reason", HTML).click(**close).see("Closed with 4001", HTML)
    assert not admin.all(".talk img, .talk b") and admin.script("return document.title") != "pwned"


def test_only_the_last_of_many_messages_are_kept(admin, site):
    connect(admin, site, "/push/600/10").see("Only the last 500 entries are shown.", "Received, binary, 10 B")
    wait_until(lambda: said(admin, "received")[-1] == "AAACV3BwcHBwcA==", 10, "the last one")
    assert len(said(admin, "received")) == 500
    admin.click("Close", exact=True, kinds="main button").see("Closed with 1000")


def test_one_that_is_left_ends(admin, site):
    connect(admin, site).see("The WebSocket is open")
    wait_until(lambda: site.gateway.api.get("/v1/streams"), 10, "the WebSocket among the streams")
    admin.open("#/routes").see(site.plain["name"])
    wait_until(lambda: not site.gateway.api.get("/v1/streams"), 10, "its end")
    connect(admin, site).see("The WebSocket is open")
    wait_until(lambda: site.gateway.api.get("/v1/streams"), 10, "the next one among the streams")
    # The page is made anew in the other language.
    admin.click("中文").see("试一试").gone("WebSocket is open")
    wait_until(lambda: not site.gateway.api.get("/v1/streams"), 10, "its end as well")


def test_in_chinese_on_a_phone_in_the_dark(browsers, site):
    page = browsers(size=PHONE, language="zh-CN", dark=True)
    page.open(f"#/try?kind=websocket&authority={site.host}")
    page.fill("username", "admin").fill("password", PASSWORD).click("登录", kinds="button").see("试一试")
    page.click("连接", exact=True).see("WebSocket 已打开")
    page.fill("message", "你好").press(Keys.ENTER)
    wait_until(lambda: said(page, "received") == ["你好"], 10, "the echo")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.axe() == []


def test_who_may_only_look_is_not_offered_it(browsers, site, empty):
    viewer = {"name": "vera", "displayName": "Vera", "role": "viewer", "password": "viewer: a pass:word"}
    Api(empty.admin_port, password=PASSWORD).post("/v1/users", viewer, live=False)
    page = browsers()
    page.open("#/routes").login("vera", viewer["password"]).see(site.plain["name"])
    assert "Try it" not in page.text and not page.all("[aria-label^='Try it']")


def test_a_call_from_a_route(admin, site):
    admin.open("#/routes").see(site.calls["name"])
    admin.click(f"Try it: a call through the gateway {site.calls['name']}", exact=True).wait_address(f"authority={site.host}")
    admin.click("Call", exact=True)
    assert admin.error("path") == "Is required."
    admin.click("Load services", exact=True).see("services")
    # Those of gRPC's own come last.
    assert admin.value("service") == "causeway.test.Kinds"
    admin.fill("service", "helloworld.Greeter").see("helloworld.HelloRequest", "SayHello · unary")
    assert json.loads(admin.value("message")) == {"name": ""}
    admin.fill("message", json.dumps({"name": HTML})).click("Call", exact=True).see("OK (0)")
    answer = {"message": f"Hello, {HTML}!"}
    wait_until(lambda: [json.loads(each) for each in said(admin, "received")] == [answer], 10, "the answer, as text")
    assert not admin.all(".talk img, .talk b") and admin.script("return document.title") != "pwned"
    assert admin.axe() == []
    # Somebody else who is sent the address calls the same method, loaded or not.
    admin.reload()
    admin.see("Load services").fill("message", '{"name": "again"}')
    assert admin.value("path") == "/helloworld.Greeter/SayHello"
    admin.click("Call", exact=True).see("Hello, again!", "OK (0)")
    # A method that is not told of is called by its path; of another host nothing is known.
    admin.click("Load services", exact=True).see("Load again")
    admin.script("location.hash = location.hash.replace('Greeter', 'Other')")
    wait_until(lambda: admin.value("path") == "/helloworld.Other/SayHello", 10, "the path of the address")
    assert admin.value("service") == ""
    admin.fill("authority", "other.test").see("Load services")


def test_what_is_wrong_with_a_call_is_told_where_it_is(admin, site):
    admin.expected |= {"400", "409"}
    admin.open(f"#/try?kind=grpc&authority={site.host}&path=/causeway.test.Kinds/Unary").see("Load services")
    admin.fill("message", "{no json").click("Call", exact=True)
    assert "Is no JSON" in admin.error("message")
    admin.fill("message", '{"nobody": 1}').click("Call", exact=True)
    assert "nobody" in admin.error("message")
    admin.fill("message", json.dumps({"failCode": 5, "failMessage": HTML})).click("Call", exact=True)
    admin.see("NOT_FOUND (5)", HTML, "TESTED")
    assert not admin.all(".talk img, .talk b") and admin.script("return document.title") != "pwned"
    admin.fill("path", "/nobody.Knows/This").click("Call", exact=True).see("UNIMPLEMENTED (12)")
    # What no schema is needed for.
    admin.fill("path", "/helloworld.Greeter/SayHello").fill("as", "hex").fill("message", "0a 03 62 6f 62").click("Call", exact=True)
    admin.see("OK (0)")
    wait_until(lambda: any("bob" in each for each in said(admin, "received")), 10, "the answer by its type")


def test_a_flat_message_is_a_form_beside_its_text(admin, site):
    admin.expected.add("400")
    admin.open(f"#/try?kind=grpc&authority={site.host}&path=/causeway.test.Kinds/Unary").click("Load services").see("failCode")
    message = lambda: json.loads(admin.value("message"))
    admin.fill("message.failMessage", "not now").fill("message.failCode", "9")
    wait_until(lambda: (message()["failCode"], message()["failMessage"]) == (9, "not now"), 5, "the text follows")
    assert admin.axe() == []
    admin.click("Call", exact=True).see("FAILED_PRECONDITION (9)", "not now")
    # The form follows the text, and is away while that is no object.
    admin.fill("message", '{"failCode": 5, "failMessage": "gone"}')
    wait_until(lambda: admin.value("message.failCode") == "5" and admin.value("message.failMessage") == "gone", 5, "the form follows")
    admin.fill("message.failCode", "many").click("Call", exact=True)
    assert admin.error("message.failCode")
    admin.fill("message", "[").gone("failMessage")
    admin.fill("message", "{}").see("failMessage").fill("as", "hex").gone("failMessage")


def test_a_stream_in_both_directions_is_shown_as_it_runs(admin, site):
    admin.open(f"#/try?kind=grpc&authority={site.host}&path=/causeway.test.Kinds/Bidi").click("Load services").see("Bidi · both stream")
    admin.click("Call", exact=True).see("Half-close")
    for count in (1, 2):
        admin.press(Keys.CONTROL, Keys.ENTER, Keys.NULL)
        wait_until(lambda: len(said(admin, "received")) == count, 10, f"answer {count} while the call is open")
    assert admin.axe() == []
    admin.click("Half-close", exact=True).see("OK (0)").gone("Half-close")
    admin.click("Call", exact=True).see("Half-close").click("End it now", exact=True).gone("Half-close")
    admin.fill("path", "/causeway.test.Kinds/ServerStream").fill("message", '{"count": 3}').click("Call", exact=True).see("OK (0)")
    wait_until(lambda: len(said(admin, "received")) == 3, 10, "three answers")
