"""What the admin page weighs and how long it takes, with as many routes as asked for: python Tests/browser/measure.py [--routes N]

Prints the rows of the table in docs/benchmarks.md. Times are the browser's own, on one machine with both processes.
"""

import argparse
import concurrent.futures
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from browser.page import Page  # noqa: E402
from integration.gateway import Gateway  # noqa: E402
from integration.waiting import wait_until  # noqa: E402

LOADED = """
const [document_] = performance.getEntriesByType('navigation');
const files = performance.getEntriesByType('resource').filter((each) => !/\\/(v1|system|user|healthz)\\//.test(each.name));
return {files: files.length + 1, sent: files.reduce((sum, each) => sum + each.transferSize, document_.transferSize)};
"""
USABLE = "return performance.getEntriesByName('usable')[0]?.startTime ?? null"
# Notes the moment at which the overview has drawn its figures, from the first byte of the navigation on.
WATCH = """new MutationObserver((_, observer) => {
  if (!document.querySelector('.tile')) return;
  observer.disconnect();
  performance.mark('usable');
}).observe(document, {childList: true, subtree: true});"""
DRAW = """
const done = arguments[0];
const start = performance.now();
const watch = new MutationObserver(() => {
  if (!document.querySelector('tbody tr[data-name]')) return;
  watch.disconnect();
  requestAnimationFrame(() => done(performance.now() - start));
});
watch.observe(document.body, {childList: true, subtree: true});
location.hash = '#/routes';
"""
# What is done, and the time until a first row is there that was not before.
CHANGE = """
const [act, argument, done] = arguments;
const field = document.querySelector('input[type=search]');
const first = () => document.querySelector('tbody tr[data-name]')?.dataset.name;
const before = first();
const start = performance.now();
const watch = new MutationObserver(() => {
  if (!first() || first() === before) return;
  watch.disconnect();
  requestAnimationFrame(() => done(performance.now() - start));
});
watch.observe(document.body, {childList: true, subtree: true});
if (act === 'search') {
  field.value = argument;
  field.dispatchEvent(new Event('input'));
} else if (act === 'sort') document.querySelector(`[data-column=${argument}]`).click();
else [...document.querySelectorAll('nav.pages button')].at(-1).click();
"""
OPEN = """
const done = arguments[0];
const start = performance.now();
const watch = new MutationObserver(() => {
  if (!document.querySelector('dialog[open] form')) return;
  watch.disconnect();
  requestAnimationFrame(() => done(performance.now() - start));
});
watch.observe(document.body, {childList: true, subtree: true});
location.hash = '#/routes?new=1';
"""


def usable(page, cold):
    if cold:
        page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.reload()
    time = wait_until(lambda: page.script(USABLE), 20)
    return {**page.script(LOADED), "usable": time}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(folder)
        gateway.start_control()
        gateway.start_worker()
        page = Page(f"http://127.0.0.1:{gateway.admin_port}")
        try:
            run(gateway, page, arguments)
        finally:
            page.close()
            gateway.abandon()


def run(gateway, page, arguments):
    gateway.api.initialize()
    page.open().login(gateway.api.user, gateway.api.password).see("Overview")
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    for name, cold in (("first visit", True), ("again", False)):
        runs = [usable(page, cold) for _ in range(arguments.rounds)]
        print(
            f"| {name} | {runs[-1]['files']} files, {runs[-1]['sent'] / 1000:.0f} kB |"
            f" usable after {statistics.median(each['usable'] for each in runs):.0f} ms |"
        )
    gateway.api.create_static("one", 9)

    def make(number):
        gateway.api.create_route(f"route-{number:05}", [], "one.static", path=f"/path/{number}", live=False)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(arguments.routes)))
    for number in range(arguments.routes // 10):
        gateway.api.create_domain(f"host-{number:05}.test", live=False)
    page.open("#/overview")
    again = statistics.median(usable(page, False)["usable"] for _ in range(arguments.rounds))
    times = {}

    def take(name, *change):
        times.setdefault(name, []).append(page.driver.execute_async_script(*change))

    for number in range(arguments.rounds):
        page.open("#/workers").one("article")
        take("list asked for and drawn", DRAW)
        take("searched, 200 ms of it the wait for the next letter", CHANGE, "search", f"path/{number + 1}77")
        take("the search taken back", CHANGE, "search", "")
        take("sorted by name, the last first", CHANGE, "sort", "name")
        take("the next page", CHANGE, "page", "")
        take("the form of a new route", OPEN)
        page.click("Cancel", exact=True).no_dialog()
    print(f"| {arguments.routes:,} routes, the overview again | | usable after {again:.0f} ms |")
    for name, each in times.items():
        print(f"| {arguments.routes:,} routes, {name} | | {statistics.median(each):.0f} ms |")


if __name__ == "__main__":
    main()
