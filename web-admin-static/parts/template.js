// A message to begin with, made from the JSON schema of a method's input: every field with the value that protobuf has for it when it is
// not set, of a oneof the first. What the schema comes from is somebody else's: depth and size are bounded. Rules without elements.

const DEEPEST = 6;
const MOST = 300;

/** The value of a schema, ready for an editor. */
export function template(schema) {
  return valueOf(schema, { root: schema, left: MOST }, []);
}

/** `way`: the references on the way here; a message inside itself is left empty. */
function valueOf(schema, whole, way) {
  if (schema?.$ref && way.includes(schema.$ref)) return {};
  way = [...way, schema?.$ref ?? null];
  const at = resolve(schema, whole.root);
  whole.left -= 1;
  if (at.const !== undefined) return at.const;
  if (at.default !== undefined) return at.default;
  if (Array.isArray(at.enum) && at.enum.length) return at.enum[0];
  const room = way.length <= DEEPEST && whole.left > 0;
  const type = [at.type].flat().find((each) => each && each !== "null");
  // Of an Any only who sends it knows what it is.
  if (type === "object") return at.properties?.["@type"] ? null : room ? membersOf(at, whole, way) : {};
  if (type === "array") return room && at.items && !(at.items.$ref && way.includes(at.items.$ref)) ? [valueOf(at.items, whole, way)] : [];
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return false;
  if (type === "string") return textOf(at);
  return null;
}

function textOf({ format, pattern }) {
  if (format === "date-time") return "1970-01-01T00:00:00Z";
  if (format === "int64" || format === "uint64") return "0";
  return typeof pattern === "string" && pattern.endsWith("s$") ? "0s" : "";
}

function membersOf(at, whole, way) {
  const members = [];
  const given = new Set();
  for (const [name, each] of Object.entries(at.properties ?? {})) {
    if (whole.left <= 0) break;
    const oneof = each?.["x-oneof"];
    if (oneof && given.has(oneof)) continue;
    given.add(oneof);
    members.push([name, valueOf(each, whole, way)]);
  }
  return Object.fromEntries(members);
}

/** A schema through its `$ref`s, which name what stands under `$defs`. */
function resolve(schema, root) {
  let at = schema;
  for (let hops = 0; typeof at?.$ref === "string" && hops < 16; hops += 1) {
    const name = at.$ref.replace("#/$defs/", "");
    at = Object.hasOwn(root.$defs ?? {}, name) ? root.$defs[name] : null;
  }
  return at ?? {};
}
