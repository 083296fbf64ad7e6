// Short notes at the edge of the page: what was done, or what went wrong. They lie above open dialogs.

import { Unreachable } from "../api.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { lookAgain } from "./live.js";

const SHOWN_FOR = 6000;
const MOST = 4;
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

/** What to tell about an error. */
export function problem(error) {
  return error instanceof Unreachable ? t("away.call") : error.message || String(error);
}
