"""A whole gateway for a test: control plane and worker as real processes, in a folder of their own, on ports of their own."""

import json
import os
import pathlib
import re
import urllib.error
import urllib.request

from integration.api import Api
from integration.ports import free_port
from integration.process import Process
from integration.waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARIES = ROOT / ".build/release"
# An instrumented worker in the place of the usual one (`scripts/test --asan`, `--tsan`).
WORKER = pathlib.Path(os.environ.get("CAUSEWAY_WORKER", BINARIES / "causeway-worker"))


class Gateway:
    def __init__(
        self,
        folder,
        loops=2,
        access_log="file",
        drain_timeout=5,
        log_level="info",
        worker_cores=None,
        control_cores=None,
        settings=(),
        worker_options=(),
    ):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.admin_port, self.http_port, self.https_port, self.metrics_port = (free_port() for _ in range(4))
        self.channel = self.folder / "channel.sock"
        self.inspect = self.folder / "inspect.sock"
        self.access_log_path = self.folder / "access.log"
        self.state = self.folder / "worker"
        self.data = self.folder / "control"
        self.state.mkdir(exist_ok=True)
        self.data.mkdir(exist_ok=True)
        self.control = Process(
            "control",
            [
                BINARIES / "causeway-control",
                "--data",
                self.data,
                "--channel",
                self.channel,
                "--inspect-socket",
                self.inspect,
                "--admin-port",
                self.admin_port,
                "--gateway-address",
                "127.0.0.1",
                "--http-port",
                self.http_port,
                "--https-port",
                self.https_port,
                "--static",
                ROOT / "web-admin-static",
                "--migrations",
                ROOT / "migrations",
                "--log-level",
                log_level,
                *(part for setting in settings for part in ("--setting", setting)),
            ],
            self.folder / "control.log",
            control_cores,
        )
        self.worker = Process(
            "worker",
            [
                WORKER,
                "--state",
                self.state,
                "--channel",
                self.channel,
                "--loops",
                loops,
                "--metrics-port",
                self.metrics_port,
                "--drain-timeout",
                drain_timeout,
                "--log-level",
                log_level,
                "--access-log",
                self.access_log_path if access_log == "file" else access_log,
                *(() if "--inspect-socket" in worker_options else ("--inspect-socket", self.inspect)),
                *worker_options,
            ],
            self.folder / "worker.log",
            worker_cores,
        )
        self.api = Api(self.admin_port)

    # ---- life

    def start(self):
        self.start_control()
        self.api.initialize()
        self.start_worker()
        return self

    def start_control(self, wait=True, **options):
        self.control.start(**options)
        if wait:
            self.wait_control()

    def wait_control(self, seconds=20):
        def ready():
            assert self.control.running, f"the control plane ended:\n{self.control.log_text()[-3000:]}"
            return self._get(self.admin_port, "/healthz/ready") == "ok"

        wait_until(ready, seconds, "the control plane is ready")

    def start_worker(self, wait=True, **options):
        self.worker.start(**options)
        if wait:
            self.wait_worker()

    def wait_worker(self, seconds=20):
        wait_until(self.worker_ready, seconds, f"the worker is ready\n{self.worker.log_text()[-3000:]}")

    def worker_ready(self):
        assert self.worker.running, f"the worker ended:\n{self.worker.log_text()[-3000:]}"
        return self._get(self.metrics_port, "/ready") is not None

    def stop(self):
        """Ends both; a bad exit status is a failure, because it means a crash on the way out."""
        self.api.close()
        statuses = [each.stop() for each in (self.worker, self.control) if each.running]
        assert all(status == 0 for status in statuses), f"exit statuses {statuses}\n{self.logs()}"

    def abandon(self):
        """Ends what is left, whatever it answers."""
        self.api.close()
        for each in (self.worker, self.control):
            if each.running:
                each.kill9()

    # ---- what it tells

    def _get(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
                return response.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def workers(self):
        return self.api.get("/v1/workers")

    def metrics(self):
        """Samples of the worker by name with labels, as in `name{a="b"}`."""
        text = self._get(self.metrics_port, "/metrics") or ""
        return {match[1]: float(match[2]) for match in re.finditer(r"^([a-z]\S*|\w+\{.*\}) (\S+)$", text, re.MULTILINE)}

    def metric(self, name, **labels):
        """The sum of a metric over all samples that carry these labels."""
        total = 0.0
        for sample, value in self.metrics().items():
            base, _, rest = sample.partition("{")
            if base == name and all(f'{key}="{wanted}"' in rest for key, wanted in labels.items()):
                total += value
        return total

    def access_log(self):
        try:
            lines = self.access_log_path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def wait_log(self, seconds=5, **fields):
        """The newest access-log record with these fields."""

        def found():
            return next((r for r in reversed(self.access_log()) if all(r.get(k) == v for k, v in fields.items())), None)

        return wait_until(found, seconds, f"an access-log record with {fields}")

    def logs(self):
        return "\n".join(f"---- {each.name}\n{each.log_text()[-6000:]}" for each in (self.control, self.worker))
