// The ladder of the policy form without a round trip: its buttons add, remove and move steps, and say what they did.
// Without this file the same buttons send the form to /policies/preview, which answers it rearranged.
(() => {
  "use strict";
  const MAX_STEPS = 10;

  const list = () => document.getElementById("steps");
  const steps = () => [...list().children];
  const button = (step, what) => step.querySelector(`[name="arrange"][value^="${what}-"]`);
  const actionOf = (step) => step.querySelector("select").selectedOptions[0].textContent;

  // Fields are named by their step's place; "N" stands for it in the template.
  const renumber = () => {
    const all = steps();
    all.forEach((step, place) => {
      step.querySelector("legend").textContent = `Step ${place + 1}`;
      for (const element of step.querySelectorAll("*")) {
        for (const name of ["id", "name", "for", "aria-describedby"]) {
          const value = element.getAttribute(name);
          if (value) element.setAttribute(name, value.replace(/steps-(\d+|N)-/g, `steps-${place}-`));
        }
      }
      for (const tool of step.querySelectorAll('[name="arrange"]')) tool.value = tool.value.replace(/(\d+|N)$/, place);
      setIdle(button(step, "up"), place === 0);
      setIdle(button(step, "down"), place === all.length - 1);
    });
  };

  const setIdle = (tool, isIdle) => {
    if (isIdle) tool.setAttribute("aria-disabled", "true");
    else tool.removeAttribute("aria-disabled");
  };

  const say = (text) => {
    document.getElementById("step-news").textContent = text;
  };

  const add = () => {
    if (steps().length >= MAX_STEPS) {
      say(`A ladder has at most ${MAX_STEPS} steps.`);
      return;
    }
    list().append(document.getElementById("step-template").content.firstElementChild.cloneNode(true));
    renumber();
    const step = steps().at(-1);
    step.querySelector("select").focus();
    say(`Step ${steps().length} added.`);
  };

  const remove = (step) => {
    const action = actionOf(step);
    const place = steps().indexOf(step);
    step.remove();
    renumber();
    const next = steps()[Math.min(place, steps().length - 1)];
    (next ? button(next, "remove") : document.querySelector('[name="arrange"][value="add"]')).focus();
    say(`${action} removed; ${steps().length} left.`);
  };

  const move = (step, what) => {
    const other = what === "up" ? step.previousElementSibling : step.nextElementSibling;
    if (!other) return;
    if (what === "up") other.before(step);
    else other.after(step);
    renumber();
    button(step, what).focus();
    say(`${actionOf(step)} is now step ${steps().indexOf(step) + 1} of ${steps().length}.`);
  };

  document.addEventListener("click", (event) => {
    const tool = event.target.closest('[name="arrange"]');
    if (!tool || !list()) return;
    event.preventDefault();
    const what = tool.value.split("-")[0];
    if (what === "add") add();
    else if (what === "remove") remove(tool.closest(".step"));
    else move(tool.closest(".step"), what);
    list().dispatchEvent(new Event("input", { bubbles: true })); // the sentence follows
  });
})();
