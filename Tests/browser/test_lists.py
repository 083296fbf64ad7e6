"""Lists: search, sort and pages in the address; what uses what; deleting with what depends on it; two people at once."""

import json
import pathlib

import pytest

from browser.example import furnish
from browser.test_events import hide
from integration.waiting import wait_until
from peers.tokens import Key


def many(api, count):
    api.create_static("one", 9)
    for number in range(count):
        api.create_route(f"r{number:02}", [], "one.static", path=f"/p{count - number:02}", live=False)


def first(page, name):
    wait_until(lambda: page.rows()[:1] == [name], 10, f"{name} comes first; it is {page.rows()[:3]}")


def test_search_sort_and_pages_are_in_the_address(admin, api):
    many(api, 60)
    admin.open("#/routes").see("60 in all", "Page 1 of 3")
    assert admin.rows()[:2] == ["r00", "r01"]
    admin.click("Route name", kinds="th button")
    first(admin, "r59")
    admin.click("Next", kinds="nav.pages button").see("Page 2 of 3")
    assert admin.address == "#/routes?sort=-name&page=2"
    admin.reload()
    admin.see("Page 2 of 3")
    assert admin.rows()[0] == "r34"
    admin.click("Path", kinds="th button")
    first(admin, "r59")
    admin.one("input[type=search]").send_keys("p1 one")
    admin.see("10 found")
    assert admin.address == "#/routes?sort=path&q=p1+one"
    admin.one("input[type=search]").send_keys("nothing")
    admin.see("Nothing matches").click("Show all").see("60 in all")
    # A page that there is none of leads to the last; the number of rows stays in the address.
    admin.open("#/routes?page=9&size=50").see("Page 2 of 2")
    assert admin.address == "#/routes?page=2&size=50" and admin.rows()[0] == "r50"
    admin.click("Back", kinds="nav.pages button").see("Page 1 of 2")
    # What is searched for has fewer pages.
    admin.open("#/routes?page=2&q=r5").see("10 found")
    assert len(admin.rows()) == 10
    # What is nonsense there is left alone.
    admin.open("#/routes?page=-1&size=7&sort=version").see("Page 1 of 3")


def test_rows_that_change_leave_alone_what_is_open_around_them(admin, api):
    many(api, 30)
    admin.open("#/routes").see("30 in all", "/p30")
    admin.script("document.querySelector('nav.pages select').isTheSame = true")
    changed = api.get("/v1/routes/r00")
    changed["path"]["matchValue"] = "/elsewhere"
    api.put("/v1/routes/r00", changed, live=False)
    admin.see("/elsewhere")
    assert admin.script("return document.querySelector('nav.pages select').isTheSame") is True


ASKED = """
const real = window.fetch;
window.asked = [];
window.fetch = async (path, options) => {
  if (!String(path).startsWith('/v1/routes?')) return real(path, options);
  window.asked.push(path);
  // The first answer comes after the second.
  const answer = await real(path, options);
  if (window.asked.length === 1) await new Promise((done) => { window.release = done; });
  return answer;
};
"""


def test_the_newest_answer_counts_and_rows_stay_until_it_comes(admin, api):
    many(api, 60)
    admin.open("#/routes").see("60 in all")
    admin.script(ASKED)
    admin.script("document.querySelector('[data-column=name]').focus()")
    admin.click("Route name", kinds="th button")
    wait_until(lambda: admin.script("return window.release !== undefined"), 10, "the first answer is held back")
    assert admin.rows()[0] == "r00" and admin.all("[aria-busy=true]")
    admin.click("Path", kinds="th button")
    first(admin, "r59")
    admin.script("window.release()")
    admin.see("60 in all")
    assert admin.rows()[0] == "r59" and not admin.all("[aria-busy=true]")
    assert admin.script("return document.activeElement.dataset.column") == "path"
    # Letters in quick succession are one question, for one page.
    admin.script("window.asked = [null]")
    admin.one("input[type=search]").send_keys("r5")
    admin.see("10 found")
    assert admin.script("return window.asked.slice(1)") == ["/v1/routes?pageNum=1&q=r5&sort=path&pageSize=25"]
    # From page to page by keyboard: the focus stays among the pages, also where there is no way on.
    admin.open("#/routes").see("60 in all")
    admin.script("[...document.querySelectorAll('nav.pages button')].at(-1).focus()")
    admin.press("\ue007").see("Page 2 of 3").press("\ue007").see("Page 3 of 3")
    assert admin.script("return document.activeElement.textContent") == "Back"


