// Proxy servers: HTTP proxies that the worker reaches services through, a tunnel for each connection.

import * as api from "../api.js";
import { h } from "../dom.js";
import { nameCell, usedBy } from "../parts/cells.js";
import { durationField, numberField, textField } from "../parts/fields.js";
import { duration, t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { address } from "../parts/router.js";

/** What a proxy server has to take a connection where nothing is said. */
const USUAL = 1200;

const placeOf = ({ serverAddress, serverPort }) => `${serverAddress?.includes(":") ? `[${serverAddress}]` : serverAddress}:${serverPort}`;

async function load() {
  const [rows, sources] = await Promise.all([api.proxies.list(), api.sources.list()]);
  const sourcesOf = new Map();
  for (const source of sources) if (source.proxyName) sourcesOf.set(source.proxyName, [...(sourcesOf.get(source.proxyName) ?? []), source.name]);
  return { rows, sourcesOf };
}

export default () => listPage({
  name: "proxies", words: "proxy", resource: api.proxies, load, copies: true,
  fields: (draft, _, isNew) => [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "egress" }),
    h("div", { class: "pair" }, textField(draft, "serverAddress", { required: true, mono: true, placeholder: "proxy.internal.example" }), numberField(draft, "serverPort", { required: true, placeholder: "3128" })),
    durationField(draft, "connectTimeout", { empty: duration(USUAL) }),
  ],
  blank: () => ({ name: "", type: "HTTP", serverAddress: "", serverPort: null, connectTimeout: null }),
  usedBy: (row, { sourcesOf }) => (sourcesOf.get(row.name) ?? []).map((name) => ({ name, href: address("sources", { edit: name }) })),
  columns: (more) => [
    { key: "name", label: t("proxy.name"), cell: (row) => nameCell(row) },
    { key: "place", label: t("proxy.serverAddress"), text: placeOf, cell: (row) => h("code", {}, placeOf(row)) },
    { key: "connectTimeout", label: t("proxy.connectTimeout"), sort: (row) => row.connectTimeout || USUAL, text: (row) => duration(row.connectTimeout || USUAL) },
    { key: "usedBy", label: t("usedBy"), sort: (row) => (more().sourcesOf.get(row.name) ?? []).length, cell: (row) => usedBy(more().sourcesOf.get(row.name) ?? [], "sources", "count.sources", row.name) },
  ],
});
