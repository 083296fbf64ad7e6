// One's own password. Every session of the account ends with it, so a login follows.

import { call, exclusively } from "../api.js";
import { h } from "../dom.js";
import { dialog } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { fallSilent, listen } from "../parts/events.js";
import { textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { note } from "../parts/notes.js";

export default (user) => {
  const draft = new Draft({ oldPassword: "", newPassword: "", again: "" });
  draft.words = "password";
  const secret = (path, autocomplete) => textField(draft, path, { type: "password", autocomplete, required: true, keep: true });
  dialog(t("password.title"), (close) => h("div", { class: "content" }, h("p", { class: "lead" }, t("password.text", { name: user.name })), form([
    secret("oldPassword", "current-password"), secret("newPassword", "new-password"), secret("again", "new-password"),
  ], {
    draft, label: t("password.submit"), cancel: close,
    check: () => (draft.value.newPassword === draft.value.again ? [] : [["again", t("password.differ")]]),
    submit: async () => {
      const { oldPassword, newPassword } = draft.value;
      // The old sessions are gone, this one included: a new one begins at once.
      fallSilent();
      try {
        await exclusively(async () => {
          await call("POST", "/user/changePassword", { oldPassword, newPassword });
          await call("POST", "/session/login", { username: user.name, password: newPassword });
        });
      } finally {
        listen();
      }
      close();
      note(t("password.done"));
    },
  })));
};
