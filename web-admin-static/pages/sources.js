// Service sources: where the services behind the gateway are found, and how they are spoken to, watched and balanced.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, lines, nameCell, usedBy } from "../parts/cells.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { address } from "../parts/router.js";
import { sourceFields, tidySource } from "./source-form.js";

/** Names of routes by the service that they use, mirrors included. */
export function routesOfServices(routes) {
  const found = new Map();
  for (const route of routes) {
    const names = new Set([...(route.services ?? []).map((each) => each.name), route.mirror?.service].filter(Boolean));
    for (const name of names) {
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(route.name);
    }
  }
  return found;
}

const serviceOf = (source) => `${source.name}.${source.type}`;

async function load() {
  const [rows, certificates, proxies, routes] = await Promise.all([api.sources.list(), api.certificates.list(), api.proxies.list(), api.routes.list()]);
  return { rows, certificates, proxies, routesOf: routesOfServices(routes) };
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
  name: "sources", words: "source", resource: api.sources, load, fields: sourceFields, prepare: tidySource, copies: true,
  blank: (params) => ({ name: params.get("name") ?? "", type: "static", domain: "", port: 80, protocol: params.get("protocol") ?? null }),
  usedBy: (row, { routesOf }) => (routesOf.get(serviceOf(row)) ?? []).map((name) => ({ name, href: address("routes", { edit: name }) })),
  columns: (more) => [
    { key: "name", label: t("source.name"), cell: (row) => nameCell(row) },
    { key: "type", label: t("source.type"), text: (row) => t(`source.type.${row.type}`) },
    { key: "addresses", label: t("source.domain"), text: (row) => row.domain ?? "", cell: (row) => lines((row.domain ?? "").split(",").map((each) => h("code", {}, row.type === "dns" && row.port ? `${each}:${row.port}` : each))) },
    { key: "protocol", label: t("source.protocol"), text: (row) => row.protocol ?? "http", cell: (row) => badge((row.protocol ?? "http").toUpperCase()) },
    { key: "features", label: t("features"), text: (row) => features(row).map((each) => each.textContent).join(" "), cell: (row) => { const found = features(row); return found.length ? found : h("span", { class: "soft" }, "–"); } },
    { key: "usedBy", label: t("usedBy"), sort: (row) => (more().routesOf.get(serviceOf(row)) ?? []).length, cell: (row) => usedBy(more().routesOf.get(serviceOf(row)) ?? [], "routes", "count.routes", serviceOf(row)) },
  ],
});
