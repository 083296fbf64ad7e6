// What a form edits: a copy of the object, addressed by the API's own field paths (`services[0].port`). Members that no
// control shows stay as they were. Pure values and listeners; the three-way merge of a conflict is here as well.

/** ["services", 0, "port"] of `services[0].port`. */
export function steps(path) {
  return path.split(/[.[\]]+/).filter(Boolean).map((each) => (/^\d+$/.test(each) ? Number(each) : each));
}

export function read(object, path) {
  return steps(path).reduce((value, step) => value?.[step], object);
}

/** Sets a member, making the objects and arrays on the way. */
export function write(object, path, value) {
  const way = steps(path);
  const last = way.pop();
  let place = object;
  way.forEach((step, at) => {
    place[step] ??= typeof (way[at + 1] ?? last) === "number" ? [] : {};
    place = place[step];
  });
  place[last] = value;
}

/** Without what says nothing: empty texts, lists and objects are null, as the API has them. */
export function tidy(value) {
  if (value === undefined || value === null || value === "") return null;
  if (Array.isArray(value)) {
    const kept = value.map(tidy).filter((each) => each !== null);
    return kept.length ? kept : null;
  }
  if (typeof value === "object") {
    const kept = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, tidy(each)]));
    return Object.values(kept).some((each) => each !== null) ? kept : null;
  }
  return value;
}

export function same(one, other) {
  return JSON.stringify(canonical(tidy(one))) === JSON.stringify(canonical(tidy(other)));
}

function canonical(value) {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().filter((key) => value[key] !== null).map((key) => [key, canonical(value[key])]));
}

/** The draft of one form. */
export class Draft {
  #watchers = new Set();

  constructor(value, base = value) {
    this.value = structuredClone(value);
    this.base = structuredClone(base);
    /** Texts that cannot be what their field needs, by path: never sent. */
    this.problems = new Map();
  }

  get(path) {
    return read(this.value, path);
  }

  set(path, value) {
    write(this.value, path, value);
    this.changed();
  }

  changed() {
    for (const watcher of this.#watchers) watcher();
  }

  /** Runs at once and after every change. */
  watch(action) {
    this.#watchers.add(action);
    action();
  }

  get dirty() {
    return !same(this.value, this.base) || this.problems.size > 0;
  }
}

/** Paths of all members that differ between two objects; lists are one member. */
export function differences(one, other, path = "") {
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject(one) && !isObject(other)) return same(one, other) ? [] : [path];
  if (same(one, other)) return [];
  // Keys that a path cannot name (annotations have dots) make their map one member.
  if (path && [one, other].some((each) => Object.keys(each ?? {}).some((key) => /[.[\]]/.test(key)))) return [path];
  if (path && (!isObject(one) || !isObject(other)) && [one, other].some((each) => each != null && !isObject(each))) return [path];
  return [...new Set([...Object.keys(one ?? {}), ...Object.keys(other ?? {})])]
    .flatMap((key) => differences(one?.[key] ?? null, other?.[key] ?? null, path ? `${path}.${key}` : key));
}

/** What answers alone say, and nobody writes. */
export const ANSWERED = ["warnings", "usedBy", "usedByTotal"];
const UNSEEN = new Set(["version", ...ANSWERED]);

/**
 * Two people started from `base`. {merged, both, theirs}: `merged` is theirs with what I alone changed; `both` are the paths
 * that both changed, differently; `theirs` those that only they did.
 */
export function merge(base, mine, other) {
  const told = (path) => !UNSEEN.has(path.split(".")[0]);
  const ofMine = differences(base, mine).filter(told);
  const ofTheirs = differences(base, other).filter(told);
  const overlap = (one, two) => one === two || one.startsWith(`${two}.`) || two.startsWith(`${one}.`);
  const merged = structuredClone(other);
  const both = new Set();
  for (const path of ofMine) {
    const theirs = ofTheirs.filter((each) => overlap(each, path));
    if (!theirs.length) write(merged, path, structuredClone(read(mine, path) ?? null));
    else for (const each of theirs) {
      const shorter = each.length < path.length ? each : path;
      if (!same(read(mine, shorter), read(other, shorter))) both.add(shorter);
    }
  }
  return { merged, both: [...both], theirs: ofTheirs.filter((path) => ![...both].some((each) => overlap(each, path)) && !same(read(mine, path), read(other, path))) };
}
