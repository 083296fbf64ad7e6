"""The admin page in a real browser, as a person uses it: fields by the API's paths, buttons and links by their words."""

import json
import pathlib

import axe_core_python
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from integration.waiting import wait_until

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
AXE = pathlib.Path(axe_core_python.__file__).parent / "axe.min.js"
DESKTOP, PHONE = (1280, 800), (390, 844)

# What can be clicked by its words: the innermost open dialog comes first, because it covers the rest.
FIND = """
const [words, kinds, exact] = arguments;
const open = [...document.querySelectorAll('dialog[open]')];
const root = open.at(-1) ?? document;
const name = (each) => (each.getAttribute('aria-label') ?? each.textContent).trim().replace(/\\s+/g, ' ');
const shown = (each) => each.checkVisibility() && !each.disabled;
const all = [...root.querySelectorAll(kinds)].filter(shown);
return all.find((each) => name(each) === words) ?? (exact ? null : all.find((each) => name(each).includes(words))) ?? null;
"""


class Page:
    """One browser with a profile of its own; `arguments` are more switches of Chromium's."""

    def __init__(self, base, size=DESKTOP, language="en-US", dark=False, arguments=()):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            *arguments,
        ):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"intl.accept_languages": language, "credentials_enable_service": False})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.base = base
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(30)
        self.resize(size)
        self.prefer("dark" if dark else "light")
        self.console, self.requests = [], []
        # Answers that a test provokes: their status in the console is no error of the page.
        self.expected = {"401"}

    def close(self):
        self.driver.quit()

    # ---- where one is

    def resize(self, size):
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def prefer(self, scheme):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "features": [
                    {"name": "prefers-color-scheme", "value": scheme},
                    {"name": "prefers-reduced-motion", "value": "reduce"},
                ]
            },
        )

    def open(self, address=""):
        """`#/routes?q=x`: a change of the fragment alone does not load the page again."""
        self.driver.get(f"{self.base}/{address}")
        return self

    def reload(self):
        self.driver.refresh()

    @property
    def address(self):
        return self.driver.execute_script("return location.hash")

    def wait_address(self, part):
        wait_until(lambda: part in self.address, 10, f"an address with {part}; it is {self.address}")

    # ---- what is seen

    @property
    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    @property
    def dialog_text(self):
        return self.driver.execute_script("return [...document.querySelectorAll('dialog[open]')].at(-1)?.innerText ?? ''")

    def see(self, *words, seconds=15):
        for each in words:
            wait_until(lambda: each in self.text, seconds, f"the words {each!r}; seen: {self.text[-1500:]!r}")
        return self

    def wait_text_or_value(self, words):
        """The words as text, or as the value of a control."""
        look = "return document.body.innerText + [...document.querySelectorAll('input, textarea')].map((e) => e.value).join('\\n')"
        wait_until(lambda: words in self.script(look), 10, f"{words!r} is shown")

    def gone(self, words, seconds=15):
        wait_until(lambda: words not in self.text, seconds, f"{words!r} goes")
        return self

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, seconds=10):
        return wait_until(lambda: next(iter(self.all(selector)), None), seconds, f"an element {selector}")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def no_dialog(self):
        wait_until(lambda: not self.all("dialog[open]"), 15, f"the dialog closes; it says {self.dialog_text[-800:]!r}")
        return self

    def row(self, name):
        """The words of a list's row."""
        return wait_until(
            lambda: self.script(
                "return [...document.querySelectorAll('tr[data-name]')].find((each) => each.dataset.name === arguments[0])?.innerText",
                name,
            ),
            10,
            f"a row {name}",
        )

    def rows(self):
        return self.script("return [...document.querySelectorAll('tbody tr[data-name]')].map((each) => each.dataset.name)")

    # ---- what is done

    def _click(self, find, what):
        def tried():
            element = None
            try:
                element = find()
                if not element:
                    return False
                element.click()
                return True
            except StaleElementReferenceException:
                return False
            except WebDriverException as error:
                if "intercepted" in str(error):
                    # As a person does with what lies below the bar at the top.
                    self.script("arguments[0].scrollIntoView({block: 'center'})", element)
                    return False
                if "not interactable" in str(error):
                    return False
                raise

        wait_until(tried, 10, f"a click on {what}; seen: {self.text[-800:]!r}")
        return self

    def click(self, words, kinds="button, a, summary, label.card, label.chip, [role=menuitem]", exact=False):
        return self._click(lambda: self.script(FIND, words, kinds, exact), words)

    def unfold(self, title):
        """Opens a section of a form by its title."""
        element = wait_until(
            lambda: self.script(
                "return [...document.querySelectorAll('dialog[open] summary')].find((e) => e.querySelector('.title').textContent === arguments[0])",
                title,
            ),
            10,
            f"a section {title}",
        )
        if not self.script("return arguments[0].parentElement.open", element):
            self.script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()
        return self

    def field(self, path, control="input:not([type=radio]), select, textarea"):
        """The control of a field that is shown, by the path that the API calls it by."""

        def found():
            return self.script(
                """const roots = [...document.querySelectorAll('dialog[open]')];
                   const root = roots.at(-1) ?? document;
                   return [...root.querySelectorAll('.field')].filter((each) => each.dataset.path === arguments[0])
                     .flatMap((each) => [...each.querySelectorAll(arguments[1])]).find((each) => each.checkVisibility()) ?? null""",
                path,
                control,
            )

        return wait_until(found, 10, f"a field {path}")

    def fill(self, path, value):
        element = self.field(path)
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        if element.tag_name == "select":
            self.script(
                "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))",
                element,
                value,
            )
            assert element.get_attribute("value") == value, f"{path} has no choice {value}"
        elif element.get_attribute("type") == "checkbox":
            if element.is_selected() != value:
                self.script("arguments[0].click()", element)
        elif len(value) > 200:
            self.script(
                "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
                element,
                value,
            )
        else:
            element.send_keys(Keys.CONTROL, "a")
            element.send_keys(value or Keys.DELETE)
        return self

    def value(self, path):
        return self.field(path).get_attribute("value")

    def error(self, path):
        """The error shown at a field."""
        return wait_until(
            lambda: self.script(
                """return [...document.querySelectorAll('.field.wrong')].find((each) => each.dataset.path === arguments[0])
                   ?.querySelector('.error:not(:empty)')?.textContent.trim()""",
                path,
            ),
            10,
            f"an error at {path}; seen: {self.dialog_text[-500:]!r}",
        )

    def card(self, value):
        """A choice among cards, by its value."""
        element = wait_until(
            lambda: next(
                (each for each in self.all(f"dialog[open] .card input[value='{value}']") if each.is_displayed()), None
            ),
            10,
            f"a card {value}",
        )
        self.script("arguments[0].click()", element)
        return self

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)
        return self

    # ---- flows that every test begins with

    def set_up(self, name="admin", password="tests: a pass:word"):
        self.open()
        self.fill("adminUser.name", name).fill("adminUser.password", password).fill("again", password)
        self.click("Create account")
        return self.see("Overview")

    def login(self, name="admin", password="tests: a pass:word"):
        self.fill("username", name).fill("password", password)
        return self.click("Log in", kinds="button")

    # ---- what must hold at the end of every test

    def take_logs(self):
        self.console += self.driver.get_log("browser")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])

    def problems(self):
        """Errors in the console, and requests to other hosts."""
        self.take_logs()
        found = [
            entry["message"]
            for entry in self.console
            if entry["level"] in ("SEVERE", "WARNING")
            and not (entry["source"] == "network" and any(f"status of {code}" in entry["message"] for code in self.expected))
            and not (entry["source"] == "network" and "away" in self.expected and "net::ERR_" in entry["message"])
        ]
        found += [url for url in self.requests if not url.startswith((self.base, "data:", "about:", "chrome"))]
        return found

    def axe(self):
        """What axe-core finds wrong for people who use a screen reader or a keyboard."""
        if not self.script("return Boolean(window.axe)"):
            self.driver.execute_script(AXE.read_text())
        result = self.driver.execute_async_script(
            """const done = arguments.at ? arguments.at(-1) : arguments[arguments.length - 1];
               axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations.map(
                 (each) => `${each.id}: ${each.help}: ${each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)))"""
        )
        return result
