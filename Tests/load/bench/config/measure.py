"""The loop that times changes, and the load that runs meanwhile."""

import dataclasses
import math
import statistics
import threading
import time

from bench.load import Load
from bench.site import AUTHORITY, BenchError

# The longest that one change may take, and all changes of a measurement.
MOST_FOR_ONE, MOST_SECONDS = 60, 30
# Every so many changes the answer that clients get is looked at, where the change itself does not wait for it. Odd, so that of two
# forms that alternate both are seen.
CHECK_EVERY = 9
LOAD_CONNECTIONS = 8
LEAST_SECONDS = 3.0
# Streams that last as long as the load, where none may be cut. A reload leaves an old process with each, so peers get none.
LONG_STREAMS = 4


@dataclasses.dataclass
class Row:
    """What one way to change costs one proxy."""

    shape: str
    title: str
    routes: int
    proxy: str
    idle: dict | None = None
    loaded: dict | None = None
    # Per change: CPU of each process (µs), bytes on the socket and in files; while idle.
    costs: dict = dataclasses.field(default_factory=dict)
    error: str | None = None


def percentile(values, share):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figures(seconds):
    return {
        "changes": len(seconds),
        "p50": round(statistics.median(seconds) * 1e3, 3),
        "p99": round(percentile(seconds, 0.99) * 1e3, 3),
        "highest": round(max(seconds) * 1e3, 3),
    }


def timed(change, first, count):
    """Seconds that each of `count` changes took, of fewer when they take too long."""
    end, taken = time.monotonic() + MOST_SECONDS, []
    while len(taken) < count and (not taken or time.monotonic() < end):
        taken.append(change(first + len(taken)))
    return taken


def loaded(site, port, rate, change, first, seconds, streams=0):
    """Figures of changes that follow each other for so long while calls come at a fixed rate on a route that none touches, and
    what became of the calls."""
    seconds = min(MOST_SECONDS, max(LEAST_SECONDS, seconds))
    arguments = ["-a", AUTHORITY, "-c", LOAD_CONNECTIONS, "-r", rate, "-T", f"{seconds:.1f}", "-w", max(8, rate // 4)]
    arguments += ["-S", streams] if streams else []
    seen = {}
    with Load(site, "grpc-load", port, *arguments, tls=False) as load:

        def go():
            try:
                seen["result"] = load.tell()
            except (BenchError, ValueError, OSError) as error:
                seen["error"] = str(error)

        thread = threading.Thread(target=go)
        thread.start()
        try:
            taken = []
            while thread.is_alive():
                taken.append(change(first + len(taken)))
        finally:
            thread.join(MOST_SECONDS * 2)
    if "result" not in seen:
        raise BenchError(seen.get("error", "the load did not end"))
    result = seen["result"]
    kept = ("ok", "goaways", "rate", "p50_us", "p99_us", "backlog", "long_streams", "long_streams_cut")
    calls = {key: result[key] for key in kept}
    failures = {key: result[key] for key in Load.FAILED if result.get(key)}
    return {**figures(taken), "calls": {**calls, "failed": result["errors"], "failures": failures}}
