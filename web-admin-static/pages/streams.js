// Live streams: what runs now, from whom to where, and the power to end one.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge } from "../parts/cells.js";
import { away, whenBack } from "../parts/connection.js";
import { question } from "../parts/dialog.js";
import { bytes, duration, number, t } from "../parts/i18n.js";
import { emptyState, tool } from "../parts/list.js";
import { noteError, problem } from "../parts/notes.js";
import { address, here } from "../parts/router.js";
import { warned } from "../parts/server.js";
import { among, table } from "../parts/table.js";
import { may } from "../parts/session.js";

const EVERY = 2000;
const MOST = 500;
const PROTOCOLS = { websocket: "WebSocket", h2: "HTTP/2", "http/1.1": "HTTP/1.1" };

export default () => {
  const told = h("div", {});
  let timer = null;
  let gone = false;
  let rows = [];

  async function end(row) {
    const agreed = await question(t("stream.end"), [h("p", {}, t("stream.end.question", { peer: row.peer, path: `${row.authority ?? ""}${row.path ?? ""}` })), h("p", { class: "hint" }, t("stream.end.text"))], { yes: t("stream.end"), danger: true });
    if (!agreed) return;
    try {
      await api.streams.remove(row.id);
    } catch (error) {
      if (error.status !== 404) noteError(error);
    }
    await refresh();
  }

  const columns = [
    { key: "peer", label: t("stream.peer"), cell: (row) => h("code", {}, row.peer ?? "–") },
    { key: "protocol", label: t("source.protocol"), text: (row) => PROTOCOLS[row.protocol] ?? row.protocol ?? "", cell: (row) => badge(PROTOCOLS[row.protocol] ?? row.protocol ?? "–", row.protocol === "websocket" ? "good" : "") },
    { key: "path", label: t("stream.request"), text: (row) => `${row.authority ?? ""}${row.path ?? ""}`, cell: (row) => h("span", { class: "stack" }, h("code", {}, row.path ?? "–"), h("span", { class: "soft small" }, `${row.method ?? ""} ${row.authority ?? ""}`)) },
    { key: "route", label: t("kind.routes"), text: (row) => `${row.route ?? ""} ${row.endpoint ?? ""}`, cell: (row) => h("span", { class: "stack" }, row.route ? h("a", { href: address("routes", { edit: row.route }) }, row.route) : "–", h("span", { class: "soft small" }, row.endpoint ?? "")) },
    { key: "age", label: t("stream.age"), sort: (row) => row.age_ms ?? 0, cell: (row) => h("span", { class: "stack" }, duration(row.age_ms ?? 0), h("span", { class: "soft small" }, t("stream.quiet", { time: duration(row.idle_ms ?? 0) }))) },
    { key: "bytes", label: t("stream.bytes"), sort: (row) => (row.bytes_in ?? 0) + (row.bytes_out ?? 0), cell: (row) => h("span", { class: "stack" }, `↑ ${bytes(row.bytes_in ?? 0)}  ↓ ${bytes(row.bytes_out ?? 0)}`, row.messages_in !== null && row.messages_in !== undefined && h("span", { class: "soft small" }, t("stream.messages", { in: number(row.messages_in), out: number(row.messages_out ?? 0) }))) },
  ];
  const view = table({
    label: t("streams"), order: "-age", columns, load: among(columns, () => rows),
    actions: may("editor") ? (row) => tool("close", t("stream.end"), () => end(row), { of: row.peer, class: "danger" }) : null,
    empty: () => emptyState("streams", t("stream.empty"), t("stream.empty.text")),
  });

  async function refresh() {
    clearTimeout(timer);
    if (gone) return;
    try {
      if (!away() && document.visibilityState === "visible") {
        const { data, more, warnings } = await api.streams.all({ route: here().params.get("route"), limit: MOST });
        fill(told, warned(warnings), more && h("p", { class: "aside" }, t("stream.more", { n: MOST })));
        // Where a worker could not be asked, no stream is not the same as none.
        view.body.hidden = !data.length && Boolean(warnings?.length);
        rows = data;
        await view.refresh();
      }
    } catch (error) {
      fill(told, h("p", { class: "error" }, problem(error)));
    }
    if (!gone) timer = setTimeout(refresh, EVERY);
  }

  const element = h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("streams"))), h("p", { class: "lead" }, t("stream.lead")),
    h("div", { class: "tools" }, view.search, view.count, h("span", { class: "grow" }), tool("refresh", t("refresh"), refresh)), told, view.body);
  whenBack(element, refresh);
  refresh();
  return { element, follow: () => { view.follow(); refresh(); }, leave: () => { gone = true; clearTimeout(timer); } };
};
