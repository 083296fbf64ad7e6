// Bytes as people write and read them: base64 and hex. Rules without elements.

export const FORMS = ["base64", "hex"];

/** The base64 that the API takes, of bytes written in one of the forms; null where they are not. */
export function toBase64(form, text) {
  if (form === "hex") {
    const digits = text.replace(/0x|[\s,:]/gi, "");
    if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) return null;
    return fromBytes(digits.match(/../g)?.map((each) => Number.parseInt(each, 16)) ?? []);
  }
  try {
    return btoa(atob(text.replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    return null;
  }
}

/** The base64 of bytes. */
export function fromBytes(bytes) {
  let text = "";
  for (const each of bytes) text += String.fromCharCode(each);
  return btoa(text);
}

/** How many bytes a base64 text of the API's stands for. */
export function sizeOf(base64) {
  return Math.floor((base64.replace(/=+$/, "").length * 3) / 4);
}

/** The API's base64 in one of the forms. */
export function shownAs(form, base64) {
  if (form !== "hex") return base64;
  return Array.from(atob(base64), (each) => each.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
}
