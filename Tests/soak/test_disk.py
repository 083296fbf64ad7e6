"""Disks that are full or read-only, files that go away under running processes: what is served is served on, what was stored stays,
and whoever asks is told. The disks are small file systems in memory, which only root mounts: anybody else needs
sudo. By hand: `scripts/test --soak -- -k disk`."""

import contextlib
import os
import subprocess

import pytest

from integration.gateway import Gateway
from integration.process import Process
from integration.site import Site
from integration.waiting import wait_until

# Only root mounts file systems.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*AS_ROOT, "mount", "-t", "tmpfs", "-o", f"size={size},mode=700,uid={os.geteuid()}", "tmpfs", folder], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run([*AS_ROOT, "umount", "-l", folder], check=True)


def fill(folder):
    """Takes every byte that is left."""
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def read_only(folder, on):
    subprocess.run([*AS_ROOT, "mount", "-o", f"remount,{'ro' if on else 'rw'}", folder], check=True)


def degraded(gateway):
    return [each["reason"] for worker in gateway.workers() for each in worker["degraded"]]


def test_a_worker_that_cannot_keep_snapshots_serves_them_all_the_same(tmp_path, authority, echo):
    with small_disk(tmp_path / "worker", "512k") as disk:
        gateway = Gateway(tmp_path)
        try:
            gateway.start()
            site = Site(gateway, authority, "disk.test")
            site.serve(echo.port)
            fill(disk)
            answer = gateway.api.call("POST", "/v1/domains?wait=live", {"name": "more.test"})
            assert (answer.status_code, answer.headers["Causeway-Live"]) == (201, "true")
            site.serve(echo.port, path="/meanwhile")
            assert site.get("/meanwhile").status == 200
            assert any("snapshots cannot be kept on disk" in reason for reason in degraded(gateway)), degraded(gateway)
            # Killed now, it comes back with the last that it could keep, and follows the control plane from there.
            gateway.worker.kill9()
            (disk / "filler").unlink()
            gateway.start_worker()
            assert site.get("/").status == 200
            wait_until(lambda: site.get("/meanwhile").status == 200, 10, "it has caught up")
            wait_until(lambda: degraded(gateway) == [], 10, "nothing is degraded any more")
            gateway.control.kill9()
            gateway.worker.kill9()
            gateway.start_worker()
            assert site.get("/meanwhile").status == 200, "the newest snapshot was not on disk"
            gateway.start_control()
            gateway.stop()
        finally:
            gateway.abandon()


def test_a_control_plane_that_cannot_write_says_so_and_loses_nothing(tmp_path, authority, echo):
    with small_disk(tmp_path / "control", "8m") as disk:
        gateway = Gateway(tmp_path)
        try:
            gateway.start()
            site = Site(gateway, authority, "disk.test")
            site.serve(echo.port)
            fill(disk)
            # The database has a little room of its own.
            answers = (gateway.api.call("POST", "/v1/domains", {"name": f"try-{turn}.test"}) for turn in range(2_000))
            refused = next(answer for answer in answers if answer.status_code != 201)
            assert (refused.status_code, refused.json()["code"]) == (503, "storage"), refused.text
            assert "disk of the data folder (--data) is full" in refused.json()["message"], refused.text
            names = {each["name"] for each in gateway.api.get("/v1/domains")}
            assert site.get("/").status == 200
            (disk / "filler").unlink()
            gateway.api.create_domain("after.test")
            assert {each["name"] for each in gateway.api.get("/v1/domains")} == names | {"after.test"}
            gateway.control.kill9()
            gateway.start_control()
            assert {each["name"] for each in gateway.api.get("/v1/domains")} == names | {"after.test"}
            gateway.stop()
        finally:
            gateway.abandon()


