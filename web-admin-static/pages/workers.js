// Workers: which processes serve, which version each serves, and what is wrong with it, in words that say what it means; what each
// of them runs, and the level from which it logs.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { whenBack } from "../parts/connection.js";
import { dialog } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { selectField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { dateTime, number, relative, t } from "../parts/i18n.js";
import { emptyState } from "../parts/list.js";
import { whenWorkers } from "../parts/live.js";
import { note, noteError, problem } from "../parts/notes.js";
import { address, adjust, here, withParams } from "../parts/router.js";
import { said } from "../parts/server.js";
import { may } from "../parts/session.js";
import { showRunning } from "./worker-config.js";

const LEVELS = ["trace", "debug", "info", "notice", "warning", "error", "critical"];
const PAGES = { route: "routes", virtualHost: "domains", tlsIdentity: "certificates", cluster: "sources", listener: "listeners" };

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
    each.reason && [": ", said(each.reason)], each.reasons?.length > 0 && [": ", each.reasons.map(({ field, reason }, at) => [at > 0 && "; ", field && `${field} `, said(reason)])],
    each.keepsLastForm !== undefined && h("span", { class: "soft" }, ` — ${t(each.keepsLastForm ? "worker.keeps" : "worker.leftOut")}`)))));
}

async function setLevel(id) {
  try {
    const draft = new Draft({ level: await api.workers.logLevel(id) });
    draft.words = "worker.log";
    dialog(t("worker.log.title", { id }), (close) => h("div", { class: "content" }, h("p", { class: "hint" }, t("worker.log.text")), form([
      selectField(draft, "level", LEVELS.map((each) => [each, each]), { class: "short" }),
    ], {
      draft, label: t("save"), cancel: close,
      submit: async () => {
        await api.workers.setLogLevel(id, draft.get("level"));
        close();
        note(t("worker.log.done", { level: draft.get("level") }));
      },
    })));
  } catch (error) {
    noteError(error);
  }
}

/** What a worker says of itself. */
function report(worker) {
  const last = worker.lastNack && (!worker.lastAck || worker.lastNack.version > worker.lastAck.version) ? worker.lastNack : null;
  return [
    h("p", { class: "hint" }, t(`worker.state.${worker.state}.text`)),
    facts([t("worker.version"), worker.version === null ? null : String(worker.version)], [t("worker.connections"), number(worker.activeConnections ?? 0)], [t("worker.streams"), number(worker.activeStreams ?? 0)],
      [t("worker.since"), worker.connectedSince && h("span", { title: dateTime(worker.connectedSince) }, relative(worker.connectedSince))],
      [t("worker.software"), worker.softwareVersion], [t("worker.pid"), worker.pid]),
    problems(t("worker.degraded"), t("worker.degraded.text"), worker.degraded),
    problems(t("worker.heldBack"), t("worker.heldBack.text"), worker.heldBack),
    last && problems(t("worker.refused", { version: last.version }), t("worker.refused.text"), last.reasons),
  ];
}

/** A worker's card; what it says is told anew, its buttons stay, because somebody's focus may be on one. */
function card(id) {
  const state = h("span", {});
  const body = h("div", {});
  return {
    element: h("article", { class: "panel worker", "data-name": id }, h("header", {}, h("h2", {}, id), state, h("span", { class: "grow" }),
      h("span", { class: "buttons" }, h("a", { class: "button", href: withParams({ config: id, kind: null, name: null }) }, t("running")),
        may("editor") && h("button", { type: "button", onclick: () => setLevel(id) }, t("worker.log")))), body),
    tell(worker) {
      fill(state, badge(t(`worker.state.${worker.state}`), worker.state === "serving" ? "good" : "warn"), worker.publishing ? badge(t("worker.publishing", { version: worker.publishing }), "warn") : null);
      fill(body, report(worker));
    },
  };
}

export default () => {
  const body = h("div", { class: "cards-list" }, h("p", { class: "loading" }, t("loading")));
  let cards = [];
  let named = null;
  let open = null;

  function show(list) {
    const names = JSON.stringify(list.map((each) => [each.id, each.pid]));
    if (names !== named) {
      named = names;
      cards = list.map((each) => card(each.id));
      fill(body, cards.length ? cards.map((each) => each.element) : emptyState("workers", t("worker.none"), t("worker.none.text")));
    }
    cards.forEach((each, at) => each.tell(list[at]));
  }

  async function refresh() {
    try {
      show(await api.workers.list());
    } catch (error) {
      named = null;
      fill(body, h("p", { class: "error" }, problem(error)));
    }
  }

  function follow() {
    const id = here().params.get("config");
    if (open?.id === id) return;
    leave();
    if (!id) return;
    const mine = { id };
    open = mine;
    mine.close = showRunning(id, () => {
      if (open !== mine) return;
      open = null;
      adjust({ config: null, kind: null, name: null });
    }).close;
  }

  function leave() {
    const before = open;
    open = null;
    before?.close();
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("workers"))), h("p", { class: "lead" }, t("worker.lead")), body);
  whenWorkers(element, show);
  whenBack(element, refresh);
  refresh().then(follow);
  return { element, follow, leave };
};
