// Words in the language of the person. English is complete; a word that another language lacks is shown in English.

const KEY = "causeway.language";
const words = { en: {}, zh: {} };
export const languages = { en: "English", zh: "中文" };

export let language = pick();

function pick() {
  const stored = localStorage.getItem(KEY);
  if (stored in words) return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export async function loadWords() {
  await Promise.all(
    Object.keys(words).map(async (name) => {
      words[name] = await (await fetch(`/i18n/${name}.json`)).json();
    }),
  );
  document.documentElement.lang = language;
}

export function choose(name) {
  localStorage.setItem(KEY, name);
  language = name;
  document.documentElement.lang = name;
}

/** t("domains.title"), t("delete.question", {name}): the text with {name} filled in. */
export function t(key, values = {}) {
  const text = words[language][key] ?? words.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
