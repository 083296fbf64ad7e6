// The charts of the overview, over the last five minutes or the last hour, of everything or of one route. Which stands in the address.

import { routes } from "../api.js";
import { h } from "../dom.js";
import { chart } from "./chart.js";
import { suggest } from "./choice.js";
import { flagWords, grpcWords } from "./flags.js";
import { duration, number, t } from "./i18n.js";
import { adjust, here } from "./router.js";

const MOST = 5;
const REASONS = ["bad", "warn", "four", "five", "six"];
const CLASSES = [["2xx", "good"], ["3xx", "two"], ["4xx", "warn"], ["5xx", "bad"], ["0xx", "soft"]];

const perSecond = (value) => number(value, value < 10 ? 2 : 0);
const milliseconds = (value) => (value < 10 ? `${number(value, 2)} ${t("unit.ms")}` : duration(value));
const highest = (values) => values.reduce((top, each) => (each !== null && each > top ? each : top), 0);

/** What a chart says to those who do not see it: the newest value and the highest of each line. */
const describe = (format) => (times, series) => series.map(({ label, values }) => t("chart.line", { label, now: values.at(-1) === null ? "–" : format(values.at(-1)), most: format(highest(values)) })).join(" ");

/** The most frequent keys of a member over all points, each as a line; the rest as one. */
function ranked(points, member, label, tones) {
  const totals = new Map();
  for (const point of points) for (const [key, value] of Object.entries(point[member] ?? {})) totals.set(key, (totals.get(key) ?? 0) + value * point.seconds);
  const order = [...totals].filter(([, total]) => total > 0).sort((one, two) => two[1] - one[1]).map(([key]) => key);
  const line = (key, text, tone, value) => ({ key, label: text, tone, values: points.map(value) });
  const shown = order.slice(0, MOST).map((key, at) => line(key, label(key), tones(key, at), (point) => point[member]?.[key] ?? 0));
  const rest = order.slice(MOST);
  return rest.length ? [...shown, line("rest", t("chart.rest"), "soft", (point) => rest.reduce((sum, key) => sum + (point[member]?.[key] ?? 0), 0))] : shown;
}

/** The route whose traffic is wanted; null: everything. */
export const routeShown = () => here().params.get("route");

/** `changed()` is called when another route is wanted. */
export function trafficCharts(changed) {
  const make = (name, format, more = {}) => chart({ title: t(`chart.${name}`), describe: describe(format), format, ...more });
  const requests = make("requests", perSecond, { stacked: true });
  const errors = make("errors", perSecond, { stacked: true });
  const latency = make("latency", milliseconds);
  const grpc = make("grpc", perSecond, { stacked: true });
  const open = make("open", (value) => number(value), { whole: true });
  let stats = null;

  const range = () => (here().params.get("range") === "hour" ? "hour" : "recent");
  const choice = h("div", { class: "segments", role: "group", "aria-label": t("chart.range") }, ["recent", "hour"].map((each) =>
    h("button", { type: "button", "data-range": each, onclick: () => { adjust({ range: each === "hour" ? each : null }); draw(); } }, t(`chart.range.${each}`))));

  const names = h("datalist", { id: "traffic-routes" });
  const field = h("input", { type: "search", class: "search short", list: names.id, placeholder: t("chart.route"), "aria-label": t("chart.route"), autocomplete: "off", spellcheck: "false", value: routeShown() ?? "" });

  function want(name) {
    if (name === routeShown()) return;
    adjust({ route: name });
    changed();
  }

  // Whole names only: what is being typed asks for nothing.
  suggest(field, names, routes, { found: (list) => list.includes(field.value.trim()) && want(field.value.trim()) });
  field.addEventListener("input", () => field.value.trim() || want(null));

  function draw() {
    for (const each of [errors, open]) each.element.hidden = Boolean(stats?.route);
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.dataset.range === range()));
    if (!stats) return;
    const points = stats[range()];
    const times = points.map((each) => new Date(each.at));
    const waiting = t(points.length < 2 && range() === "hour" ? "chart.wait.hour" : "chart.wait");
    const line = (key, tone) => ({ key, label: t(`chart.${key}`), tone, values: points.map((each) => each[key] ?? null) });
    const show = (which, series, nothing = waiting) => which.show(times, series, times.length < 2 ? waiting : nothing);
    const classes = CLASSES.map(([key, tone]) => ({ key, label: key === "0xx" ? t("chart.none") : key, tone, values: points.map((each) => each.statusClasses[key] ?? 0) })).filter(({ key, values }) => key === "2xx" || values.some(Boolean));
    show(requests, classes);
    show(errors, ranked(points, "errors", flagWords, (_, at) => REASONS[at]), t("chart.errors.none"));
    show(latency, points.some((each) => each.p50 !== null) ? [line("p99", "warn"), line("p90", "two"), line("p50", "one")] : [], t("chart.latency.none"));
    show(grpc, ranked(points, "grpcStatuses", grpcWords, (code, at) => (code === "0" ? "good" : REASONS[at % REASONS.length])), t("chart.grpc.none"));
    show(open, [line("connections", "soft"), line("streams", "one"), line("webSockets", "six")]);
  }

  const element = h("section", { class: "traffic", "aria-label": t("chart.traffic") }, h("header", { class: "bar small" }, h("h2", {}, t("chart.traffic")), h("span", { class: "grow" }), field, names, choice),
    h("div", { class: "charts" }, requests.element, errors.element, latency.element, grpc.element, open.element));
  return {
    element,
    follow() {
      if (field.value !== (routeShown() ?? "")) field.value = routeShown() ?? "";
      draw();
      if ((stats?.route ?? null) !== routeShown()) changed();
    },
    show(newStats) {
      stats = newStats;
      draw();
    },
  };
}
