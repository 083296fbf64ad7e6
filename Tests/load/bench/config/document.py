"""The table "One change" on the screen and in docs/benchmarks.md, and the bars that it is judged by."""

import dataclasses
import xml.etree.ElementTree

from bench import document

MARK = "config"
# Milliseconds by number of routes, while loaded; what is between takes the next larger one's.
BARS = {10: 4, 10_000: 10, 100_000: 20}
MOST_CPU_RATIO = 2


def _milliseconds(figures):
    return f"{document.number(figures['p50'])} / {document.number(figures['p99'])}" if figures else ""


def _amount(row, *keys):
    known = [row.costs[key] for key in keys if key in row.costs]
    return f"{sum(known):,.0f}" if known else ""


def _failed(row):
    if not row.loaded:
        return ""
    calls = row.loaded["calls"]
    return f"{calls['failed']} of {calls['ok'] + calls['failed']:,}, {calls['goaways']}"


def _line(row):
    cells = [row.proxy, f"{row.routes:,}", _milliseconds(row.idle), _milliseconds(row.loaded), _failed(row)]
    if row.proxy == "worker":
        cells += [_amount(row, "control_cpu"), _amount(row, "worker_cpu"), _amount(row, "socket")]
    else:
        cells += ["", _amount(row, "worker_cpu"), ""]
    cells += [_amount(row, "control_disk", "worker_disk")]
    if row.error:
        cells[2] = f"failed: {document.short(row.error)}"
    return f"| {' | '.join(cells)} |"


def told(row):
    """A row in one line, while the others are still measured."""
    said = f"idle {_milliseconds(row.idle)} ms  loaded {_milliseconds(row.loaded)} ms  failed {_failed(row)}"
    costs = "  ".join(f"{key} {value:,.0f}" for key, value in row.costs.items())
    return f"{row.proxy:8} {row.shape:9} {row.routes:7,}  {row.error or said}  {costs}"


def verdicts(rows):
    """[(text, holds)] of the bars that these rows can judge."""
    found = []
    ours = [row for row in rows if row.proxy == "worker" and row.loaded]
    for row in ours:
        if row.shape in ("hosts", "one-host", "default"):
            limit = next((bar for routes, bar in BARS.items() if row.routes <= routes), None)
            value = row.loaded["p50"]
            if limit is not None:
                text = f"{row.title}, {row.routes:,} routes, loaded: {value:.3g} ms (bar {limit})"
                found.append((text, value <= limit))
    if ours:
        keys = ("failed", "goaways", "long_streams_cut")
        harm = [sum(row.loaded["calls"][key] for row in ours) for key in keys]
        text = "failed calls, GOAWAYs and cut streams of the worker while routes changed: {}, {}, {} (bar 0)"
        found.append((text.format(*harm), not any(harm)))
    by_routes = {row.routes: row for row in ours if row.shape == "hosts"}
    if len(by_routes) > 1:
        few, many = (
            by_routes[count].costs["control_cpu"] + by_routes[count].costs["worker_cpu"]
            for count in (min(by_routes), max(by_routes))
        )
        ratio = many / few if few else 0
        text = f"CPU of a change with {max(by_routes):,} routes ÷ {min(by_routes):,}: {ratio:.2f} (bar {MOST_CPU_RATIO})"
        found.append((text, ratio <= MOST_CPU_RATIO))
    return found


def section(rows):
    lines = ["### One change", ""]
    for title in dict.fromkeys(row.title for row in rows):
        lines += [
            f"{title[0].upper()}{title[1:]}:",
            "",
            "| proxy | routes | idle: ms, p50 / p99 | loaded: ms, p50 / p99 | failed calls, GOAWAYs "
            "| control plane: CPU µs | proxy: CPU µs | socket: bytes | disk: bytes |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *(_line(row) for row in rows if row.title == title),
            "",
        ]
    lines += [f"- {text}: {'holds' if holds else '**missed**'}" for text, holds in verdicts(rows)]
    return "\n".join(lines)


def about(machine, options):
    busy = f"; load average {machine['load_average']:.1f} at the start" if "load_average" in machine else ""
    return (
        f"`{machine['date']}`, commit {machine['commit']}, {machine['cpu']}, {machine['cores']} cores, "
        f"Linux {machine['kernel']}{busy}; {options.changes} changes, {options.rate} calls/s while loaded."
    )


def write(rows, machine, options):
    text = document.PATH.read_text()
    text = document.replaced(text, MARK, f"{section(rows)}\n\n{about(machine, options)}")
    document.PATH.write_text(text)


def plain(rows, machine, options):
    bars = [{"text": text, "holds": holds} for text, holds in verdicts(rows)]
    settings = {"changes": options.changes, "rate": options.rate}
    return {"machine": machine, **settings, "rows": [dataclasses.asdict(row) for row in rows], "bars": bars}


def write_junit(path, rows):
    """A test case for each row: it fails where measuring failed. Bars are judged by --enforce."""
    suite = xml.etree.ElementTree.Element("testsuite", name="bench-config")
    for row in rows:
        name = f"{row.proxy}-{row.shape}-{row.routes}"
        case = xml.etree.ElementTree.SubElement(suite, "testcase", classname="bench.config", name=name)
        if row.error:
            xml.etree.ElementTree.SubElement(case, "failure").text = row.error
    xml.etree.ElementTree.ElementTree(suite).write(path)
