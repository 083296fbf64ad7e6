// Login by name and password; the session is a cookie that scripts cannot read.

import { call } from "../api.js";
import { h } from "../dom.js";
import { field, form, password, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";

export default (done) => {
  const name = text("", { autocomplete: "username" });
  const secret = password({ autocomplete: "current-password" });
  const keep = h("input", { type: "checkbox" });
  return h("main", { class: "narrow" }, h("h1", {}, t("login.title")), form([
    field("username", t("user.name"), name),
    field("password", t("user.password"), secret),
    h("label", { class: "box" }, keep, t("login.keep")),
  ], {
    label: t("login.submit"),
    submit: async () => {
      await call("POST", "/session/login", { username: name.value.trim(), password: secret.value, autoLogin: keep.checked });
      await done();
    },
  }));
};
