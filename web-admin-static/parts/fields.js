// Controls of forms, each bound to a path of a draft. A label is the word `<form>.<path>`, a hint `<form>.<path>.hint` where
// there is one; numbers of rows are left out of both.

import { fill, h, newId } from "../dom.js";
import { read, write } from "./draft.js";
import { icon } from "./icons.js";
import { has, t } from "./i18n.js";

/** Words of a field: options.words, else by form and path. */
export function label(draft, path, words) {
  return t(words ?? `${draft.words}.${path.replace(/\[\d+\]/g, "")}`);
}

function hintOf(draft, path, { hint, words, disabled }) {
  // What cannot be changed needs no advice on how to.
  if (disabled) return null;
  if (hint !== undefined) return hint;
  const key = `${words ?? `${draft.words}.${path.replace(/\[\d+\]/g, "")}`}.hint`;
  return has(key) ? t(key) : null;
}

/** Label, control, hint, and a place for the error that names `path`. */
export function field(draft, path, control, options = {}) {
  const id = (control.id ||= newId("field"));
  const hint = hintOf(draft, path, options);
  const input = options.input ?? control;
  if (options.input) input.id ||= newId("field");
  input.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-error`);
  return h("div", { class: `field ${options.class ?? ""}`, "data-path": path },
    h("label", { for: input.id }, label(draft, path, options.words), options.required && h("span", { class: "required", "aria-hidden": "true" }, "\u00a0*")),
    control, hint && h("p", { class: "hint", id: `${id}-hint` }, hint), h("p", { class: "error", id: `${id}-error` }));
}

/** Controls that share one label, such as boxes or rows. */
export function group(draft, path, content, options = {}) {
  const hint = hintOf(draft, path, options);
  return h("fieldset", { class: `field ${options.class ?? ""}`, "data-path": path },
    h("legend", {}, label(draft, path, options.words), options.required && h("span", { class: "required", "aria-hidden": "true" }, "\u00a0*")),
    hint && h("p", { class: "hint" }, hint), content, h("p", { class: "error" }));
}

export const plain = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };

export function textField(draft, path, options = {}) {
  const input = h("input", {
    type: options.type ?? "text", ...plain, placeholder: options.placeholder, disabled: options.disabled, class: options.mono ? "mono" : null,
    autocomplete: options.autocomplete ?? "off", autofocus: options.autofocus, "aria-required": options.required ? "true" : null, list: options.list, value: draft.get(path) ?? "",
    oninput: () => draft.set(path, options.keep ? input.value : input.value.trim()),
  });
  return field(draft, path, input, options);
}

export function areaField(draft, path, options = {}) {
  const input = h("textarea", {
    rows: options.rows ?? 3, ...plain, placeholder: options.placeholder, class: options.mono === false ? null : "mono", value: draft.get(path) ?? "",
    "aria-required": options.required ? "true" : null, oninput: () => draft.set(path, input.value),
  });
  return field(draft, path, input, options);
}

/** One entry a line. `join`: the API has them as one text, joined by this. */
export function linesField(draft, path, options = {}) {
  const value = draft.get(path);
  const lines = options.join ? (value ?? "").split(options.join) : value ?? [];
  const input = h("textarea", {
    rows: Math.min(8, Math.max(options.rows ?? 2, lines.length)), ...plain, class: "mono", placeholder: options.placeholder,
    "aria-required": options.required ? "true" : null, value: lines.join("\n"),
    oninput: () => {
      const read = input.value.split(options.split ?? /[\s,]+/).map((each) => each.trim()).filter(Boolean);
      draft.set(path, options.join ? read.join(options.join) : read);
    },
  });
  return field(draft, path, input, options);
}

/** A whole number; text that is none is refused here, at the field. `empty` says what the default is. */
export function numberInput(draft, path, options = {}) {
  const value = draft.get(path);
  return h("input", {
    type: "text", inputmode: options.decimal ? "decimal" : "numeric", ...plain, class: "number", placeholder: options.empty ?? "", value: value ?? "",
    "aria-required": options.required ? "true" : null, "aria-label": options.label,
    oninput: (event) => {
      const text = event.target.value.trim();
      const right = text === "" || (options.decimal ? /^\d+(\.\d+)?$/ : /^\d{1,15}$/).test(text);
      if (right) draft.problems.delete(path);
      else draft.problems.set(path, t("form.number"));
      draft.set(path, text === "" ? null : right ? Number(text) : text);
    },
  });
}

export function numberField(draft, path, options = {}) {
  const input = numberInput(draft, path, options);
  const control = options.unit ? h("div", { class: "with-unit" }, input, h("span", { class: "unit" }, options.unit)) : input;
  return field(draft, path, control, { ...options, input });
}

const TIMES = [["ms", 1], ["s", 1000], ["min", 60_000], ["h", 3_600_000]];
const SIZES = [["B", 1], ["KiB", 1024], ["MiB", 1024 ** 2], ["GiB", 1024 ** 3]];

/** A number with a choice of its unit; the draft has it in the first of `units`. Empty is the default, which the placeholder names. */
function measureField(draft, path, units, options) {
  const [[, least]] = units;
  const value = draft.get(path);
  const known = typeof value === "number" ? value * least : null;
  const [first] = known ? [...units].reverse().find(([, size]) => known % size === 0) ?? units[0] : [options.unit];
  const unit = h("select", { "aria-label": t("unit"), value: first }, units.map(([name]) => h("option", { value: name }, t(`unit.${name}`))));
  unit.value = first;
  const size = () => units.find(([name]) => name === unit.value)[1];
  const input = h("input", { type: "text", inputmode: "decimal", ...plain, class: "number", placeholder: options.empty, value: known === null ? value ?? "" : known / size() });
  const take = () => {
    const text = input.value.trim();
    const result = Number(text) * size() / least;
    const right = text === "" || (/^\d+(\.\d+)?$/.test(text) && Number.isInteger(result));
    if (right) draft.problems.delete(path);
    else draft.problems.set(path, t("form.duration"));
    draft.set(path, text === "" ? null : right ? result : text);
  };
  input.addEventListener("input", take);
  unit.addEventListener("change", take);
  return field(draft, path, h("div", { class: "with-unit" }, input, unit), { ...options, input });
}

/** A time; the draft has milliseconds, or seconds with `seconds`. `empty`: the default, seconds where it is digits alone. */
export function durationField(draft, path, { empty = t("form.default"), unit = "s", ...options } = {}) {
  return measureField(draft, path, options.seconds ? TIMES.slice(1) : TIMES, { ...options, unit, empty: /^\d+$/.test(empty) ? `${empty} ${t("unit.s")}` : empty });
}

/** A size; the draft has bytes. */
export function sizeField(draft, path, { empty = t("form.default"), unit = "MiB", ...options } = {}) {
  return measureField(draft, path, SIZES, { ...options, unit, empty });
}

/** Options as [value, label]; the empty value is null in the draft. */
export function selectField(draft, path, choices, options = {}) {
  const input = h("select", {
    "aria-required": options.required ? "true" : null, onchange: () => {
      const chosen = choices.find(([value]) => String(value ?? "") === input.value)?.[0];
      draft.set(path, chosen === "" || chosen === undefined ? null : chosen);
    },
  }, choices.map(([value, name]) => h("option", { value: value ?? "" }, name)));
  const value = draft.get(path);
  // A value that is not on offer is shown all the same: what is stored must never change by opening a form.
  if (value !== null && value !== undefined && !choices.some(([each]) => each === value)) {
    input.append(h("option", { value }, String(value)));
    choices = [...choices, [value, String(value)]];
  }
  input.value = value ?? "";
  return field(draft, path, input, options);
}

/** A choice among few, each with a sentence. choices: [{value, title, text}] */
export function cards(draft, { value, choose, choices, legend, path = "", hint }) {
  const name = newId("cards");
  return h("fieldset", { class: "field cards", "data-path": path }, h("legend", {}, legend), hint && h("p", { class: "hint" }, hint),
    h("div", { class: "choices" }, choices.map((each) => h("label", { class: "card" },
      h("input", { type: "radio", name, value: each.value, checked: each.value === value, onchange: () => choose(each.value) }),
      h("span", {}, h("strong", {}, each.title), h("span", { class: "hint" }, each.text))))), h("p", { class: "error" }));
}

/** Yes or no. `off`: what no is in the draft. */
export function switchField(draft, path, options = {}) {
  const id = newId("field");
  const hint = hintOf(draft, path, options);
  const input = h("input", {
    type: "checkbox", role: "switch", id, checked: (draft.get(path) ?? options.default) === (options.on ?? true),
    "aria-describedby": `${id}-hint ${id}-error`, onchange: () => draft.set(path, input.checked ? options.on ?? true : options.off ?? false),
  });
  return h("div", { class: "field switch", "data-path": path }, input,
    h("label", { for: id }, label(draft, path, options.words), hint && h("span", { class: "hint", id: `${id}-hint` }, hint)),
    h("p", { class: "error", id: `${id}-error` }));
}

/** Some of several. choices: [value, label] */
export function boxesField(draft, path, choices, options = {}) {
  const chosen = () => draft.get(path) ?? [];
  // Those that are no longer on offer stay, and can be taken out.
  const all = [...choices, ...chosen().filter((value) => !choices.some(([each]) => each === value)).map((value) => [value, String(value)])];
  return group(draft, path, h("div", { class: "chips" }, all.length ? all.map(([value, name]) => h("label", { class: "chip" },
    h("input", {
      type: "checkbox", value, checked: chosen().includes(value),
      onchange: (event) => draft.set(path, event.target.checked ? all.map(([each]) => each).filter((each) => each === value || chosen().includes(each)) : chosen().filter((each) => each !== value)),
    }), h("span", {}, name))) : h("span", { class: "hint" }, options.none ?? t("none"))), options);
}

/** Rows of a list. `row(path, redraw)` gives the controls of one; `make()` a new entry. */
export function rowsField(draft, path, { row, make, add, none, ...options }) {
  const list = h("div", { class: "rows" });
  const draw = () => {
    const entries = draft.get(path) ?? [];
    fill(list, entries.map((_, at) => h("div", { class: "row" }, h("div", { class: "cells" }, row(`${path}[${at}]`, draw, at)),
      h("button", {
        type: "button", class: "plain", "aria-label": t("form.row.remove", { n: at + 1 }), onclick: () => {
          draft.get(path).splice(at, 1);
          for (const each of [...draft.problems.keys()]) if (each.startsWith(`${path}[`)) draft.problems.delete(each);
          draft.changed();
          draw();
          button.focus();
        },
      }, icon("close")))), !entries.length && none && h("p", { class: "hint" }, none));
  };
  const button = h("button", {
    type: "button", class: "add", onclick: () => {
      const entries = draft.get(path) ?? [];
      draft.set(path, [...entries, make()]);
      draw();
      list.lastElementChild.querySelector("input, select, textarea")?.focus();
    },
  }, icon("add"), add);
  draw();
  return group(draft, path, [list, button], options);
}

/** A map of texts, as rows of key and value. `except(key)`: what other controls show; `offered`: keys to choose among while typing. */
export function mapField(draft, path, { add, except = () => false, offered = [], ...options }) {
  const inner = { pairs: Object.entries(draft.get(path) ?? {}).filter(([key]) => !except(key)).map(([key, value]) => ({ key, value })) };
  let own = inner.pairs.map((each) => each.key);
  const list = offered.length ? h("datalist", { id: newId("offered") }, offered.map((value) => h("option", { value }))) : null;
  // Rows work on a list; the draft gets the map that it makes.
  const rows = {
    words: draft.words, problems: draft.problems, get: (way) => (way === "pairs" ? inner.pairs : read(inner, way)),
    set: (way, value) => {
      write(inner, way, value);
      rows.changed();
    },
    changed: () => {
      const others = Object.entries(draft.get(path) ?? {}).filter(([key]) => !own.includes(key));
      const mine = inner.pairs.filter((each) => each.key).map((each) => [each.key, each.value ?? ""]);
      own = mine.map(([key]) => key);
      draft.set(path, Object.fromEntries([...others, ...mine]));
    },
  };
  const element = rowsField(rows, "pairs", {
    make: () => ({ key: "", value: "" }), add, words: options.words ?? `${draft.words}.${path}`, hint: hintOf(draft, path, options),
    row: (at) => [textCell(rows, `${at}.key`, t("key"), { list: list?.id }), textCell(rows, `${at}.value`, t("value"), { keep: true })],
  });
  element.dataset.path = path;
  if (list) element.append(list);
  return element;
}

/** A control inside a row: no label of its own to see, but one to hear. */
export function cell(draft, path, control, name, input = control) {
  const id = (control.id ||= newId("field"));
  input.setAttribute("aria-label", name);
  input.setAttribute("aria-describedby", `${id}-error`);
  return h("div", { class: "field cell", "data-path": path }, control, h("p", { class: "error", id: `${id}-error` }));
}

export function textCell(draft, path, name, options = {}) {
  const input = h("input", { type: "text", ...plain, placeholder: options.placeholder ?? name, list: options.list, value: draft.get(path) ?? "", oninput: () => draft.set(path, options.keep ? input.value : input.value.trim()) });
  return cell(draft, path, input, name);
}

export function numberCell(draft, path, name, options = {}) {
  return cell(draft, path, numberInput(draft, path, options), name);
}

export function selectCell(draft, path, name, choices) {
  const input = h("select", { onchange: () => draft.set(path, input.value || null) }, choices.map(([value, text]) => h("option", { value: value ?? "" }, text)));
  const value = draft.get(path);
  if (value && !choices.some(([each]) => each === value)) input.append(h("option", { value }, value));
  input.value = value ?? "";
  return cell(draft, path, input, name);
}

/** Shown only while the condition holds. */
export function when(draft, condition, ...content) {
  const element = h("div", { class: "when" }, content);
  draft.watch(() => { element.hidden = !condition(); });
  return element;
}

/** Made anew whenever the key changes: controls of the same member that differ by another one. */
export function per(draft, key, build) {
  const element = h("div", { class: "when" });
  let last;
  draft.watch(() => {
    if (key() === last) return;
    last = key();
    fill(element, build(last));
  });
  return element;
}

/** A part of a form that opens; `summary()` tells in a few words what is set, or nothing. */
export function section(draft, title, summary, ...content) {
  const told = h("span", { class: "summary" });
  const element = h("details", { class: "section" }, h("summary", {}, h("span", { class: "title" }, t(title)), told), h("div", { class: "inside" }, content));
  draft.watch(() => {
    const words = summary();
    fill(told, words || t("form.unset"));
    element.classList.toggle("set", Boolean(words));
  });
  return element;
}

/** A section of an object that can be switched off without forgetting it (`enabled`). */
export function switchable(draft, path, title, summary, ...content) {
  const on = () => Boolean(draft.get(path)) && draft.get(`${path}.enabled`) !== false;
  const id = newId("field");
  const input = h("input", {
    type: "checkbox", role: "switch", id, checked: on(), onchange: () => {
      const value = draft.get(path);
      draft.set(path, input.checked ? { ...value, enabled: true } : value && Object.keys(value).some((key) => key !== "enabled" && value[key] !== null) ? { ...value, enabled: false } : null);
    },
  });
  return section(draft, title, () => (on() ? summary() || t("form.on") : draft.get(path) ? t("form.off") : null),
    h("div", { class: "field switch", "data-path": `${path}.enabled` }, input, h("label", { for: id }, t(`${title}.on`), has(`${title}.hint`) && h("span", { class: "hint" }, t(`${title}.hint`))), h("p", { class: "error" })),
    when(draft, on, content));
}
