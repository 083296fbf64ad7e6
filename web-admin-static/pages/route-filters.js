// The sections of a route that change requests and answers, or decide who may send them. Each can be switched off without
// forgetting what was entered.

import { h } from "../dom.js";
import { chooseField, chooseSeveral } from "../parts/choice.js";
import { areaField, boxesField, durationField, linesField, numberField, rowsField, section, selectField, sizeField, switchable, switchField, textCell, textField, when } from "../parts/fields.js";
import { bytes, t } from "../parts/i18n.js";

const CONDITIONS = ["error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429", "non_idempotent"];

function retries(draft) {
  const path = "proxyNextUpstream";
  return switchable(draft, path, "route.retry", () => [draft.get(`${path}.attempts`) !== null && draft.get(`${path}.attempts`) !== undefined && t("count.tries", { n: draft.get(`${path}.attempts`) }), ...(draft.get(`${path}.conditions`) ?? [])].filter(Boolean).join(", "),
    numberField(draft, `${path}.attempts`, { empty: "3" }),
    boxesField(draft, `${path}.conditions`, CONDITIONS.map((each) => [each, t(`retry.${each}`)])),
    durationField(draft, `${path}.timeout`, { seconds: true, empty: "0" }));
}

function rewrite(draft) {
  return switchable(draft, "rewrite", "route.rewrite", () => [draft.get("rewrite.path"), draft.get("rewrite.host")].filter(Boolean).join(", "),
    textField(draft, "rewrite.path", { mono: true, placeholder: "/", keep: true }), textField(draft, "rewrite.host", { placeholder: "api.internal.example" }));
}

function answer(draft) {
  return [
    switchable(draft, "redirect", "route.redirect", () => [draft.get("redirect.status"), draft.get("redirect.url")].filter(Boolean).join(" "),
      textField(draft, "redirect.url", { required: true, placeholder: "https://example.com/" }),
      selectField(draft, "redirect.status", [["", `307 ${t("redirect.307")}`], ...[301, 302, 303, 307, 308].map((code) => [code, `${code} ${t(`redirect.${code}`)}`])])),
    switchable(draft, "mock", "route.mock", () => draft.get("mock.status") ?? "200",
      numberField(draft, "mock.status", { empty: "200" }), textField(draft, "mock.contentType", { placeholder: "text/plain; charset=utf-8" }),
      areaField(draft, "mock.content", { rows: 4 })),
  ];
}

function headers(draft) {
  const stage = (side) => h("fieldset", { class: "stage" }, h("legend", {}, t(`route.headerControl.${side}`)),
    ["set", "add"].map((what) => rowsField(draft, `headerControl.${side}.${what}`, {
      words: `headers.${what}`, hint: t(`headers.${what}.hint`), add: t("headers.new"), make: () => ({ key: "", value: "" }),
      row: (at) => [textCell(draft, `${at}.key`, t("name")), textCell(draft, `${at}.value`, t("value"), { keep: true })],
    })),
    linesField(draft, `headerControl.${side}.remove`, { words: "headers.remove", hint: t("headers.remove.hint"), placeholder: "x-debug" }));
  return switchable(draft, "headerControl", "route.headerControl", () => ["request", "response"].flatMap((side) => ["set", "add", "remove"].map((what) => draft.get(`headerControl.${side}.${what}`)?.length || 0)).reduce((one, two) => one + two, 0) || null,
    stage("request"), stage("response"));
}

function cors(draft) {
  return switchable(draft, "cors", "route.cors", () => (draft.get("cors.allowOrigins")?.length ? draft.get("cors.allowOrigins").join(", ") : "*"),
    linesField(draft, "cors.allowOrigins", { placeholder: "https://app.example.com" }), linesField(draft, "cors.allowMethods", { placeholder: "GET" }),
    linesField(draft, "cors.allowHeaders", { placeholder: "content-type" }), linesField(draft, "cors.exposeHeaders", { placeholder: "grpc-status" }),
    durationField(draft, "cors.maxAge", { seconds: true }), switchField(draft, "cors.allowCredentials"));
}

function access(draft, consumers) {
  const on = () => draft.get("authConfig.enabled") === true;
  return [
    section(draft, "route.auth", () => on() && (draft.get("authConfig.allowedConsumers")?.join(", ") || t("route.auth.all")),
      switchField(draft, "authConfig.enabled"),
      when(draft, on,
        chooseSeveral(draft, "authConfig.allowedConsumers", consumers, { none: t("route.auth.noConsumers") }),
        boxesField(draft, "authConfig.allowedCredentialTypes", ["key-auth", "basic-auth", "jwt"].map((each) => [each, t(`credential.${each}`)])))),
    switchable(draft, "ipAccess", "route.ipAccess", () => [...(draft.get("ipAccess.allow") ?? []), ...(draft.get("ipAccess.deny") ?? []).map((each) => `✕ ${each}`)].join(", "),
      linesField(draft, "ipAccess.allow", { placeholder: "10.0.0.0/8" }), linesField(draft, "ipAccess.deny", { placeholder: "203.0.113.7" })),
    switchable(draft, "rateLimit", "route.rateLimit", () => draft.get("rateLimit.qps") && t("count.perSecond", { n: draft.get("rateLimit.qps") }),
      h("div", { class: "pair" }, numberField(draft, "rateLimit.qps", { required: true, unit: t("unit.perSecond") }), numberField(draft, "rateLimit.burst")),
      switchField(draft, "rateLimit.perAddress")),
    switchable(draft, "concurrencyLimit", "route.concurrencyLimit", () => draft.get("concurrencyLimit.max") && t("count.atOnce", { n: draft.get("concurrencyLimit.max") }),
      numberField(draft, "concurrencyLimit.max", { required: true }), switchField(draft, "concurrencyLimit.perAddress")),
    section(draft, "route.webSocket",
      () => ["maxFrameSize", "maxMessageSize"].filter((name) => draft.get(`webSocket.${name}`) > 0).map((name) => `${t(`route.webSocket.${name}`)}: ${bytes(draft.get(`webSocket.${name}`))}`).join(", "),
      h("p", { class: "hint" }, t("route.webSocket.text")),
      h("div", { class: "pair" }, ["maxFrameSize", "maxMessageSize"].map((name) => sizeField(draft, `webSocket.${name}`, { empty: t("route.webSocket.none") })))),
  ];
}

function mirror(draft, services) {
  return switchable(draft, "mirror", "route.mirror", () => draft.get("mirror.service"),
    chooseField(draft, "mirror.service", services, { empty: t("route.service.choose"), required: true }),
    numberField(draft, "mirror.percentage", { empty: "100", unit: "%", decimal: true }));
}

export function filters(draft, { services, consumers }) {
  return [access(draft, consumers), retries(draft), rewrite(draft), headers(draft), cors(draft), answer(draft), mirror(draft, services)];
}
