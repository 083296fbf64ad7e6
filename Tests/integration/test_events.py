"""Server-sent events of the control plane: what is told, to whom, from where on, and how a stream ends."""

import base64
import contextlib
import datetime
import http.client
import itertools
import json
import queue
import socket
import threading
import time
import urllib.parse

import pytest
import requests

from integration.api import Api
from integration.waiting import wait_until

PASSWORD = "events: a pass:word"


def connect(api, **fields):
    """A connection with its answer begun; the caller reads on, or not."""
    address = urllib.parse.urlsplit(api.base)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    basic = base64.b64encode(f"{api.user}:{api.password}".encode()).decode()
    if "Cookie" not in fields:
        fields["Authorization"] = f"Basic {basic}"
    connection.request("GET", "/v1/events", headers=fields)
    return connection, connection.sock, connection.getresponse()


class Listener:
    """Reads a stream in a thread, as a page does; `next` gives the events of a name."""

    marks = itertools.count()

    def __init__(self, api, last=None, cookie=None):
        fields = {**({"Last-Event-ID": last} if last else {}), **({"Cookie": f"_hi_sess={cookie}"} if cookie else {})}
        self.connection, self.socket, self.answer = connect(api, **fields)
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.events, self.kept, self.last, self.clean = queue.Queue(), [], None, False
        self.ended, self.begun = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        assert self.begun.wait(10), "the stream begins with an id"

    def _read(self):
        fields = {}
        try:
            while line := self.answer.readline():
                name, _, value = line.decode().strip().partition(": ")
                if line.strip():
                    fields[name] = value
                    continue
                self.last = fields.get("id", self.last)
                self.begun.set()
                if "event" in fields:
                    self.events.put((fields["event"], json.loads(fields["data"])))
                fields = {}
            self.clean = True
        except (http.client.HTTPException, OSError):
            pass
        self.ended.set()

    def next(self, name, seconds=10):
        """The first of that name that was not given yet; those of other names stay."""
        end = time.monotonic() + seconds
        while True:
            for position, (found, data) in enumerate(self.kept):
                if found == name:
                    del self.kept[position]
                    return data
            self.kept.append(self.events.get(timeout=max(end - time.monotonic(), 0.001)))

    def catch_up(self, api):
        """The audit is told behind the answers: reads up to a change that is made now, so that what comes is of later ones."""
        name = f"mark-{next(self.marks)}.test"
        api.create_domain(name)
        while self.next("audit")["name"] != name:
            pass
        return self

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()


@pytest.fixture
def listen(gateway):
    open_listeners = []

    def begin(api=gateway.api, **more):
        open_listeners.append(Listener(api, **more))
        return open_listeners[-1]

    yield begin
    for each in open_listeners:
        each.close()


def viewer(gateway, name):
    account = {"name": name, "displayName": name, "role": "viewer", "password": PASSWORD}
    gateway.api.post("/v1/users", account, live=False)
    return Api(gateway.admin_port, name, PASSWORD)


def test_a_saved_version_and_the_worker_that_takes_it_are_told(gateway, listen):
    events = listen()
    made = gateway.api.create_domain("told.test")
    version = events.next("version")
    assert version["version"] == made["version"] and version["author"] == "admin"
    assert version["summary"] == "create domain told.test" and version["time"].endswith("Z")
    worker = events.next("worker")
    while worker["version"] != int(made["version"]):
        worker = events.next("worker")
    assert worker["state"] == "serving"
    assert set(worker) == set(gateway.workers()[0])


def test_the_audit_is_for_admins_alone(gateway, listen):
    low = viewer(gateway, "events-viewer")
    mine, theirs = listen().catch_up(gateway.api), listen(low)
    gateway.api.create_domain("audited.test")
    entry = mine.next("audit")
    assert entry["action"] == "create" and entry["name"] == "audited.test" and entry["actor"] == "admin"
    theirs.next("version")
    gateway.api.create_domain("audited-too.test")
    seen = []
    while True:
        name, data = theirs.events.get(timeout=10)
        seen.append(name)
        if data.get("summary") == "create domain audited-too.test":
            break
    assert "audit" not in seen


def test_a_client_that_comes_back_gets_what_it_missed(gateway, listen):
    first = listen()
    gateway.api.create_domain("seen.test")
    first.next("version")
    wait_until(lambda: first.last, 5, "an id")
    first.close()
    last = first.last
    missed = [gateway.api.create_domain(f"missed-{n}.test") for n in range(3)]
    second = listen(last=last)
    told = [second.next("version")["version"] for _ in range(3)]
    assert told == [each["version"] for each in missed]


@pytest.mark.parametrize("last", ["0123456789ab-7", "nonsense", "-", "99999999999999999999-1"])
def test_what_is_not_known_any_more_resets(listen, last):
    assert listen(last=last).next("reset") == {}


