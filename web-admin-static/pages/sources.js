// Service sources: where the services behind the gateway are found, and how they are spoken to, watched and balanced.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, lines, nameCell, place, usedBy } from "../parts/cells.js";
import { offer } from "../parts/choice.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { sourceFields, tidySource } from "./source-form.js";

const serviceOf = (source) => `${source.name}.${source.type}`;

async function offers() {
  const [certificates, proxies] = await Promise.all([offer(api.certificates), offer(api.proxies)]);
  return { certificates, proxies };
}

function features(row) {
  return [
    row.healthCheck && badge(t("source.badge.health", { type: row.healthCheck.type.toUpperCase() }), "good"),
    row.loadBalancing && badge(t(`balancing.${row.loadBalancing.policy}`)),
    row.proxyName && badge(t("source.badge.proxy", { name: row.proxyName })),
    (row.endpoints ?? []).some((each) => each.drain) && badge(t("source.badge.drain"), "warn"),
    row.tlsVerify === false && badge(t("source.badge.unverified"), "warn"),
    row.ejection?.enabled === false && badge(t("source.badge.noEjection")),
  ].filter(Boolean);
}

export default () => listPage({
  name: "sources", words: "source", resource: api.sources, offers, fields: sourceFields, prepare: tidySource, copies: true,
  blank: (params) => ({ name: params.get("name") ?? "", type: "static", domain: "", port: 80, protocol: params.get("protocol") ?? null }),
  columns: () => [
    { key: "name", label: t("source.name"), cell: (row) => nameCell(row) },
    { key: "type", label: t("source.type"), text: (row) => t(`source.type.${row.type}`) },
    { key: "domain", label: t("source.domain"), cell: (row) => lines((row.type === "file" ? [row.domain] : (row.domain ?? "").split(",")).map((each) => place(row.type === "dns" && row.port ? `${each}:${row.port}` : each))) },
    { key: "protocol", label: t("source.protocol"), cell: (row) => badge((row.protocol ?? "http").toUpperCase()) },
    { key: "features", label: t("features"), cell: (row) => { const found = features(row); return found.length ? found : h("span", { class: "soft" }, "–"); } },
    { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "routes", "count.routes", serviceOf(row)) },
  ],
});
