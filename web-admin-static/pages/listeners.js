// Listeners: the addresses that the gateway accepts connections at, whom it believes about the client's address, and what it bounds.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, nameCell } from "../parts/cells.js";
import { cards, durationField, linesField, numberField, section, sizeField, textField, when } from "../parts/fields.js";
import { t } from "../parts/i18n.js";
import { listPage, tool } from "../parts/list.js";
import { go } from "../parts/router.js";
import { said } from "../parts/server.js";
import { may } from "../parts/session.js";
import { switchOf } from "./source-form.js";

const PROTOCOLS = ["https", "http"];

/** The limits as people think of them: what may be open, how long, how much memory, and what a client may bring about. [name, kind, default] */
const LIMITS = {
  open: [["maxConnections", "count", 0], ["maxHandshakes", "count", 2048], ["maxConcurrentStreams", "count", 256], ["requestsPerTurn", "count", 256]],
  times: [["tlsHandshakeTimeout", "time", 10], ["requestHeadersTimeout", "time", 10], ["requestProgressTimeout", "time", 60], ["connectionIdleTimeout", "time", 600], ["streamStallTimeout", "time", 300]],
  memory: [["maxHeaderListSize", "size", "64 KiB"], ["memoryPerConnection", "size", "32 MiB"], ["memoryPerLoop", "size", "256 MiB"], ["memoryPerWorker", "size", "1 GiB"], ["replaySize", "size", "64 KiB"]],
  abuse: [["maxResets", "rate", 100], ["maxProvokedResets", "rate", 100], ["maxControlFrames", "rate", 1000], ["maxContinuations", "count", 64], ["headerDecodeFactor", "count", 4]],
};

const CONTROLS = {
  count: (draft, path, usual) => numberField(draft, path, { empty: usual === 0 ? t("listener.noBound") : String(usual) }),
  rate: (draft, path, usual) => numberField(draft, path, { empty: String(usual), unit: t("unit.perSecond") }),
  time: (draft, path, usual) => durationField(draft, path, { empty: String(usual) }),
  size: (draft, path, usual) => sizeField(draft, path, { empty: usual, unit: usual.split(" ")[1] }),
};

/** "0.0.0.0:443", "[::]:443". */
export const placeOf = ({ address, port }) => `${address.includes(":") ? `[${address}]` : address}:${port}`;

/** Peers that are believed; without any the member is null. */
function trusted(draft, path) {
  const on = () => Boolean(draft.get(path));
  const choice = switchOf(draft, `listener.${path}.on`, on, (wanted) => draft.set(path, wanted ? { trustedRanges: [] } : null));
  choice.dataset.path = path;
  return section(draft, `listener.${path}`, () => draft.get(`${path}.trustedRanges`)?.join(", "), choice,
    when(draft, on, linesField(draft, `${path}.trustedRanges`, { required: true, placeholder: "10.0.0.0/8" })));
}

function limits(draft) {
  const set = () => Object.values(draft.get("limits") ?? {}).filter((each) => each !== null).length;
  const pairs = (list) => list.reduce((rows, each, at) => (at % 2 ? [...rows.slice(0, -1), [...rows.at(-1), each]] : [...rows, [each]]), []);
  return section(draft, "listener.limits", () => set() > 0 && t("count.limits", { n: set() }),
    h("p", { class: "hint" }, t("listener.limits.text")),
    Object.entries(LIMITS).map(([title, list]) => h("fieldset", { class: "stage" }, h("legend", {}, t(`listener.limits.${title}`)),
      pairs(list).map((pair) => h("div", { class: "pair" }, pair.map(([name, kind, usual]) => CONTROLS[kind](draft, `limits.${name}`, usual)))))));
}

function fields(draft, more, isNew) {
  return [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "edge" }),
    cards(draft, {
      legend: t("listener.protocol"), path: "protocol", value: draft.get("protocol") ?? "https", choose: (protocol) => draft.set("protocol", protocol),
      choices: PROTOCOLS.map((value) => ({ value, title: t(`listener.protocol.${value}`), text: t(`listener.protocol.${value}.text`) })),
    }),
    h("div", { class: "pair" }, textField(draft, "address", { required: true, mono: true, placeholder: "0.0.0.0" }), numberField(draft, "port", { required: true })),
    h("h3", {}, t("route.more")),
    trusted(draft, "proxyProtocol"), trusted(draft, "forwardedHeaders"), limits(draft),
  ];
}

/** What the workers that serve say of it. */
function state(row, workers) {
  const serving = workers.filter((each) => each.state === "serving");
  const reason = serving.flatMap((each) => each.degraded ?? []).find((each) => each.kind === "listener" && each.name === row.name)?.reason;
  if (reason) return h("span", { class: "stack" }, badge(t("listener.broken"), "bad"), h("span", { class: "small" }, said(reason)));
  return serving.length ? badge(t("listener.open"), "good") : h("span", { class: "soft" }, t("listener.unknown"));
}

const features = (row) => [row.proxyProtocol && "proxyProtocol", row.forwardedHeaders && "forwardedHeaders", row.limits && Object.values(row.limits).some((each) => each !== null) && "limits"].filter(Boolean);

async function load(query) {
  const [{ rows, total }, workers] = await Promise.all([api.listeners.page(query), api.workers.list()]);
  return { rows, total, workers };
}

export default () => listPage({
  name: "listeners", words: "listener", resource: api.listeners, needs: "admin", load, fields, copies: true, watches: ["worker"],
  blank: () => ({ name: "", address: "0.0.0.0", port: null, protocol: "https", proxyProtocol: null, forwardedHeaders: null, limits: null }),
  prepare: (value) => ({ ...value, protocol: value.protocol ?? "https" }),
  tools: (row) => may("editor") && tool("try", t("listener.try"), () => go("try", { listener: row.name }), { of: row.name }),
  columns: (more) => [
    { key: "name", label: t("listener.name"), cell: (row) => nameCell(row) },
    { key: "address", label: t("listener.place"), cell: (row) => h("code", {}, placeOf(row)) },
    { key: "protocol", label: t("listener.protocol"), cell: (row) => badge(row.protocol.toUpperCase(), row.protocol === "https" ? "good" : "") },
    { key: "features", label: t("features"), cell: (row) => (features(row).length ? features(row).map((each) => badge(t(`listener.badge.${each}`))) : h("span", { class: "soft" }, "–")) },
    { key: "state", label: t("listener.state"), cell: (row) => state(row, more().workers ?? []) },
  ],
});
