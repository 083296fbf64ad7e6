// First-run set-up: the first account.

import { call } from "../api.js";
import { h } from "../dom.js";
import { field, form, password, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";

export default (done) => {
  const name = text("admin", { autocomplete: "username" });
  const first = password({ autocomplete: "new-password" });
  const second = password({ autocomplete: "new-password" });
  return h("main", { class: "narrow" }, h("h1", {}, t("init.title")), h("p", { class: "hint" }, t("init.intro")), form([
    field("adminUser.name", t("user.name"), name),
    field("adminUser.password", t("user.password"), first),
    field("again", t("user.again"), second),
  ], {
    label: t("init.submit"),
    submit: async () => {
      if (first.value !== second.value) {
        throw Object.assign(new Error(t("user.differ")), { fields: new Map([["again", t("user.differ")]]) });
      }
      await call("POST", "/system/init", {
        adminUser: { name: name.value.trim(), displayName: name.value.trim(), password: first.value },
      });
      await done();
    },
  }));
};
