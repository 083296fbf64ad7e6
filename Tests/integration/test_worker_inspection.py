"""What a running worker tells of itself: the configuration as it runs, the level of its log, the newest lines of its access log."""

import json
import re
import uuid

import pytest

from integration.api import Api
from integration.site import Site
from integration.sse import EventStream
from integration.test_streams import inspect
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.wire import Wire

PASSWORD = "inspect: a pass:word"
LEVELS = ["trace", "debug", "info", "notice", "warning", "error", "critical"]


@pytest.fixture(scope="module")
def echo():
    with EchoServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(gateway, authority, echo):
    made = Site(gateway, authority, "inspect.test")
    made.route = made.serve(echo.port)
    return made


def worker_of(gateway):
    return gateway.api.get("/v1/workers")[0]


def ask_unix(gateway, method, target, status=200):
    answer = inspect(gateway, method, target, socket_path=gateway.inspect)
    assert answer.status == status, answer.body
    return answer


def account(gateway, role):
    name = f"inspect-{role}-{uuid.uuid4().hex[:6]}"
    gateway.api.post(
        "/v1/users", {"name": name, "displayName": name, "role": role, "password": PASSWORD}, live=False
    )
    return Api(gateway.admin_port, name, PASSWORD)


# ---- one worker


def test_one_worker_is_shown(gateway):
    worker = worker_of(gateway)
    one = gateway.api.get(f"/v1/workers/{worker['id']}")
    assert {key: one[key] for key in ("id", "pid", "state")} == {key: worker[key] for key in ("id", "pid", "state")}
    for path in ("", "/config", "/log-level"):
        gateway.api.expect(404, "GET", f"/v1/workers/nobody{path}")
    gateway.api.expect(404, "PUT", "/v1/workers/nobody/log-level", {"level": "info"})


# ---- configuration


def test_the_configuration_is_that_which_runs(gateway, served):
    path = f"/v1/workers/{worker_of(gateway)['id']}/config"
    shown = gateway.api.get(path)
    assert shown["version"] == worker_of(gateway)["version"] and re.fullmatch("[0-9a-f]{64}", shown["root"])
    counts = shown["objects"]
    assert counts["listener"] == 2 and counts["route"] >= 1 and "items" not in shown
    name = served.route["name"]
    (item,) = gateway.api.get(f"{path}?kind=route&name={name}")["items"]
    assert (item["kind"], item["name"]) == ("route", name) and re.fullmatch("[0-9a-f]{64}", item["hash"])
    assert item["value"]["name"] == name and item["value"]["filters"]["httpsOnly"] is False
    assert gateway.api.get(f"{path}?kind=route&name=nobody")["items"] == []
    # It follows what is published.
    gateway.api.put(f"/v1/routes/{name}", {**gateway.api.get(f"/v1/routes/{name}"), "timeout": "7s"})
    (changed,) = gateway.api.get(f"{path}?kind=route&name={name}")["items"]
    assert changed["hash"] != item["hash"] and changed["value"] != item["value"]
    assert gateway.api.get(path)["version"] > shown["version"]


def test_it_is_paged_in_the_order_of_names(gateway, served):
    for index in range(5):
        served.serve(1, path=f"/paged/{index}")
    path = f"/v1/workers/{worker_of(gateway)['id']}/config?kind=route"
    whole = gateway.api.get(path)
    names = [each["name"] for each in whole["items"]]
    assert names == sorted(names) and len(names) >= 6 and whole["more"] is False
    seen, after = [], ""
    while True:
        page = gateway.api.get(f"{path}&limit=2{after}")
        assert len(page["items"]) <= 2
        seen += [each["name"] for each in page["items"]]
        if not page["more"]:
            break
        after = f"&after={seen[-1]}"
    assert seen == names


def test_no_secret_is_in_it(gateway, served):
    secret = f"open-sesame-{uuid.uuid4().hex}"
    name = f"inspect-{uuid.uuid4().hex[:6]}"
    gateway.api.post(
        "/v1/consumers",
        {"name": name, "credentials": [{"type": "key-auth", "source": "HEADER", "key": "x-key", "values": [secret]}]},
    )
    path = f"/v1/workers/{worker_of(gateway)['id']}/config"
    (consumer,) = gateway.api.get(f"{path}?kind=consumer&name={name}")["items"]
    (credential,) = consumer["value"]["credentials"]
    assert (credential["source"], credential["key"], credential["hash"]) == ("header", "x-key", "[redacted]")
    identities = gateway.api.get(f"{path}?kind=tlsIdentity")["items"]
    assert identities and all(each["value"]["privateKey"] == "[redacted]" for each in identities)
    assert all("BEGIN CERTIFICATE" in each["value"]["certificateChain"] for each in identities)
    everything = "".join(
        ask_unix(gateway, "GET", f"/config?kind={kind}").body.decode() for kind in gateway.api.get(path)["objects"]
    )
    assert "PRIVATE KEY" not in everything and secret not in everything


