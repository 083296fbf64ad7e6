#!/usr/bin/env python3
"""The tables of docs/conformance.md, made from the tests' own names: which rules hold is what the tests say, nothing else.

usage: table.py            prints what differs and ends with 1 when something does
       table.py --write    writes the sections that belong to these tests; the others stay as they are
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WEBSOCKETS = [HERE.parent / "integration" / f"{name}.py" for name in ("test_rfc6455", "test_websocket_http2")]
DOCUMENT = HERE.parent.parent / "docs/conformance.md"
# Heading, the tests that it lists, and which document a section number belongs to where the test does not say.
SECTIONS = [
    ("HTTP/2 (RFC 9113)", ("test_rfc9113_", "test_rfc7541"), "9113"),
    ("HTTP/1.1", ("test_http1_",), None),
    ("gRPC interoperability", ("test_grpc_interop",), None),
    ("Faults", ("test_faults",), None),
    ("WebSocket", ("test_rfc6455", "test_websocket_http2"), None),
]


def collect():
    """(file, function, case) of each test, in running order."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", str(HERE), *map(str, WEBSOCKETS)],
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"},
    )
    found = re.findall(r"^\S*?(\w+)\.py::(\w+)(?:\[(.*)\])?$", run.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"no tests collected:\n{run.stdout}{run.stderr}")
    return found


def rule_rows(tests, document):
    """A row for each case: its name is `[RFC] SECTION words [= what is expected]`."""
    rows = []
    for file, function, case in tests:
        named = re.fullmatch(r"(?:(\d{4}) )?(\d[\d.]*) (.*?)(?: = (.*))?", case)
        if not named:
            raise SystemExit(f"{file}::{function}[{case}] does not begin with a section")
        rfc, section, words, expected = named.groups()
        rfc = rfc or document
        order = (rfc != document, rfc, [int(part) for part in section.split(".")])
        rows.append((order, f"{rfc} §{section}", words, expected or "holds", f"`{file}::{function}`"))
    rows.sort(key=lambda row: row[0])  # stable: running order inside a section
    yield "| RFC | rule | expected | test |"
    yield "| --- | --- | --- | --- |"
    for _, *cells in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def case_rows(tests):
    """A row for each function, with its cases."""
    cases = {}
    for file, function, case in tests:
        cases.setdefault((file, function), []).append(case)
    yield "| case | with | test |"
    yield "| --- | --- | --- |"
    for (file, function), names in cases.items():
        words = function.removeprefix("test_")
        words = words if file == "test_grpc_interop" else words.replace("_", " ")
        yield f"| {words} | {', '.join(name for name in names if name)} | `{file}::{function}` |"


def websocket_rows(tests):
    """A row for each function, under the line that it stands below in its file."""
    cases = {}
    for file, function, _ in tests:
        cases[file, function] = cases.get((file, function), 0) + 1
    yield "| section | case | runs | test |"
    yield "| --- | --- | --- | --- |"
    for path in WEBSOCKETS:
        section = ""
        for line in path.read_text().splitlines():
            if line.startswith("# ---- "):
                section = line.removeprefix("# ---- ")
            elif (found := re.match(r"def (test_\w+)", line)) and (count := cases.get((path.stem, found[1]))):
                words = found[1].removeprefix("test_").replace("_", " ")
                yield f"| {section} | {words} | {count} | `{path.stem}::{found[1]}` |"


def sections():
    tests = collect()
    for heading, files, document in SECTIONS:
        mine = [test for test in tests if test[0].startswith(files)]
        if heading == "WebSocket":
            rows = websocket_rows(mine)
        else:
            rows = case_rows(mine) if heading in ("gRPC interoperability", "Faults") else rule_rows(mine, document)
        yield heading, "\n".join(rows)


def updated(text):
    """The document with the tables of our sections in place of those that it has; words before a table stay."""
    for heading, table in sections():
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        if not found:
            raise SystemExit(f"{DOCUMENT.name} has no section {heading}")
        words = found[1].split("\n|", 1)[0].strip()
        text = text[: found.start(1)] + f"\n{words}\n\n{table}\n\n" + text[found.end(1) :]
    return text.rstrip() + "\n"


def differences():
    text = DOCUMENT.read_text()
    return list(
        difflib.unified_diff(text.splitlines(), updated(text).splitlines(), "as it is", "as tests are", "", "", 0, "")
    )


def main(arguments):
    if arguments == ["--write"]:
        DOCUMENT.write_text(updated(DOCUMENT.read_text()))
        return 0
    found = differences()
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
