// Runs before the page is painted: the chosen theme must not flash in late. All else is app.js's.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("podhealth-theme");
    if (chosen === "light" || chosen === "dark") root.dataset.bsTheme = chosen;
  } catch {
    // Storage is switched off in this browser: the system's theme it is.
  }
})();