def test_bad_questions_about_it_are_refused(gateway):
    path = f"/v1/workers/{worker_of(gateway)['id']}/config"
    assert "listener" in gateway.api.expect(400, "GET", f"{path}?kind=nothing").text
    for limit in ("0", "1001", "x"):
        for kind in ("", "kind=route&"):
            gateway.api.expect(400, "GET", f"{path}?{kind}limit={limit}")
    assert b"listener" in ask_unix(gateway, "GET", "/config?kind=nothing", 400).body
    ask_unix(gateway, "GET", "/config?kind=route&limit=0", 400)
    ask_unix(gateway, "POST", "/config", 405)


# ---- level of the log


def test_the_level_is_set_while_it_runs(gateway):
    path = f"/v1/workers/{worker_of(gateway)['id']}/log-level"
    assert gateway.api.get(path) == {"level": "info"}
    before = len(gateway.worker.log_text())
    answer = gateway.api.put(path, {"level": "warning"}, live=False)
    assert answer["data"] == {"level": "warning"} and gateway.api.get(path) == {"level": "warning"}
    gateway.api.put(path, {"level": "info"}, live=False)
    told = [json.loads(line) for line in gateway.worker.log_text()[before:].splitlines()]
    assert [each["threshold"] for each in told if each["message"] == "log level set"] == ["warning", "info"]
    entry = next(each for each in gateway.api.get("/v1/audit") if each["action"] == "log-level")
    assert entry["kind"] == "worker"


@pytest.mark.parametrize("body", [{}, {"level": "loud"}, {"level": 3}, {"level": "INFO"}])
def test_bad_levels_are_refused(gateway, body):
    path = f"/v1/workers/{worker_of(gateway)['id']}/log-level"
    refused = gateway.api.expect(400, "PUT", path, body).json()
    assert refused["errors"][0]["field"] == "level"
    assert gateway.api.get(path) == {"level": "info"}


def test_the_level_is_for_editors_and_not_over_the_port(gateway):
    path = f"/v1/workers/{worker_of(gateway)['id']}/log-level"
    account(gateway, "viewer").expect(403, "PUT", path, {"level": "debug"})
    account(gateway, "editor").put(path, {"level": "info"}, live=False)
    answer = inspect(gateway, "POST", "/log-level?level=debug")
    assert answer.status == 403 and b"--inspect-socket" in answer.body
    assert json.loads(inspect(gateway, "GET", "/log-level").body) == {"level": "info"}
    for target in ("/log-level", "/log-level?level=loud"):
        assert all(level.encode() in ask_unix(gateway, "POST", target, 400).body for level in LEVELS)


@pytest.mark.parametrize("path", ["/config", "/access-log", "/log-level"])
def test_pages_of_other_sites_see_nothing(gateway, path):
    for fields in ([("Origin", "https://evil.test")], [("Sec-Fetch-Site", "cross-site")], [("Host", "evil.test")]):
        assert inspect(gateway, "GET", path, *fields).status == 403


# ---- access log


