// What was said over a connection, in order, with the time since it began.

import { fill, h } from "../dom.js";
import { number, t } from "./i18n.js";

/** Entries that are kept. */
const MOST = 500;

export function transcript() {
  const list = h("div", { class: "talk", role: "log", "aria-label": t("try.talk"), tabindex: "0" });
  const cut = h("p", { class: "hint", hidden: true }, t("try.talk.most", { n: MOST }));
  let waiting = [];
  let start = 0;

  /** Once a frame: a back end may say much at once. */
  function show() {
    const low = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...waiting);
    waiting = [];
    while (list.children.length > MOST) {
      list.firstChild.remove();
      cut.hidden = false;
    }
    if (low) list.scrollTop = list.scrollHeight;
  }

  return {
    element: h("div", {}, cut, list),
    add(kind, title, body) {
      if (!waiting.length) requestAnimationFrame(show);
      waiting.push(h("div", { class: `entry ${kind}` }, h("span", { class: "when" }, `${number(performance.now() - start)} ${t("unit.ms")}`), h("div", { class: "what" }, h("span", { class: "title" }, title), body && h("pre", {}, body))));
    },
    begin() {
      start = performance.now();
      waiting = [];
      cut.hidden = true;
      fill(list);
    },
    focus: () => list.focus(),
  };
}
