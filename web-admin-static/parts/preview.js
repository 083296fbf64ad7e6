// What a write would do, told before it is done: what changes, which routes serve otherwise, what runs on them.

import { h } from "../dom.js";
import { change } from "./changes.js";
import { dialog } from "./dialog.js";
import { diff } from "./diff.js";
import { dateTime, t } from "./i18n.js";
import { told, warned } from "./server.js";

/** The forms whose words name the fields of each kind. */
export const WORDS = { route: "route", domain: "domain", "tls-certificate": "certificate", "service-source": "source", "proxy-server": "proxy", consumer: "consumer", listener: "listener", account: "user", token: "token" };

const MOST = 20;

/** A certificate by what people know of it, instead of the numbers that are stored. */
function readable(kind, object) {
  if (kind !== "tls-certificate" || !object?.facts) return object;
  const { names, notBefore, notAfter, keyDescription, fingerprint } = object.facts;
  const moment = (seconds) => dateTime(new Date(seconds * 1000));
  return { domains: names, start: moment(notBefore), end: moment(notAfter), key: keyDescription, fingerprint };
}

/** Each resource with its fields; those that come or go are told in a line. */
export function changesList(changes) {
  if (!changes?.length) return h("p", { class: "soft" }, t("preview.nothing"));
  return h("ul", { class: "changes" }, changes.map((each) => h("li", {}, change(each), each.action === "update" && diff(WORDS[each.kind] ?? "audit", readable(each.kind, each.before), readable(each.kind, each.after)))));
}

/** What a route gains or loses in words that people know; hashes of settings say nothing to them. */
const facets = (list) => (list ?? []).filter((each) => !/settings [0-9a-f]{8}$/.test(each)).map(told).join(", ");

/** What comes of it beyond the objects themselves: other routes, and what runs. */
export function effects({ changes, routes, moreRoutes, shadowed, streams }) {
  const own = new Set((changes ?? []).filter((each) => each.kind === "route").map((each) => each.name));
  const others = (routes ?? []).filter((each) => !own.has(each.route));
  return [
    shadowed?.length > 0 && h("div", { class: "aside bad" }, h("strong", {}, t("preview.shadowed")), h("ul", {}, shadowed.slice(0, MOST).map((each) => h("li", {}, t("preview.shadowed.by", each))))),
    others.length > 0 && h("div", { class: "aside" }, h("strong", {}, t("preview.routes")), h("ul", {}, others.slice(0, MOST).map((each) => h("li", {}, h("strong", {}, each.route),
      facets(each.gains) && ` + ${facets(each.gains)}`, facets(each.loses) && ` − ${facets(each.loses)}`))), (others.length > MOST || moreRoutes > 0) && h("p", {}, t("more", { n: Math.max(0, others.length - MOST) + (moreRoutes ?? 0) }))),
    streams?.ended > 0 && h("p", { class: "aside bad" }, t("preview.ended", { n: streams.ended })),
    streams?.touched > streams?.ended && h("p", { class: "aside" }, t("preview.streams", { n: streams.touched - streams.ended })),
  ];
}

/** The preview of a form, above it. */
export function previewed(preview) {
  dialog(t("preview.title"), (close) => h("div", { class: "content" },
    h("p", { class: "hint" }, t("preview.text")), changesList(preview.changes), effects(preview), warned(preview.warnings),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", autofocus: true, onclick: close }, t("conflict.back")))), { kind: "box wide" });
}
