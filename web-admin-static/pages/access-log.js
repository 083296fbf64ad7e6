// The access log as it grows, filtered by the server: what happens to requests now, the newest first. The filter stands in the address.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { suggest } from "../parts/choice.js";
import { dialog } from "../parts/dialog.js";
import { flagWords, grpcWords, isFailure } from "../parts/flags.js";
import { clock, duration, number, t } from "../parts/i18n.js";
import { emptyState } from "../parts/list.js";
import { problem } from "../parts/notes.js";
import { address, adjust, here } from "../parts/router.js";
import { said, told as inWords } from "../parts/server.js";
import { tail } from "../parts/tail.js";

/** Lines that are kept. */
const MOST = 500;
const FLAGS = ["NR", "AD", "UA", "RL", "MD", "UH", "UF", "UR", "UC", "UPE", "UT", "SI", "DE", "DPE", "DT", "DC", "AB", "EO", "RC", "ML", "UO", "DR"];
const FILTERS = ["text", "route", "authority", "status", "flag"];
/** Fields of a line as the guide lists them. */
const ORDER = [
  "ts", "worker", "listener", "peer", "client", "tls", "sni", "method", "authority", "path", "protocol", "route", "cluster", "endpoint", "status", "grpc_status", "flag", "reason",
  "bytes_in", "bytes_out", "messages_in", "messages_out", "close_code", "duration_ms", "upstream_ms", "tries", "retry_refused", "version", "trace_id", "consumer",
];
const STATUS = /^[1-5](\d\d|xx)$/;

function query() {
  const { params } = here();
  const asked = new URLSearchParams({ limit: MOST });
  for (const name of FILTERS) {
    const value = params.get(name);
    if (value && (name !== "status" || STATUS.test(value))) asked.set(name, value);
  }
  return asked;
}

const flagOf = (line) => (line.flag && line.flag !== "-" ? line.flag : null);

function statusBadge({ status, grpc_status: grpc }) {
  const bad = status >= 500 || status === 0 || ["2", "4", "12", "13", "14", "15"].includes(String(grpc));
  const kind = bad ? "bad" : status >= 400 || (grpc ?? 0) > 0 ? "warn" : "good";
  return badge(grpc === null || grpc === undefined ? String(status ?? "–") : `${status} · ${grpcWords(grpc)}`, kind);
}

function took(milliseconds) {
  if (typeof milliseconds !== "number") return "–";
  return milliseconds < 10 ? `${number(milliseconds, milliseconds < 1 ? 2 : 1)} ${t("unit.ms")}` : duration(Math.round(milliseconds));
}

/** Every field as the worker writes it: more than some windows have room for, so that keys scroll it. */
function details(line) {
  const names = [...ORDER.filter((name) => name in line), ...Object.keys(line).filter((name) => !ORDER.includes(name))];
  return h("div", { class: "content", role: "group", tabindex: "0", "aria-label": t("accessLog.line") }, flagOf(line) && h("p", { class: `aside ${isFailure(line.flag) ? "bad" : "warn"}` }, flagWords(line.flag), line.reason && [": ", said(line.reason)]),
    facts(...names.map((name) => [h("code", {}, name), [null, ""].includes(line[name]) ? null : String(line[name]), String(line[name]).length > 16])));
}

function row(line) {
  const flag = flagOf(line);
  const time = new Date(line.ts);
  const shown = Number.isNaN(time.getTime()) ? String(line.ts ?? "–") : clock(time, true);
  return h("tr", {},
    h("th", { scope: "row" }, h("button", { type: "button", class: "link", title: line.ts, onclick: () => dialog(t("accessLog.line"), () => details(line), { kind: "drawer" }) }, shown)),
    h("td", { "data-label": t("accessLog.status") }, h("span", { class: "stack" }, statusBadge(line), flag && h("span", { class: "small soft", title: line.reason && inWords(line.reason) }, flagWords(flag)))),
    h("td", { "data-label": t("stream.request") }, h("span", { class: "stack" }, h("code", {}, `${line.method ?? ""} ${line.path ?? ""}`), h("span", { class: "soft small" }, line.authority ?? ""))),
    h("td", { "data-label": t("accessLog.filter.route") }, h("span", { class: "stack" }, line.route ? h("a", { href: address("routes", { edit: line.route }) }, line.route) : "–", h("span", { class: "soft small" }, line.endpoint ?? ""))),
    h("td", { "data-label": t("accessLog.time") }, took(line.duration_ms)),
    h("td", { "data-label": t("stream.peer") }, h("code", {}, line.peer ?? "–")));
}

