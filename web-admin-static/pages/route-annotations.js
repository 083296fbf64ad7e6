// What a route does by annotations alone, as controls: sessions by a cookie, canaries, a service to fall back to.

import { h } from "../dom.js";
import { AFFINITY, CANARY, annotated, milliseconds, read, timeText } from "../parts/annotations.js";
import { chooseField } from "../parts/choice.js";
import { durationField, linesField, numberField, per, section, selectField, switchField, textField } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { switchOf } from "./source-form.js";

const configs = (draft) => draft.get("customConfigs");

/** The same control, found by the errors of its annotation. */
function bound(fields, name, element) {
  element.dataset.path = fields.pathOf(name);
  return element;
}

const text = (fields, name, options) => bound(fields, name, textField(fields, name, options));

/** A switch for an annotation that others belong to: without it they go, too. */
function onOff(draft, fields, names, on) {
  const [name] = names;
  return bound(fields, name, switchOf(draft, `${fields.words}.on`, () => fields.get(name) === on, (wanted) => {
    if (wanted) fields.set(name, on);
    else for (const each of names) fields.set(each, null);
  }));
}

export const keepsSessions = (map) => read(map, "affinity") === "cookie";

export function sessions(draft) {
  const fields = annotated(draft, "route.affinity", { usual: { "affinity-mode": "balanced", "affinity-canary-behavior": "sticky" } });
  const times = annotated(draft, "route.affinity", { from: (value) => (/^\d+$/.test(value) ? Number(value) : value) });
  const on = () => keepsSessions(configs(draft));
  const choice = (name, values) => bound(fields, name, selectField(fields, name, values.map((each) => [each, t(`route.affinity.${name}.${each}`)])));
  const lasting = (name) => bound(times, name, durationField(times, name, { seconds: true, empty: t("route.affinity.session") }));
  return section(draft, "route.affinity", () => on() && (fields.get("session-cookie-name") ?? "INGRESSCOOKIE"),
    onOff(draft, fields, AFFINITY, "cookie"),
    per(draft, on, (yes) => yes && [
      h("div", { class: "pair" }, text(fields, "session-cookie-name", { placeholder: "INGRESSCOOKIE" }), text(fields, "session-cookie-path", { placeholder: "/", mono: true })),
      lasting("session-cookie-max-age"), fields.get("session-cookie-expires") !== null && lasting("session-cookie-expires"),
      choice("affinity-mode", ["balanced", "persistent"]), choice("affinity-canary-behavior", ["sticky", "legacy"]),
    ]));
}

export const isCanary = (map) => read(map, "canary") === "true";

const BY = {
  header: (fields) => [
    text(fields, "canary-by-header", { required: true, placeholder: "x-canary" }),
    h("div", { class: "pair" }, text(fields, "canary-by-header-value", { placeholder: "always", keep: true }), text(fields, "canary-by-header-pattern", { mono: true, keep: true })),
  ],
  cookie: (fields) => text(fields, "canary-by-cookie", { required: true, placeholder: "canary" }),
  weight: (fields) => h("div", { class: "pair" }, bound(fields, "canary-weight", numberField(fields, "canary-weight", { empty: "0" })), bound(fields, "canary-weight-total", numberField(fields, "canary-weight-total", { empty: "100" }))),
};

export function canary(draft) {
  const fields = annotated(draft, "route.canary");
  const on = () => isCanary(configs(draft));
  // In the order in which the gateway asks them.
  let by = ["header", "cookie"].find((each) => fields.get(`canary-by-${each}`) !== null) ?? "weight";
  const choice = {
    words: "route.canary", get: () => by,
    set: (_, chosen) => {
      by = chosen;
      for (const each of CANARY.slice(1)) fields.set(each, null);
      draft.changed();
    },
  };
  const told = () => ({ header: () => fields.get("canary-by-header"), cookie: () => fields.get("canary-by-cookie"), weight: () => `${fields.get("canary-weight") ?? 0} / ${fields.get("canary-weight-total") ?? 100}` })[by]();
  return section(draft, "route.canary", () => on() && (told() || t("form.on")),
    h("p", { class: "hint" }, t("route.canary.text")),
    onOff(draft, fields, CANARY, "true"),
    per(draft, on, (yes) => yes && [
      selectField(choice, "by", Object.keys(BY).map((each) => [each, t(`route.canary.by.${each}`)])), per(draft, () => by, (kind) => BY[kind](fields)),
    ]));
}

/** The service that takes over while the route's own has no address, or answers in the place of some statuses. */
export function fallback(draft, services) {
  const fields = annotated(draft, "route");
  return section(draft, "route.fallback", () => [fields.get("default-backend"), fields.get("custom-http-errors")].filter(Boolean).join(", "),
    bound(fields, "default-backend", chooseField(fields, "default-backend", services, { empty: t("none") })),
    bound(fields, "custom-http-errors", linesField(fields, "custom-http-errors", { join: ",", rows: 1, placeholder: "503" })));
}

export function wholePath(draft) {
  const fields = annotated(draft, "route");
  return bound(fields, "full-path-regex", switchField(fields, "full-path-regex", { on: "true", off: null }));
}

export const TIMES = ["proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout"];
const times = (draft) => annotated(draft, "route.timeouts", { from: milliseconds, to: timeText });

/** Milliseconds by name, of those that are set. */
export const timesSet = (draft) => TIMES.map((name) => [name, times(draft).get(name)]).filter(([, value]) => typeof value === "number");

export function serviceTimes(draft) {
  return TIMES.map((name) => bound(times(draft), name, durationField(times(draft), name, { empty: t("form.default") })));
}
