// How versions are told: what changed in each, by whom, when.

import { h } from "../dom.js";
import { badge } from "./cells.js";
import { has, t } from "./i18n.js";
import { address } from "./router.js";

const PAGES = { domain: "domains", "tls-certificate": "certificates", route: "routes", "service-source": "sources", "proxy-server": "proxies", consumer: "consumers", listener: "listeners" };

export function kindWord(kind) {
  const key = `kind.${PAGES[kind] ?? kind}`;
  return has(key) ? t(key) : kind;
}

/** "created route greeter", with a link while it exists. */
export function change({ kind, name, action }) {
  const page = PAGES[kind];
  return h("span", { class: "change" }, badge(t(`action.${action}`), { create: "good", delete: "bad" }[action] ?? ""), ` ${kindWord(kind)} `,
    page && action !== "delete" ? h("a", { href: address(page, { edit: name }) }, name) : name);
}