def test_columns_that_count_begin_with_the_most(admin, api):
    api.create_static("busy", 9)
    api.create_static("lazy", 10)
    api.create_static("idle", 11)
    for number in range(3):
        api.create_route(f"r{number}", [], "busy.static", path=f"/{number}", live=False)
    api.create_route("last", [], "lazy.static", path="/last")
    admin.open("#/sources").row("busy")
    admin.click("Used by", kinds="th button")
    wait_until(lambda: admin.rows() == ["busy", "lazy", "idle"], 10)
    assert admin.address == "#/sources?sort=-usedBy" and "3 routes" in admin.row("busy") and "not used" in admin.row("idle")
    admin.click("3 routes", kinds="td a").wait_address("q=busy.static")
    admin.see("3 found")


def test_no_list_is_loaded_whole(admin, api, authority):
    many(api, 60)
    identity = authority.issue("shop.test")
    api.create_certificate("shop", identity.chain, identity.key)
    api.create_domain("shop.test", https="on", certificate="shop")
    admin.reload()
    admin.see("Overview", "60")
    for name in ("routes?new=1", "domains?edit=shop.test", "certificates", "services", "sources?edit=one", "proxies", "consumers", "try", "access-log", "transfer"):
        admin.open("#/workers").one("article")
        admin.open(f"#/{name}").one("main h1")
    admin.see("Import and export").take_logs()
    lists = [url for url in admin.requests if any(f"/v1/{kind}" in url.split("?")[0] for kind in ("routes", "domains", "tls-certificates", "services", "service-sources", "proxy-servers", "consumers")) and url.split("?")[0].count("/") == 4]
    assert len(lists) > 10 and [url for url in lists if "pageSize=" not in url] == []


def fill_up(api, authority):
    """More of everything that a form chooses among than it shows at once."""
    identity = authority.issue("site.test")
    for number in range(25):
        api.create_domain(f"d{number:02}.test")
        api.create_static(f"s{number:02}", f"10.0.0.{number + 1}:80")
        api.post("/v1/consumers", {"name": f"c{number:02}", "credentials": [{"type": "basic-auth", "username": f"u{number}", "password": "p"}]})
        api.create_certificate(f"t{number:02}", identity.chain, identity.key)
        api.post("/v1/proxy-servers", {"name": f"p{number:02}", "type": "HTTP", "serverAddress": "proxy.test", "serverPort": 3128})


def offered(page):
    return page.script("return [...document.querySelectorAll('dialog[open] [role=listbox]:not([hidden]) [role=option]')].map((each) => each.firstChild.textContent)")


