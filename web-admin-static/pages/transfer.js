// Import and export: the whole configuration as one document, out and in; what an import would change is told before it is done.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { Draft } from "../parts/draft.js";
import { dropZone } from "../parts/drop.js";
import { areaField, selectField, switchField, textField, when } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { lookAgain } from "../parts/live.js";
import { note, noteSaved, problem } from "../parts/notes.js";
import { changesList, effects } from "../parts/preview.js";
import { warned } from "../parts/server.js";
import { may } from "../parts/session.js";
import { importingIngress } from "./transfer-ingress.js";
import { restoring } from "./transfer-restore.js";

const isJSON = (text) => text.trimStart().startsWith("{");
const isSealed = (text) => /"sealed"\s*:\s*"|^sealed\s*:\s*(?!null\b)\S/m.test(text);

/** Gives bytes to the browser as a file. */
function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const today = () => new Date().toISOString().slice(0, 10);

/** Everything that the control plane keeps, accounts and audit included. */
function backup() {
  const draft = new Draft({ passphrase: "" });
  draft.words = "backup";
  return h("section", { class: "panel" }, h("h2", {}, t("backup.title")), h("p", { class: "hint" }, t("backup.text")), form([
    textField(draft, "passphrase", { type: "password", autocomplete: "new-password", keep: true }),
  ], {
    draft, label: t("backup.submit"),
    submit: async () => {
      const { answer, blob } = await api.file("POST", "/v1/backup", { passphrase: draft.value.passphrase || null });
      save(blob, `causeway-${today()}.sqlite3`);
      const sealed = answer.headers.get("Causeway-Sealing-Key") === "sealed";
      note(t(sealed ? "export.done" : "backup.keyless"), sealed ? "good" : "warn");
    },
  }));
}

function exporting() {
  const draft = new Draft({ format: "yaml", secrets: false, passphrase: "" });
  draft.words = "export";
  return h("section", { class: "panel" }, h("h2", {}, t("export.title")), h("p", { class: "hint" }, t("export.text")), form([
    selectField(draft, "format", [["yaml", "YAML"], ["json", "JSON"]]),
    may("admin") && switchField(draft, "secrets"),
    when(draft, () => draft.get("secrets"), textField(draft, "passphrase", { type: "password", autocomplete: "new-password", keep: true })),
  ], {
    draft, label: t("export.submit"),
    submit: async () => {
      const { format, secrets, passphrase } = draft.value;
      const path = `/v1/export?format=${format}`;
      const { blob } = secrets ? await api.file("POST", path, { passphrase }) : await api.file("GET", path);
      save(blob, `causeway-${today()}.${format}`);
      note(t("export.done"));
    },
  }));
}

/** The document with its passphrase in it, in its own language. */
function sealedBy(text, passphrase) {
  if (!passphrase) return text;
  return isJSON(text) ? JSON.stringify({ ...JSON.parse(text), passphrase }) : `${text.replace(/^passphrase\s*:.*$/m, "").trimEnd()}\npassphrase: ${JSON.stringify(passphrase)}\n`;
}

function importing() {
  const draft = new Draft({ text: "", passphrase: "", prune: false });
  draft.words = "import";
  const place = h("div", {});
  const result = h("div", { role: "status" });
  const send = (dry) => {
    const { text, passphrase, prune } = draft.value;
    const type = isJSON(text) ? "application/json" : "application/yaml";
    return api.call("POST", `/v1/apply?prune=${Boolean(prune)}&${dry ? "dryRun=true" : "wait=live"}`, sealedBy(text, passphrase), { "Content-Type": type });
  };

  function draw() {
    fill(place, form([
      dropZone(t("import.drop"), take), areaField(draft, "text", { rows: 8, placeholder: "format: causeway.configuration/1" }),
      when(draft, () => isSealed(draft.get("text") ?? ""), textField(draft, "passphrase", { type: "password", autocomplete: "off", keep: true })),
      switchField(draft, "prune"),
    ], {
      draft, label: t("preview"), check: () => ((draft.get("text") ?? "").trim() ? [] : [["text", t("required")]]),
      submit: async () => {
        const { content } = await send(true);
        const { changes, warnings } = content.data;
        const apply = h("button", { type: "button", class: "primary", onclick: () => attempt(apply) }, t("import.apply"));
        fill(result, h("section", { class: "panel" }, h("h2", {}, t("preview.title")), h("p", { class: "hint" }, t("preview.text")), changesList(changes), effects(content.data),
          warned(content.warnings ?? warnings), changes.length > 0 && h("div", { class: "buttons" }, apply)));
        result.scrollIntoView({ block: "nearest" });
      },
    }));
  }

  async function attempt(button) {
    button.disabled = true;
    try {
      noteSaved(await send(false));
      draft.value = { text: "", passphrase: "", prune: false };
      draft.changed();
      fill(result);
      draw();
      lookAgain();
    } catch (error) {
      button.disabled = false;
      fill(result, h("p", { class: "error", role: "alert" }, problem(error)));
    }
  }

  function take([text]) {
    draft.set("text", text);
    fill(result);
    draw();
  }

  draw();
  return h("div", {}, h("section", { class: "panel" }, h("h2", {}, t("import.title")), h("p", { class: "hint" }, t("import.lead")), place), result);
}

export default () => ({
  element: h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("transfer"))), h("p", { class: "lead" }, t("transfer.lead")), exporting(), may("editor") && [importing(), importingIngress()], may("admin") && [backup(), restoring(`causeway-${today()}.sqlite3`)]),
});
