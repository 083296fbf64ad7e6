"""A minute of 16 clients that write at once (`--concurrency-seconds`), with every check of `integration/concurrency.py`, and what the
control plane costs with 10,000 routes. By hand: `scripts/test --soak -- -k concurrency`; the figures are in docs/benchmarks.md."""

import re
import statistics
import time

import pytest

from integration.api import route
from integration.concurrency import Run, echoes  # noqa: F401  `echoes` is a fixture

ROUTES = 10_000


def memory(process):
    """PSS in MiB."""
    with open(f"/proc/{process.pid}/smaps_rollup") as rollup:
        return int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.MULTILINE)[1]) / 1024


def milliseconds(times):
    times = sorted(1000 * each for each in times)
    return {"p50": round(statistics.median(times), 1), "p99": round(times[int(len(times) * 0.99)], 1)}


@pytest.mark.timeout(0)
def test_a_minute_of_writes_at_once(new_gateway, authority, echoes, request):
    gateway = new_gateway(log_level="warning").start()
    gateway.api.put("/v1/settings/versions.keep", {"value": 0}, live=False)
    run = Run(gateway, authority, echoes)
    run.write(request.config.getoption("--concurrency-seconds"))
    print(run.figures, "control plane, PSS in MiB:", round(memory(gateway.control), 1))
    run.check()
    gateway.stop()


@pytest.mark.timeout(0)
def test_lists_of_many_routes(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    api = gateway.api
    api.initialize()
    empty = memory(gateway.control)
    source = {"name": "s", "type": "static", "domain": "127.0.0.1:9", "port": 80}
    routes = [route(f"many-{number}", [], "s.static", f"/many/{number}") for number in range(ROUTES)]
    api.expect(200, "POST", "/v1/apply", {"serviceSources": [source], "routes": routes})
    applied = memory(gateway.control)
    gateway.control.stop()
    gateway.start_control()
    fresh = memory(gateway.control)
    seen, paged, whole = set(), [], []
    for page in range(1, ROUTES // 20 + 1):
        begun = time.perf_counter()
        answer = api.expect(200, "GET", f"/v1/routes?pageNum={page}&pageSize=20").content
        paged.append(time.perf_counter() - begun)
        seen |= set(re.findall(rb'"name":"(many-\d+)"', answer))
    assert len(seen) == ROUTES, "pages that are read one after the other have each route"
    for query in ("q=many-7", "sort=-path", "sort=-requests", "q=many&sort=-path"):
        asked = []
        for _ in range(60):
            begun = time.perf_counter()
            found = api.expect(200, "GET", f"/v1/routes?{query}&pageSize=20").json()
            asked.append(time.perf_counter() - begun)
        assert found["total"] >= ROUTES / 10
        print(f"{query}: {milliseconds(asked)} ms")
    for _ in range(30):
        begun = time.perf_counter()
        answer = api.expect(200, "GET", "/v1/routes").content
        whole.append(time.perf_counter() - begun)
    assert answer.count(b'"name":"many-') == ROUTES
    listed = memory(gateway.control)
    print(f"{ROUTES} routes, {len(answer) / 1e6:.1f} MB: pages of 20 {milliseconds(paged)} ms, whole {milliseconds(whole)} ms;")
    print(
        f"control plane, PSS in MiB: empty {empty:.1f}, after the apply {applied:.1f}, started anew {fresh:.1f}, after the lists {listed:.1f}"
    )
    gateway.stop()
