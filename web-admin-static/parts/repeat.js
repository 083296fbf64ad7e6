// Something that is asked for again and again while a page is shown: not while the tab is hidden, nor while the control plane is
// away, and at once when either is over.

import { away, whenBack } from "./connection.js";

/** Calls `action` now and each `every` milliseconds until `element` leaves the document. */
export function repeat(element, every, action) {
  let timer = null;
  let running = false;

  async function turn() {
    clearTimeout(timer);
    if (running) return;
    running = true;
    try {
      if (!document.hidden && !away()) await action();
    } finally {
      running = false;
    }
    if (element.isConnected) timer = setTimeout(turn, every);
    else document.removeEventListener("visibilitychange", visible);
  }

  function visible() {
    if (!document.hidden && element.isConnected) turn();
  }

  document.addEventListener("visibilitychange", visible);
  whenBack(element, turn);
  turn();
  return turn;
}
