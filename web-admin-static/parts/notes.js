// Short notes at the edge of the page: what was done, or what went wrong. They lie above open dialogs.

import { ApiError, Unreachable } from "../api.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { has, language, t } from "./i18n.js";
import { lookAgain } from "./live.js";
import { said } from "./server.js";

const SHOWN_FOR = 6000;
const MOST = 4;
/** Codes whose message is what is said of the fields, in a row. */
const OF_FIELDS = new Set(["invalid_fields", "invalid_query", "invalid_backup"]);
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
  for (const warning of content?.warnings || []) note(said(warning), "warn");
}

export function noteError(error) {
  note(problem(error), "bad");
}

/** What an error says of single fields; what the form itself found has words of the page. */
export function fieldProblems(error) {
  const found = error.fields ?? [];
  return error instanceof ApiError ? found.map(([field, message]) => [field, said(message)]) : found;
}

/** What to tell about an error, to be put into an element. Where the server's text has no words in this language, those of its code stand before it. */
export function problem(error) {
  if (error instanceof Unreachable) return t("away.call");
  if (!(error instanceof ApiError)) return error.message || String(error);
  if (language !== "en" && OF_FIELDS.has(error.code) && error.fields.length) return error.fields.map(([field, message], at) => [at > 0 && " ", field && `${field}：`, said(message)]);
  const words = said(error.message);
  const key = `problem.${error.code}`;
  return words instanceof Node && has(key) ? [t(key), " ", words] : words;
}
