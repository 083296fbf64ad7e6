// Import from Kubernetes: Ingresses and what belongs to them, as YAML. What would be taken over, what not, and why, is told before
// anything is stored.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { badge } from "../parts/cells.js";
import { kindWord } from "../parts/changes.js";
import { Draft } from "../parts/draft.js";
import { dropZone } from "../parts/drop.js";
import { areaField, section, switchField, textField } from "../parts/fields.js";
import { form } from "../parts/form.js";
import { number, t } from "../parts/i18n.js";
import { lookAgain } from "../parts/live.js";
import { noteSaved, problem } from "../parts/notes.js";
import { changesList, effects } from "../parts/preview.js";
import { said, warned } from "../parts/server.js";

const OPTIONS = ["ingressClass", "clusterDomain", "namespace"];
/** The worst first. */
const SEVERITIES = ["refused", "changed", "ignored"];
const KINDS = { refused: "bad", changed: "warn", ignored: "" };
/** Rows that are shown at once. */
const MOST = 200;

const isJSON = (text) => text.trimStart().startsWith("{");
const empty = () => ({ manifests: "", partial: false, overwrite: false, ingressClass: "", clusterDomain: "", namespace: "" });

/** "Ingress shop/web", and which document it was. */
function originCell({ document, kind, namespace, name }) {
  return h("span", { class: "stack" }, h("strong", {}, `${kind} ${[namespace, name].filter(Boolean).join("/")}`), h("span", { class: "soft small" }, t("ingress.document", { n: document })));
}

function remarkRow(each) {
  return h("tr", { class: each.severity }, h("td", { "data-label": t("ingress.severity") }, badge(t(`ingress.severity.${each.severity}`), KINDS[each.severity])),
    h("td", { "data-label": t("ingress.from") }, originCell(each)),
    h("td", { "data-label": t("ingress.what") }, h("span", { class: "stack" }, said(each.message), each.path && h("code", { class: "soft small" }, each.path))));
}

/** What was not taken over as it is, to be looked at by severity. */
function reportTable({ report, moreReport }) {
  if (!report.length) return h("p", { class: "mark good" }, t("ingress.whole"));
  const sorted = SEVERITIES.flatMap((severity) => report.filter((each) => each.severity === severity));
  const body = h("tbody", {});
  const rest = h("p", { class: "hint" });
  const choice = h("div", { class: "segments", role: "group", "aria-label": t("ingress.severity") });
  let chosen = null;

  function draw() {
    const fitting = sorted.filter((each) => !chosen || each.severity === chosen);
    const held = choice.contains(document.activeElement);
    fill(choice, [null, ...SEVERITIES].map((each) => [each, sorted.filter((one) => !each || one.severity === each).length]).filter(([, count]) => count).map(([each, count]) =>
      h("button", { type: "button", "aria-pressed": String(each === chosen), onclick: () => { chosen = each; draw(); } }, `${t(`ingress.severity.${each ?? "all"}`)} ${number(count)}`)));
    if (held) choice.querySelector("[aria-pressed=true]").focus();
    fill(body, fitting.slice(0, MOST).map(remarkRow));
    const more = fitting.length - MOST;
    rest.hidden = more <= 0 && !moreReport;
    fill(rest, t("more", { n: number(Math.max(more, 0) + (chosen ? 0 : moreReport ?? 0)) }));
  }

  draw();
  return [choice, h("div", { class: "scroll" }, h("table", { class: "list report", "aria-label": t("ingress.report") },
    h("thead", {}, h("tr", {}, ["ingress.severity", "ingress.from", "ingress.what"].map((key) => h("th", { scope: "col" }, h("span", { class: "plain-head" }, t(key)))))), body)), rest];
}

