// Controls for the members of a message that has only scalars, beside its JSON: whichever of the two is written in, the other follows.

import { h, newId } from "../dom.js";

/** A longer list is better written. */
const MOST = 20;
const SCALARS = new Set(["string", "integer", "number", "boolean"]);

/** The members of a schema, [{name, type, values, oneof}]; null where one of them is no scalar. A rule without elements. */
export function flatMembers(schema) {
  const resolve = (at) => (typeof at?.$ref === "string" ? schema.$defs?.[at.$ref.replace("#/$defs/", "")] : at);
  const top = resolve(schema);
  const members = Object.entries(top?.properties ?? {}).map(([name, each]) => {
    const at = resolve(each);
    return { name, type: at?.type, values: Array.isArray(at?.enum) ? at.enum.map(String) : null, oneof: each?.["x-oneof"] ?? null };
  });
  return members.length && members.length <= MOST && members.every((each) => SCALARS.has(each.type)) ? members : null;
}

/** What stands in a control as the member's value; undefined: not given. What is no number is left to the API to refuse. */
export function memberValue({ type, values }, text) {
  if (text === "" && (values || type !== "string")) return undefined;
  if ((type === "integer" || type === "number") && Number.isFinite(Number(text))) return Number(text);
  return text;
}

function object(text) {
  try {
    const value = JSON.parse(text || "{}");
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** The controls for `area`, a text area with the JSON; null where the schema is not flat. */
export function flatFields(schema, area) {
  const members = flatMembers(schema ?? {});
  if (!members) return null;
  const element = h("div", { class: "flat" });

  function put(member, value) {
    const whole = object(area.value);
    if (!whole) return;
    if (member.oneof && value !== undefined) for (const each of members) if (each.oneof === member.oneof) delete whole[each.name];
    if (value === undefined) delete whole[member.name];
    else whole[member.name] = value;
    area.value = JSON.stringify(whole, null, 2);
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function control(member) {
    if (member.type === "boolean") return h("input", { type: "checkbox", onchange: (event) => put(member, event.target.checked) });
    const take = (event) => put(member, memberValue(member, event.target.value));
    if (member.values) return h("select", { onchange: take }, ["", ...member.values].map((each) => h("option", { value: each }, each || "–")));
    return h("input", { type: "text", class: "mono", autocomplete: "off", spellcheck: "false", inputmode: member.type === "string" ? null : "decimal", oninput: take });
  }

  const controls = members.map((member) => {
    const input = control(member);
    input.id = newId("member");
    input.setAttribute("aria-describedby", `${input.id}-error`);
    element.append(h("div", { class: "field cell", "data-path": `message.${member.name}` }, h("label", { for: input.id }, h("code", {}, member.name), member.oneof && h("span", { class: "hint" }, ` ${member.oneof}`)), input, h("p", { class: "error", id: `${input.id}-error` })));
    return [member, input];
  });

  /** The controls after the text; who writes in one of them is not disturbed. */
  function follow() {
    const whole = object(area.value);
    element.hidden = !whole;
    for (const [member, input] of whole ? controls : []) {
      const value = whole[member.name];
      if (input.type === "checkbox") input.checked = value === true;
      else if (input !== document.activeElement) input.value = value === undefined || value === null ? "" : String(value);
    }
  }

  area.addEventListener("input", follow);
  follow();
  return element;
}
