// Elements without a framework. Text is only ever inserted as text nodes, so nothing that comes from the API can become
// markup; there is no way here to set HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("a", {href: "#/x", class: "link", onclick: f}, "text", h(...), [more])
 * Properties that begin with `on` are listeners; `true` and `false` set and remove attributes; children that are null,
 * undefined or false are left out.
 */
export function h(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** The same for drawings. */
export function svg(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name !== "value") element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  // Last, because a choice can only have a value that is among its options.
  if ("value" in properties) {
    if (element.tagName === "OPTION" || element.type === "radio" || element.type === "checkbox") element.setAttribute("value", properties.value);
    else element.value = properties.value ?? "";
  }
  return element;
}

export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Puts new children in the place of all that an element has. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

let ids = 0;

/** An id that no other element has. */
export function newId(stem) {
  return `${stem}-${++ids}`;
}
