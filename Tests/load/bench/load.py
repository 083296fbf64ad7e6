"""The load clients of Tests/load, held at their gate until the clocks have been read, and every answer checked."""

import json
import subprocess

from bench.site import LOAD, BenchError

# A load that had to wait for the proxy measures something else than its rate says.
LEAST_RATE = 0.98
FAILURES = (
    *("errors", "bad_status", "bad_grpc_status", "bad_length", "reset", "refused", "lost", "not_opened"),
    *("not_connected", "backlog", "goaways"),
)


def _failures(result):
    return {key: result[key] for key in FAILURES if result.get(key)}


class Load:
    """One run of a load client: `ready` once its connections are open and warm, `go` for the result; open until the end."""

    # Why calls did not get their answer, "errors" in all; a GOAWAY or being late is none of them.
    FAILED = tuple(key for key in FAILURES if key not in ("errors", "backlog", "goaways"))

    def __init__(self, site, tool, port, *arguments, tls=True):
        self.site = site
        command = [LOAD / "bin" / tool, "-p", port, *(["-t"] if tls else []), "-g", *arguments]
        self.process = site.start(
            command, site.load_cores, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self):
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.__exit__()
            result = json.loads(line) if line.startswith("{") else {}
            if result and not _failures(result):
                raise BenchError(f"it stood still: {result['ok']} of the first {result['sent']} calls were answered")
            raise BenchError(f"the load did not get ready: {_failures(result) or line.strip() or 'no word'}")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self.site.end(self.process)

    def tell(self):
        """The client's own report, whatever it says."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the load ended without a report")
        return json.loads(line)

    def go(self, count=None, rate=None):
        """The client's own report; an error when one answer was wrong, or fewer came than were asked for."""
        result = self.tell()
        failures = _failures(result)
        if failures or (count is not None and result["ok"] != count):
            asked = count or result.get("sent")
            raise BenchError(f"{result['ok']} of {asked} answers were right ({result.get('sent', '?')} sent): {failures}")
        if rate is not None and result["rate"] < rate * LEAST_RATE:
            raise BenchError(f"the load fell behind: {result['rate']:.0f} calls/s instead of {rate}")
        return result
