// Routes: which requests go to which services, and how.

import * as api from "../api.js";
import { h } from "../dom.js";
import { badge, lines, nameCell } from "../parts/cells.js";
import { offer } from "../parts/choice.js";
import { number, t } from "../parts/i18n.js";
import { listPage, tool } from "../parts/list.js";
import { noteError } from "../parts/notes.js";
import { repeat } from "../parts/repeat.js";
import { address, go } from "../parts/router.js";
import { SEVERE, share, TELL } from "../parts/verdict.js";
import { nameOfDomain } from "./domains.js";
import { isCanary, keepsSessions } from "./route-annotations.js";
import { routeFields, tidyRoute } from "./route-form.js";

/** What the form chooses among. */
async function offers() {
  const [domains, services, consumers] = await Promise.all([offer(api.domains, (each) => each.name !== api.ANY_HOST), offer(api.services), offer(api.consumers)]);
  return { domains, services, consumers };
}

const hosts = (row) => (row.domains?.length ? row.domains.map(nameOfDomain) : [t("domain.any")]);
const on = (part) => part && part.enabled !== false;

/** Whether the annotation says what the field could. */
function protocolOf(row) {
  return row.protocol ?? row.customConfigs?.["nginx.ingress.kubernetes.io/backend-protocol"] ?? row.customConfigs?.["higress.io/backend-protocol"] ?? null;
}

const isGRPC = (row) => (protocolOf(row) ?? "").toUpperCase().startsWith("GRPC");

/** What a route does beyond passing on, in single words. */
function features(row) {
  return [
    row.authConfig?.enabled && "auth", on(row.ipAccess) && "ipAccess", on(row.rateLimit) && "rateLimit", on(row.concurrencyLimit) && "concurrencyLimit", (row.webSocket?.maxFrameSize > 0 || row.webSocket?.maxMessageSize > 0) && "webSocket", on(row.cors) && "cors", on(row.headerControl) && "headerControl",
    on(row.rewrite) && "rewrite", on(row.redirect) && "redirect", on(row.mock) && "mock", on(row.mirror) && "mirror", on(row.proxyNextUpstream) && "retry",
    row.timeouts && "timeouts", row.loadBalancing && "balancing", keepsSessions(row.customConfigs) && "affinity", isCanary(row.customConfigs) && "canary", row.streamPolicy && "streamPolicy",
  ].filter(Boolean).map((each) => t(`route.badge.${each}`));
}

function target(row) {
  const services = row.services ?? [];
  const sum = services.reduce((total, each) => total + (each.weight ?? 100), 0);
  return lines(services.map((each) => (services.length > 1 ? `${each.name} ·\u00a0${Math.round(((each.weight ?? 100) / (sum || 1)) * 100)}\u00a0%` : each.name)));
}

/** The tester with a request that this route is meant for. */
async function testAddress(row) {
  const host = row.domains?.[0] ?? "localhost";
  const domain = row.domains?.length ? await api.domains.read(host) : null;
  const secure = (domain?.enableHttps ?? "off") !== "off";
  const path = row.path?.matchType === "REGULAR" ? "/" : row.path?.matchValue ?? "/";
  const grpc = isGRPC(row);
  return { url: `${secure ? "https" : "http"}://${host.replace("*", "any")}${path}`, method: row.methods?.[0] ?? (grpc ? "POST" : "GET"), headers: grpc ? "content-type: application/grpc" : null };
}

/** A request or call through the gateway that this route would take. */
async function tryAddress(row) {
  const { url, method } = await testAddress(row);
  const [, listener, authority, path] = /^(\w+):\/\/([^/]*)(.*)$/.exec(url);
  if (isGRPC(row)) return { kind: "grpc", listener, authority, path: row.path?.matchType === "EQUAL" ? path : null };
  return { kind: "http", listener, authority, path, method };
}

function spoken(row) {
  const protocol = protocolOf(row)?.toUpperCase();
  return protocol ? badge(protocol, protocol.startsWith("GRPC") ? "good" : "") : h("span", { class: "soft" }, t("route.protocol.source"));
}

/** What went through a route in the last minute. */
function traffic({ requests, failed }, seconds, name) {
  const rate = requests / seconds;
  const part = failed / requests;
  return h("span", { class: "small" }, h("a", { href: address("overview", { route: name }) }, t("route.perSecond", { n: number(rate, rate < 10 ? 1 : 0) })), " ",
    part >= TELL && h("a", { href: address("access-log", { route: name }) }, badge(t("route.failing", { share: share(failed, requests) }), part >= SEVERE ? "bad" : "warn")));
}

const STATS_EVERY = 10_000;

/** To a page with what a route is asked with, for which its domain is looked at. */
async function lead(page, addressOf, row) {
  try {
    go(page, await addressOf(row));
  } catch (error) {
    noteError(error);
  }
}

export default () => {
  let minute = null;
  const of = (row) => minute?.routes[row.name] ?? null;
  const page = listPage({
    name: "routes", words: "route", resource: api.routes, fields: routeFields, prepare: tidyRoute, copies: true, check: (draft) => ((draft.get("services") ?? []).some((each) => each.name) ? [] : [["services", t("required")]]),
    offers,
    tools: (row) => [tool("try", t(isGRPC(row) ? "route.try.grpc" : "route.try"), () => lead("try", tryAddress, row), { of: row.name }), tool("tester", t("route.test"), () => lead("tester", testAddress, row), { of: row.name })],
    blank: (params, { domains, services }) => ({
      name: "", domains: params.get("domain") ? [params.get("domain")] : domains.rows.length === 1 ? [domains.rows[0].name] : [], path: { matchType: "PRE", matchValue: "/", caseSensitive: null }, methods: [], headers: [], urlParams: [],
      services: [{ name: params.get("service") ?? (services.rows.length === 1 ? services.rows[0].name : ""), weight: 100 }], protocol: params.get("protocol") ?? null,
    }),
    columns: () => [
      { key: "name", label: t("route.name"), cell: (row) => nameCell(row) },
      { key: "domains", label: t("domains"), cell: (row) => lines(hosts(row)) },
      {
        key: "path", label: t("route.path"),
        cell: (row) => h("span", { class: "stack" }, h("code", {}, row.path?.matchValue ?? ""), h("span", { class: "soft small" }, [t(`path.${row.path?.matchType ?? "PRE"}`), ...(row.methods ?? []), row.headers?.length && t("count.headers", { n: row.headers.length }), row.urlParams?.length && t("count.params", { n: row.urlParams.length })].filter(Boolean).join(" · "))),
      },
      { key: "services", label: t("services"), cell: target },
      { key: "requests", label: t("route.protocol"), descends: true, cell: (row) => h("span", { class: "stack" }, spoken(row), of(row) && traffic(of(row), minute.seconds, row.name)) },
      { key: "features", label: t("features"), class: "features", cell: (row) => (features(row).length ? features(row).map((each) => badge(each)) : h("span", { class: "soft" }, "–")) },
    ],
  });
  // Beside the list: figures that are missing keep nobody from it.
  setTimeout(() => repeat(page.element, STATS_EVERY, async () => {
    minute = (await api.get("/v1/stats").catch(() => null))?.lastMinute ?? null;
    page.draw();
  }));
  return page;
};
