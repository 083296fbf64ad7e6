// The form of a route: what it matches, what is spoken, where it goes; everything else in sections that open.

import { h } from "../dom.js";
import { hasField, OFFERED } from "../parts/annotations.js";
import { balancing, tidyBalancing } from "../parts/balancing.js";
import { chooseCell, chooseSeveral } from "../parts/choice.js";
import { boxesField, cards, durationField, group, mapField, numberCell, rowsField, section, selectCell, selectField, switchField, textCell, textField, when } from "../parts/fields.js";
import { duration, t } from "../parts/i18n.js";
import { address } from "../parts/router.js";
import { canary, fallback, serviceTimes, sessions, timesSet, wholePath } from "./route-annotations.js";
import { filters } from "./route-filters.js";
import { switchOf } from "./source-form.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const MATCHES = ["PRE", "EQUAL", "REGULAR"];
const TLS = { HTTP: "HTTPS", HTTP2: "HTTP2S", GRPC: "GRPCS" };
const OVER = Object.fromEntries(Object.entries(TLS).map(([clear, over]) => [over, clear]));
const matches = () => MATCHES.map((each) => [each, t(`path.${each}`)]);

/** What is spoken: one of "source", "grpc", "http". */
export function trafficOf(draft) {
  const protocol = (draft.get("protocol") ?? "").toUpperCase();
  return !protocol ? "source" : protocol.startsWith("GRPC") ? "grpc" : "http";
}

function traffic(draft) {
  const protocol = () => (draft.get("protocol") ?? "").toUpperCase();
  const secure = () => Boolean(OVER[protocol()]);
  const clear = () => OVER[protocol()] ?? protocol();
  const wrap = (name, over = secure()) => draft.set("protocol", over ? TLS[name] : name);
  return [
    cards(draft, {
      legend: t("route.traffic"), path: "protocol", value: trafficOf(draft), hint: t("route.traffic.hint"),
      choose: (kind) => (kind === "source" ? draft.set("protocol", null) : wrap(kind === "grpc" ? "GRPC" : "HTTP")),
      choices: ["grpc", "http", "source"].map((kind) => ({ value: kind, title: t(`route.traffic.${kind}`), text: t(`route.traffic.${kind}.text`) })),
    }),
    when(draft, () => trafficOf(draft) !== "source",
      switchOf(draft, "route.tls", secure, (on) => wrap(clear(), on)),
      when(draft, () => trafficOf(draft) === "http", switchOf(draft, "route.http2", () => clear() === "HTTP2", (on) => wrap(on ? "HTTP2" : "HTTP")))),
  ];
}

function services(draft, available) {
  const describe = ({ endpoints }) => (endpoints?.length ? `${endpoints.slice(0, 2).join(", ")}${endpoints.length > 2 ? " …" : ""}` : "");
  const share = (at) => {
    const all = draft.get("services") ?? [];
    const sum = all.reduce((total, each) => total + (each.weight ?? 100), 0);
    return sum ? `${Math.round(((draft.get(`${at}.weight`) ?? 100) / sum) * 1000) / 10} %` : "0 %";
  };
  return rowsField(draft, "services", {
    required: true, add: t("route.services.add"), make: () => ({ name: "", weight: 100 }),
    hint: available.rows.length ? t("route.services.hint") : h("span", {}, t("route.services.none"), " ", h("a", { href: address("sources", { new: "1" }) }, t("source.new"))),
    row: (at) => {
      const part = h("span", { class: "share soft" });
      draft.watch(() => { part.textContent = share(at); });
      const weight = h("div", { class: "weight" }, numberCell(draft, `${at}.weight`, t("weight"), { empty: "100" }), part);
      draft.watch(() => { weight.hidden = (draft.get("services") ?? []).length < 2; });
      return [chooseCell(draft, `${at}.name`, t("route.service"), available, { describe, empty: t("route.service.choose") }), weight];
    },
  });
}

function predicates(draft, path) {
  return rowsField(draft, path, {
    add: t(`route.${path}.add`), make: () => ({ key: "", matchType: "EQUAL", matchValue: "" }),
    row: (at) => [textCell(draft, `${at}.key`, t("name")), selectCell(draft, `${at}.matchType`, t("route.path.matchType"), matches()), textCell(draft, `${at}.matchValue`, t("value"), { keep: true })],
  });
}

