// Health of services: how many endpoints of each are fit, and of a single one what each worker says of each endpoint.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts, place } from "./cells.js";
import { dialog } from "./dialog.js";
import { dateTime, has, number, relative, t } from "./i18n.js";
import { problem } from "./notes.js";
import { repeat } from "./repeat.js";
import { said, told } from "./server.js";

const EVERY = 3000;
const KINDS = { healthy: "good", unhealthy: "bad", ejected: "bad", unresolved: "bad" };

const stateWord = (state) => (has(`health.${state}`) ? t(`health.${state}`) : state);
const stateBadge = (state) => badge(stateWord(state), KINDS[state] ?? "");
const when = (text) => text && h("span", { title: dateTime(new Date(text)) }, relative(Date.parse(text)));

/** {kind, words} for the counts of a service; a drained endpoint is neither fit nor unfit. */
export function sumOf({ endpoints, healthy, unhealthy, drained, unknown }) {
  if (!endpoints || unknown === endpoints) return { kind: "", words: t("health.unknown") };
  const words = [t("health.of", { n: number(healthy), all: number(endpoints) }), drained > 0 && t("health.drained.count", { n: number(drained) })].filter(Boolean).join(", ");
  return { kind: healthy === 0 ? "bad" : unhealthy > 0 ? "warn" : "good", words };
}

/** In the table: words and a colour, or why nothing is known; it opens the whole. */
export function healthCell(row) {
  if (!row.health) return h("span", { class: "soft" }, "–");
  const { kind, words } = sumOf(row.health);
  return h("span", { class: "stack" }, h("button", { type: "button", class: "link", "aria-label": `${words}: ${row.name}`, title: row.health.reason && told(row.health.reason), onclick: () => showHealth(row.name) }, badge(words, kind)),
    row.health.reason && h("span", { class: "soft small" }, said(row.health.reason)));
}

/** What one worker says. */
function ofWorker(each) {
  return h("li", {}, h("div", {}, h("strong", { title: each.worker }, each.worker?.slice(0, 12) ?? t("health.process", { id: each.process })), " ", stateBadge(each.state), each.protocol && [" ", badge(each.protocol)], each.reason && [" ", said(each.reason)]),
    facts(each.since && [t("health.since"), when(each.since)], each.ejectedUntil && [t("health.ejectedUntil"), when(each.ejectedUntil)],
      typeof each.slowStart === "number" && [t("health.slowStart"), `${number(each.slowStart)} %`], typeof each.activeRequests === "number" && [t("health.activeRequests"), number(each.activeRequests)],
      typeof each.openConnections === "number" && [t("worker.connections"), number(each.openConnections)]),
    each.panics === true && h("p", { class: "aside warn" }, t("health.panics")));
}

function ofEndpoint({ endpoint, address, state, workers }) {
  return h("section", { class: "endpoint", "data-name": endpoint }, h("h3", {}, place(endpoint), " ", stateBadge(state), address && address !== endpoint && h("span", { class: "soft small" }, " ", address)),
    workers.length > 0 ? h("ul", { class: "recent" }, workers.map(ofWorker)) : h("p", { class: "soft" }, t("health.unknown.text")));
}

function showHealth(name) {
  const body = h("div", { class: "content" }, h("p", { class: "loading" }, t("loading")));
  let known = null;

  async function look() {
    try {
      const service = await api.services.read(name);
      const now = JSON.stringify(service);
      if (now === known) return;
      known = now;
      fill(body, service ? [h("p", { class: "hint" }, t("health.text")), service.health?.reason && h("p", { class: "aside" }, said(service.health.reason)), (service.endpointHealth ?? []).map(ofEndpoint)] : h("p", {}, t("missing", { name })));
    } catch (error) {
      if (known === null) fill(body, h("p", { class: "error" }, problem(error)));
    }
  }

  dialog(t("health.title", { name }), () => body, { kind: "drawer" });
  repeat(body, EVERY, look);
}
