// Words in the language of the person. Both languages have every word; `scripts/check` sees to that.

import { loadServerWords } from "./server.js";

const KEY = "causeway.language";
const words = { en: {}, zh: {} };
export const languages = { en: "English", zh: "中文" };

export let language = pick();

function pick() {
  const stored = remembered();
  if (stored in words) return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

async function load(name) {
  words[name] = await (await fetch(`/i18n/${name}.json`)).json();
}

/** The words of the chosen language; the other's are loaded when it is chosen. */
export async function loadWords() {
  await Promise.all([load(language), loadServerWords(language)]);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export async function choose(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Not kept beyond this page then.
  }
  language = name;
  await loadWords();
}

export function has(key) {
  return key in words[language];
}

/** t("delete.question", {name}): the text with {name} filled in. With a number `n` of 1 the key with `.one` is taken, if any. */
export function t(key, values = {}) {
  const text = (values.n === 1 ? words[language][`${key}.one`] : undefined) ?? words[language][key];
  if (text === undefined) {
    console.error(`no words for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function dateTime(value) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(value);
}

/** "14:05", with seconds where they matter. */
export function clock(value, seconds = false) {
  return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}), hourCycle: "h23" }).format(value);
}

export function date(value) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(value);
}

const STEPS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 minutes ago", "in 12 days". */
export function relative(value, now = Date.now()) {
  const seconds = Math.round((value - now) / 1000);
  const [unit, size] = STEPS.find(([, each]) => Math.abs(seconds) >= each) ?? STEPS.at(-1);
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** "1.5 s", "5 min". */
export function duration(milliseconds) {
  for (const [unit, size] of [["h", 3_600_000], ["min", 60_000], ["s", 1000]]) {
    if (milliseconds >= size) return `${number(milliseconds / size, 1)} ${t(`unit.${unit}`)}`;
  }
  return `${number(milliseconds)} ${t("unit.ms")}`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${number(value, value < 10 && at ? 1 : 0)} ${units[at]}`;
}
