// A page that lists objects of one kind: the table, and the drawer to make and change one. What is open stands in the address.

import { fill, h } from "../dom.js";
import { uses } from "./cells.js";
import { whenBack } from "./connection.js";
import { edit } from "./editor.js";
import { whenChanged } from "./events.js";
import { dialog, question } from "./dialog.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { effects } from "./preview.js";
import { noteError, noteSaved, problem } from "./notes.js";
import { may } from "./session.js";
import { adjust, go, here, withParams } from "./router.js";
import { table } from "./table.js";

export function tool(name, label, action, more = {}) {
  return h("button", { type: "button", class: `tool ${more.class ?? ""}`, title: label, "aria-label": more.of ? `${label} ${more.of}` : label, onclick: action }, icon(name));
}

/** A state without anything in it, that leads on. */
export function emptyState(name, title, text, ...actions) {
  return h("div", { class: "empty" }, h("div", { class: "picture" }, icon(name)), h("h2", {}, title), h("p", {}, text), h("div", { class: "buttons center" }, actions));
}

/**
 * kind: {name, words, resource, blank(params, offered), fields(draft, offered, isNew), columns(more)}, and where it needs them: prepare,
 * check, offers(): what its form has to choose among, load(query): {rows, total, ...more} in place of the resource's page, copies,
 * keeps(row), inUse(row), only: "list" (nothing is changed), idOf(row), removes (word for delete), needs (role to write), tools(row,
 * refresh), bar(refresh), saved(answer), watches (kinds of events that its rows tell of, beside changes of the configuration)
 */
export function listPage(kind) {
  let more = {};
  let open = null;
  const words = kind.words;
  const mayWrite = may(kind.needs ?? "editor");
  const idOf = kind.idOf ?? ((row) => row.name);
  const create = () => h("a", { class: "button primary", href: withParams({ new: "1", edit: null, q: null }) }, icon("add"), t(`${words}.new`));
  const view = table({
    label: t(kind.name), columns: kind.columns(() => more),
    load: async (query) => {
      more = await (kind.load ?? kind.resource.page)(query);
      return more;
    },
    actions: mayWrite ? (row) => [
      kind.tools?.(row, refresh),
      !kind.only && tool("edit", t("edit"), () => go(kind.name, { ...Object.fromEntries(here().params), edit: row.name }), { of: row.name }),
      kind.copies && tool("copy", t("copy"), () => go(kind.name, { new: "1", from: row.name }), { of: row.name }),
      !kind.keeps?.(row) && tool("delete", t(kind.removes ?? "delete"), () => remove(row), { of: row.name, class: "danger" }),
    ] : null,
    empty: () => emptyState(kind.name, t(`${words}.empty`), t(`${words}.empty.text`), mayWrite && create()),
  });
  const status = h("div", { class: "status" }, h("p", { class: "loading" }, t("loading")));

  async function refresh() {
    try {
      await view.refresh();
      fill(status);
    } catch (error) {
      // Rows that are there stay: old ones are better than none.
      if (!view.drawn) fill(status, h("p", { class: "error" }, problem(error)), h("button", { type: "button", onclick: refresh }, t("again")));
    }
  }

  async function remove(row) {
    if ((kind.inUse ?? ((each) => each.usedByTotal > 0))(row)) return blocked(row, row.usedBy, row.usedByTotal);
    const preview = await kind.resource.previewRemoval?.(idOf(row)).catch(() => null);
    const agreed = await question(t(`${words}.delete`), [h("p", {}, t("delete.question", { name: row.name })), h("p", { class: "hint" }, t(`${words}.delete.text`)), preview && effects(preview)], { yes: t(kind.removes ?? "delete"), danger: true });
    if (!agreed) return;
    try {
      noteSaved(await kind.resource.remove(idOf(row)));
    } catch (error) {
      if (error.code === "in_use") blocked(row, error.fields.map(([, user]) => user), error.fields.length);
      else noteError(error);
    }
    await refresh();
  }

  /** What depends on it stands in the way, and is named. */
  function blocked(row, users, total) {
    const named = users.slice(0, 20);
    const shown = dialog(t("delete.blocked.title", { name: row.name }), (close) => h("div", { class: "content" }, h("p", {}, t("delete.blocked", { n: total })),
      h("ul", {}, named.map((each) => h("li", {}, uses(each)))), total > named.length && h("p", {}, t("delete.more", { n: total - named.length })),
      h("div", { class: "buttons" }, h("button", { type: "button", autofocus: true, onclick: close }, t("close")))));
    // A link in it leads to another page: the dialog goes with it.
    shown.element.addEventListener("click", (event) => event.target.tagName === "A" && shown.close());
  }

  async function follow() {
    const { params } = here();
    view.follow();
    const wanted = params.get("edit") ? `edit ${params.get("edit")}` : params.has("new") ? "new" : null;
    if (open?.wanted === wanted) return;
    const before = open;
    open = null;
    before?.close();
    if (!wanted || (params.has("new") && !mayWrite)) return;
    const mine = { wanted, close: () => {} };
    open = mine;
    try {
      const name = params.get("edit") ?? params.get("from");
      const [object, offered] = await Promise.all([name ? kind.resource.read(name) : null, kind.offers?.()]);
      if (open !== mine) return;
      if (name && object === null) throw new Error(t("missing", { name }));
      const copy = params.has("new") && object ? { ...object, name: `${object.name}-copy`, version: null, usedBy: null, usedByTotal: null } : null;
      const { close } = edit(kind, params.has("new") ? null : object, copy ?? kind.blank(params, offered), offered, {
        readOnly: !mayWrite,
        saved: (answer) => {
          kind.saved?.(answer);
          refresh();
        },
        closed: () => {
          if (open !== mine) return;
          open = null;
          adjust({ edit: null, new: null, from: null });
        },
      });
      mine.close = close;
    } catch (error) {
      open = null;
      adjust({ edit: null, new: null, from: null });
      noteError(error);
    }
  }

  const page = h("section", {},
    h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t(kind.name)), h("span", { class: "grow" }), mayWrite && create()),
    h("p", { class: "lead" }, t(`${words}.lead`)),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), kind.bar?.(refresh), tool("refresh", t("refresh"), refresh)),
    status, view.body);
  whenBack(page, refresh);
  whenChanged(page, ["version", "audit", ...(kind.watches ?? [])], refresh);
  refresh().then(follow);
  const leave = () => {
    const before = open;
    open = null;
    before?.close();
  };
  // `draw`: when what the rows tell besides has changed.
  return { element: page, follow, refresh, draw: view.draw, leave };
}
