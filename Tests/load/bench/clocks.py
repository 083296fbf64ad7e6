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


def cpu_with_ended(pid):
    """The same, with the children that have ended and were waited for (in 10 ms), as after a reload."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return cpu_seconds(pid) + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def disk_bytes(pid):
    """Bytes that the process has sent towards a disk, in whole pages."""
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


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
