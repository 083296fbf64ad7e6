// A place to drop files on, or to choose them.

import { h } from "../dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { note } from "./notes.js";

const LARGEST = 64 * 1024 * 1024;

/** `take(texts)` gets what stands in the files, in their order; of `several`, else of one. With `raw` it gets the files themselves, of any size. */
export function dropZone(words, take, { several = false, raw = false } = {}) {
  async function read(files) {
    const chosen = [...files].slice(0, several ? undefined : 1);
    if (!chosen.length) return;
    if (raw) return take(chosen);
    const large = chosen.find((each) => each.size > LARGEST);
    if (large) return note(t("pem.large", { name: large.name }), "bad");
    take(await Promise.all(chosen.map((each) => each.text())));
  }

  const input = h("input", { type: "file", multiple: several, class: "unseen", tabindex: "-1", "aria-hidden": "true", onchange: () => read(input.files) });
  const zone = h("div", {
    class: "drop", ondragover: (event) => { event.preventDefault(); zone.classList.add("over"); }, ondragleave: () => zone.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); zone.classList.remove("over"); read(event.dataTransfer.files); },
  }, icon("file"), h("p", {}, words, " ", h("button", { type: "button", class: "link", onclick: () => input.click() }, t("pem.choose"))), input);
  return zone;
}
