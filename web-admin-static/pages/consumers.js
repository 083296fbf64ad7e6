// Consumers: who may use routes that ask for credentials. Secrets go in and never come out.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, nameCell, usedBy } from "../parts/cells.js";
import { field, linesField, numberField, per, rowsField, selectField, switchField, textCell, textField, when } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

/** 32 random bytes, in letters that need no quoting anywhere. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** A JWK Set as text; the draft has the object that it says. */
function keySetField(draft, path, options) {
  const value = draft.get(path);
  const input = h("textarea", {
    rows: 6, class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "aria-required": "true", placeholder: '{"keys": [{"kty": "RSA", …}]}',
    value: value && typeof value === "object" ? JSON.stringify(value, null, 2) : value ?? "",
    oninput: () => {
      let read = null;
      try {
        read = input.value.trim() ? JSON.parse(input.value) : null;
        draft.problems.delete(path);
      } catch {
        draft.problems.set(path, t("credential.jwks.json"));
      }
      draft.set(path, draft.problems.has(path) ? input.value : read);
    },
  });
  return field(draft, path, input, options);
}

function tokenFields(draft, at) {
  const source = () => draft.get(`${at}.source`) ?? "BEARER";
  return [
    selectField(draft, `${at}.source`, sources(), { words: "credential.source.jwt" }),
    when(draft, () => source() !== "BEARER", textField(draft, `${at}.key`, { required: true, placeholder: "x-token" })),
    textField(draft, `${at}.issuer`, { required: true, placeholder: "https://login.example.com/" }),
    textField(draft, `${at}.subject`),
    linesField(draft, `${at}.audiences`, { rows: 2, split: /\n+/ }),
    keySetField(draft, `${at}.jwks`, { required: true }),
    numberField(draft, `${at}.clockSkewSeconds`, { unit: t("unit.s"), empty: "60" }),
    rowsField(draft, `${at}.claimsToHeaders`, {
      add: t("credential.claim.add"), make: () => ({ claim: "", header: "" }),
      row: (place) => [textCell(draft, `${place}.claim`, t("credential.claim"), { placeholder: "sub" }), textCell(draft, `${place}.header`, t("credential.header"), { placeholder: "x-user" })],
    }),
    switchField(draft, `${at}.keepToken`, { default: true }),
  ];
}

const sources = () => ["BEARER", "HEADER", "QUERY"].map((each) => [each, t(`credential.${each}`)]);

function credential(draft, at, redraw) {
  const type = () => draft.get(`${at}.type`);
  const source = () => draft.get(`${at}.source`);
  const secret = draft.isNew ? {} : { hint: t("secret.keep") };
  return h("div", { class: "credential" },
    selectField(draft, `${at}.type`, ["key-auth", "basic-auth", "jwt"].map((each) => [each, t(`credential.${each}`)])),
    per(draft, type, (chosen) => (chosen === "jwt" ? tokenFields(draft, at) : chosen === "basic-auth"
      ? [textField(draft, `${at}.username`, { required: true }), textField(draft, `${at}.password`, { type: "password", autocomplete: "new-password", keep: true, ...secret })]
      : [
        selectField(draft, `${at}.source`, sources()),
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

const kinds = (row) => (row.credentials ?? []).map((each) => (each.type === "jwt" ? `${t("credential.jwt")} · ${each.issuer ?? ""}` : each.type === "basic-auth" ? `${t("credential.basic-auth")} · ${each.username ?? ""}` : `${t(`credential.${each.source ?? "BEARER"}`)}${each.key ? ` · ${each.key}` : ""}`));

/** What the type of a credential has no use for is left behind. */
function ofItsType({ type, source, key, values, username, password, ...token }) {
  if (type === "basic-auth") return { type, username, password };
  const place = { type, source, key: (source ?? "BEARER") === "BEARER" ? null : key };
  return type === "jwt" ? { ...place, ...token } : { ...place, values };
}

export default () => listPage({
  name: "consumers", words: "consumer", resource: api.consumers,
  fields: (draft, _, isNew) => [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "alice" }),
    rowsField(draft, "credentials", { add: t("credential.add"), make: () => ({ type: "key-auth", source: "BEARER", values: [] }), row: (at, redraw) => credential(draft, at, redraw) }),
  ],
  blank: () => ({ name: "", credentials: [{ type: "key-auth", source: "BEARER", values: [] }] }),
  prepare: (value) => ({ ...value, credentials: (value.credentials ?? []).map(ofItsType) }),
  columns: () => [
    { key: "name", label: t("consumer.name"), cell: (row) => nameCell(row) },
    { key: "credentials", label: t("consumer.credentials"), cell: (row) => kinds(row).map((each) => badge(each)) },
    { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "routes", "count.routes") },
  ],
});
