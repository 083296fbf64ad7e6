// Modal dialogs: the drawer that a form stands in, and the question before something is deleted.

import { h } from "../dom.js";
import { t } from "./i18n.js";

/** Opens a dialog; `content(close)` gives what stands in it. */
export function dialog(title, content) {
  const element = h("dialog", { "aria-label": title });
  const close = () => {
    element.close();
    element.remove();
  };
  element.append(h("h2", {}, title), content(close));
  element.addEventListener("cancel", () => element.remove());
  document.body.append(element);
  element.showModal();
  element.querySelector("input:not([type=checkbox]), textarea, select")?.focus();
}

export function confirmDelete(name, action) {
  dialog(t("delete.title"), (close) => h("div", {},
    h("p", {}, t("delete.question", { name })),
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "danger", onclick: async () => { close(); await action(); } }, t("delete")),
      h("button", { type: "button", onclick: close }, t("cancel")))));
}