/** The rows, the newest first; what comes is shown once a frame. */
function rows() {
  const list = h("tbody", {});
  const none = emptyState("access-log", t("accessLog.empty"), t("accessLog.empty.text"));
  const table = h("div", { class: "scroll" }, h("table", { class: "list", "aria-label": t("access-log") },
    h("thead", {}, h("tr", {}, ["accessLog.at", "accessLog.status", "stream.request", "accessLog.filter.route", "accessLog.time", "stream.peer"].map((key) => h("th", { scope: "col" }, h("span", { class: "plain-head" }, t(key)))))), list));
  let waiting = [];

  function show() {
    if (!waiting) return;
    list.prepend(...waiting.slice(-MOST).map((make) => make()).reverse());
    waiting = [];
    while (list.children.length > MOST) list.lastChild.remove();
    table.hidden = !list.children.length;
    none.hidden = !table.hidden;
  }

  function add(make) {
    if (!waiting.length) requestAnimationFrame(show);
    waiting.push(make);
  }

  show();
  return {
    element: h("div", {}, none, table),
    line: (line) => add(() => row(line)),
    gap: () => add(() => h("tr", { class: "gap" }, h("td", { colspan: "6" }, t("accessLog.gap")))),
    clear() {
      waiting = [];
      fill(list);
      show();
    },
  };
}

export default () => {
  const lines = rows();
  const state = h("span", { class: "badge", role: "status" });
  const told = h("div", {});
  const routes = h("datalist", { id: "log-routes" });
  const toggle = h("button", { type: "button", onclick: () => (stop ? pause() : start()) });
  const inputs = new Map();
  let stop = null;
  let typing = null;

  function drawState(name) {
    state.className = `badge ${{ open: "good", lost: "warn" }[name] ?? ""}`;
    fill(state, t(`accessLog.state.${name}`));
    fill(toggle, t(stop ? "accessLog.pause" : "accessLog.follow"));
  }

  function start() {
    stop?.();
    fill(told);
    lines.clear();
    stop = tail(query(), {
      begin: lines.clear, line: lines.line, gap: lines.gap, state: drawState,
      warning: ({ message }) => told.append(h("p", { class: "aside warn" }, said(message))),
      refused(error) {
        pause();
        fill(told, h("p", { class: "error", role: "alert" }, error.fields.length ? error.fields.map(([, words]) => [said(words), " "]) : problem(error)));
      },
    });
    drawState("lost");
  }

  function pause() {
    stop?.();
    stop = null;
    drawState("paused");
  }

  function changed(name, value) {
    adjust({ [name]: value });
    mark();
    clearTimeout(typing);
    typing = setTimeout(start, 250);
  }

  /** A status that is not one yet is not asked for. */
  function mark() {
    const input = inputs.get("status");
    if (input.value && !STATUS.test(input.value.trim())) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  const common = (name) => ({ class: "search short", "aria-label": t(`accessLog.filter.${name}`), title: t(`accessLog.filter.${name}`), value: here().params.get(name) ?? "" });
  for (const name of FILTERS) {
    const take = (event) => changed(name, event.target.value.trim());
    inputs.set(name, name === "flag"
      ? h("select", { ...common(name), onchange: take }, [["", t("accessLog.flag.all")], ["any", t("accessLog.flag.any")], ...FLAGS.map((each) => [each, flagWords(each)])].map(([value, words]) => h("option", { value }, words)))
      : h("input", { type: "search", ...common(name), placeholder: t(`accessLog.filter.${name}`), autocomplete: "off", spellcheck: "false", list: { route: routes.id, status: "log-statuses" }[name], oninput: take }));
  }

  suggest(inputs.get("route"), routes, api.routes);
  start();
  mark();
  return {
    element: h("section", { class: "log" }, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("access-log")), state, h("span", { class: "grow" }), toggle), h("p", { class: "lead" }, t("accessLog.lead")), routes,
      h("datalist", { id: "log-statuses" }, ["2xx", "3xx", "4xx", "5xx"].map((value) => h("option", { value }))),
      h("div", { class: "tools" }, [...inputs.values()]), told, lines.element),
    follow() {
      for (const [name, input] of inputs) input.value = here().params.get(name) ?? "";
      mark();
      start();
    },
    leave() {
      clearTimeout(typing);
      stop?.();
    },
  };
};
