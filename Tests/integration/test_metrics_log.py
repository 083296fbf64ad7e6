"""What the worker tells: Prometheus text that counts right, an access-log line for each exchange, its listeners."""

import json
import re
import signal
import threading
import urllib.request

import pytest

from integration.api import route
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import RawServer
from peers.protos import Ask, Kinds


def fetch(gateway, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.metrics_port}{path}", timeout=5) as response:
        return response.headers.get("content-type"), response.read().decode()


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$')


def test_the_page_is_prometheus_text(gateway, site, echo):
    site.serve(echo.port)
    site.get("/")
    kind, text = fetch(gateway, "/metrics")
    assert kind.startswith("text/plain")
    assert text.endswith("\n")
    types, helped, seen = {}, set(), set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, what = line.split(" ")
            assert name not in types, f"two types for {name}"
            types[name] = what
        elif line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        else:
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            float(match[3])
            base = re.sub(r"_(bucket|sum|count)$", "", match[1]) if match[1] not in types else match[1]
            assert base in types and base in helped, f"{match[1]} has no TYPE or HELP"
            assert match[1].startswith(("causeway_", "process_")), match[1]
            assert line.rsplit(" ", 1)[0] not in seen, f"twice: {line}"
            seen.add(line.rsplit(" ", 1)[0])


def test_buckets_are_cumulative(gateway, site, echo):
    site.serve(echo.port)
    for _ in range(5):
        site.get("/")
    wait_until(lambda: any(site.name in name for name in gateway.metrics()), 5, "the route's metrics")
    series = {}
    for line in fetch(gateway, "/metrics")[1].splitlines():
        match = re.match(r'^(\w+)_bucket\{(.*)le="([^"]+)"\} (\S+)$', line)
        if match:
            series.setdefault((match[1], match[2]), []).append((float(match[3]), float(match[4])))
    assert series
    for name, buckets in series.items():
        assert buckets == sorted(buckets), name
        assert [count for _, count in buckets] == sorted(count for _, count in buckets), name
        assert buckets[-1][0] == float("inf"), name


def counters_of(gateway, text):
    return {name: value for name, value in gateway.metrics().items() if text in name}


def test_requests_are_counted_by_route_and_class(gateway, site, echo):
    made = site.serve(echo.port)
    for _ in range(7):
        site.get("/")

    def seven():
        return [
            name
            for name, value in counters_of(gateway, f'route="{made["name"]}"').items()
            if value == 7 and "_total" in name
        ]

    assert wait_until(seven, 5, "a counter of the route that says 7")


def test_grpc_statuses_are_counted(gateway, site, grpc_server):
    made = site.serve(grpc_server.port, protocol="GRPC")
    with site.channel() as channel:
        for _ in range(3):
            Kinds(channel).Unary(Ask(), timeout=10)
        for _ in range(2):
            with pytest.raises(Exception):
                Kinds(channel).Unary(Ask(fail_code=5), timeout=10)

    def counted():
        mine = {
            name: value for name, value in counters_of(gateway, f'route="{made["name"]}"').items() if "grpc" in name
        }
        return sorted(value for value in mine.values() if value) == [2, 3] and mine

    statuses = wait_until(counted, 5, "three OK and two NOT_FOUND")
    assert all("status" in name for name in statuses)


def test_labels_come_from_configuration_only(gateway, site, echo):
    """What a client sends must not become a series: names of hosts, paths and users are without bound."""
    site.serve(echo.port)
    for n in range(20):
        site.get(f"/label-{n}-from-a-request", ("User-Agent", f"agent-{n}"))
    text = fetch(gateway, "/metrics")[1]
    assert "from-a-request" not in text and "agent-" not in text


def test_a_removed_route_s_series_go(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    made = site.serve(echo.port)
    site.get("/")
    label = f'route="{made["name"]}"'
    wait_until(lambda: counters_of(gateway, label), 5)
    gateway.api.delete(f"/v1/routes/{made['name']}")
    wait_until(lambda: not counters_of(gateway, label), 10, "the series are gone")


def test_open_connections_return_to_zero(gateway, site, grpc_server):
    site.serve(grpc_server.port, protocol="GRPC")

    def open_now():
        return gateway.metric("causeway_downstream_connections_opened_total") - gateway.metric(
            "causeway_downstream_connections_closed_total"
        )

    before = open_now()
    with site.channel() as channel:
        Kinds(channel).Unary(Ask(), timeout=10)
        assert wait_until(lambda: open_now() == before + 1, 5)
    wait_until(lambda: open_now() <= before, 5, "the connection is counted as closed")


def test_ready_and_listeners(gateway):
    assert fetch(gateway, "/ready")[1].strip()
    listeners = [json.loads(line) for line in fetch(gateway, "/listeners")[1].splitlines()]
    assert {(each["address"], each["port"]) for each in listeners} == {
        ("127.0.0.1", gateway.http_port),
        ("127.0.0.1", gateway.https_port),
    }
    assert len({each["name"] for each in listeners}) == 2


def test_an_unknown_page_is_404(gateway):
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(gateway, "/nothing")
    assert caught.value.code == 404


def test_a_record_tells_the_exchange(gateway, site, echo):
    made = site.serve(echo.port)
    site.get("/log/me?q=1", method="POST", body=b"12345", tls=True)
    record = gateway.wait_log(authority=site.host, path="/log/me?q=1")
    assert (record["method"], record["status"], record["protocol"], record["route"]) == (
        "POST",
        200,
        "http/1.1",
        made["name"],
    )
    assert record["flag"] == "-" and record["grpc_status"] is None
    assert record["bytes_in"] == 5 and record["bytes_out"] > 0
    assert record["endpoint"] == f"127.0.0.1:{echo.port}"
    assert record["peer"].startswith("127.0.0.1:")
    assert record["tls"] == "TLSv1.3"
    assert 0 <= record["upstream_ms"] <= record["duration_ms"] < 10_000
    assert record["tries"] == 1 and record["version"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])


