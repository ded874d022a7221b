// A run that is refused for now says why beside its button, instead of in a toast.
(() => {
  "use strict";
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.status !== 429 || detail.xhr.getResponseHeader("HX-Retarget") !== "#runs-said") return;
    detail.shouldSwap = true;
    detail.isError = false;
  });
})();
