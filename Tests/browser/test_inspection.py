"""What runs, in the page: a worker's own configuration, the level from which it logs, and the access log as it grows."""

import contextlib

import pytest
import requests

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.api import Api
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer

HTML = "<img/src=x/onerror=document.title='pwned'><b>"


@pytest.fixture
def site(empty, api, authority):
    empty.api = api
    site = Site(empty, authority)
    with EchoServer() as echo:
        site.plain = site.serve(echo.port, path="/plain")
        site.dead = site.serve(9, path="/dead")
        yield site


def ask(site, *paths):
    with site.http1() as wire:
        for path in paths:
            wire.request("GET", path, site.host)


def paths(page):
    """Of the lines that are shown, the newest first."""
    return page.script("return [...document.querySelectorAll('.log tbody tr')].map((each) => each.querySelector('td code')?.textContent ?? 'gap')")


def shown(page, *expected):
    wait_until(lambda: paths(page) == list(expected), 10, f"{expected}; shown: {paths(page)}")


def test_the_configuration_as_a_worker_runs_it(admin, api, site):
    version = api.get("/v1/versions")[0]["version"]
    admin.open("#/workers").click("Configuration", exact=True).see(f"Configuration of {api.get('/v1/workers')[0]['id']}", "route 2")
    assert version in admin.dialog_text
    admin.click(site.dead["name"], kinds="dialog summary").see('"cluster"')
    # A single one is open at once; keys never leave the worker.
    admin.click("certificate 1").see('"[redacted]"', "BEGIN CERTIFICATE")
    admin.wait_address("kind=tlsIdentity")
    assert "PRIVATE KEY" not in admin.dialog_text
    assert admin.axe() == []
    # The address opens it again, and closing it leaves none of it behind.
    admin.reload()
    admin.see("certificate 1").one("dialog[open] details")
    admin.click("Close", kinds="dialog button").no_dialog()
    assert admin.address == "#/workers"


def test_one_object_among_many(admin, api, site):
    for number in range(105):
        api.create_route(f"many{number:03}", [site.host], site.plain["services"][0]["name"], path=f"/many{number}", live=number == 104)
    admin.open(f"#/workers?config={api.get('/v1/workers')[0]['id']}").see("route 107")
    admin.click("More", exact=True, kinds="dialog button")
    wait_until(lambda: len(admin.all("dialog details")) == 107, 10, "all of them")
    admin.one("dialog input[type=search]").send_keys("many104")
    wait_until(lambda: len(admin.all("dialog details")) == 1, 10, "the one")
    admin.see('"/many104"').wait_address("name=many104")
    admin.one("dialog input[type=search]").send_keys("x")
    admin.see("The worker runs no object of this name.")


def test_a_worker_that_does_not_answer_is_told(admin, api, empty):
    admin.expected |= {"404", "503"}
    admin.open("#/workers?config=nobody").see("nobody")
    assert admin.one("dialog .error").text


def test_the_level_of_a_workers_log(admin, api, empty):
    id = api.get("/v1/workers")[0]["id"]
    admin.open("#/workers").click("Log level", exact=True).see(f"Log level of {id}")
    assert admin.value("level") == "info"
    assert admin.axe() == []
    admin.fill("level", "debug").click("Save", exact=True).see("Logs from debug now.").no_dialog()
    assert api.get(f"/v1/workers/{id}/log-level")["level"] == "debug"
    # What the worker says is told anew and again; the button that somebody stands on stays.
    admin.script("[...document.querySelectorAll('.worker button')].find((each) => each.textContent === 'Log level').focus()")
    text = admin.one(".worker").text
    wait_until(lambda: admin.one(".worker").text != text, 20, "another state of the worker")
    assert admin.script("return document.activeElement.textContent") == "Log level"


