// Runs before anything is drawn, so that a page in the dark does not flash white: the theme that was chosen, or the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("causeway.theme");
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
