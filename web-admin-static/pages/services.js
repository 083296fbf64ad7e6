// Services: what routes can send requests to, read from the sources.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, lines, place, usedBy } from "../parts/cells.js";
import { whenBack } from "../parts/connection.js";
import { whenChanged } from "../parts/events.js";
import { t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { noteError } from "../parts/notes.js";
import { may } from "../parts/session.js";
import { address } from "../parts/router.js";
import { table } from "../parts/table.js";

/** The source that a service comes from. */
const sourceOf = (service) => service.name.replace(/\.[^.]+$/, "");

export default () => {
  const view = table({
    label: t("services"), load: api.services.page,
    columns: [
      { key: "name", label: t("service.name"), cell: (row) => h("a", { href: address("sources", { edit: sourceOf(row) }) }, row.name) },
      { key: "endpoints", label: t("service.endpoints"), cell: (row) => lines((row.endpoints ?? []).map(place), 5) },
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
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), view.body);
  whenBack(element, refresh);
  whenChanged(element, ["version"], refresh);
  refresh();
  return { element, follow: view.follow };
};