def test_choices_among_many_are_found_by_typing(admin, api, authority):
    fill_up(api, authority)
    admin.open("#/routes?new=1").fill("name", "wide")
    several = admin.field("domains")
    several.click()
    wait_until(lambda: offered(admin) == [f"d{number:02}.test" for number in range(20)], 10, f"the first twenty; there are {offered(admin)}")
    admin.see("5 more: type to find them.")
    assert admin.axe() == []
    several.send_keys("d2")
    wait_until(lambda: offered(admin) == ["d20.test", "d21.test", "d22.test", "d23.test", "d24.test"], 10)
    # Escape closes the list, not the form; arrows and Enter choose.
    several.send_keys("\ue00c")
    wait_until(lambda: offered(admin) == [], 10)
    assert admin.value("name") == "wide"
    several.send_keys("\ue015")
    wait_until(lambda: len(offered(admin)) == 5, 10)
    several.send_keys("\ue015", "\ue015", "\ue013", "\ue013", "\ue007")
    admin.see("d24.test")
    several.send_keys("d01.test", "\ue007")
    several.send_keys("d02.test", "\ue007")
    admin.click("Take out d01.test", kinds="dialog button")
    admin.fill("services[0].name", "s17")
    wait_until(lambda: offered(admin) == ["s17.static"], 10)
    admin.click("s17.static", kinds="[role=option]")
    assert admin.value("services[0].name") == "s17.static" and offered(admin) == []
    assert admin.script("return document.activeElement.value") == "s17.static"
    admin.unfold("Who may use it").fill("authConfig.enabled", True)
    admin.field("authConfig.allowedConsumers").send_keys("c19", "\ue007")
    admin.unfold("Mirror").fill("mirror.enabled", True).fill("mirror.service", "s03.static")
    admin.click("Create", exact=True).no_dialog()
    route = api.get("/v1/routes/wide")
    assert route["domains"] == ["d02.test", "d24.test"] or route["domains"] == ["d24.test", "d02.test"]
    assert (route["services"][0]["name"], route["authConfig"]["allowedConsumers"], route["mirror"]["service"]) == ("s17.static", ["c19"], "s03.static")
    # What there is none of is refused by the server, at its field; what is stored is there again.
    admin.expected.add("400")
    admin.open("#/routes?edit=wide").fill("services[0].name", "nobody.static").click("Save", exact=True)
    assert "There is no service named nobody.static." in admin.error("services[0].name")
    assert "d24.test" in admin.dialog_text
    admin.fill("services[0].name", "s05.static").click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/wide")["services"][0]["name"] == "s05.static"
    admin.open("#/domains?edit=d00.test").card("on").fill("certIdentifier", "t24").click("Save", exact=True).no_dialog()
    assert api.get("/v1/domains/d00.test")["certIdentifier"] == "t24"
    admin.open("#/sources?edit=s00").unfold("Rarely needed").fill("proxyName", "p23").click("Save", exact=True).no_dialog()
    assert api.get("/v1/service-sources/s00")["proxyName"] == "p23"


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_tables_fit_a_desk(browsers, api, authority, language):
    furnish(api, authority)
    page = browsers(language=language)
    page.open()
    page.fill("username", api.user).fill("password", api.password).press("\ue007").one("nav")
    wide = {}
    for name in ("routes", "domains", "certificates", "listeners", "services", "sources", "proxies", "consumers", "versions"):
        page.open(f"#/{name}").one("table.list")
        wide[name] = page.script("const place = document.querySelector('.scroll'); return place.scrollWidth - place.clientWidth")
    assert not any(wide.values()), wide


def test_used_by_and_delete_names_what_depends(admin, api, authority):
    identity = authority.issue("shop.test")
    api.create_certificate("shop", identity.chain, identity.key)
    api.create_domain("shop.test", https="on", certificate="shop")
    api.create_static("one", 9)
    api.create_route("first", ["shop.test"], "one.static")
    api.create_route("second", ["shop.test"], "one.static", path="/second")
    admin.open("#/certificates")
    assert "shop.test" in admin.row("shop") and "in " in admin.row("shop")
    admin.click("Delete shop").see("shop is in use", "These use it")
    admin.click("shop.test", kinds="dialog a")
    assert admin.value("name") == "shop.test"
    admin.open("#/sources")
    assert "2 routes" in admin.row("one")
    admin.click("Delete one").see("one is in use", "first", "second").click("Close", kinds="dialog button").no_dialog()
    admin.open("#/routes").click("Delete second").see("second will be deleted").click("Cancel", exact=True)
    assert admin.rows() == ["first", "second"]
    admin.click("Delete second").click("Delete", kinds="dialog button", exact=True).see("Saved and live.")
    wait_until(lambda: admin.rows() == ["first"], 5)
    # Something else took hold of it meanwhile, and the page does not know of it yet: the API's own answer is told.
    api.delete("/v1/routes/first")
    api.delete("/v1/domains/shop.test")
    admin.open("#/certificates").row("shop")
    hide(admin)
    api.create_domain("late.test", https="on", certificate="shop")
    admin.expected.add("409")
    admin.click("Delete shop").click("Delete", kinds="dialog button", exact=True).see("shop is in use", "late.test")


