// Try it: an HTTP request, a WebSocket or a gRPC call through the gateway, made by the control plane as clients make it. What goes out
// and what comes in is told as it happens; what is asked stands in the address.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { FORMS, shownAs, sizeOf } from "../parts/binary.js";
import { badge } from "../parts/cells.js";
import { suggest } from "../parts/choice.js";
import { Draft } from "../parts/draft.js";
import { areaField, selectField, textField } from "../parts/fields.js";
import { form, Wrong } from "../parts/form.js";
import { bytes, t } from "../parts/i18n.js";
import { noteError } from "../parts/notes.js";
import { adjust, here } from "../parts/router.js";
import { said as inWords } from "../parts/server.js";
import { transcript } from "../parts/talk.js";
import { begin } from "../parts/tryout.js";
import { messageOf } from "../parts/written.js";
import { placeOf } from "./listeners.js";
import { grpcFields, streamForm } from "./try-grpc.js";
import { socketForm } from "./try-socket.js";

const KINDS = ["http", "websocket", "grpc"];
/** What is asked for where the address names no listener: a name, or else a protocol. */
const USUAL = "https";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const LABELS = { http: "try.request", websocket: "try.connect", grpc: "try.call" };
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

/** The path where none is asked for. */
const rootOf = (kind) => (kind === "grpc" ? "" : "/");

/** What the address asks for. */
function asked() {
  const { params } = here();
  const among = (name, known) => (known.includes(params.get(name)) ? params.get(name) : known[0]);
  const kind = among("kind", KINDS);
  return { kind, listener: params.get("listener") || USUAL, authority: params.get("authority") ?? "", path: params.get("path") ?? rootOf(kind), method: among("method", METHODS) };
}

