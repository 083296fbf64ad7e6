// What is sent over a WebSocket that is open: text, bytes, and the close frame.

import { h } from "../dom.js";
import { areaField, numberField, section, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { asField, messageOf } from "../parts/written.js";

/** `open` is the running try-out; `closing()` is told when the close frame is sent. */
export function socketForm(draft, open, closing) {
  const field = areaField(draft, "message", { rows: 2, hint: t("try.message.enter") });
  const area = field.querySelector("textarea");

  async function send() {
    const text = area.value;
    await open.send(messageOf(draft));
    if (area.value !== text) return;
    area.value = "";
    draft.set("message", "");
  }

  async function close() {
    const { code, reason } = draft.value;
    await open.send({ end: true, code, reason: reason || null });
    closing();
  }

  const element = form([
    field, asField(draft, ["text", "base64", "hex"]),
    section(draft, "try.closing", () => [draft.get("code"), draft.get("reason")].filter(Boolean).join(" "),
      numberField(draft, "code", { empty: "1000" }), textField(draft, "reason", { keep: true })),
  ], {
    draft, label: t("try.send"), submit: send,
    extra: (attempt) => h("button", { type: "button", onclick: (event) => attempt(event.currentTarget, close) }, t("try.close")),
  });
  area.addEventListener("keydown", (event) => {
    // The Enter that ends the choice of a Chinese word sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    element.requestSubmit();
  });
  return element;
}
