"""What a run leaves: tables on the screen and in docs/benchmarks.md, JSON, and JUnit for scripts/test."""

import json
import pathlib
import statistics
import xml.etree.ElementTree

from bench.site import ROOT

PATH = ROOT / "docs/benchmarks.md"


def short(text):
    """An error in one line of a table."""
    return " ".join(str(text).split())[:200].replace("|", "/")


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.2f}"


def _table(entry, row):
    lines = [
        f"| proxy | {row['title']} ({row['unit']}), median | lowest – highest | answers/s | worker ÷ it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figures in sorted(row["figures"].items(), key=lambda item: item[1]["median"]):
        rate = statistics.median(load["rate"] for load in entry["load"][name])
        ratio = figures.get("worker_ratio")
        lines.append(
            f"| {name} | {number(figures['median'])} | {number(figures['lowest'])} – {number(figures['highest'])} "
            f"| {rate:,.0f} | {'' if ratio is None else f'{ratio:.2f}'} |"
        )
    lines += [f"| {name} | failed: {short(error)} | | | |" for name, error in entry["errors"].items()]
    return lines


def section(report, entry):
    """One scenario: its table or tables, who was left out, the verdicts."""
    lines = [f"### {entry['title']}", ""]
    for row in entry["rows"]:
        lines += [*_table(entry, row), ""]
    reasons = {}
    for name, reason in entry["left_out"].items():
        reasons.setdefault(reason, []).append(name)
    lines += [f"- left out: {', '.join(names)} ({reason})" for reason, names in reasons.items()]
    for row in entry["rows"]:
        lines += [f"- {bar['text']}: {'holds' if bar['holds'] else '**missed**'}" for bar in row["bars"]]
    return "\n".join(lines)


def show(report):
    print("\n\n".join(section(report, entry) for entry in report["scenarios"]))


def _about(report):
    machine = report["machine"]
    return (
        f"`{machine['date']}`, commit {machine['commit']}, {machine['cpu']}, {machine['cores']} cores, "
        f"Linux {machine['kernel']}; {report['rounds']} rounds, {report['calls']:,} calls, "
        f"{report['connections']:,} idle connections held for {report['hold']} s."
    )


def write(report):
    """Replaces the sections of the scenarios that were measured, each between marks of its own; others stay as they are."""
    text = PATH.read_text()
    peers = "; ".join(f"{name}: {version}" for name, version in report["machine"]["versions"].items() if version)
    text = replaced(text, "peers", peers)
    for entry in report["scenarios"]:
        text = replaced(text, entry["name"], f"{section(report, entry)}\n\n{_about(report)}")
    PATH.write_text(text)


def replaced(text, name, content):
    begin, end = f"<!-- {name}: written by scripts/bench -->", f"<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"docs/benchmarks.md has no marks for {name}")
    head, rest = text.split(begin)
    return f"{head}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def write_json(path, report):
    pathlib.Path(path).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def write_junit(path, report):
    """A test case for each proxy in each scenario: it fails where measuring failed. Bars are judged by --enforce."""
    suite = xml.etree.ElementTree.Element("testsuite", name="bench")
    for entry in report["scenarios"]:
        for name in [*entry["load"], *(each for each in entry["errors"] if each not in entry["load"])]:
            case = xml.etree.ElementTree.SubElement(suite, "testcase", classname=f"bench.{entry['name']}", name=name)
            if name in entry["errors"]:
                xml.etree.ElementTree.SubElement(case, "failure").text = entry["errors"][name]
    xml.etree.ElementTree.ElementTree(suite).write(path)
