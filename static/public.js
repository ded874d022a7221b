// The status page asks for itself (hx-trigger in the page) while it is looked at; its icon follows what it says.
(() => {
  "use strict";
  const ICONS = { down: "unhealthy", slow: "degraded", unknown: "degraded" };
  document.addEventListener("htmx:beforeRequest", (event) => {
    const open = event.detail.target.querySelector("details[open]");
    if (document.hidden || open) event.preventDefault();
  });
  document.addEventListener("htmx:afterSettle", () => {
    const icon = document.querySelector('link[rel="icon"]');
    const word = ICONS[document.getElementById("main").dataset.sign] || "healthy";
    const headline = document.querySelector(".headline span").textContent;
    document.title = document.title.replace(/^.* · /, `${headline} · `);
    icon.href = icon.getAttribute("href").replace(/favicon-[a-z]+\.svg.*/, `favicon-${word}.svg`);
  });
})();
