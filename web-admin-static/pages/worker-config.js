// The configuration as a worker runs it, asked of the worker itself: which version, how many objects of each kind, and each of them.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { facts } from "../parts/cells.js";
import { dialog } from "../parts/dialog.js";
import { has, number, t } from "../parts/i18n.js";
import { problem } from "../parts/notes.js";
import { adjust, here } from "../parts/router.js";

const FIRST = "route";
/** On the way of a request; kinds that a newer worker has come last. */
const ORDER = ["listener", "virtualHost", "tlsIdentity", "route", "cluster", "consumer"];
const rank = (kind) => (ORDER.indexOf(kind) + ORDER.length + 1) % (ORDER.length + 1);
const kindWord = (kind) => (has(`object.${kind}`) ? t(`object.${kind}`) : kind);

function item({ kind, name, hash, value }, open) {
  const element = h("details", { class: "section", "data-name": name, open }, h("summary", {}, h("span", { class: "title" }, name || kindWord(kind)), h("code", { class: "summary", title: hash }, hash.slice(0, 12))),
    h("div", { class: "inside" }));
  const show = () => fill(element.lastChild, h("pre", { class: "json", tabindex: "0", "aria-label": name }, JSON.stringify(value, null, 2)));
  // Many are listed and few looked at.
  element.addEventListener("toggle", show, { once: true });
  return element;
}

/** What stands in the drawer. */
function running(id) {
  const told = h("div", {});
  const kinds = h("div", { class: "segments", role: "group", "aria-label": t("running.kind") });
  const list = h("div", {}, h("p", { class: "loading" }, t("loading")));
  const wrong = h("div", { role: "alert" });
  const more = h("button", { type: "button", hidden: true, onclick: () => load(true) }, t("running.more"));
  const search = h("input", {
    type: "search", placeholder: t("running.name"), "aria-label": t("running.name"), autocomplete: "off", spellcheck: "false", value: here().params.get("name") ?? "",
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(() => { adjust({ name: search.value.trim() }); load(); }, 250);
    },
  });
  let typing = null;
  let turn = 0;
  let shown = [];

  const kind = () => here().params.get("kind") || FIRST;

  function choose(next) {
    adjust({ kind: next, name: null });
    search.value = "";
    load();
  }

  function drawHead({ version, root, history, objects }) {
    fill(told, facts([t("worker.version"), version], [t("running.root"), h("code", {}, root), true], [t("version.history"), h("code", {}, history), true]));
    const held = kinds.contains(document.activeElement);
    fill(kinds, Object.entries(objects).sort(([one], [two]) => rank(one) - rank(two)).map(([each, count]) => h("button", { type: "button", "aria-pressed": String(each === kind()), onclick: () => choose(each) }, `${kindWord(each)} ${number(count)}`)));
    if (held) kinds.querySelector("[aria-pressed=true]")?.focus();
  }

  async function load(further = false) {
    const mine = ++turn;
    try {
      const name = search.value.trim();
      const data = await api.workers.config(id, { kind: kind(), ...(name ? { name } : {}), ...(further ? { after: shown.at(-1)?.name } : {}) });
      if (mine !== turn) return;
      drawHead(data);
      fill(wrong);
      const items = data.items.map((each) => item(each, data.items.length === 1 && !further));
      shown = further ? [...shown, ...data.items] : data.items;
      if (further) list.append(...items);
      else fill(list, items.length ? items : h("p", { class: "soft" }, t(name ? "running.unknown" : "running.none")));
      more.hidden = !data.more;
      if (further) items[0]?.querySelector("summary").focus();
    } catch (error) {
      if (mine !== turn) return;
      fill(wrong, h("p", { class: "error" }, problem(error)));
      if (!further) fill(list);
    }
  }

  load();
  return h("div", { class: "content running" }, h("p", { class: "hint" }, t("running.text")), told, kinds, search, wrong, list, more);
}

/** Opens it for a worker; `closed()` is told when it is gone. */
export function showRunning(id, closed) {
  return dialog(t("running.title", { id }), () => running(id), { kind: "drawer", closed });
}
