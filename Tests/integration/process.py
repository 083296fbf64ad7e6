"""One process under test: started with its log in a file, ended by its pid, its log shown when something fails."""

import ctypes
import os
import signal
import socket
import subprocess

from integration.waiting import PATIENCE, wait_until


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives a test run that was killed


class Process:
    def __init__(self, name, command, log, cores=None):
        self.name, self.command, self.log, self.cores = name, [str(part) for part in command], log, cores
        self.process = None

    def start(self, prefix=(), **environment):
        def child():
            _end_with_parent()
            if self.cores:
                os.sched_setaffinity(0, self.cores)

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, prefix), *self.command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=child,
                env={**os.environ, "SWIFT_BACKTRACE": "enable=no", **environment},
            )
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds=20):
        """SIGTERM; returns the exit status. One that does not end in time is killed, which fails the test."""
        if self.process is None:
            return None
        if self.running:
            seconds *= PATIENCE
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end within {seconds} s of SIGTERM") from None
        return self.process.returncode

    def wait_exit(self, seconds=10):
        wait_until(lambda: not self.running, seconds, f"the end of {self.name}")
        return self.process.returncode

    def log_text(self, since=0):
        try:
            with open(self.log, "rb") as log:
                log.seek(since)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


class ListeningProcess:
    """A peer of other people's making on a port of its own: there when it listens, gone at the end of `with`."""

    def __init__(self, name, port, command, folder):
        self.port = port
        self.process = Process(name, command, folder / f"{name}-{port}.log").start()
        try:
            wait_until(self._listens, 10, f"{name} listens\n{self.process.log_text()}")
        except AssertionError:
            self.stop()
            raise

    def _listens(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
