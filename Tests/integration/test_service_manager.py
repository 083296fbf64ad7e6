"""What systemd is told and what it hands over, with the test in its place: sd_notify, the watchdog, socket activation."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from integration.gateway import ROOT
from integration.ports import free_port
from integration.site import Site
from integration.upgrades import Upgrades
from integration.waiting import Timeout, wait_until


class Manager:
    """Listens where `NOTIFY_SOCKET` points."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.messages = []
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while data := self.socket.recv(4096):
            self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def wait(self, since=0, **wanted):
        def found():
            return next((m for m in self.messages[since:] if all(m.get(k) == str(v) for k, v in wanted.items())), None)

        return wait_until(found, 10, f"{wanted} among {self.messages[since:]}")

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@causeway-test-{os.getpid()}")
    yield made
    made.close()


def test_it_is_told_from_the_start_to_the_end(new_gateway, manager):
    gateway = new_gateway()
    # With neither a control plane nor a snapshot the worker is up all the same.
    gateway.start_worker(wait=False, NOTIFY_SOCKET=manager.name)
    ready = manager.wait(READY=1)
    assert ready["STATUS"] == "waiting for the control plane"
    assert "WATCHDOG" not in "".join(key for message in manager.messages for key in message)
    gateway.worker.signal(signal.SIGTERM)
    manager.wait(STOPPING=1)
    assert gateway.worker.wait_exit(10) == 0


def test_a_handover_changes_the_main_process(new_gateway, manager):
    gateway = new_gateway(drain_timeout=1, worker_options=("--handover-timeout", "2"))
    upgrades = Upgrades(gateway)
    try:
        gateway.start_control()
        gateway.api.initialize()
        gateway.start_worker(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="200000")
        manager.wait(READY=1, MAINPID=gateway.worker.pid)

        upgrades.install_script("exit 1")
        upgrades.begin()
        manager.wait(RELOADING=1)
        since = next(i for i, message in enumerate(manager.messages) if "RELOADING" in message)
        manager.wait(since, READY=1, MAINPID=gateway.worker.pid)

        new = upgrades.upgrade()
        manager.wait(since, READY=1, MAINPID=new)
        assert upgrades.wait_gone(gateway.worker.pid) == 0
        assert not any("STOPPING" in message for message in manager.messages), "the old one is not the service any more"
        since = len(manager.messages)
        manager.wait(since, WATCHDOG=1)
        upgrades.stop(new)
        manager.wait(since, STOPPING=1)
    finally:
        upgrades.end()


def test_the_watchdog_hears_that_the_loops_turn(new_gateway, manager):
    gateway = new_gateway()
    gateway.start_worker(wait=False, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="100000")
    wait_until(lambda: sum("WATCHDOG" in message for message in manager.messages) >= 5, 10)
    # Meant for another process: then it is not ours to answer.
    gateway.worker.stop()
    since = len(manager.messages)
    gateway.start_worker(wait=False, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    manager.wait(since, READY=1)
    gateway.worker.stop()
    assert not any("WATCHDOG" in message for message in manager.messages[since:])


@pytest.fixture(scope="module")
def hold_thread(tmp_path_factory):
    """`hold_thread(pid, name)` stops one thread for as long as the block lasts; only root may do that to the worker."""
    program = tmp_path_factory.mktemp("holdthread") / "holdthread"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, ROOT / "Tests/peers/holdthread.c"], check=True)

    @contextlib.contextmanager
    def hold(pid, name):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        thread = next(task.name for task in tasks if (task / "comm").read_text().strip() == name)
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        holder = subprocess.Popen([*prefix, program, thread], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(10)
            holder.stdout.close()

    return hold


def test_the_control_plane_is_told_from_the_start_to_the_end(new_gateway, manager):
    gateway = new_gateway()
    gateway.start_control(wait=False, NOTIFY_SOCKET=manager.name)
    ready = manager.wait(READY=1)
    # Whoever is started after it finds everything there.
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(gateway.channel))
    assert requests.get(f"{gateway.api.base}/healthz/ready", timeout=10).text == "ok"
    assert ready["STATUS"] == f"listening on 127.0.0.1:{gateway.admin_port}, version 1"
    gateway.control.signal(signal.SIGTERM)
    manager.wait(STOPPING=1)
    assert gateway.control.wait_exit(10) == 0
    assert not any("WATCHDOG" in message for message in manager.messages)


