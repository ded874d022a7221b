// The heal log: a row opens in place. Without this file its link leads to the heal's own page.
(() => {
  "use strict";

  const opened = (id) => document.getElementById(`heal-open-${id}`);

  const close = (link, id) => {
    opened(id).remove();
    link.setAttribute("aria-expanded", "false");
  };

  const open = (link, id) => {
    const row = link.closest("tr");
    const fresh = document.createElement("tr");
    fresh.id = `heal-open-${id}`;
    fresh.className = "heal-open";
    const cell = document.createElement("td");
    cell.colSpan = row.cells.length;
    fresh.append(cell);
    row.after(fresh);
    link.setAttribute("aria-expanded", "true");
    htmx.ajax("GET", link.getAttribute("href"), { target: cell, swap: "innerHTML" });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-heal]");
    if (!link || !window.htmx || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const id = link.dataset.heal;
    if (opened(id)) close(link, id);
    else open(link, id);
  });

  // A row that was put in place anew still says whether it is open.
  document.addEventListener("podhealth:swapped", ({ detail }) => {
    for (const link of detail.querySelectorAll?.("a[data-heal]") ?? []) {
      if (opened(link.dataset.heal)) link.setAttribute("aria-expanded", "true");
    }
  });
})();
