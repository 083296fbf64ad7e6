"""A worker whose state folder cannot be written: it starts from what is there, follows the control plane in memory, says so, and
writes again once it can. No mounts: root without CAP_DAC_OVERRIDE is held to the modes of its own files. Disks that are
full or read-only: `Tests/soak/test_disk.py`."""

import os

import pytest

from integration.process import Process
from integration.site import Site
from integration.upgrades import Upgrades, alive
from integration.waiting import wait_until
from peers.http1 import EchoServer

# Whoever is not root is held to them anyway.
HELD = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def reasons(gateway):
    return [each["reason"] for worker in gateway.workers() for each in worker["degraded"]]


def refused(gateway, name):
    """Starts a second worker on the same folder; returns what it says."""
    options = list(gateway.worker.command)
    for option, value in (("--metrics-port", "0"), ("--inspect-socket", f"{gateway.inspect}.other")):
        options[options.index(option) + 1] = value
    other = Process(name, options, gateway.folder / f"{name}.log").start(prefix=HELD)
    assert other.wait_exit(15) != 0
    return other.log_text()


@pytest.mark.parametrize("lock", ["there", "missing"])
def test_it_serves_what_is_there_and_writes_again_when_it_can(new_gateway, authority, echo, lock):
    gateway = new_gateway().start()
    site = Site(gateway, authority, "unwritable.test")
    site.serve(echo.port)
    identity = gateway.workers()[0]["id"]
    gateway.control.stop()
    gateway.worker.stop()
    if lock == "missing":
        (gateway.state / "worker.lock").unlink()
    gateway.state.chmod(0o500)

    # With the control plane away the disk is all that it has.
    gateway.start_worker(prefix=HELD)
    assert site.get("/").status == site.get("/", tls=True).status == 200
    log = gateway.worker.log_text()
    assert f"open {gateway.state}/worker.probe: Permission denied" in log, log
    assert "give the folder and what is in it to the worker's user" in log, log
    assert gateway.metric("causeway_config_store_failing") == 1

    gateway.start_control()
    wait_until(gateway.workers, 10, "the worker is connected")
    assert gateway.workers()[0]["id"] == identity
    wait_until(lambda: any(str(gateway.state) in reason for reason in reasons(gateway)), 10, "it is told")
    with EchoServer() as second:
        site.serve(second.port, path="/memory")
        assert site.get("/memory").status == 200
        assert any("Permission denied" in reason for reason in reasons(gateway)), reasons(gateway)
        assert "another worker uses this folder" in refused(gateway, "second")

        # Nobody publishes anything: it tries by itself.
        gateway.state.chmod(0o700)
        wait_until(lambda: reasons(gateway) == [], 30, "nothing is degraded any more")
        assert gateway.metric("causeway_config_store_failing") == 0
        assert "snapshots are kept on disk again" in gateway.worker.log_text()
        assert (gateway.state / "worker.lock").exists()
        assert "another worker uses this folder" in refused(gateway, "third")
        assert sorted(each.name for each in gateway.state.glob("*.new")) == []

        gateway.control.kill9()
        gateway.worker.kill9()
        gateway.start_worker()
        assert site.get("/memory").status == 200, "what it had in memory was not written"


def test_it_hands_over_while_what_it_serves_is_on_disk(new_gateway, authority, echo):
    gateway = new_gateway(drain_timeout=1, worker_options=("--handover-timeout", "5"))
    upgrades = Upgrades(gateway)
    gateway.start()
    site = Site(gateway, authority, "handed.test")
    site.serve(echo.port)
    gateway.worker.stop()
    (gateway.state / "worker.lock").unlink()
    gateway.state.chmod(0o500)
    gateway.start_worker(prefix=HELD)
    wait_until(gateway.workers, 10, "the worker is connected")

    try:
        upgrades.begin()
        new = upgrades.finish()
        upgrades.wait_gone(gateway.worker.pid)
        assert site.get("/").status == 200
        assert "another worker uses this folder" in refused(gateway, "second")

        # What is only in memory would be lost by another process: that one is refused, and this one serves on.
        site.serve(echo.port, path="/memory")
        failures = gateway.metric("causeway_handover_failures_total")
        upgrades.begin(new)
        wait_until(lambda: gateway.metric("causeway_handover_failures_total") > failures, 10, "the handover is refused")
        assert "snapshots cannot be kept on disk" in gateway.worker.log_text()
        assert alive(new) and site.get("/memory").status == 200
        gateway.state.chmod(0o700)
        wait_until(lambda: reasons(gateway) == [], 30, "nothing is degraded any more")
        upgrades.begin(new)
        last = upgrades.finish(2)
        assert site.get("/memory").status == 200
        upgrades.stop(last)
    finally:
        upgrades.end()


def test_a_folder_without_key_is_told_of_at_the_start(new_gateway):
    gateway = new_gateway()
    gateway.state.chmod(0o500)
    gateway.start_worker(wait=False, prefix=HELD)
    assert gateway.worker.wait_exit(10) != 0
    assert f"{gateway.state}/worker.key" in gateway.worker.log_text(), gateway.worker.log_text()
    assert "Permission denied" in gateway.worker.log_text()
