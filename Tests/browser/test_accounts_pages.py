"""Users, tokens, sessions, audit and settings in the page, and what each role sees."""

import json

import requests

from browser.conftest import PASSWORD
from integration.gateway import ROOT
from integration.waiting import wait_until


def make_user(api, name, role):
    api.expect(201, "POST", "/v1/users", {"name": name, "displayName": name.title(), "password": PASSWORD, "role": role})


def test_an_account_is_made_changed_and_removed(admin, api, browsers):
    # An account that changes or ends loses its connection for events.
    admin.expected.add("away")
    admin.open("#/users?new=1").fill("name", "erin").fill("displayName", "Erin E").fill("password", PASSWORD).card("editor")
    admin.click("Create", exact=True).no_dialog()
    assert "Editor" in admin.row("erin")
    assert not admin.all("button[aria-label='Delete admin']"), "one's own account cannot be removed"
    other = browsers()
    other.expected.add("away")
    other.open().login("erin").see("Overview", "Erin E")
    assert "Users" not in other.text and "Audit" not in other.text
    admin.click("erin", kinds="th a").card("viewer").click("Save", exact=True).no_dialog()
    other.expected.add("403")
    other.reload()
    other.open("#/domains").see("No domain yet")
    assert "New domain" not in other.text
    admin.click("Set a new password erin").fill("newPassword", "brand new").click("Set a new password", kinds="dialog button")
    admin.see("erin has a new password.")
    # The session of the account has ended with the old password: the page asks for the new one, where it is.
    other.open("#/routes").see("Your session has ended").fill("password", "brand new")
    other.click("Log in", kinds="button").no_dialog().see("No route yet")
    admin.click("Delete erin").click("Delete", kinds="dialog button", exact=True)
    wait_until(lambda: admin.rows() == ["admin"], 10)


def test_the_last_administrator_stays(admin, api):
    admin.expected.add("409")
    admin.open("#/users?edit=admin").card("viewer").click("Save", exact=True).see("is the last administrator")


def test_a_viewer_sees_everything_and_changes_nothing(api, page):
    make_user(api, "vera", "viewer")
    api.create_static("one", 9)
    api.create_route("seen", [], "one.static")
    page.open("#/routes").login("vera").see("seen")
    assert not page.all("[aria-label='Delete seen'], [aria-label='Edit seen']")
    page.click("seen", kinds="th a").see("Your role allows you to look at this")
    assert page.field("path.matchValue").get_attribute("value") == "/"
    assert not page.field("path.matchValue").is_enabled()
    page.click("Close", kinds="dialog button").no_dialog()


def test_a_token_is_shown_once_and_works_until_it_is_revoked(admin, api, empty):
    admin.open("#/tokens?new=1").fill("name", "deploy").card("editor").click("routes", kinds="label.chip")
    admin.click("Create", exact=True).see("It is shown now and never again.")
    token = admin.one("dialog .command code").text
    assert token.startswith("causeway_")
    admin.click("I have kept it").no_dialog()
    assert token not in admin.driver.page_source
    row = admin.script("return document.querySelector('tbody tr').innerText")
    assert "deploy" in row and "Editor" in row and "routes" in row

    def call(path):
        address = f"http://127.0.0.1:{empty.admin_port}{path}"
        return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code

    assert (call("/v1/routes"), call("/v1/domains")) == (200, 403)
    admin.click("Revoke deploy").click("Revoke", kinds="dialog button", exact=True).see("No token yet")
    assert call("/v1/routes") == 401


def test_sessions_are_listed_and_ended(browsers, api):
    first, second = browsers(), browsers()
    for page in (first, second):
        page.expected.add("away")
        page.open().login().see("Overview")
    first.open("#/sessions").see("this one", "Chrome, Linux")
    assert len(first.rows()) == 2
    first.click("End the session")
    wait_until(lambda: len(first.rows()) == 1, 10)
    second.open("#/routes").see("Your session has ended")


def test_audit_is_searched_and_shows_before_and_after(admin, api):
    api.create_domain("told.test")
    domain = api.get("/v1/domains/told.test")
    api.create_static("one", 9)
    api.put("/v1/service-sources/one", {**api.get("/v1/service-sources/one"), "domain": "127.0.0.1:10"})
    assert domain
    admin.open("#/audit?action=update").see("1 in all", "changed", "one")
    admin.one("th button.link").click()
    admin.see("Before", "After", "127.0.0.1:9", "127.0.0.1:10", "Addresses")
    admin.click("Close", kinds="dialog button").no_dialog()
    admin.one("input[aria-label='Action']").clear()
    admin.one("input[aria-label='Action']").send_keys("nothing")
    admin.see("Nothing found")
    assert admin.address == "#/audit?action=nothing"
    export = admin.one("a[download]").get_attribute("href")
    assert export.endswith("/v1/audit/export?action=nothing")


def test_settings_are_changed_and_reset(admin, api, browsers):
    admin.expected.add("400")
    admin.open("#/settings").click("Edit session.lifetime").fill("value", "1").click("Save", exact=True)
    admin.error("value")
    admin.fill("value", "3600").click("Save", exact=True).no_dialog().see("3600", "changed")
    admin.click("Edit login.prompt").fill("value", "Ask the gateway team.").click("Save", exact=True).no_dialog()
    other = browsers()
    other.open().see("Ask the gateway team.")
    admin.click("Default session.lifetime").see("86400")
    # Where one begins after the login, and whether one may change the password.
    admin.click("Edit index.redirect-target").fill("value", "/domain").click("Save", exact=True).no_dialog()
    admin.click("Edit admin.password-change.disabled").fill("value", True).click("Save", exact=True).no_dialog()
    other.reload()
    other.login().see("Host names that clients use").click("Account of admin")
    assert "Change password" not in other.text and "Log out" in other.text


def test_each_setting_is_told_in_both_languages(browsers, api):
    for language, known in (("en-US", "Versions that can be shown and brought back"), ("zh-CN", "可查看和恢复的版本数")):
        page = browsers(language=language)
        page.open("#/settings")
        page.fill("username", "admin").fill("password", PASSWORD).press("\ue007")
        page.see(known)
        words = json.loads((ROOT / f"web-admin-static/i18n/{language[:2]}.json").read_text())
        assert [each["name"] for each in api.get("/v1/settings") if f"setting.{each['name']}" not in words] == []


def test_route_tester_says_which_and_why_not_the_others(admin, api):
    api.create_domain("shop.test")
    api.create_static("one", 9)
    api.create_route("cart", ["shop.test"], "one.static", path="/shop.Cart/", protocol="GRPC")
    api.create_route("rest", ["shop.test"], "one.static", path="/")
    api.create_route("posts", ["shop.test"], "one.static", path="/shop.Cart/Add", methods=["GET"])
    admin.open("#/routes").click("Test cart").see("Taken by")
    assert admin.value("url") == "http://shop.test/shop.Cart/"
    admin.open("#/tester").click("gRPC call").fill("url", "http://shop.test/shop.Cart/Add").click("Test", exact=True)
    admin.see("Taken by", "Why this one, and why not the others", "outranked", "method differs")
    assert "url=http" in admin.address
    # The address can be sent to a colleague.
    admin.reload()
    admin.see("Taken by", "method differs")
    admin.fill("url", "http://elsewhere.test/").click("Test", exact=True).see("No route takes it: 404")
    admin.expected.add("400")
    admin.fill("url", "nonsense").click("Test", exact=True)
    admin.error("url")
