// Versions: every save, newest first, and what it changed.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { change, kindWord } from "../parts/changes.js";
import { whenBack } from "../parts/connection.js";
import { whenChanged } from "../parts/events.js";
import { dialog, question } from "../parts/dialog.js";
import { dateTime, relative, t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { note, noteError, noteSaved } from "../parts/notes.js";
import { changesList, effects } from "../parts/preview.js";
import { adjust, go, here, withParams } from "../parts/router.js";
import { warned } from "../parts/server.js";
import { among, table } from "../parts/table.js";
import { may } from "../parts/session.js";

const SHOWN = 500;

const live = (version) => (version.live ? badge(t(`version.live.${version.live}`), { true: "good", "no-worker": "warn" }[version.live] ?? "bad") : null);

/** Back to what a version held: what that changes is told first, and that nobody has saved since is checked. */
async function rollBack(number, refresh) {
  try {
    const [preview, [last]] = await Promise.all([api.versions.previewRollback(number), api.versions.list(1)]);
    if (!preview.changes.length) return note(t("version.rollback.same"));
    const agreed = await question(t("version.rollback.title", { version: number }), [h("p", {}, t("version.rollback.text")), changesList(preview.changes), effects(preview), warned(preview.warnings)], { yes: t("version.rollback"), wide: true });
    if (!agreed) return;
    const answer = await api.versions.rollBack(number, last?.version ?? "0");
    noteSaved(answer);
    go("versions");
    await refresh();
  } catch (error) {
    noteError(error);
  }
}

function details(version, versions, difference, refresh) {
  const { params } = here();
  const from = h("select", { "aria-label": t("version.compare"), onchange: () => go("versions", { ...Object.fromEntries(params), from: from.value }) },
    [["", t("version.before")], ...versions.filter((each) => each.version !== version.version).map((each) => [each.version, `${t("version.number")} ${each.version}`])].map(([value, text]) => h("option", { value }, text)));
  from.value = params.get("from") ?? "";
  return h("div", { class: "content" },
    facts([t("version.createdAt"), dateTime(new Date(version.createdAt))], [t("version.author"), version.author || "–"], [t("version.live"), live(version)],
      [t("version.history"), h("code", {}, version.history), true]),
    h("div", { class: "bar" }, h("label", { class: "inline" }, t("version.compare"), from), h("span", { class: "grow" }),
      may("editor") && version.version !== versions[0]?.version && h("button", { type: "button", onclick: () => rollBack(version.version, refresh) }, t("version.rollback"))),
    h("h3", {}, t("version.changes")), difference ? changesList(difference.changes) : h("p", { class: "soft" }, t("version.gone")));
}

export default () => {
  let open = null;
  let rows = [];
  const told = (row) => (row.changes ?? []).map((each) => `${t(`action.${each.action}`)} ${kindWord(each.kind)} ${each.name}`).join(" ") || row.summary;
  const columns = [
    { key: "version", label: t("version.number"), sort: (row) => Number(row.version), text: (row) => row.version, cell: (row) => h("a", { href: withParams({ show: row.version }) }, row.version) },
    { key: "changes", label: t("version.changes"), text: told, cell: (row) => h("ul", { class: "lines" }, (row.changes ?? []).slice(0, 3).map((each) => h("li", {}, change(each))), (row.changes ?? []).length > 3 && h("li", { class: "soft" }, t("more", { n: row.changes.length - 3 })), !row.changes?.length && h("li", {}, row.summary)) },
    { key: "author", label: t("version.author") },
    { key: "createdAt", label: t("version.createdAt"), sort: (row) => Date.parse(row.createdAt), text: (row) => dateTime(new Date(row.createdAt)), cell: (row) => h("span", { title: dateTime(new Date(row.createdAt)) }, relative(Date.parse(row.createdAt))) },
  ];
  const view = table({
    label: t("versions"), order: "-version", columns, load: among(columns, () => rows),
    empty: () => emptyState("versions", t("version.empty"), t("version.empty.text")),
  });

  async function refresh() {
    try {
      rows = await api.versions.list(SHOWN);
      await view.refresh();
    } catch (error) {
      noteError(error);
    }
  }

  async function follow() {
    view.follow();
    const { params } = here();
    const wanted = params.get("show") && `${params.get("show")} ${params.get("from") ?? ""}`;
    if (open?.wanted === wanted) return;
    const before = open;
    open = null;
    before?.close();
    if (!wanted) return;
    const mine = { wanted, close: () => {} };
    open = mine;
    try {
      const number = params.get("show");
      // What an old version held may be kept no longer: its entry is shown all the same.
      const [version, difference] = await Promise.all([api.versions.read(number), api.versions.diff(number, params.get("from")).catch(() => null)]);
      if (!version) throw new Error(t("missing", { name: number }));
      if (open !== mine) return;
      mine.close = dialog(t("version.title", { version: number }), () => details(version, rows, difference, refresh), {
        kind: "drawer", closed: () => {
          if (open !== mine) return;
          open = null;
          adjust({ show: null, from: null });
        },
      }).close;
    } catch (error) {
      open = null;
      adjust({ show: null, from: null });
      noteError(error);
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("versions"))), h("p", { class: "lead" }, t("version.lead")),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), view.body);
  whenBack(element, refresh);
  whenChanged(element, ["version", "worker"], refresh);
  refresh().then(follow);
  const leave = () => {
    const before = open;
    open = null;
    before?.close();
  };
  return { element, follow, leave };
};
