"""The overview at an outage, at rest and without data: a line in plain words first, then the charts."""

import pytest

from browser.conftest import PASSWORD
from browser.page import PHONE
from integration.ports import free_port
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.running import RunningPeer
from selenium.webdriver.common.keys import Keys

# Figures are read each 5 s; the second reading has the first rates.
SAMPLES = 40


def figures(page, title):
    """The table of a chart: its heads, and its rows of numbers."""
    return wait_until(lambda: page.script(
        """const panel = [...document.querySelectorAll('figure')].find((each) => each.querySelector('figcaption').textContent === arguments[0]);
           if (!panel) return null;
           panel.querySelector('details').open = true;
           const texts = (row) => [...row.children].map((each) => each.textContent);
           return [...panel.querySelectorAll('tr')].map(texts)""",
        title,
    ), SAMPLES, f"the table of {title}")


def outcome(page):
    return page.script("return document.querySelector('.outcome')?.dataset.kind + ': ' + document.querySelector('.outcome .first')?.textContent")


@pytest.fixture
def broken(empty, api, authority):
    """A route whose service is there, one whose service is not, and one of gRPC."""
    empty.api = api
    site = Site(empty, authority)
    with EchoServer() as echo, RunningPeer("grpc_server.py", "--kinds") as grpc:
        site.fine = site.serve(echo.port, path="/fine")
        site.calls = site.serve(grpc.port, protocol="GRPC")
        site.away = site.serve(free_port(), path="/away")
        yield site


def test_an_outage_is_told_first_and_leads_to_where_to_act(admin, broken):
    admin.open("#/overview").see("All well", "Requests a second, by status")
    name, service = broken.away["name"], broken.away["services"][0]["name"]
    for _ in range(9):
        broken.get("/fine")
    broken.get("/away")
    admin.see(f"% of requests to route {name} fail: connection to the service failed (UF)", seconds=SAMPLES)
    assert outcome(admin).startswith("bad: 100 %")
    admin.see("connection to the service failed (UF)")
    rows = figures(admin, "Errors a second, by reason")
    assert rows[0] == ["Time", "connection to the service failed (UF)"]
    assert any(float(value) > 0 for _, value in rows[1:])
    assert figures(admin, "Latency")[0] == ["Time", "p99", "p90", "p50"]
    # Drawn, and told to those who do not see it.
    described = wait_until(
        lambda: admin.script(
            """const drawing = document.querySelector('figure svg[role=img]:not([hidden])');
               return drawing && document.getElementById(drawing.getAttribute('aria-labelledby').split(' ')[1]).textContent"""
        ),
        SAMPLES,
        "a second reading, from which on there is something to draw",
    )
    assert described.startswith("2xx: now ") and "at most" in described
    assert admin.script("return document.querySelectorAll('figure svg path.area').length") >= 2
    assert admin.axe() == []
    admin.click(f"% of requests to route {name} fail")
    admin.wait_address(f"sources?edit={service.rsplit('.', 1)[0]}")
    # And to the requests that it is said of.
    admin.open("#/overview").see(f"% of requests to route {name} fail", seconds=SAMPLES)
    admin.click("Access log", kinds=".outcome a", exact=True)
    admin.wait_address(f"access-log?route={name}")
    admin.see("GET /away", "503")
    assert "/fine" not in admin.text


def test_the_list_of_routes_tells_what_goes_through_each(admin, api, broken):
    fine, away = broken.fine["name"], broken.away["name"]
    admin.open("#/routes").see(fine)
    for _ in range(3):
        broken.get("/fine")
    broken.get("/away")
    wait_until(lambda: "/s" in admin.row(fine) and "100 % fail" in admin.row(away), 2 * SAMPLES, "traffic in the list")
    assert "fail" not in admin.row(fine)
    # It leads to the requests that it is said of.
    admin.click("100 % fail", kinds="td a").wait_address(f"access-log?route={away}")


def test_each_worker_with_its_state_and_version(admin, api, broken):
    [worker] = api.get("/v1/workers")
    admin.open("#/overview").see(worker["id"][:12], "serving", f"version {worker['version']}")


