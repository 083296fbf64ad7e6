"""Options of `scripts/bench config` and the order of its run: by number of routes, each proxy alone, one after the other."""

import argparse
import os
import shutil
import sys
import tempfile

from bench import document as scenario_document
from bench.config import document, peers, worker
from bench.main import describe_machine, prepare
from bench.site import Site

NAMES = ["worker", *peers.PEERS]
# How many routes share one host, one service or one apply: as many as asked for, up to this.
SHARED = 10_000


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench config",
        description="Measures one change of configuration, from the write until every loop serves it, with many routes; "
        "idle and while calls come at a fixed rate; beside the reload, file or API of the peers. Clear text.",
    )
    parser.add_argument(
        "--routes", metavar="N,...", default="10,1000,10000,100000", help="numbers of routes (10,1000,10000,100000)"
    )
    parser.add_argument("--only", metavar="NAME,...", help=f"these proxies only, of {', '.join(NAMES)}")
    parser.add_argument("--changes", metavar="N", type=int, default=200, help="changes of one measurement; peers at most 10 (200)")
    parser.add_argument("--rate", metavar="N", type=int, default=500, help="calls a second while loaded (500)")
    parser.add_argument("--json", metavar="FILE", help="file for all figures")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--enforce", action="store_true", help="fail when a bar is missed")
    parser.add_argument("--junit", metavar="FILE", help="file for scripts/test")
    options = parser.parse_args(arguments)
    try:
        options.routes = sorted({int(part) for part in options.routes.split(",")})
    except ValueError:
        parser.error("--routes wants numbers")
    # Hosts have five digits, of the same length in every proxy's configuration.
    if not all(1 <= count <= 100_000 for count in options.routes) or options.changes < 1 or options.rate < 1:
        parser.error("--routes wants 1 to 100000, --changes and --rate at least 1")
    names = options.only.split(",") if options.only else NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such proxy: {', '.join(sorted(unknown))}")
    return options, names


def measured(site, names, options):
    rows, shared = [], max((count for count in options.routes if count <= SHARED), default=SHARED)

    def add(found):
        for row in found:
            print(document.told(row), file=sys.stderr)
        rows.extend(found)

    for count in options.routes:
        for name in names:
            if name == "worker":
                more = ("cluster", "apply") if count == shared else ()
                add(worker.measure(site, worker.Layout("hosts", count), options, more))
            elif not any(row.error for row in rows if row.proxy == name):  # what was too much stays too much
                add(peers.measure(site, name, count, options))
    if "worker" in names:
        for kind in ("one-host", "default"):
            add(worker.measure(site, worker.Layout(kind, shared), options))
    return rows


def main(arguments):
    options, names = parse(arguments)
    prepare(names)
    machine = {**describe_machine(), "load_average": os.getloadavg()[0]}
    folder = tempfile.mkdtemp(prefix="causeway-bench-")
    site = Site(folder)
    # A change goes through several processes; where they run is left to the kernel.
    site.load_cores = site.proxy_cores = os.sched_getaffinity(0)
    try:
        site.start_back_ends()
        rows = measured(site, names, options)
    finally:
        site.end_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(document.section(rows))
    if options.json:
        scenario_document.write_json(options.json, document.plain(rows, machine, options))
    if options.write:
        document.write(rows, machine, options)
    if options.junit:
        document.write_junit(options.junit, rows)
    missed = any(not holds for _, holds in document.verdicts(rows))
    failed = any(row.error for row in rows)
    return 1 if failed or (options.enforce and missed) else 0
