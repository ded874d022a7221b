// The operator's page asks for itself every few seconds (hx-trigger in the page); what somebody is reading or has open
// is left as it is until they are done.
(() => {
  "use strict";
  const isInHand = (part) => {
    const selection = document.getSelection();
    return part.querySelector("details[open]") || part.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && selection.containsNode(part, true));
  };
  for (const moment of ["htmx:beforeRequest", "htmx:beforeSwap"]) {
    document.addEventListener(moment, (event) => {
      if (event.detail.target?.id === "ops-view" && (document.hidden || isInHand(event.detail.target))) event.preventDefault();
    });
  }
})();
