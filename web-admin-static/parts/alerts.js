// Alerts: what somebody has to be told of now, where that is sent, and whether it arrives.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "./cells.js";
import { dateTime, relative, t } from "./i18n.js";
import { note, noteError, problem } from "./notes.js";
import { repeat } from "./repeat.js";
import { address } from "./router.js";
import { said } from "./server.js";
import { may } from "./session.js";

const MOST = 50;
const EVERY = 5000;

const when = (text) => text && h("span", { title: dateTime(new Date(text)) }, relative(Date.parse(text)));

/** The certificate or the worker that it is about. */
function subject({ certificate, worker }) {
  if (certificate) return [`${t("kind.certificates")} `, h("a", { href: address("certificates", { edit: certificate }) }, certificate)];
  return worker ? [`${t("kind.worker")} `, h("a", { href: address("workers") }, worker)] : t("workers");
}

const line = (each) => h("li", {}, badge(t(`alert.severity.${each.severity}`), each.severity === "critical" ? "bad" : "warn"), " ", subject(each.subject), ": ", said(each.description), h("span", { class: "soft small" }, " ", when(each.since)));

export function alertsPanel() {
  const list = h("div", {});
  const receiver = h("div", {});
  let known = null;
  const button = h("button", { type: "button", hidden: true, onclick: send }, t("alert.test"));

  async function send() {
    button.disabled = true;
    try {
      await api.alerts.test();
      note(t("alert.test.done"));
    } catch (error) {
      noteError(error);
    }
    button.disabled = false;
    await refresh();
  }

  async function refresh() {
    try {
      const [{ rows, total }, webhook] = await Promise.all([api.alerts.page({ pageSize: MOST }), api.alerts.webhook()]);
      // Somebody's focus may be on one of the links.
      const now = JSON.stringify([rows, total, webhook]);
      if (now === known) return;
      known = now;
      fill(list, rows.length ? [h("ul", { class: "lines" }, rows.map(line)), total > rows.length && h("p", { class: "soft" }, t("more", { n: total - rows.length }))] : h("p", { class: "mark good" }, t("alert.none")));
      fill(receiver, webhook ? facts([t("alert.host"), webhook.host], [t("alert.lastSuccess"), when(webhook.lastSuccess)], [t("alert.lastError"), webhook.lastError && said(webhook.lastError), true]) : h("p", { class: "hint" }, t("alert.nowhere")));
      button.hidden = !webhook || !may("admin");
    } catch (error) {
      if (known === null) fill(list, h("p", { class: "error" }, problem(error)));
    }
  }

  const element = h("section", { class: "panel alerts" }, h("h2", {}, t("alert.title")), h("p", { class: "hint" }, t("alert.text")), list, receiver, h("div", { class: "buttons" }, button));
  setTimeout(() => repeat(element, EVERY, refresh));
  return element;
}
