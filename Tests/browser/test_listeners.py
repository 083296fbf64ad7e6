"""Listeners in the page: opened, changed, closed; what stands in the way is said where it is."""

import socket

import pytest
import requests

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.api import Api
from integration.gateway import free_port
from integration.waiting import wait_until

LIMITS = {"maxConnections": "1000", "memoryPerConnection": "16", "tlsHandshakeTimeout": "5"}


def answers(port):
    """Whether something of the gateway's answers there."""
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=2)
        return True
    except requests.RequestException:
        return False


def test_a_listener_is_opened_changed_and_closed(admin, api):
    port, second = free_port(), free_port()
    admin.open("#/listeners?new=1").fill("name", "edge").card("http").fill("address", "127.0.0.1").fill("port", str(port))
    admin.unfold("PROXY protocol").fill("proxyProtocol", True).click("Create", exact=True)
    assert admin.error("proxyProtocol.trustedRanges") == "Is required."
    admin.fill("proxyProtocol", False).unfold("Forwarded headers").fill("forwardedHeaders", True)
    admin.fill("forwardedHeaders.trustedRanges", "10.0.0.0/8\n2001:db8::/32").unfold("Limits and timeouts")
    for name, value in LIMITS.items():
        admin.fill(f"limits.{name}", value)
    admin.click("Create", exact=True).no_dialog()
    made = api.get("/v1/listeners/edge")
    assert (made["address"], made["port"], made["protocol"], made["proxyProtocol"]) == ("127.0.0.1", port, "http", None)
    assert made["forwardedHeaders"] == {"trustedRanges": ["10.0.0.0/8", "2001:db8::/32"]}
    limits = {name: value for name, value in made["limits"].items() if value is not None}
    assert limits == {"maxConnections": 1000, "memoryPerConnection": 16 * 1024 * 1024, "tlsHandshakeTimeout": 5000}
    row = admin.row("edge")
    assert f"127.0.0.1:{port}" in row and "forwarded" in row and "limits" in row and "open" in row
    wait_until(lambda: answers(port), 10, "the listener answers")
    # A change opens the new place; the former is given up.
    admin.open("#/listeners?edit=edge").fill("port", str(second)).click("Preview", exact=True).see("Nothing is stored yet", str(second))
    admin.click("Back to the form").click("Save", exact=True).no_dialog()
    wait_until(lambda: answers(second) and not answers(port), 10, "the other port")
    admin.click("Delete edge").see("New connections are refused there").click("Delete", kinds="dialog button", exact=True).no_dialog()
    wait_until(lambda: not answers(second), 10, "the listener is closed")


def test_what_stands_in_the_way_is_said(admin, api, empty):
    admin.expected |= {"400", "409"}
    admin.open("#/listeners?new=1").fill("name", "taken").card("http").fill("address", "127.0.0.1").fill("port", str(empty.http_port))
    admin.click("Create", exact=True)
    assert admin.error("port")
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        admin.fill("port", str(port)).click("Create", exact=True).no_dialog()
        wait_until(lambda: "not open" in admin.row("taken") and "ddress already in use" in admin.row("taken"), 20, "why it is not open")
    wait_until(lambda: "not open" not in admin.row("taken"), 20, "it opens when the place is free")


def test_a_request_at_one_listener(admin, api):
    port = free_port()
    api.post("/v1/listeners", {"name": "inside", "address": "127.0.0.1", "port": port, "protocol": "http"})
    admin.open("#/listeners").click("Try it: a request at this listener inside").wait_address("listener=inside")
    assert admin.value("listener") == "inside"
    admin.fill("authority", "nobody.test").click("Send the request", exact=True).see(f"Connected to 127.0.0.1:{port}", "Status 404")


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_on_a_phone_who_may_only_look(browsers, api, empty, language):
    api.expect(201, "POST", "/v1/users", {"name": "eve", "displayName": "Eve", "password": PASSWORD, "role": "viewer"})
    api.post("/v1/listeners", {"name": "edge", "address": "127.0.0.1", "port": free_port(), "protocol": "https", "forwardedHeaders": {"trustedRanges": ["*"]}})
    page = browsers(size=PHONE, language=language, dark=True)
    page.open()
    page.fill("username", "eve").fill("password", PASSWORD).press("\ue007").one("nav")
    page.open("#/listeners").see("edge")
    assert not page.all("main .tool.danger, main a.primary")
    assert page.axe() == []
    page.open("#/listeners?edit=edge").one("dialog[open] form")
    assert page.script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert page.axe() == []
