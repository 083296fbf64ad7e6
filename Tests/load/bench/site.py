"""Where a comparison takes place: a folder, certificates, two sets of cores, back ends, and the processes that must end with it."""

import ctypes
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time

LOAD = pathlib.Path(__file__).resolve().parent.parent
ROOT = LOAD.parent.parent
AUTHORITY = "demo.kubesre.com"
# Kinds of key, as openssl names them.
KEYS = {"rsa": ["rsa:2048"], "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}


class BenchError(Exception):
    """What was to be measured could not be: the row says so."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BenchError(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            threading.Event().wait(0.01)
    raise BenchError(f"{process.args[0]} does not listen on {port}")


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Certificate:
    """Self-signed, for the authority and every host below it."""

    def __init__(self, folder, kind):
        self.path, self.key, self.bundle = (folder / f"{kind}-{part}.pem" for part in ("cert", "key", "bundle"))
        names = f"subjectAltName=DNS:{AUTHORITY},DNS:*.{AUTHORITY}"
        command = ["openssl", "req", "-x509", "-newkey", *KEYS[kind], "-nodes", "-keyout", self.key, "-out", self.path]
        command += ["-days", "7", "-subj", f"/CN={AUTHORITY}", "-addext", names]
        subprocess.run(command, check=True, capture_output=True)
        self.bundle.write_text(self.path.read_text() + self.key.read_text())


class Site:
    def __init__(self, folder, spike=None):
        self.folder, self.spike = pathlib.Path(folder), spike
        self.processes = []
        self.prepared = {}  # workers with large disk copies, by setup
        cores = sorted(os.sched_getaffinity(0))
        self.load_cores, self.proxy_cores = {cores[0]}, {cores[-1]}
        # A WebSocket pair takes two descriptors of a proxy; children inherit the limit.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.certificates = {kind: Certificate(self.folder, kind) for kind in KEYS}
        # The spike knows one back end only.
        self.backend_port = 50051 if spike else free_port()
        self.websocket_port = free_port()

    def start_back_ends(self):
        for name, port in (("grpc-backend", self.backend_port), ("ws-backend", self.websocket_port)):
            wait_for_port(port, self.start([LOAD / "bin" / name, port], self.load_cores))

    def start(self, command, cores, environment=None, **more):
        def child():
            os.sched_setaffinity(0, cores)
            _end_with_parent()

        with open(self.folder / f"{pathlib.Path(command[0]).name}.log", "ab") as log:
            more.setdefault("stdout", log)
            process = subprocess.Popen(
                [str(part) for part in command],
                stderr=log,
                preexec_fn=child,
                env={**os.environ, **(environment or {})},
                **more,
            )
        self.processes.append(process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)

    def end_all(self):
        for process in list(reversed(self.processes)):
            self.end(process)
