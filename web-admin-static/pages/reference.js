// The reference of the API at /docs, made from /openapi.json: for anybody, with or without an account. What is searched and which
// operation is open stands in the address: /docs#/createRoute?q=route.

import { Unreachable, call } from "../api.js";
import { fill, h } from "../dom.js";
import { badge, copyable } from "../parts/cells.js";
import { boundsOf, byTag, curls, examplesOf, membersOf, resolve, textOf, typeOf } from "../parts/apidoc.js";
import { whenBack } from "../parts/connection.js";
import { t } from "../parts/i18n.js";
import { problem } from "../parts/notes.js";
import { prose } from "../parts/prose.js";
import { address, adjust, here } from "../parts/router.js";

const ROLES = { none: "good", viewer: "", editor: "", admin: "warn" };
const DEEPEST = 6;

/** The members of a schema; those that have members of their own fold out. */
function schemaTree(document, schema, depth = 0) {
  const members = membersOf(document, schema);
  if (!members.length) return h("p", { class: "soft" }, h("code", {}, typeOf(document, schema)));
  return h("ul", { class: "schema" }, members.map((each) => {
    const full = resolve(document, each.schema);
    const bounds = boundsOf(document, each.schema);
    const line = [h("code", { class: "member" }, each.name), " ", h("span", { class: "type" }, typeOf(document, each.schema)), each.required && badge(t("reference.required"), "warn"), bounds.map((bound) => badge(bound)),
      full.description && h("div", { class: "hint" }, prose(full.description))];
    if (!each.inner || depth >= DEEPEST) return h("li", {}, line);
    const inside = h("div", {});
    const more = h("details", {}, h("summary", {}, t("reference.members", { name: each.name })), inside);
    more.addEventListener("toggle", () => more.open && !inside.firstChild && fill(inside, schemaTree(document, each.schema, depth + 1)));
    return h("li", {}, line, more);
  }));
}

const example = (value) => h("pre", { class: "example", tabindex: "0" }, h("code", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)));

function body(document, content) {
  return Object.entries(content ?? {}).map(([type, media]) => h("div", { class: "media" }, h("p", {}, h("code", {}, type), media.schema?.$ref && h("span", { class: "type" }, ` ${media.schema.$ref.split("/").at(-1)}`)),
    media.schema && schemaTree(document, media.schema), examplesOf(document, media).map((each) => [h("h4", {}, each.title || t("reference.example")), example(each.value)])));
}

function parameters(document, list) {
  if (!list.length) return null;
  return [h("h3", {}, t("reference.parameters")), h("ul", { class: "schema" }, list.map((each) => h("li", {}, h("code", { class: "member" }, each.name), " ", h("span", { class: "type" }, `${typeOf(document, each.schema)} · ${t(`reference.in.${each.in}`)}`),
    (each.required || each.in === "path") && badge(t("reference.required"), "warn"), boundsOf(document, each.schema).map((bound) => badge(bound)), each.description && h("div", { class: "hint" }, prose(each.description)))))];
}

function responses(document, operation) {
  return [h("h3", {}, t("reference.responses")), h("div", { class: "answers" }, Object.entries(operation.responses ?? {}).map(([status, given]) => {
    const answer = resolve(document, given);
    const inside = h("div", { class: "inside" });
    const head = [badge(status, status < "300" ? "good" : status < "400" ? "" : "bad"), " ", (answer.description ?? "").split("\n")[0]];
    if (!answer.content && !answer.headers) return h("p", { class: "answer" }, head);
    const more = h("details", { class: "answer" }, h("summary", {}, head), inside);
    more.addEventListener("toggle", () => {
      if (!more.open || inside.firstChild) return;
      fill(inside, Object.entries(answer.headers ?? {}).map(([name, each]) => h("p", {}, h("code", {}, name), " ", h("span", { class: "hint" }, resolve(document, each).description ?? ""))), body(document, answer.content));
    });
    return more;
  }))];
}

