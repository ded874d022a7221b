// The list of incidents: the form that takes one on is loaded into a dialog, and the row changes in its place.
(() => {
  "use strict";
  const dialog = document.getElementById("acknowledge-dialog");
  if (!dialog) return;

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target.id === "acknowledge-body" && !dialog.open) dialog.showModal();
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
    if (dialog.contains(elt) && xhr.status >= 200 && xhr.status < 300) dialog.close();
  });
})();
