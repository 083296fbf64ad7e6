// Services: what routes can send requests to, read from the sources.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, lines, place, usedBy } from "../parts/cells.js";
import { whenChanged } from "../parts/events.js";
import { healthCell } from "../parts/health.js";
import { t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { noteError } from "../parts/notes.js";
import { may } from "../parts/session.js";
import { address } from "../parts/router.js";
import { repeat } from "../parts/repeat.js";
import { warned } from "../parts/server.js";
import { table } from "../parts/table.js";

const EVERY = 5000;

/** The source that a service comes from. */
const sourceOf = (service) => service.name.replace(/\.[^.]+$/, "");

export default () => {
  const told = h("div", {});
  const view = table({
    label: t("services"),
    load: async (query) => {
      const found = await api.services.page(query);
      fill(told, warned(found.warnings));
      return found;
    },
    columns: [
      { key: "name", label: t("service.name"), cell: (row) => h("a", { href: address("sources", { edit: sourceOf(row) }) }, row.name) },
      { key: "endpoints", label: t("service.endpoints"), cell: (row) => lines((row.endpoints ?? []).map(place), 5) },
      { key: "health", label: t("service.health"), unsorted: true, cell: healthCell },
      { key: "protocol", label: t("source.protocol"), cell: (row) => badge((row.protocol ?? "http").toUpperCase()) },
      { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "routes", "count.routes", row.name) },
    ],
    actions: may("editor") && ((row) => h("a", { class: "button", href: address("routes", { new: "1", service: row.name }) }, t("service.route"))),
    empty: () => emptyState("services", t("service.empty"), t("service.empty.text"), may("editor") && h("a", { class: "button primary", href: address("sources", { new: "1" }) }, t("source.new"))),
  });

  async function refresh() {
    try {
      await view.refresh();
    } catch (error) {
      noteError(error);
    }
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("services"))), h("p", { class: "lead" }, t("service.lead")),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), told, view.body);
  whenChanged(element, ["version"], refresh);
  refresh();
  // Health changes without a version; what cannot be had then stays as it was.
  setTimeout(() => repeat(element, EVERY, () => view.refresh().catch(() => {})));
  return { element, follow: view.follow };
};