function conditions(draft) {
  return section(draft, "route.conditions",
    () => [...(draft.get("methods") ?? []), draft.get("headers")?.length && t("count.headers", { n: draft.get("headers").length }), draft.get("urlParams")?.length && t("count.params", { n: draft.get("urlParams").length }), draft.get("path.caseSensitive") === false && t("route.path.caseSensitive")].filter(Boolean).join(", "),
    boxesField(draft, "methods", METHODS.map((each) => [each, each])),
    predicates(draft, "headers"), predicates(draft, "urlParams"),
    switchField(draft, "path.caseSensitive", { on: false, off: null }),
    when(draft, () => draft.get("path.matchType") === "REGULAR", wholePath(draft)));
}

/** Each time limit with what it counts and what it is when nothing is entered, for the traffic that was chosen. */
function timeouts(draft) {
  const one = (name) => {
    const told = h("p", { class: "hint" });
    draft.watch(() => { told.textContent = t(`route.timeouts.${name}.${trafficOf(draft)}`); });
    return durationField(draft, `timeouts.${name}`, { hint: told, empty: t("form.default") });
  };
  return section(draft, "route.timeouts",
    () => [...["responseHeaders", "streamIdle", "total"].map((name) => [name, draft.get(`timeouts.${name}`)]).filter(([, value]) => typeof value === "number"), ...timesSet(draft)]
      .map(([name, value]) => `${t(`route.timeouts.${name}`)}: ${value ? duration(value) : t("form.off")}`).join(", "),
    h("p", { class: "hint" }, t("route.timeouts.text")), one("responseHeaders"), one("streamIdle"), one("total"), serviceTimes(draft),
    draft.get("timeout") && textField(draft, "timeout"));
}

function streamPolicy(draft) {
  const mode = () => draft.get("streamPolicy.mode");
  return section(draft, "route.streamPolicy", () => mode() && t(`route.streamPolicy.${mode()}`),
    h("p", { class: "hint" }, t("route.streamPolicy.text")),
    selectField(draft, "streamPolicy.mode", [["", t("route.streamPolicy.default")], ...["keep", "drain", "close"].map((each) => [each, t(`route.streamPolicy.${each}`)])]),
    when(draft, () => mode() === "drain", durationField(draft, "streamPolicy.after", { empty: t("form.default") })));
}

export function routeFields(draft, { domains, services: available, consumers }, isNew) {
  const kind = selectField(draft, "path.matchType", matches());
  const value = textField(draft, "path.matchValue", { required: true, mono: true, placeholder: "/", hint: null });
  const example = h("p", { class: "hint" });
  draft.watch(() => { example.textContent = t(`path.${draft.get("path.matchType") ?? "PRE"}.text`); });
  const shownElsewhere = (key) => hasField(draft.get("customConfigs"), key);
  const others = () => Object.keys(draft.get("customConfigs") ?? {}).filter((key) => !shownElsewhere(key));
  return [
    draft.get("readonly") && h("p", { class: "aside warn" }, t("route.readonly")),
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "greeter" }),
    chooseSeveral(draft, "domains", domains, { none: h("span", {}, t("route.domains.none"), " ", h("a", { href: address("domains", { new: "1" }) }, t("domain.new"))) }),
    group(draft, "path", h("div", { class: "path" }, kind, value), { class: "joined", hint: example }),
    traffic(draft), services(draft, available),
    h("h3", {}, t("route.more")),
    conditions(draft), timeouts(draft),
    balancing(draft, { fallback: t("balancing.source") }), sessions(draft), canary(draft), fallback(draft, available),
    filters(draft, { services: available, consumers }),
    streamPolicy(draft),
    section(draft, "route.customConfigs", () => others().length > 0 && t("count.annotations", { n: others().length }),
      mapField(draft, "customConfigs", { add: t("route.customConfigs.add"), except: shownElsewhere, offered: OFFERED }), mapField(draft, "customLabels", { add: t("route.customLabels.add") })),
  ];
}

/** Without what belongs to another choice. */
export function tidyRoute(value) {
  return {
    ...value, services: (value.services ?? []).filter((each) => each.name), loadBalancing: tidyBalancing(value.loadBalancing),
    streamPolicy: value.streamPolicy?.mode ? { mode: value.streamPolicy.mode, after: value.streamPolicy.mode === "drain" ? value.streamPolicy.after ?? null : null } : null,
    mirror: value.mirror?.service || value.mirror?.enabled ? { service: "", ...value.mirror } : null,
  };
}
