// The route tester: which route a request would take, and why not the others. Asks the table that workers ask; sends nothing.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge, facts } from "../parts/cells.js";
import { Draft } from "../parts/draft.js";
import { areaField, section, selectField, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { icon } from "../parts/icons.js";
import { number, t } from "../parts/i18n.js";
import { address, adjust, here } from "../parts/router.js";
import { said } from "../parts/server.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const PRESETS = {
  grpc: { method: "POST", headers: "content-type: application/grpc\nte: trailers" },
  websocket: { method: "GET", headers: "upgrade: websocket\nconnection: upgrade\nsec-websocket-version: 13" },
  http: { method: "GET", headers: "" },
};
const GOOD = new Set(["route", "redirect-to-https"]);
const KINDS = { matched: "good", outranked: "warn" };

/** `name: value` a line, as one copies them from elsewhere. */
function headersOf(text) {
  const found = {};
  for (const line of (text ?? "").split("\n")) {
    const at = line.indexOf(":", 1);
    if (at > 0) found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return found;
}

function destinations(result) {
  if (!result.destinations?.length) return null;
  return h("ul", { class: "lines" }, result.destinations.map((each) => h("li", {}, h("strong", {}, each.cluster), " ", result.destinations.length > 1 && `${number(each.share * 100, 1)} % `,
    badge(each.protocol), each.tls && badge("TLS"), h("span", { class: "soft small" }, ` ${(each.endpoints ?? []).map((one) => `${one.address}${one.drains ? ` (${t("source.endpoints.drain")})` : ""}`).join(", ")}`))));
}

function verdict(result) {
  const good = GOOD.has(result.outcome);
  return h("section", { class: "panel", "aria-label": t("tester.result") },
    h("p", { class: `verdict mark ${result.outcome === "route" ? "good" : good ? "warn" : "bad"}` }, icon(result.outcome === "route" ? "check" : "warning"), h("strong", {}, t(`tester.outcome.${result.outcome}`)),
      result.route && h("a", { href: address("routes", { edit: result.route }) }, result.route)),
    h("p", { class: "hint" }, said(result.explanation)),
    facts(result.domain && [t("domain.name"), result.domain], result.certificate && [t("domain.certIdentifier"), h("a", { href: address("certificates", { edit: result.certificate }) }, result.certificate)],
      result.path && [t("route.path"), h("code", {}, result.path)], result.upstreamPath && [t("tester.upstreamPath"), h("code", {}, result.upstreamPath)], result.upstreamAuthority && [t("tester.upstreamAuthority"), result.upstreamAuthority],
      [t("version.number"), result.version], result.filters?.length > 0 && [t("tester.filters"), result.filters.map((each) => badge(each)), true], destinations(result) && [t("services"), destinations(result), true]));
}

function candidates(result) {
  if (!result.candidates?.length) return null;
  return h("section", { class: "panel" }, h("h2", {}, t("tester.candidates")), h("p", { class: "hint" }, t("tester.candidates.text")),
    h("ol", { class: "candidates" }, result.candidates.map((each) => h("li", { "data-name": each.route }, badge(t(`tester.candidate.${each.outcome}`), KINDS[each.outcome] ?? ""),
      h("div", {}, h("a", { href: address("routes", { edit: each.route }) }, each.route), h("span", { class: "soft small" }, ` ${each.domain}`), h("p", { class: "hint" }, said(each.reason)))))),
    result.moreCandidates > 0 && h("p", { class: "soft" }, t("more", { n: result.moreCandidates })));
}

export default () => {
  const { params } = here();
  const draft = new Draft({ method: params.get("method") ?? "POST", url: params.get("url") ?? "", headers: params.get("headers") ?? PRESETS.grpc.headers, sni: params.get("sni") ?? "" });
  draft.words = "tester";
  const result = h("div", { role: "status" });
  const shadowed = h("div", {});
  const place = h("div", { class: "panel" });

  async function run() {
    const { method, url, headers, sni } = draft.value;
    adjust({ method, url, headers, sni });
    const { content } = await api.call("POST", "/v1/route-tester", { method, url, headers: headersOf(headers), sni: sni || null });
    fill(result, verdict(content.data), candidates(content.data));
  }

  function draw() {
    const preset = (name) => h("button", { type: "button", onclick: () => { Object.assign(draft.value, PRESETS[name]); draw(); } }, t(`tester.preset.${name}`));
    fill(place, form([
      h("div", { class: "buttons start" }, Object.keys(PRESETS).map(preset)),
      h("div", { class: "request" }, selectField(draft, "method", METHODS.map((each) => [each, each])), textField(draft, "url", { required: true, mono: true, placeholder: "https://demo.example.com/helloworld.Greeter/SayHello" })),
      areaField(draft, "headers", { rows: 3 }), section(draft, "tester.tls", () => draft.get("sni"), textField(draft, "sni")),
    ], { draft, label: t("tester.submit"), submit: run }));
  }

  async function lookForShadowed() {
    try {
      const list = await api.get("/v1/route-tester/shadowed");
      if (list.length) {
        fill(shadowed, h("section", { class: "aside warn" }, h("strong", {}, t("tester.shadowed", { n: list.length })), h("ul", {}, list.slice(0, 50).map((each) =>
          h("li", {}, h("a", { href: address("routes", { edit: each.route }) }, each.route), ` ${t("tester.shadowed.by", { domain: each.domain })} `, h("a", { href: address("routes", { edit: each.by }) }, each.by))))));
      }
    } catch {
      // A hint beside the page's business: without it the tester works all the same.
    }
  }

  draw();
  if (draft.value.url) run().catch(() => {});
  lookForShadowed();
  return { element: h("section", {}, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("tester"))), h("p", { class: "lead" }, t("tester.lead")), shadowed, place, result) };
};
