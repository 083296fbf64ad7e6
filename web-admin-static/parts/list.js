// A page that lists objects of one kind: search, sort, pages, and the drawer to make and change one. What is searched, how it
// is sorted, which page is shown and what is open stands in the address.

import { fill, h } from "../dom.js";
import { whenBack } from "./connection.js";
import { edit } from "./editor.js";
import { whenChanged } from "./events.js";
import { dialog, question } from "./dialog.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { effects } from "./preview.js";
import { noteError, noteSaved, problem } from "./notes.js";
import { said } from "./server.js";
import { may } from "./session.js";
import { adjust, go, here, withParams } from "./router.js";

const SIZES = [25, 50, 100];

/**
 * A table with search, sort and pages over rows in memory.
 * columns: [{key, label, cell(row), text?(row), sort?(row), class?}]; actions(row) gives buttons; order: the first sorting.
 */
export function table({ columns, actions, label, empty, order = columns[0].key }) {
  let rows = [];
  let texts = new Map();
  const body = h("div", {});
  const count = h("span", { class: "soft", role: "status" });
  const state = () => {
    const { params } = here();
    return { q: params.get("q") ?? "", sort: params.get("sort") ?? order, page: Number(params.get("page")) || 1, size: Number(params.get("size")) || SIZES[0] };
  };
  const search = h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search"), autocomplete: "off", spellcheck: "false", value: state().q });
  search.addEventListener("input", () => {
    adjust({ q: search.value, page: null });
    draw();
  });

  const textOf = (column, row) => String((column.text ?? column.sort ?? ((each) => each[column.key]))(row) ?? "");
  const all = (row) => {
    if (!texts.has(row)) texts.set(row, columns.map((each) => textOf(each, row)).join("\n").toLowerCase());
    return texts.get(row);
  };

  function found() {
    const { q, sort } = state();
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = words.length ? rows.filter((row) => words.every((each) => all(row).includes(each))) : [...rows];
    const column = columns.find((each) => each.key === sort.replace(/^-/, "")) ?? columns[0];
    const key = column.sort ?? ((row) => textOf(column, row));
    const collator = new Intl.Collator(undefined, { numeric: true });
    const keys = new Map(kept.map((row) => [row, key(row)]));
    const sign = sort.startsWith("-") ? -1 : 1;
    return kept.sort((one, two) => {
      const [a, b] = [keys.get(one), keys.get(two)];
      return sign * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a ?? ""), String(b ?? "")));
    });
  }

  function head(column, sort) {
    const current = sort.replace(/^-/, "") === column.key;
    const next = current && !sort.startsWith("-") ? `-${column.key}` : column.key;
    return h("th", { scope: "col", class: column.class, "aria-sort": current ? (sort.startsWith("-") ? "descending" : "ascending") : null },
      h("button", { type: "button", class: "sort", onclick: () => { adjust({ sort: next, page: null }); draw(); body.querySelector(`[data-column="${column.key}"]`)?.focus(); }, "data-column": column.key },
        column.label, current && icon(sort.startsWith("-") ? "down" : "up")));
  }

  function pages(total, page, size) {
    const last = Math.max(1, Math.ceil(total / size));
    const to = (number) => () => { adjust({ page: number > 1 ? number : null }); draw(); };
    const choice = h("select", { "aria-label": t("page.size"), onchange: () => { adjust({ size: choice.value === String(SIZES[0]) ? null : choice.value, page: null }); draw(); } },
      SIZES.map((each) => h("option", { value: each }, t("page.each", { n: each }))));
    choice.value = String(size);
    return h("nav", { class: "pages", "aria-label": t("page.nav") },
      h("button", { type: "button", disabled: page <= 1, onclick: to(page - 1) }, t("page.before")),
      h("span", {}, t("page.of", { page, last })),
      h("button", { type: "button", disabled: page >= last, onclick: to(page + 1) }, t("page.next")), choice);
  }

  /** Rows that are drawn anew while somebody is among them: the same button of the same row has the focus again. */
  function draw() {
    const held = body.contains(document.activeElement) ? { row: document.activeElement.closest("tr")?.dataset.name, label: document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent } : null;
    drawRows();
    if (!held?.row) return;
    const row = [...body.querySelectorAll("tr[data-name]")].find((each) => each.dataset.name === held.row);
    [...(row?.querySelectorAll("button, a") ?? [])].find((each) => (each.getAttribute("aria-label") ?? each.textContent) === held.label)?.focus();
  }

  function drawRows() {
    const { q, sort, size, ...rest } = state();
    if (!rows.length) {
      fill(count);
      search.hidden = true;
      return fill(body, empty());
    }
    search.hidden = false;
    const kept = found();
    const page = Math.min(rest.page, Math.max(1, Math.ceil(kept.length / size)));
    fill(count, q ? t("list.found", { n: kept.length, all: rows.length }) : t("list.count", { n: rows.length }));
    if (!kept.length) {
      return fill(body, h("div", { class: "empty" }, h("p", {}, t("list.none", { q })),
        h("button", { type: "button", onclick: () => { search.value = ""; adjust({ q: null }); draw(); search.focus(); } }, t("list.clear"))));
    }
    fill(body, h("div", { class: "scroll" }, h("table", { class: "list", "aria-label": label },
      h("thead", {}, h("tr", {}, columns.map((each) => head(each, sort)), actions && h("th", { scope: "col", class: "actions" }, h("span", { class: "unseen" }, t("actions"))))),
      h("tbody", {}, kept.slice((page - 1) * size, page * size).map((row) => h("tr", { "data-name": row.id ?? row.name },
        columns.map((each, at) => h(at ? "td" : "th", { "data-label": each.label, class: each.class, scope: at ? null : "row" }, each.cell ? each.cell(row) : (each.text ? each.text(row) : row[each.key]) ?? "–")),
        actions && h("td", { class: "actions" }, actions(row))))))),
      kept.length > SIZES[0] && pages(kept.length, page, size));
  }

  return {
    search, count, body, draw,
    show(newRows) {
      rows = newRows;
      texts = new Map();
      draw();
    },
    follow() {
      if (search.value !== state().q) search.value = state().q;
      draw();
    },
  };
}

