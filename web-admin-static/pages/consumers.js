// Consumers: who may use routes that ask for credentials. Secrets go in and never come out.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, nameCell, usedBy } from "../parts/cells.js";
import { linesField, per, rowsField, selectField, textField, when } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

/** 32 random bytes, in letters that need no quoting anywhere. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function credential(draft, at, redraw) {
  const type = () => draft.get(`${at}.type`);
  const source = () => draft.get(`${at}.source`);
  const secret = draft.isNew ? {} : { hint: t("secret.keep") };
  return h("div", { class: "credential" },
    selectField(draft, `${at}.type`, ["key-auth", "basic-auth"].map((each) => [each, t(`credential.${each}`)])),
    per(draft, type, (chosen) => (chosen === "basic-auth"
      ? [textField(draft, `${at}.username`, { required: true }), textField(draft, `${at}.password`, { type: "password", autocomplete: "new-password", keep: true, ...secret })]
      : [
        selectField(draft, `${at}.source`, ["BEARER", "HEADER", "QUERY"].map((each) => [each, t(`credential.${each}`)])),
        when(draft, () => source() && source() !== "BEARER", textField(draft, `${at}.key`, { required: true, placeholder: "x-api-key" })),
        linesField(draft, `${at}.values`, { rows: 2, ...secret }),
        h("button", {
          type: "button", class: "link", onclick: () => {
            draft.set(`${at}.values`, [...(draft.get(`${at}.values`) ?? []), randomKey()]);
            redraw();
          },
        }, t("credential.generate")),
      ])));
}

const kinds = (row) => (row.credentials ?? []).map((each) => (each.type === "basic-auth" ? `${t("credential.basic-auth")} · ${each.username ?? ""}` : `${t(`credential.${each.source ?? "BEARER"}`)}${each.key ? ` · ${each.key}` : ""}`));

export default () => listPage({
  name: "consumers", words: "consumer", resource: api.consumers,
  fields: (draft, _, isNew) => [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "alice" }),
    rowsField(draft, "credentials", { add: t("credential.add"), make: () => ({ type: "key-auth", source: "BEARER", values: [] }), row: (at, redraw) => credential(draft, at, redraw) }),
  ],
  blank: () => ({ name: "", credentials: [{ type: "key-auth", source: "BEARER", values: [] }] }),
  prepare: (value) => ({ ...value, credentials: (value.credentials ?? []).map((each) => (each.type === "basic-auth" ? { type: each.type, username: each.username, password: each.password } : { type: each.type, source: each.source, key: each.source === "BEARER" ? null : each.key, values: each.values })) }),
  columns: () => [
    { key: "name", label: t("consumer.name"), cell: (row) => nameCell(row) },
    { key: "credentials", label: t("consumer.credentials"), cell: (row) => kinds(row).map((each) => badge(each)) },
    { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "routes", "count.routes") },
  ],
});
