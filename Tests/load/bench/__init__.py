"""What `scripts/bench` does: the data-plane rows of the table of speeds, of the worker and of its peers, in interleaved rounds.

- `main`       options, the order of everything
- `scenarios`  the table: what is measured, how often, and the bar that it must reach
- `peers`      how each proxy is started, and what it cannot do
- `snapshot`   the worker with thousands of hosts, without an administrator
- `measure`    one measurement of each kind: CPU under load, memory, many hosts, start
- `load`       the load clients of Tests/load, with every answer checked
- `site`       folder, certificates, ports, processes; `clocks` what the kernel says of a process tree
- `report`     medians, ratios, verdicts; `document` puts them into docs/benchmarks.md, JSON and JUnit
"""