function details(document, operation) {
  const request = operation.requestBody ? resolve(document, operation.requestBody) : null;
  const role = operation["x-required-role"] ?? "admin";
  return [
    h("p", {}, badge(t(`reference.role.${role}`), ROLES[role]), operation["x-tokens"] === false && badge(t("reference.noTokens"), "warn")),
    operation.description && prose(operation.description),
    h("h3", {}, t("reference.curl")), curls(document, operation, location.origin).map((each) => h("div", { class: "curl" }, each.title && h("p", { class: "hint" }, each.title), copyable(each.line))),
    parameters(document, operation.parameters),
    request && [h("h3", {}, t("reference.request")), body(document, request.content)],
    responses(document, operation),
  ];
}

function operationEntry(document, operation) {
  const inside = h("div", { class: "inside" });
  const id = operation.operationId ?? `${operation.method}${operation.path}`;
  const element = h("details", { class: "panel operation", id: `operation-${id}`, "data-operation": id },
    h("summary", {}, h("span", { class: `method ${operation.method.toLowerCase()}` }, operation.method), " ", h("code", { class: "path" }, operation.path), " ", h("span", { class: "soft" }, operation.summary ?? "")), inside);
  element.addEventListener("toggle", () => {
    if (!element.open) return;
    if (!inside.firstChild) fill(inside, h("p", { class: "small" }, h("a", { href: address(id) }, t("reference.link")), h("span", { class: "soft" }, ` ${id}`)), details(document, operation));
    if (here().page !== id) {
      const { params } = here();
      history.replaceState(null, "", address(id, Object.fromEntries(params)));
    }
  });
  return { element, id, text: textOf(operation) };
}

export default () => {
  const place = h("div", {}, h("p", { class: "loading" }, t("loading")));
  const count = h("span", { class: "soft", role: "status" });
  const search = h("input", { type: "search", class: "search", placeholder: t("reference.search"), "aria-label": t("reference.search"), autocomplete: "off", spellcheck: "false", value: here().params.get("q") ?? "" });
  let groups = [];

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { element, link, entries } of groups) {
      let any = false;
      for (const each of entries) {
        each.element.hidden = !words.every((word) => each.text.includes(word));
        if (!each.element.hidden) { any = true; found += 1; }
      }
      element.hidden = link.hidden = !any;
    }
    fill(count, t("reference.count", { n: found }));
  }

  search.addEventListener("input", () => {
    adjust({ q: search.value });
    find();
  });

  /** Opens the operation of the address. */
  function follow() {
    const { page } = here();
    const entry = groups.flatMap((each) => each.entries).find((each) => each.id === page);
    if (!entry) return;
    if (entry.element.hidden) {
      search.value = "";
      adjust({ q: null });
      find();
    }
    entry.element.open = true;
    entry.element.scrollIntoView();
    entry.element.querySelector("summary").focus({ preventScroll: true });
  }

  async function refresh() {
    try {
      const { content: document } = await call("GET", "/openapi.json");
      groups = byTag(document).map((tag) => {
        const entries = tag.operations.map((each) => operationEntry(document, each));
        const id = `tag-${tag.name}`;
        const element = h("section", { class: "tag", id, tabindex: "-1", "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, tag.name), h("p", { class: "lead" }, tag.description ?? ""), entries.map((each) => each.element));
        const link = h("li", {}, h("button", { type: "button", class: "link", onclick: () => { element.scrollIntoView(); element.focus({ preventScroll: true }); } }, tag.name));
        return { element, link, entries };
      });
      fill(place, h("details", { class: "panel about" }, h("summary", {}, t("reference.about")), prose(document.info?.description ?? "")),
        h("nav", { class: "tags", "aria-label": t("reference.tags") }, h("ul", {}, groups.map((each) => each.link))), groups.map((each) => each.element));
      find();
      follow();
    } catch (error) {
      fill(place, h("p", { class: "error" }, error.status === 404 ? t("reference.missing") : problem(error)));
      if (!(error instanceof Unreachable)) return;
      whenBack(place, refresh);
    }
  }

  const element = h("section", { class: "reference" }, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("reference")), h("span", { class: "grow" }), h("span", { class: "small" }, h("a", { href: "/openapi.yaml", download: "causeway-openapi.yaml" }, "openapi.yaml"), " · ", h("a", { href: "/openapi.json", download: "causeway-openapi.json" }, "openapi.json"))),
    h("p", { class: "lead" }, t("reference.lead")), h("div", { class: "tools" }, search, count), place);
  refresh();
  return { element, follow };
};
