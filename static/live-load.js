// Loads parts of the page anew from its own address: lists where too much was missed to be sent, sections that differ
// between viewers, and what grows old by itself. What a person has in hand waits and is asked for again then.
//
//   [data-live-part][id]      what is loaded when too much was missed (default: main).
//   [data-stale-at="…Z"][id]  loaded when that moment has come, such as the end of a hold.
//   [data-renew-s="900"][id]  what is live in it is loaded when it is that old, each in its place: the edge of strips.
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const EVERY_MS = 2000;
  const AFTER_TROUBLE_MS = 5000;
  const LONGEST_MS = 20000;
  const ASKED_AGAIN_MS = 30000;

  const wanted = new Set(); // ids
  const renewing = new Set(); // ids of what is to stay as it is, but for the live parts in it
  let isBusy = false;
  let notBefore = 0;
  let timer = null;
  const asked = new Map(); // id → when it was loaded because it was old
  const openedAt = performance.now();

  live.isLoadWaiting = () => wanted.size > 0;
  const isDue = () => wanted.size + renewing.size > 0;

  const allParts = () => {
    const here = [...document.querySelectorAll("[data-live-part][id]")];
    const head = [...document.querySelectorAll("[data-part][id]")].filter((part) => !part.closest("main"));
    return [...head, ...(here.length ? here : document.querySelectorAll("main"))];
  };

  // ids null: all parts. within: spread over that many ms, so that not all pages of a tenant come in one moment.
  live.load = (ids, within = 0) => {
    for (const id of ids ?? allParts().map((part) => part.id)) wanted.add(id);
    notBefore = Math.max(notBefore, performance.now() + Math.random() * within);
    come();
  };

  const come = () => {
    if (timer !== null || !isDue()) return;
    timer = setTimeout(() => {
      timer = null;
      run();
    }, Math.max(0, notBefore - performance.now()));
  };

  const run = async () => {
    if (isBusy || document.hidden || live.isPaused || !isDue()) return;
    for (const id of wanted) if (!document.getElementById(id)) wanted.delete(id);
    const parts = [...wanted].map((id) => document.getElementById(id)).filter((part) => !live.isHeld(part));
    if (!parts.length && !renewing.size) {
      live.say();
      return;
    }
    isBusy = true;
    const page = await ask().catch(() => null); // an answer that broke off is none
    isBusy = false;
    notBefore = performance.now() + (page ? EVERY_MS : AFTER_TROUBLE_MS);
    if (page) take(page, parts);
    live.say();
    come();
  };

  const ask = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-By-Itself": "1" }, signal: AbortSignal.timeout(LONGEST_MS) });
    if (!answer.ok) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("live-beat")) return page;
    live.endAccess(""); // we were led to sign in
    return null;
  };

  const take = (page, parts) => {
    for (const part of parts) {
      if (!part.isConnected || live.isHeld(part)) continue; // taken in hand meanwhile
      const fresh = page.getElementById(part.id);
      wanted.delete(part.id);
      if (!fresh) continue;
      live.forgetIn(part);
      const own = document.adoptNode(fresh);
      part.replaceWith(own);
      if (window.htmx) window.htmx.process(own);
    }
    for (const old of document.querySelectorAll([...renewing].map((id) => `#${CSS.escape(id)} [data-part][id]`).join(",") || ":not(*)")) {
      const fresh = page.getElementById(old.id);
      if (fresh) live.put(old.id, fresh.outerHTML);
    }
    renewing.clear();
    live.tellSwapped(document.body);
    // The page says how far it had come before it read: what was pushed meanwhile is asked for once more.
    live.goBackTo(Number(page.getElementById("live-beat").dataset.seq));
  };

  live.retryLoad = () => live.isLoadWaiting() && come();

  const isOld = (part) => {
    const last = asked.get(part.id) ?? openedAt;
    if (part.dataset.staleAt) {
      return Date.parse(part.dataset.staleAt) <= window.podhealthNow() && performance.now() - (asked.get(part.id) ?? -Infinity) > ASKED_AGAIN_MS;
    }
    return performance.now() - last > Number(part.dataset.renewS) * 1000;
  };

  setInterval(() => {
    if (document.hidden || live.isPaused || document.documentElement.dataset.live !== "live") return;
    const old = [...document.querySelectorAll("[data-stale-at][id], [data-renew-s][id]")].filter(isOld);
    for (const { id, dataset } of old) {
      asked.set(id, performance.now());
      if (!dataset.staleAt) renewing.add(id);
    }
    if (old.length) live.load(old.filter(({ dataset }) => dataset.staleAt).map(({ id }) => id), EVERY_MS);
  }, 1000);
})();
