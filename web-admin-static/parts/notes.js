// Short notes at the edge of the page: what was done, or what went wrong.

import { h } from "../dom.js";
import { t } from "./i18n.js";

const SHOWN_FOR = 6000;
const MOST = 4;
const place = document.getElementById("notes");

export function clearNotes() {
  place.replaceChildren();
}

export function note(text, kind = "good") {
  const element = h("div", { class: `note ${kind}` }, text, h("button", {
    type: "button", class: "plain", "aria-label": t("close"), onclick: () => element.remove(),
  }, "×"));
  place.append(element);
  while (place.children.length > MOST) place.firstChild.remove();
  if (kind !== "bad") setTimeout(() => element.remove(), SHOWN_FOR);
}

/** Says how a write ended: saved, and live or not yet; and the warnings in its answer. */
export function noteSaved({ content, live }) {
  const outcome = ["true", "no-worker", "rejected", "timeout"].includes(live) ? `live.${live}` : "saved";
  note(t(outcome), live === "rejected" || live === "timeout" ? "bad" : "good");
  for (const warning of content?.warnings || []) note(warning, "warn");
}

export function noteError(error) {
  note(error.message || String(error), "bad");
}
