// Forms: labelled fields that read into an object, and errors of the API shown beside the field that they name.

import { fill, h } from "../dom.js";
import { t } from "./i18n.js";

let ids = 0;

/** A field: label, control, hint and a place for its error. `path` is the field's name in the API's errors. */
export function field(path, label, control, hint) {
  const id = `field-${++ids}`;
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-error`);
  const element = h("div", { class: "field", "data-path": path },
    h("label", { for: id }, label), control,
    hint && h("p", { class: "hint" }, hint), h("p", { class: "error", id: `${id}-error` }));
  return element;
}

/** Controls without one label for all, such as rows or boxes. */
export function group(path, label, ...content) {
  return h("fieldset", { class: "field", "data-path": path }, h("legend", {}, label), content, h("p", { class: "error" }));
}

export function text(value = "", more = {}) {
  return h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...more, value: value ?? "" });
}

export function password(more = {}) {
  return h("input", { type: "password", ...more });
}

export function area(value = "", more = {}) {
  return h("textarea", { rows: 6, spellcheck: "false", ...more, value: value ?? "" });
}

/** Options as [value, label]. */
export function select(value, options, more = {}) {
  const control = h("select", more, options.map(([key, label]) => h("option", { value: key }, label)));
  control.value = value ?? "";
  return control;
}

/** Boxes for some of several; `read()` gives the chosen values. */
export function boxes(chosen, options) {
  const inputs = options.map(([value, label]) => {
    const input = h("input", { type: "checkbox", value, checked: chosen.includes(value) });
    return { input, element: h("label", { class: "box" }, input, label) };
  });
  const element = h("div", { class: "boxes" }, inputs.length ? inputs.map((each) => each.element) : h("span", { class: "hint" }, t("none")));
  return { element, read: () => inputs.filter((each) => each.input.checked).map((each) => each.input.value) };
}

function showErrors(form, error) {
  // The last one belongs to the form as a whole.
  const places = [...form.querySelectorAll(".error")];
  for (const place of places) fill(place);
  form.querySelectorAll(".wrong").forEach((each) => each.classList.remove("wrong"));
  if (!error) return;
  const left = [];
  for (const [path, message] of error.fields ?? []) {
    // `services[0].port` belongs to the field `services` when none stands for it alone.
    const element = [...form.querySelectorAll(".field")].find(
      (each) => each.dataset.path === path || path.startsWith(`${each.dataset.path}[`) || path.startsWith(`${each.dataset.path}.`));
    if (element) {
      element.classList.add("wrong");
      element.querySelector(".error").append(`${path === element.dataset.path ? "" : `${path}: `}${message} `);
    } else left.push(message);
  }
  if (left.length || !error.fields?.size) fill(places.at(-1), left.join(" ") || error.message);
  form.querySelector(".wrong input, .wrong select, .wrong textarea")?.focus();
}

/** A form around fields. `submit` may throw an ApiError, which is shown in place. */
export function form(fields, { submit, label, cancel }) {
  const button = h("button", { type: "submit", class: "primary" }, label);
  const element = h("form", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      showErrors(element, null);
      try {
        await submit();
      } catch (error) {
        showErrors(element, error);
      } finally {
        button.disabled = false;
      }
    },
  }, fields, h("p", { class: "error", role: "alert" }), h("div", { class: "buttons" }, button, cancel && h("button", { type: "button", onclick: cancel }, t("cancel"))));
  return element;
}
