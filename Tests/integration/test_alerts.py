"""Alerts: what is one, how it begins, grows and ends, and that the webhook hears of each until it has."""

import datetime
import http.server
import json
import queue
import signal
import socket
import stat
import subprocess
import threading

import pytest

from integration.gateway import BINARIES, Gateway
from integration.ports import free_port
from integration.test_clock import WallClock
from integration.waiting import wait_until

SECRET = "hook-of-a-room-that-only-we-know"
DAY = 86_400


class Receiver:
    """A webhook of our own: keeps what is posted, and answers the status that it is told to."""

    def __init__(self):
        received = self.received = queue.Queue()
        receiver = self
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.put((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, seconds=15):
        return self.received.get(timeout=seconds)

    def alert(self, name, status="firing", seconds=20):
        """The next message's alert of that name; messages are about what is new, so that others may come before."""

        def found():
            for each in self.next(seconds)[2]["alerts"]:
                if each["labels"]["alertname"] == name and each["status"] == status:
                    return each
            return None

        return wait_until(found, seconds, f"a message that {name} is {status}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    each = Receiver()
    yield each
    each.close()


@pytest.fixture
def watched(tmp_path, receiver):
    """A gateway whose alerts begin after a second, and go to the receiver."""
    file = tmp_path / "webhook"
    file.write_text(f"{receiver.address}\nAuthorization: Bearer {SECRET}-too\n")
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    gateway = Gateway(tmp_path / "gateway")
    gateway.control.command += ["--alert-webhook-file", str(file), "--alert-after", "1"]
    gateway.webhook_file = file
    yield gateway
    gateway.abandon()


def alerts(gateway):
    return {(each["name"], *each["subject"].values()): each for each in gateway.api.get("/v1/alerts")}


def ending(authority, days, name="ends.test"):
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=-1)
    return authority.issue(name, end=end.strftime("%Y%m%d%H%M%SZ"))


def test_a_certificate_in_use_that_ends_is_told_until_it_is_replaced(watched, receiver, authority):
    watched.start()
    short = ending(authority, 6)
    watched.api.create_certificate("ends", short.chain, short.key)
    watched.api.create_certificate("unused", short.chain, short.key)
    watched.api.create_domain("ends.test", https="on", certificate="ends")
    told = receiver.alert("CertificateExpiring")
    assert told["labels"]["certificate"] == "ends" and told["labels"]["severity"] == "critical"
    assert "domain ends.test" in told["annotations"]["description"] and "in 6 days" in told["annotations"]["description"]
    assert told["endsAt"] == "0001-01-01T00:00:00Z"
    shown = alerts(watched)
    assert ("CertificateExpiring", "unused") not in shown, "nobody meets it"
    assert shown["CertificateExpiring", "ends"]["fingerprint"] == told["fingerprint"]
    page = watched.api.call("GET", "/metrics").text
    assert 'causeway_control_alerts{alert="CertificateExpiring",severity="critical"} 1' in page
    assert 'causeway_control_certificate_expiry_timestamp_seconds{certificate="ends"}' in page

    good = authority.issue("ends.test")
    stored = watched.api.get("/v1/tls-certificates/ends")
    watched.api.put("/v1/tls-certificates/ends", {**stored, "cert": good.chain, "key": good.key})
    over = receiver.alert("CertificateExpiring", "resolved")
    assert over["fingerprint"] == told["fingerprint"] and over["startsAt"] == told["startsAt"] < over["endsAt"]
    assert not alerts(watched)
    wait_until(lambda: "an alert is over" in watched.control.log_text(), 5, "the log says so")
    watched.stop()


def test_it_is_told_again_each_time_that_it_grows_more_urgent(watched, receiver, authority, tmp_path):
    clock = WallClock(tmp_path)
    watched.start_control(**clock.environment)
    watched.api.initialize()
    watched.start_worker()
    short = ending(authority, 29)
    watched.api.create_certificate("ends", short.chain, short.key)
    watched.api.create_domain("ends.test", https="on", certificate="ends")
    assert receiver.alert("CertificateExpiring")["labels"]["severity"] == "warning"
    for days, name, severity in [(16, "CertificateExpiring", "warning"), (23, "CertificateExpiring", "critical"), (30, "CertificateExpired", "critical")]:
        clock.set(days * DAY)
        told = receiver.alert(name)
        assert told["labels"]["severity"] == severity, days
    assert "clients refuse it" in told["annotations"]["description"]
    assert receiver.received.empty(), "each mark once"


def test_workers_that_are_away_behind_or_degraded(watched, receiver):
    watched.start()
    watched.worker.stop()
    missing = receiver.alert("WorkerMissing")
    assert missing["labels"]["severity"] == "critical" and "causeway-worker" in missing["annotations"]["description"]
    watched.start_worker()
    receiver.alert("WorkerMissing", "resolved")

    watched.worker.signal(signal.SIGSTOP)
    try:
        made = watched.api.expect(201, "POST", "/v1/domains", {"name": "later.test", "enableHttps": "off"}).json()
        behind = receiver.alert("WorkerBehind")
        assert f"version {made['version']} is saved" in behind["annotations"]["description"]
    finally:
        watched.worker.signal(signal.SIGCONT)
    receiver.alert("WorkerBehind", "resolved")

    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        watched.api.expect(201, "POST", "/v1/listeners", {"name": "taken", "protocol": "http", "address": "127.0.0.1", "port": port})
        degraded = receiver.alert("WorkerDegraded")
        assert "taken" in degraded["annotations"]["description"] and "already in use" in degraded["annotations"]["description"]
    receiver.alert("WorkerDegraded", "resolved")
    watched.stop()


def test_what_passes_in_time_is_no_alert(watched, receiver, authority):
    watched.control.command[watched.control.command.index("--alert-after") + 1] = "30"
    watched.start()
    watched.worker.stop()
    # What cannot pass is an alert at once: then somebody has looked, while no worker was there.
    short = ending(authority, 6)
    watched.api.expect(201, "POST", "/v1/tls-certificates", {"name": "ends", "cert": short.chain, "key": short.key})
    watched.api.expect(201, "POST", "/v1/domains", {"name": "ends.test", "enableHttps": "on", "certIdentifier": "ends"})
    receiver.alert("CertificateExpiring")
    assert [name for name, *_ in alerts(watched)] == ["CertificateExpiring"]
    watched.start_worker()
    watched.api.expect(204, "POST", "/v1/alerts/webhook/test")
    assert [each["labels"]["alertname"] for each in receiver.next()[2]["alerts"]] == ["Test"]
    assert receiver.received.empty()
    watched.stop()


def test_a_receiver_that_fails_hears_of_it_later(watched, receiver):
    watched.start()
    receiver.status = 503
    watched.worker.stop()
    receiver.alert("WorkerMissing")
    state = wait_until(lambda: watched.api.get("/v1/alerts/webhook")["lastError"] and watched.api.get("/v1/alerts/webhook"), 5, "the failure")
    assert state == {"host": "127.0.0.1", "lastSuccess": None, "lastError": "The receiver of alerts at 127.0.0.1 answers 503."}
    receiver.status = 200
    receiver.alert("WorkerMissing", seconds=30)
    state = wait_until(lambda: watched.api.get("/v1/alerts/webhook")["lastSuccess"] and watched.api.get("/v1/alerts/webhook"), 5, "the success")
    assert state["lastError"] is None
    page = watched.api.call("GET", "/metrics").text
    assert 'causeway_control_alert_messages_total{outcome="delivered"} 1' in page


def test_the_test_message_says_what_stands_in_the_way(watched, receiver, gateway):
    watched.start_control()
    watched.api.initialize()
    watched.api.expect(204, "POST", "/v1/alerts/webhook/test")
    path, headers, body = receiver.next()
    assert path == f"/{SECRET}" and headers["Authorization"] == f"Bearer {SECRET}-too"
    assert body["version"] == "4" and body["status"] == "firing" and "Nothing is wrong" in body["text"]
    receiver.status = 302
    problem = watched.api.expect(502, "POST", "/v1/alerts/webhook/test").json()
    assert problem["code"] == "webhook" and problem["message"] == "The receiver of alerts at 127.0.0.1 answers 302."
    assert receiver.next()[0] == f"/{SECRET}" and receiver.received.empty(), "nothing follows to elsewhere"
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    # A new address needs no restart.
    for text, words in [
        (f"http://127.0.0.1:{port}/{SECRET}", "at 127.0.0.1 does not answer: Connection refused."),
        (f"https://127.0.0.1:{receiver.server.server_port}/{SECRET}", "at 127.0.0.1 does not answer: "),
        (f"http://no-such-host.invalid/{SECRET}", "at no-such-host.invalid does not answer: its name is not known."),
        (f"ftp://a.test/{SECRET}", "http:// or https://"),
        ("", "http:// or https://"),
        (f"{receiver.address}\nX-Token: {SECRET}", "Authorization:"),
    ]:
        watched.webhook_file.write_text(text)
        problem = watched.api.expect(502, "POST", "/v1/alerts/webhook/test").json()
        assert words in problem["message"] and SECRET not in problem["message"], problem
    watched.webhook_file.unlink()
    assert "cannot be read" in watched.api.expect(502, "POST", "/v1/alerts/webhook/test").json()["message"]
    seen = watched.control.log_text() + json.dumps(watched.api.get("/v1/audit")) + json.dumps(watched.api.get("/v1/alerts/webhook"))
    assert SECRET not in seen, "the address may be a secret"
    assert gateway.api.get("/v1/alerts/webhook") is None
    assert gateway.api.expect(409, "POST", "/v1/alerts/webhook/test").json()["code"] == "no_webhook"


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--alert-webhook-file", "{folder}/none"], "cannot be read"),
        (["--alert-webhook-file", "{folder}/bad"], "http:// or https://"),
        (["--alert-after", "-1"], "--alert-after"),
    ],
)
def test_a_start_with_settings_that_cannot_work_is_refused(tmp_path, flags, words):
    (tmp_path / "bad").write_text("not an address\n")
    command = [BINARIES / "causeway-control", "--data", tmp_path / "data", "--migrations", BINARIES.parent.parent / "migrations", "--admin-port", "0"]
    run = subprocess.run([*map(str, command), *(each.format(folder=tmp_path) for each in flags)], capture_output=True, text=True, timeout=20)
    assert run.returncode != 0 and words in run.stdout + run.stderr


def test_the_admin_listener_s_own_certificate(tmp_path, authority, receiver):
    short = ending(authority, 2, "admin.test")
    gateway = Gateway(tmp_path / "gateway")
    gateway.control.command += ["--admin-certificate", str(short.path), "--admin-key", str(short.key_path)]
    gateway.control.start()
    try:
        wait_until(lambda: "an alert begins" in gateway.control.log_text(), 20, "the alert of the files")
        line = next(json.loads(each) for each in gateway.control.log_text().splitlines() if "an alert begins" in each)
        assert line["alert"] == "CertificateExpiring, certificate admin" and "--admin-certificate" in line["description"]
    finally:
        gateway.abandon()
