// The admin page: decides between set-up, login and the console, and shows the page that the address names.

import { Unreachable, call, get, onCalls } from "./api.js";
import { fill, h } from "./dom.js";
import init from "./pages/init.js";
import login, { loginAgain } from "./pages/login.js";
import reference from "./pages/reference.js";
import { answered, lost, whenBack } from "./parts/connection.js";
import { fallSilent, listen } from "./parts/events.js";
import { alone, frame, open } from "./parts/frame.js";
import { loadWords, t } from "./parts/i18n.js";
import { clearNotes, noteError, problem } from "./parts/notes.js";
import { askBeforeLeaving, here, onAddress } from "./parts/router.js";
import { config, setConfig, setUser, user } from "./parts/session.js";
import { allowed, pages, start } from "./pages/index.js";

const app = document.getElementById("app");
let shown = null;
let shell = null;

/** Where one begins: what the setting says, in words of this page or of Higress's console. */
function home() {
  const wanted = (config["index.redirect-target"] || "").replace(/^[#/]+/, "");
  const page = HIGRESS[wanted] ?? wanted;
  return known(page) ? page : start;
}

const HIGRESS = { route: "routes", domain: "domains", "tls-certificate": "certificates", "service-source": "sources", service: "services", consumer: "consumers", system: "settings" };
const known = (page) => page in pages && allowed(page);

/** What is shown gives up what it holds open. */
function forget() {
  shown?.page.leave?.();
  shell = shown = null;
}

async function logout() {
  // Before the session ends, which would cut it.
  fallSilent();
  try {
    await call("GET", "/session/logout");
  } catch (error) {
    listen();
    return noteError(error);
  }
  setUser(null);
  forget();
  askBeforeLeaving(null);
  history.replaceState(null, "", "#/");
  await show();
}

/** The page of the address: a new one, or the one that is there when only its parameters changed. */
function follow() {
  if (!user) return;
  const { page } = here();
  const name = known(page) ? page : home();
  if (shown?.name === name) return shown.page.follow?.();
  clearNotes();
  shell ??= frame(app, user, { logout, redraw: () => { forget(); show(); } });
  shown?.page.leave?.();
  shown = { name, page: pages[name]() };
  shell.show(name, shown.page.element);
}

async function show() {
  try {
    if (!user) {
      setConfig(await get("/system/config"));
      if (!config["system.initialized"]) return alone(app, t("init.title"), init(show), show);
      try {
        setUser(await get("/user/info"));
      } catch (error) {
        if (error.status === 401) return alone(app, t("login.title"), login(config, show), show);
        throw error;
      }
    }
    listen();
    follow();
  } catch (error) {
    const sorry = h("main", { class: "narrow" }, h("div", { class: "panel" }, h("h1", {}, "Causeway"), h("p", { class: "error" }, problem(error)),
      h("button", { type: "button", class: "primary", onclick: show }, t("again"))));
    fill(app, sorry);
    if (error instanceof Unreachable) whenBack(sorry, show);
  }
}

/** /docs: for anybody, whether or not there is an account. */
function showReference() {
  const page = reference();
  open(app, t("reference"), page.element, showReference);
  onAddress(page.follow);
}

onCalls({
  lost, answered,
  // The session has ended while somebody is at work: what they see stays, a login lies above it, and the call goes on after it.
  login: async () => {
    if (!user) return false;
    const { name, role } = user;
    setUser(await loginAgain(name));
    listen();
    if (user.name !== name || user.role !== role) location.reload();
    return true;
  },
});
await loadWords();
if (location.pathname === "/docs") showReference();
else {
  onAddress(follow);
  await show();
}
