"""The table: what is measured, for whom, and the bar that the worker must reach.

A scenario is measured once a round for each proxy and fills one row or more. Those with the same setups share running proxies;
memory and start need fresh ones.
"""

import dataclasses
import functools
import typing

from bench import measure, peers
from bench.peers import Setup

BIG_THREE = ("nginx", "haproxy", "envoy")
ALL = (*BIG_THREE, "nghttpx", "caddy")
SPIKE = ("spike",)

MANY, FEW = 10_000, 10


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The worker's figure is at most so much of the best of these."""

    limit: float
    against: tuple


@dataclasses.dataclass(frozen=True)
class Most:
    """The worker's figure is at most so much, whatever others reach."""

    limit: float


@dataclasses.dataclass(frozen=True)
class Row:
    key: str
    title: str
    unit: str
    bars: tuple = ()


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    rows: tuple
    # measure(site, proxies of one name in the order of `setups`, options); with `fresh` it gets the name instead.
    measure: typing.Callable
    setups: tuple = (Setup(),)
    fresh: bool = False
    most_rounds: int | None = None
    left_out: dict = dataclasses.field(default_factory=dict)


ENGINE_ALONE = {"spike": "the engine alone: no WebSocket, no hosts, one back end"}


def _loaded(name, title, unit, arguments, share, bars, setup=Setup(), left_out=None, **more):
    """A closed loop, judged by CPU per unit."""

    def run(site, proxies, options):
        return measure.closed_loop(site, proxies[0], options, "cpu", arguments, share, **more)

    row = Row("cpu", f"CPU {unit}", unit.split()[0], bars)
    return Scenario(name, title, (row,), run, (setup,), left_out=left_out or {})


def _grpc(name, title, connections, streams, share, bars):
    return _loaded(name, title, "µs per call", ["-c", connections, "-m", streams], share, bars)


def _bulk(name, title, arguments, share, size):
    bars = (Ratio(0.80, ALL),)
    return _loaded(name, title, "s per GiB", arguments, share, bars, bytes_each=size)


def _websocket(name, title, unit, arguments, share, bar, **more):
    return _loaded(name, title, unit, arguments, share, (bar,), left_out=ENGINE_ALONE, tool="ws-load", **more)


def _handshakes(name, title, kind):
    arguments, bars = ["-c", 8, "-N"], (Ratio(1.0, ALL),)
    return _loaded(name, title, "µs per handshake", arguments, 0.04, bars, Setup(kind), ENGINE_ALONE, prime=True)


def _open_loop(site, proxies, options):
    return measure.open_loop(site, proxies[0], options, "cpu", 4_000, 8)


def _idle_grpc(site, name, options):
    return measure.idle_grpc(site, name, options, Setup())


def _idle_websocket(site, name, options):
    return measure.idle_websocket(site, name, options, Setup())


def _hosts(site, proxies, options):
    return measure.many_hosts(site, *proxies, options, FEW, MANY)


def _start(hosts, site, name, options):
    setup = Setup(hosts=hosts)
    return measure.start_time(site, functools.partial(peers.start, site, name, setup), hosts)


def _start_large(site, name, options):
    prepared = peers.large_worker(site, Setup(hosts=MANY), routes=10, certificates=True)
    return measure.start_time(site, prepared.start, MANY)


def _start_rows(seconds, mebibytes):
    return (
        Row("seconds", "seconds to the first TLS handshake", "s", (Most(seconds),)),
        Row("rss", "RSS then", "MiB", (Most(mebibytes),) if mebibytes else ()),
        Row("pss", "PSS then", "MiB"),
    )


WORKER_ALONE = {name: "the worker's own bar" for name in (*ALL, "spike")}

