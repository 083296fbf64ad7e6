// All pages by the name in their address, and the groups of the navigation.

import accessLog from "./access-log.js";
import audit from "./audit.js";
import certificates from "./certificates.js";
import consumers from "./consumers.js";
import domains from "./domains.js";
import listeners from "./listeners.js";
import overview from "./overview.js";
import proxies from "./proxies.js";
import routes from "./routes.js";
import services from "./services.js";
import sessions from "./sessions.js";
import settings from "./settings.js";
import sources from "./sources.js";
import streams from "./streams.js";
import tester from "./tester.js";
import tokens from "./tokens.js";
import tryout from "./try.js";
import transfer from "./transfer.js";
import users from "./users.js";
import versions from "./versions.js";
import workers from "./workers.js";
import { may } from "../parts/session.js";

export const start = "overview";
export const pages = { overview, routes, domains, certificates, listeners, services, sources, proxies, consumers, workers, streams, "access-log": accessLog, tester, try: tryout, versions, transfer, users, tokens, sessions, audit, settings };
export const groups = [
  [null, ["overview"]],
  ["group.traffic", ["routes", "domains", "certificates", "listeners"]],
  ["group.backends", ["services", "sources", "proxies", "consumers"]],
  ["group.operation", ["workers", "streams", "access-log", "tester", "try", "versions", "transfer", "audit", "settings"]],
  ["group.access", ["users", "tokens", "sessions"]],
];

/** Pages that only administrators may read. */
const ADMIN = new Set(["users", "audit"]);

/** And those that send something. */
const EDITOR = new Set(["try"]);

export function allowed(page) {
  return (!ADMIN.has(page) || may("admin")) && (!EDITOR.has(page) || may("editor"));
}
