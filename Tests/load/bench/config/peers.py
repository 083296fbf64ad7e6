"""The same change as each peer takes it, from the moment at which it is told until new connections get the new answer.

Clear text on both sides, as many threads as the worker has loops. The host that changes answers by itself with words that
change; all others lead to the gRPC back end. What is written before the peer is told does not count, in the peer's favour.
"""

import json
import os
import signal
import threading
import time

from bench import clocks
from bench.config.measure import MOST_FOR_ONE, Row, figures, loaded, timed
from bench.config.wire import Connection, probe
from bench.config.worker import LOOPS
from bench.peers import venv_tool
from bench.site import LOAD, BenchError, free_port, wait_for_port
from bench.snapshot import host_name

CHANGED = host_name(0)
# New connections in a row that must get the new answer: threads and processes take a change one by one.
IN_A_ROW = 4
PAUSE = 0.0005
# Seconds that old processes get to end between two changes.
MOST_SETTLING = 2


class Peer:
    """One peer with hosts up to `count`. `tell(number)` gives the moment at which it was told of that change."""

    def __init__(self, site, count):
        self.site, self.count = site, count
        self.port, self.load_port = free_port(), free_port()
        self.folder = site.folder / f"{type(self).__name__.lower()}-{self.port}"
        self.folder.mkdir()
        self.changed = self.folder / "changed"
        self.failed = 0
        self.process = None

    def start(self):
        self.process = self.run()
        wait_for_port(self.port, self.process, MOST_FOR_ONE)
        self._wait("change 0")
        self.at_rest = len(clocks.descendants(self.process.pid))
        return self

    def stop(self):
        if self.process:
            self.site.end(self.process)

    def filled(self, file, **values):
        values = {
            "PORT": self.port,
            "LOAD": self.load_port,
            "LOOPS": LOOPS,
            "BACKEND": self.site.backend_port,
            "FOLDER": self.folder,
            "CHANGED": self.changed,
            **values,
        }
        text = (LOAD / "peers" / file).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.folder / file
        path.write_text(text)
        return path

    def others(self):
        return [host_name(number) for number in range(1, self.count)]

    def start_process(self, *command, **environment):
        return self.site.start(command, self.site.proxy_cores, environment)

    def put(self, path, text):
        """Replaces a file by a rename; the moment just before that is given."""
        new = path.with_suffix(".new")
        new.write_text(text)
        begun = time.perf_counter()
        os.replace(new, path)
        return begun

    def change(self, number):
        self.settle()
        begun = self.tell(number)
        return self._wait(f"change {number}") - begun

    def settle(self):
        """Comes before a change and is not counted."""

    def _old_workers_end(self):
        """A master that is told again while it still reloads may miss it."""
        pid, end = self.process.pid, time.monotonic() + MOST_SETTLING
        threading.Event().wait(MOST_SETTLING / 10)
        while len(clocks.descendants(pid)) > self.at_rest and time.monotonic() < end:
            threading.Event().wait(MOST_SETTLING / 100)

    def _wait(self, words):
        """The moment at which the first of enough new connections in a row had the answer."""
        end = time.perf_counter() + MOST_FOR_ONE
        row, first, words = 0, 0.0, words.encode()
        while row < IN_A_ROW:
            seen = probe(self.port, CHANGED)
            now = time.perf_counter()
            if seen is None:
                self.failed += 1
            if seen is not None and words in seen:
                first = first if row else now
                row += 1
                continue
            row = 0
            if now > end:
                raise BenchError(f"the change was not there after {MOST_FOR_ONE} s")
            threading.Event().wait(PAUSE)
        return first


class Nginx(Peer):
    """A file with the one server block, and SIGHUP, which is what `nginx -s reload` sends after it has read everything too."""

    def settle(self):
        self._old_workers_end()

    def text(self, number):
        return (
            f"server {{ listen 127.0.0.1:{self.port}; server_name {CHANGED}; "
            f'location / {{ return 200 "change {number}"; }} }}\n'
        )

    def run(self):
        self.changed.write_text(self.text(0))
        hosts = "\n    ".join(
            f"server {{ listen 127.0.0.1:{self.port}; server_name {name}; location / {{ grpc_pass grpc://greeter; }} }}"
            for name in self.others()
        )
        return self.start_process("/usr/sbin/nginx", "-c", self.filled("config-nginx.conf", HOSTS=hosts))

    def tell(self, number):
        self.put(self.changed, self.text(number))
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGHUP)
        return begun


