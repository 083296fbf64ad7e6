"""Pictures of every page in both languages and themes, at 1280 and 390 pixels: scripts/screenshots FOLDER."""

import argparse
import contextlib
import pathlib
import random
import re
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from browser.example import furnish  # noqa: E402
from browser.page import DESKTOP, PHONE, Page  # noqa: E402
from integration.api import Api  # noqa: E402
from integration.certificates import Authority  # noqa: E402
from integration.gateway import Gateway  # noqa: E402
from integration.waiting import wait_until  # noqa: E402
from peers.http1 import EchoServer  # noqa: E402
from peers.wire import Wire  # noqa: E402

PAGES = [
    "overview",
    "routes",
    "domains",
    "certificates",
    "services",
    "sources",
    "consumers",
    "workers",
    "versions",
    "tester?url=https://shop.example/shop.Cart/Get&method=POST",
    "try?authority=shop.example&path=/cart",
    "streams",
    "access-log",
    "transfer",
    "users",
    "tokens",
    "sessions",
    "audit",
    "settings",
    "users?new=1",
    "tokens?new=1",
    "routes?new=1",
    "routes?edit=cart",
    "domains?edit=partners.example",
    "certificates?new=1",
    "sources?edit=cart",
    "consumers?edit=mobile-app",
    "versions?show=18",
    "versions?show=12&from=18",
    "docs",
    "docs#/createRoute",
]
EMPTY = ["overview", "routes", "workers"]
WAYS = [
    (language, theme, name, size)
    for language in ("en", "zh")
    for theme in ("light", "dark")
    for name, size in (("desktop", DESKTOP), ("phone", PHONE))
]


def settled(page):
    """The page has what it asked for, and has drawn it."""
    wait_until(lambda: page.script("return document.querySelector('main h1') && !document.querySelector('.loading')"), 15)
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


@contextlib.contextmanager
def traffic(gateway, api, points=7):
    """Requests of which some fail, for as many readings of the charts."""
    stop = threading.Event()

    def run():
        chance = random.Random(1)
        while not stop.wait(0.05):
            with Wire.connect(gateway.http_port) as wire:
                # Nobody answers at the catalog's name.
                path, host = ("/catalog", "catalog.example") if chance.random() < 0.15 else ("/", "pages.example")
                wire.request(chance.choice(["GET", "POST"]), path, host)

    with EchoServer() as echo:
        for name in ("pages.example", "catalog.example"):
            api.create_domain(name)
        api.create_static("pages", echo.port)
        api.create_route("pages", ["pages.example"], "pages.static")
        api.create_route("old-catalog", ["catalog.example"], "catalog.dns")
        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_until(lambda: len(api.get("/v1/stats")["recent"]) >= points, 120, "readings of the charts")
            yield
        finally:
            stop.set()
            thread.join()


def shoot(page, folder, name):
    settled(page)
    path = folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}.png"
    assert page.driver.save_screenshot(str(path)), path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", help="part of LANGUAGE-THEME-SIZE/PAGE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        gateway = Gateway(pathlib.Path(scratch) / "gateway")
        gateway.start_control()
        gateway.start_worker()
        try:
            take(gateway, pathlib.Path(scratch), arguments)
        finally:
            gateway.abandon()


def take(gateway, scratch, arguments):
    def wanted(way, name):
        return not arguments.only or arguments.only in f"{'-'.join(way)}/{name}"

    api = Api(gateway.admin_port)
    for state, names in (("set-up", ["init"]), ("empty", ["login", *EMPTY]), ("full", PAGES)):
        if state == "empty":
            api.initialize()
        running = contextlib.ExitStack()
        if state == "full":
            furnish(api, Authority(scratch / "authority"))
            if any(wanted(way[:3], "overview") for way in WAYS):
                running.enter_context(traffic(gateway, api))
        with running:
            take_state(gateway, api, arguments, state, names, wanted)
    print(f"{len(list(arguments.folder.rglob('*.png')))} pictures in {arguments.folder}")


def take_state(gateway, api, arguments, state, names, wanted):
    for language, theme, size, pixels in WAYS:
        chosen = [name for name in names if wanted((language, theme, size), name)]
        if not chosen:
            continue
        folder = arguments.folder / f"{language}-{theme}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        page = Page(f"http://127.0.0.1:{gateway.admin_port}", pixels, {"en": "en-US", "zh": "zh-CN"}[language], theme == "dark")
        try:
            page.open()
            if state != "set-up":
                page.one("form")
                if "login" in chosen:
                    shoot(page, folder, "login")
                page.fill("username", api.user).fill("password", api.password).press("\ue007")
                page.one("nav")
            for name in chosen:
                if name == "login":
                    continue
                if name != "init":
                    page.open(name if name.startswith("docs") else f"#/{name}")
                    if any(part in name for part in ("new=", "edit=", "show=")):
                        page.one("dialog[open] .content, dialog[open] form")
                shoot(page, folder, name if state != "empty" else f"empty-{name}")
        finally:
            page.close()


if __name__ == "__main__":
    main()
