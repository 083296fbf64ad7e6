// Annotations of a route as fields of a form: a draft whose paths are their names, without the prefix. Which of the two prefixes
// counts is the gateway's rule; texts that are times become numbers on the way.

const NGINX = "nginx.ingress.kubernetes.io/";
const HIGRESS = "higress.io/";
/** What only acts as `higress.io/`. */
const HIGRESS_ALONE = new Set(["full-path-regex"]);

export const AFFINITY = ["affinity", "affinity-mode", "affinity-canary-behavior", "session-cookie-name", "session-cookie-path", "session-cookie-max-age", "session-cookie-expires"];
export const CANARY = ["canary", "canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "canary-weight", "canary-weight-total"];
const FIELDS = new Set([...AFFINITY, ...CANARY, "custom-http-errors", "default-backend", "full-path-regex", "proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout"]);

/** Those without a field of their own that act, for the rows of annotations to offer. */
export const OFFERED = ["higress.io/force-ssl-redirect", "higress.io/app-root", "higress.io/route-limit-rpm", "higress.io/route-limit-burst-multiplier", "nginx.ingress.kubernetes.io/limit-rpm", "nginx.ingress.kubernetes.io/limit-burst-multiplier"];

const keysOf = (name) => (HIGRESS_ALONE.has(name) ? [HIGRESS] : [NGINX, HIGRESS]).map((prefix) => `${prefix}${name}`);

/** The key that counts where both are there; Higress's for one that is not there yet. */
export function keyOf(map, name) {
  const keys = keysOf(name);
  return keys.find((key) => key in (map ?? {})) ?? keys.at(-1);
}

export function read(map, name) {
  return map?.[keyOf(map, name)] ?? null;
}

/** Whether a key of the map is what a field shows. */
export function hasField(map, key) {
  const prefix = [NGINX, HIGRESS].find((each) => key.startsWith(each));
  const name = prefix && key.slice(prefix.length);
  return Boolean(name) && FIELDS.has(name) && keyOf(map, name) === key;
}

const UNITS = { "": 1000, s: 1000, ms: 1, m: 60_000, h: 3_600_000 };

/** Milliseconds of `30`, `30s`, `1500ms`, `5m`, `2h`; the text itself where it is none of these. */
export function milliseconds(text) {
  const [, digits, unit] = /^(\d+)(s|ms|m|h)?$/.exec(text ?? "") ?? [];
  return digits === undefined ? text : Number(digits) * UNITS[unit ?? ""];
}

export const timeText = (value) => (typeof value !== "number" ? value : value % 1000 ? `${value}ms` : String(value / 1000));

/**
 * A draft for controls. `usual`: what a name stands for while it is not set; `from` and `to`: how a text becomes a value, and back.
 */
export function annotated(draft, words, { usual = {}, from = (text) => text, to = String } = {}) {
  const map = () => draft.get("customConfigs") ?? {};
  const pathOf = (name) => `customConfigs[${keyOf(map(), name)}]`;
  return {
    words, isNew: draft.isNew, pathOf,
    problems: { set: (name, message) => draft.problems.set(pathOf(name), message), delete: (name) => draft.problems.delete(pathOf(name)) },
    get: (name) => {
      const text = read(map(), name);
      return text === null ? usual[name] ?? null : from(text);
    },
    set: (name, value) => {
      const key = keyOf(map(), name);
      const rest = Object.fromEntries(Object.entries(map()).filter(([each]) => !keysOf(name).includes(each)));
      draft.set("customConfigs", value === null || value === "" ? rest : { ...rest, [key]: to(value) });
    },
  };
}
