// Proxy servers: HTTP proxies that the worker reaches services through, a tunnel for each connection.

import * as api from "../api.js";
import { h } from "../dom.js";
import { nameCell, usedBy } from "../parts/cells.js";
import { durationField, numberField, textField } from "../parts/fields.js";
import { duration, t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

/** What a proxy server has to take a connection where nothing is said. */
const USUAL = 1200;

const placeOf = ({ serverAddress, serverPort }) => `${serverAddress?.includes(":") ? `[${serverAddress}]` : serverAddress}:${serverPort}`;

export default () => listPage({
  name: "proxies", words: "proxy", resource: api.proxies, copies: true,
  fields: (draft, _, isNew) => [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "egress" }),
    h("div", { class: "pair" }, textField(draft, "serverAddress", { required: true, mono: true, placeholder: "proxy.internal.example" }), numberField(draft, "serverPort", { required: true, placeholder: "3128" })),
    durationField(draft, "connectTimeout", { empty: duration(USUAL) }),
  ],
  blank: () => ({ name: "", type: "HTTP", serverAddress: "", serverPort: null, connectTimeout: null }),
  columns: () => [
    { key: "name", label: t("proxy.name"), cell: (row) => nameCell(row) },
    { key: "serverAddress", label: t("proxy.serverAddress"), cell: (row) => h("code", {}, placeOf(row)) },
    { key: "connectTimeout", label: t("proxy.connectTimeout"), text: (row) => duration(row.connectTimeout || USUAL) },
    { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "sources", "count.sources", row.name) },
  ],
});
