// What stands around every page: navigation, the state of the workers, language, theme, account.

import { fill, h } from "../dom.js";
import { allowed, groups } from "../pages/index.js";
import changePassword from "../pages/password.js";
import { icon } from "./icons.js";
import { choose, language, languages, t } from "./i18n.js";
import { liveState } from "./live.js";
import { menu } from "./menu.js";
import { config } from "./session.js";
import { nextTheme, theme } from "./theme.js";

function languageChoice(redraw) {
  const other = Object.keys(languages).find((each) => each !== language);
  return h("button", { type: "button", class: "tool text", lang: other, onclick: async () => { await choose(other); redraw(); } }, languages[other]);
}

function themeChoice() {
  const button = h("button", { type: "button", class: "tool" });
  const draw = () => {
    const now = theme();
    fill(button, icon({ light: "sun", dark: "moon", system: "screen" }[now]));
    button.title = t(`theme.${now}`);
    button.setAttribute("aria-label", t("theme", { now: t(`theme.${now}`) }));
  };
  button.addEventListener("click", () => { nextTheme(); draw(); });
  draw();
  return button;
}

const brand = () => h("a", { class: "brand", href: "#/" }, h("img", { src: "/favicon.svg", alt: "", width: 24, height: 24 }), "Causeway");

/** Pages that stand alone: set-up and login. */
export function alone(app, title, content, redraw) {
  fill(app, h("header", { class: "top alone" }, brand(), h("span", { class: "grow" }), languageChoice(redraw), themeChoice()), h("main", { class: "narrow" }, content));
  document.title = `${title} · Causeway`;
  app.querySelector("[autofocus], input")?.focus();
}

/** A page for anybody, as wide as one of the console. */
export function open(app, title, content, redraw) {
  const main = h("main", { id: "main", tabindex: "-1" }, content);
  fill(app, h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("skip")),
    h("header", { class: "top alone" }, h("a", { class: "brand", href: "/" }, h("img", { src: "/favicon.svg", alt: "", width: 24, height: 24 }), "Causeway"), h("span", { class: "grow" }), languageChoice(redraw), themeChoice()), h("div", { class: "middle" }, main));
  document.title = `${title} · Causeway`;
}

/** The frame; `show(name, element)` puts a page into it. */
export function frame(app, user, { logout, redraw }) {
  const links = new Map();
  const nav = h("nav", { id: "nav", "aria-label": t("menu") }, groups.map(([title, all]) => [title, all.filter(allowed)]).filter(([, names]) => names.length).map(([title, names]) => h("div", { class: "group" }, title && h("h2", {}, t(title)),
    h("ul", {}, names.map((name) => {
      const link = h("a", { href: `#/${name}` }, icon(name), h("span", {}, t(name)));
      links.set(name, link);
      return h("li", {}, link);
    })))), h("div", { class: "group" }, h("h2", {}, t("group.help")), h("ul", {}, h("li", {}, h("a", { href: "/docs" }, icon("reference"), h("span", {}, t("reference")))))));
  const main = h("main", { id: "main", tabindex: "-1" });
  const shell = h("div", { class: "shell" });
  const opener = h("button", { type: "button", class: "tool opener", "aria-label": t("menu"), "aria-expanded": "false", "aria-controls": "nav", onclick: () => toggle() }, icon("menu"));
  const toggle = (open = !shell.classList.contains("open")) => {
    shell.classList.toggle("open", open);
    opener.setAttribute("aria-expanded", String(open));
    if (open) links.values().next().value.focus();
  };
  nav.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shell.classList.contains("open")) {
      toggle(false);
      opener.focus();
    }
  });
  append(shell);

  function append(place) {
    fill(place,
      h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("skip")),
      h("header", { class: "top" }, opener, brand(), h("span", { class: "grow" }), liveState(), languageChoice(redraw), themeChoice(),
        menu(h("span", { class: "account" }, icon("users"), h("span", { class: "user" }, user.displayName || user.name)), t("account", { name: user.displayName || user.name }), [
          !config["admin.password-change.disabled"] && [t("password.title"), () => changePassword(user)],
          [t("logout"), logout],
        ].filter(Boolean))),
      nav, h("div", { class: "veil", onclick: () => toggle(false) }), main);
  }

  fill(app, shell);
  let first = true;
  return {
    show(name, element) {
      toggle(false);
      for (const [each, link] of links) {
        if (each === name) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      fill(main, element);
      document.title = `${t(name)} · Causeway`;
      window.scrollTo(0, 0);
      // Screen readers hear where they are; at the very start the address bar keeps the focus.
      if (!first) (element.querySelector("h1") ?? main).focus({ preventScroll: true });
      first = false;
    },
  };
}
