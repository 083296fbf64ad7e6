"""What somebody else changes shows by itself: told by /v1/events, or found by asking where those cannot be opened."""

from integration.waiting import wait_until

# Far below the time after which a page asks by itself.
TOLD = 3


def listening(page):
    """The page has its connection for events."""
    return wait_until(
        lambda: page.driver.execute_async_script("import('/parts/events.js').then((found) => arguments[0](found.told()))"), 10, "the page listens"
    )


def test_lists_follow_what_somebody_else_changes(admin, api):
    admin.open("#/domains").see("No domain yet")
    listening(admin)
    api.create_domain("one.test")
    admin.see("one.test", seconds=TOLD)
    # Where one is stays: the search, and the focus on a row.
    api.create_domain("two.test")
    admin.see("two.test", seconds=TOLD)
    admin.script("[...document.querySelectorAll('tr[data-name] button')].find((each) => each.getAttribute('aria-label') === 'Edit one.test').focus()")
    api.create_domain("three.test")
    admin.see("three.test", seconds=TOLD)
    assert admin.script("return document.activeElement.getAttribute('aria-label')") == "Edit one.test"
    api.call("DELETE", "/v1/domains/two.test")
    admin.gone("two.test", seconds=TOLD)
    admin.open("#/versions").see("three.test")
    api.create_static("late", 9)
    admin.see("late", seconds=TOLD)
    admin.open("#/services").see("late.static")
    api.create_static("later", 9)
    admin.see("later.static", seconds=TOLD)
    admin.open("#/overview").see("Last changes")
    api.create_static("latest", 9)
    admin.see("latest", seconds=TOLD)


def test_what_is_typed_stays_when_somebody_else_saves(admin, api):
    admin.open("#/domains?new=1").fill("name", "typed.test")
    listening(admin)
    api.create_domain("other.test")
    wait_until(lambda: "other.test" in admin.rows(), TOLD, "the list behind the form has the new domain")
    assert admin.value("name") == "typed.test"


def test_accounts_follow_the_audit(admin, api):
    admin.open("#/users").see("admin")
    listening(admin)
    api.post("/v1/users", {"name": "erin", "password": "a long one: yes", "role": "viewer"})
    admin.see("erin", seconds=TOLD)


def test_a_worker_that_ends_is_told(admin, empty):
    admin.open("#/workers").see("It carries traffic.")
    listening(admin)
    empty.worker.stop()
    admin.see("No worker is connected", seconds=TOLD)
    empty.start_worker()
    admin.see("It carries traffic.", seconds=TOLD)


def test_after_the_control_plane_was_away_it_listens_again(admin, empty, api):
    admin.expected.add("away")
    admin.open("#/domains").see("No domain yet")
    listening(admin)
    empty.control.kill9()
    empty.control.start()
    empty.wait_control()
    api.create_domain("back.test")
    admin.see("back.test", seconds=10)
    listening(admin)
    api.create_domain("told.test")
    admin.see("told.test", seconds=TOLD)


def hide(page):
    page.script("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")


def unhide(page):
    page.script("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def without_events(browsers):
    """A page whose connections for events do not come about."""
    page = browsers()
    page.expected.add("away")
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/v1/events"]})
    return page.open().login().see("Overview")


def test_a_hidden_tab_holds_no_connection(admin, api):
    admin.open("#/domains").see("No domain yet")
    listening(admin)
    told = "import('/parts/events.js').then((found) => arguments[0](found.told()))"
    hide(admin)
    assert admin.driver.execute_async_script(told) is False
    api.create_domain("meanwhile.test")
    unhide(admin)
    admin.see("meanwhile.test", seconds=TOLD)


def test_without_events_lists_are_asked_for(browsers, api):
    page = without_events(browsers)
    page.open("#/domains").see("No domain yet")
    api.create_domain("asked.test")
    page.see("asked.test", seconds=12)


def test_what_happened_before_the_first_connection_is_seen(browsers, api):
    page = without_events(browsers)
    page.open("#/users").see("admin")
    api.post("/v1/users", {"name": "erin", "password": "a long one: yes", "role": "viewer"})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    hide(page)
    unhide(page)  # opens a connection at once
    page.see("erin", seconds=TOLD)


def test_logout_ends_it(admin, api):
    listening(admin)
    admin.click("Account of admin").click("Log out").see("Log in")
    assert admin.driver.execute_async_script("import('/parts/events.js').then((found) => arguments[0](found.told()))") is False