def test_grpc_statuses_and_open_streams_are_drawn(admin, broken):
    from peers.protos import Ask, Kinds

    admin.open("#/overview").see("No gRPC calls.")
    with broken.channel() as channel:
        for _ in range(3):
            Kinds(channel).Unary(Ask(), timeout=10)
        with pytest.raises(Exception):
            Kinds(channel).Unary(Ask(fail_code=13), timeout=10)
        admin.see(f"25 % of requests to route {broken.calls['name']} fail: the service itself answers INTERNAL", seconds=SAMPLES)
        heads = figures(admin, "gRPC calls a second, by status")[0]
        assert heads == ["Time", "OK", "INTERNAL"]
        wait_until(lambda: any(float(row[1]) >= 1 for row in figures(admin, "Open now")[1:]), SAMPLES, "an open connection")
    admin.click("1 hour").wait_address("range=hour")
    admin.see("the hour has a point for each whole minute")
    admin.reload()
    admin.see("the hour has a point for each whole minute").click("5 minutes").see("INTERNAL")


def test_the_traffic_of_one_route(admin, broken):
    name = broken.fine["name"]
    admin.open("#/overview").see("Errors a second, by reason")
    admin.one("input[aria-label='Of one route']").send_keys(name)
    admin.wait_address(f"route={name}")
    admin.gone("Errors a second, by reason").gone("Open now")
    for _ in range(5):
        broken.get("/fine")
        broken.get("/away")
    heads = lambda: figures(admin, "Requests a second, by status")  # noqa: E731
    wait_until(lambda: any(float(row[1]) > 0 for row in heads()[1:]), SAMPLES, "the route's requests")
    assert heads()[0] == ["Time", "2xx"], "what failed went to another route"
    admin.reload()
    admin.see("Requests a second, by status").gone("Errors a second, by reason")
    assert admin.axe() == []
    admin.one("input[aria-label='Of one route']").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    admin.see("Errors a second, by reason", "connection to the service failed (UF)")
    assert "route=" not in admin.address


def test_nothing_yet_then_the_worker_goes_and_comes_back(admin, empty, broken):
    admin.open("#/overview").see("All well. No requests in the last minute.", seconds=SAMPLES)
    # What is read stays where it is: only what changed is drawn anew.
    admin.script("document.querySelector('.outcome').dataset.mark = 'same'")
    seen = admin.script("return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/v1/stats')).length")
    wait_until(
        lambda: admin.script("return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/v1/stats')).length") >= seen + 2,
        SAMPLES,
        "two more readings",
    )
    assert admin.script("return document.querySelector('.outcome').dataset.mark") == "same"
    empty.worker.kill9()
    admin.see("No worker serves: nobody answers on the gateway's ports.", "No traffic figures: No worker answers", seconds=SAMPLES)
    assert outcome(admin).startswith("bad: No worker serves")
    empty.start_worker()
    admin.see("All well", seconds=SAMPLES)


def test_a_hidden_tab_asks_for_nothing(admin, broken):
    admin.open("#/overview").see("All well")
    asked = "return performance.getEntriesByType('resource').filter((each) => /v1.(stats|workers)/.test(each.name)).length"
    admin.script("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); Object.defineProperty(document, 'visibilityState', {get: () => 'hidden', configurable: true})")
    # What was under way when it was hidden may still end.
    admin.driver.execute_async_script("setTimeout(arguments[0], 500)")
    before = admin.script(asked)
    admin.driver.execute_async_script("setTimeout(arguments[0], 6500)")
    assert admin.script(asked) == before
    admin.script("delete document.hidden; delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: admin.script(asked) > before, 4, "asked at once when seen again")


def test_a_phone_in_the_dark_in_chinese(browsers, api, broken, authority):
    identity = authority.issue("old.test", end="20200101000000Z")
    api.create_certificate("old", identity.chain, identity.key)
    page = browsers(size=PHONE, language="zh-CN", dark=True)
    page.open().fill("username", "admin").fill("password", PASSWORD).click("登录", kinds="button")
    page.see("证书 old 已于", "没有错误。", seconds=SAMPLES)
    assert page.axe() == []
    assert page.script("return document.documentElement.scrollWidth - innerWidth") <= 0
