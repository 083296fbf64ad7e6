// Workers: which processes serve, which version each serves, and what is wrong with it.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { t } from "../parts/i18n.js";
import { table } from "../parts/list.js";

const EVERY = 3000;

function problems(entries) {
  if (!entries?.length) return "–";
  return h("ul", { class: "lines" }, entries.map((each) => h("li", { class: "mark bad" },
    [each.kind, each.name].filter(Boolean).join(" "), each.reason ? `: ${each.reason}` : "")));
}

export default () => {
  const body = h("div", {}, t("loading"));
  const section = h("section", {}, h("header", { class: "bar" }, h("h1", {}, t("workers"))), h("p", { class: "hint" }, t("workers.intro")), body);

  async function refresh() {
    try {
      const rows = await api.workers.list();
      fill(body, rows.length
        ? table([
          [t("worker.id"), (row) => row.id],
          [t("worker.state"), (row) => row.state],
          [t("worker.version"), (row) => row.version ?? "–"],
          [t("worker.degraded"), (row) => problems(row.degraded)],
          [t("worker.heldBack"), (row) => problems(row.heldBack)],
        ], rows)
        : h("p", { class: "hint" }, t("workers.none")));
    } catch (error) {
      fill(body, h("p", { class: "error" }, error.message));
    }
    // The page is gone once it is out of the document.
    if (section.isConnected) setTimeout(refresh, EVERY);
  }

  setTimeout(refresh);
  return section;
};
