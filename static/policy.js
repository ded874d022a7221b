// The policy form without a round trip: the ladder's buttons add, remove and move steps, and say what they did; what is
// refused stands beside a field as soon as somebody leaves it; a replay can be cancelled.
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

  // The ladder's two views are one thing: who changes to the other finds there what the first one says.

  document.addEventListener("change", (event) => {
    if (event.target.name !== "ladder" || !window.htmx) return;
    const form = event.target.form;
    const asked = htmx.ajax("POST", "/policies/preview", {
      source: form,
      values: { arrange: event.target.value === "steps" ? "as-steps" : "as-fields" },
      target: "#policy-ladder",
      select: "#policy-ladder",
      swap: "outerHTML",
    });
    asked.then(() => list()?.dispatchEvent(new Event("input", { bubbles: true }))); // the sentence follows
  });

  // What is refused: told beside a field that somebody has left, never while they type in it.

  const left = new Set();
  const SVG = "http://www.w3.org/2000/svg";

  const named = (element, id) => (element.getAttribute("aria-describedby") || "").split(" ").filter((one) => one && one !== id);

  const unsay = (field) => {
    const id = `${field.id}-error`;
    document.getElementById(id)?.remove();
    field.removeAttribute("aria-invalid");
    const rest = named(field, id);
    if (rest.length) field.setAttribute("aria-describedby", rest.join(" "));
    else field.removeAttribute("aria-describedby");
  };

  const sayRefused = (field, text) => {
    const id = `${field.id}-error`;
    const line = document.getElementById(id);
    if (line) {
      if (line.lastElementChild.textContent !== text) line.lastElementChild.textContent = text;
      return;
    }
    const fresh = document.createElement("p");
    fresh.className = "field-error";
    fresh.id = id;
    const sign = document.createElementNS(SVG, "svg");
    sign.setAttribute("class", "icon");
    sign.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", "#i-unhealthy");
    sign.append(use);
    const said = document.createElement("span");
    said.textContent = text;
    fresh.append(sign, said);
    (field.closest(".field") || field.parentElement).append(fresh);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [...named(field, id), id].join(" "));
  };

  const tellRefused = () => {
    const list = document.getElementById("policy-errors");
    if (!list) return;
    const refused = new Map([...list.children].map((one) => [one.dataset.for, one.textContent]));
    for (const id of left) {
      const field = document.getElementById(id);
      if (!field) continue;
      const text = refused.get(id);
      if (!text) unsay(field);
      else if (field !== document.activeElement || field.hasAttribute("aria-invalid")) sayRefused(field, text);
    }
  };

  const isAsked = (field) => field.id && field.closest("#policy-fields") && field.matches("input, select, textarea");

  for (const line of document.querySelectorAll("#policy-fields .field-error")) left.add(line.id.replace(/-error$/, ""));
  document.addEventListener("focusout", ({ target }) => {
    if (!isAsked(target) || target.type === "radio" || target.type === "checkbox") return;
    left.add(target.id);
    setTimeout(tellRefused, 0);
  });
  document.addEventListener("htmx:afterSettle", tellRefused);
  document.addEventListener("htmx:oobAfterSwap", tellRefused);

  // Somebody else saved while the form is open: said quietly, and the form is left alone.

  let said = null;
  document.addEventListener("podhealth:swapped", ({ detail }) => {
    const read = document.querySelector('#policy-form [name="version"]');
    const now = detail.id.startsWith("policy-now-") ? detail : detail.querySelector('[id^="policy-now-"]');
    if (!read || !now) return;
    const isNewer = Number(now.dataset.version) > Number(read.value);
    const wasNewer = now.classList.toggle("is-newer", isNewer) && now === said;
    if (isNewer && !wasNewer) say(now.textContent);
    said = now;
  });

  // On a phone the form is a list of sections; those with something refused stay open.

  if (matchMedia("(max-width: 720px)").matches) {
    for (const part of [...document.querySelectorAll("#policy-fields > details")].slice(1)) {
      part.open = !!part.querySelector(".field-error");
    }
  }

  // A replay takes up to some seconds

  document.addEventListener("click", (event) => {
    const canceller = event.target.closest("[data-cancels]");
    if (!canceller) return;
    const asked = document.querySelector(canceller.dataset.cancels);
    asked.focus();
    htmx.trigger(asked, "htmx:abort");
  });
})();
