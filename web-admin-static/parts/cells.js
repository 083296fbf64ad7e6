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

export function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

/** A single user by its name, several by their number and a search for `q`; none is told in grey. */
export function usedBy(users, page, words, q) {
  if (!users.length) return h("span", { class: "soft" }, t("unused"));
  if (users.length === 1) return h("a", { href: address(page, { edit: users[0] }) }, users[0]);
  const shown = { class: "count", title: users.slice(0, 30).join("\n") };
  return q ? h("a", { ...shown, href: address(page, { q }) }, t(words, { n: users.length })) : h("span", shown, t(words, { n: users.length }));
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
