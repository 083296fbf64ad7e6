"""What stands around every page: set-up, login, account, languages, themes, losing and finding the control plane."""

import json
import socket

import pytest
import yaml

from browser.conftest import PASSWORD
from browser.page import PHONE, Page
from integration.api import Api
from integration.gateway import ROOT
from integration.waiting import wait_until
from selenium.webdriver.common.keys import Keys

TRAFFIC = ["overview", "routes", "domains", "certificates", "listeners", "services", "sources", "proxies", "consumers", "workers", "versions"]
PAGES = [*TRAFFIC, "streams", "tester", "try", "transfer", "users", "tokens", "sessions", "audit", "settings"]
FORMS = [f"{name}?new=1" for name in ("routes", "domains", "certificates", "listeners", "sources", "proxies", "consumers", "users", "tokens")]


def test_set_up_checks_the_passwords_and_logs_in(page):
    page.open().see("Welcome to Causeway", "There is no default password")
    page.fill("adminUser.password", "one").fill("again", "two").click("Create account")
    assert page.error("again") == "The two passwords differ."
    page.fill("again", "one").click("Create account").see("From nothing to the first call")
    page.reload()
    page.see("From nothing to the first call")


def test_wrong_password_is_told_and_nothing_is_lost(api, page):
    page.open().fill("username", "admin").fill("password", "wrong")
    page.click("Log in", kinds="button").see("Incorrect username or password.")
    assert page.value("username") == "admin"
    page.fill("password", PASSWORD).click("Log in", kinds="button").see("Overview")


def test_login_leads_to_the_page_that_was_asked_for(api, page):
    page.open("#/domains?q=shop&sort=-name").see("Log in")
    page.login().see("Host names that clients use")
    assert page.address == "#/domains?q=shop&sort=-name"


def test_session_that_ends_asks_again_and_keeps_the_form(admin, api):
    admin.open("#/sources?new=1").fill("name", "typed").fill("domain", "10.0.0.1:80")
    admin.driver.delete_all_cookies()
    admin.click("Create", exact=True).see("Your session has ended")
    admin.fill("password", PASSWORD).click("Log in", kinds="button").no_dialog()
    assert "typed" in admin.row("typed")
    assert api.get("/v1/service-sources/typed")["domain"] == "10.0.0.1:80"


def test_change_password(admin, empty):
    admin.click("Account of admin").click("Change password")
    admin.fill("oldPassword", "no").fill("newPassword", "fresh: one").fill("again", "fresh: one")
    admin.expected.add("400")
    admin.click("Change password", kinds="dialog button")
    admin.error("oldPassword")
    admin.fill("oldPassword", PASSWORD).click("Change password", kinds="dialog button").see("The password is changed")
    assert Api(empty.admin_port, password="fresh: one").get("/user/info")["name"] == "admin"
    assert Api(empty.admin_port, password=PASSWORD).call("GET", "/user/info").status_code == 401
    admin.click("Account of admin").click("Log out").see("Log in")
    admin.login(password="fresh: one").see("Overview")


def test_logout_ends_the_session(admin):
    admin.open("#/routes").see("No route yet")
    admin.click("Account of admin").click("Log out").see("Log in")
    admin.reload()
    admin.see("Log in")
    assert "Routes" not in admin.text


def test_language_is_kept(browsers, api):
    page = browsers()
    page.open().login().see("Overview").click("中文").see("概览", "从零到第一次调用")
    page.reload()
    page.see("概览")
    assert page.script("return document.documentElement.lang") == "zh-CN"
    page.click("English").see("Overview")
    other = browsers(language="zh-CN")
    other.open().see("登录")


def test_every_code_of_the_api_has_words():
    document = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    for language in ("en", "zh"):
        words = json.loads((ROOT / f"web-admin-static/i18n/{language}.json").read_text())
        codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
        assert [code for code in codes if f"problem.{code}" not in words] == []


def test_theme_is_kept_and_follows_the_system(browsers, api):
    page = browsers(dark=True)
    back = "return getComputedStyle(document.body).backgroundColor"
    page.open().login().see("Overview")
    dark = page.script(back)
    page.click("Theme: as the system. Change.")
    light = page.script(back)
    assert light != dark
    page.reload()
    page.see("Overview")
    assert page.script(back) == light
    page.click("Theme: light. Change.")
    assert page.script(back) == dark
    page.click("Theme: dark. Change.").prefer("light")
    assert page.script(back) == light


def test_unsaved_changes_are_guarded(admin):
    admin.open("#/domains?new=1").fill("name", "typed.test")
    admin.press(Keys.ESCAPE).see("Throw away your changes?").click("Go on editing")
    assert admin.value("name") == "typed.test"
    admin.script("history.back()")
    admin.see("Throw away your changes?").click("Go on editing")
    assert admin.value("name") == "typed.test"
    assert "new=1" in admin.address
    admin.click("Cancel").see("Throw away your changes?").click("Throw away").no_dialog()
    admin.open("#/domains?new=1").fill("name", "")
    admin.press(Keys.ESCAPE).no_dialog()


