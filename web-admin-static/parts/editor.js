// The drawer that an object is made or changed in: draft, form, guard against losing what was typed, conflicts.

import { ApiError } from "../api.js";
import { fill, h } from "../dom.js";
import { resolve } from "./conflict.js";
import { dialog, question } from "./dialog.js";
import { ANSWERED, Draft, same, tidy } from "./draft.js";
import { form } from "./form.js";
import { previewed } from "./preview.js";
import { t } from "./i18n.js";
import { note, noteSaved } from "./notes.js";
import { askBeforeLeaving } from "./router.js";

/** Asks before something typed is thrown away; true at once when nothing is. */
async function mayThrowAway(draft) {
  if (!draft.dirty) return true;
  return question(t("unsaved.title"), t("unsaved.text"), { yes: t("unsaved.leave"), no: t("unsaved.stay"), danger: true });
}

/**
 * kind: {words, resource, fields(draft, more, isNew), prepare?(value), secret?}; object: null for a new one, with `blank` to begin with.
 * saved(answer) is told after a save, closed() when the drawer is gone.
 */
export function edit(kind, object, blank, more, { saved, closed, readOnly = false }) {
  const isNew = object === null;
  const title = t(isNew ? `${kind.words}.new` : `${kind.words}.edit`, { name: object?.name });
  let draft;
  let close;
  const place = h("div", { class: "drawer-body" });

  const prepared = () => Object.fromEntries(Object.entries((kind.prepare ?? ((value) => value))(tidy(draft.value))).filter(([key]) => !ANSWERED.includes(key)));

  async function send() {
    const value = prepared();
    return isNew ? kind.resource.create(value) : kind.resource.replace(object.name, value);
  }

  async function submit() {
    const answer = await send();
    draft.base = draft.value;
    draft.problems.clear();
    close();
    noteSaved(answer);
    saved(answer);
  }

  // A stale version: read theirs, let the person choose, go on in the same form.
  async function failed(error) {
    if (isNew || !(error instanceof ApiError) || error.code !== "stale_version") return false;
    const theirs = await kind.resource.read(object.name);
    if (theirs === null) return false;
    const mine = structuredClone(draft.value);
    const content = (value) => Object.fromEntries(Object.entries(value).filter(([key]) => key !== "version" && !ANSWERED.includes(key)));
    if (same(content(theirs), content(mine))) {
      draft.base = draft.value;
      close();
      note(t("conflict.same"));
      saved({ content: theirs });
      return true;
    }
    const merged = await resolve(kind.words, draft.base, mine, theirs);
    if (merged) {
      begin(merged, theirs);
      note(t("conflict.ready"), "warn");
    }
    return true;
  }

  function begin(value, base) {
    draft = new Draft(value, base);
    draft.words = kind.words;
    draft.isNew = isNew;
    draft.watch(() => askBeforeLeaving(draft.dirty ? () => mayThrowAway(draft) : null));
    // Who may not change it can still look at all of it.
    if (readOnly) return fill(place, h("form", {}, h("div", { class: "fields", role: "group", tabindex: "0", "aria-label": title }, h("fieldset", { disabled: true }, kind.fields(draft, more, isNew))), h("div", { class: "foot" }, h("p", { class: "hint" }, t("readOnly")), h("button", { type: "button", onclick: () => close() }, t("close")))));
    fill(place, form(kind.fields(draft, more, isNew), {
      draft, submit, failed, label: t(isNew ? "create" : "save"), cancel: () => tryClose(), check: () => kind.check?.(draft) ?? [],
      extra: kind.resource.preview && ((attempt) => {
        const button = h("button", { type: "button", onclick: () => attempt(button, async () => previewed(await kind.resource.preview(prepared(), object?.name))) }, t("preview"));
        return button;
      }),
    }));
  }

  let tryClose;
  ({ close } = dialog(title, (shut, tried) => {
    close = shut;
    tryClose = tried;
    begin(object ?? blank, object ?? blank);
    // A copy that was never saved is something to lose, an empty form is not.
    return place;
  }, {
    kind: "drawer", mayClose: () => mayThrowAway(draft), closed: () => {
      askBeforeLeaving(null);
      closed();
    },
  }));
  return { close };
}
