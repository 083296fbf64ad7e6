// Tokens: for programs that use the API. A token's text is shown once, right after it is made.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, copyable } from "../parts/cells.js";
import { dialog } from "../parts/dialog.js";
import { everybody, everybodySwitch } from "../parts/everybody.js";
import { boxesField, selectField, textField } from "../parts/fields.js";
import { dateTime, relative, t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { may, user } from "../parts/session.js";
import { ROLES, roleCards } from "./users.js";

const KINDS = ["routes", "domains", "tls-certificates", "listeners", "service-sources", "proxy-servers", "services", "consumers", "workers", "streams", "stats", "access-log", "versions", "export", "apply"];
const DAYS = [7, 30, 90, 365];

const after = (days) => new Date(Date.now() + days * 86_400_000).toISOString();

function once({ content }) {
  dialog(t("token.made", { name: content.name }), (close) => h("div", { class: "content" }, h("p", {}, t("token.once")), copyable(content.token),
    h("p", { class: "hint" }, t("token.use")), copyable(`curl -H 'Authorization: Bearer ${content.token}' ${location.origin}/v1/routes`),
    h("div", { class: "buttons foot" }, h("button", { type: "button", class: "primary", onclick: close }, t("token.kept")))), { cross: false });
}

function validity(row) {
  if (!row.expiresAt) return h("span", { class: "soft" }, t("token.never"));
  return h("span", { title: dateTime(new Date(row.expiresAt)) }, badge(relative(Date.parse(row.expiresAt)), row.expired ? "bad" : ""));
}

export default () => listPage({
  name: "tokens", words: "token", resource: api.tokens, needs: "viewer", only: "list", removes: "revoke", idOf: (row) => row.id, saved: once, bar: everybodySwitch,
  load: (query) => api.tokens.page({ ...query, all: everybody() }),
  fields: (draft) => [
    textField(draft, "name", { required: true, placeholder: "deploy" }), roleCards(draft, ROLES.filter(may)),
    boxesField(draft, "kinds", KINDS.map((each) => [each, each])),
    selectField(draft, "days", [...DAYS.map((days) => [days, t("token.inDays", { n: days })]), ["", t("token.never")]]),
  ],
  blank: () => ({ name: "", role: "viewer", kinds: [], days: 90 }),
  prepare: ({ name, role, kinds, days }) => ({ name, role: role ?? "viewer", kinds, expiresAt: days ? after(days) : null }),
  columns: () => [
    { key: "name", label: t("token.name"), cell: (row) => h("span", { class: "name" }, row.name) },
    { key: "user", label: t("token.user"), text: (row) => row.user ?? user.name },
    { key: "role", label: t("role"), cell: (row) => badge(t(`role.${row.role ?? "viewer"}`), row.role === "admin" ? "warn" : "") },
    { key: "kinds", label: t("token.kinds"), cell: (row) => (row.kinds?.length ? row.kinds.map((each) => badge(each)) : h("span", { class: "soft" }, t("token.all"))) },
    { key: "expiresAt", label: t("token.expiresAt"), cell: validity },
    { key: "lastUsedAt", label: t("token.lastUsedAt"), descends: true, cell: (row) => (row.lastUsedAt ? h("span", { title: row.lastAddress }, relative(Date.parse(row.lastUsedAt))) : h("span", { class: "soft" }, t("token.unused"))) },
  ],
});
