// The form of a service source: addresses first; TLS, health, ejection, balancing and single endpoints in sections.

import { h } from "../dom.js";
import { balancing, tidyBalancing } from "../parts/balancing.js";
import { chooseField } from "../parts/choice.js";
import {
  areaField, cards, durationField, linesField, numberCell, numberField, per, rowsField, section, selectCell, selectField, switchField, textCell, textField, when,
} from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { address } from "../parts/router.js";

const REGISTRIES = ["nacos", "nacos2", "nacos3", "zookeeper", "consul", "eureka"];
const TLS = { http: "https", http2: "http2s", grpc: "grpcs" };
const OVER = Object.fromEntries(Object.entries(TLS).map(([clear, over]) => [over, clear]));

/** What a registry asks for: [name, a list of texts instead of one]. */
const PROPERTIES = {
  nacos: [["nacosNamespaceId"], ["nacosGroups", true]], nacos2: [["nacosNamespaceId"], ["nacosGroups", true]],
  nacos3: [["nacosNamespaceId"], ["nacosGroups", true]], consul: [["consulDatacenter"], ["consulServiceTag"]], zookeeper: [["zkServicesPath", true]], eureka: [],
};
const CREDENTIALS = { nacos: ["nacosUsername", "nacosPassword"], nacos2: ["nacosUsername", "nacosPassword"], nacos3: ["nacosUsername", "nacosPassword"], consul: ["consulToken"] };

const secure = (protocol) => Boolean(OVER[protocol]);

function protocolFields(draft) {
  const clear = () => OVER[draft.get("protocol")] ?? draft.get("protocol") ?? "";
  return [
    cards(draft, {
      legend: t("source.protocol"), path: "protocol", value: clear() || "http",
      choose: (chosen) => draft.set("protocol", secure(draft.get("protocol")) ? TLS[chosen] : chosen === "http" ? null : chosen),
      choices: ["http", "grpc", "http2"].map((each) => ({ value: each, title: t(`source.speaks.${each}`), text: t(`source.speaks.${each}.text`) })),
    }),
    switchOf(draft, "source.tls", () => secure(draft.get("protocol")), (on) => draft.set("protocol", on ? TLS[clear() || "http"] : clear() || null)),
  ];
}

/** A switch for something that is not a member of its own. */
export function switchOf(draft, words, isOn, change) {
  const shown = { words, get: () => isOn(), set: (_, value) => change(value) };
  const element = switchField(shown, "", { words, on: true, off: false });
  draft.watch(() => { element.querySelector("input").checked = isOn(); });
  return element;
}

function tlsSection(draft, certificates) {
  return when(draft, () => secure(draft.get("protocol")), section(draft, "source.tlsSection",
    () => [draft.get("tlsVerify") === false && t("source.badge.unverified"), draft.get("tlsCa") && t("source.tlsCa"), draft.get("tlsClientCertificate"), draft.get("sni")].filter(Boolean).join(", "),
    switchField(draft, "tlsVerify", { default: true, off: false }),
    textField(draft, "sni", { placeholder: "api.internal.example" }),
    when(draft, () => draft.get("tlsVerify") !== false, areaField(draft, "tlsCa", { rows: 5, placeholder: "-----BEGIN CERTIFICATE-----" })),
    chooseField(draft, "tlsClientCertificate", certificates, { empty: t("none") })));
}

function health(draft) {
  const type = () => draft.get("healthCheck.type");
  const milliseconds = (name, empty) => durationField(draft, `healthCheck.${name}`, { empty });
  return section(draft, "source.healthCheck", () => type() && t(`source.healthCheck.${type()}`),
    h("p", { class: "hint" }, t("source.healthCheck.text")),
    selectField(draft, "healthCheck.type", [["", t("source.healthCheck.none")], ...["tcp", "http", "grpc"].map((each) => [each, t(`source.healthCheck.${each}`)])]),
    when(draft, type,
      when(draft, () => type() === "http", textField(draft, "healthCheck.path", { placeholder: "/" }), linesField(draft, "healthCheck.statuses", { placeholder: "200-299" })),
      when(draft, () => type() === "grpc", textField(draft, "healthCheck.service")),
      when(draft, () => type() !== "tcp", textField(draft, "healthCheck.host")),
      h("div", { class: "pair" }, milliseconds("interval", "5"), milliseconds("timeout", "2")),
      h("div", { class: "pair" }, numberField(draft, "healthCheck.unhealthyThreshold", { empty: "3" }), numberField(draft, "healthCheck.healthyThreshold", { empty: "2" }))));
}

function connections(draft) {
  return section(draft, "source.connections", () => draft.get("connections") && t("source.connections.own"),
    h("div", { class: "pair" }, durationField(draft, "connections.connectTimeout"), durationField(draft, "connections.idleTimeout")),
    numberField(draft, "connections.maxPerEndpoint", { empty: t("form.default") }));
}

function ejection(draft) {
  const on = () => draft.get("ejection.enabled") !== false;
  return section(draft, "source.ejection", () => (on() ? draft.get("ejection") && t("source.ejection.own") : t("form.off")),
    switchField(draft, "ejection.enabled", { default: true, off: false }),
    when(draft, on,
      numberField(draft, "ejection.failures", { empty: "5" }),
      h("div", { class: "pair" }, durationField(draft, "ejection.baseTime", { empty: "10" }), durationField(draft, "ejection.maxTime", { empty: "300" })),
      numberField(draft, "ejection.maxPercent", { empty: "50", unit: "%" }),
      switchField(draft, "ejection.countResponses")),
    h("div", { class: "pair" }, durationField(draft, "slowStart", { empty: "0" }), numberField(draft, "panicThreshold", { empty: "50", unit: "%" })));
}

