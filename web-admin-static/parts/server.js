// What the server says, in the language of the person. The API speaks English: for another language `i18n/server.LANGUAGE.json` has a pattern
// for each of its texts, found by how they begin. A text that none fits is shown as it is, and marked as English. `scripts/check` holds the
// patterns against the server's sources, and finds in the same way.

import { h } from "../dom.js";

/** Longer is what somebody else says, not the server. */
const LONGEST = 4000;
/** Texts within texts. */
const DEEPEST = 4;

/** {exact: Map, begins: Map} of the language that is shown; null where it is the server's own. */
let patterns = null;

export async function loadServerWords(language) {
  patterns = language === "en" ? null : compiled(await (await fetch(`/i18n/server.${language}.json`)).json());
}

/** Those with places to fill in are kept by their first letter, those that say more first. A rule without elements. */
export function compiled(table) {
  const exact = new Map();
  const begins = new Map();
  for (const [pattern, words] of Object.entries(table)) {
    const parts = pattern.split("{}");
    if (parts.length === 1) exact.set(pattern, words);
    else begins.set(parts[0].slice(0, 1), [...(begins.get(parts[0].slice(0, 1)) ?? []), { parts, words }]);
  }
  const weight = ({ parts }) => parts.join("").length;
  for (const list of begins.values()) list.sort((one, two) => weight(two) - weight(one));
  return { exact, begins };
}

/** As patterns have it: the first letter small, without the full stop. */
function plain(text) {
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  return /^[A-Z]{2}/.test(bare) ? bare : bare.slice(0, 1).toLowerCase() + bare.slice(1);
}

/** What stands in the places of a pattern, none of them empty; null where it does not fit. One pass, however often its parts occur. */
function places(parts, text) {
  const last = parts.at(-1);
  if (!text.startsWith(parts[0]) || !text.endsWith(last)) return null;
  const end = text.length - last.length;
  const found = [];
  let at = parts[0].length;
  for (const part of parts.slice(1, -1)) {
    const next = text.indexOf(part, at + 1);
    if (next < 0 || next + part.length > end) return null;
    found.push(text.slice(at, next));
    at = next + part.length;
  }
  return at < end ? [...found, text.slice(at, end)] : null;
}

/** The text in words of the table, or null. A rule without elements. */
export function translated(text, { exact, begins }, depth = 0) {
  if (typeof text !== "string" || text.length > LONGEST || depth > DEEPEST) return null;
  const whole = text.trim();
  const bare = plain(whole);
  const stop = whole.endsWith(".") ? "。" : "";
  const inner = (part) => translated(part, { exact, begins }, depth + 1);
  if (exact.has(bare)) return `${exact.get(bare)}${stop}`;
  for (const { parts, words } of [...(begins.get(bare.slice(0, 1)) ?? []), ...(begins.get("") ?? [])]) {
    const found = places(parts, bare);
    if (found) return `${words.replace(/\{(\d)(~?)\}/g, (_, number, deep) => (deep && inner(found[number - 1])) || found[number - 1])}${stop}`;
  }
  // The field that it is about stands before it.
  const [, place, rest] = /^([^\s:]+(?::[^\s:]+)*): (.+)$/s.exec(whole) ?? [];
  const told = rest && inner(rest);
  if (told) return `${place}：${told}`;
  const several = whole.includes("; ") ? whole.split("; ").map(inner) : [null];
  return several.includes(null) ? null : several.join("；");
}

/** As a text: the translation, or the server's own. */
export function told(text) {
  return (patterns && translated(text, patterns)) ?? text;
}

/** The same to be shown: what is left in English says so to those who read it aloud. */
export function said(text) {
  if (!patterns || typeof text !== "string") return text;
  return translated(text, patterns) ?? h("span", { lang: "en" }, text);
}

/** Warnings, a line each. */
export function warned(texts) {
  return (texts ?? []).map((each) => h("p", { class: "aside warn" }, said(each)));
}
