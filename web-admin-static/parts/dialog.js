// Modal dialogs: the drawer that a form stands in, and questions. The browser keeps the focus inside and gives it back.

import { h, newId } from "../dom.js";
import { raiseBanner } from "./connection.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { raise } from "./notes.js";

/**
 * Opens a dialog; `content(close)` gives what stands in it. `mayClose()` is asked before Escape or the cross closes it;
 * `closed()` is told afterwards, however it went.
 */
export function dialog(title, content, { kind = "box", mayClose = async () => true, closed = () => {}, cross = true } = {}) {
  const id = newId("dialog");
  const element = h("dialog", { class: kind, "aria-labelledby": id });
  const close = () => {
    if (!element.isConnected) return;
    element.close();
    element.remove();
    closed();
  };
  const tryClose = async () => {
    if (await mayClose()) close();
  };
  element.append(
    h("div", { class: "head" }, h("h2", { id, tabindex: "-1" }, title), cross && h("button", { type: "button", class: "plain", "aria-label": t("close"), onclick: tryClose }, icon("close"))),
    content(close, tryClose));
  element.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (cross) tryClose();
  });
  document.body.append(element);
  element.showModal();
  raise();
  raiseBanner();
  const first = element.querySelector("[autofocus]") ?? element.querySelector("form input:not([type=checkbox], [type=radio]), form textarea, form select");
  // One who makes something begins to type; one who changes something looks first.
  (first?.disabled || !first ? element.querySelector("h2") : first).focus();
  return { element, close };
}

/** A question with two answers; resolves to whether it was agreed to. */
export function question(title, text, { yes, no = t("cancel"), danger = false, wide = false } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    dialog(title, (close) => h("div", { class: "content" }, h("div", { class: "prose" }, text),
      h("div", { class: "buttons" },
        h("button", { type: "button", class: danger ? "danger solid" : "primary", onclick: () => { answer = true; close(); } }, yes),
        h("button", { type: "button", autofocus: true, onclick: close }, no))),
    { kind: wide ? "box wide" : "box", closed: () => resolve(answer) });
  });
}
