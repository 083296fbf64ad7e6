// The access log as it grows (`GET /v1/access-log/events`): one connection while it is followed, none while the tab is hidden, because
// browsers have few to one host. A connection that is lost begins anew, and is then told the newest lines again.

import { ApiError, call } from "../api.js";

const AGAIN = 3000;
const NAMES = ["line", "gap", "warning"];

/**
 * `on` has begin() before the first event of a connection, line(line), gap(), warning({message}), state("open" | "lost"), and
 * refused(error), after which there is nothing more. The result ends it.
 */
export function tail(query, on) {
  const address = `/v1/access-log/events?${query}`;
  let source = null;
  let timer = null;
  let over = false;

  function connect() {
    if (over || source || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => {
      on.begin();
      on.state("open");
    };
    source.onerror = async () => {
      const refused = source?.readyState === EventSource.CLOSED;
      disconnect();
      on.state("lost");
      if (refused && (await isRefused())) return;
      if (!over) timer = setTimeout(connect, AGAIN);
    };
    for (const name of NAMES) source.addEventListener(name, (event) => on[name](JSON.parse(event.data)));
  }

  /** A browser does not tell why: the list, asked for the same, says what is wrong with it, the events how many follow already. */
  async function isRefused() {
    try {
      await call("GET", `/v1/access-log?${query}`);
      const answer = await fetch(address);
      if (!answer.ok) throw new ApiError(answer.status, await answer.json());
      await answer.body.cancel();
      return false;
    } catch (error) {
      if (!error.status) return false;
      if (!over) on.refused(error);
      return true;
    }
  }

  function disconnect() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function seen() {
    if (document.hidden) disconnect();
    else connect();
  }

  document.addEventListener("visibilitychange", seen);
  connect();
  return () => {
    over = true;
    document.removeEventListener("visibilitychange", seen);
    disconnect();
  };
}
