"""From measurements to verdicts: medians, spread, the worker's ratio to each peer, and whether each bar holds."""

import statistics

from bench.scenarios import Most


class Series:
    """What one proxy reached in one scenario, round by round; or why it did not."""

    def __init__(self, left_out=None):
        self.left_out, self.error = left_out, None
        self.values, self.load = {}, []

    def add(self, values, load):
        for key, value in values.items():
            self.values.setdefault(key, []).append(value)
        self.load.append(load)

    @property
    def measured(self):
        return not self.error and bool(self.values)

    def summary(self, key):
        values = self.values[key]
        middle = statistics.median(values)
        return {
            "values": [round(value, 4) for value in values],
            "median": round(middle, 4),
            "lowest": round(min(values), 4),
            "highest": round(max(values), 4),
            "spread": round((max(values) - min(values)) / middle, 3) if middle else 0,
        }


def ratio(worker, other, key):
    """Round by round, so that what both met in one round cancels out; the median of the rounds."""
    pairs = [(mine, its) for mine, its in zip(worker.values[key], other.values[key]) if its > 0]
    return statistics.median(mine / its for mine, its in pairs) if pairs else None


def verdicts(scenario, row, proxies):
    """[(text, holds)] of the row's bars that this run can judge. A worker that failed has missed them all."""
    worker = proxies.get("worker")
    if worker is None or worker.left_out:
        return []
    found = []
    for bar in row.bars:
        if isinstance(bar, Most):
            name = f"worker, {row.title}"
            if worker.measured:
                value = statistics.median(worker.values[row.key])
                found.append((f"{name}: {value:.3g} {row.unit} (bar {bar.limit:g})", value <= bar.limit))
        else:
            if not any(each in proxies for each in bar.against):
                continue
            against = [each for each in bar.against if each in proxies and proxies[each].measured]
            name = f"worker ÷ best of {', '.join(against) or ', '.join(bar.against)}"
            if worker.measured and against:
                worst = max(ratio(worker, proxies[each], row.key) for each in against)
                found.append((f"{name}: {worst:.2f} (bar {bar.limit:.2f})", worst <= bar.limit))
        if not worker.measured:
            found.append((f"{name}: not measured (bar {bar.limit:g})", False))
    return found


def report(scenarios, results, machine, options):
    """Everything as plain data, for JSON and for the document."""
    entries = []
    for scenario in scenarios:
        proxies = results[scenario.name]
        rows = []
        for row in scenario.rows:
            figures = {}
            for name, series in proxies.items():
                if not series.measured:
                    continue
                figures[name] = series.summary(row.key)
                if "worker" in proxies and proxies["worker"].measured:
                    worker_ratio = ratio(proxies["worker"], series, row.key)
                    figures[name]["worker_ratio"] = None if worker_ratio is None else round(worker_ratio, 3)
            bars = [{"text": text, "holds": holds} for text, holds in verdicts(scenario, row, proxies)]
            rows.append({"key": row.key, "title": row.title, "unit": row.unit, "figures": figures, "bars": bars})
        entries.append(
            {
                "name": scenario.name,
                "title": scenario.title,
                "rows": rows,
                "load": {name: series.load for name, series in proxies.items() if series.load},
                "errors": {name: series.error for name, series in proxies.items() if series.error},
                "left_out": {name: series.left_out for name, series in proxies.items() if series.left_out},
            }
        )
    settings = {key: getattr(options, key) for key in ("rounds", "calls", "connections", "hold")}
    return {"machine": machine, **settings, "scenarios": entries}
