"""The rounds: who is measured when. Proxies of one setup run together; the order turns from round to round."""

import itertools
import sys

from bench import peers
from bench.report import Series


def run(site, scenarios, names, options):
    """{scenario: {proxy: Series}}. One failure ends that row for that proxy, and is told."""
    results = {each.name: {} for each in scenarios}
    for key, group in itertools.groupby(scenarios, key=lambda each: (each.fresh, each.setups)):
        group = list(group)
        for scenario in group:
            for name in names:
                results[scenario.name][name] = Series(left_out=scenario.left_out.get(name))
        if key[0]:
            for scenario in group:
                _rounds([scenario], results, names, options, _measure_fresh(site, options))
        else:
            _with_running(site, group, results, names, options, key[1])
    return results


def _with_running(site, group, results, names, options, setups):
    wanted = [name for name in names if any(not results[each.name][name].left_out for each in group)]
    running = [peers.start_all(site, wanted, setup) for setup in setups]
    try:
        for _, failed in running:
            for scenario, (name, error) in itertools.product(group, failed.items()):
                results[scenario.name][name].error = f"did not start: {error}"

        def measure(scenario, name):
            return scenario.measure(site, [proxies[name] for proxies, _ in running], options)

        _rounds(group, results, names, options, measure)
    finally:
        for proxies, _ in running:
            for proxy in proxies.values():
                proxy.stop()


def _measure_fresh(site, options):
    return lambda scenario, name: scenario.measure(site, name, options)


def _rounds(group, results, names, options, measure):
    for turn in range(options.rounds):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for scenario, name in itertools.product(group, order):
            series = results[scenario.name][name]
            if series.left_out or series.error or turn >= (scenario.most_rounds or options.rounds):
                continue
            try:
                values, load = measure(scenario, name)
            except Exception as error:  # whatever ends it ends this row for this proxy, not the comparison
                series.error = str(error) or type(error).__name__
                print(f"round {turn + 1}  {scenario.name:15} {name:8} {series.error}", file=sys.stderr)
                continue
            series.add(values, load)
            figures = "  ".join(f"{row.key} {values[row.key]:.3f} {row.unit}" for row in scenario.rows)
            print(
                f"round {turn + 1}  {scenario.name:15} {name:8} {figures}  ({load['rate']:.0f}/s)",
                file=sys.stderr,
            )
