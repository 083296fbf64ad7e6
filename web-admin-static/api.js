// The admin API. The page can do nothing that curl could not: every call goes through `call`.

/** What the API answered when it did not do what was asked. `fields` maps a field to its message. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `HTTP ${status}`);
    this.status = status;
    this.code = body?.code || "";
    this.fields = new Map((body?.errors || []).map((each) => [each.field, each.message]));
  }
}

let onLoginRequired = () => {};

/** Called whenever an answer says that nobody is logged in. */
export function whenLoginRequired(action) {
  onLoginRequired = action;
}

export async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
  });
  const text = await answer.text();
  let content = null;
  try {
    content = text ? JSON.parse(text) : null;
  } catch {
    content = { message: text };
  }
  if (answer.status === 401 && path !== "/session/login") onLoginRequired();
  if (!answer.ok) throw new ApiError(answer.status, content);
  return { content, live: answer.headers.get("Causeway-Live") };
}

/** The data of a GET, out of its envelope. */
export async function get(path) {
  const { content } = await call("GET", path);
  return content && "data" in content ? content.data : content;
}

const part = encodeURIComponent;

/** One kind of object under a path, with its list and its life. Writes wait until the workers serve them. */
export function resource(path) {
  return {
    list: () => get(path),
    read: (name) => get(`${path}/${part(name)}`),
    create: (object) => call("POST", `${path}?wait=live`, object),
    replace: (name, object) => call("PUT", `${path}/${part(name)}?wait=live`, object),
    remove: (name) => call("DELETE", `${path}/${part(name)}?wait=live`),
  };
}

export const certificates = resource("/v1/tls-certificates");
export const domains = resource("/v1/domains");
export const sources = resource("/v1/service-sources");
export const routes = resource("/v1/routes");
export const services = { list: () => get("/v1/services") };
export const workers = { list: () => get("/v1/workers") };
