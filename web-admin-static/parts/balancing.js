// How requests are spread: the same few fields for a source and for a route.

import { h } from "../dom.js";
import { section, selectField, textField, when } from "./fields.js";
import { t } from "./i18n.js";

const POLICIES = ["roundRobin", "leastRequest", "random", "consistentHash"];
const KEYS = ["header", "cookie", "query", "clientAddress", "host", "path"];

export function balancing(draft, { fallback }) {
  const policy = () => draft.get("loadBalancing.policy");
  const named = () => ["header", "cookie", "query"].includes(draft.get("loadBalancing.hashOn"));
  return section(draft, "balancing", () => policy() && t(`balancing.${policy()}`),
    h("p", { class: "hint" }, t("balancing.hint")),
    selectField(draft, "loadBalancing.policy", [["", fallback], ...POLICIES.map((each) => [each, t(`balancing.${each}`)])], { words: "balancing.policy" }),
    when(draft, () => policy() === "consistentHash",
      selectField(draft, "loadBalancing.hashOn", [["", t("choose")], ...KEYS.map((each) => [each, t(`balancing.on.${each}`)])], { words: "balancing.hashOn", required: true }),
      when(draft, named, textField(draft, "loadBalancing.hashName", { words: "balancing.hashName", required: true }))));
}

/** Without a policy there is nothing to say; a hash has its key, others have none. */
export function tidyBalancing(value) {
  if (!value?.policy) return null;
  if (value.policy !== "consistentHash") return { policy: value.policy };
  return value;
}
