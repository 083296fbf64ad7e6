// A choice among objects, of which there may be very many: few are a list to choose from, of many those are offered that fit what is typed,
// found by the server. What the server is not known to have can be typed all the same; it says so itself.

import { fill, h, newId } from "../dom.js";
import { boxesField, cell, field, group, plain, selectCell, selectField } from "./fields.js";
import { icon } from "./icons.js";
import { number, t } from "./i18n.js";

/** As many are shown at once. */
const FEW = 20;
const TYPING = 150;
/** Characters that the server looks for. */
const LONGEST = 256;

/** What a kind has to offer: {rows, all, search(q)}; `all` where the rows are all that there are. `keep(row)`: of the first few. */
export async function offer(resource, keep = () => true) {
  const search = async (q) => {
    const { rows, total } = await resource.page({ q, pageSize: FEW });
    return { rows: rows.filter(keep), total };
  };
  const { rows, total } = await search("");
  return { rows, all: total <= FEW, search };
}

/**
 * An input with a list below it: what is typed is searched for, arrows choose, Enter takes, Escape closes. take(name) is told what is typed or
 * chosen; describe(row) says more of one than its name.
 */
export function combo({ search, describe = () => "", value = "", take, chosen = () => {}, ...attributes }) {
  const list = h("ul", { id: newId("choices"), class: "choices-list", role: "listbox", hidden: true, "aria-label": attributes["aria-label"] ?? t("choose") });
  // The focus stays where one types, also while the list is scrolled.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  const told = h("span", { class: "unseen", role: "status" });
  const input = h("input", { type: "text", ...plain, role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id, value, ...attributes });
  const element = h("div", { class: "combo" }, input, list, told);
  let at = -1;
  let turn = 0;
  let typing = null;

  const options = () => [...list.querySelectorAll("[role=option]")];

  function show(open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) mark(-1);
  }

  function close() {
    turn += 1;
    clearTimeout(typing);
    show(false);
  }

  function mark(next) {
    at = next;
    const all = options();
    all.forEach((each, number) => each.setAttribute("aria-selected", String(number === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", all[at].id);
    all[at].scrollIntoView({ block: "nearest" });
  }

  function choose(name) {
    input.value = name;
    close();
    take(name);
    chosen(name);
  }

  async function ask() {
    const mine = ++turn;
    const q = input.value.trim();
    let found;
    try {
      found = await search(q.slice(0, LONGEST));
    } catch {
      // What is typed needs no proposal.
      return;
    }
    if (mine !== turn || document.activeElement !== input) return;
    const more = found.total - found.rows.length;
    fill(list, found.rows.map((row) => h("li", { role: "option", id: newId("choice"), "aria-selected": "false", onclick: () => choose(row.name) },
      h("span", {}, row.name), describe(row) && h("span", { class: "soft small" }, describe(row)))),
    !found.rows.length && h("li", { class: "soft", role: "presentation" }, t("choice.none")), found.rows.length === FEW && more > 0 && h("li", { class: "soft small", role: "presentation" }, t("choice.more", { n: number(more) })));
    fill(told, t("list.found", { n: number(found.total) }));
    show(true);
    mark(-1);
  }

  input.addEventListener("input", () => {
    take(input.value.trim());
    clearTimeout(typing);
    typing = setTimeout(ask, TYPING);
  });
  input.addEventListener("click", () => list.hidden && ask());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = options();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) ask();
      else if (all.length) mark(event.key === "ArrowDown" ? (at + 1) % all.length : (at <= 0 ? all.length : at) - 1);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      choose(all[at].firstChild.textContent);
    } else if (event.key === "Escape" && !list.hidden) {
      // The list closes, and not the form around it.
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return { element, input };
}

const named = (row, describe) => [row.name, describe?.(row) ? `${row.name} — ${describe(row)}` : row.name];
const taking = (draft, path) => (name) => draft.set(path, name || null);

/** One of many. describe(row): what an option says besides its name; empty: the words for none. */
export function chooseField(draft, path, offered, { describe, empty, ...options } = {}) {
  if (offered.all) return selectField(draft, path, [["", empty], ...offered.rows.map((row) => named(row, describe))], options);
  const { element, input } = combo({ search: offered.search, describe, value: draft.get(path) ?? "", take: taking(draft, path), placeholder: empty, "aria-required": options.required ? "true" : null });
  return field(draft, path, element, { ...options, input });
}

/** The same inside a row. */
export function chooseCell(draft, path, name, offered, { describe, empty }) {
  if (offered.all) return selectCell(draft, path, name, [["", empty], ...offered.rows.map((row) => named(row, describe))]);
  const { element, input } = combo({ search: offered.search, describe, value: draft.get(path) ?? "", take: taking(draft, path), placeholder: empty });
  return cell(draft, path, element, name, input);
}

/** Several of many: those that are chosen can be taken out, others are found by typing. */
export function chooseSeveral(draft, path, offered, options = {}) {
  if (offered.all) return boxesField(draft, path, offered.rows.map(({ name }) => [name, name]), options);
  const list = h("div", { class: "chips" });
  const values = () => draft.get(path) ?? [];
  const { element, input } = combo({
    search: offered.search, take: () => {}, placeholder: t("choice.add"), "aria-label": t("choice.add"),
    chosen: (name) => {
      input.value = "";
      if (!values().includes(name)) draft.set(path, [...values(), name]);
      draw();
    },
  });
  // A name that is typed whole, for those who know it.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.defaultPrevented) return;
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return;
    input.value = "";
    if (!values().includes(name)) draft.set(path, [...values(), name]);
    draw();
  });

  function draw() {
    fill(list, values().map((name) => h("span", { class: "chip taken" }, name, h("button", {
      type: "button", class: "plain", "aria-label": t("choice.remove", { name }), onclick: () => {
        draft.set(path, values().filter((each) => each !== name));
        draw();
        input.focus();
      },
    }, icon("close")))));
  }

  draw();
  return group(draft, path, [list, element], { ...options, none: undefined });
}

/** Names for an input of its own, in its datalist: those that fit what is typed. found(names) is told them. */
export function suggest(input, list, resource, { keep = () => true, found = () => {} } = {}) {
  let turn = 0;
  let typing = null;
  async function ask() {
    const mine = ++turn;
    try {
      const { rows } = await resource.page({ q: input.value.trim().slice(0, LONGEST), pageSize: FEW });
      if (mine !== turn) return;
      const names = rows.filter(keep).map((each) => each.name);
      fill(list, names.map((value) => h("option", { value })));
      found(names);
    } catch {
      // What is typed needs no proposal.
    }
  }
  input.addEventListener("focus", ask);
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(ask, TYPING);
  });
}
