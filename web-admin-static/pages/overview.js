// The overview: what is wrong, the traffic, what is there, what changed last; and for an empty gateway the way to the first call.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, copyable, userOf } from "../parts/cells.js";
import { change } from "../parts/changes.js";
import { whenChanged } from "../parts/events.js";
import { dateTime, number, relative, t } from "../parts/i18n.js";
import { icon } from "../parts/icons.js";
import { sum, whenWorkers } from "../parts/live.js";
import { noteError, problem } from "../parts/notes.js";
import { repeat } from "../parts/repeat.js";
import { address } from "../parts/router.js";
import { told as inWords } from "../parts/server.js";
import { may } from "../parts/session.js";
import { placeOf } from "./listeners.js";
import { routeShown, trafficCharts } from "../parts/traffic.js";
import { calm, verdict } from "../parts/verdict.js";

const STATS_EVERY = 5000;
const LISTS_EVERY = 30_000;
/** Problems told below the first. */
const ALSO = 4;
/** Objects that are looked at where one of a kind is looked for. */
const LOOKED_AT = 20;
/** Certificates that end this soon are told of. */
const SOON = "30d";

function tile(page, count, words) {
  return h("a", { class: "tile", href: address(page) }, icon(page), h("span", { class: "figure" }, number(count)), h("span", { class: "soft" }, words));
}

/** The steps from nothing to the first call, each with the page that does it. */
function guide({ counts, hasDomain }) {
  const steps = [
    ["certificates", counts.certificates], ["domains", hasDomain], ["sources", counts.sources], ["routes", counts.routes],
  ].map(([page, done]) => ({ page, done: Boolean(done) }));
  if (steps.every((each) => each.done) || !may("editor")) return null;
  const next = steps.find((each) => !each.done);
  return h("section", { class: "panel guide" }, h("h2", {}, t("guide.title")), h("p", { class: "lead" }, t("guide.text")),
    h("ol", { class: "steps" }, steps.map((each) => h("li", { class: each.done ? "done" : each === next ? "next" : "" }, h("span", { class: "tick" }, each.done ? icon("check") : ""),
      h("div", {}, h("strong", {}, t(`guide.${each.page}`)), each.done && h("span", { class: "unseen" }, t("guide.done")), h("p", { class: "hint" }, t(`guide.${each.page}.text`))),
      !each.done && h("a", { class: `button ${each === next ? "primary" : ""}`, href: address(each.page, { new: "1" }) }, t(`guide.${each.page}.button`))))));
}

const isGRPC = ({ protocol }) => (protocol ?? "").toUpperCase().startsWith("GRPC");

/** A route to try with its domain, one of gRPC where there is one; null: none at all. */
async function example() {
  const [first, spoken, sources] = await Promise.all([api.routes.page({ pageSize: 1 }), api.routes.page({ q: "grpc", pageSize: LOOKED_AT }), api.sources.page({ q: "grpc", pageSize: LOOKED_AT })]);
  const used = sources.rows.find((each) => isGRPC(each) && each.usedByTotal > 0);
  const grpc = spoken.rows.find(isGRPC) ?? (used && (await api.routes.read(userOf(used.usedBy[0]).name)));
  const route = grpc ?? first.rows[0];
  return route ? { route, grpc: Boolean(grpc), domain: route.domains?.length ? await api.domains.read(route.domains[0]) : null } : null;
}

/** How to call what is there, once everything is. */
function tryIt({ tried, listeners }) {
  if (!tried) return null;
  const { route, grpc, domain } = tried;
  const host = route.domains?.[0] ?? "localhost";
  const secure = (domain?.enableHttps ?? "off") !== "off";
  const name = host.replace(/^\*\./, "www.");
  const listener = listeners.find((each) => each.protocol === (secure ? "https" : "http"));
  if (!listener) return null;
  // Every address is this machine's own, too.
  const gateway = placeOf({ ...listener, address: ["0.0.0.0", "::"].includes(listener.address) ? "127.0.0.1" : listener.address });
  const command = grpc ? `grpcurl ${secure ? "-insecure" : "-plaintext"} -authority ${name} ${gateway} list`
    : `curl ${secure ? `-k --connect-to ${name}:443:${gateway} https://${name}` : `-H 'Host: ${name}' http://${gateway}`}${route.path?.matchType === "REGULAR" ? "/" : route.path?.matchValue ?? "/"}`;
  return h("section", { class: "panel" }, h("h2", {}, t("overview.try")), h("p", { class: "hint" }, t("overview.try.text")), copyable(command));
}

/** A line of what is wrong: where to act, and where to look. */
const problemLine = (each) => h("span", {}, h("a", { href: each.href }, each.words), each.log && ["  ", h("a", { class: "log", href: each.log }, t("access-log"))]);

/** The line at the top: what is wrong, the worst first, or that nothing is. */
function outcome(known) {
  const [first, ...rest] = verdict(known);
  if (!first) return h("section", { class: "panel outcome good", "data-kind": "good" }, h("p", { class: "first mark good" }, icon("check"), h("span", {}, calm(known))), !known.stats.available && h("p", { class: "hint" }, t("overview.noFigures", { reason: inWords(known.stats.reason ?? "") })));
  return h("section", { class: `panel outcome ${first.kind}`, "data-kind": first.kind }, h("p", { class: `first mark ${first.kind}` }, icon("warning"), problemLine(first)),
    rest.length > 0 && h("ul", { class: "also" }, rest.slice(0, ALSO).map((each) => h("li", { class: `mark ${each.kind}` }, problemLine(each))), rest.length > ALSO && h("li", { class: "soft" }, t("more", { n: rest.length - ALSO }))),
    !known.stats.available && h("p", { class: "hint" }, t("overview.noFigures", { reason: inWords(known.stats.reason ?? "") })));
}

