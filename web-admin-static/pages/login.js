// Login by name and password; the session is a cookie that scripts cannot read. The address is left as it is, so that one
// comes to the page that one wanted.

import { call, get } from "../api.js";
import { h } from "../dom.js";
import { dialog } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { switchField, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";

function loginForm(name, done) {
  const draft = new Draft({ username: name, password: "", autoLogin: false });
  draft.words = "login";
  return form([
    textField(draft, "username", { autocomplete: "username", required: true, autofocus: !name }),
    textField(draft, "password", { type: "password", autocomplete: "current-password", required: true, keep: true, autofocus: Boolean(name) }),
    switchField(draft, "autoLogin"),
  ], {
    draft, label: t("login.submit"),
    submit: async () => {
      await call("POST", "/session/login", draft.value);
      await done();
    },
  });
}

export default (config, done) => h("div", { class: "panel" }, h("h1", {}, t("login.title")),
  config["login.prompt"] && h("p", { class: "lead" }, config["login.prompt"]), loginForm("", done));

let asking = null;

/** The same above a page whose session has ended; resolves to the user. Calls that fail together share one. */
export function loginAgain(name) {
  asking ??= new Promise((resolve) => {
    dialog(t("login.again"), (close) => h("div", { class: "content" }, h("p", {}, t("login.again.text")), loginForm(name, async () => {
      const user = await get("/user/info");
      close();
      resolve(user);
    })), { cross: false });
  }).finally(() => { asking = null; });
  return asking;
}
