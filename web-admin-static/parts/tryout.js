// One request through the gateway by the control plane (`/v1/try`): begun, told as it happens, written to, and ended.

import { ApiError, call } from "../api.js";
import { t } from "./i18n.js";

const LAST = new Set(["closed", "error"]);
const NAMES = ["open", "services", "headers", "message", "trailers", "status", ...LAST];
/** Members of a message that the page has one field for. */
const WRITTEN = /^(text|json|base64)\b/;

/** Begins; `on(name, data)` is told the API's events, of which `closed` or `error` is the last. Throws what the API refuses. */
export async function begin(request, on) {
  const { content } = await call("POST", "/v1/try", request);
  const path = `/v1/try/${encodeURIComponent(content.id)}`;
  const source = new EventSource(`${path}/events`);
  let over = false;

  function leave() {
    over = true;
    source.close();
  }

  function tell(name, data) {
    if (over) return;
    if (LAST.has(name)) leave();
    on(name, data);
  }

  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      // `open` and `error` are also what the browser tells of its own connection, without data.
      if (event.data !== undefined) tell(name, JSON.parse(event.data));
      // Not again: its events have one reader, and it ends with him.
      else if (name === "error") tell(name, { reason: t("try.lost") });
    });
  }

  return {
    async send(message) {
      try {
        await call("POST", `${path}/messages`, message);
      } catch (error) {
        error.fields = error.fields?.map(([field, words]) => [field.replace(WRITTEN, "message"), words]);
        throw error;
      }
    },
    /** Its last event follows. */
    async end() {
      try {
        await call("DELETE", path);
      } catch (error) {
        // It has ended by itself.
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    },
    /** Without another word: it ends with its reader. */
    leave,
  };
}
