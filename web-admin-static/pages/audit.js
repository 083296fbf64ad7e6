// The audit: who did what, when and from where, with what it was and what it became. Searched and paged by the server.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { kindWord } from "../parts/changes.js";
import { whenBack } from "../parts/connection.js";
import { diff } from "../parts/diff.js";
import { WORDS } from "../parts/preview.js";
import { dialog } from "../parts/dialog.js";
import { dateTime, has, number, relative, t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { problem } from "../parts/notes.js";
import { adjust, here } from "../parts/router.js";

const SIZE = 50;
const FILTERS = ["actor", "action", "kind", "name"];

const actionWord = (action) => (has(`action.${action}`) ? t(`action.${action}`) : action);

function query() {
  const { params } = here();
  const asked = new URLSearchParams();
  for (const name of FILTERS) if (params.get(name)) asked.set(name, params.get(name));
  for (const name of ["since", "until"]) if (params.get(name)) asked.set(name, new Date(params.get(name)).toISOString());
  return asked;
}

function details(entry) {
  return h("div", { class: "content" },
    facts([t("version.createdAt"), dateTime(new Date(entry.at))], [t("version.author"), entry.actor], [t("audit.address"), entry.address], [t("audit.via"), entry.via], [t("version.number"), entry.version], [t("audit.detail"), entry.detail, true]),
    (entry.before || entry.after) && [h("h3", {}, t("version.changes")), diff(WORDS[entry.kind] ?? "audit", entry.before, entry.after)]);
}

export default () => {
  const body = h("div", {}, h("p", { class: "loading" }, t("loading")));
  const count = h("span", { class: "soft", role: "status" });
  const link = h("a", { class: "button", download: "audit.jsonl" }, t("audit.export"));
  let asked = 0;

  async function refresh() {
    const page = Number(here().params.get("page")) || 1;
    const wanted = query();
    link.href = api.audit.exportPath(wanted);
    wanted.set("pageNum", page);
    wanted.set("pageSize", SIZE);
    const mine = ++asked;
    try {
      const { data, total } = await api.audit.page(wanted);
      if (mine !== asked) return;
      fill(count, t("list.count", { n: number(total) }));
      fill(body, data.length ? [h("div", { class: "scroll" }, h("table", { class: "list", "aria-label": t("audit") },
        h("thead", {}, h("tr", {}, ["version.createdAt", "version.author", "audit.what", "audit.address"].map((key) => h("th", { scope: "col" }, h("span", { class: "plain-head" }, t(key)))))),
        h("tbody", {}, data.map((entry) => h("tr", { "data-name": entry.id },
          h("th", { scope: "row", "data-label": t("version.createdAt") }, h("button", { type: "button", class: "link", title: dateTime(new Date(entry.at)), onclick: () => dialog(t("audit.entry", { id: entry.id }), () => details(entry), { kind: "drawer" }) }, relative(Date.parse(entry.at)))),
          h("td", { "data-label": t("version.author") }, entry.actor),
          h("td", { "data-label": t("audit.what") }, h("span", { class: "long" }, badge(actionWord(entry.action), { create: "good", delete: "bad" }[entry.action] ?? ""), entry.kind && ` ${kindWord(entry.kind)} `, entry.name && h("strong", {}, entry.name), entry.detail && h("span", { class: "soft" }, ` ${entry.detail}`))),
          h("td", { "data-label": t("audit.address") }, h("code", {}, entry.address))))))), pages(page, Math.ceil(total / SIZE))] : emptyState("audit", t("audit.empty"), t("audit.empty.text")));
    } catch (error) {
      fill(body, h("p", { class: "error" }, problem(error)));
    }
  }

  function pages(page, last) {
    if (last <= 1) return null;
    const to = (wanted) => () => { adjust({ page: wanted > 1 ? wanted : null }); refresh(); };
    return h("nav", { class: "pages", "aria-label": t("page.nav") }, h("button", { type: "button", disabled: page <= 1, onclick: to(page - 1) }, t("page.before")),
      h("span", {}, t("page.of", { page, last })), h("button", { type: "button", disabled: page >= last, onclick: to(page + 1) }, t("page.next")));
  }

  let typing = null;
  const filter = (name, type = "search") => h("input", {
    type, class: "search short", placeholder: t(`audit.filter.${name}`), "aria-label": t(`audit.filter.${name}`), title: t(`audit.filter.${name}`), autocomplete: "off", value: here().params.get(name) ?? "",
    oninput: (event) => {
      adjust({ [name]: event.target.value.trim(), page: null });
      clearTimeout(typing);
      typing = setTimeout(refresh, 250);
    },
  });
  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("audit")), h("span", { class: "grow" }), link), h("p", { class: "lead" }, t("audit.lead")),
    h("div", { class: "tools" }, FILTERS.map((name) => filter(name)), h("span", { class: "times" }, ["since", "until"].map((name) => h("label", { class: "inline small soft" }, t(`audit.filter.${name}`), filter(name, "datetime-local")))), count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), body);
  whenBack(element, refresh);
  refresh();
  return { element, follow: refresh };
};
