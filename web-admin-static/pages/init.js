// First-run set-up: the first account, and with it the first login.

import { call, get } from "../api.js";
import { h } from "../dom.js";
import { Draft } from "../parts/draft.js";
import { textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";

const local = () => ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

export default (done) => {
  const draft = new Draft({ adminUser: { name: "admin", password: "" }, again: "", setupCode: "" });
  draft.words = "init";
  const { adminUser } = draft.value;
  return h("div", { class: "panel" }, h("h1", {}, t("init.title")), h("p", { class: "lead" }, t("init.intro")), form([
    textField(draft, "adminUser.name", { autocomplete: "username", required: true }),
    textField(draft, "adminUser.password", { type: "password", autocomplete: "new-password", required: true, keep: true }),
    textField(draft, "again", { type: "password", autocomplete: "new-password", required: true, keep: true }),
    !local() && textField(draft, "setupCode", { required: true }),
  ], {
    draft, label: t("init.submit"),
    check: () => (adminUser.password === draft.value.again ? [] : [["again", t("password.differ")]]),
    submit: async () => {
      try {
        await call("POST", "/system/init", { adminUser: { ...adminUser, displayName: adminUser.name }, setupCode: draft.value.setupCode || null });
      } catch (error) {
        // Somebody else was quicker: their account is there, and this page becomes the login.
        if (error.code !== "already_initialized") throw error;
        const config = await get("/system/config");
        if (config["system.initialized"]) return done();
      }
      await call("POST", "/session/login", { username: adminUser.name, password: adminUser.password });
      await done();
    },
  }));
};