def test_a_service_behind_a_proxy_server(admin, api):
    admin.expected |= {"400", "409"}
    api.create_static("behind", "10.0.0.9:80")
    admin.open("#/sources?edit=behind").unfold("Rarely needed").see("There is no proxy server yet.").click("New proxy server").see("Proxy server name")
    admin.fill("name", "egress").fill("serverAddress", "http://proxy").fill("serverPort", "3128").click("Create", exact=True)
    assert admin.error("serverAddress")
    admin.fill("serverAddress", "proxy.internal.test").fill("connectTimeout", "2").click("Create", exact=True).no_dialog()
    assert "proxy.internal.test:3128" in admin.row("egress") and "2 s" in admin.row("egress")
    admin.open("#/sources?edit=behind").unfold("Rarely needed").fill("proxyName", "egress").click("Save", exact=True).no_dialog()
    assert api.get("/v1/service-sources/behind")["proxyName"] == "egress"
    assert "through egress" in admin.row("behind")
    # Deleting names the source that uses it.
    admin.open("#/proxies")
    assert "behind" in admin.row("egress")
    admin.click("Delete egress").see("egress is in use", "behind").click("Close", exact=True).no_dialog()
    admin.open("#/sources?edit=behind").unfold("Rarely needed").fill("proxyName", "").click("Save", exact=True).no_dialog()
    admin.open("#/proxies").click("Delete egress").click("Delete", kinds="dialog button", exact=True).no_dialog().see("No proxy server yet")
    assert api.get("/v1/proxy-servers") == []


def test_delete_of_what_is_gone_already(admin, api):
    api.create_domain("gone.test")
    admin.open("#/domains").row("gone.test")
    api.delete("/v1/domains/gone.test")
    admin.expected.add("404")
    admin.click("Delete gone.test").click("Delete", kinds="dialog button", exact=True).see("There is no domain gone.test.", "No domain yet")


def test_two_people_edit_the_same_route(browsers, api):
    api.create_static("one", 9)
    api.create_static("two", 10)
    api.create_route("shared", [], "one.static", path="/old")
    first, second = browsers(), browsers()
    for page in (first, second):
        page.expected.add("409")
        page.open("#/routes?edit=shared").login()
        page.field("path.matchValue")
    first.fill("path.matchValue", "/first").fill("services[0].name", "two.static")
    first.click("Save", exact=True).no_dialog()
    second.fill("path.matchValue", "/second").unfold("Timeouts").fill("timeouts.total", "2")
    second.click("Save", exact=True).see("Changed by somebody else", "/first", "/second", "Taken from them without a clash")
    second.click("Use this").see("Look it over")
    # Mine where both changed, theirs where only they did.
    assert second.value("path.matchValue") == "/second"
    assert second.value("services[0].name") == "two.static"
    second.click("Save", exact=True).no_dialog()
    route = api.get("/v1/routes/shared")
    assert (route["path"]["matchValue"], route["services"][0]["name"], route["timeouts"]["total"]) == ("/second", "two.static", 2000)

    # The other way round, theirs.
    first.open("#/routes?edit=shared").fill("path.matchValue", "/mine")
    api.put("/v1/routes/shared", {**route, "path": {"matchType": "PRE", "matchValue": "/theirs"}})
    first.click("Save", exact=True).see("Changed by somebody else").click("Take all theirs").click("Use this")
    assert first.value("path.matchValue") == "/theirs"
    first.click("Save", exact=True).no_dialog()
    assert api.get("/v1/routes/shared")["path"]["matchValue"] == "/theirs"

    # Both did the same: nothing to choose.
    route = api.get("/v1/routes/shared")
    first.open("#/routes?edit=shared").fill("path.matchValue", "/same")
    api.put("/v1/routes/shared", {**route, "path": {"matchType": "PRE", "matchValue": "/same"}})
    first.click("Save", exact=True).see("Somebody has saved exactly the same already.").no_dialog()


def test_certificate_by_drop_paste_and_replacement(admin, api, authority, tmp_path):
    identity, other = authority.issue("one.test"), authority.issue("two.test")
    admin.expected.add("400")
    admin.open("#/certificates?new=1").fill("name", "site")
    # A drop of one file with everything in it, the key first.
    admin.script(
        """const files = new DataTransfer();
           files.items.add(new File([arguments[0]], 'all.pem'));
           document.querySelector('.drop').dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}))""",
        identity.key + identity.chain,
    )
    admin.see("One certificate, without those that signed it.", "One private key (PRIVATE KEY).")
    assert admin.value("cert").startswith("-----BEGIN CERTIFICATE-----")
    admin.fill("key", other.key).click("Create", exact=True)
    assert "Does not belong" in admin.error("key")
    admin.fill("key", identity.key[:150]).see("has no end")
    admin.fill("key", "no key at all").see("No private key")
    admin.fill("key", identity.key).click("Create", exact=True).no_dialog()
    assert "one.test" in admin.row("site")
    # Another one in its place; without one the stored one stays.
    admin.click("site", kinds="th a")
    assert admin.value("cert") == "" and admin.value("key") == ""
    admin.click("Save", exact=True).no_dialog()
    assert "one.test" in api.get("/v1/tls-certificates/site")["domains"]
    admin.click("site", kinds="th a").one("dialog input[type=file]").send_keys(f"{other.path}\n{other.key_path}")
    admin.see("One private key").click("Save", exact=True).no_dialog()
    wait_until(lambda: "two.test" in admin.row("site"), 5)
    # What is neither is named.
    junk = pathlib.Path(tmp_path) / "site.der"
    junk.write_bytes(b"\x30\x82\x01\x00" + bytes(200))
    admin.open("#/certificates?new=1").one("dialog input[type=file]").send_keys(str(junk))
    admin.see("site.der: neither PEM nor PKCS#12")


