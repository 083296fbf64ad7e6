"""What charts need: rates, latencies and totals of the last hour, read from the workers by the control plane."""

import json

import pytest

from integration.ports import free_port
from integration.waiting import wait_until

# A sample is taken each 5 s; the second one has the first rates.
SAMPLES = 40


def stats(gateway, query=""):
    return gateway.api.get(f"/v1/stats{query}")


def peak(points, member):
    return max((point[member] for point in points), default=0)


def test_traffic_shows_in_rates_totals_and_latencies(gateway, site, echo, ws_server):
    chat = site.serve(ws_server.port, path="/chat")
    made = site.serve(echo.port, path="/plain")
    wait_until(lambda: stats(gateway)["recent"], SAMPLES, "a first sample")
    with site.websocket("/chat") as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
        for _ in range(20):
            site.get("/plain", method="POST", body=b"x" * 100)
        site.get("/plain/none", method="GET")

        def of_route():
            report = stats(gateway, f"?route={made['name']}")
            return report["totals"]["requests"] == 21 and any(point["requests"] for point in report["recent"]) and report

        report = wait_until(of_route, SAMPLES, "the route's samples")
        whole = stats(gateway)
    assert report["available"] is True and report["reason"] is None and report["route"] == made["name"]
    assert report["totals"]["statusClasses"] == {"2xx": 21} and report["totals"]["bytesIn"] == 2_000
    assert sum(point["requests"] * point["seconds"] for point in report["recent"]) == pytest.approx(21, abs=0.1)
    assert sum(point["bytesIn"] * point["seconds"] for point in report["recent"]) == pytest.approx(2_000, abs=1)
    for point in report["recent"]:
        assert point["connections"] is None and point["errors"] is None
        if point["requests"]:
            assert 0 < point["p50"] <= point["p90"] <= point["p99"] < 60_000
        else:
            assert point["p50"] is None
    assert whole["workers"] == 1 and whole["totals"]["requests"] >= 22
    assert peak(whole["recent"], "webSockets") >= 1 and peak(whole["recent"], "connections") >= 1
    assert peak(whole["recent"], "streams") >= 1 and peak(whole["recent"], "requests") > 0
    assert peak(whole["recent"], "bytesIn") > 0 and peak(whole["recent"], "bytesOut") > 0
    assert stats(gateway, f"?route={chat['name']}")["totals"]["requests"] == 0, "a WebSocket counts at its end"
    assert not any(point["requests"] for point in stats(gateway, "?route=no-such")["recent"])


def test_errors_and_grpc_statuses_are_told_apart(gateway, site, grpc_server):
    from peers.protos import Ask, Kinds

    calls = site.serve(grpc_server.port, protocol="GRPC")
    away = site.serve(free_port(), path="/away")
    wait_until(lambda: stats(gateway)["recent"], SAMPLES, "a first sample")
    with site.channel() as channel:
        for _ in range(3):
            Kinds(channel).Unary(Ask(), timeout=10)
        with pytest.raises(Exception):
            Kinds(channel).Unary(Ask(fail_code=5), timeout=10)
    site.get("/away")
    flag = gateway.wait_log(authority=site.host, path="/away")["flag"]
    report = wait_until(
        lambda: (seen := stats(gateway, f"?route={calls['name']}"))["totals"]["grpcStatuses"] == {"0": 3, "5": 1} and seen,
        SAMPLES,
        "the calls",
    )
    assert sum(point["grpcStatuses"].get("5", 0) * point["seconds"] for point in report["recent"]) == pytest.approx(1, abs=0.1)
    whole = wait_until(
        lambda: (seen := stats(gateway)) and any(point["errors"].get(flag) for point in seen["recent"]) and seen,
        SAMPLES,
        "the error's flag",
    )
    assert whole["totals"]["errors"][flag] >= 1
    assert stats(gateway, f"?route={away['name']}")["totals"]["statusClasses"] == {"5xx": 1}
    minute = whole["lastMinute"]
    assert minute["errors"][flag] == 1 and minute["failed"] == 1 and 0 < minute["seconds"] < 70
    assert minute["failing"] == [
        {"route": away["name"], "requests": 1, "failed": 1, "statusClasses": {"5xx": 1}, "grpcStatuses": {}}
    ], "status 5, NOT_FOUND, is the caller's affair"
    assert minute["routes"][calls["name"]] == {"requests": 4, "failed": 0}
    assert minute["routes"][away["name"]] == {"requests": 1, "failed": 1}
    assert stats(gateway, f"?route={away['name']}")["lastMinute"] is None


def test_a_worker_that_starts_again_makes_no_rate_fall_below_zero(new_gateway, authority, echo):
    from integration.site import Site

    gateway = new_gateway()
    gateway.start()
    site = Site(gateway, authority, https="off")
    made = site.serve(echo.port)
    for _ in range(50):
        site.get("/")
    wait_until(lambda: stats(gateway)["totals"]["requests"] >= 50 and stats(gateway)["recent"], SAMPLES, "fifty requests")
    gateway.worker.kill9()
    away = wait_until(lambda: not (seen := stats(gateway))["available"] and seen, SAMPLES, "the worker is missed")
    assert str(gateway.inspect) in away["reason"] and away["workers"] == 0
    gateway.start_worker()
    wait_until(lambda: site.get("/").status == 200, 20, "the worker serves again")
    report = wait_until(
        lambda: (seen := stats(gateway))["available"] and 0 < seen["totals"]["requests"] < 50 and seen, SAMPLES, "it counts anew"
    )
    assert report["recent"] and made["name"]

    def numbers(value):
        if isinstance(value, dict):
            for each in value.values():
                yield from numbers(each)
        elif isinstance(value, list):
            for each in value:
                yield from numbers(each)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value

    assert min(numbers(report)) >= 0, json.dumps(report)


def test_without_a_worker_it_says_so(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    report = wait_until(lambda: (seen := stats(gateway))["sampledAt"] and seen, 10, "the workers were asked")
    assert report["available"] is False and str(gateway.inspect) in report["reason"]
    assert report["recent"] == [] and report["hour"] == [] and report["totals"]["requests"] == 0
