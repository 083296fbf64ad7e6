// Workers: which processes serve, which version each serves, and what is wrong with it, in words that say what it means.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { whenBack } from "../parts/connection.js";
import { dateTime, number, relative, t } from "../parts/i18n.js";
import { emptyState } from "../parts/list.js";
import { whenWorkers } from "../parts/live.js";
import { problem } from "../parts/notes.js";
import { address } from "../parts/router.js";

const PAGES = { route: "routes", virtualHost: "domains", tlsIdentity: "certificates", cluster: "sources" };

/** An object of the snapshot by the page's word for it, with a link to it where it has a page. */
function objectName({ kind, name }) {
  const page = PAGES[kind];
  const words = t(`object.${kind ?? "other"}`);
  if (!page || !name) return `${words} ${name ?? ""}`;
  return [`${words} `, h("a", { href: page === "sources" ? address(page, { q: name.split(".")[0] }) : address(page, { edit: name }) }, name)];
}

function problems(title, text, entries) {
  if (!entries?.length) return null;
  return h("div", { class: "aside bad" }, h("strong", {}, title), h("p", {}, text), h("ul", {}, entries.map((each) => h("li", {}, objectName(each),
    each.reason && `: ${each.reason}`, each.reasons?.length > 0 && `: ${each.reasons.map((reason) => [reason.field, reason.reason].filter(Boolean).join(" ")).join("; ")}`,
    each.keepsLastForm !== undefined && h("span", { class: "soft" }, ` — ${t(each.keepsLastForm ? "worker.keeps" : "worker.leftOut")}`)))));
}

function card(worker) {
  const last = worker.lastNack && (!worker.lastAck || worker.lastNack.version > worker.lastAck.version) ? worker.lastNack : null;
  return h("article", { class: "panel worker", "data-name": worker.id },
    h("header", {}, h("h2", {}, worker.id), badge(t(`worker.state.${worker.state}`), worker.state === "serving" ? "good" : "warn"), worker.publishing ? badge(t("worker.publishing", { version: worker.publishing }), "warn") : null),
    h("p", { class: "hint" }, t(`worker.state.${worker.state}.text`)),
    facts([t("worker.version"), worker.version === null ? null : String(worker.version)], [t("worker.connections"), number(worker.activeConnections ?? 0)], [t("worker.streams"), number(worker.activeStreams ?? 0)],
      [t("worker.since"), worker.connectedSince && h("span", { title: dateTime(worker.connectedSince) }, relative(worker.connectedSince))],
      [t("worker.software"), worker.softwareVersion], [t("worker.pid"), worker.pid]),
    problems(t("worker.degraded"), t("worker.degraded.text"), worker.degraded),
    problems(t("worker.heldBack"), t("worker.heldBack.text"), worker.heldBack),
    last && problems(t("worker.refused", { version: last.version }), t("worker.refused.text"), last.reasons));
}

export default () => {
  const body = h("div", { class: "cards-list" }, h("p", { class: "loading" }, t("loading")));

  function show(list) {
    fill(body, list.length ? list.map(card) : emptyState("workers", t("worker.none"), t("worker.none.text")));
  }

  async function refresh() {
    try {
      show(await api.workers.list());
    } catch (error) {
      fill(body, h("p", { class: "error" }, problem(error)));
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("workers"))), h("p", { class: "lead" }, t("worker.lead")), body);
  whenWorkers(element, show);
  whenBack(element, refresh);
  refresh();
  return { element };
};
