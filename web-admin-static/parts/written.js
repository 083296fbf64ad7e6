// What is written as a message to somebody, as the API of try-outs takes it.

import { toBase64 } from "./binary.js";
import { selectField } from "./fields.js";
import { Wrong } from "./form.js";
import { t } from "./i18n.js";

/** The choice of how `message` is written. */
export function asField(draft, forms) {
  return selectField(draft, "as", forms.map((each) => [each, t(`try.as.${each}`)]), { class: "short" });
}

/** The draft's `message`, or what is wrong with it. */
export function messageOf(draft) {
  const [as, text] = [draft.get("as"), draft.get("message") ?? ""];
  if (as === "text") return { text };
  if (as === "json") return { json: parsed(text) };
  const base64 = toBase64(as, text);
  if (base64 === null) throw new Wrong(["message", t(`try.as.${as}.wrong`)]);
  return { base64 };
}

function parsed(text) {
  if (!text.trim()) return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Wrong(["message", t("try.as.json.wrong", { problem: error.message })]);
  }
}