function endpoints(draft) {
  const addresses = () => (draft.get("domain") ?? "").split(",").filter(Boolean);
  return section(draft, "source.endpoints", () => draft.get("endpoints")?.length && t("count.endpoints", { n: draft.get("endpoints").length }),
    rowsField(draft, "endpoints", {
      add: t("source.endpoints.add"), make: () => ({ address: addresses().find((each) => !(draft.get("endpoints") ?? []).some((one) => one.address === each)) ?? "", weight: null, drain: null }),
      row: (at) => {
        const drain = h("input", { type: "checkbox", checked: draft.get(`${at}.drain`) === true, onchange: () => draft.set(`${at}.drain`, drain.checked ? true : null) });
        return [selectCell(draft, `${at}.address`, t("source.endpoints.address"), [["", t("choose")], ...addresses().map((each) => [each, each])]),
          numberCell(draft, `${at}.weight`, t("weight"), { empty: "1" }), h("label", { class: "inline field", "data-path": `${at}.drain` }, drain, t("source.endpoints.drain"))];
      },
    }));
}

function registry(draft, type) {
  const own = (name) => ({ words: `source.${name}`, hint: null });
  return [
    h("p", { class: "aside warn" }, t("source.registry.later")),
    textField(draft, "domain", { words: "source.registry.address", required: true }), numberField(draft, "port", { required: true }),
    PROPERTIES[type].map(([name, many]) => (many ? linesField : textField)(draft, `properties.${name}`, own(name))),
    type === "consul" && numberField(draft, "properties.consulRefreshInterval", { ...own("consulRefreshInterval"), unit: t("unit.s") }),
    type === "nacos3" && [switchField(draft, "properties.enableMCPServer", own("enableMCPServer")),
      textField(draft, "properties.mcpServerBaseUrl", own("mcpServerBaseUrl")), linesField(draft, "properties.mcpServerExportDomains", own("mcpServerExportDomains"))],
    CREDENTIALS[type] && [switchField(draft, "authN.enabled"), when(draft, () => draft.get("authN.enabled"), CREDENTIALS[type].map((name) =>
      textField(draft, `authN.properties.${name}`, { ...own(name), type: name.endsWith("Username") ? "text" : "password", hint: draft.isNew ? null : t("secret.keep"), keep: true })))],
  ];
}

export function sourceFields(draft, { certificates, proxies }, isNew) {
  const type = () => draft.get("type");
  // Addresses that the form knows one by one.
  const listed = () => ["static", "dns"].includes(type());
  const known = () => listed() || type() === "file";
  return [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "greeter" }),
    selectField(draft, "type", [...["static", "dns", "file"].map((each) => [each, t(`source.type.${each}`)]), ...REGISTRIES.map((each) => [each, t(`source.type.${each}`)])]),
    per(draft, type, (chosen) => (chosen === "file" ? [
      textField(draft, "domain", { required: true, placeholder: t("source.domain.file.example"), words: "source.domain.file" }),
      numberField(draft, "port", { required: true, words: "source.port.file" }),
    ] : known() ? [
      linesField(draft, "domain", { join: ",", rows: 3, required: true, placeholder: t(`source.domain.${chosen}.example`), words: `source.domain.${chosen}` }),
      chosen === "dns" && numberField(draft, "port", { required: true }),
    ] : registry(draft, chosen))),
    when(draft, known, protocolFields(draft), tlsSection(draft, certificates), health(draft), ejection(draft), connections(draft),
      balancing(draft, { fallback: t("balancing.roundRobin.default") })),
    when(draft, () => listed() || draft.get("endpoints"), endpoints(draft)),
    section(draft, "source.rarely", () => [draft.get("proxyName") && `${t("source.proxyName")}: ${draft.get("proxyName")}`, draft.get("vport") && t("source.vport")].filter(Boolean).join(", "),
      when(draft, () => listed() || draft.get("proxyName"), chooseField(draft, "proxyName", proxies, {
        describe: (each) => `${each.serverAddress}:${each.serverPort}`, empty: t("source.proxyName.none"), hint: proxies.rows.length ? undefined : h("span", {}, t("source.proxyName.noProxy"), " ", h("a", { href: address("proxies", { new: "1" }) }, t("proxy.new"))),
      })), numberField(draft, "vport.defaultValue"),
      rowsField(draft, "vport.servicesVport", { add: t("source.vport.add"), make: () => ({ name: "", value: null }), row: (at) => [textCell(draft, `${at}.name`, t("name")), numberCell(draft, `${at}.value`, t("source.port"))] })),
  ];
}

/** Without what belongs to another choice. */
export function tidySource(value) {
  return {
    ...value, port: value.type === "static" ? value.port ?? 80 : value.port, loadBalancing: tidyBalancing(value.loadBalancing),
    healthCheck: value.healthCheck?.type ? value.healthCheck : null, tlsCa: value.tlsVerify === false ? null : value.tlsCa,
  };
}
