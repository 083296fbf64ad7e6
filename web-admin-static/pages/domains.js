// Domains: the host names that the gateway serves, with their HTTPS mode, certificate and client certificates.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, expiry, nameCell, usedBy } from "../parts/cells.js";
import { areaField, cards, linesField, numberField, section, selectField, textField, when } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { address } from "../parts/router.js";

export const nameOfDomain = (name) => (name === api.ANY_HOST ? t("domain.any") : name);

async function load() {
  const [rows, certificates, routes] = await Promise.all([api.domains.list(), api.certificates.list(), api.routes.list()]);
  const routesOf = new Map();
  for (const route of routes) {
    for (const name of route.domains?.length ? route.domains : [api.ANY_HOST]) routesOf.set(name, [...(routesOf.get(name) ?? []), route.name]);
  }
  return { rows, certificates: new Map(certificates.map((each) => [each.name, each])), routesOf };
}

function clientAuth(draft) {
  const mode = () => draft.get("clientAuth.mode");
  return section(draft, "domain.clientAuth", () => mode() && t(`domain.clientAuth.${mode()}`),
    h("p", { class: "hint" }, t("domain.clientAuth.hint")),
    selectField(draft, "clientAuth.mode", [["", t("domain.clientAuth.off")], ["required", t("domain.clientAuth.required")], ["optional", t("domain.clientAuth.optional")]]),
    when(draft, mode,
      areaField(draft, "clientAuth.ca", { rows: 6, required: true, placeholder: "-----BEGIN CERTIFICATE-----" }),
      numberField(draft, "clientAuth.depth", { empty: "3" })));
}

function tlsParameters(draft) {
  const versions = [["", t("domain.tls.usual")], ["1.2", "TLS 1.2"], ["1.3", "TLS 1.3"]];
  const said = () => [draft.get("tls.minVersion") && `≥ ${draft.get("tls.minVersion")}`, draft.get("tls.maxVersion") && `≤ ${draft.get("tls.maxVersion")}`, draft.get("tls.cipherSuites")?.length && t("domain.tls.cipherSuites")];
  return section(draft, "domain.tls", () => said().filter(Boolean).join(", "),
    selectField(draft, "tls.minVersion", versions), selectField(draft, "tls.maxVersion", versions),
    linesField(draft, "tls.cipherSuites", { rows: 3, placeholder: "ECDHE-ECDSA-AES128-GCM-SHA256" }));
}

function fields(draft, { certificates }, isNew) {
  const choices = [["", t("domain.certificate.choose")], ...[...certificates.values()].map((each) => [each.name, `${each.name} (${(each.domains ?? []).join(", ")})`])];
  return [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "demo.example.com" }),
    cards(draft, {
      legend: t("domain.enableHttps"), path: "enableHttps", value: draft.get("enableHttps") ?? "off", choose: (mode) => draft.set("enableHttps", mode),
      choices: ["off", "on", "force"].map((mode) => ({ value: mode, title: t(`https.${mode}`), text: t(`https.${mode}.text`) })),
    }),
    when(draft, () => (draft.get("enableHttps") ?? "off") !== "off",
      selectField(draft, "certIdentifier", choices, {
        required: true, hint: certificates.size ? t("domain.certIdentifier.hint") : h("span", {}, t("domain.certificate.none"), " ", h("a", { href: address("certificates", { new: "1" }) }, t("certificate.new"))),
      }),
      clientAuth(draft), tlsParameters(draft)),
  ];
}

export default () => listPage({
  name: "domains", words: "domain", resource: api.domains, load, fields, copies: true,
  blank: (params) => ({ name: params.get("name") ?? "", enableHttps: "on", certIdentifier: params.get("certificate") ?? "" }),
  prepare: (value) => ({ ...value, clientAuth: value.clientAuth?.mode ? value.clientAuth : null }),
  usedBy: (row, { routesOf }) => (routesOf.get(row.name) ?? []).map((name) => ({ name, href: address("routes", { edit: name }) })),
  columns: (more) => [
    { key: "name", label: t("domain.name"), cell: (row) => nameCell(row, nameOfDomain(row.name)) },
    { key: "https", label: t("domain.enableHttps"), sort: (row) => row.enableHttps ?? "off", text: (row) => t(`https.${row.enableHttps ?? "off"}`), cell: (row) => [badge(t(`https.${row.enableHttps ?? "off"}`), (row.enableHttps ?? "off") === "off" ? "" : "good"), row.clientAuth && badge(t(`domain.clientAuth.badge`))] },
    { key: "certificate", label: t("domain.certIdentifier"), sort: (row) => row.certIdentifier ?? "", text: (row) => row.certIdentifier ?? "", cell: (row) => (row.certIdentifier ? h("span", { class: "stack" }, h("a", { href: address("certificates", { edit: row.certIdentifier }) }, row.certIdentifier), " ", expiry(more().certificates.get(row.certIdentifier))) : "–") },
    { key: "routes", label: t("routes"), sort: (row) => (more().routesOf.get(row.name) ?? []).length, cell: (row) => usedBy(more().routesOf.get(row.name) ?? [], "routes", "count.routes", nameOfDomain(row.name)) },
  ],
});
