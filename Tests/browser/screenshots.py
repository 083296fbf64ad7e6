"""Pictures of every page in both languages and themes, at 1280 and 390 pixels: scripts/screenshots FOLDER."""

import argparse
import contextlib
import itertools
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
from integration.certificates import Authority, pack  # noqa: E402
from integration.gateway import Gateway  # noqa: E402
from integration.waiting import wait_until  # noqa: E402
from peers.http1 import EchoServer  # noqa: E402
from peers.running import RunningPeer  # noqa: E402
from peers.wire import Wire  # noqa: E402



def pressed(*selectors):
    """Presses what is found, one after the other."""

    def steps(page):
        for selector in selectors:
            page.script("arguments[0].click()", page.one(selector))

    return steps


def unfolded(page):
    page.script("document.querySelectorAll('dialog[open] details').forEach((each) => { each.open = true; })")


def called(page):
    """A call with its answer, by the services that reflection told."""
    pressed(".load button")(page)
    page.field("service")
    page.fill("service", "helloworld.Greeter")
    pressed("main form button[type=submit]")(page)
    page.one(".talk .received")


def previewed_manifests(page):
    place = page.one(".field[data-path=manifests] textarea")
    page.script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}));"
        "arguments[0].closest('form').querySelector('button[type=submit]').click()",
        place,
        MANIFESTS,
    )
    page.one(".report")


# Files that are chosen, by what they are; made before the pictures.
FILES = {}


def chosen(panel, kind):
    """A file in a panel or a form."""
    return lambda page: page.one(f"{panel} input[type=file]").send_keys(str(FILES[kind]))


def packed(page):
    chosen("dialog[open]", "pkcs12")(page)
    page.fill("passphrase", "open it")
    page.one("dialog[open] .reading .good")


def looked_into(page):
    """A backup, with what it would replace."""
    page.script("[...document.querySelectorAll('main .panel')].at(-1).classList.add('last')")
    chosen(".last", "backup")(page)
    page.script("document.querySelector('.last form').requestSubmit()")
    page.one(".last .found")
    page.script("document.querySelector('.last').scrollIntoView()")


MANIFESTS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
    nginx.ingress.kubernetes.io/server-snippet: "return 204;"
spec:
  rules:
    - host: web.example
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}], clusterIP: 10.96.0.12}
"""

# What is shown: an address, or a name with an address and what is done there.
PAGES = [
    "overview",
    "routes",
    "domains",
    "certificates",
    "listeners",
    "services",
    "sources",
    "proxies",
    "consumers",
    "workers",
    "versions",
    "tester?url=https://shop.example/shop.Cart/Get&method=POST",
    "try?authority=shop.example&path=/cart",
    "streams",
    ("access-log", "access-log", lambda page: page.one(".log tbody tr")),
    "try?kind=websocket&authority=chat.example&path=/ws",
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
    ("route-all", "routes?edit=cart", unfolded),
    ("route-preview", "routes?edit=cart", pressed(".drawer form .buttons button:not([type=submit])")),
    ("route-wrong", "routes?new=1", pressed(".drawer form button[type=submit]")),
    ("route-delete", "routes", pressed("tr[data-name=dev] .tool.danger")),
    ("domain-delete", "domains", pressed('tr[data-name="shop.example"] .tool.danger')),
    ("source-all", "sources?edit=cart", unfolded),
    ("worker-running", "workers", pressed("main article a.button")),
    ("worker-log", "workers", pressed("main article button")),
    ("access-log-line", "access-log", pressed(".log tbody tr button, .log tbody tr a")),
    ("try-request", "try?listener=http&authority=pages.example&path=/&method=GET", pressed("main form button[type=submit]")),
    ("try-call", "try?kind=grpc&listener=http&authority=greeter.example", called),
    ("import-manifests", "transfer", previewed_manifests),
    ("restore", "transfer", looked_into),
    ("certificate-pkcs12", "certificates?new=1", packed),
    ("routes-sorted", "routes?sort=-requests", lambda page: page.one("tbody .badge.bad")),
    ("services-used", "services?sort=-usedBy", None),
    ("service-health", "services", pressed("tr[data-name='cart.static'] td button.link")),
    "domains?edit=partners.example",
    "certificates?new=1",
    "sources?edit=cart",
    "proxies?new=1",
    "listeners?new=1",
    ("listener-all", "listeners?edit=https", unfolded),
    "consumers?edit=mobile-app",
    "versions?show=19",
    "versions?show=13&from=19",
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

    with EchoServer() as echo, RunningPeer("grpc_server.py", "--kinds") as grpc:
        for name in ("pages.example", "catalog.example"):
            api.create_domain(name)
        api.create_static("pages", echo.port)
        api.create_domain("greeter.example")
        api.create_static("greeter", grpc.port, protocol="grpc")
        api.create_route("greeter", ["greeter.example"], "greeter.static", protocol="GRPC")
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
    parser.add_argument("--tall", type=int, help="pixels of the window's height, to see what lies below")
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
            authority = Authority(scratch / "authority")
            furnish(api, authority)
            identity = authority.issue("api.example", "www.api.example")
            pack(identity, "open it")
            FILES["pkcs12"] = identity.path.with_suffix(".p12")
            FILES["backup"] = scratch / "causeway.sqlite3"
            FILES["backup"].write_bytes(api.expect(200, "POST", "/v1/backup", {}).content)
            running.enter_context(traffic(gateway, api))
        with running:
            take_state(gateway, api, arguments, state, names, wanted)
    print(f"{len(list(arguments.folder.rglob('*.png')))} pictures in {arguments.folder}")


def take_state(gateway, api, arguments, state, names, wanted):
    turn = itertools.count()
    for language, theme, size, pixels in WAYS:
        chosen = [each for each in names if wanted((language, theme, size), each if isinstance(each, str) else each[0])]
        if not chosen:
            continue
        folder = arguments.folder / f"{language}-{theme}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (pixels[0], arguments.tall or pixels[1])
        page = Page(f"http://127.0.0.1:{gateway.admin_port}", pixels, {"en": "en-US", "zh": "zh-CN"}[language], theme == "dark")
        try:
            page.open()
            if state != "set-up":
                page.one("form")
                if "login" in chosen:
                    shoot(page, folder, "login")
                page.fill("username", api.user).fill("password", api.password).press("\ue007")
                page.one("nav")
            for each in chosen:
                name, address, steps = each if isinstance(each, tuple) else (each, each, None)
                if name == "login":
                    continue
                if name != "init":
                    # The query makes it another page: nothing of the one before is left open.
                    page.open(address if address.startswith("docs") else f"?{next(turn)}#/{address}")
                    if any(part in address for part in ("new=", "edit=", "show=")):
                        page.one("dialog[open] .content, dialog[open] form")
                    if steps:
                        settled(page)
                        steps(page)
                shoot(page, folder, name if state != "empty" else f"empty-{name}")
        finally:
            page.close()


if __name__ == "__main__":
    main()
