// The line at the top that tells saved from live: how many workers serve, and which version.

import { workers } from "../api.js";
import { fill, h } from "../dom.js";
import { away, whenBack } from "./connection.js";
import { happened, told, whenChanged } from "./events.js";
import { t } from "./i18n.js";

const EVERY = 4000;
/** While events tell what changes, only the numbers of open connections grow old. */
const EVERY_TOLD = 10_000;

/** {kind, text} for a list of workers. */
export function sum(list) {
  const serving = list.filter((each) => each.state === "serving");
  if (!serving.length) return { kind: "warn", text: t("state.none") };
  if (list.some((each) => each.heldBack?.length)) return { kind: "bad", text: t("state.heldBack") };
  if (list.some((each) => each.degraded?.length)) return { kind: "warn", text: t("state.degraded") };
  if (serving.some((each) => each.publishing)) return { kind: "warn", text: t("state.publishing") };
  return { kind: "good", text: t("state.live", { version: Math.min(...serving.map((each) => each.version)) }) };
}

const listeners = new Set();

/** Told the workers whenever they were asked for. */
export function whenWorkers(element, action) {
  const listener = (list) => (element.isConnected ? action(list) : listeners.delete(listener));
  listeners.add(listener);
}

let again = () => {};

/** Asks at once, after a write. */
export function lookAgain() {
  again();
}

export function liveState() {
  const words = h("span", {}, "…");
  const element = h("a", { class: "live", href: "#/workers", "data-kind": "" }, h("span", { class: "dot" }), words);
  let timer = null;
  let running = false;
  let served = null;

  async function look() {
    clearTimeout(timer);
    if (!element.isConnected || running) return;
    running = true;
    try {
      if (document.visibilityState === "visible" && !away()) {
        const list = await workers.list();
        const { kind, text } = sum(list);
        element.dataset.kind = kind;
        fill(words, text);
        for (const listener of [...listeners]) listener(list);
        const now = JSON.stringify(list.map((each) => each.version));
        if (served !== null && served !== now && !told()) happened("version");
        served = now;
      }
    } catch {
      element.dataset.kind = "";
      fill(words, t("state.unknown"));
    }
    running = false;
    timer = setTimeout(look, told() ? EVERY_TOLD : EVERY);
  }

  whenBack(element, look);
  whenChanged(element, ["worker", "version"], look);
  again = look;
  setTimeout(look);
  return element;
}
