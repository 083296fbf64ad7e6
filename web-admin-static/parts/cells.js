// What cells of tables have in common.

import { h } from "../dom.js";
import { date, relative, t } from "./i18n.js";
import { icon } from "./icons.js";
import { address, withParams } from "./router.js";
import { said, told } from "./server.js";

/** The object's name, which opens it, with its warnings. */
export function nameCell(row, shown = row.name) {
  return h("span", { class: "name" }, h("a", { href: withParams({ edit: row.name, new: null }) }, shown),
    row.warnings?.length > 0 && h("span", { class: "mark warn", title: row.warnings.map(told).join("\n") }, icon("warning"), h("span", { class: "unseen" }, row.warnings.map((each) => [said(each), " "]))));
}

/** host:port, which breaks before the port where it is too long for its place. */
export function place(text) {
  const at = text.lastIndexOf(":");
  return h("code", {}, at > 0 ? [text.slice(0, at), h("wbr"), text.slice(at)] : text);
}

export function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

/** The API's nouns for who uses something, and their pages. */
const USERS = [["route", "routes"], ["domain", "domains"], ["service source", "sources"], ["certificate", "certificates"], ["listener", "listeners"], ["consumer", "consumers"], ["proxy server", "proxies"]];

/** {page, name} of "route greet"; without a page where the noun is a new one. */
export function userOf(text) {
  const [noun, page] = USERS.find(([each]) => text.startsWith(`${each} `)) ?? [];
  return page ? { page, name: text.slice(noun.length + 1) } : { page: null, name: text };
}

/** "route greet" in words, as a link to it. */
export function uses(text) {
  const { page, name } = userOf(text);
  return page ? [`${t(`kind.${page}`)} `, h("a", { href: address(page, { edit: name }) }, name)] : said(text);
}

/** Who uses an object: a single one by its name, several by their number and a search for `q` at a page; none is told in grey. */
export function usedBy({ usedBy: users, usedByTotal: total }, page, words, q) {
  if (!total) return h("span", { class: "soft" }, t("unused"));
  if (total === 1 && userOf(users[0]).page) return h("a", { href: address(userOf(users[0]).page, { edit: userOf(users[0]).name }) }, userOf(users[0]).name);
  const shown = { class: "count", title: users.map(told).join("\n") };
  const count = t(words, { n: total });
  return q ? h("a", { ...shown, href: address(page, { q }) }, count) : h("span", shown, count);
}

/** Facts as pairs of a word and a value; `wide` ones take a line. */
export function facts(...pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([word, value, wide]) => h("div", { class: wide ? "wide" : null }, h("dt", {}, word), h("dd", {}, value ?? "–"))));
}

export function lines(texts, most = 3) {
  if (!texts.length) return h("span", { class: "soft" }, "–");
  return h("ul", { class: "lines" }, texts.slice(0, most).map((each) => h("li", {}, each)),
    texts.length > most && h("li", { class: "soft" }, t("more", { n: texts.length - most })));
}

const DAYS_TO_WARN = 30;

/** `yyyy/MM/dd HH:mm:ssZ` as a Date. */
export function moment(value) {
  return value ? new Date(value.replace(/\//g, "-").replace(" ", "T")) : null;
}

export function expiryKind(end) {
  const days = (end - Date.now()) / 86_400_000;
  return days < 0 ? "bad" : days < DAYS_TO_WARN ? "warn" : "good";
}

/** When a certificate ends, coloured as it comes near. */
export function expiry(certificate) {
  const end = moment(certificate?.validityEnd);
  if (!end) return h("span", { class: "soft" }, "–");
  const kind = expiryKind(end);
  return h("span", { title: date(end) }, badge(kind === "bad" ? t("certificate.expired", { when: relative(end) }) : t("certificate.expires", { when: relative(end) }), kind === "good" ? "" : kind));
}

/** A text that can be copied at once. */
export function copyable(text) {
  const button = h("button", { type: "button", class: "tool", title: t("copy.text"), "aria-label": t("copy.text") }, icon("copy"));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.replaceChildren(icon("check"));
  });
  return h("div", { class: "command" }, h("code", {}, text), navigator.clipboard && button);
}