class Haproxy(Peer):
    """The configuration with the new answer, and SIGUSR2 to the master. Hosts are in a map file, which does not change."""

    def settle(self):
        self._old_workers_end()

    def text(self, number):
        return self.filled(
            "config-haproxy.cfg", MAP=self.folder / "hosts.map", HOST=CHANGED, WORDS=f"change {number}"
        )

    def run(self):
        (self.folder / "hosts.map").write_text("".join(f"{name} greeter\n" for name in self.others()) or "none greeter\n")
        return self.start_process("/usr/sbin/haproxy", "-W", "-f", self.text(0))

    def tell(self, number):
        self.text(number)
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGUSR2)
        return begun


class Envoy(Peer):
    """File-based RDS: the file with all virtual hosts moved into its place."""

    def text(self, number):
        answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": f"change {number}"}}}
        first = json.dumps({"name": CHANGED, "domains": [CHANGED], "routes": [answer]})
        return f"{self.head}{first}{self.tail}"

    def run(self):
        kind = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
        self.head = f'{{"resources":[{{"@type":"{kind}","name":"hosts","virtual_hosts":['
        to = [{"match": {"prefix": "/"}, "route": {"cluster": "greeter", "timeout": "0s"}}]
        others = [json.dumps({"name": name, "domains": [name], "routes": to}) for name in self.others()]
        self.tail = "".join(f",{other}" for other in others) + "]}]}"
        self.changed = self.folder / "hosts.json"
        self.changed.write_text(self.text(0))
        path = self.filled("config-envoy.yaml")
        arguments = ["--concurrency", LOOPS, "--disable-hot-restart", "-l", "error"]
        return self.start_process(venv_tool("envoy"), "-c", path, *arguments)

    def tell(self, number):
        return self.put(self.changed, self.text(number))


class Caddy(Peer):
    """PATCH of the one route at its admin API, which answers when the whole configuration has been taken again."""

    def route(self, number):
        answer = {"handler": "static_response", "body": f"change {number}"}
        return {"@id": "changed", "match": [{"host": [CHANGED]}], "handle": [answer], "terminal": True}

    def run(self):
        admin = free_port()
        proxy = {
            "handler": "reverse_proxy",
            "flush_interval": -1,
            "transport": {"protocol": "http", "versions": ["h2c", "2"]},
            "upstreams": [{"dial": f"127.0.0.1:{self.site.backend_port}"}],
        }
        routes = [{"match": [{"host": [name]}], "handle": [proxy], "terminal": True} for name in self.others()]
        off = {"automatic_https": {"disable": True}}
        servers = {
            "clients": {"listen": [f"127.0.0.1:{self.port}"], "routes": [self.route(0), *routes], **off},
            "load": {
                "listen": [f"127.0.0.1:{self.load_port}"],
                "protocols": ["h1", "h2c"],
                "routes": [{"handle": [proxy]}],
                **off,
            },
        }
        config = {
            "admin": {"listen": f"127.0.0.1:{admin}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"writer": {"output": "stderr"}, "level": "ERROR"}}},
            "apps": {"http": {"servers": servers}},
        }
        path = self.folder / "caddy.json"
        path.write_text(json.dumps(config))
        self.admin = admin
        environment = {
            "GOMAXPROCS": str(LOOPS),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
        }
        return self.start_process(venv_tool("caddy"), "run", "--config", path, **environment)

    def tell(self, number):
        # Its admin listener is new after each change, so each change has a connection of its own.
        connection = Connection(self.admin, f"Origin: http://127.0.0.1:{self.admin}", seconds=MOST_FOR_ONE)
        try:
            begun = time.perf_counter()
            connection.call("PATCH", "/id/changed", self.route(number))
            return begun
        finally:
            connection.close()


PEERS = {"nginx": Nginx, "haproxy": Haproxy, "envoy": Envoy, "caddy": Caddy}
# A peer's change costs up to seconds; so few say enough.
MOST_CHANGES = 10


def measure(site, name, count, options):
    """The row of one peer: one route changed, with `count` routes over as many hosts."""
    row = Row("hosts", "one route, each on a host of its own", count, name)
    peer = PEERS[name](site, count)
    try:
        begun = time.perf_counter()
        peer.start()
        row.costs["filled"] = round(time.perf_counter() - begun, 2)
        changes = min(options.changes, MOST_CHANGES)
        timed(peer.change, 1, 1)
        pid = peer.process.pid
        before, peer.failed = clocks.cpu_with_ended(pid), 0
        taken = timed(peer.change, 1000, changes)
        row.idle = figures(taken)
        row.costs["worker_cpu"] = round((clocks.cpu_with_ended(pid) - before) / len(taken) * 1e6, 1)
        row.loaded = loaded(site, peer.load_port, options.rate, peer.change, 2000, sum(taken))
        calls = row.loaded["calls"]
        calls["failures"]["probes"] = peer.failed
        calls["failed"] += peer.failed
    except Exception as error:  # a peer that cannot is a row that says so
        row.error = str(error) or type(error).__name__
    finally:
        peer.stop()
    return [row]