def test_more_events_than_are_kept_reset(gateway, listen):
    first = listen()
    last = first.last
    for n in range(140):  # a version and an entry of the audit each
        gateway.api.post("/v1/domains", {"name": f"reset-{n}.test", "enableHttps": "off"}, live=False)
    assert listen(last=last).next("reset") == {}


def apply_domains(gateway, first, count):
    names = [f"burst-{n}.test" for n in range(first, first + count)]
    document = {
        "format": "causeway.configuration/1",
        "domains": [{"name": name, "enableHttps": "off"} for name in names],
    }
    gateway.api.expect(200, "POST", "/v1/apply", document)
    return names


def test_each_entry_of_a_long_change_is_told(gateway, listen):
    events = listen().catch_up(gateway.api)
    names = apply_domains(gateway, 0, 200)
    told = [events.next("audit")["name"] for _ in names]
    assert sorted(told) == sorted(names)


def test_a_change_too_long_to_be_told_resets_those_who_would_see_it(gateway, listen):
    low = viewer(gateway, "events-burst")
    mine, theirs = listen().catch_up(gateway.api), listen(low)
    apply_domains(gateway, 1_000, 300)
    assert mine.next("reset") == {}
    gateway.api.create_domain("after-the-burst.test")
    assert mine.next("audit")["name"] == "after-the-burst.test"
    while theirs.next("version")["summary"] != "create domain after-the-burst.test":
        pass
    assert "reset" not in [name for name, _ in theirs.kept]


def test_a_stream_ends_with_its_session(gateway, listen):
    api = viewer(gateway, "events-session")
    answer = api.expect(201, "POST", "/session/login", {"username": api.user, "password": PASSWORD}, auth=False)
    cookie = answer.cookies["_hi_sess"]
    other = listen()
    events = listen(api, cookie=cookie)
    assert requests.get(api.base + "/session/logout", cookies={"_hi_sess": cookie}, timeout=10).ok
    assert events.ended.wait(5) and events.clean
    assert not other.ended.is_set()


def test_a_stream_ends_with_its_account(gateway, listen):
    api = viewer(gateway, "events-account")
    events = listen(api)
    gateway.api.delete("/v1/users/events-account", live=False)
    assert events.ended.wait(5) and events.clean


def test_a_stream_ends_with_a_new_password_or_another_role(gateway, listen):
    api = viewer(gateway, "events-changes")
    events = listen(api)
    account = {"name": "events-changes", "displayName": "events-changes", "role": "editor"}
    gateway.api.put("/v1/users/events-changes", account, live=False)
    assert events.ended.wait(5)
    events = listen(api)
    gateway.api.expect(200, "POST", "/v1/users/events-changes/password", {"newPassword": PASSWORD + "!"})
    assert events.ended.wait(5)


def test_a_certificate_near_its_end_is_told(gateway, listen, authority):
    events = listen()
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=6, hours=-1)
    made = authority.issue("ends.test", end=end.strftime("%Y%m%d%H%M%SZ"))
    gateway.api.create_certificate("ends", made.chain, made.key)
    told = events.next("certificate")
    assert told["name"] == "ends" and told["daysLeft"] == 6 and told["expired"] is False


def test_listeners_are_bounded_and_leave(gateway):
    opened = []
    try:
        for _ in range(65):
            opened.append(connect(gateway.api))
            if opened[-1][2].status != 200:
                break
        refused = opened[-1][2]
        assert refused.status == 503 and json.loads(refused.read())["code"] == "busy"
        assert refused.headers["Retry-After"] and len(opened) > 60
    finally:
        for connection, each, _ in opened:
            if each.fileno() >= 0:
                each.shutdown(socket.SHUT_RDWR)
            connection.close()

    def free():
        connection, _, answer = connect(gateway.api)
        connection.close()
        return answer.status == 200

    wait_until(free, 10, "room for a listener")


def test_head_and_strangers(gateway):
    assert requests.get(gateway.api.base + "/v1/events", timeout=10).status_code == 401
    for _ in range(100):  # each would hold a place
        assert gateway.api.call("HEAD", "/v1/events").status_code == 200
    connection, _, answer = connect(gateway.api)
    connection.close()
    assert answer.status == 200


def test_the_control_plane_stops_at_once_under_listeners(new_gateway):
    gateway = new_gateway().start()
    events = Listener(gateway.api)
    silent = connect(gateway.api)  # one that never reads
    gateway.api.create_domain("stop.test")
    events.next("version")
    gateway.worker.stop()
    wait_until(lambda: events.next("worker")["state"] == "disconnected", 10, "the worker's end")
    begun = time.monotonic()
    assert gateway.control.stop() == 0
    assert time.monotonic() - begun < 8, "not for as long as a write may wait for its reader"
    assert events.ended.wait(2) and events.clean
    silent[0].close()
