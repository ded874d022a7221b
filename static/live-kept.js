// Typed text outlives the session: when access ends, and when a form is sent, what stands in its fields is kept in this
// tab until the form has gone through. Back on the page after signing in, it is there again. Never passwords or codes.
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const KEY = "podhealth-typed";
  const SECRET = /password|secret|token|code|otp/i;
  const whose = () => document.querySelector("#live-beat")?.dataset.whose ?? document.querySelector(".tenant")?.textContent ?? "";

  const isKept = (field) =>
    field.name && !field.disabled && !["password", "hidden", "file", "submit", "button"].includes(field.type) && field.tagName !== "BUTTON" &&
    field.tagName !== "FIELDSET" && !SECRET.test(`${field.name} ${field.id} ${field.autocomplete}`) && !field.closest("[data-not-kept]");

  const placeOf = (form) => form.id || new URL(form.action, location.href).pathname;

  const valuesOf = (form) => [...form.elements].filter(isKept).map((field) =>
    [field.name, field.type === "checkbox" || field.type === "radio" ? [field.value, field.checked] : field.value]);

  const storage = (change) => {
    try {
      const stored = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
      const typed = stored?.of === whose() ? stored : { of: whose(), forms: {} };
      const answer = change(typed.forms);
      if (Object.keys(typed.forms).length) sessionStorage.setItem(KEY, JSON.stringify(typed));
      else sessionStorage.removeItem(KEY);
      return answer;
    } catch {
      return undefined; // storage is switched off: nothing is kept
    }
  };

  const keep = (form) => {
    if (form.method !== "post" || !form.elements.length) return;
    const values = valuesOf(form);
    if (values.length) storage((forms) => (forms[`${location.pathname} ${placeOf(form)}`] = values));
  };

  // Every form that somebody has begun to fill in.
  live.keepTyped = () => [...document.forms].filter(live.isBeingFilledIn).forEach(keep);

  const fill = (form, values) => {
    for (const [name, value] of values) {
      for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
        if (!Array.isArray(value)) field.value = value;
        else if (field.value === value[0]) field.checked = value[1];
      }
    }
    form.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const giveBack = (forms) => {
    let isBack = false;
    for (const form of document.forms) {
      const key = `${location.pathname} ${placeOf(form)}`;
      if (!forms[key]) continue;
      fill(form, forms[key]);
      delete forms[key];
      isBack = true;
    }
    return isBack;
  };

  document.addEventListener("submit", ({ target }) => {
    if (new URL(target.action, location.href).pathname === "/sign-out") sessionStorage.removeItem(KEY);
    else keep(target);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const form = detail.elt.closest?.("form");
    if (form && detail.successful) storage((forms) => delete forms[`${location.pathname} ${placeOf(form)}`]);
  });

  // Whoever comes from signing in gets it back; from anywhere else, what was sent has gone through.
  const came = document.referrer && new URL(document.referrer);
  const isFromSignIn = came && came.origin === location.origin && /^\/(sign-in|two-factor|reset|sign-in\/)/.test(came.pathname);
  if (isFromSignIn) {
    const isBack = storage(giveBack);
    if (isBack) live.isTypedBack = true;
  } else {
    storage((forms) => Object.keys(forms).forEach((key) => delete forms[key]));
  }
})();
