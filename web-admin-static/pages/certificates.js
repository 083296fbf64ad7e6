// Certificates: PEM goes in and never comes out again; the list shows names and validity.

import * as api from "../api.js";
import { h } from "../dom.js";
import { area, field, form, password, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

const DAYS_TO_WARN = 30;

/** `yyyy/MM/dd HH:mm:ssZ` as a Date. */
function moment(value) {
  return value ? new Date(value.replace(/\//g, "-").replace(" ", "T")) : null;
}

function expiry(row) {
  const end = moment(row.validityEnd);
  if (!end) return "–";
  const days = Math.floor((end - Date.now()) / 86_400_000);
  const kind = days < 0 ? "bad" : days < DAYS_TO_WARN ? "warn" : "";
  return h("span", { class: `mark ${kind}` }, row.validityEnd, days < 0 ? ` – ${t("certificate.expired")}` : ` – ${t("certificate.days", { days })}`);
}

async function certificateForm(certificate, save) {
  return (close) => {
    const name = text(certificate?.name, { disabled: Boolean(certificate) });
    const cert = area("", { placeholder: "-----BEGIN CERTIFICATE-----" });
    const key = area("", { placeholder: "-----BEGIN PRIVATE KEY-----" });
    const passphrase = password({ autocomplete: "off" });
    return form([
      field("name", t("certificate.name"), name),
      field("cert", t("certificate.cert"), cert, certificate ? t("certificate.keep") : t("certificate.cert.hint")),
      field("key", t("certificate.key"), key),
      field("passphrase", t("certificate.passphrase"), passphrase, t("certificate.passphrase.hint")),
    ], {
      label: t("save"), cancel: close,
      submit: () => save(close)({
        name: name.value.trim(), version: certificate?.version ?? null, cert: cert.value || null, key: key.value || null,
        passphrase: passphrase.value || null,
      }),
    });
  };
}

export default () => listPage({
  title: t("certificates"), resource: api.certificates, form: certificateForm,
  columns: [
    [t("certificate.name"), (row) => row.name],
    [t("certificate.domains"), (row) => (row.domains ?? []).join(", ")],
    [t("certificate.start"), (row) => row.validityStart ?? "–"],
    [t("certificate.end"), expiry],
  ],
});