def call(served, path, status=200):
    with Wire.connect(served.gateway.http_port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: {served.host}\r\n\r\n")
        assert wire.read_response().status == status


def tail(gateway, query=""):
    answer = gateway.api.call("GET", f"/v1/access-log{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(gateway, query, count=1):
    return wait_until(
        lambda: len(lines := tail(gateway, query)["data"]) == count and lines, 10, f"{count} lines of {query}"
    )


@pytest.fixture
def clear(gateway, served):
    """The domain also answers on the clear listener, which needs no more of a client."""
    return served


def test_the_newest_lines_are_told(gateway, clear):
    mark = uuid.uuid4().hex[:8]
    for index in range(3):
        call(clear, f"/{mark}/{index}")
    lines = found(gateway, f"?text={mark}", 3)
    assert {each["path"] for each in lines} == {f"/{mark}/{index}" for index in range(3)}
    times = [each["ts"] for each in lines]
    assert times == sorted(times), "the oldest first"
    assert all(each["route"] == clear.route["name"] and each["status"] == 200 for each in lines)
    assert lines[0]["worker"] == str(worker_of(gateway)["pid"])
    # Just what is in the file.
    (written,) = [each for each in gateway.access_log() if each["path"] == lines[0]["path"]]
    assert {**written, "worker": lines[0]["worker"]} == lines[0]
    assert "warnings" not in tail(gateway)
    newest = tail(gateway, f"?text={mark}&limit=1")
    assert len(newest["data"]) == 1 and newest["more"] is True


def test_lines_are_chosen(gateway, clear):
    mark = uuid.uuid4().hex[:8]
    call(clear, f"/{mark}")
    clear.serve(1, path=f"/{mark}-dead")
    call(clear, f"/{mark}-dead", 503)
    found(gateway, f"?text={mark}", 2)
    for query, path in (
        ("status=503", f"/{mark}-dead"), ("status=5xx", f"/{mark}-dead"), ("status=2xx", f"/{mark}"),
        ("flag=any", f"/{mark}-dead"), ("flag=UF", f"/{mark}-dead"), (f"route={clear.route['name']}", f"/{mark}"),
    ):
        lines = found(gateway, f"?text={mark}&{query}")
        assert [each["path"] for each in lines] == [path], query
    assert len(found(gateway, f"?text={mark}&authority={clear.host}", 2)) == 2
    for query in ("authority=other.test", "route=nobody", "flag=NR", "status=404"):
        assert tail(gateway, f"?text={mark}&{query}")["data"] == []
    for query, field in (("status=6xx", "status"), ("status=50", "status"), ("limit=0", "limit"), ("limit=1001", "limit")):
        refused = gateway.api.expect(400, "GET", f"/v1/access-log?{query}").json()
        assert refused["errors"][0]["field"] == field


def follow(gateway, query=""):
    return EventStream(gateway.api, f"/v1/access-log/events{query}", timeout=30)


def test_lines_are_followed(gateway, clear):
    mark = uuid.uuid4().hex[:8]
    call(clear, f"/{mark}/before")
    found(gateway, f"?text={mark}")
    with follow(gateway, f"?text={mark}") as following:
        name, line = following.next()
        assert (name, line["path"]) == ("line", f"/{mark}/before")
        for index in range(3):
            call(clear, f"/{mark}/{index}")
        # Loops hand their lines over each in its own time.
        assert {following.next()[1]["path"] for _ in range(3)} == {f"/{mark}/{index}" for index in range(3)}


def test_a_gap_is_told(gateway, clear):
    mark = uuid.uuid4().hex[:8]
    with follow(gateway, f"?text={mark}&limit=2") as following:
        with Wire.connect(gateway.http_port) as wire:
            for index in range(20):
                wire.send(f"GET /{mark}/{index} HTTP/1.1\r\nHost: {clear.host}\r\n\r\n")
                assert wire.read_response().status == 200
        told = [following.next()]
        while told[-1][0] != "line" or told[-1][1]["path"] != f"/{mark}/19":
            told.append(following.next())
        assert ("gap", {}) in told


def test_there_is_room_for_ten_followers(new_gateway):
    gateway = new_gateway(loops=1).start()
    opened = [follow(gateway) for _ in range(10)]
    gateway.api.expect(429, "GET", "/v1/access-log/events")
    for each in opened:
        each.close()
    with wait_until(lambda: try_following(gateway), 20, "room again"):
        pass


def try_following(gateway):
    try:
        return follow(gateway)
    except AssertionError:
        return None


def test_where_none_is_written_lines_are_made_while_somebody_looks(new_gateway, authority, echo):
    gateway = new_gateway(loops=1, access_log="off").start()
    site = Site(gateway, authority, "quiet.test")
    site.serve(echo.port)
    call(site, "/unseen")
    first = tail(gateway)
    assert first["data"] == [] and "--access-log" in first["warnings"][0]
    call(site, "/seen")
    (line,) = found(gateway, "")
    assert line["path"] == "/seen"


def test_the_worker_says_where_it_goes_on(gateway, clear):
    mark = uuid.uuid4().hex[:8]
    call(clear, f"/{mark}/1")
    found(gateway, f"?text={mark}/1")
    first = ask_unix(gateway, "GET", "/access-log")
    assert f"/{mark}/1".encode() in first.body and first.get("causeway-whole") == "true"
    place = first.get("causeway-next")
    assert place.split("-")[0] == str(worker_of(gateway)["pid"])
    call(clear, f"/{mark}/2")

    def more():
        body = ask_unix(gateway, "GET", f"/access-log?after={place}").body
        return f"/{mark}/2".encode() in body and body

    body = wait_until(more, 10, "the next line")
    assert f"/{mark}/1".encode() not in body
    # A place of another process: from the beginning.
    assert f"/{mark}/1".encode() in ask_unix(gateway, "GET", f"/access-log?after=1-{place.split('-')[1]}").body
    for after in ("x", "1", "1-x", f"{place}-1"):
        ask_unix(gateway, "GET", f"/access-log?after={after}", 400)


def test_what_is_kept_is_bounded(new_gateway, authority, echo):
    gateway = new_gateway(loops=1).start()
    site = Site(gateway, authority, "many.test")
    site.serve(echo.port)
    before = ask_unix(gateway, "GET", "/access-log").get("causeway-next")
    text = "x" * 4_000
    with Wire.connect(gateway.http_port) as wire:
        for index in range(200):
            wire.send(f"GET /{index}/{text} HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            assert wire.read_response().status == 200
    wait_until(lambda: b"/199/" in ask_unix(gateway, "GET", "/access-log").body, 10, "the last line")
    answer = ask_unix(gateway, "GET", f"/access-log?after={before}")
    assert len(answer.body) <= 512 << 10 and answer.get("causeway-whole") == "false"
    assert all(json.loads(line) for line in answer.body.splitlines()), "lines are whole"
    with follow(gateway, "?limit=1000") as following:
        assert following.next()[0] == "line"
