// Routes: which requests go to which services. Fields that the form does not show are kept as they are.

import * as api from "../api.js";
import { h } from "../dom.js";
import { boxes, field, form, group, select, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

const ANY_HOST = "higress-default-domain";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const kinds = () => ["PRE", "EQUAL", "REGULAR"].map((kind) => [kind, t(`path.${kind}`)]);
const protocols = () => [["", t("route.protocol.source")], ...["HTTP", "HTTP2", "HTTP2S", "HTTPS", "GRPC", "GRPCS"].map((each) => [each, each])];

/** Rows of service and weight. */
function serviceRows(chosen, services) {
  const rows = h("div", { class: "rows" });
  const options = [["", t("route.service.choose")], ...services.map((each) => [each.name, `${each.name} (${(each.endpoints ?? []).join(", ")})`])];
  const add = (service) => {
    const name = select(service?.name ?? "", options, { "aria-label": t("route.service") });
    const weight = text(service?.weight ?? 100, { inputmode: "numeric", size: 5, "aria-label": t("route.weight") });
    const row = h("div", { class: "row" }, name, weight,
      h("button", { type: "button", class: "plain", "aria-label": t("delete"), onclick: () => row.remove() }, "×"));
    row.read = () => ({ ...service, name: name.value, port: service?.port ?? services.find((each) => each.name === name.value)?.port ?? null, weight: Number(weight.value) });
    rows.append(row);
  };
  (chosen.length ? chosen : [null]).forEach(add);
  return {
    element: h("div", {}, rows, h("button", { type: "button", onclick: () => add(null) }, t("route.service.add"))),
    read: () => [...rows.children].map((row) => row.read()).filter((each) => each.name),
  };
}

async function routeForm(route, save) {
  const [domains, services] = await Promise.all([api.domains.list(), api.services.list()]);
  return (close) => {
    const name = text(route?.name, { disabled: Boolean(route) });
    const hosts = boxes(route?.domains ?? [], domains.filter((each) => each.name !== ANY_HOST).map((each) => [each.name, each.name]));
    const kind = select(route?.path?.matchType ?? "PRE", kinds());
    const path = text(route?.path?.matchValue ?? "/");
    const caseless = h("input", { type: "checkbox", checked: route?.path?.caseSensitive === false });
    const methods = boxes(route?.methods ?? [], METHODS.map((each) => [each, each]));
    const protocol = select(route?.protocol ?? "", protocols());
    const targets = serviceRows(route?.services ?? [], services);
    return form([
      field("name", t("route.name"), name),
      group("domains", t("route.domains"), hosts.element, h("p", { class: "hint" }, t("route.domains.hint"))),
      field("path.matchType", t("route.path.kind"), kind),
      field("path", t("route.path"), path),
      h("label", { class: "box" }, caseless, t("route.caseless")),
      group("methods", t("route.methods"), methods.element, h("p", { class: "hint" }, t("route.methods.hint"))),
      group("services", t("route.services"), targets.element),
      field("protocol", t("route.protocol"), protocol, t("route.protocol.hint")),
    ], {
      label: t("save"), cancel: close,
      submit: () => save(close)({
        ...route, name: name.value.trim(), domains: hosts.read(),
        path: { matchType: kind.value, matchValue: path.value.trim(), caseSensitive: !caseless.checked },
        methods: methods.read().length ? methods.read() : null, services: targets.read(), protocol: protocol.value || null,
      }),
    });
  };
}

export default () => listPage({
  title: t("routes"), resource: api.routes, form: routeForm,
  columns: [
    [t("route.name"), (row) => row.name],
    [t("route.domains"), (row) => (row.domains?.length ? row.domains.join(", ") : t("route.anyHost"))],
    [t("route.path"), (row) => h("span", {}, `${t(`path.${row.path?.matchType}`)} `, h("code", {}, row.path?.matchValue ?? ""))],
    [t("route.services"), (row) => h("ul", { class: "lines" }, (row.services ?? []).map((each) => h("li", {}, `${each.name}${row.services.length > 1 ? ` · ${each.weight ?? 100}` : ""}`)))],
    [t("route.protocol"), (row) => row.protocol ?? t("route.protocol.source")],
  ],
});
