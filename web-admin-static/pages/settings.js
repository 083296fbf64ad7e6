// Settings of the control plane, each with what it means and its default.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { alertsPanel } from "../parts/alerts.js";
import { badge } from "../parts/cells.js";
import { whenBack } from "../parts/connection.js";
import { dialog } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { numberField, switchField, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { has, t } from "../parts/i18n.js";
import { noteError, noteSaved, problem } from "../parts/notes.js";
import { may } from "../parts/session.js";

const shown = (value) => (value === "" ? h("span", { class: "soft" }, t("none")) : typeof value === "boolean" ? t(value ? "form.on" : "form.off") : String(value));
const meaning = (setting) => (has(`setting.${setting.name}`) ? t(`setting.${setting.name}`) : setting.meaning);

function change(setting, done) {
  const draft = new Draft({ value: setting.value });
  draft.words = "setting";
  const range = setting.minimum !== undefined && setting.minimum !== null ? t("setting.range", { from: setting.minimum, to: setting.maximum }) : null;
  const control = typeof setting.value === "boolean" ? switchField(draft, "value") : typeof setting.value === "number" ? numberField(draft, "value", { hint: range }) : textField(draft, "value", { keep: true });
  dialog(setting.name, (close) => h("div", { class: "content" }, h("p", {}, meaning(setting)), form([control], {
    draft, label: t("save"), cancel: close,
    submit: async () => {
      noteSaved(await api.settings.replace(setting.name, { value: draft.value.value ?? "" }));
      close();
      done();
    },
  })));
}

export default () => {
  const body = h("div", {}, h("p", { class: "loading" }, t("loading")));

  async function reset(setting) {
    try {
      noteSaved(await api.settings.remove(setting.name));
    } catch (error) {
      noteError(error);
    }
    await refresh();
  }

  async function refresh() {
    try {
      const list = await api.settings.list();
      fill(body, h("div", { class: "panel settings" }, list.map((setting) => h("div", { class: "setting", "data-name": setting.name },
        h("div", {}, h("code", {}, setting.name), setting.value !== setting.default && badge(t("setting.changed"), "warn"), h("p", { class: "hint" }, meaning(setting))),
        h("div", { class: "value" }, shown(setting.value)),
        may("admin") && h("div", { class: "buttons" }, h("button", { type: "button", "aria-label": `${t("edit")} ${setting.name}`, onclick: () => change(setting, refresh) }, t("edit")),
          setting.value !== setting.default && h("button", { type: "button", "aria-label": `${t("setting.reset")} ${setting.name}`, onclick: () => reset(setting) }, t("setting.reset")))))));
    } catch (error) {
      fill(body, h("p", { class: "error" }, problem(error)));
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("settings"))), h("p", { class: "lead" }, t("setting.lead")), body, alertsPanel());
  whenBack(element, refresh);
  refresh();
  return { element };
};
