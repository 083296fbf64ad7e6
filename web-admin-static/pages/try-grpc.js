// A gRPC call: which method, chosen among those that the service tells of by reflection or typed as a path, and what is sent.

import { fill, h } from "../dom.js";
import { areaField, selectField, textField, when } from "../parts/fields.js";
import { flatFields } from "../parts/flat.js";
import { form } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { said } from "../parts/server.js";
import { template } from "../parts/template.js";
import { asField, messageOf } from "../parts/written.js";

const FORMS = ["json", "base64", "hex"];
/** Services of gRPC's own are offered last. */
const isOwn = (name) => name.startsWith("grpc.");

const kindOf = (method) => t(`try.rpc.${method.clientStreaming ? (method.serverStreaming ? "both" : "client") : method.serverStreaming ? "server" : "unary"}`);

/** A control whose choice has consequences; it stays as it is, because somebody's focus is on it. */
function choiceField(draft, path, choices, changed, options) {
  const field = selectField(draft, path, choices, options);
  field.querySelector("select").addEventListener("change", changed);
  return field;
}

/** What a message is written in: a control for each member where it has only scalars, its text, and of what form that is. */
function messageFields(draft, schema, options) {
  const text = areaField(draft, "message", options);
  const flat = flatFields(schema, text.querySelector("textarea"));
  return [flat && when(draft, () => draft.get("as") === "json", flat), text, asField(draft, FORMS)];
}

/**
 * The part of the form that is of gRPC; `draft` has listener, authority, service, path (/package.Service/Method), message and as.
 * `load` asks for the services, which come to `offer`.
 */
export function grpcFields(draft, load) {
  const element = h("div", {});
  const rest = h("div", {});
  const input = h("div", {});
  let services = [];
  /** Where the services were asked for; those of another host are of no use. */
  let from = null;
  let begun = "";

  const where = () => `${draft.get("listener")} ${draft.get("authority")}`;
  const method = () => services.flatMap((each) => each.methods).find((each) => each.path === draft.get("path")) ?? null;
  const pathField = () => textField(draft, "path", { mono: true, required: true, placeholder: "/helloworld.Greeter/SayHello", words: "try.rpc.path" });

  /** A message to begin with, unless somebody has written another. */
  function begin() {
    const chosen = method();
    const written = draft.get("message");
    if (!chosen || draft.get("as") !== "json" || (written && written !== begun)) return;
    begun = JSON.stringify(template(chosen.inputSchema ?? {}), null, 2);
    draft.set("message", begun);
  }

  function drawInput() {
    begin();
    const chosen = method();
    fill(input, chosen && h("p", { class: "hint types" }, t("try.rpc.takes"), " ", h("code", {}, chosen.input), ` · ${t("try.rpc.gives")} `, h("code", {}, chosen.output)),
      !chosen?.clientStreaming && messageFields(draft, chosen?.inputSchema, { rows: 8 }));
  }

  function drawMethods() {
    const service = services.find((each) => each.name === draft.get("service"));
    fill(rest, service?.problem && h("p", { class: "aside warn" }, said(service.problem)), service?.methods.length ? choiceField(draft, "path", service.methods.map((each) => [each.path, `${each.name} · ${kindOf(each)}`]), drawInput, { words: "try.rpc" }) : pathField());
    drawInput();
  }

  function choose() {
    const service = services.find((each) => each.name === draft.get("service"));
    if (service?.methods.length) draft.set("path", service.methods[0].path);
    drawMethods();
  }

  /** The service whose method is asked for; none where it is another's. */
  function sort() {
    const path = draft.get("path");
    const known = services.find((each) => each.methods.some((one) => one.path === path));
    if (known || path) draft.set("service", known?.name ?? null);
  }

  function draw() {
    if (from !== null) sort();
    const held = element.contains(document.activeElement);
    const button = h("button", { type: "button", onclick: () => load(button) }, t(from === null ? "try.load" : "try.load.again"));
    const names = services.map((each) => [each.name, each.name]);
    fill(element, h("div", { class: "load" }, button, from === null && h("p", { class: "hint" }, t("try.load.text"))),
      names.length > 0 && choiceField(draft, "service", [...names, [null, t("try.service.other")]], choose),
      from !== null && !names.length && h("p", { class: "aside warn" }, t("try.load.none")), rest, input);
    drawMethods();
    if (held) (element.querySelector("select") ?? button).focus();
  }

  function forget() {
    services = [];
    from = null;
    draw();
  }

  draft.watch(() => from !== null && from !== where() && forget());
  return {
    element, draw,
    /** What was told by reflection. */
    offer(list) {
      from = where();
      services = list.map((each) => ({ ...each, methods: each.methods ?? [] })).sort((one, two) => isOwn(one.name) - isOwn(two.name));
      // What the address asks for stays, though it be no method that is told of.
      if (!draft.get("path")) {
        draft.set("service", services[0]?.name ?? null);
        draft.set("path", services[0]?.methods[0]?.path ?? "");
      }
      draw();
    },
    /** Whether messages are sent one after the other, while it runs. */
    streams: () => Boolean(method()?.clientStreaming),
    schema: () => method()?.inputSchema,
  };
}

/** What is sent to a call that takes many messages; `ended()` is told when no more follow, `cancel` ends it. */
export function streamForm(draft, schema, open, ended, cancel) {
  const fields = messageFields(draft, schema, { rows: 6, hint: t("try.message.control") });
  const halfClose = async () => {
    await open.send({ end: true });
    ended();
  };
  const element = form(fields, {
    draft, label: t("try.send"), submit: () => open.send(messageOf(draft)),
    extra: (attempt) => [
      h("button", { type: "button", onclick: (event) => attempt(event.currentTarget, halfClose) }, t("try.end")),
      h("button", { type: "button", onclick: cancel }, t("try.cancel")),
    ],
  });
  element.querySelector("textarea").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    element.requestSubmit();
  });
  return element;
}
