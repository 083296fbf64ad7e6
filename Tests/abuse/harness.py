"""An attack beside a well-behaved client: the worker on one core, everything else on the other; what both saw, and how
much memory the worker took meanwhile."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
LOAD = TESTS / "load"
WORKER_CORES, OTHER_CORES = {0}, {1}
RATE = 400  # calls a second of the well-behaved client
MIB = 1 << 20
# Of the worker, beyond what it had before: far below what any attack would cost without limits.
MOST_GROWTH = 64 * MIB
# Of what it had before, it may keep a tenth.
MOST_KEPT = 1.1
LEAST_BAR_MS = 50


def build_tools():
    subprocess.run(["make", "-s", "-C", LOAD], check=True, capture_output=True)


def pinned(command, nice=0):
    """A process on the cores of everything that is not the worker. What makes a lot of load there is nice: it shall burden
    the worker, not its neighbours on their core."""

    def child():
        os.sched_setaffinity(0, OTHER_CORES)
        os.nice(nice)

    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=child,
    )


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the worker is gone")


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | 2)


class Watch:
    """The highest resident memory of a process, looked at every 20 ms."""

    def __init__(self, pid):
        self.pid, self.before, self.peak = pid, resident(pid), 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(0.02):
            self.peak = max(self.peak, resident(self.pid))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


@dataclasses.dataclass
class Outcome:
    attack: dict  # the attacker's own report
    good: dict  # the good client's
    counted: float  # by how much the limit's counter has moved
    before: int
    peak: int
    after: int
    cpu: float  # of the worker's core, 0 to 1
    bar_ms: float = LEAST_BAR_MS

    @property
    def p99_ms(self):
        return self.good["p99_us"] / 1000

    def complaints(self, thrown_out, most_growth=MOST_GROWTH):
        """What the attack has broken; empty: nothing. `thrown_out(report)` says whether it was ended."""
        found = []
        if errors := bad(self.good):
            found.append(f"the good client saw {errors}")
        if self.p99_ms > self.bar_ms:
            found.append(f"the good client's p99 was {self.p99_ms:.1f} ms of {self.bar_ms:.0f}")
        if self.peak - self.before > most_growth:
            found.append(f"the worker grew by {(self.peak - self.before) / MIB:.0f} MiB")
        if self.after > self.before * MOST_KEPT:
            found.append(f"the worker kept {(self.after - self.before) / MIB:.0f} MiB")
        if self.counted < 1:
            found.append("the limit did not count")
        if not thrown_out(self.attack):
            found.append(f"the attacker was not thrown out: {self.attack}")
        return found

    def line(self):
        return (
            f"p99 {self.p99_ms:.1f} ms (bar {self.bar_ms:.0f}), cpu {self.cpu:.0%}, memory {self.before / MIB:.0f} -> "
            f"{self.peak / MIB:.0f} -> {self.after / MIB:.0f} MiB, counted {self.counted:.0f}, attacker {self.attack}"
        )


def bad(report):
    """What of a good client's report is not as it should be."""
    keys = "errors bad_status bad_grpc_status bad_length reset refused lost not_opened not_connected".split()
    wrong = {key: report[key] for key in keys if report.get(key)}
    if report["ok"] != report["sent"]:
        wrong["unanswered"] = report["sent"] - report["ok"]
    return wrong


class Bench:
    """A gateway with a back end and a route to it, to be attacked."""

    def __init__(self, gateway, site, backend):
        self.gateway, self.site, self.backend = gateway, site, backend
        self.cost = None

    @property
    def pid(self):
        return self.gateway.worker.pid

    def good_client(self, seconds, rate=RATE, connections=4, nice=0):
        return self._calls(seconds, connections, 16, nice, "-r", rate)

    def busy_clients(self, seconds, connections, streams=1, nice=0):
        """Ask anew as soon as they are answered."""
        return self._calls(seconds, connections, streams, nice)

    def _calls(self, seconds, connections, streams, nice, *more):
        return pinned(
            [LOAD / "bin/grpc-load", "-p", self.gateway.https_port, "-t", "-a", self.site.host, "-c", connections]
            + ["-m", streams, "-T", seconds, "-P", "/a.B/Unary", *more],
            nice,
        )

    def attacker(self, kind, seconds, tls=False):
        port = self.gateway.https_port if tls else self.gateway.http_port
        return pinned([sys.executable, TESTS / "peers/attacker.py", kind, port, self.site.host, seconds], 19)

    def counter(self, name):
        """Of a kind of abuse, or of a metric with its labels as it stands on the page."""
        if name.startswith("causeway_"):
            return self.gateway.metrics()[name]
        return self.gateway.metric("causeway_downstream_abuse_total", kind=name)

    def run(self, kind, counter, seconds, tls=False, good_seconds=None):
        """The attack for a time, with the good client beside it from before its begin until after its end (or for the time
        that is said)."""
        before, cpu = self.counter(counter), cpu_seconds(self.pid)
        with Watch(self.pid) as watch:
            good = self.good_client(good_seconds or seconds + 0.8)
            began = time.monotonic()
            attacker = self.attacker(kind, seconds, tls)
            attack = report_of(attacker)
            cpu = (cpu_seconds(self.pid) - cpu) / (time.monotonic() - began)
            result = report_of(good)
        after = self.memory_after(watch.before)
        return Outcome(attack, result, self.counter(counter) - before, watch.before, watch.peak, after, cpu)

    def memory_after(self, before):
        """Resident memory once it is back, or after a while."""
        end = time.monotonic() + 20
        while resident(self.pid) > before * MOST_KEPT and time.monotonic() < end:
            threading.Event().wait(0.1)
        return resident(self.pid)

    def honest_p99_ms(self, cpu, seconds):
        """The good client's p99 while honest requests keep the worker's core as busy."""
        if self.cost is None:  # of a call, measured once with the one client alone
            start = cpu_seconds(self.pid)
            report = report_of(self.good_client(1, 4_000, 8))
            self.cost = (cpu_seconds(self.pid) - start) / report["ok"]
        crowd = self.good_client(seconds + 0.4, max(100, int(min(cpu, 0.95) / self.cost)), 8, 19)
        good = report_of(self.good_client(seconds))
        report_of(crowd)
        return good["p99_us"] / 1000


def report_of(process):
    output, _ = process.communicate(timeout=120)
    lines = output.strip().splitlines()
    assert lines, f"{process.args} said nothing, status {process.returncode}"
    return json.loads(lines[-1])
