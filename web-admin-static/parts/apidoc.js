// The description of the API as data: references resolved, operations by tag, schemas as lines, and a curl line for an example. Rules
// without elements.

const METHODS = ["get", "post", "put", "patch", "delete", "options"];
const DEEPEST = 8;

/** An object of the document, through its `$ref`s. */
export function resolve(document, value) {
  for (let hops = 0; value?.$ref && hops < 16; hops += 1) {
    value = value.$ref.replace(/^#\//, "").split("/").reduce((at, part) => at?.[part.replace(/~1/g, "/").replace(/~0/g, "~")], document);
  }
  return value ?? {};
}

/** The operations in the order of the document, by tag: [{name, description, operations}]. */
export function byTag(document) {
  const tags = new Map((document.tags ?? []).map((tag) => [tag.name, { ...tag, operations: [] }]));
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS.filter((each) => item[each])) {
      const operation = item[method];
      const tag = operation.tags?.[0] ?? "other";
      if (!tags.has(tag)) tags.set(tag, { name: tag, operations: [] });
      tags.get(tag).operations.push({ ...operation, method: method.toUpperCase(), path, parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((each) => resolve(document, each)) });
    }
  }
  return [...tags.values()].filter((tag) => tag.operations.length);
}

/** What a search looks at. */
export const textOf = (operation) => [operation.method, operation.path, operation.operationId, operation.summary, operation.description, ...operation.parameters.map((each) => each.name)].join(" ").toLowerCase();

const refName = (schema) => schema?.$ref?.split("/").at(-1) ?? null;

/** "string", "integer or null", "list of Route", "a | b". */
export function typeOf(document, schema) {
  const name = refName(schema);
  const full = resolve(document, schema);
  if (full.const !== undefined) return JSON.stringify(full.const);
  if (full.enum) return full.enum.map((each) => JSON.stringify(each)).join(" | ");
  const choice = full.oneOf ?? full.anyOf;
  if (choice && !full.properties) return choice.map((each) => typeOf(document, each)).join(" | ");
  const types = [full.type ?? (full.properties || full.allOf ? "object" : "any")].flat();
  return types.map((each) => {
    if (each === "array") return `${typeOf(document, full.items ?? {})}[]`;
    if (each === "object" && name) return name;
    return full.format && each !== "null" ? `${each} (${full.format})` : each;
  }).join(" | ");
}

/** What a value is bound to, in the words of JSON Schema: "1–65535", "default 80". */
export function boundsOf(document, schema) {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, default: usual, readOnly, writeOnly } = resolve(document, schema);
  const range = (low, high, unit = "") => (low === undefined && high === undefined ? null : `${low ?? "…"}–${high ?? "…"}${unit}`);
  return [range(minimum, maximum), range(minLength, maxLength, " characters"), range(minItems, maxItems, " items"), pattern && `/${pattern}/`, usual !== undefined && `default ${JSON.stringify(usual)}`, readOnly && "read only", writeOnly && "write only"].filter(Boolean);
}

/** A schema with all that it is put together from: {properties, required, additional}. */
function whole(document, schema, depth = 0) {
  const full = resolve(document, schema);
  const parts = depth < DEEPEST ? (full.allOf ?? []).map((each) => whole(document, each, depth + 1)) : [];
  return {
    properties: Object.assign({}, ...parts.map((each) => each.properties), full.properties ?? {}),
    required: [...parts.flatMap((each) => each.required), ...(full.required ?? [])],
    additional: typeof full.additionalProperties === "object" ? full.additionalProperties : parts.find((each) => each.additional)?.additional,
  };
}

/** The members of an object, or of what a list holds: [{name, schema, required, inner}]; `inner` has members of its own. */
export function membersOf(document, schema) {
  const full = resolve(document, schema);
  if ([full.type].flat().includes("array")) return membersOf(document, full.items ?? {});
  const { properties, required, additional } = whole(document, schema);
  const members = Object.entries(properties).map(([name, each]) => ({ name, schema: each, required: required.includes(name) }));
  if (additional && Object.keys(additional).length) members.push({ name: "*", schema: additional, required: false });
  return members.map((each) => ({ ...each, inner: hasMembers(document, each.schema) }));
}

function hasMembers(document, schema, depth = 0) {
  const full = resolve(document, schema);
  if (depth > DEEPEST) return false;
  if ([full.type].flat().includes("array")) return hasMembers(document, full.items ?? {}, depth + 1);
  return Boolean(full.properties || full.allOf?.some((each) => hasMembers(document, each, depth + 1)));
}

/** The examples of a body: [{title, value}]. */
export function examplesOf(document, media) {
  if (media?.example !== undefined) return [{ title: "", value: media.example }];
  return Object.entries(media?.examples ?? {}).map(([name, each]) => {
    const full = resolve(document, each);
    return { title: full.summary ?? name, value: full.value };
  });
}

/** A schema's value for one who has no example: the members that are required. */
function sample(document, schema, depth = 0) {
  const full = resolve(document, schema);
  if (full.example !== undefined) return full.example;
  if (full.const !== undefined) return full.const;
  if (full.enum) return full.enum[0];
  if (full.default !== undefined) return full.default;
  const type = [full.type].flat().find((each) => each !== "null") ?? (full.properties || full.allOf ? "object" : "string");
  if (type === "array") return depth < 3 ? [sample(document, full.items ?? {}, depth + 1)] : [];
  if (type === "object") {
    const members = membersOf(document, schema);
    const chosen = members.filter((each) => each.required && each.name !== "*");
    return Object.fromEntries((chosen.length ? chosen : depth ? [] : members.slice(0, 3)).map((each) => [each.name, depth < 3 ? sample(document, each.schema, depth + 1) : null]));
  }
  return { integer: full.minimum ?? 1, number: full.minimum ?? 1, boolean: true }[type] ?? "text";
}

const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;

/** The curl lines of an operation, one for each example of its body: [{title, line}]. */
export function curls(document, operation, origin) {
  const body = operation.requestBody ? resolve(document, operation.requestBody) : null;
  const [type, media] = Object.entries(body?.content ?? {})[0] ?? [];
  let bodies = media ? examplesOf(document, media) : [{ title: "" }];
  if (!bodies.length) bodies = type.includes("json") ? [{ title: "", value: sample(document, media.schema) }] : [{ title: "", file: true }];
  return bodies.map(({ title, value, file }) => {
    const stand = (parameter) => parameter.example ?? resolve(document, parameter.schema).example ?? (value && typeof value === "object" ? value[parameter.name] : undefined) ?? parameter.name.toUpperCase();
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(stand(operation.parameters.find((each) => each.name === name && each.in === "path") ?? { name })));
    const query = operation.parameters.filter((each) => each.in === "query" && each.required).map((each) => `${encodeURIComponent(each.name)}=${encodeURIComponent(stand(each))}`).join("&");
    const parts = ["curl"];
    const plain = bodies[0].value === undefined && !file ? "GET" : "POST";
    if (operation.method !== plain) parts.push(`-X ${operation.method}`);
    if (operation["x-required-role"] !== "none") parts.push(operation["x-tokens"] === false ? "-u admin" : "-H \"Authorization: Bearer $TOKEN\"");
    if (type && plain === "POST") parts.push(`-H ${quoted(`Content-Type: ${type}`)}`);
    if (file) parts.push("--data-binary @FILE");
    else if (value !== undefined) parts.push(`-d ${quoted(typeof value === "string" ? value : JSON.stringify(value))}`);
    parts.push(quoted(`${origin}${path}${query ? `?${query}` : ""}`));
    return { title, line: parts.join(" ") };
  });
}