/** Each worker with its state and what it serves. */
function workersPanel(workers) {
  return h("section", { class: "panel" }, h("header", { class: "bar small" }, h("h2", {}, t("workers"))),
    workers.length ? h("ul", { class: "recent" }, workers.map((each) => h("li", {}, h("div", {}, h("a", { href: address("workers"), title: each.id }, each.id.slice(0, 12)), " ", badge(t(`worker.state.${each.state}`), each.state === "serving" ? "good" : "warn")),
      h("span", { class: "soft small" }, [t("overview.worker.version", { n: each.version ?? "–" }), t("overview.carries", { connections: number(each.activeConnections ?? 0), streams: number(each.activeStreams ?? 0) }), each.softwareVersion].filter(Boolean).join(" · "))))) : h("p", { class: "soft" }, t("worker.none")));
}

function recent(versions) {
  return h("section", { class: "panel" }, h("header", { class: "bar small" }, h("h2", {}, t("overview.recent")), h("span", { class: "grow" }), h("a", { href: address("versions") }, t("overview.all"))),
    versions.length ? h("ul", { class: "recent" }, versions.slice(0, 6).map((version) => h("li", {}, h("div", {}, version.changes?.length ? change(version.changes[0]) : version.summary, version.changes?.length > 1 && h("span", { class: "soft" }, ` ${t("more", { n: version.changes.length - 1 })}`)),
      h("span", { class: "soft small", title: dateTime(new Date(version.createdAt)) }, `${version.author} · ${relative(Date.parse(version.createdAt))}`)))) : h("p", { class: "soft" }, t("version.empty")));
}

export default () => {
  const body = h("div", { class: "overview" }, h("p", { class: "loading" }, t("loading")));
  const state = h("p", { class: "lead" });
  const top = h("div", { role: "status" });
  const charts = trafficCharts(() => refreshStats());
  let known = null;
  let stats = null;
  let workers = null;
  const workersTold = h("div", {});
  let told = "";
  /** Routes that fail, by name: null for one that is not there any more. */
  const failing = new Map();

  async function lookAtFailing() {
    const names = (stats.lastMinute?.failing ?? []).map((each) => each.route).filter((name) => !failing.has(name)).slice(0, LOOKED_AT);
    await Promise.all(names.map(async (name) => failing.set(name, (await api.routes.page({ q: name, pageSize: LOOKED_AT })).rows.find((each) => each.name === name) ?? null)));
  }

  /** Draws what has changed only: one who reads, or has the focus on a link, is not disturbed. */
  function tell() {
    if (!known || !stats || !workers) return;
    const { kind, text } = sum(workers);
    const serving = workers.filter((each) => each.state === "serving");
    fill(state, h("span", { class: `mark ${kind}` }, text), serving.length ? ` · ${t("overview.carries", { connections: number(serving.reduce((all, each) => all + (each.activeConnections ?? 0), 0)), streams: number(serving.reduce((all, each) => all + (each.activeStreams ?? 0), 0)) })}` : "",
      serving.length > 0 && ` · ${[...new Set(serving.map((each) => each.softwareVersion).filter(Boolean))].join(", ")}`);
    const list = workersPanel(workers);
    if (list.textContent !== workersTold.textContent) fill(workersTold, list);
    const next = outcome({ ...known, routes: [...failing.values()].filter(Boolean), stats, workers });
    if (next.textContent === told) return;
    told = next.textContent;
    fill(top, next);
  }

  async function refreshStats() {
    try {
      const route = routeShown();
      const [all, one] = await Promise.all([api.get("/v1/stats"), route ? api.get(`/v1/stats?${new URLSearchParams({ route })}`) : null]);
      stats = all;
      await lookAtFailing();
      // Another one was chosen meanwhile: its answer follows.
      if (route === routeShown()) charts.show(one ?? all);
      tell();
    } catch (error) {
      if (!stats && !(error instanceof api.Unreachable)) noteError(error);
    }
  }

  async function refresh() {
    try {
      const [domains, soon, certificates, sources, services, routes, tried, listeners, versions, newWorkers, shadowed] = await Promise.all([
        api.domains.page({ pageSize: 2 }), api.certificates.page({ expiringWithin: SOON, pageSize: LOOKED_AT }), ...[api.certificates, api.sources, api.services, api.routes].map(api.count),
        example(), api.listeners.list(), api.versions.list(8), api.workers.list(), api.get("/v1/route-tester/shadowed"),
      ]);
      const before = JSON.stringify(known);
      known = { counts: { domains: domains.total, certificates, sources, services, routes }, hasDomain: domains.rows.some((each) => each.name !== api.ANY_HOST), certificates: soon.rows, tried, listeners, versions, shadowed };
      workers = newWorkers;
      failing.clear();
      if (stats) await lookAtFailing();
      tell();
      if (before === JSON.stringify(known)) return;
      const steps = guide(known);
      fill(body, steps, h("div", { class: "tiles" }, ["routes", "domains", "certificates", "services"].map((page) => tile(page, known.counts[page], t(page)))),
        !steps && charts.element, h("div", { class: "columns" }, recent(versions), h("div", {}, workersTold, !steps && tryIt(known))));
    } catch (error) {
      if (!known) fill(body, h("p", { class: "error" }, problem(error)), h("button", { type: "button", onclick: refresh }, t("again")));
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("overview"))), state, top, body);
  let again = () => {};
  whenWorkers(element, (list) => {
    workers = list;
    tell();
  });
  whenChanged(element, ["version", "certificate"], () => again());
  setTimeout(() => {
    repeat(element, STATS_EVERY, refreshStats);
    again = repeat(element, LISTS_EVERY, refresh);
  });
  return { element, follow: charts.follow };
};
