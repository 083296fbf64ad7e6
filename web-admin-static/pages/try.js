// Try it: an HTTP request or a WebSocket through the gateway, made by the control plane as clients make it. What goes out and
// what comes in is told as it happens; what is asked stands in the address.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { FORMS, shownAs, sizeOf } from "../parts/binary.js";
import { badge } from "../parts/cells.js";
import { Draft } from "../parts/draft.js";
import { areaField, selectField, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { bytes, t } from "../parts/i18n.js";
import { noteError } from "../parts/notes.js";
import { adjust, here } from "../parts/router.js";
import { transcript } from "../parts/talk.js";
import { begin } from "../parts/tryout.js";
import { socketForm } from "./try-socket.js";

const KINDS = ["http", "websocket"];
const LISTENERS = ["https", "http"];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** Codes of a close frame that say nothing of an error (RFC 6455 §7.4.1): normal, going away, none. */
const QUIET = [1000, 1001, 1005];

/** {headers, problem}: `name: value` a line, as the API takes them, or what is wrong with a line. */
function headersOf(text) {
  const headers = new Map();
  for (const line of (text ?? "").split("\n").map((each) => each.trim()).filter(Boolean)) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).trim();
    if (at < 0 || !name) return { problem: t("try.headers.line", { line }) };
    if ([...headers.keys()].some((each) => each.toLowerCase() === name.toLowerCase())) return { problem: t("try.headers.twice", { name }) };
    headers.set(name, line.slice(at + 1).trim());
  }
  return { headers: Object.fromEntries(headers) };
}

const lines = (fields) => fields.map((each) => `${each.name}: ${each.value}`).join("\n");

/** What the address asks for. */
function asked() {
  const { params } = here();
  const among = (name, known) => (known.includes(params.get(name)) ? params.get(name) : known[0]);
  return { kind: among("kind", KINDS), listener: among("listener", LISTENERS), authority: params.get("authority") ?? "", path: params.get("path") ?? "/", method: among("method", METHODS) };
}

