// What is sent over a WebSocket that is open: text, bytes, and the close frame.

import { h } from "../dom.js";
import { toBase64 } from "../parts/binary.js";
import { areaField, numberField, section, selectField, textField } from "../parts/fields.js";
import { form, Wrong } from "../parts/form.js";
import { t } from "../parts/i18n.js";

const FORMS = ["text", "base64", "hex"];

/** The message as the API takes it. */
function messageOf(draft) {
  const [as, text] = [draft.get("as"), draft.get("message") ?? ""];
  if (as === "text") return { text };
  const base64 = toBase64(as, text);
  if (base64 === null) throw new Wrong(["message", t(`try.as.${as}.wrong`)]);
  return { base64 };
}

/** The form; `open` is the running try-out, `closing()` is told when the close frame is sent. */
export function socketForm(draft, open, closing) {
  const field = areaField(draft, "message", { rows: 2 });
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
    field, selectField(draft, "as", FORMS.map((each) => [each, t(`try.as.${each}`)]), { class: "short" }),
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
