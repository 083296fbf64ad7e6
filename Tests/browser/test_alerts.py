"""The panel of alerts among the settings: what goes on, where it is sent, and whether it arrives."""

import stat

import pytest

from browser.conftest import PASSWORD
from browser.page import Page
from integration.api import Api
from integration.test_alerts import Receiver, ending
from integration.waiting import wait_until


@pytest.fixture
def told(new_gateway, tmp_path):
    """A gateway that sends its alerts, and a browser that is logged in."""
    receiver = Receiver()
    file = tmp_path / "webhook"
    file.write_text(f"{receiver.address}\n")
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    gateway = new_gateway()
    gateway.control.command += ["--alert-webhook-file", str(file), "--alert-after", "1"]
    gateway.start_control()
    gateway.start_worker()
    api = Api(gateway.admin_port, password=PASSWORD)
    api.initialize()
    page = Page(f"http://127.0.0.1:{gateway.admin_port}")
    page.expected.add("502")
    page.open().login().see("Overview")
    yield page, api, receiver
    problems = page.problems()
    page.close()
    api.close()
    receiver.close()
    gateway.abandon()
    assert not problems, problems


def test_what_goes_on_and_a_test_message(told, authority):
    page, api, receiver = told
    page.open("#/settings").see("Nothing at present.", "127.0.0.1")
    page.click("Send a test message").see("The test message has arrived.")
    assert receiver.next()[2]
    wait_until(lambda: "now" in page.one(".alerts").text or "ago" in page.one(".alerts").text, 10, "when it arrived")
    receiver.status = 404
    page.click("Send a test message").see("The receiver of alerts at 127.0.0.1 answers 404.")
    receiver.status = 200
    short = ending(authority, 6)
    api.create_certificate("ends", short.chain, short.key)
    api.create_domain("ends.test", https="on", certificate="ends")
    page.see("Critical", "The certificate ends of domain ends.test ends at", seconds=40)
    assert page.axe() == []
    page.click("ends", kinds=".alerts a", exact=True)
    assert page.value("name") == "ends"


def test_without_a_receiver(browsers, api):
    page = browsers(language="zh-CN")
    page.open("#/settings").fill("username", "admin").fill("password", PASSWORD).press("\ue007")
    page.see("目前没有。", "--alert-webhook-file FILE")
    assert not [each for each in page.all(".alerts button") if each.is_displayed()]
