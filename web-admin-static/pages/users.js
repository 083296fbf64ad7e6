// Users: who may log in, and what each may do.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, nameCell } from "../parts/cells.js";
import { dialog } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { cards, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { date, t } from "../parts/i18n.js";
import { listPage, tool } from "../parts/list.js";
import { note } from "../parts/notes.js";
import { user } from "../parts/session.js";

export const ROLES = ["viewer", "editor", "admin"];

/** The choice of a role, with what it may do. */
export function roleCards(draft, roles = ROLES) {
  return cards(draft, {
    legend: t("role"), path: "role", value: draft.get("role") ?? "viewer", choose: (role) => draft.set("role", role),
    choices: roles.map((role) => ({ value: role, title: t(`role.${role}`), text: t(`role.${role}.text`) })),
  });
}

function resetPassword(row) {
  const draft = new Draft({ newPassword: "" });
  draft.words = "user";
  dialog(t("user.reset", { name: row.name }), (close) => h("div", { class: "content" }, h("p", { class: "lead" }, t("user.reset.text")), form([
    textField(draft, "newPassword", { type: "password", autocomplete: "new-password", required: true, keep: true }),
  ], {
    draft, label: t("user.reset.submit"), cancel: close,
    submit: async () => {
      await api.users.resetPassword(row.name, draft.value.newPassword);
      close();
      note(t("user.reset.done", { name: row.name }));
    },
  })));
}

export default () => listPage({
  name: "users", words: "user", resource: api.users, needs: "admin",
  fields: (draft, _, isNew) => [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "erin" }), textField(draft, "displayName", { keep: true }),
    isNew && textField(draft, "password", { type: "password", autocomplete: "new-password", required: true, keep: true }), roleCards(draft),
  ],
  blank: () => ({ name: "", displayName: "", password: "", role: "viewer" }),
  prepare: ({ name, displayName, password, role }) => ({ name, displayName: displayName || name, role, ...(password ? { password } : {}) }),
  keeps: (row) => row.name === user.name,
  tools: (row) => tool("tokens", t("user.reset.submit"), () => resetPassword(row), { of: row.name }),
  columns: () => [
    { key: "name", label: t("user.name"), cell: (row) => [nameCell(row), " ", row.name === user.name && badge(t("user.you"))] },
    { key: "displayName", label: t("user.displayName") },
    { key: "role", label: t("role"), cell: (row) => badge(t(`role.${row.role ?? "viewer"}`), row.role === "admin" ? "warn" : "") },
    { key: "createdAt", label: t("user.createdAt"), cell: (row) => (row.createdAt ? date(new Date(row.createdAt)) : "–") },
    { key: "passwordChangedAt", label: t("user.passwordChangedAt"), cell: (row) => (row.passwordChangedAt ? date(new Date(row.passwordChangedAt)) : "–") },
  ],
});