def test_the_access_log_as_it_grows(admin, site):
    ask(site, "/plain/before")
    admin.open("#/access-log").see("follows")
    shown(admin, "GET /plain/before")
    ask(site, "/dead", "/plain/" + HTML)
    shown(admin, f"GET /plain/{HTML}", "GET /dead", "GET /plain/before")
    admin.see("connection to the service failed (UF)", site.dead["name"])
    assert not admin.all(".log img, .log b") and admin.script("return document.title") != "pwned"
    assert admin.axe() == []
    admin.script("document.querySelectorAll('.log tbody button')[1].click()")
    admin.see("Line of the access log", "trace_id", "duration_ms")
    assert admin.axe() == []
    admin.click("Close", kinds="dialog button").no_dialog()
    admin.click("Pause", exact=True).see("paused")
    ask(site, "/plain/unseen")
    admin.click("Follow", exact=True).see("follows")
    shown(admin, "GET /plain/unseen", f"GET /plain/{HTML}", "GET /dead", "GET /plain/before")


def test_filters_of_the_access_log_are_in_the_address(admin, site):
    ask(site, "/plain/1", "/dead/1", "/nowhere")
    admin.open("#/access-log").see("/nowhere")
    field = lambda name: admin.one(f"[aria-label='{name}']")
    field("Status (5xx)").send_keys("5xx")
    shown(admin, "GET /dead/1")
    admin.wait_address("status=5xx")
    ask(site, "/plain/2", "/dead/2")
    shown(admin, "GET /dead/2", "GET /dead/1")
    admin.reload()
    admin.see("follows")
    shown(admin, "GET /dead/2", "GET /dead/1")
    field("Text in the line").send_keys("dead/1")
    shown(admin, "GET /dead/1")
    # A status that is not one yet is no filter.
    admin.open("#/access-log?status=50")
    shown(admin, "GET /dead/2", "GET /plain/2", "GET /nowhere", "GET /dead/1", "GET /plain/1")
    assert field("Status (5xx)").get_attribute("aria-invalid") == "true"
    admin.open(f"#/access-log?route={site.plain['name']}")
    shown(admin, "GET /plain/2", "GET /plain/1")
    admin.open("#/access-log?flag=NR")
    shown(admin, "GET /nowhere")


def test_why_it_is_not_followed_is_told(admin, site, api):
    admin.expected.add("429")
    with contextlib.ExitStack() as readers:
        for _ in range(10):
            answer = requests.get(f"{api.base}/v1/access-log/events", auth=(api.user, api.password), stream=True, timeout=30)
            readers.callback(answer.close)
            assert answer.status_code == 200
        admin.open("#/access-log").see("10 follow the access log already", "paused")
    ask(site, "/plain")
    wait_until(lambda: follows(admin), 20, "a place among those who follow")
    shown(admin, "GET /plain")


def follows(page):
    page.click("Follow", exact=True)
    return wait_until(lambda: [each for each in ("follows", "paused") if each in page.text], 10, "an answer") == ["follows"]


def test_in_chinese_on_a_phone_in_the_dark(browsers, site):
    ask(site, "/plain", "/dead")
    page = browsers(size=PHONE, language="zh-CN", dark=True)
    page.open("#/access-log")
    page.fill("username", "admin").fill("password", PASSWORD).click("登录", kinds="button").see("跟踪中", "连接服务失败")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.axe() == []
    page.open("#/workers").click("运行中的配置", exact=True).see("路由 2")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.axe() == []


def test_who_may_only_look_sees_it_and_sets_nothing(browsers, api, site):
    viewer = {"name": "vera", "displayName": "Vera", "role": "viewer", "password": "viewer: a pass:word"}
    Api(site.gateway.admin_port, password=PASSWORD).post("/v1/users", viewer, live=False)
    ask(site, "/plain")
    page = browsers()
    page.open("#/access-log").login("vera", viewer["password"]).see("follows")
    shown(page, "GET /plain")
    page.open("#/workers").see("Configuration")
    assert "Log level" not in page.text