def test_times_are_those_that_were_taken(gateway, site):
    """The service takes 0.3 s to answer and 0.3 s more for the rest: in the log, and in the buckets of both histograms."""

    def slowly(wire):
        wire.read_request()
        threading.Event().wait(0.3)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        threading.Event().wait(0.3)
        wire.send("k")

    def below(seconds, histogram, **labels):
        """How many were counted in buckets up to this bound."""
        name = f"causeway_{histogram}_seconds_bucket"
        [label] = (f'{key}="{value}"' for key, value in labels.items())
        found = [
            (float(re.search('le="([^"]+)"', sample)[1]), value)
            for sample, value in gateway.metrics().items()
            if sample.startswith(name + "{") and label in sample
        ]
        return max((value for bound, value in found if bound <= seconds), default=0)

    with RawServer(slowly) as server:
        made = site.serve(server.port)
        assert site.get("/slow").body == b"ok"
    record = gateway.wait_log(authority=site.host, path="/slow")
    assert 300 <= record["upstream_ms"] < record["duration_ms"] - 250
    wait_until(lambda: below(float("inf"), "route_duration", route=made["name"]) == 1, 5, "it is counted")
    cluster = record["cluster"]
    assert below(0.29, "cluster_response", cluster=cluster) == 0 and below(0.29, "route_duration", route=made["name"]) == 0
    assert below(0.59, "route_duration", route=made["name"]) == 0
    if record["duration_ms"] < 1_500:  # not on a machine that stood still
        assert below(2, "route_duration", route=made["name"]) == below(2, "cluster_response", cluster=cluster) == 1


def test_a_record_has_the_version_that_its_exchange_began_with(gateway, site, echo):
    go = threading.Event()

    def held(wire):
        wire.read_request()
        go.wait(20)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def live():
        [worker] = gateway.workers()
        return worker["version"]

    with RawServer(held) as server, site.http1(tls=False) as wire:
        site.serve(server.port, path="/held")
        before = live()
        wire.send(f"GET /held HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wait_until(lambda: server.connections == 1, 10, "the request has arrived")
        site.serve(echo.port, path="/new")
        after = live()
        assert after > before
        site.get("/new")
        go.set()
        assert wire.read_response().status == 200
    assert gateway.wait_log(authority=site.host, path="/new")["version"] == after
    assert gateway.wait_log(authority=site.host, path="/held")["version"] == before


def test_a_grpc_record_has_its_status(gateway, site, grpc_server):
    site.serve(grpc_server.port, protocol="GRPC")
    with site.channel() as channel, pytest.raises(Exception):
        Kinds(channel).Unary(Ask(fail_code=5), timeout=10)
    record = gateway.wait_log(authority=site.host, path="/causeway.test.Kinds/Unary")
    assert (record["status"], record["grpc_status"], record["protocol"]) == (200, 5, "h2")


def test_a_websocket_is_one_record_at_its_end(gateway, site, ws_server):
    site.serve(ws_server.port)
    with site.websocket("/ws-log") as ws:
        ws.send("x" * 1000)
        ws.recv(timeout=5)
        assert not [each for each in gateway.access_log() if each["path"] == "/ws-log"]
    record = gateway.wait_log(path="/ws-log")
    assert (record["status"], record["protocol"]) == (101, "websocket")
    assert record["bytes_in"] > 1000 and record["bytes_out"] > 1000


def test_hostile_text_stays_json(gateway, site, echo):
    site.serve(echo.port)
    target = "/%22quote%5C" + "\xff\xfe" + "?" + "\"'\\"
    site.get(target)
    # access_log parses every line; one that is no JSON raises.
    wait_until(lambda: any(each["authority"] == site.host for each in gateway.access_log()), 5)


def test_the_log_is_reopened_after_rotation(gateway, site, echo):
    site.serve(echo.port)
    site.get("/before-rotation")
    gateway.wait_log(path="/before-rotation")
    rotated = gateway.access_log_path.with_suffix(".1")
    gateway.access_log_path.rename(rotated)
    gateway.worker.signal(signal.SIGUSR1)
    wait_until(gateway.access_log_path.exists, 5, "a new file")
    site.get("/after-rotation")
    gateway.wait_log(path="/after-rotation")
    assert "/after-rotation" not in rotated.read_text()


def test_process_logs_are_json_lines_without_secrets(gateway, site, echo):
    site.serve(echo.port)
    site.get("/", tls=True)
    for process in (gateway.control, gateway.worker):
        lines = process.log_text().splitlines()
        assert lines
        for line in lines:
            record = json.loads(line)
            assert {"ts", "level", "message"} <= set(record), line
    logs = gateway.control.log_text() + gateway.worker.log_text()
    assert gateway.api.password not in logs
    assert "PRIVATE KEY" not in logs
