// A button that opens a short list of actions.

import { h, newId } from "../dom.js";

export function menu(face, label, entries) {
  const id = newId("menu");
  const list = h("div", { id, class: "menu", role: "menu", hidden: true }, entries.map(([text, action]) =>
    h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { show(false); action(); } }, text)));
  const button = h("button", { type: "button", class: "tool text", "aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id, onclick: () => show(list.hidden) }, face);
  const element = h("div", { class: "menu-holder" }, button, list);
  const items = [...list.children];

  function outside(event) {
    if (!element.contains(event.target)) show(false);
  }

  function show(open) {
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    document[open ? "addEventListener" : "removeEventListener"]("pointerdown", outside);
    if (open) items[0].focus();
  }

  element.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const at = items.indexOf(document.activeElement);
    if (event.key === "Escape") {
      show(false);
      button.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length].focus();
    } else if (event.key === "Tab") show(false);
  });
  return element;
}
