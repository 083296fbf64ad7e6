// A backup put back: looked at first, with what it would replace, then done; everybody's session ends with it.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { copyable, facts } from "../parts/cells.js";
import { dialog, question } from "../parts/dialog.js";
import { Draft } from "../parts/draft.js";
import { dropZone } from "../parts/drop.js";
import { fallSilent, listen } from "../parts/events.js";
import { textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { bytes, dateTime, number, t } from "../parts/i18n.js";
import { noteError } from "../parts/notes.js";
import { warned } from "../parts/server.js";
import { setUser, user } from "../parts/session.js";

/** The API's words for what is counted, and the list that says how many there are now. */
const KINDS = [
  ["route", "routes", api.routes], ["domain", "domains", api.domains], ["tls-certificate", "certificates", api.certificates], ["service-source", "sources", api.sources],
  ["consumer", "consumers", api.consumers], ["accounts", "users", api.users],
];

const send = (path, file, passphrase) => api.call("POST", path, file, { "Content-Type": "application/vnd.sqlite3", ...(passphrase ? { "Causeway-Passphrase": encodeURIComponent(passphrase) } : {}) });

const present = () => Promise.all(KINDS.map(([, , kind]) => api.count(kind)));

/** What is here now beside what would be. */
function compared({ counts }, now) {
  return h("div", { class: "scroll" }, h("table", { class: "diff", "aria-label": t("restore.compared") },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), h("th", { scope: "col" }, t("restore.now")), h("th", { scope: "col" }, t("restore.then")))),
    h("tbody", {}, KINDS.map(([kind, page], at) => h("tr", { "data-kind": kind }, h("th", { scope: "row" }, t(page)),
      h("td", { "data-label": t("restore.now") }, number(now[at])), h("td", { "data-label": t("restore.then") }, number(counts[kind] ?? 0)))))));
}

/** The same without the page, for one who cannot log in. */
const byHand = (name) => h("details", { class: "section" }, h("summary", {}, h("span", { class: "title" }, t("restore.byHand"))), h("div", { class: "inside" }, h("p", { class: "hint" }, t("backup.restore.text")), h("ol", { class: "plain-steps" },
  h("li", {}, t("backup.restore.stop"), copyable("systemctl stop causeway-control")),
  h("li", {}, t("backup.restore.put"), copyable(`sudo -u causeway-control causeway-control restore ${name} --data /var/lib/causeway-control --migrations /usr/local/share/causeway/migrations`)),
  h("li", {}, t("backup.restore.start"), copyable("systemctl start causeway-control")))));

export function restoring(example) {
  const draft = new Draft({ passphrase: "" });
  draft.words = "restore";
  let file = null;
  const chosen = h("p", { class: "hint", role: "status" });
  const result = h("div", { role: "status" });

  function take([taken]) {
    file = taken;
    fill(chosen, h("strong", {}, file.name), ` · ${bytes(file.size)}`);
    fill(result);
  }

  async function look() {
    const asked = file;
    const [{ content }, now] = await Promise.all([send("/v1/restore?dryRun=true", asked, draft.get("passphrase")), present()]);
    if (asked !== file) return;
    const { data } = content;
    const button = h("button", { type: "button", class: "danger solid", onclick: () => agree(data, now).catch(noteError) }, t("restore.submit"));
    fill(result, h("section", { class: "found" }, h("h3", {}, t("restore.found")),
      facts([t("restore.createdAt"), data.createdAt ? dateTime(new Date(data.createdAt)) : t("restore.copy")], [t("restore.version"), data.version], [t("restore.replaces"), data.replaces.version], [t("restore.key"), t(`restore.key.${data.sealingKey}`)]),
      compared(data, now), warned(content.warnings), data.migrations.length > 0 && h("p", { class: "hint" }, t("restore.migrations", { n: data.migrations.length })), h("div", { class: "buttons" }, button)));
    result.scrollIntoView({ block: "nearest" });
  }

  async function agree(data, now) {
    const agreed = await question(t("restore.question"), [
      h("p", {}, t("restore.question.text", { file: file.name, version: data.replaces.version })), compared(data, now),
      h("p", { class: "aside warn" }, t("restore.question.sessions")),
    ], { yes: t("restore.submit"), danger: true, wide: true });
    if (agreed) await restore();
  }

  /** Nothing else is asked meanwhile: sessions end with it, this one too. */
  async function restore() {
    const { content } = await api.exclusively(async () => {
      fallSilent();
      try {
        const answer = await send("/v1/restore", file, draft.get("passphrase"));
        setUser(null);
        return answer;
      } finally {
        if (user) listen();
      }
    });
    dialog(t("restore.done"), () => h("div", { class: "content" }, h("p", {}, t("restore.done.text", { version: content.data.version })),
      h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", autofocus: true, onclick: () => location.reload() }, t("restore.login")))), { cross: false });
  }

  const element = form([
    dropZone(t("restore.drop"), take, { raw: true }), chosen,
    textField(draft, "passphrase", { type: "password", autocomplete: "off", keep: true }),
  ], { draft, label: t("restore.look"), submit: look, check: () => (file ? [] : [["", t("restore.missing")]]) });

  return h("section", { class: "panel" }, h("h2", {}, t("restore.title")), h("p", { class: "hint" }, t("restore.text")), element, result, byHand(example));
}
