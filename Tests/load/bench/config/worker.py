"""The gateway's own changes: control plane and worker with two loops, put up by one `POST /v1/apply`, changed by single writes
with `?wait=live`, whose answer comes when every loop serves the change."""

import random
import time

from integration.api import route
from integration.gateway import Gateway
from integration.waiting import wait_until

from bench import clocks
from bench.config.measure import CHECK_EVERY, LONG_STREAMS, Row, figures, loaded, timed
from bench.config.wire import Backend, Connection, Relay, probe
from bench.site import AUTHORITY, BenchError
from bench.snapshot import host_name

LOOPS = 2
DEFAULT_DOMAIN = "higress-default-domain"
ONE_HOST = f"one.{AUTHORITY}"
# How many routes one apply changes, and how often that is done at most.
BATCH, MOST_BATCHES = 1000, 10
COUNTED = 10
LIVE = "?wait=live&timeout=60s"


class Layout:
    """`count` routes: over as many hosts, on one host, or on the default domain. A host's routes differ in their path."""

    def __init__(self, kind, count):
        self.kind, self.count = kind, count

    def domains(self):
        names = {"hosts": [host_name(number) for number in range(self.count)], "one-host": [ONE_HOST]}
        return names.get(self.kind, [DEFAULT_DOMAIN])

    def place(self, number):
        """(host, path) that lead to the route of that number."""
        if self.kind == "hosts":
            return host_name(number), "/"
        return (ONE_HOST if self.kind == "one-host" else "any.test"), f"/p{number:06}"

    def route(self, number, words=None):
        host, path = self.place(number)
        domains = [DEFAULT_DOMAIN] if self.kind == "default" else [host]
        more = {"mock": {"enabled": True, "status": 200, "content": words}} if words else {}
        return route(f"r{number:06}", domains, "shared.static", path, **more)


