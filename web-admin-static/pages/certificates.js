// Certificates: PEM or PKCS#12 goes in, by drop, file or paste, and never comes out again; the list shows names and validity.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { fromBytes, sizeOf } from "../parts/binary.js";
import { badge, expiry, lines, moment, nameCell, usedBy } from "../parts/cells.js";
import { areaField, per, textField } from "../parts/fields.js";
import { icon } from "../parts/icons.js";
import { bytes, date, dateTime, relative, t } from "../parts/i18n.js";
import { listPage } from "../parts/list.js";
import { blocks, isPKCS12, sorted } from "../parts/pem.js";
import { said } from "../parts/server.js";

const LARGEST = 512 * 1024;

/** What was read of the two texts, line by line: [kind, words]. */
function reading(cert, key) {
  const told = [];
  const [inCert, inKey] = [blocks(cert ?? ""), blocks(key ?? "")];
  const { certificates } = sorted(inCert);
  const { keys } = sorted(inKey);
  if (cert && !certificates.length) told.push(["bad", t("pem.noCertificate")]);
  if (key && !keys.length) told.push(["bad", t("pem.noKey")]);
  for (const each of [...inCert, ...inKey]) if (each.problem) told.push(["bad", t(`pem.${each.problem}`, { label: each.label, line: each.line })]);
  if (certificates.length && !certificates.some((each) => each.problem)) told.push(["good", t("pem.certificates", { n: certificates.length })]);
  if (sorted(inCert).keys.length) told.push(["warn", t("pem.keyInCertificate")]);
  if (keys.length > 1) told.push(["bad", t("pem.manyKeys", { n: keys.length })]);
  else if (keys.length && !keys[0].problem) told.push([keys[0].encrypted ? "warn" : "good", t(keys[0].encrypted ? "pem.encryptedKey" : "pem.key", { label: keys[0].label })]);
  return told;
}

/** What the server reads of it: names, time, key, and whether the two belong together. [kind, words] */
function facts({ names, notBefore, notAfter, keyDescription, selfSigned, weaknesses, chainExpiry }) {
  const [from, until] = [notBefore * 1000, notAfter * 1000];
  const now = Date.now();
  return [
    ["good", t("pem.fits")],
    [names?.length ? "good" : "warn", names?.length ? t("pem.names", { names: names.join(", ") }) : t("pem.nameless")],
    [until < now ? "bad" : from > now || until - now < 30 * 86_400_000 ? "warn" : "good", t(until < now ? "pem.expired" : from > now ? "pem.future" : "pem.valid", { from: date(from), until: date(until), when: relative(until < now ? until : from > now ? from : until) })],
    ["good", t("pem.keyKind", { key: keyDescription })],
    chainExpiry && (chainExpiry.notAfter < notAfter ? ["warn", t("pem.chain.sooner", { subject: chainExpiry.subject, until: date(chainExpiry.notAfter * 1000) })] : ["good", t("pem.chain", { subject: chainExpiry.subject })]),
    selfSigned && ["warn", t("pem.selfSigned")],
    ...(weaknesses ?? []).map((each) => ["warn", said(each)]),
  ].filter(Boolean);
}

