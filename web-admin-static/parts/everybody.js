// The switch between one's own and everybody's, for administrators; it stands in the address.

import { h } from "../dom.js";
import { t } from "./i18n.js";
import { adjust, here } from "./router.js";
import { may } from "./session.js";

export const everybody = () => may("admin") && here().params.has("all");

export function everybodySwitch(refresh) {
  if (!may("admin")) return null;
  const input = h("input", { type: "checkbox", role: "switch", checked: everybody(), onchange: () => { adjust({ all: input.checked ? "1" : null }); refresh(); } });
  return h("label", { class: "inline" }, input, t("everybody"));
}
