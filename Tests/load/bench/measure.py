"""One measurement of each kind. Each is given what it needs and returns {row: value} and what the load side saw.

CPU is that of the proxy's whole process tree between the gate's opening and the last answer; connections stand and are warm.
"""

import socket
import ssl
import threading
import time

from bench import clocks, peers
from bench.load import Load
from bench.site import AUTHORITY, BenchError, wait_for_port

GIB = 1 << 30
LOAD_KEYS = ("ok", "rate", "p50_us", "p99_us")


def _load_side(result):
    return {key: result[key] for key in LOAD_KEYS}


def _cpu(site, proxy, tool, arguments, count=None, rate=None):
    with Load(site, tool, proxy.port, "-a", AUTHORITY, *arguments) as load:
        before = clocks.cpu_seconds(proxy.process.pid)
        result = load.go(count, rate)
        return clocks.cpu_seconds(proxy.process.pid) - before, result


def closed_loop(site, proxy, options, row, arguments, share, tool="grpc-load", bytes_each=0, prime=False):
    """CPU per call (µs), or with `bytes_each` per GiB of payload (s)."""
    count = max(8, int(options.calls * share))
    warm = max(8, count // 20)
    if prime:  # each call has a connection of its own: the warm ones are a run before
        _cpu(site, proxy, tool, [*arguments, "-n", warm], warm)
        warm = 0
    cpu, result = _cpu(site, proxy, tool, [*arguments, "-n", count, "-w", warm], count)
    value = cpu / (count * bytes_each / GIB) if bytes_each else cpu / count * 1e6
    return {row: value}, _load_side(result)


def open_loop(site, proxy, options, row, rate, connections):
    """CPU per call while calls come at a rate of their own, whatever the answers do."""
    seconds = max(1, options.calls / 20_000)
    arguments = ["-c", connections, "-r", rate, "-T", seconds, "-w", rate // 4]
    cpu, result = _cpu(site, proxy, "grpc-load", arguments, rate=rate)
    if result["ok"] != result["sent"]:
        raise BenchError(f"{result['ok']} answers to {result['sent']} calls")
    return {row: cpu / result["ok"] * 1e6}, _load_side(result)


def idle_grpc(site, name, options, setup):
    """PSS growth per idle TLS h2 connection: before any call; after one call each and a while."""
    count = options.connections
    with _fresh(site, name, setup) as proxy:
        base = clocks.settled_pss(proxy.process.pid)
        arguments = ["-a", AUTHORITY, "-c", count, "-n", count, "-j", 64]
        with Load(site, "grpc-load", proxy.port, *arguments) as load:
            before = clocks.settled_pss(proxy.process.pid) - base
            result = load.go(count)
            threading.Event().wait(options.hold)
            after = clocks.settled_pss(proxy.process.pid) - base
    return {"before": before / count / 1e3, "after": after / count / 1e3}, _load_side(result)


def idle_websocket(site, name, options, setup):
    """PSS growth per idle pair of connections, client to proxy over TLS and proxy to back end; then each must still echo."""
    count = options.connections
    with _fresh(site, name, setup) as proxy:
        base = clocks.settled_pss(proxy.process.pid)
        with Load(site, "ws-load", proxy.port, "-a", AUTHORITY, "-c", count, "-n", count, "-j", 64) as load:
            growth = clocks.settled_pss(proxy.process.pid) - base
            result = load.go(count)
    return {"pair": growth / count / 1024}, _load_side(result)


def many_hosts(site, few, many, options, few_count, many_count):
    """CPU per call with few hosts and with many, one right after the other, and the ratio."""
    values, seen = {}, {}
    for row, proxy, hosts in (("few", few, few_count), ("many", many, many_count)):
        arguments = ["-c", 8, "-m", 16, "-A", hosts]
        figures, seen = closed_loop(site, proxy, options, row, arguments, 0.5)
        values.update(figures)
    values["ratio"] = values["many"] / values["few"]
    return values, seen


def start_time(site, starter, hosts):
    """Seconds from the start of the process to its first TLS handshake, and its memory then; then a call on some hosts."""
    proxy = starter()
    try:
        seconds = _until_handshake(proxy, hosts - 1)
        pss, rss = clocks.memory(proxy.process.pid)
        count = min(hosts, 64)
        with Load(site, "grpc-load", proxy.port, "-a", AUTHORITY, "-c", count, "-n", count, "-A", hosts) as load:
            result = load.go(count)
    finally:
        proxy.stop()
    return {"seconds": seconds, "pss": pss / (1 << 20), "rss": rss / (1 << 20)}, _load_side(result)


def _until_handshake(proxy, host, limit=120):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    name = peers.host_name(host)
    while True:
        if proxy.process.poll() is not None:
            raise BenchError(f"{proxy.name} ended with {proxy.process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", proxy.port), limit) as plain:
                with context.wrap_socket(plain, server_hostname=name) as secure:
                    if secure.selected_alpn_protocol() == "h2":
                        return time.monotonic() - proxy.begun
        except OSError:
            pass
        if time.monotonic() - proxy.begun > limit:
            raise BenchError(f"no TLS handshake within {limit} s")
        threading.Event().wait(0.001)


class _fresh:
    """A proxy that has served nothing yet, for one measurement."""

    def __init__(self, site, name, setup):
        self.site, self.name, self.setup = site, name, setup

    def __enter__(self):
        self.proxy = peers.start(self.site, self.name, self.setup)
        wait_for_port(self.proxy.port, self.proxy.process)
        return self.proxy

    def __exit__(self, *_):
        self.proxy.stop()
