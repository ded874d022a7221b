// What a person has in hand, and no push may take: the element in focus or under a pressed pointer, a form that is
// being filled in, an open dialog or <details>, selected text. What is kept from an element waits (live-swap.js).
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const OPEN = "dialog[open], details[open]:not([data-live-inside]), [data-in-hand]";
  let pressed = null;

  const isChanged = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue;
  };

  live.isBeingFilledIn = (form) => form.contains(document.activeElement) || [...form.elements].some(isChanged);

  // What is in hand at this moment, as a question to ask of many elements: to ask the browser for the selection or the
  // focus after each change of the page would lay it out anew each time.
  live.hands = () => {
    const focused = document.activeElement === document.body ? null : document.activeElement;
    const selection = document.getSelection();
    const selected = selection && selection.rangeCount && !selection.isCollapsed ? selection.getRangeAt(0) : null;
    return (element) => {
      if (focused && element.contains(focused)) return true;
      if (pressed && element.contains(pressed)) return true;
      if (selected && selected.intersectsNode(element)) return true;
      if (element.closest(OPEN) || element.querySelector(OPEN)) return true;
      return [element.closest("form"), ...element.querySelectorAll("form")].some((form) => form && live.isBeingFilledIn(form));
    };
  };

  live.isHeld = (element) => live.hands()(element);

  // Calls back soon after something may have been let go.
  live.onRelease = (callback) => {
    let isComing = false;
    const soon = () => {
      if (isComing) return;
      isComing = true;
      setTimeout(() => {
        isComing = false;
        callback();
      }, 0);
    };
    for (const name of ["focusout", "close", "toggle", "reset", "selectionchange"]) document.addEventListener(name, soon, true);
    document.addEventListener("pointerdown", ({ target }) => (pressed = target), true);
    for (const name of ["pointerup", "pointercancel", "dragend"]) {
      document.addEventListener(name, () => {
        // The click comes after this: it must still find what was pressed.
        setTimeout(() => {
          pressed = null;
          soon();
        }, 0);
      }, true);
    }
  };
})();
