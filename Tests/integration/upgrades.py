"""A worker whose binary a test replaces while it runs, as an administrator would: the new file over the old path, then SIGUSR2."""

import os
import pathlib
import re
import shutil
import signal

from integration.gateway import WORKER
from integration.waiting import wait_until


def alive(pid):
    """Whether the process runs; one that has ended may wait for its parent."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Upgrades:
    """`Upgrades(gateway)` before its start; `end` after it."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.path = gateway.folder / "bin/causeway-worker"
        self.path.parent.mkdir()
        gateway.worker.command[0] = str(self.path)
        self.install()

    def install(self, source=WORKER):
        new = self.path.with_suffix(".new")
        shutil.copy(source, new)
        os.replace(new, self.path)

    def install_script(self, *lines):
        """A script in the binary's place; `$WORKER` is the real one."""
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(["#!/bin/bash", f"WORKER={WORKER}", *lines, ""]))
        new.chmod(0o755)
        os.replace(new, self.path)

    @property
    def started(self):
        """The processes that were started for a handover."""
        return [int(pid) for pid in re.findall(r'"handing over".*?"pid":\s*"?(\d+)', self.gateway.worker.log_text())]

    def begin(self, pid=None):
        os.kill(pid or self.gateway.worker.pid, signal.SIGUSR2)

    def upgrade(self, pid=None):
        """Installs the binary again and hands over to it; returns the new process's id once it is the worker."""
        before = len(self.started)
        self.install()
        self.begin(pid)
        return self.finish(before)

    def finish(self, before=0, seconds=20):
        new = wait_until(lambda: self.started[before:], seconds, "a new worker is started")[0]
        wait_until(lambda: self.is_worker(new), seconds, "the new worker is the worker")
        return new

    def is_worker(self, pid):
        return [worker["pid"] for worker in self.gateway.workers()] == [pid]

    def wait_gone(self, pid, seconds=20):
        if pid == self.gateway.worker.pid:
            return self.gateway.worker.wait_exit(seconds)
        return wait_until(lambda: not alive(pid), seconds, f"the end of worker {pid}")

    def stop(self, pid):
        os.kill(pid, signal.SIGTERM)
        self.wait_gone(pid)

    def end(self):
        for pid in self.started:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