class ChangedGateway:
    """A gateway with a layout, and the connection on which it is changed."""

    def __init__(self, site, layout):
        self.site, self.layout = site, layout
        self.folder = site.folder / f"config-{time.monotonic_ns()}"
        self.gateway = Gateway(self.folder, loops=LOOPS, access_log="off")
        self.backends = [Backend(f"back end {number}") for number in range(2)]
        self.random = random.Random(layout.count)

    def __enter__(self):
        try:
            self.gateway.start()
            asked = {"name": "bench", "role": "editor"}
            token = self.gateway.api.expect(201, "POST", "/v1/tokens", asked).json()["token"]
            self.admin = Connection(self.gateway.admin_port, f"Authorization: Bearer {token}")
            begun = time.perf_counter()
            self._live("POST", "/v1/apply", self._document())
            self.filled = time.perf_counter() - begun
        except BaseException:
            self.gateway.abandon()
            raise
        return self

    def __exit__(self, kind, *_):
        for each in self.backends:
            each.close()
        if kind:
            self.gateway.abandon()
        else:
            self.admin.close()
            self.gateway.stop()

    def _source(self, backend):
        return {
            "name": "shared",
            "type": "static",
            "domain": f"127.0.0.1:{self.backends[backend].port}",
            "port": 80,
            "protocol": "http",
        }

    def _document(self):
        load = f"127.0.0.1:{self.site.backend_port}"
        routes = [route("load", [AUTHORITY], "grpc.static", protocol="GRPC")]
        return {
            "serviceSources": [
                {"name": "grpc", "type": "static", "domain": load, "port": 80, "protocol": "grpc"},
                self._source(0),
            ],
            "domains": [{"name": name, "enableHttps": "off"} for name in (AUTHORITY, *self.layout.domains())],
            "routes": routes + [self.layout.route(number) for number in range(self.layout.count)],
        }

    def _live(self, method, path, body):
        """Seconds until every loop served it; an error when it did not come to that."""
        begun = time.perf_counter()
        head, _ = self.admin.call(method, path + LIVE, body)
        taken = time.perf_counter() - begun
        if b"\r\ncauseway-live: true" not in head:
            live = head.partition(b"\r\ncauseway-live: ")[2].split(b"\r\n")[0].decode()
            raise BenchError(f"{method} {path} did not go live: {live or 'no word'}")
        return taken

    def _check(self, place, words):
        seen = probe(self.gateway.http_port, *place)
        if seen != words.encode():
            raise BenchError(f"{''.join(place)} answers {seen!r} after a change to {words!r} that is live")

    # ---- changes: each takes a number, never the same twice, and gives seconds

    def change_route(self, number):
        which, words = self.random.randrange(self.layout.count), f"change {number}"
        changed = self.layout.route(which, words)
        taken = self._live("PUT", f"/v1/routes/{changed['name']}", changed)
        if number % CHECK_EVERY == 0:
            self._check(self.layout.place(which), words)
        return taken

    def change_cluster(self, number):
        taken = self._live("PUT", "/v1/service-sources/shared", self._source(number % 2))
        if number % CHECK_EVERY == 0:
            self._check(self.layout.place(0), f"back end {number % 2}")
        return taken

    def change_many(self, number):
        size = min(BATCH, self.layout.count)
        words = f"apply {number}"
        changed = [self.layout.route(which, words) for which in range(size)]
        taken = self._live("POST", "/v1/apply", {"routes": changed})
        self._check(self.layout.place(size - 1), words)
        return taken

    # ---- what is measured

    def measure(self, row, change, options, count):
        """Fills a row: some changes to warm up, then idle with the costs, then while loaded."""
        timed(change, 1, max(2, count // 20))
        before, first = self._spent(), 1000
        taken = timed(change, first, count)
        row.idle = figures(taken)
        row.costs = {key: round((value - before[key]) / len(taken), 1) for key, value in self._spent().items()}
        port, next_one = self.gateway.http_port, first + count
        row.loaded = loaded(self.site, port, options.rate, change, next_one, sum(taken), LONG_STREAMS)

    def _spent(self):
        control, worker = self.gateway.control.pid, self.gateway.worker.pid
        return {
            "control_cpu": clocks.cpu_seconds(control) * 1e6,
            "worker_cpu": clocks.cpu_seconds(worker) * 1e6,
            "control_disk": clocks.disk_bytes(control),
            "worker_disk": clocks.disk_bytes(worker),
        }

    def count_socket(self, row, change):
        """Bytes between the processes per change: they speak through a relay for it, so this comes last."""
        path = self.folder / "relay.sock"
        relay = Relay(path, self.gateway.channel)
        worker = self.gateway.worker
        if worker.stop() != 0:
            raise BenchError(f"the worker ended badly:\n{worker.log_text()[-2000:]}")
        worker.command[worker.command.index("--channel") + 1] = str(path)
        self.gateway.start_worker()
        try:
            wait_until(lambda: any(each["state"] == "serving" for each in self.gateway.workers()), 60, "the worker's return")
            timed(change, 900_000, 2)
            before = relay.down + relay.up
            taken = timed(change, 900_010, COUNTED)
            row.costs["socket"] = round((relay.down + relay.up - before) / len(taken), 1)
        finally:
            worker.stop()
            relay.close()

    def restore(self, which=0):
        """Lets one route go to the shared service again, so that a change of the cluster is seen there."""
        restored = self.layout.route(which)
        self._live("PUT", f"/v1/routes/{restored['name']}", restored)


def measure(site, layout, options, more=()):
    """The rows of one layout: single changes of routes, and `more` of "cluster" and "apply"."""
    titles = {
        "hosts": "one route, each on a host of its own",
        "one-host": "one route, all on one host",
        "default": "one route, all on the default domain",
        "cluster": "a service that all routes use",
        "apply": f"{min(BATCH, layout.count):,} routes in one apply",
    }
    kinds = [layout.kind, *more]
    rows = {kind: Row(kind, titles[kind], layout.count, "worker") for kind in kinds}
    try:
        with ChangedGateway(site, layout) as changed:
            for kind in kinds:
                if kind == "cluster":
                    changed.restore()
                count = min(options.changes, MOST_BATCHES) if kind == "apply" else options.changes
                ways = {"cluster": changed.change_cluster, "apply": changed.change_many}
                changed.measure(rows[kind], ways.get(kind, changed.change_route), options, count)
                rows[kind].costs["filled"] = round(changed.filled, 2)
            changed.count_socket(rows[layout.kind], changed.change_route)
    except Exception as error:  # what ends these rows must not end the others
        unfinished = [row for row in rows.values() if not row.loaded] or [rows[layout.kind]]
        for row in unfinished:
            row.error = str(error) or type(error).__name__
    return list(rows.values())
