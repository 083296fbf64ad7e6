// All pages by the name in their address, and the groups of the navigation.

import certificates from "./certificates.js";
import consumers from "./consumers.js";
import domains from "./domains.js";
import overview from "./overview.js";
import routes from "./routes.js";
import services from "./services.js";
import sources from "./sources.js";
import versions from "./versions.js";
import workers from "./workers.js";

export const start = "overview";
export const pages = { overview, routes, domains, certificates, services, sources, consumers, workers, versions };
export const groups = [
  [null, ["overview"]],
  ["group.traffic", ["routes", "domains", "certificates"]],
  ["group.backends", ["services", "sources", "consumers"]],
  ["group.operation", ["workers", "versions"]],
];
