"""The control plane's own /metrics: who may read it, and that its numbers follow what is done."""

import re
import sqlite3

import pytest
import requests

from integration.gateway import ROOT, Gateway
from integration.waiting import wait_until

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(api):
    """Values by name and labels."""
    text = api.expect(200, "GET", "/metrics").text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = {(name, *sorted(LABEL.findall(labels or ""))): float(value) for name, labels, value in SAMPLE.findall(text)}
    assert len(found) == len(lines), "each line is a sample of its own"
    return found


def test_a_change_shows_in_versions_latency_and_workers(gateway):
    before = samples(gateway.api)
    made = gateway.api.create_domain("measured.test")
    after = samples(gateway.api)
    version = float(made["version"])
    assert after[("causeway_control_version",)] == version == after[("causeway_control_writes_total",)] + 1, "the first made the listeners"
    assert after[("causeway_control_versions_kept",)] == before[("causeway_control_versions_kept",)] + 1
    count = ("causeway_control_publish_seconds_count",)
    assert after[count] == before[count] + 1
    assert 0 < after[("causeway_control_publish_seconds_sum",)] - before[("causeway_control_publish_seconds_sum",)] < 10
    served = ("causeway_control_workers", ("state", "serving"), ("version", made["version"]))
    wait_until(lambda: samples(gateway.api).get(served) == 1, 5, "the worker in its state and version")
    for file in ("database", "log"):
        assert after[("causeway_control_store_bytes", ("file", file))] > 0
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert after[(name,)] > 0
    assert after[("causeway_control_store_busy_total",)] == 0


def test_requests_count_by_path_of_the_api_and_never_by_what_was_asked(gateway):
    gateway.api.create_domain("counted.test")

    def count(path, status, method="GET"):
        key = ("causeway_control_requests_total", ("method", method), ("path", path), ("status", str(status)))
        return samples(gateway.api).get(key, 0)

    before = count("/v1/domains/{name}", 200), count("", 404), count("/v1/domains/{name}", 404)
    gateway.api.expect(200, "GET", "/v1/domains/counted.test")
    gateway.api.expect(404, "GET", "/v1/domains/none.test")
    gateway.api.expect(404, "GET", "/v1/never-heard-of-secret-path")
    assert count("/v1/domains/{name}", 200) == before[0] + 1
    assert count("", 404) == before[1] + 1 and count("/v1/domains/{name}", 404) == before[2] + 1
    requests.request("SPRING", gateway.api.base + "/v1/domains", timeout=10)
    text = gateway.api.call("GET", "/metrics").text
    assert "never-heard" not in text and "counted.test" not in text and "SPRING" not in text
    assert len(set(re.findall(r"# TYPE (\S+)", text))) == text.count("# TYPE")


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_a_token_reads_it(gateway, role):
    made = gateway.api.post("/v1/tokens", {"name": f"scrape-{role}", "role": role}, live=False)
    answer = requests.get(
        gateway.api.base + "/metrics", headers={"Authorization": f"Bearer {made['token']}"}, timeout=10
    )
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert made["token"] not in answer.text
    assert requests.get(gateway.api.base + "/metrics", timeout=10).status_code == 401


def test_a_database_in_other_hands_counts(gateway):
    with sqlite3.connect(gateway.data / "causeway.db", timeout=20, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = gateway.api.call("POST", "/v1/domains", {"name": "busy.test", "enableHttps": "off"})
        other.execute("ROLLBACK")
    assert refused.status_code == 503 and refused.json()["code"] == "storage"
    assert samples(gateway.api)[("causeway_control_store_busy_total",)] >= 1


def test_the_guide_names_every_metric_and_its_labels(tmp_path, authority):
    (tmp_path / "webhook").write_text("http://127.0.0.1:9/")
    gateway = Gateway(tmp_path / "gateway")
    gateway.control.command += ["--alert-webhook-file", str(tmp_path / "webhook")]
    gateway.start()
    try:
        over = authority.issue("told.test", end="20240101000000Z")
        gateway.api.create_certificate("told", over.chain, over.key)
        gateway.api.create_domain("told.test", https="on", certificate="told")
        wait_until(lambda: "causeway_control_alerts{" in gateway.api.expect(200, "GET", "/metrics").text, 10, "an alert")
        text = gateway.api.expect(200, "GET", "/metrics").text
    finally:
        gateway.abandon()
    types = dict(line.split(" ")[2:] for line in text.splitlines() if line.startswith("# TYPE "))
    told = {name: set() for name in types if not name.startswith("process_")}
    for name, labels, _ in SAMPLE.findall(text):
        name = name if name in types else re.sub("_(bucket|sum|count)$", "", name)
        if name in told:
            told[name] |= {label for label, _ in LABEL.findall(labels or "")} - {"le"}
    guide = (ROOT / "docs/operations.md").read_text().split("The control plane's own, at its `/metrics`:\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in guide.splitlines() if line.startswith("| `")]
    said = {name.strip("`"): set(re.findall("`(.*?)`", labels)) for name, labels, _ in rows}
    assert said.pop("process_*") == set()
    assert said == told
