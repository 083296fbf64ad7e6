"""/docs: the reference of the API for anybody, made from what the server tells of itself."""

import json
import subprocess

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.openapi import DOCUMENT
from integration.waiting import wait_until


def operations():
    return [each for item in DOCUMENT["paths"].values() for method, each in item.items() if method != "parameters"]


def test_anybody_finds_an_operation_and_its_curl_line_works(page, empty, api):
    page.open("docs").see("API reference", f"{len(operations())} operations", "Which requests go where.")
    page.one("input[type=search]").send_keys("POST create a route")
    page.see("1 operation").click("POST /v1/routes")
    page.wait_address("#/createRoute?q=POST+create+a+route")
    page.see("editor and above", "Weights, a rewrite and timeouts")
    page.click("400 A field cannot be").see("domains[0]: There is no domain named shop.test.")
    lines = page.script("return [...document.querySelectorAll('.curl code')].map((each) => each.textContent)")
    body = DOCUMENT["paths"]["/v1/routes"]["post"]["requestBody"]["content"]["application/json"]
    assert len(lines) == len(body["examples"]) and lines[0].startswith('curl -H "Authorization: Bearer $TOKEN"')
    # The line as it stands, in a shell, against this server.
    api.create_domain("shop.test")
    api.create_static("greeter", 9)
    token = api.post("/v1/tokens", {"name": "docs", "role": "editor"})["token"]
    run = subprocess.run(["bash", "-c", f"{lines[0]} --silent"], env={"TOKEN": token, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=20)
    assert json.loads(run.stdout)["name"] == "greet", run.stdout


def test_a_link_opens_its_operation(page):
    page.open("docs#/listRoutes").see("domainName", "Only routes of this domain.", "viewer and above")
    assert page.script("return document.activeElement.closest('details').dataset.operation") == "listRoutes"
    page.click("200", kinds="details[open] summary").see("pageNum")
    page.click("members of data").see("rewrite")
    page.script("location.hash = '#/removeRoute'")
    page.see("DELETE", "/v1/routes/{name}")
    wait_until(lambda: page.script("return document.querySelector('[data-operation=removeRoute]').open"), 10, "the linked operation opens")


def test_every_operation_is_whole_in_both_languages_and_themes(browsers):
    for options in ({"dark": True, "size": PHONE, "language": "zh-CN"}, {}):
        page = browsers(**options)
        page.open("docs").one(".operation")
        page.script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        wait_until(lambda: page.script("return document.querySelectorAll('.operation > .inside:empty').length") == 0, 20, "all are open")
        page.script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for each in operations():
            shown = page.script("return document.querySelector(`[data-operation='${arguments[0]}']`).textContent", each["operationId"])
            assert "curl" in shown and (each.get("summary") or "") in shown
        text = page.text
        assert "undefined" not in text and "[object" not in text, text[max(0, text.find("undefined") - 200):][:400]
        assert page.script("return document.documentElement.scrollWidth - innerWidth") <= 0
        page.open("docs#/createRoute").one(".operation[open]")
        page.reload()
        page.one(".operation[open] .curl")
        assert page.axe() == []


def test_the_console_leads_to_it(admin):
    admin.click("API reference").see("Everything this page does")
    assert admin.script("return location.pathname") == "/docs"
    admin.click("Causeway").see("Overview")
    assert PASSWORD not in admin.text
