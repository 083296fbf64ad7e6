// The little of Markdown that descriptions use, as elements: paragraphs, lists, `code` and **strong**. Everything else is text.

import { h } from "../dom.js";

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) return h("code", {}, part.slice(1, -1));
    if (part.length > 4 && part.startsWith("**") && part.endsWith("**")) return h("strong", {}, part.slice(2, -2));
    return part;
  });
}

/** A text of several paragraphs. */
export function prose(text) {
  return text.trim().split(/\n\s*\n/).map((block) => {
    const lines = block.split("\n");
    if (lines.every((line) => /^\s*- |^\s{2,}\S/.test(line))) return h("ul", {}, block.split(/^\s*- /m).filter(Boolean).map((item) => h("li", {}, inline(item.replace(/\s+/g, " ").trim()))));
    return h("p", {}, inline(block.replace(/\s+/g, " ")));
  });
}