def test_back_closes_a_drawer_and_a_link_opens_one(admin, api):
    api.create_domain("one.test")
    admin.open("#/domains").click("one.test")
    assert admin.value("name") == "one.test"
    assert admin.address == "#/domains?edit=one.test"
    admin.script("history.back()")
    admin.no_dialog()
    admin.script("history.forward()")
    assert admin.value("name") == "one.test"


def test_control_plane_goes_away_while_a_form_is_open(admin, empty, api):
    admin.expected.add("away")
    admin.open("#/sources?new=1").fill("name", "patient").fill("domain", "10.0.0.1:80")
    empty.control.kill9()
    admin.click("Create", exact=True).see("Not saved: the control plane does not answer", "Traffic is not affected")
    assert admin.value("name") == "patient"
    empty.control.start()
    empty.wait_control()
    admin.gone("Traffic is not affected")
    assert admin.value("domain") == "10.0.0.1:80"
    admin.click("Create", exact=True).no_dialog()
    assert "patient" in admin.row("patient")


def test_worker_that_ends_is_told_with_what_it_means(admin, empty, api):
    admin.open("#/workers").see("It carries traffic.", "Live · version")
    empty.worker.stop()
    admin.see("No worker is connected", "everything is saved and goes live when a worker connects", "No worker serves")
    admin.open("#/domains?new=1").fill("name", "later.test").card("off").click("Create", exact=True)
    admin.see("Saved. No worker is connected")
    empty.start_worker()
    admin.see("Live · version 2")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_pages_are_accessible_in_both_themes(browsers, api, authority, size):
    page = browsers(**({"size": PHONE} if size == "phone" else {}))
    identity = authority.issue("shop.test")
    api.create_certificate("shop", identity.chain, identity.key)
    api.create_domain("shop.test", https="on", certificate="shop")
    api.create_static("greeter", "127.0.0.1:9")
    api.create_route("greeter", ["shop.test"], "greeter.static", protocol="GRPC", timeouts={"total": 1000})
    api.post("/v1/consumers", {"name": "alice", "credentials": [{"type": "key-auth", "source": "BEARER", "values": ["k"]}]})
    found = {}
    page.open().see("Log in")
    found["login"] = page.axe()
    page.login().see("Overview")
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        for name in [*PAGES, *FORMS, "routes?edit=greeter", "versions?show=1"]:
            page.open(f"#/{name}")
            if "?" in name:
                page.one("dialog[open] h2")
                page.script("document.querySelectorAll('dialog[open] details').forEach((each) => { each.open = true; })")
            wait_until(lambda: "Loading" not in page.text, 10)
            problems = page.axe()
            wide = page.script("return document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                problems.append(f"is {wide} px wider than the window")
            if problems:
                found[f"{name} {scheme}"] = problems
    told = [f"{name}: {problem}" for name, problems in found.items() for problem in problems]
    assert not told, "\n".join(told)


def test_keyboard_alone(admin):
    admin.open("#/domains").see("No domain yet")
    admin.reload()
    admin.see("No domain yet")
    admin.press(Keys.TAB)
    assert admin.driver.switch_to.active_element.text == "Skip to the content"
    admin.press(Keys.ENTER)
    assert admin.script("return document.activeElement.id") == "main"
    admin.press(Keys.TAB, Keys.ENTER).see("A host name, or a wildcard")
    admin.press("keys.test")
    for _ in range(12):
        admin.press(Keys.TAB)
        if admin.driver.switch_to.active_element.get_attribute("type") == "radio":
            break
    admin.press(Keys.ARROW_LEFT, Keys.ENTER).no_dialog()
    assert "keys.test" in admin.row("keys.test")
    # Where the drawer was opened from has the focus again.
    admin.click("Account of admin").press(Keys.ARROW_DOWN, Keys.ESCAPE)
    assert admin.driver.switch_to.active_element.get_attribute("aria-label") == "Account of admin"


def test_phone_menu(browsers, api):
    page = browsers(size=PHONE)
    page.open().login().see("Overview")
    assert not page.one("#nav").is_displayed()
    page.click("Pages", kinds="button").click("Service sources").see("No service source yet")
    assert not page.one("#nav").is_displayed()


def test_worker_that_cannot_open_a_port_is_degraded_and_says_why(new_gateway):
    gateway = new_gateway()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gateway.http_port))
        taken.listen()
        gateway.start_control()
        gateway.start_worker(wait=False)
        page = Page(f"http://127.0.0.1:{gateway.admin_port}")
        try:
            page.set_up().open("#/workers").see("Degraded", "This machine does not let these work now", "listener")
            page.see("Live, degraded")
            page.open("#/overview").see("is degraded in one point")
            assert page.problems() == []
        finally:
            page.close()
