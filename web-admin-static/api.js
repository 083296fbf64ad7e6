// The admin API. The page can do nothing that curl could not: every call goes through `call`.

/** What the API answered when it did not do what was asked. `fields` are [field, message] in the order given. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `HTTP ${status}`);
    this.status = status;
    this.code = body?.code || "";
    this.body = body;
    this.fields = (body?.errors || []).map((each) => [each.field, each.message]);
  }
}

/** No answer at all: the control plane is away, or the network is. Whether a write was done is not known then. */
export class Unreachable extends Error {}

const READ_LIMIT = 30_000;
const WRITE_LIMIT = 75_000; // A write that waits for workers may take 60 s.
const UPLOAD_LIMIT = 900_000; // A gigabyte over a slow line.

const hooks = { login: async () => false, lost: () => {}, answered: () => {} };

/**
 * login: asks the person to log in, true when that worked, and the call is made again.
 * lost: a call got no answer. answered: one did.
 */
export function onCalls(actions) {
  Object.assign(hooks, actions);
}

async function ask(method, path, body, headers, form = "text") {
  const options = { method, headers: { ...headers }, credentials: "same-origin", cache: "no-store" };
  options.signal = AbortSignal.timeout(method === "GET" ? READ_LIMIT : body instanceof Blob ? UPLOAD_LIMIT : WRITE_LIMIT);
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.headers["Content-Type"] ??= "application/json";
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  try {
    const answer = await fetch(path, options);
    return { answer, text: await answer[form]() };
  } catch (error) {
    hooks.lost();
    throw new Unreachable(error.message);
  }
}

let gate = null;

/** While `action` runs no other call begins: a new password ends the session that they would use. */
export async function exclusively(action) {
  let open;
  gate = new Promise((resolve) => { open = resolve; });
  try {
    return await action();
  } finally {
    gate = null;
    open();
  }
}

const OPEN = ["/session/login", "/user/changePassword", "/system/init", "/system/config", "/v1/restore"];

/** One call; `content` is the parsed body, `live` says whether the workers serve the change. */
export async function call(method, path, body, headers) {
  if (gate && !OPEN.includes(path)) await gate;
  const { answer, text } = await ask(method, path, body, headers);
  hooks.answered();
  let content = text || null;
  if (text && (answer.headers.get("Content-Type") || "").includes("json")) {
    try {
      content = JSON.parse(text);
    } catch {
      content = { message: text };
    }
  }
  if (answer.status === 401 && gate && !OPEN.includes(path)) return call(method, path, body, headers);
  if (answer.status === 401 && !OPEN.includes(path) && (await hooks.login())) return call(method, path, body, headers);
  if (!answer.ok) throw new ApiError(answer.status, content);
  return { content, live: answer.headers.get("Causeway-Live"), version: answer.headers.get("Causeway-Version"), answer };
}

/** One call whose answer is a file, as bytes. */
export async function file(method, path, body) {
  const { answer, text: blob } = await ask(method, path, body, {}, "blob");
  hooks.answered();
  if (answer.status === 401 && (await hooks.login())) return file(method, path, body);
  if (!answer.ok) throw new ApiError(answer.status, await blob.text().then(JSON.parse).catch(() => null));
  return { answer, blob };
}

/** The data of a GET, out of its envelope. */
export async function get(path) {
  const { content } = await call("GET", path);
  return content && typeof content === "object" && "data" in content ? content.data : content;
}

/** The same, or null where there is no such object. */
export async function find(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

const part = encodeURIComponent;

/** {rows, total, warnings}: a page of a list; the query is of q, sort, pageNum, pageSize and what else the list can be asked for. */
async function page(path, query) {
  const asked = new URLSearchParams(Object.entries({ pageNum: 1, ...query }).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false));
  const { content } = await call("GET", `${path}?${asked}`);
  return { rows: content.data, total: content.total, warnings: content.warnings ?? [] };
}

/** How many there are of a kind. */
export const count = async (kind) => (await kind.page({ pageSize: 1 })).total;

/** One kind of object under a path, with its list and its life. Writes of the configuration wait until the workers serve them. */
export function resource(path, wait = "?wait=live") {
  return {
    path,
    list: () => get(path),
    page: (query) => page(path, query),
    read: (name) => find(`${path}/${part(name)}`),
    create: (object) => call("POST", `${path}${wait}`, object),
    replace: (name, object) => call("PUT", `${path}/${part(name)}${wait}`, object),
    remove: (name) => call("DELETE", `${path}/${part(name)}${wait}`),
    ...(wait ? {
      /** What a write would do; nothing is stored. */
      preview: async (object, name) => (await call(name ? "PUT" : "POST", name ? `${path}/${part(name)}?dryRun=true` : `${path}?dryRun=true`, object)).content.data,
      previewRemoval: async (name) => (await call("DELETE", `${path}/${part(name)}?dryRun=true`)).content.data,
    } : {}),
  };
}

export const certificates = resource("/v1/tls-certificates");
export const domains = resource("/v1/domains");
export const sources = resource("/v1/service-sources");
export const routes = resource("/v1/routes");
export const consumers = resource("/v1/consumers");
export const listeners = resource("/v1/listeners");
export const proxies = resource("/v1/proxy-servers");
export const services = { page: (query) => page("/v1/services", query), read: (name) => find(`/v1/services/${part(name)}`) };
export const workers = {
  list: () => get("/v1/workers"),
  /** The configuration as it runs there; the query is of `kind`, `name` and `after`. */
  config: (id, query) => get(`/v1/workers/${part(id)}/config?${new URLSearchParams(query)}`),
  logLevel: async (id) => (await get(`/v1/workers/${part(id)}/log-level`)).level,
  setLogLevel: (id, level) => call("PUT", `/v1/workers/${part(id)}/log-level`, { level }),
};
export const versions = {
  list: (size = 100) => get(`/v1/versions?pageNum=1&pageSize=${size}`), read: (number) => find(`/v1/versions/${part(number)}`),
  diff: (number, from) => get(`/v1/versions/${part(number)}/diff${from ? `?from=${part(from)}` : ""}`),
  previewRollback: async (number) => (await call("POST", `/v1/versions/${part(number)}/rollback?dryRun=true`, {})).content.data,
  rollBack: (number, expectedVersion) => call("POST", `/v1/versions/${part(number)}/rollback?wait=live`, { expectedVersion }),
};

export const users = { ...resource("/v1/users", ""), resetPassword: (name, newPassword) => call("POST", `/v1/users/${part(name)}/password`, { newPassword }) };
export const tokens = resource("/v1/tokens", "");
export const sessions = resource("/v1/sessions", "");
export const settings = resource("/v1/settings", "");
export const alerts = { page: (query) => page("/v1/alerts", query), webhook: () => get("/v1/alerts/webhook"), test: () => call("POST", "/v1/alerts/webhook/test", {}) };
export const streams = {
  all: async ({ route, limit }) => (await call("GET", `/v1/streams?${new URLSearchParams({ limit, ...(route ? { route } : {}) })}`)).content,
  remove: (id) => call("DELETE", `/v1/streams/${part(id)}`),
};
export const audit = { page: async (query) => (await call("GET", `/v1/audit?${query}`)).content, exportPath: (query) => `/v1/audit/export?${query}` };

/** The domain that stands for every host. */
export const ANY_HOST = "higress-default-domain";
