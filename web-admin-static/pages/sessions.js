// Sessions: where one is logged in, and the power to end that.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge } from "../parts/cells.js";
import { whenBack } from "../parts/connection.js";
import { everybody, everybodySwitch } from "../parts/everybody.js";
import { dateTime, relative, t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { noteError, noteSaved } from "../parts/notes.js";
import { table } from "../parts/table.js";

/** The browser and the system in a user agent's long line, as far as they can be told. */
function browser(agent) {
  const name = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([sign]) => agent.includes(sign))?.[1];
  const system = ["Windows", "Android", "iPhone", "Mac OS", "Linux"].find((each) => agent.includes(each));
  return name ? [name, system].filter(Boolean).join(", ") : agent.slice(0, 60) || "–";
}

export default () => {
  async function end(row) {
    try {
      noteSaved(await api.sessions.remove(row.id));
    } catch (error) {
      noteError(error);
    }
    await refresh();
  }

  const view = table({
    label: t("sessions"), order: "-lastUsedAt", load: (query) => api.sessions.page({ ...query, all: everybody() }),
    columns: [
      { key: "agent", label: t("session.agent"), cell: (row) => h("span", { title: row.agent }, browser(row.agent), " ", row.current && badge(t("session.current"), "good")) },
      { key: "user", label: t("token.user") },
      { key: "address", label: t("session.address"), cell: (row) => h("code", {}, row.address) },
      { key: "lastUsedAt", label: t("token.lastUsedAt"), descends: true, cell: (row) => h("span", { title: dateTime(new Date(row.lastUsedAt)) }, relative(Date.parse(row.lastUsedAt))) },
      { key: "expiresAt", label: t("session.expiresAt"), cell: (row) => h("span", { title: dateTime(new Date(row.expiresAt)) }, relative(Date.parse(row.expiresAt))) },
    ],
    actions: (row) => !row.current && tool("delete", t("session.end"), () => end(row), { of: row.id, class: "danger" }),
    empty: () => emptyState("sessions", t("session.empty"), t("session.empty.text")),
  });

  async function refresh() {
    try {
      await view.refresh();
    } catch (error) {
      noteError(error);
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("sessions"))), h("p", { class: "lead" }, t("session.lead")),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), everybodySwitch(refresh), tool("refresh", t("refresh"), refresh)), view.body);
  whenBack(element, refresh);
  refresh();
  return { element, follow: view.follow };
};