SCENARIOS = [
    _grpc("grpc-8x16", "gRPC unary, 8 connections × 16 streams", 8, 16, 1.0,
          (Ratio(0.20, BIG_THREE), Ratio(0.60, ("nghttpx",)), Ratio(1.6, SPIKE))),
    _grpc("grpc-8x1", "gRPC unary, 8 connections × 1 stream", 8, 1, 0.4,
          (Ratio(0.60, BIG_THREE), Ratio(0.80, ("nghttpx",)), Ratio(1.6, SPIKE))),
    _grpc("grpc-64x1", "gRPC unary, 64 connections × 1 stream", 64, 1, 0.4,
          (Ratio(0.60, BIG_THREE), Ratio(0.80, ("nghttpx",)))),
    Scenario("grpc-4000", "gRPC unary, open loop, 4,000 calls/s over 8 connections",
             (Row("cpu", "CPU µs per call", "µs", (Ratio(0.80, ALL),)),), _open_loop),
    _bulk("response-64k", "gRPC, responses of 64 KiB, 8 × 4", ["-c", 8, "-m", 4, "-P", "/demo.Echo/B65536", "-e", 65536],
          0.10, 65536),
    _bulk("response-1m", "gRPC, responses of 1 MiB, 8 × 1", ["-c", 8, "-P", "/demo.Echo/B1048576", "-e", 1048576],
          0.008, 1048576),
    _bulk("upload-64k", "gRPC, requests of 64 KiB, 8 × 4", ["-c", 8, "-m", 4, "-d", 65536], 0.10, 65536),
    _websocket("ws-64-pingpong", "WebSocket over TLS, 64 B, ping-pong on 8 connections", "µs per message", ["-c", 8], 0.5,
               Ratio(0.95, ALL)),
    _websocket("ws-64-16", "WebSocket over TLS, 64 B, 8 connections × 16 in flight", "µs per message",
               ["-c", 8, "-i", 16], 2.0, Ratio(0.90, ALL)),
    # An echo is 64 KiB in and 64 KiB out again.
    _websocket("ws-64k", "WebSocket over TLS, 64 KiB, 8 connections × 2 in flight", "s per GiB (both directions)",
               ["-c", 8, "-i", 2, "-s", 65536], 0.05, Ratio(1.0, ("envoy",)), bytes_each=2 * 65536),
    _handshakes("handshake-rsa", "full TLS 1.3 handshake and one call, RSA-2048", "rsa"),
    _handshakes("handshake-p256", "full TLS 1.3 handshake and one call, P-256", "p256"),
    Scenario("hosts-10000", "gRPC unary 8 × 16 with 10,000 hosts instead of 10",
             (Row("ratio", "ratio", "×", (Most(1.05),)), Row("few", "CPU µs per call, 10 hosts", "µs"),
              Row("many", "CPU µs per call, 10,000 hosts", "µs")),
             _hosts, (Setup(hosts=FEW), Setup(hosts=MANY)), left_out=ENGINE_ALONE),
    Scenario("idle-h2", "memory of an idle TLS HTTP/2 connection",
             (Row("before", "before the first call", "kB", (Most(12),)),
              Row("after", "after one call and a while", "kB", (Most(16),))),
             _idle_grpc, fresh=True, most_rounds=1),
    Scenario("idle-ws", "memory of an idle TLS WebSocket pair", (Row("pair", "a pair", "KiB", (Most(15),)),),
             _idle_websocket, fresh=True, most_rounds=3, left_out=ENGINE_ALONE),
    Scenario("start-small", "start with 10 hosts", _start_rows(0.05, None), functools.partial(_start, FEW), fresh=True,
             left_out=ENGINE_ALONE),
    Scenario("start-10000", "start with 10,000 hosts", _start_rows(0.1, 60), functools.partial(_start, MANY), fresh=True,
             most_rounds=3, left_out=ENGINE_ALONE),
    Scenario("start-100000", "start with 100,000 routes and 10,000 certificates", _start_rows(2, 400), _start_large,
             fresh=True, most_rounds=3, left_out=WORKER_ALONE),
]  # fmt: skip


def chosen(names):
    """The scenarios of a comma list, in the table's order; all without one."""
    wanted = names.split(",") if names else [each.name for each in SCENARIOS]
    unknown = set(wanted) - {each.name for each in SCENARIOS}
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    return [each for each in SCENARIOS if each.name in wanted]
