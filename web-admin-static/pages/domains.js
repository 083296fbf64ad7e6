// Domains: the host names that the gateway serves, with their HTTPS mode, certificate and client certificates.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, expiry, nameCell, usedBy } from "../parts/cells.js";
import { chooseField, offer } from "../parts/choice.js";
import { areaField, cards, linesField, numberField, section, selectField, textField, when } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { address } from "../parts/router.js";

/** A certificate is told of when it has this long to go; of those as many, the first to end. */
const SOON = "30d";
const MOST_SOON = 200;

export const nameOfDomain = (name) => (name === api.ANY_HOST ? t("domain.any") : name);

/** A page of domains, and which certificates near their end. */
async function load(query) {
  const [{ rows, total }, soon] = await Promise.all([api.domains.page(query), api.certificates.page({ expiringWithin: SOON, pageSize: MOST_SOON })]);
  return { rows, total, soon: new Map(soon.rows.map((each) => [each.name, each])) };
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
  return [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "demo.example.com" }),
    cards(draft, {
      legend: t("domain.enableHttps"), path: "enableHttps", value: draft.get("enableHttps") ?? "off", choose: (mode) => draft.set("enableHttps", mode),
      choices: ["off", "on", "force"].map((mode) => ({ value: mode, title: t(`https.${mode}`), text: t(`https.${mode}.text`) })),
    }),
    when(draft, () => (draft.get("enableHttps") ?? "off") !== "off",
      chooseField(draft, "certIdentifier", certificates, {
        describe: (each) => (each.domains ?? []).join(", "), empty: t("domain.certificate.choose"), required: true, hint: certificates.rows.length ? t("domain.certIdentifier.hint") : h("span", {}, t("domain.certificate.none"), " ", h("a", { href: address("certificates", { new: "1" }) }, t("certificate.new"))),
      }),
      clientAuth(draft), tlsParameters(draft)),
  ];
}

export default () => listPage({
  name: "domains", words: "domain", resource: api.domains, load, fields, copies: true,
  offers: async () => ({ certificates: await offer(api.certificates) }),
  blank: (params) => ({ name: params.get("name") ?? "", enableHttps: "on", certIdentifier: params.get("certificate") ?? "" }),
  prepare: (value) => ({ ...value, clientAuth: value.clientAuth?.mode ? value.clientAuth : null }),
  // Routes of any host need no domain for it.
  inUse: (row) => row.usedByTotal > 0 && row.name !== api.ANY_HOST,
  columns: (more) => [
    { key: "name", label: t("domain.name"), cell: (row) => nameCell(row, nameOfDomain(row.name)) },
    { key: "enableHttps", label: t("domain.enableHttps"), cell: (row) => [badge(t(`https.${row.enableHttps ?? "off"}`), (row.enableHttps ?? "off") === "off" ? "" : "good"), row.clientAuth && badge(t(`domain.clientAuth.badge`))] },
    { key: "certIdentifier", label: t("domain.certIdentifier"), cell: (row) => (row.certIdentifier ? h("span", { class: "stack" }, h("a", { href: address("certificates", { edit: row.certIdentifier }) }, row.certIdentifier), more().soon.has(row.certIdentifier) && [" ", expiry(more().soon.get(row.certIdentifier))]) : "–") },
    { key: "usedBy", label: t("routes"), descends: true, cell: (row) => usedBy(row, "routes", "count.routes", row.name === api.ANY_HOST ? null : row.name) },
  ],
});
