// A form around a draft: sends it, shows the API's errors at the fields that they name, guards what was typed.

import { Unreachable } from "../api.js";
import { append, fill, h } from "../dom.js";
import { t } from "./i18n.js";
import { fieldProblems, problem } from "./notes.js";

/** What a form itself finds wrong on the way to the API; `fields` as an ApiError has them. */
export class Wrong extends Error {
  constructor(...fields) {
    super();
    this.fields = fields;
  }
}

/** Shows [path, message] at their fields; the rest, and errors without fields, above the buttons. */
export function showErrors(form, errors, rest) {
  for (const place of form.querySelectorAll(".error")) fill(place);
  for (const each of form.querySelectorAll(".wrong")) {
    each.classList.remove("wrong");
    each.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  }
  const left = [];
  const fields = [...form.querySelectorAll(".field")];
  let first = null;
  for (const [path, message] of errors) {
    // `services[0].port` belongs to the field `services` when none stands for it alone.
    const found = fields.filter((each) => each.dataset.path && (path === each.dataset.path || path.startsWith(`${each.dataset.path}[`) || path.startsWith(`${each.dataset.path}.`)))
      .sort((one, two) => Boolean(one.closest("[hidden]")) - Boolean(two.closest("[hidden]")) || two.dataset.path.length - one.dataset.path.length)[0];
    if (!found) {
      left.push([path && `${path}: `, message]);
      continue;
    }
    found.classList.add("wrong");
    found.querySelector("input, select, textarea")?.setAttribute("aria-invalid", "true");
    const rest = path.slice(found.dataset.path.length).replace(/^\./, "");
    const places = found.querySelectorAll(".error");
    append(places[places.length - 1], [rest && `${rest}: `, message, " "]);
    for (let each = found.parentElement; each && each !== form; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    first ??= found;
  }
  const whole = form.querySelector(".form-error");
  const count = errors.length - left.length;
  fill(whole, rest ? h("span", {}, rest) : null, left.map((each) => h("span", {}, each)), !rest && count ? h("span", {}, t("form.wrong", { n: count })) : null);
  if (first) {
    (first.querySelector("input:not(:disabled), select, textarea") ?? first).focus();
    first.scrollIntoView({ block: "center" });
  }
}

/** What must not be empty and is, of what is asked for now. */
function missing(form) {
  return [...form.querySelectorAll("[aria-required=true]")].filter((each) => !each.value.trim() && !each.disabled && !each.closest("[hidden]"))
    .map((each) => [each.closest(".field").dataset.path, t("required")]);
}

/**
 * options: label; cancel; submit(): may throw an ApiError, which is shown in place; extra(attempt): more buttons; check(): more
 * [path, message] found here; draft: its unreadable texts are shown and nothing is sent.
 */
export function form(fields, { submit, label, cancel, extra, draft, check, failed }) {
  const button = h("button", { type: "submit", class: "primary" }, label);
  let busy = false;

  /** Runs what a button stands for, with what is wrong shown in place. `partly`: it does not need all that the form asks for. */
  async function attempt(pressed, action, { partly = false } = {}) {
    if (busy) return;
    const known = [...(draft?.problems ?? []), ...(check?.() ?? [])];
    const found = [...(partly ? [] : missing(element)).filter(([path]) => !known.some(([each]) => each === path)), ...known];
    showErrors(element, found);
    if (found.length) return;
    busy = true;
    pressed.setAttribute("aria-busy", "true");
    try {
      await action();
    } catch (error) {
      if (!(failed && (await failed(error)))) {
        const fields = fieldProblems(error);
        showErrors(element, fields, fields.length ? null : error instanceof Unreachable ? t("away.save") : problem(error));
      }
    } finally {
      busy = false;
      pressed.removeAttribute("aria-busy");
    }
  }

  const element = h("form", {
    novalidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      attempt(button, submit);
    },
  }, h("div", { class: "fields" }, fields),
  h("div", { class: "foot" }, h("p", { class: "form-error error", role: "alert" }),
    h("div", { class: "buttons" }, button, extra?.(attempt), cancel && h("button", { type: "button", onclick: cancel }, t("cancel")))));
  return element;
}
