"""Whatever stands in names, texts and errors is shown as text. A script in it that ran would be seen here."""

HTML = "<img/src=x/onerror=document.title='pwned'><script>document.title='pwned'</script>"


def looks(page, *addresses):
    for address, shown in addresses:
        page.open(address).one("main h1")
        page.wait_text_or_value(shown)
        assert page.script("return document.title") != "pwned"
        assert not page.all("main img, dialog img, main script, dialog script"), f"{address}: markup from data"


def test_hostile_data_is_text(admin, api, authority):
    admin.expected |= {"400", "404"}
    identity = authority.issue("hostile.test", cn="<b>bold")
    api.create_certificate("hostile", identity.chain, identity.key)
    api.create_static("one", 9)
    api.post("/v1/consumers", {"name": "mallory", "credentials": [{"type": "basic-auth", "username": HTML, "password": HTML}]})
    api.create_route(
        "hostile",
        [],
        "one.static",
        path="/" + HTML,
        customConfigs={"higress.io/" + HTML: HTML},
        mock={"enabled": True, "content": HTML},
        headers=[{"key": "x", "matchType": "EQUAL", "matchValue": HTML}],
    )
    looks(
        admin,
        ("#/routes", "<img/src=x"),
        ("#/routes?edit=hostile", "<img/src=x"),
        ("#/consumers", "<img/src=x"),
        ("#/consumers?edit=mallory", "<img/src=x"),
        ("#/certificates", "<b>bold"),
        ("#/versions", "hostile"),
        ("#/overview", "hostile"),
    )
    # Addresses are data, too: the search is shown, an unknown object is named in a note.
    admin.open("#/routes?q=" + HTML).see("<img/src=x")
    admin.open("#/routes?edit=" + HTML).see("does not exist")
    admin.see("<img/src=x")
    # An error of the API that repeats what was typed.
    admin.open("#/domains?new=1").fill("name", HTML).card("off").click("Create", exact=True)
    admin.error("name")
    admin.script("location.hash = '#/certificates'")
    admin.click("Throw away").see("<b>bold")
    assert admin.script("return document.title") != "pwned"
    assert not admin.all("main img, dialog img, main b, dialog b, #notes img, script:not([src])")


def test_the_policy_stops_what_would_get_through(admin):
    """Should markup ever get in, the browser does not run it."""
    admin.expected.add("404")
    admin.script("const p = document.createElement('p'); p.innerHTML = arguments[0]; document.body.append(p)", HTML)
    admin.script("const s = document.createElement('script'); s.textContent = \"document.title = 'pwned'\"; document.body.append(s)")
    assert admin.script("return document.title") != "pwned"
    admin.take_logs()
    assert [each for each in admin.console if "Content Security Policy" in each["message"]]
    admin.console.clear()
    admin.script("document.querySelectorAll('body > p, body > script').forEach((each) => each.remove())")
