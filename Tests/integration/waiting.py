"""Waiting for a condition, with a deadline. The only place where tests pause."""

import os
import threading
import time

# By how much longer everything may take than a test says: with an instrumented worker (`scripts/test --asan`, `--tsan`).
PATIENCE = float(os.environ.get("CAUSEWAY_PATIENCE", 1))
_pause = threading.Event()


class Timeout(AssertionError):
    pass


def wait_until(condition, seconds=10.0, what=None, interval=0.01):
    """The first true value of `condition()`; raises when there was none in time. Errors of it count as not yet."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, OSError, KeyError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() >= end:
            name = what or getattr(condition, "__name__", "condition")
            raise Timeout(f"not within {seconds} s: {name}; last seen: {last!r}")
        _pause.wait(interval)
