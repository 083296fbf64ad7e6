// Versions: every save, newest first, and what it changed.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { change, kindWord } from "../parts/changes.js";
import { whenBack } from "../parts/connection.js";
import { dialog } from "../parts/dialog.js";
import { dateTime, relative, t } from "../parts/i18n.js";
import { emptyState, table, tool } from "../parts/list.js";
import { noteError } from "../parts/notes.js";
import { adjust, here, withParams } from "../parts/router.js";

const SHOWN = 500;

const live = (version) => (version.live ? badge(t(`version.live.${version.live}`), { true: "good", "no-worker": "warn" }[version.live] ?? "bad") : null);

function details(version) {
  return h("div", { class: "content" },
    facts([t("version.createdAt"), dateTime(new Date(version.createdAt))], [t("version.author"), version.author || "–"], [t("version.live"), live(version)],
      [t("version.history"), h("code", {}, version.history), true]),
    h("h3", {}, t("version.changes")), h("ul", { class: "changes" }, (version.changes ?? []).map((each) => h("li", {}, change(each)))));
}

export default () => {
  let open = null;
  const told = (row) => (row.changes ?? []).map((each) => `${t(`action.${each.action}`)} ${kindWord(each.kind)} ${each.name}`).join(" ") || row.summary;
  const view = table({
    label: t("versions"), order: "-version",
    columns: [
      { key: "version", label: t("version.number"), sort: (row) => Number(row.version), text: (row) => row.version, cell: (row) => h("a", { href: withParams({ show: row.version }) }, row.version) },
      { key: "changes", label: t("version.changes"), text: told, cell: (row) => h("ul", { class: "lines" }, (row.changes ?? []).slice(0, 3).map((each) => h("li", {}, change(each))), (row.changes ?? []).length > 3 && h("li", { class: "soft" }, t("more", { n: row.changes.length - 3 })), !row.changes?.length && h("li", {}, row.summary)) },
      { key: "author", label: t("version.author") },
      { key: "createdAt", label: t("version.createdAt"), sort: (row) => Date.parse(row.createdAt), text: (row) => dateTime(new Date(row.createdAt)), cell: (row) => h("span", { title: dateTime(new Date(row.createdAt)) }, relative(Date.parse(row.createdAt))) },
    ],
    empty: () => emptyState("versions", t("version.empty"), t("version.empty.text")),
  });

  async function refresh() {
    try {
      view.show(await api.versions.list(SHOWN));
    } catch (error) {
      noteError(error);
    }
  }

  async function follow() {
    view.follow();
    const wanted = here().params.get("show");
    if (open?.wanted === wanted) return;
    const before = open;
    open = null;
    before?.close();
    if (!wanted) return;
    const mine = { wanted, close: () => {} };
    open = mine;
    try {
      const version = await api.versions.read(wanted);
      if (!version) throw new Error(t("missing", { name: wanted }));
      if (open !== mine) return;
      mine.close = dialog(t("version.title", { version: wanted }), () => details(version), {
        kind: "drawer", closed: () => {
          if (open !== mine) return;
          open = null;
          adjust({ show: null });
        },
      }).close;
    } catch (error) {
      open = null;
      adjust({ show: null });
      noteError(error);
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("versions"))), h("p", { class: "lead" }, t("version.lead")),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), view.body);
  whenBack(element, refresh);
  refresh().then(follow);
  const leave = () => {
    const before = open;
    open = null;
    before?.close();
  };
  return { element, follow, leave };
};
