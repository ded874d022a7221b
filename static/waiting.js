// What is seen while a part of the page is loaded anew, and when that did not work: what is there stays.
//
// After 300 ms the part is [aria-busy]: dimmed, with a line above it. When the answer is an error, a notice before the
// part says what failed and from when what is seen is, and asks again. [data-quiet]: loads by itself, and is not dimmed.
(() => {
  "use strict";
  const SHOWN_AFTER_MS = 300;
  const page = window.podhealthPage;
  const coming = new WeakMap(); // request → the timer of its part
  const goodAt = new WeakMap(); // part → when it was loaded last
  const openedAt = page.now();

  const settle = ({ xhr, target }) => {
    clearTimeout(coming.get(xhr));
    target.removeAttribute("aria-busy");
  };

  document.addEventListener("htmx:beforeSend", ({ detail: { elt, target, xhr } }) => {
    if (elt.closest("[data-quiet]") || /^(every|load)/.test(elt.getAttribute("hx-trigger") ?? "")) return;
    coming.set(xhr, setTimeout(() => target.setAttribute("aria-busy", "true"), SHOWN_AFTER_MS));
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => settle(detail));

  // The line of an error

  const lineOf = (part) => (part.id ? document.getElementById(`${part.id}-failed`) : null);

  const what = ({ xhr, requestConfig: { verb } }) => {
    const done = verb === "get" ? "loaded" : "done";
    if (!xhr.status) return `The server did not answer${verb === "get" ? "" : ". Whether it was done is not known; asked again, it is done once"}.`;
    const id = xhr.getResponseHeader("X-Request-Id");
    const why = { 403: "you may not, or the page is too old", 404: "it is not there any more", 429: "too many tries" }[xhr.status];
    return `That could not be ${done}: ${why ?? "something broke"} (error ${xhr.status}${id ? `, request ${id}` : ""}).`;
  };

  const ask = ({ elt, requestConfig: { path, verb } }) => window.htmx.ajax(verb, path, { source: elt });

  const say = (detail) => {
    const { target: part, elt, requestConfig } = detail;
    settle(detail);
    const canStand = requestConfig.verb === "get" && part.id && part.closest("main") && !part.closest("dialog, table, ul, ol");
    if (!canStand) {
      page.toast(what(detail), "unhealthy");
      return;
    }
    lineOf(part)?.remove();
    const line = document.createElement("div");
    line.id = `${part.id}-failed`;
    line.className = "notice is-degraded";
    line.setAttribute("role", "alert");
    line.innerHTML = '<svg class="icon" aria-hidden="true"><use href="#i-degraded"></use></svg><p></p><button class="btn btn-small" type="button">Try again</button>';
    const moment = new Date(goodAt.get(part) ?? openedAt);
    const since = document.createElement("time");
    since.dateTime = moment.toISOString();
    since.dataset.t = "clock";
    line.querySelector("p").append(`${what(detail)} What you see is from `, since, ".");
    line.querySelector("button").addEventListener("click", () => elt.isConnected ? ask(detail) : location.reload());
    part.before(line);
    page.tellTimes(line);
  };

  document.addEventListener("htmx:responseError", ({ detail }) => say(detail));
  document.addEventListener("htmx:sendError", ({ detail }) => say(detail));
  document.addEventListener("htmx:timeout", ({ detail }) => say(detail));

  document.addEventListener("htmx:afterSwap", ({ detail: { target, xhr } }) => {
    const part = target.isConnected || !target.id ? target : document.getElementById(target.id);
    if (!part || xhr.status >= 400) return;
    goodAt.set(part, page.now());
    lineOf(part)?.remove();
  });

  // On paper stands when it was printed: what is on it grows old.
  addEventListener("beforeprint", () => {
    for (const line of document.querySelectorAll("[data-printed]")) line.textContent = `Printed ${page.fullText(page.now())}.`;
  });
})();
