"""scripts/run: starts fast when nothing is to be built, says where things are, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import time

import pytest
import requests

from integration.gateway import ROOT
from integration.ports import free_port
from integration.waiting import Timeout, wait_until


class Run:
    def __init__(self, folder):
        self.folder = folder
        self.admin, self.http, self.https, self.metrics = (free_port() for _ in range(4))
        # Read by its name: an open file that both share has one position, so that looking would move where it writes.
        self.output = folder / "output"
        self.command = [ROOT / "scripts/run", "--data", folder / "data", "--admin-port", str(self.admin)]
        self.command += ["--http-port", str(self.http), "--https-port", str(self.https), "--metrics-port", str(self.metrics)]
        self.start()

    def start(self):
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.STDOUT)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def text(self):
        return self.output.read_text()

    def ready(self):
        """Waits until it says that all is up. What it printed is shown when it does not, or ends before."""
        try:
            wait_until(lambda: self.process.poll() is not None or "Ctrl-C" in self.text(), 60)
        except Timeout:
            pass
        assert self.process.poll() is None and "Ctrl-C" in self.text(), f"{self.process.poll()}: {self.text()}"

    def children(self):
        """(pid, name) of the two processes."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            pids = [int(pid) for pid in children.read().split()]
        found = {}
        for pid in pids:
            try:
                found[os.path.basename(os.readlink(f"/proc/{pid}/exe"))] = pid
            except OSError:
                pass  # a helper of the script that has ended
        return {name: pid for name, pid in found.items() if name.startswith("causeway")}


@pytest.fixture
def run(tmp_path):
    one = Run(tmp_path)
    yield one
    one.end()


def test_other_ports_than_last_time_are_taken_over(run, tmp_path):
    run.ready()
    run.end()
    again = Run(tmp_path)
    try:
        again.ready()
        text = again.text()
        assert f"http://127.0.0.1:{again.http}  https://127.0.0.1:{again.https}" in text and str(run.http) not in text
        assert requests.get(f"http://127.0.0.1:{again.http}/", timeout=5).status_code == 404
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{run.http}/", timeout=5)
    finally:
        again.end()


def gone(pid):
    return not os.path.exists(f"/proc/{pid}/exe")


def test_a_second_start_is_ready_within_two_seconds_and_ends_on_ctrl_c(run):
    def seconds():
        run.end()
        began = time.monotonic()
        run.start()
        run.ready()
        return time.monotonic() - began

    run.ready()
    # Others may have the machine for a moment.
    assert any(seconds() < 2 for _ in range(3)), run.text()
    for address in (f"http://127.0.0.1:{run.admin}/", f"http://127.0.0.1:{run.metrics}/ready"):
        assert requests.get(address, timeout=5).status_code == 200
    assert requests.get(f"http://127.0.0.1:{run.http}/", timeout=5).status_code == 404

    # What it prints for the first account works as it stands.
    command = wait_until(lambda: re.search(r"curl -X POST .*?\}\}'", run.text(), re.DOTALL), 5, "how to make an account")[0]
    made = subprocess.run(["bash", "-c", f"{command} -fsS"], capture_output=True, text=True, timeout=20)
    assert made.returncode == 0, made.stderr

    children = run.children()
    assert set(children) == {"causeway-control", "causeway-worker"}
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(15) == 0, run.text()
    assert all(gone(pid) for pid in children.values())


@pytest.mark.parametrize("victim", ["causeway-control", "causeway-worker"])
def test_when_one_process_dies_it_says_so_and_ends_the_other(run, victim):
    run.ready()
    children = run.children()
    os.kill(children[victim], signal.SIGKILL)
    assert run.process.wait(15) != 0
    assert f"{victim} ended" in run.text()
    assert all(gone(pid) for pid in children.values())
