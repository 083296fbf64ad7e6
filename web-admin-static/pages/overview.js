// The overview: what is there, what needs a look, what changed last; and for an empty gateway the way to the first call.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { copyable, expiryKind, moment } from "../parts/cells.js";
import { change } from "../parts/changes.js";
import { whenBack } from "../parts/connection.js";
import { dateTime, number, relative, t } from "../parts/i18n.js";
import { icon } from "../parts/icons.js";
import { sum, whenWorkers } from "../parts/live.js";
import { problem } from "../parts/notes.js";
import { may } from "../parts/session.js";
import { address } from "../parts/router.js";

function tile(page, count, words) {
  return h("a", { class: "tile", href: address(page) }, icon(page), h("span", { class: "figure" }, number(count)), h("span", { class: "soft" }, words));
}

/** The steps from nothing to the first call, each with the page that does it. */
function guide({ certificates, domains, sources, routes }) {
  const steps = [
    ["certificates", certificates.length], ["domains", domains.some((each) => each.name !== api.ANY_HOST)], ["sources", sources.length], ["routes", routes.length],
  ].map(([page, done]) => ({ page, done: Boolean(done) }));
  if (steps.every((each) => each.done) || !may("editor")) return null;
  const next = steps.find((each) => !each.done);
  return h("section", { class: "panel guide" }, h("h2", {}, t("guide.title")), h("p", { class: "lead" }, t("guide.text")),
    h("ol", { class: "steps" }, steps.map((each) => h("li", { class: each.done ? "done" : each === next ? "next" : "" }, h("span", { class: "tick" }, each.done ? icon("check") : ""),
      h("div", {}, h("strong", {}, t(`guide.${each.page}`)), each.done && h("span", { class: "unseen" }, t("guide.done")), h("p", { class: "hint" }, t(`guide.${each.page}.text`))),
      !each.done && h("a", { class: `button ${each === next ? "primary" : ""}`, href: address(each.page, { new: "1" }) }, t(`guide.${each.page}.button`))))));
}

/** How to call what is there, once everything is. */
function tryIt({ domains, routes, sources }) {
  const grpc = routes.find((each) => (each.protocol ?? "").toUpperCase().startsWith("GRPC") || sources.some((source) => `${source.name}.${source.type}` === each.services?.[0]?.name && (source.protocol ?? "").startsWith("grpc")));
  const route = grpc ?? routes[0];
  if (!route) return null;
  const host = route.domains?.[0] ?? "localhost";
  const secure = domains.find((each) => each.name === host && (each.enableHttps ?? "off") !== "off");
  const name = host.replace(/^\*\./, "www.");
  const gateway = secure ? "127.0.0.1:8443" : "127.0.0.1:8000";
  const command = grpc ? `grpcurl ${secure ? "-insecure" : "-plaintext"} -authority ${name} ${gateway} list`
    : `curl ${secure ? `-k --connect-to ${name}:443:${gateway} https://${name}` : `-H 'Host: ${name}' http://${gateway}`}${route.path?.matchType === "REGULAR" ? "/" : route.path?.matchValue ?? "/"}`;
  return h("section", { class: "panel" }, h("h2", {}, t("overview.try")), h("p", { class: "hint" }, t("overview.try.text")), copyable(command));
}

function attention({ certificates, shadowed, workers }) {
  const ends = certificates.map((each) => ({ name: each.name, end: moment(each.validityEnd) })).filter(({ end }) => end && expiryKind(end) !== "good").sort((one, two) => one.end - two.end);
  const told = [
    ...workers.flatMap((worker) => [worker.heldBack?.length && ["bad", t("overview.heldBack", { worker: worker.id, n: worker.heldBack.length }), address("workers")], worker.degraded?.length && ["warn", t("overview.degraded", { worker: worker.id, n: worker.degraded.length }), address("workers")]]).filter(Boolean),
    ...(workers.some((each) => each.state === "serving") ? [] : [["bad", t("overview.noWorker"), address("workers")]]),
    ...(shadowed.length ? [["warn", t("tester.shadowed", { n: shadowed.length }), address("tester")]] : []),
    ...ends.map(({ name, end }) => [expiryKind(end), t(end < Date.now() ? "overview.expired" : "overview.expires", { name, when: relative(end) }), address("certificates", { edit: name })]),
  ];
  return h("section", { class: "panel" }, h("h2", {}, t("overview.attention")),
    told.length ? h("ul", { class: "attention" }, told.map(([kind, words, href]) => h("li", { class: `mark ${kind}` }, icon("warning"), h("a", { href }, words)))) : h("p", { class: "mark good" }, icon("check"), t("overview.fine")));
}

function recent(versions) {
  return h("section", { class: "panel" }, h("header", { class: "bar small" }, h("h2", {}, t("overview.recent")), h("span", { class: "grow" }), h("a", { href: address("versions") }, t("overview.all"))),
    versions.length ? h("ul", { class: "recent" }, versions.slice(0, 6).map((version) => h("li", {}, h("div", {}, version.changes?.length ? change(version.changes[0]) : version.summary, version.changes?.length > 1 && h("span", { class: "soft" }, ` ${t("more", { n: version.changes.length - 1 })}`)),
      h("span", { class: "soft small", title: dateTime(new Date(version.createdAt)) }, `${version.author} · ${relative(Date.parse(version.createdAt))}`)))) : h("p", { class: "soft" }, t("version.empty")));
}

export default () => {
  const body = h("div", { class: "overview" }, h("p", { class: "loading" }, t("loading")));
  const state = h("p", { class: "lead" });
  const notice = h("div", {});
  let known = null;

  function tell(workers) {
    const { kind, text } = sum(workers);
    const serving = workers.filter((each) => each.state === "serving");
    fill(state, h("span", { class: `mark ${kind}` }, text), serving.length ? ` · ${t("overview.carries", { connections: number(serving.reduce((all, each) => all + (each.activeConnections ?? 0), 0)), streams: number(serving.reduce((all, each) => all + (each.activeStreams ?? 0), 0)) })}` : "");
    if (known) fill(notice, attention({ ...known, workers }));
  }

  async function refresh() {
    try {
      const [domains, certificates, sources, services, routes, versions, workers, shadowed] = await Promise.all([api.domains.list(), api.certificates.list(), api.sources.list(), api.services.list(), api.routes.list(), api.versions.list(8), api.workers.list(), api.get("/v1/route-tester/shadowed")]);
      known = { domains, certificates, sources, routes, shadowed };
      tell(workers);
      const steps = guide(known);
      fill(body, steps, h("div", { class: "tiles" }, tile("routes", routes.length, t("routes")), tile("domains", domains.length, t("domains")), tile("certificates", certificates.length, t("certificates")), tile("services", services.length, t("services"))),
        h("div", { class: "columns" }, h("div", {}, notice, !steps && tryIt(known)), recent(versions)));
    } catch (error) {
      if (!known) fill(body, h("p", { class: "error" }, problem(error)), h("button", { type: "button", onclick: refresh }, t("again")));
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("overview"))), state, body);
  whenWorkers(element, tell);
  whenBack(element, refresh);
  refresh();
  return { element };
};