def test_the_watchdog_hears_that_the_control_plane_answers(new_gateway, manager, hold_thread):
    gateway = new_gateway()
    gateway.start_control(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000")
    gateway.api.initialize()

    def beats():
        return sum("WATCHDOG" in message for message in manager.messages)

    def complains():
        return "an event loop, the publisher or the database does not answer" in gateway.control.log_text()

    wait_until(lambda: beats() >= 3, 10)
    assert not complains()
    names = {comm.read_text().strip() for comm in pathlib.Path(f"/proc/{gateway.control.pid}/task").glob("*/comm")}
    loops = sorted(name for name in names if name.startswith("NIO-SGLTN-"))
    assert loops, names
    with hold_thread(gateway.control.pid, loops[-1]):
        wait_until(complains, 10, "the control plane has noticed")
        heard = beats()
        with pytest.raises(Timeout):
            wait_until(lambda: beats() > heard, 1.5)
    wait_until(lambda: beats() > heard + 2, 10, "beats go on")
    assert gateway.api.get("/v1/domains") == []


@pytest.mark.parametrize("thread", ["loop-0", "loop-1"])
def test_the_watchdog_hears_nothing_of_a_loop_that_hangs(new_gateway, authority, echo, manager, hold_thread, thread):
    gateway = new_gateway(loops=2)
    gateway.start_control()
    gateway.api.initialize()
    gateway.start_worker(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000")
    site = Site(gateway, authority, "hung.test")
    site.serve(echo.port)
    manager.wait(WATCHDOG=1)

    def complaints():
        return gateway.worker.log_text().count("a loop does not answer")

    def beats():
        return sum("WATCHDOG" in message for message in manager.messages)

    with hold_thread(gateway.worker.pid, thread):
        wait_until(complaints, 10, "the worker has noticed")
        heard = beats()
        # Three times the service manager's patience.
        wait_until(lambda: complaints() >= 7, 10, "the loop hangs on")
        assert beats() == heard
        # What is not of this loop goes on.
        assert gateway.metric("causeway_ready") == 1
    # One that comes back is forgiven.
    wait_until(lambda: beats() > heard + 2, 10, "beats go on")
    for _ in range(10):
        assert site.get("/").status == 200

    # One that does not is ended by systemd (SIGABRT), which starts the worker anew (`Restart=always`).
    with hold_thread(gateway.worker.pid, thread):
        gateway.worker.signal(signal.SIGABRT)
    assert gateway.worker.wait_exit(10) == -signal.SIGABRT
    gateway.start_worker(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000")
    assert site.get("/").status == 200


def test_sockets_of_systemd_are_adopted_by_address(new_gateway, authority, echo):
    gateway = new_gateway(loops=2, drain_timeout=1)
    gateway.start_control()
    gateway.api.initialize()
    activation = [sys.executable, pathlib.Path(ROOT / "Tests/peers/socket_activation.py")]
    gateway.start_worker(prefix=[*activation, f"{gateway.https_port},{free_port()},{gateway.http_port}"])
    site = Site(gateway, authority, "activated.test")
    site.serve(echo.port)
    for _ in range(20):
        assert site.get("/", tls=False).status == site.get("/", tls=True).status == 200
    # Without SO_REUSEPORT nobody else could have bound these addresses.
    assert gateway.workers()[0]["degraded"] == []
    inodes = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:] if is_listening(line, gateway)}
    assert len(inodes) == 2, "one socket for each address, shared by both loops"


def is_listening(line, gateway):
    fields = line.split()
    return fields[3] == "0A" and int(fields[1].split(":")[1], 16) in (gateway.http_port, gateway.https_port)
