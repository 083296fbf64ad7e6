// A table of which the server gives one page: searched, sorted and cut there. What is searched, how it is sorted, which page is shown and how
// many rows it has stands in the address. Rows that are there stay while others are asked for, and of several answers the newest counts.

import { fill, h } from "../dom.js";
import { icon } from "./icons.js";
import { number, t } from "./i18n.js";
import { adjust, here } from "./router.js";

const SIZES = [25, 50, 100];
/** How long after the last letter what is searched for is asked. */
const TYPING = 200;
/** Characters that the server looks for. */
const LONGEST = 256;

/**
 * columns: [{key, label, cell?(row), text?(row), class?, descends?, unsorted?}], `key` as the server calls it, `descends` where the largest is wanted first;
 * actions(row) gives buttons; order: the first sorting; load({q, sort, pageNum, pageSize}) resolves to {rows, total}.
 */
export function table({ columns, actions, label, empty, order = columns[0].key, load }) {
  let rows = null;
  let total = 0;
  /** What the rows were asked for with. */
  let shown = null;
  let asked = 0;
  let typing = null;
  /** The rows' element, and what the table around it was drawn for. */
  let frame = null;
  const body = h("div", {});
  const count = h("span", { class: "soft", role: "status" });

  const state = () => {
    const { params } = here();
    const size = Number(params.get("size"));
    return { q: params.get("q") ?? "", sort: columns.some((each) => !each.unsorted && each.key === params.get("sort")?.replace(/^-/, "")) ? params.get("sort") : order, page: Math.max(1, Math.floor(Number(params.get("page"))) || 1), size: SIZES.includes(size) ? size : SIZES[0] };
  };

  const search = h("input", { type: "search", class: "search", maxlength: LONGEST, placeholder: t("search"), "aria-label": t("search"), autocomplete: "off", spellcheck: "false", hidden: true, value: state().q });
  search.addEventListener("input", () => {
    adjust({ q: search.value, page: null });
    clearTimeout(typing);
    typing = setTimeout(() => refresh().catch(() => {}), TYPING);
  });

  /** Asks for what the address says; throws what the server refuses, unless something newer was asked for meanwhile. */
  async function refresh() {
    clearTimeout(typing);
    const mine = ++asked;
    const { q, sort, page, size } = state();
    body.setAttribute("aria-busy", "true");
    try {
      const found = await load({ q, sort, pageNum: page, pageSize: size });
      if (mine !== asked) return;
      const last = Math.max(1, Math.ceil(found.total / size));
      if (page > last) {
        adjust({ page: last > 1 ? last : null });
        return await refresh();
      }
      ({ rows, total } = found);
      shown = { q, sort, page, size, last };
      draw();
    } catch (error) {
      if (mine === asked) throw error;
    } finally {
      if (mine === asked) body.removeAttribute("aria-busy");
    }
  }

  /** Another view of the same list; when that cannot be had the rows stay as they are. */
  function ask(changes) {
    adjust(changes);
    refresh().catch(() => {});
  }

  function head(column) {
    if (column.unsorted) return h("th", { scope: "col", class: column.class }, h("span", { class: "plain-head" }, column.label));
    const current = shown.sort.replace(/^-/, "") === column.key;
    const descends = shown.sort.startsWith("-");
    const next = current ? (descends ? column.key : `-${column.key}`) : column.descends ? `-${column.key}` : column.key;
    return h("th", { scope: "col", class: column.class, "aria-sort": current ? (descends ? "descending" : "ascending") : null },
      h("button", { type: "button", class: "sort", onclick: () => ask({ sort: next, page: null }), "data-column": column.key }, column.label, current && icon(descends ? "down" : "up")));
  }

  function pages({ page, last, size }) {
    const to = (wanted) => () => ask({ page: wanted > 1 ? wanted : null });
    const choice = h("select", { "aria-label": t("page.size"), onchange: () => ask({ size: choice.value === String(SIZES[0]) ? null : choice.value, page: null }) },
      SIZES.map((each) => h("option", { value: each }, t("page.each", { n: each }))));
    choice.value = String(size);
    return h("nav", { class: "pages", "aria-label": t("page.nav") },
      h("button", { type: "button", disabled: page <= 1, onclick: to(page - 1) }, t("page.before")),
      h("span", {}, t("page.of", { page: number(page), last: number(last) })),
      h("button", { type: "button", disabled: page >= last, onclick: to(page + 1) }, t("page.next")), choice);
  }

  const nameOf = (each) => each.getAttribute("aria-label") ?? each.textContent;

  /** Rows that are drawn anew while somebody is among them: the same control of the same row, of the head or of the pages has the focus again. */
  function draw() {
    if (!rows) return;
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    const place = held && { row: held.closest("tr[data-name]")?.dataset.name, column: held.dataset.column, name: nameOf(held) };
    drawRows();
    if (!place) return;
    const within = place.row === undefined ? [...body.querySelectorAll("thead, nav.pages")] : [...body.querySelectorAll("tr[data-name]")].filter((each) => each.dataset.name === place.row);
    const controls = within.flatMap((each) => [...each.querySelectorAll("button, a, select")]);
    const same = controls.find((each) => (place.column ? each.dataset.column === place.column : nameOf(each) === place.name));
    // At the first and the last page there is no way on.
    (same?.disabled ? controls.find((each) => each.closest("nav") && !each.disabled) : same)?.focus();
  }

  function drawRows() {
    search.hidden = total === 0 && !shown.q;
    if (!total) frame = null;
    if (search.hidden) {
      fill(count);
      return fill(body, empty());
    }
    fill(count, t(shown.q ? "list.found" : "list.count", { n: total, count: number(total) }));
    if (!total) {
      return fill(body, h("div", { class: "empty" }, h("p", {}, t("list.none", { q: shown.q })),
        h("button", { type: "button", onclick: () => { search.value = ""; ask({ q: null, page: null }); search.focus(); } }, t("list.clear"))));
    }
    const view = JSON.stringify([shown, total]);
    const lines = rows.map((row) => h("tr", { "data-name": row.id ?? row.name },
      columns.map((each, at) => h(at ? "td" : "th", { "data-label": each.label, class: each.class, scope: at ? null : "row" }, content(each, row))),
      actions && h("td", { class: "actions" }, actions(row))));
    // What tells more of the same rows leaves alone what is open around them.
    if (frame?.view === view) return fill(frame.rows, lines);
    frame = { view, rows: h("tbody", {}, lines) };
    fill(body, h("div", { class: "scroll" }, h("table", { class: "list", "aria-label": label },
      h("thead", {}, h("tr", {}, columns.map(head), actions && h("th", { scope: "col", class: "actions" }, h("span", { class: "unseen" }, t("actions"))))), frame.rows)),
      total > SIZES[0] && pages(shown));
  }

  /** Several things in a cell are one where it is narrow and its label stands before it. */
  function content({ cell, text, key }, row) {
    const told = cell ? cell(row) : (text ? text(row) : row[key]) ?? "–";
    return Array.isArray(told) ? h("div", {}, told) : told;
  }

  return {
    search, count, body, refresh, draw,
    /** Whether there are rows that an error leaves in place. */
    get drawn() {
      return rows !== null;
    },
    /** Asks again where the address says something else than what is shown. */
    async follow() {
      const { q, sort, page, size } = state();
      if (search.value !== q) search.value = q;
      if (shown && (q !== shown.q || sort !== shown.sort || page !== shown.page || size !== shown.size)) await refresh().catch(() => {});
    },
  };
}

/** `load` for a table whose rows are all here, because the server has no pages of them. columns have `sort(row)` or `text(row)` then. */
export function among(columns, rows) {
  const textOf = (column, row) => String((column.text ?? column.sort ?? ((each) => each[column.key]))(row) ?? "");
  const collator = new Intl.Collator(undefined, { numeric: true });
  return async ({ q, sort, pageNum, pageSize }) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const column = columns.find((each) => each.key === sort.replace(/^-/, ""));
    const key = column.sort ?? ((row) => textOf(column, row));
    const sign = sort.startsWith("-") ? -1 : 1;
    const found = rows().filter((row) => {
      const text = words.length ? columns.map((each) => textOf(each, row)).join("\n").toLowerCase() : "";
      return words.every((each) => text.includes(each));
    }).sort((one, two) => {
      const [a, b] = [key(one), key(two)];
      return sign * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a ?? ""), String(b ?? "")));
    });
    return { rows: found.slice((pageNum - 1) * pageSize, pageNum * pageSize), total: found.length };
  };
}
