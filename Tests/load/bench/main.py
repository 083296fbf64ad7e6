"""Options of scripts/bench, what must be installed and built first, and the order of a run."""

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time

from bench import document, peers, report, run, scenarios
from bench.site import LOAD, ROOT, Site


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the data plane of the worker and of its peers, in interleaved rounds on one machine.",
        epilog="One change of configuration is measured by scripts/bench config, which has a --help of its own.",
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    parser.add_argument("--scenario", metavar="NAME,...", help="these scenarios only")
    parser.add_argument("--only", metavar="NAME,...", help=f"these proxies only, of {', '.join(peers.NAMES)}")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--calls", type=int, default=100_000, help="calls of one measurement at 8 × 16 (100000)")
    parser.add_argument("--connections", type=int, default=5_000, help="idle connections whose memory is taken (5000)")
    parser.add_argument("--hold", type=float, default=60, help="seconds that they idle after one call (60)")
    parser.add_argument("--spike", metavar="EXECUTABLE", help="the engine spike, to be compared too")
    parser.add_argument("--json", metavar="FILE", help="file for all figures")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--enforce", action="store_true", help="fail when a bar is missed")
    parser.add_argument("--junit", metavar="FILE", help="file for scripts/test")
    return parser.parse_args()


def proxy_names(options):
    names = options.only.split(",") if options.only else [each for each in peers.NAMES if each != "spike" or options.spike]
    unknown = set(names) - set(peers.NAMES)
    if unknown:
        raise SystemExit(f"no such proxy: {', '.join(sorted(unknown))}")
    if "spike" in names and not options.spike:
        raise SystemExit("--only spike wants --spike EXECUTABLE")
    return names


def prepare(names):
    """Installs and builds what the chosen proxies take."""
    steps = [". scripts/common.sh", 'need_packages "${build_packages[@]}" "${test_packages[@]}" "${bench_packages[@]}"']
    steps += ["need_venv", "need_bench_venv"]
    if "worker" in names:
        steps.append("build_release binaries")
    subprocess.run(["bash", "-c", " && ".join(steps)], cwd=ROOT, check=True)
    subprocess.run(["make", "-s", "-C", LOAD], check=True)


def version_of(*command):
    try:
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        return (run.stdout + run.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return None


def describe_machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    versions = {
        "nginx": version_of("/usr/sbin/nginx", "-v"),
        "haproxy": version_of("/usr/sbin/haproxy", "-v"),
        "nghttpx": version_of("/usr/sbin/nghttpx", "--version"),
        "envoy": version_of(peers.venv_tool("envoy"), "--version"),
        "caddy": version_of(peers.venv_tool("caddy"), "version"),
    }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "commit": version_of("git", "-C", ROOT, "rev-parse", "--short", "HEAD"),
        "versions": {
            name: version.replace("nginx version: ", "").replace(str(peers.venv_tool("envoy")), "").strip()
            for name, version in versions.items()
            if version
        },
    }


def measured(wanted, names, options):
    """The results of all rounds, in a folder that goes away again."""
    folder = tempfile.mkdtemp(prefix="causeway-bench-")
    site = Site(folder, options.spike)
    try:
        site.start_back_ends()
        return run.run(site, wanted, names, options)
    finally:
        site.end_all()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    options = parse()
    if options.list:
        for each in scenarios.SCENARIOS:
            print(f"{each.name:15} {each.title}")
        return 0
    wanted, names = scenarios.chosen(options.scenario), proxy_names(options)
    prepare(names)
    results = measured(wanted, names, options)
    outcome = report.report(wanted, results, describe_machine(), options)
    document.show(outcome)
    if options.json:
        document.write_json(options.json, outcome)
    if options.write:
        document.write(outcome)
    if options.junit:
        document.write_junit(options.junit, outcome)
    failed = any(entry["errors"] for entry in outcome["scenarios"])
    missed = any(not bar["holds"] for entry in outcome["scenarios"] for row in entry["rows"] for bar in row["bars"])
    return 1 if failed or (options.enforce and missed) else 0