/** A place to drop files on, or to choose them: each block of PEM goes into the field that it belongs to, a PKCS#12 file stands for both. */
function dropZone(draft, redraw) {
  const told = h("p", { class: "hint", role: "status" });
  const input = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true", onchange: () => take(input.files) });

  async function take(files) {
    const large = [...files].find((each) => each.size > LARGEST);
    if (large) return fill(told, t("pem.large", { name: large.name }));
    const contents = await Promise.all([...files].map(async (each) => ({ name: each.name, content: new Uint8Array(await each.arrayBuffer()) })));
    // So that the same file can be chosen again.
    input.value = "";
    const packed = contents.find(({ content }) => isPKCS12(content));
    if (packed) {
      fill(told);
      Object.assign(draft.value, { file: packed.name, pkcs12: fromBytes(packed.content), cert: "", key: "", passphrase: "" });
    } else {
      const names = contents.map(({ name }) => name).join(", ");
      const { cert, key, others } = sorted(blocks(contents.map(({ content }) => new TextDecoder().decode(content)).join("\n")));
      if (!cert && !key) return fill(told, t("pem.nothing", { name: names }));
      Object.assign(draft.value, { pkcs12: "", ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
      fill(told, names, others.length ? ` · ${t("pem.others", { labels: others.map((each) => each.label).join(", ") })}` : "");
    }
    draft.changed();
    redraw();
  }

  const zone = h("div", {
    class: "drop", ondragover: (event) => { event.preventDefault(); zone.classList.add("over"); }, ondragleave: () => zone.classList.remove("over"),
    ondrop: (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      take(event.dataTransfer.files);
    },
  }, icon("file"), h("p", {}, t("pem.drop"), " ", h("button", { type: "button", class: "link", onclick: () => input.click() }, t("pem.choose"))), told, input);
  return zone;
}

/** A PKCS#12 file that was dropped, in the place of the two texts. */
function packedField(draft, redraw) {
  return h("div", { class: "field packed", "data-path": "pkcs12" }, h("p", {}, h("strong", {}, draft.get("file")), h("span", { class: "soft" }, ` · PKCS#12 · ${bytes(sizeOf(draft.get("pkcs12")))} `),
    h("button", {
      type: "button", class: "link", onclick: () => {
        Object.assign(draft.value, { pkcs12: "", passphrase: "" });
        draft.changed();
        redraw();
      },
    }, t("pem.packed.remove"))), h("p", { class: "error" }));
}

const isEncrypted = (draft) => blocks(draft.get("key") ?? "").some((each) => each.encrypted);

/** What the server refused of it, line by line. */
function refusals(error, passphrase) {
  return (error.fields ?? []).filter(([field]) => ["cert", "key", "pkcs12", "passphrase"].includes(field)).map(([field, message]) => {
    if (field !== "passphrase") return ["bad", said(message)];
    return passphrase ? ["bad", t("pem.passphrase.wrong")] : ["warn", t("pem.passphrase.needed")];
  });
}

function fields(draft, more, isNew) {
  const texts = h("div", {});
  const told = h("div", { class: "reading", role: "status", "aria-label": t("pem.reading") });
  const redraw = () => fill(texts, draft.get("pkcs12") ? packedField(draft, redraw) : [
    areaField(draft, "cert", { rows: 7, required: isNew, placeholder: "-----BEGIN CERTIFICATE-----" }),
    areaField(draft, "key", { rows: 5, required: isNew, placeholder: "-----BEGIN PRIVATE KEY-----" }),
  ]);
  redraw();

  const show = (found) => fill(told, found.map(([kind, words]) => h("p", { class: `mark ${kind}` }, icon(kind === "good" ? "check" : "warning"), words)));
  let seen = "";
  let asking = null;

  // The server reads what is whole, a moment after the last change; it stores nothing.
  async function ask(found) {
    const { name, version, cert, key, pkcs12, passphrase } = draft.value;
    const asked = seen;
    // Saved meanwhile, or about to be: that answer tells the same.
    if (!told.isConnected || told.closest("form").querySelector("[aria-busy]")) return;
    try {
      const { changes, warnings } = await api.certificates.preview({ name: name || "new", version, passphrase, ...(pkcs12 ? { pkcs12 } : { cert, key }) }, isNew ? null : name);
      if (asked === seen) show([...found, ...facts(changes[0]?.after?.facts ?? {}), ...(warnings ?? []).map((each) => ["warn", said(each)])]);
    } catch (error) {
      if (asked === seen) show([...found, ...refusals(error, passphrase)]);
    }
  }

  draft.watch(() => {
    const now = JSON.stringify(["cert", "key", "pkcs12", "passphrase"].map((each) => draft.get(each)));
    if (now === seen) return;
    seen = now;
    const found = draft.get("pkcs12") ? [] : reading(draft.get("cert"), draft.get("key"));
    show(found);
    clearTimeout(asking);
    const whole = draft.get("pkcs12") || (draft.get("cert") && draft.get("key"));
    if (whole && !found.some(([kind]) => kind === "bad")) asking = setTimeout(ask, 300, found);
  });
  return [
    textField(draft, "name", { required: true, disabled: !isNew, placeholder: "demo" }),
    !isNew && h("p", { class: "hint" }, t("certificate.keep")),
    dropZone(draft, redraw), texts,
    per(draft, () => draft.get("pkcs12") || isEncrypted(draft), (needed) => needed && textField(draft, "passphrase", { type: "password", keep: true })),
    told,
  ];
}

export default () => listPage({
  name: "certificates", words: "certificate", resource: api.certificates, fields,
  blank: (params) => ({ name: params.get("name") ?? "", cert: "", key: "", pkcs12: "", passphrase: "" }),
  prepare: ({ name, version, cert, key, pkcs12, passphrase }) => (pkcs12 ? { name, version, pkcs12, passphrase } : { name, version, cert, key, passphrase }),
  columns: () => [
    { key: "name", label: t("certificate.name"), cell: (row) => nameCell(row) },
    { key: "domains", label: t("certificate.domains"), cell: (row) => lines(row.domains ?? []) },
    { key: "keyType", label: t("certificate.keyType"), cell: (row) => (row.keyType ? badge(row.keyType) : "–") },
    { key: "expires", label: t("certificate.end"), cell: (row) => h("span", { class: "stack" }, expiry(row), row.validityEnd && h("span", { class: "soft small" }, dateTime(moment(row.validityEnd)))) },
    { key: "usedBy", label: t("usedBy"), descends: true, cell: (row) => usedBy(row, "domains", "count.uses", row.name) },
  ],
});
