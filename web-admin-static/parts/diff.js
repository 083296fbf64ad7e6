// What differs between two forms of an object, field by field.

import { h } from "../dom.js";
import { nameOf, shown } from "./conflict.js";
import { differences, read } from "./draft.js";
import { t } from "./i18n.js";

/** words: the form whose labels name the fields; either side may be null. */
export function diff(words, before, after) {
  const paths = differences(before ?? {}, after ?? {}).filter((path) => path !== "version");
  if (!paths.length) return h("p", { class: "soft" }, t("diff.none"));
  const side = (object, path, kind) => h("td", { "data-label": t(`diff.${kind}`), class: kind }, shown(object === null ? null : read(object, path)));
  return h("div", { class: "scroll" }, h("table", { class: "diff" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("conflict.field")), h("th", { scope: "col" }, t("diff.before")), h("th", { scope: "col" }, t("diff.after")))),
    h("tbody", {}, paths.map((path) => h("tr", { "data-path": path }, h("th", { scope: "row" }, nameOf(words, path)), side(before, path, "before"), side(after, path, "after"))))));
}