def test_consumer_with_a_generated_key(admin, api):
    admin.open("#/consumers?new=1").fill("name", "robot").click("Generate a key")
    key = admin.value("credentials[0].values")
    assert len(key) >= 43
    admin.click("Create", exact=True).no_dialog()
    assert "Authorization: Bearer" in admin.row("robot")
    # The secret is not shown again, and stays when nothing is entered.
    admin.open("#/consumers?edit=robot").see("Stored, and not shown")
    assert admin.value("credentials[0].values") == ""
    admin.click("Add a credential").fill("credentials[1].type", "basic-auth").fill("credentials[1].username", "robot")
    admin.fill("credentials[1].password", "secret").click("Save", exact=True).no_dialog()
    assert [each["type"] for each in api.get("/v1/consumers/robot")["credentials"]] == ["key-auth", "basic-auth"]
    # Sent another way it is another credential: the API asks for its value, at the field.
    admin.expected.add("400")
    admin.open("#/consumers?edit=robot").fill("credentials[0].source", "HEADER").fill("credentials[0].key", "x-api-key")
    admin.click("Save", exact=True)
    assert "At least one value" in admin.error("credentials[0].values")


def test_consumer_with_tokens(admin, api):
    keys = [Key("ES256", "one").jwk, Key("HS256", "two").jwk]
    admin.open("#/consumers?new=1").fill("name", "issuer").fill("credentials[0].type", "jwt")
    admin.fill("credentials[0].issuer", "https://issuer.test").fill("credentials[0].audiences", "shop\nhttps://shop.test/a b")
    admin.fill("credentials[0].jwks", "{").click("Create", exact=True)
    assert "not JSON" in admin.error("credentials[0].jwks")
    admin.expected.add("400")
    admin.fill("credentials[0].jwks", json.dumps({"keys": [{**keys[0], "y": "AA"}, keys[1]]})).click("Create", exact=True)
    assert "32" in admin.error("credentials[0].jwks")
    admin.fill("credentials[0].jwks", json.dumps({"keys": keys})).click("Add a claim")
    admin.fill("credentials[0].claimsToHeaders[0].claim", "sub").fill("credentials[0].claimsToHeaders[0].header", "x-user")
    admin.fill("credentials[0].keepToken", False).click("Create", exact=True).no_dialog()
    made = api.get("/v1/consumers/issuer")["credentials"][0]
    assert (made["type"], made["source"], made["keepToken"]) == ("jwt", "BEARER", False)
    assert made["audiences"] == ["shop", "https://shop.test/a b"] and made["claimsToHeaders"] == [{"claim": "sub", "header": "x-user"}]
    assert [each["kid"] for each in made["jwks"]["keys"]] == ["one", "two"]
    # The secret of the second key is not shown, and stays.
    admin.open("#/consumers?edit=issuer")
    assert keys[1]["k"] not in admin.value("credentials[0].jwks")
    admin.fill("credentials[0].clockSkewSeconds", "5").click("Save", exact=True).no_dialog()
    assert api.get("/v1/consumers/issuer")["credentials"][0]["clockSkewSeconds"] == 5


def test_versions_tell_who_changed_what(admin, api):
    api.create_domain("told.test")
    admin.open("#/versions").see("created", "told.test", "admin").click("1", kinds="th a", exact=True)
    admin.see("Version 1").click("Close", kinds="dialog button").no_dialog()
    admin.click("told.test", kinds="td a")
    assert admin.value("name") == "told.test"