/** Objects in the way, and how many stay as they are. */
function objectsTold(objects) {
  const conflicts = objects.filter((each) => each.action === "conflict");
  const same = objects.filter((each) => each.action === "unchanged").length;
  return [
    conflicts.length > 0 && h("div", { class: "aside bad" }, h("strong", {}, t("ingress.conflicts")), h("ul", {}, conflicts.slice(0, MOST).map((each) =>
      h("li", {}, `${kindWord(each.kind)} `, h("strong", {}, each.name), each.from.length > 0 && h("span", { class: "soft" }, ` – ${each.from.map((from) => `${from.kind} ${[from.namespace, from.name].filter(Boolean).join("/")}`).join(", ")}`)))),
    conflicts.length > MOST && h("p", {}, t("more", { n: number(conflicts.length - MOST) }))),
    same > 0 && h("p", { class: "soft" }, t("ingress.unchanged", { n: same })),
  ];
}

export function importingIngress() {
  const draft = new Draft(empty());
  draft.words = "ingress";
  const place = h("div", {});
  const result = h("div", { role: "status" });

  function send(dry) {
    const { manifests, partial, overwrite } = draft.value;
    const query = new URLSearchParams({ partial: Boolean(partial), overwrite: Boolean(overwrite), ...(dry ? { dryRun: true } : { wait: "live" }) });
    for (const name of OPTIONS) if (draft.get(name)) query.set(name, draft.get(name));
    return api.call("POST", `/v1/import/ingress?${query}`, manifests, { "Content-Type": isJSON(manifests) ? "application/json" : "application/yaml" });
  }

  function show(...content) {
    fill(result, h("section", { class: "panel" }, content));
    result.scrollIntoView({ block: "nearest" });
  }

  /** An import that is refused says all the same what it found; what cannot be shown so is thrown on. */
  function refused(error) {
    const told = error.body;
    if (!Array.isArray(told?.report)) throw error;
    const why = told.code === "duplicate" ? t("ingress.refused.overwrite") : told.report.some((each) => each.severity === "refused") ? t("ingress.refused.partial") : problem(error);
    show(h("h2", {}, t("ingress.refused")), h("p", { class: "aside bad", role: "alert" }, why), objectsTold(told.objects ?? []), reportTable(told));
  }

  async function preview() {
    try {
      const { content } = await send(true);
      const { changes } = content.data;
      const apply = h("button", { type: "button", class: "primary", onclick: () => save(apply) }, t("import.apply"));
      show(h("h2", {}, t("preview.title")), h("p", { class: "hint" }, t("preview.text")), h("h3", {}, t("ingress.report")), reportTable(content), h("h3", {}, t("version.changes")), changesList(changes), objectsTold(content.objects), effects(content.data),
        warned(content.warnings), changes.length > 0 && h("div", { class: "buttons" }, apply));
    } catch (error) {
      refused(error);
    }
  }

  async function save(button) {
    button.disabled = true;
    try {
      noteSaved(await send(false));
      draft.value = empty();
      draft.changed();
      fill(result);
      draw();
      lookAgain();
    } catch (error) {
      button.disabled = false;
      if (Array.isArray(error.body?.report)) refused(error);
      else fill(result, h("p", { class: "error", role: "alert" }, problem(error)));
    }
  }

  /** What was previewed is no longer what would be sent. */
  draft.watch(() => fill(result));

  function draw() {
    const text = areaField(draft, "manifests", { rows: 8, placeholder: "apiVersion: networking.k8s.io/v1\nkind: Ingress" });
    const take = (texts) => {
      draft.set("manifests", texts.map((each) => each.trimEnd()).join("\n---\n"));
      text.querySelector("textarea").value = draft.get("manifests");
    };
    fill(place, form([
      dropZone(t("ingress.drop"), take, { several: true }), text,
      switchField(draft, "partial"), switchField(draft, "overwrite"),
      section(draft, "ingress.options", () => OPTIONS.map((each) => draft.get(each)).filter(Boolean).join(", "), OPTIONS.map((each) => textField(draft, each, { mono: true, placeholder: { clusterDomain: "cluster.local", namespace: "default" }[each] }))),
    ], { draft, label: t("ingress.preview"), check: () => ((draft.get("manifests") ?? "").trim() ? [] : [["manifests", t("required")]]), submit: preview }));
  }

  draw();
  return h("div", {}, h("section", { class: "panel ingress" }, h("h2", {}, t("ingress.title")), h("p", { class: "hint" }, t("ingress.lead")), place), result);
}