def test_a_control_plane_on_a_read_only_disk_says_so_and_leaves_it_as_it_was(tmp_path, authority, echo):
    with small_disk(tmp_path / "control", "8m") as disk:
        gateway = Gateway(tmp_path)
        try:
            gateway.start()
            site = Site(gateway, authority, "disk.test")
            site.serve(echo.port)
            assert gateway.control.stop() == 0
            read_only(disk, True)
            gateway.control.start()
            assert gateway.control.wait_exit(20) != 0
            said = gateway.control.log_text()[-2_000:]
            assert str(disk) in said and "Read-only file system" in said, said
            read_only(disk, False)
            gateway.start_control()
            assert site.get("/").status == 200
            wait_until(gateway.workers, 10, "both are there")
            gateway.stop()
        finally:
            gateway.abandon()


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_a_worker_is_restarted_on_a_disk_that_takes_nothing(tmp_path, authority, echo, how):
    """State folder and access log are on it, as where the kernel has made the root read-only."""
    with small_disk(tmp_path / "worker", "512k") as disk:
        gateway = Gateway(tmp_path, access_log=disk / "access.log")
        gateway.access_log_path = disk / "access.log"
        try:
            gateway.start()
            site = Site(gateway, authority, "disk.test")
            site.serve(echo.port)
            gateway.control.stop()
            gateway.worker.kill9()
            read_only(disk, True) if how == "read-only" else fill(disk)
            gateway.start_worker()
            assert site.get("/").status == 200
            reason = "Read-only file system" if how == "read-only" else "No space left on device"
            assert reason in gateway.worker.log_text() and gateway.metric("causeway_config_store_failing") == 1
            gateway.start_control()
            wait_until(gateway.workers, 10, "the worker is connected")
            site.serve(echo.port, path="/meanwhile")
            assert site.get("/meanwhile").status == 200
            assert any(reason in each and str(disk) in each for each in degraded(gateway)), degraded(gateway)

            def lines_are_lost():
                site.get("/lost")
                return gateway.metric("causeway_access_log_dropped_total") > 0

            wait_until(lines_are_lost, 10, "lost lines of the access log are counted")
            assert "the access log cannot be written" in gateway.worker.log_text()

            read_only(disk, False) if how == "read-only" else (disk / "filler").unlink()
            wait_until(lambda: degraded(gateway) == [], 30, "nothing is degraded any more")
            assert gateway.metric("causeway_config_store_failing") == 0
            assert site.get("/found").status == 200
            gateway.wait_log(path="/found")
            assert "the access log is written again" in gateway.worker.log_text()
            gateway.control.kill9()
            gateway.worker.kill9()
            gateway.start_worker()
            assert site.get("/meanwhile").status == 200, "what it had in memory was not written"
            gateway.start_control()
            gateway.stop()
        finally:
            gateway.abandon()


def test_a_worker_on_a_folder_in_use_is_refused(gateway):
    options = list(gateway.worker.command)
    for name, value in (("--metrics-port", "0"), ("--inspect-socket", f"{gateway.inspect}.other")):
        options[options.index(name) + 1] = value
    second = Process("second worker", options, gateway.folder / "second.log").start()
    assert second.wait_exit(15) != 0
    assert str(gateway.state) in second.log_text() and "another worker uses this folder" in second.log_text(), second.log_text()
    assert gateway.worker.running


def test_the_channel_socket_goes_away(new_gateway, authority, echo):
    gateway = new_gateway().start()
    site = Site(gateway, authority, "socket.test")
    site.serve(echo.port)
    gateway.channel.unlink()
    # The connection is there: changes arrive.
    site.serve(echo.port, path="/still")
    assert site.get("/still").status == 200
    # A new worker finds nobody: it serves from its disk, and the control plane says that none is there.
    gateway.worker.kill9()
    gateway.start_worker()
    assert site.get("/still").status == 200
    answer = gateway.api.call("POST", "/v1/domains?wait=live&timeout=1s", {"name": "alone.test"})
    assert answer.headers["Causeway-Live"] == "no-worker"
    gateway.control.stop()
    gateway.start_control()
    wait_until(gateway.workers, 10, "the worker has found the new socket")
    site.serve(echo.port, path="/again")
    assert site.get("/again").status == 200

