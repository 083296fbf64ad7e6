// The admin page: decides between set-up, login and the console, and shows the page that the address names (#/routes).

import { call, get, whenLoginRequired } from "./api.js";
import { fill, h } from "./dom.js";
import certificates from "./pages/certificates.js";
import domains from "./pages/domains.js";
import init from "./pages/init.js";
import login from "./pages/login.js";
import routes from "./pages/routes.js";
import sources from "./pages/sources.js";
import workers from "./pages/workers.js";
import { choose, language, languages, loadWords, t } from "./parts/i18n.js";
import { select } from "./parts/form.js";
import { clearNotes, noteError } from "./parts/notes.js";

const pages = { routes, domains, certificates, sources, workers };
const app = document.getElementById("app");
let user = null;

function here() {
  const name = location.hash.replace(/^#\//, "");
  return name in pages ? name : "routes";
}

function languageChoice() {
  const control = select(language, Object.entries(languages), { "aria-label": "Language" });
  control.addEventListener("change", () => {
    choose(control.value);
    show();
  });
  return control;
}

async function logout() {
  try {
    await call("GET", "/session/logout");
  } catch (error) {
    noteError(error);
  }
  user = null;
  await show();
}

function shell() {
  const now = here();
  fill(app,
    h("header", { class: "top" },
      h("strong", {}, "Causeway"),
      h("nav", { "aria-label": t("menu") }, Object.keys(pages).map((name) =>
        h("a", { href: `#/${name}`, "aria-current": name === now ? "page" : null }, t(name)))),
      h("span", { class: "grow" }), languageChoice(),
      h("span", { class: "user" }, user.displayName || user.name),
      h("button", { type: "button", onclick: logout }, t("logout"))),
    h("main", {}, pages[now]()));
  document.title = `${t(now)} · Causeway`;
}

function alone(page) {
  fill(app, h("header", { class: "top" }, h("strong", {}, "Causeway"), h("span", { class: "grow" }), languageChoice()), page(show));
}

async function show() {
  try {
    if (!user) {
      const config = await get("/system/config");
      if (!config["system.initialized"]) return alone(init);
      try {
        user = await get("/user/info");
      } catch (error) {
        if (error.status === 401) return alone(login);
        throw error;
      }
    }
    shell();
  } catch (error) {
    fill(app, h("main", { class: "narrow" }, h("p", { class: "error" }, error.message),
      h("button", { type: "button", onclick: show }, t("again"))));
  }
}

whenLoginRequired(() => {
  // While somebody is at work: back to the login, and then to the same page.
  if (user) {
    user = null;
    alone(login);
  }
});
window.addEventListener("hashchange", () => {
  clearNotes();
  if (user) shell();
});
await loadWords();
await show();
