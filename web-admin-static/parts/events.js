// What somebody else, or a worker, has changed: told by the control plane as it happens (`GET /v1/events`). One connection a tab, and none
// while the tab is hidden: browsers have few to one host. Where it cannot be opened, the version that workers serve is watched instead
// (parts/live.js), which is asked for every few seconds anyhow.

const KINDS = ["version", "worker", "certificate", "audit"];
const AGAIN = 30_000;
/** Changes in quick succession are one; an action that takes long is called less often. */
const PAUSE = 250;
const SHARE = 4;

const listeners = new Set();
let source = null;
let open = false;
let wanted = false;
let timer = null;

/** Whether events come; else whoever needs to know must ask. */
export const told = () => open;

/** Calls `action` after something of these kinds has happened, for as long as `element` is in the document. */
export function whenChanged(element, kinds, action) {
  let waiting = null;
  let running = false;
  let more = false;
  let pause = PAUSE;

  async function run() {
    waiting = null;
    if (!element.isConnected) return;
    running = true;
    const start = performance.now();
    await action();
    pause = Math.max(PAUSE, (performance.now() - start) * SHARE);
    running = false;
    if (more) soon();
    more = false;
  }

  function soon() {
    if (running) more = true;
    else waiting ??= setTimeout(run, pause);
  }

  const listener = (kind) => {
    if (!element.isConnected) listeners.delete(listener);
    else if (kind === "reset" || kinds.includes(kind)) soon();
  };
  listeners.add(listener);
}

/** Something of that kind has happened; "reset": something may have. */
export function happened(kind) {
  for (const listener of [...listeners]) listener(kind);
}

function connect() {
  clearTimeout(timer);
  if (!wanted || source || document.hidden) return;
  source = new EventSource("/v1/events");
  // A new connection is not told what happened before it, since what is shown was asked for; one that the browser opens again says where it was.
  let fresh = true;
  source.onopen = () => {
    open = true;
    if (fresh) happened("reset");
    fresh = false;
  };
  source.onerror = () => {
    open = false;
    // Else the browser tries again by itself, and says which event it saw last.
    if (source?.readyState !== EventSource.CLOSED) return;
    disconnect();
    timer = setTimeout(connect, AGAIN);
  };
  for (const kind of [...KINDS, "reset"]) source.addEventListener(kind, () => happened(kind));
}

function disconnect() {
  clearTimeout(timer);
  source?.close();
  source = null;
  open = false;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return disconnect();
  connect();
});

/** Begins to listen, as the one who has logged in. */
export function listen() {
  wanted = true;
  connect();
}

/** Ends it: at logout. */
export function fallSilent() {
  wanted = false;
  disconnect();
}
