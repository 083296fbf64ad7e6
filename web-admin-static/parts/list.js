// A page that lists objects of one kind, with a button to make one and buttons to change and delete each.

import { fill, h } from "../dom.js";
import { confirmDelete, dialog } from "./dialog.js";
import { t } from "./i18n.js";
import { noteError, noteSaved } from "./notes.js";

export function table(columns, rows, actions) {
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map(([label]) => h("th", { scope: "col" }, label)), actions && h("th", { scope: "col" }, t("actions")))),
    h("tbody", {}, rows.map((row) => h("tr", {},
      columns.map(([label, cell]) => h("td", { "data-label": label }, cell(row))),
      actions && h("td", { class: "actions" }, actions(row)))))));
}

/**
 * options: title, intro, resource, columns: [[label, row => content]],
 * form: async (object | null, save, close) => element; `save(object)` creates or replaces.
 */
export function listPage({ title, intro, resource, columns, form }) {
  const body = h("div", {}, t("loading"));

  async function refresh() {
    try {
      const rows = await resource.list();
      fill(body, rows.length
        ? table(columns, rows, (row) => [
          h("button", { type: "button", onclick: () => edit(row.name) }, t("edit")),
          h("button", { type: "button", class: "danger", onclick: () => confirmDelete(row.name, () => remove(row.name)) }, t("delete")),
        ])
        : h("p", { class: "hint" }, t("empty")));
    } catch (error) {
      fill(body, h("p", { class: "error" }, error.message));
    }
  }

  async function remove(name) {
    try {
      noteSaved(await resource.remove(name));
    } catch (error) {
      noteError(error);
    }
    await refresh();
  }

  async function open(object) {
    try {
      const content = await form(object, close => async (changed) => {
        noteSaved(object ? await resource.replace(object.name, changed) : await resource.create(changed));
        close();
        await refresh();
      });
      dialog(object ? t("edit.title", { name: object.name }) : t("create.title"), content);
    } catch (error) {
      noteError(error);
    }
  }

  async function edit(name) {
    try {
      await open(await resource.read(name));
    } catch (error) {
      noteError(error);
    }
  }

  refresh();
  return h("section", {},
    h("header", { class: "bar" }, h("h1", {}, title),
      h("span", { class: "grow" }),
      h("button", { type: "button", onclick: refresh }, t("refresh")),
      h("button", { type: "button", class: "primary", onclick: () => open(null) }, t("create"))),
    intro && h("p", { class: "hint" }, intro), body);
}
