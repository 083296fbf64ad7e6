// Short notes at the edge of the page: what was done, or what went wrong. They lie above open dialogs.

import { Unreachable } from "../api.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { has, language, t } from "./i18n.js";
import { lookAgain } from "./live.js";

const SHOWN_FOR = 6000;
const MOST = 4;
/** Codes whose fields all say the same. */
const SAME = new Set(["duplicate", "stale_version", "last_administrator"]);
const place = document.getElementById("notes");

export function clearNotes() {
  place.replaceChildren();
  place.hidePopover();
}

export function note(text, kind = "good") {
  const remove = () => {
    element.remove();
    if (!place.children.length && place.matches(":popover-open")) place.hidePopover();
  };
  const element = h("div", { class: `note ${kind}` }, h("span", {}, text),
    h("button", { type: "button", class: "plain", "aria-label": t("close"), onclick: remove }, icon("close")));
  place.append(element);
  while (place.children.length > MOST) place.firstChild.remove();
  raise();
  if (kind !== "bad") setTimeout(remove, SHOWN_FOR);
}

/** A dialog that opens covers what was there before it: the notes go on top again. */
export function raise() {
  if (!place.children.length) return;
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover();
}

/** Says how a write ended: saved, and live or not yet; and the warnings in its answer. */
export function noteSaved({ content, live }) {
  const outcome = ["true", "no-worker", "rejected", "timeout"].includes(live) ? `live.${live}` : "saved";
  lookAgain();
  note(t(outcome), live === "rejected" || live === "timeout" ? "bad" : live === "no-worker" ? "warn" : "good");
  for (const warning of content?.warnings || []) note(warning, "warn");
}

export function noteError(error) {
  note(problem(error), "bad");
}

/** What an error says of single fields; a code that means the same for each is told in words, too. */
export function fieldProblems(error) {
  const found = error.fields ?? [];
  if (language === "en" || !SAME.has(error.code)) return found;
  return found.map(([field, detail]) => [field, t("problem.detail", { words: t(`problem.${error.code}`), detail })]);
}

/**
 * What to tell about an error. The API speaks English: in another language its stable code is told in words, and what it says stands behind
 * them.
 */
export function problem(error) {
  if (error instanceof Unreachable) return t("away.call");
  const key = `problem.${error.code}`;
  if (!error.code || !has(key) || (language === "en" && error.message)) return error.message || String(error);
  return t("problem.detail", { words: t(key), detail: error.message });
}