export default () => {
  const draft = new Draft({ ...asked(), headers: "", body: "" });
  /** What is written while it runs. */
  const outgoing = new Draft({ message: "", as: "text", code: null, reason: "" });
  draft.words = outgoing.words = "try";
  const talk = transcript();
  const result = h("p", { class: "verdict", role: "status" });
  const place = h("div", { class: "panel" });
  const writing = h("div", {});
  const choice = h("div", {});
  const domains = h("datalist", { id: "try-domains" });
  let running = null;
  /** Counts what was begun: an answer to what is no longer wanted is left alone. */
  let turn = 0;

  const isSocket = () => draft.get("kind") === "websocket";

  function happened(name, data) {
    if (name === "open") talk.add("state", t("try.open", { address: data.address }));
    else if (name === "headers") {
      talk.add("head", t("try.answer.status", { status: data.status }), lines(data.headers));
      const open = isSocket() && data.status === 101;
      // Of a WebSocket any other answer is a refusal.
      tell(open || (!isSocket() && data.status < 400) ? "good" : "bad", open ? t("try.opened") : t("try.answer.status", { status: data.status }));
      if (open) drawMessage();
    } else if (name === "message") {
      const kind = data.direction === "out" ? "sent" : "received";
      const as = FORMS.find((each) => each === outgoing.get("as")) ?? FORMS[0];
      if (data.base64 === undefined) talk.add(kind, t(`try.${kind}`), data.text);
      else talk.add(kind, t(`try.${kind}.binary`, { size: bytes(sizeOf(data.base64)), form: t(`try.form.${as}`) }), shownAs(as, data.base64));
    } else if (name === "trailers") talk.add("head", t("try.trailers"), lines(data.headers));
    else if (name === "closed") {
      const quiet = data.code === null || QUIET.includes(data.code);
      const words = data.code === null ? t("try.closed") : t("try.closed.code", { code: data.code });
      if (data.code !== null) tell(quiet ? "" : "bad", words);
      ended(quiet ? "state" : "wrong", words, data.reason);
    } else {
      tell("bad", t("try.failed"));
      ended("wrong", t("try.failed"), data.reason);
    }
  }

  function ended(kind, words, reason) {
    talk.add(kind, words, reason);
    stop();
  }

  function tell(kind, words) {
    fill(result, badge(words, kind));
  }

  async function start() {
    stop();
    const { kind, listener, authority, path, method, headers, body } = draft.value;
    adjust({ kind, listener, authority, path, method: isSocket() ? null : method });
    const mine = turn;
    talk.begin();
    fill(result);
    const begun = await begin({ kind, listener, authority, path, headers: headersOf(headers).headers, ...(isSocket() ? {} : { method, body: body || null }) }, happened);
    if (mine !== turn) return begun.leave();
    running = begun;
    drawEnd();
  }

  /** What runs is over, or is left. */
  function stop() {
    turn += 1;
    running?.leave();
    running = null;
    write();
  }

  /** Puts something in the place to write in; whose focus was there is not sent back to the top of the page. */
  function write(...content) {
    const held = writing.contains(document.activeElement);
    fill(writing, content);
    if (held) (writing.querySelector("textarea, button") ?? talk).focus();
  }

  function drawEnd() {
    const end = () => running?.end().catch(noteError);
    write(h("section", { class: "panel" }, h("div", { class: "buttons" }, h("button", { type: "button", onclick: end }, t("try.cancel")))));
  }

  function drawMessage() {
    const open = running;
    outgoing.problems.clear();
    // The other side may take its time to answer a close frame, or not do so at all.
    const element = socketForm(outgoing, open, () => running === open && drawEnd());
    write(h("section", { class: "panel" }, element));
  }

  function choose(kind) {
    if (kind === draft.get("kind")) return;
    stop();
    draft.set("kind", kind);
    adjust({ kind });
    draw();
    choice.querySelector("[aria-pressed=true]").focus();
  }

  function draw() {
    fill(choice, h("div", { class: "segments", role: "group", "aria-label": t("try.kind") }, KINDS.map((each) =>
      h("button", { type: "button", "aria-pressed": String(each === draft.get("kind")), onclick: () => choose(each) }, t(`try.kind.${each}`)))));
    const path = textField(draft, "path", { mono: true, required: true });
    fill(place, form([
      h("div", { class: "request" }, selectField(draft, "listener", LISTENERS.map((each) => [each, each.toUpperCase()])), textField(draft, "authority", { required: true, mono: true, placeholder: "shop.example.com", list: domains.id })),
      isSocket() ? path : h("div", { class: "request" }, selectField(draft, "method", METHODS.map((each) => [each, each])), path),
      areaField(draft, "headers", { rows: 2, placeholder: "x-user: alice" }),
      !isSocket() && areaField(draft, "body", { rows: 3 }),
    ], {
      draft, label: t(isSocket() ? "try.connect" : "try.request"), submit: start,
      check: () => {
        const { problem } = headersOf(draft.get("headers"));
        return [!draft.get("authority") && ["authority", t("required")], problem && ["headers", problem]].filter(Boolean);
      },
    }));
  }

  async function offerDomains() {
    try {
      const list = await api.domains.list();
      fill(domains, list.filter((each) => each.name !== api.ANY_HOST && !each.name.startsWith("*")).map((each) => h("option", { value: each.name })));
    } catch {
      // What is typed needs no proposal.
    }
  }

  offerDomains();
  draw();
  const element = h("section", { class: "try" }, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("try"))), h("p", { class: "lead" }, t("try.lead")), choice, domains,
    h("div", { class: "columns" }, place, h("div", {}, writing, result, talk.element)));
  return {
    element,
    follow() {
      stop();
      Object.assign(draft.value, asked());
      draw();
    },
    leave: stop,
  };
};
