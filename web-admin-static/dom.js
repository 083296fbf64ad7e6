// Elements without a framework. Text is only ever inserted as text nodes, so nothing that comes from the API can become
// markup; there is no way here to set HTML.

/**
 * h("a", {href: "#/x", class: "link", onclick: f}, "text", h(...), [more])
 * Properties that begin with `on` are listeners; `true` and `false` set and remove attributes; children that are null,
 * undefined or false are left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
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
