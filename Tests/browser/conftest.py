"""Fixtures of the browser tests: an instance that is empty, and browsers that must have nothing to complain about."""

import pytest

from browser.page import Page
from integration.api import Api

PASSWORD = "tests: a pass:word"


@pytest.fixture
def empty(new_gateway):
    """Both processes, without an account."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.start_worker()
    yield gateway
    gateway.abandon()


@pytest.fixture
def browsers(empty):
    """Makes browsers on the instance; at the end none may have an error in its console, or have asked another host."""
    made = []

    def make(**options):
        page = Page(f"http://127.0.0.1:{empty.admin_port}", **options)
        made.append(page)
        return page

    yield make
    problems = [each for page in made for each in page.problems()]
    for page in made:
        page.close()
    assert not problems, problems


@pytest.fixture
def page(browsers):
    """A browser in front of an empty instance."""
    return browsers()


@pytest.fixture
def api(empty):
    """The same instance for a script: sets up the account that the page then logs in with."""
    api = Api(empty.admin_port, password=PASSWORD)
    api.initialize()
    yield api
    api.close()


@pytest.fixture
def admin(api, page):
    """A browser that is logged in."""
    page.open()
    page.login().see("Overview")
    return page
