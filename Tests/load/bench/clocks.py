"""What the kernel says of a process and its children: CPU time and memory."""

import os
import pathlib
import threading
import time


def descendants(pid):
    """The process and all its living children."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    """CPU time of the whole tree, from each process's CPU clock (nanoseconds; /proc/PID/stat counts in 10 ms)."""
    total = 0.0
    for each in descendants(pid):
        try:
            total += time.clock_gettime((~each << 3) | 2)
        except OSError:
            pass
    return total


def memory(pid):
    """(PSS, RSS) of the whole tree in bytes. What forked processes share counts once in PSS, every time in RSS."""
    totals = {"Pss": 0, "Rss": 0}
    for each in descendants(pid):
        for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in totals:
                totals[name] += int(rest.split()[0]) * 1024
    return totals["Pss"], totals["Rss"]


def settled_pss(pid, seconds=10):
    """PSS once it holds still: garbage collectors and lazy frees get a moment."""
    end = time.monotonic() + seconds
    last = memory(pid)[0]
    while True:
        threading.Event().wait(0.5)
        now = memory(pid)[0]
        if abs(now - last) <= last * 0.001 or time.monotonic() > end:
            return now
        last = now