export default () => {
  const draft = new Draft({ ...asked(), headers: "", body: "", service: null, message: "", as: "json" });
  /** What is written to a WebSocket while it is open. */
  const outgoing = new Draft({ message: "", as: "text", code: null, reason: "" });
  draft.words = outgoing.words = "try";
  const talk = transcript();
  const result = h("p", { class: "verdict", role: "status" });
  const place = h("div", { class: "panel" });
  const writing = h("div", {});
  const choice = h("div", {});
  const domains = h("datalist", { id: "try-domains" });
  const grpc = grpcFields(draft, load);
  let running = null;
  let listeners = [];
  /** Runs what a button of the form stands for. */
  let attempt = null;
  /** Counts what was begun: an answer to what is no longer wanted is left alone. */
  let turn = 0;

  const is = (kind) => draft.get("kind") === kind;

  function happened(name, data) {
    if (name === "open") talk.add("state", t("try.open", { address: data.address }), data.reason && inWords(data.reason));
    else if (name === "services") {
      tell("good", t("try.load.done", { n: data.services.length }));
      grpc.offer(data.services);
    } else if (name === "headers") answered(data);
    else if (name === "message") said(data);
    else if (name === "trailers") talk.add("head", t("try.trailers"), lines(data.headers));
    else if (name === "status") {
      const good = data.code === 0;
      const words = `${data.name} (${data.code})`;
      tell(good ? "good" : "bad", words);
      talk.add(good ? "state" : "wrong", words, [data.message, data.details?.length && JSON.stringify(data.details, null, 2)].filter(Boolean).join("\n"));
    } else if (name === "closed") {
      const code = data.code ?? null;
      const quiet = code === null || QUIET.includes(code);
      const words = code === null ? t("try.closed") : t("try.closed.code", { code });
      if (code !== null) tell(quiet ? "" : "bad", words);
      ended(quiet ? "state" : "wrong", words, data.reason);
    } else {
      tell("bad", t("try.failed"));
      ended("wrong", t("try.failed"), data.reason);
    }
  }

  function answered({ status, headers }) {
    const words = t("try.answer.status", { status });
    talk.add("head", words, lines(headers));
    const open = is("websocket") && status === 101;
    // Of a WebSocket any other answer is a refusal; how a call went is told by its own status.
    if (open) tell("good", t("try.opened"));
    else if (!is("grpc")) tell(is("http") && status < 400 ? "good" : "bad", words);
    if (open) drawMessage();
  }

  function said({ direction, text, json, base64 }) {
    const kind = direction === "out" ? "sent" : "received";
    if (base64 === undefined) return talk.add(kind, t(`try.${kind}`), text ?? JSON.stringify(json, null, 2));
    const as = FORMS.find((each) => each === (is("websocket") ? outgoing : draft).get("as")) ?? FORMS[0];
    talk.add(kind, t(`try.${kind}.binary`, { size: bytes(sizeOf(base64)), form: t(`try.form.${as}`) }), shownAs(as, base64));
  }

  function ended(kind, words, reason) {
    talk.add(kind, words, reason && inWords(reason));
    stop();
  }

  function tell(kind, words) {
    fill(result, badge(words, kind));
  }

  /** Begins what the form says, and what it says `more`; null when it is not wanted any more. */
  async function run(more) {
    stop();
    const { kind, listener, authority, path, method, headers } = draft.value;
    adjust({ kind, listener, authority, path, method: is("http") ? method : null });
    const mine = turn;
    talk.begin();
    fill(result);
    const begun = await begin({ kind, listener, authority, headers: headersOf(headers).headers, ...more }, happened);
    if (mine !== turn) {
      begun.leave();
      return null;
    }
    running = begun;
    drawEnd();
    return begun;
  }

  async function start() {
    const { path, method, body } = draft.value;
    if (is("grpc")) return call(path);
    await run({ path, ...(is("http") ? { method, body: body || null } : {}) });
  }

  async function call(path) {
    if (!path) throw new Wrong(["path", t("required")]);
    const streams = grpc.streams();
    const message = streams ? null : messageOf(draft);
    const open = await run({ path });
    if (!open) return;
    if (streams) return drawStream();
    try {
      await open.send({ ...message, end: true });
    } catch (error) {
      // Over already: its events tell why.
      if ([404, 409].includes(error.status)) return;
      if (running === open) stop();
      throw error;
    }
  }

  /** Services by reflection: a try-out without a path. */
  function load(button) {
    attempt(button, () => run({}), { partly: true });
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

  const end = () => running?.end().catch(noteError);

  function drawEnd() {
    write(h("section", { class: "panel" }, h("div", { class: "buttons" }, h("button", { type: "button", onclick: end }, t("try.cancel")))));
  }

  function drawStream() {
    const open = running;
    write(h("section", { class: "panel" }, streamForm(draft, grpc.schema(), open, () => running === open && drawEnd(), end)));
    writing.querySelector("textarea").focus();
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
    if (draft.get("path") === rootOf(draft.get("kind"))) draft.set("path", rootOf(kind));
    draft.set("kind", kind);
    adjust({ kind, path: draft.get("path") });
    draw();
    choice.querySelector("[aria-pressed=true]").focus();
  }

  const listenerField = () => selectField(draft, "listener", listeners.map((each) => [each.name, `${each.name} — ${placeOf(each)}`]));

  function draw() {
    fill(choice, h("div", { class: "segments", role: "group", "aria-label": t("try.kind") }, KINDS.map((each) =>
      h("button", { type: "button", "aria-pressed": String(each === draft.get("kind")), onclick: () => choose(each) }, t(`try.kind.${each}`)))));
    const path = textField(draft, "path", { mono: true, required: true });
    if (is("grpc")) grpc.draw();
    const authority = textField(draft, "authority", { required: true, mono: true, placeholder: "shop.example.com", list: domains.id });
    suggest(authority.querySelector("input"), domains, api.domains, { keep: ({ name }) => name !== api.ANY_HOST && !name.startsWith("*") });
    fill(place, form([
      listenerField(), authority,
      is("grpc") && grpc.element, is("websocket") && path, is("http") && h("div", { class: "request" }, selectField(draft, "method", METHODS.map((each) => [each, each])), path),
      areaField(draft, "headers", { rows: 2, placeholder: "x-user: alice" }),
      is("http") && areaField(draft, "body", { rows: 3 }),
    ], {
      draft, label: t(LABELS[draft.get("kind")]), submit: start,
      extra: (action) => {
        attempt = action;
        return null;
      },
      check: () => {
        const { problem } = headersOf(draft.get("headers"));
        return [!draft.get("authority") && ["authority", t("required")], problem && ["headers", problem]].filter(Boolean);
      },
    }));
  }

  /** The listeners that there are; what the address asks for may be the protocol of one. */
  async function offerListeners() {
    try {
      listeners = (await api.listeners.list()).toSorted((one, two) => one.name.localeCompare(two.name));
      settle();
      // Where somebody types already, nothing else is drawn anew.
      place.querySelector("[data-path=listener]").replaceWith(listenerField());
    } catch (error) {
      noteError(error);
    }
  }

  function settle() {
    const wanted = draft.get("listener");
    if (!listeners.length || listeners.some((each) => each.name === wanted)) return;
    draft.set("listener", (listeners.find((each) => each.protocol === wanted) ?? listeners[0]).name);
  }

  offerListeners();
  draw();
  const element = h("section", { class: "try" }, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("try"))), h("p", { class: "lead" }, t("try.lead")), choice, domains,
    h("div", { class: "columns" }, place, h("div", {}, writing, result, talk.element)));
  return {
    element,
    follow() {
      stop();
      Object.assign(draft.value, asked());
      settle();
      draft.changed();
      draw();
    },
    leave: stop,
  };
};
