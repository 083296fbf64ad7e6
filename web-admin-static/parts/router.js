// The address says where one is: #/routes?q=shop&sort=-name&page=2. Everything that should survive a reload or be sent to
// a colleague stands in it. A form with unsaved changes may ask before the address changes.

let current = location.hash;
let leaving = null;
const listeners = new Set();

/** {page, params} of an address, by default the one shown. */
export function here(hash = location.hash) {
  const [page, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { page: decodeURIComponent(page), params: new URLSearchParams(query) };
}

export function address(page, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  return `#/${page}${query.size ? `?${query}` : ""}`;
}

/** Called with {page, params} after each change that `adjust` did not make. */
export function onAddress(listener) {
  listeners.add(listener);
}

/** `question()` resolves to whether to leave; null: nothing to lose. */
export function askBeforeLeaving(question) {
  leaving = question;
}

export const mayBeLost = () => leaving !== null;

/** Goes to an address, asking first when something may be lost. */
export function go(page, params) {
  location.hash = address(page, params);
}

/** Changes single values of the address in place, without a new entry in the history and without redrawing. */
export function adjust(changes) {
  const { page, params } = here();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") params.delete(name);
    else params.set(name, value);
  }
  current = address(page, Object.fromEntries(params));
  history.replaceState(null, "", current);
}

/** The page's address with some values changed, as a link. */
export function withParams(changes) {
  const { page, params } = here();
  return address(page, { ...Object.fromEntries(params), ...changes });
}

async function changed() {
  const wanted = location.hash;
  if (wanted === current) return;
  if (leaving) {
    // The address has changed already: put it back, then ask.
    history.pushState(null, "", current || "#/");
    if (!(await leaving())) return;
    leaving = null;
    location.hash = wanted;
    return;
  }
  current = wanted;
  for (const listener of listeners) listener(here());
}

window.addEventListener("hashchange", changed);
window.addEventListener("beforeunload", (event) => {
  if (leaving) event.preventDefault();
});
