// Domains: the host names that the gateway serves, with their HTTPS mode and certificate.

import * as api from "../api.js";
import { field, form, select, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

const modes = () => ["off", "on", "force"].map((mode) => [mode, t(`https.${mode}`)]);

async function domainForm(domain, save) {
  const certificates = await api.certificates.list();
  return (close) => {
    const name = text(domain?.name, { placeholder: "demo.example.com", disabled: Boolean(domain) });
    const mode = select(domain?.enableHttps ?? "off", modes());
    const certificate = select(domain?.certIdentifier ?? "",
      [["", t("none")], ...certificates.map((each) => [each.name, `${each.name} (${(each.domains ?? []).join(", ")})`])]);
    return form([
      field("name", t("domain.name"), name, t("domain.name.hint")),
      field("enableHttps", t("domain.https"), mode),
      field("certIdentifier", t("domain.certificate"), certificate),
    ], {
      label: t("save"), cancel: close,
      submit: () => save(close)({
        ...domain, name: name.value.trim(), enableHttps: mode.value, certIdentifier: certificate.value || null,
      }),
    });
  };
}

export default () => listPage({
  title: t("domains"), resource: api.domains, form: domainForm,
  columns: [
    [t("domain.name"), (row) => row.name],
    [t("domain.https"), (row) => t(`https.${row.enableHttps ?? "off"}`)],
    [t("domain.certificate"), (row) => row.certIdentifier ?? "–"],
  ],
});
