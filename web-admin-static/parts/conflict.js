// Somebody else saved the same object meanwhile: what both changed is shown side by side, to choose field by field. What
// only they changed is taken, and told.

import { h, newId } from "../dom.js";
import { merge, read, write } from "./draft.js";
import { has, t } from "./i18n.js";
import { dialog } from "./dialog.js";

/** How a value is shown: texts as they are, others in JSON. */
export function shown(value) {
  if (value === null || value === undefined || value === "") return h("span", { class: "soft" }, t("none"));
  return h("code", {}, typeof value === "string" ? value : JSON.stringify(value, null, 1));
}

export function nameOf(words, path) {
  const key = `${words}.${path}`;
  const name = has(key) ? t(key) : path;
  // "Rate limit · Requests": a label alone says too little outside of its section.
  const [first] = path.split(".");
  return first !== path && has(key) && has(`${words}.${first}`) ? `${t(`${words}.${first}`)} · ${name}` : name;
}

/** Resolves to the object to go on with (theirs, with what was chosen), or null when the person goes back to the form. */
export function resolve(words, base, mine, theirs) {
  const { merged, both, theirs: taken } = merge(base, mine, theirs);
  if (!both.length && !taken.length) return Promise.resolve(merged);
  return new Promise((done) => {
    let result = null;
    const chosen = new Map(both.map((path) => [path, "mine"]));
    const rows = both.map((path) => {
      const name = newId("choice");
      const choice = (side, value) => h("td", { "data-label": t(`conflict.${side}`) }, h("label", { class: "side" },
        h("input", { type: "radio", name, value: side, checked: side === "mine", onchange: () => chosen.set(path, side) }), shown(value)));
      return h("tr", { "data-path": path }, h("th", { scope: "row" }, nameOf(words, path)), choice("mine", read(mine, path)), choice("theirs", read(theirs, path)));
    });
    const all = (table, side) => table.querySelectorAll(`input[value=${side}]`).forEach((each) => each.click());
    dialog(t("conflict.title"), (close) => {
      const table = both.length ? h("table", { class: "diff" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("conflict.field")),
        h("th", { scope: "col" }, t("conflict.mine")), h("th", { scope: "col" }, t("conflict.theirs")))), h("tbody", {}, rows)) : null;
      return h("div", { class: "content" },
        h("p", {}, t(both.length ? "conflict.text" : "conflict.apart")),
        both.length > 0 && h("div", { class: "buttons start" },
          h("button", { type: "button", onclick: () => all(table, "mine") }, t("conflict.keepMine")),
          h("button", { type: "button", onclick: () => all(table, "theirs") }, t("conflict.takeTheirs"))),
        table && h("div", { class: "scroll" }, table),
        taken.length > 0 && h("p", { class: "hint" }, t("conflict.taken", { fields: taken.map((path) => nameOf(words, path)).join(", ") })),
        h("div", { class: "buttons" },
          h("button", {
            type: "button", class: "primary", autofocus: true, onclick: () => {
              for (const path of both) if (chosen.get(path) === "mine") write(merged, path, structuredClone(read(mine, path) ?? null));
              result = merged;
              close();
            },
          }, t("conflict.continue")),
          h("button", { type: "button", onclick: close }, t("conflict.back"))));
    }, { kind: "box wide", closed: () => done(result) });
  });
}
