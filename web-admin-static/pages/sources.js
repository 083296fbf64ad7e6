// Service sources: where the services behind the gateway are found. Here: addresses, and names in DNS.

import * as api from "../api.js";
import { h } from "../dom.js";
import { area, field, form, select, text } from "../parts/form.js";
import { t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";

const protocols = () => [["", t("source.protocol.unspecified")], ...["http", "http2", "http2s", "https", "grpc", "grpcs"].map((each) => [each, each.toUpperCase()])];

async function sourceForm(source, save) {
  return (close) => {
    const name = text(source?.name, { disabled: Boolean(source) });
    const type = select(source?.type ?? "static", [["static", t("source.static")], ["dns", t("source.dns")]]);
    const addresses = area((source?.domain ?? "").split(",").filter(Boolean).join("\n"), { rows: 4 });
    const port = text(source?.port ?? "80", { inputmode: "numeric" });
    const protocol = select(source?.protocol ?? "", protocols());
    const portField = field("port", t("source.port"), port);
    const showPort = () => { portField.hidden = type.value !== "dns"; };
    type.addEventListener("change", showPort);
    showPort();
    return form([
      field("name", t("source.name"), name),
      field("type", t("source.type"), type),
      field("domain", t("source.addresses"), addresses, t("source.addresses.hint")),
      portField,
      field("protocol", t("source.protocol"), protocol),
    ], {
      label: t("save"), cancel: close,
      submit: () => save(close)({
        ...source, name: name.value.trim(), type: type.value,
        domain: addresses.value.split(/[\s,]+/).filter(Boolean).join(","),
        port: type.value === "static" ? 80 : Number(port.value), protocol: protocol.value || null,
      }),
    });
  };
}

export default () => listPage({
  title: t("sources"), resource: api.sources, form: sourceForm,
  columns: [
    [t("source.name"), (row) => row.name],
    [t("source.type"), (row) => row.type],
    [t("source.addresses"), (row) => h("ul", { class: "lines" }, (row.domain ?? "").split(",").map((each) => h("li", {}, each)))],
    [t("source.protocol"), (row) => row.protocol ?? "–"],
  ],
});
