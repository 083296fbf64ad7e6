// What can be told of PEM without opening it: its blocks, what they say they are, and whether they are whole. Names, validity
// and whether a key fits are for the server, which has the means; nothing is guessed here.

const BEGIN = /-----BEGIN ([A-Z0-9 ]+)-----/;

/** Blocks in the order of the text: {label, kind: certificate | key | other, encrypted, problem, text, line} */
export function blocks(text) {
  const found = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const begin = BEGIN.exec(lines[at]);
    if (!begin) continue;
    const label = begin[1];
    const from = at;
    const inside = [];
    at += 1;
    while (at < lines.length && !lines[at].includes("-----")) inside.push(lines[at++].trim());
    const whole = at < lines.length && lines[at].includes(`-----END ${label}-----`);
    const headers = inside.filter((each) => each.includes(":"));
    const body = inside.filter((each) => each && !each.includes(":")).join("");
    found.push({
      label, line: from + 1, text: `${lines.slice(from, at + 1).map((each) => each.trim()).join("\n")}\n`,
      kind: label.endsWith("CERTIFICATE") ? "certificate" : label.endsWith("PRIVATE KEY") ? "key" : "other",
      encrypted: label === "ENCRYPTED PRIVATE KEY" || headers.some((each) => each.includes("ENCRYPTED")),
      problem: !whole ? "cut" : !body || !/^[A-Za-z0-9+/]+=*$/.test(body) || body.length % 4 ? "garbled" : null,
    });
    if (!whole) at -= 1;
  }
  return found;
}

/** Whether bytes begin as a PKCS#12 file does: a sequence of which the first member is the number 3 (RFC 7292 §4). */
export function isPKCS12(bytes) {
  if (bytes[0] !== 0x30) return false;
  // The length in one byte, in the bytes that the first one counts, or unknown (0x80: none follow).
  const at = 2 + (bytes[1] > 0x80 ? bytes[1] - 0x80 : 0);
  return bytes[at] === 2 && bytes[at + 1] === 1 && bytes[at + 2] === 3;
}

/** The blocks sorted into what the form has: {certificates, keys, others, cert, key} */
export function sorted(found) {
  const of = (kind) => found.filter((each) => each.kind === kind);
  const join = (list) => list.map((each) => each.text).join("");
  const [certificates, keys] = [of("certificate"), of("key")];
  return { certificates, keys, others: of("other"), cert: join(certificates), key: join(keys) };
}