export function tool(name, label, action, more = {}) {
  return h("button", { type: "button", class: `tool ${more.class ?? ""}`, title: label, "aria-label": more.of ? `${label} ${more.of}` : label, onclick: action }, icon(name));
}

/** A state without anything in it, that leads on. */
export function emptyState(name, title, text, ...actions) {
  return h("div", { class: "empty" }, h("div", { class: "picture" }, icon(name)), h("h2", {}, title), h("p", {}, text), h("div", { class: "buttons center" }, actions));
}

/**
 * kind: {name, words, resource, blank(params), fields, prepare, check, extra, load(): {rows, ...more}, columns(more)}, and where it
 * needs them: usedBy(row, more), copies, keeps(row), only: "list" (nothing is changed), idOf(row), removes (word for delete), needs
 * (role to write), tools(row, refresh), bar(refresh), saved(answer), watches (kinds of events
 * that its rows tell of, beside changes of the configuration)
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
      more = await kind.load();
      fill(status);
      view.show(more.rows);
    } catch (error) {
      // Rows that are there stay: old ones are better than none.
      if (!view.body.children.length) fill(status, h("p", { class: "error" }, problem(error)), h("button", { type: "button", onclick: refresh }, t("again")));
    }
  }

  async function remove(row) {
    const users = kind.usedBy?.(row, more) ?? [];
    if (users.length) return blocked(row, users.map((each) => h("a", { href: each.href }, each.name)));
    const preview = await kind.resource.previewRemoval?.(idOf(row)).catch(() => null);
    const agreed = await question(t(`${words}.delete`), [h("p", {}, t("delete.question", { name: row.name })), h("p", { class: "hint" }, t(`${words}.delete.text`)), preview && effects(preview)], { yes: t(kind.removes ?? "delete"), danger: true });
    if (!agreed) return;
    try {
      noteSaved(await kind.resource.remove(idOf(row)));
    } catch (error) {
      if (error.code === "in_use") blocked(row, error.fields.map(([, message]) => said(message)));
      else noteError(error);
    }
    await refresh();
  }

  /** What depends on it stands in the way, and is named. */
  function blocked(row, users) {
    const shown = dialog(t("delete.blocked.title", { name: row.name }), (close) => h("div", { class: "content" }, h("p", {}, t("delete.blocked", { n: users.length })),
      h("ul", {}, users.slice(0, 20).map((each) => h("li", {}, each))), users.length > 20 && h("p", {}, t("delete.more", { n: users.length - 20 })),
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
      // The choices in the form (domains, services, certificates) come with the list.
      if (!more.rows) await refresh();
      const name = params.get("edit") ?? params.get("from");
      const object = name ? await kind.resource.read(name) : null;
      if (open !== mine) return;
      if (name && object === null) throw new Error(t("missing", { name }));
      const copy = params.has("new") && object ? { ...object, name: `${object.name}-copy`, version: null } : null;
      const { close } = edit(kind, params.has("new") ? null : object, copy ?? kind.blank(params, more), more, {
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
  /** Draws the rows anew, when what they tell besides has changed. */
  const redraw = () => more.rows && view.draw();
  return { element: page, follow, refresh, draw: redraw, leave };
}
