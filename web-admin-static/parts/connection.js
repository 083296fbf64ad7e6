// Whether the control plane answers. When it does not, a banner says so and what it means, and we ask until it is back:
// nothing on the page is thrown away meanwhile, and lists are read again afterwards.

import { fill, h } from "../dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";

const ASK_EVERY = 1500;
const banner = document.getElementById("banner");
const listeners = new Set();
let asking = null;

export const away = () => asking !== null;

/** Called when the control plane answers again. Gone pages are told nothing: `element` must be in the document. */
export function whenBack(element, action) {
  const listener = () => (element.isConnected ? action() : listeners.delete(listener));
  listeners.add(listener);
}

export function lost() {
  if (asking) return;
  fill(banner, icon("warning"), h("div", {}, h("strong", {}, t("away.title")), " ", t("away.text")));
  banner.showPopover();
  asking = setInterval(ask, ASK_EVERY);
}

async function ask() {
  try {
    if ((await fetch("/healthz/ready", { cache: "no-store", signal: AbortSignal.timeout(ASK_EVERY) })).ok) answered();
  } catch {
    // Still away: the next round asks again.
  }
}

export function answered() {
  if (!asking) return;
  clearInterval(asking);
  asking = null;
  banner.hidePopover();
  for (const listener of [...listeners]) listener();
}

/** Keeps the banner above a dialog that has just opened. */
export function raiseBanner() {
  if (!banner.matches(":popover-open")) return;
  banner.hidePopover();
  banner.showPopover();
}
