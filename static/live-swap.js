// Puts fragments in place by their id: the newest of each only, in small pieces of work, at most one a picture of the
// screen, so that a thousand changes leave the page able to answer a click. What stands on every page goes first.
//
// live.put(id, html): html null takes the element away.   live.waiting(): how many changes wait for a person's hands.
// It tells others: document event "podhealth:swapped" (detail: the new element, or the body where there are several).
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  // Laying out a table of 200 rows takes about as long again, however few of them changed: together well under 100 ms.
  const PIECE_MS = 16;
  const SHOWN_MS = 1000;

  const queue = new Map(); // id → html: arrived, not yet in place
  const waiting = new Map(); // the same: kept from a person's hands
  const pushed = new WeakMap(); // element → the html it was made of
  let isComing = false;

  live.isPaused = false;
  live.waiting = () => waiting.size;

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };

  live.idOf = (html) => html.match(/^\s*<[a-z0-9]+\s[^>]*?\bid="([^"]+)"/)?.[1] ?? parsed(html)?.id;

  const isOfThePage = (element) => !!element.closest("main");

  live.put = (id, html) => {
    const old = document.getElementById(id);
    if (!old || (document.hidden && isOfThePage(old) && !old.hasAttribute("data-always"))) return;
    waiting.delete(id);
    queue.set(id, html);
    come();
  };

  // A part was loaded anew: what waited for its place in it is older.
  live.forgetIn = (part) => {
    for (const later of [waiting, queue]) for (const id of later.keys()) if (part.contains(document.getElementById(id))) later.delete(id);
  };

  live.retry = () => {
    for (const [id, html] of waiting) queue.set(id, html);
    waiting.clear();
    if (queue.size) come();
    else live.say();
  };

  const come = () => {
    if (isComing) return;
    isComing = true;
    if (document.hidden) setTimeout(work, 0);
    else requestAnimationFrame(work);
  };

  // A tab that is hidden takes no more pictures: what was to come with the next one comes at once.
  document.addEventListener("visibilitychange", () => queue.size && setTimeout(work, 0));

  const swap = (id, html, isHeld) => {
    const old = document.getElementById(id);
    if (!old || pushed.get(old) === html) return null;
    if (live.isPaused || isHeld(old)) {
      waiting.set(id, html);
      return null;
    }
    if (html === null) {
      old.remove();
      return document.body;
    }
    const fresh = parsed(html);
    pushed.set(fresh, html);
    fresh.classList.add("is-changed");
    old.replaceWith(fresh);
    if (window.htmx && html.includes("hx-")) window.htmx.process(fresh);
    return fresh;
  };

  // Asked of the event: to ask the window would lay the page out anew before each piece of work.
  let isScrolled = window.scrollY > 0;
  window.addEventListener("scroll", () => (isScrolled = window.scrollY > 0), { passive: true });

  // Nothing moves under the eyes: what stands at the top of the window stays where it is, whatever grew above it.
  const holdStill = () => {
    if (!isScrolled) return () => {};
    const seen = document.elementsFromPoint(window.innerWidth / 2, 96).find((element) => element.closest("main [id]"));
    const id = seen?.closest("[id]").id;
    const top = id && document.getElementById(id).getBoundingClientRect().top;
    return () => {
      const now = id && document.getElementById(id)?.getBoundingClientRect().top;
      if (Number.isFinite(now) && Math.abs(now - top) >= 1) window.scrollBy({ top: now - top, behavior: "instant" });
    };
  };

  const inOrder = () => {
    const ids = [...queue.keys()];
    const isFirst = (id) => !isOfThePage(document.getElementById(id) ?? document.body);
    return ids.length === 1 ? ids : [...ids.filter(isFirst), ...ids.filter((id) => !isFirst(id))];
  };

  const work = () => {
    isComing = false;
    const settle = holdStill();
    const isHeld = live.hands();
    const begun = performance.now();
    const swapped = [];
    for (const id of inOrder()) {
      const html = queue.get(id);
      queue.delete(id);
      const fresh = swap(id, html, isHeld);
      if (fresh) swapped.push(fresh);
      if (performance.now() - begun > PIECE_MS) break;
    }
    settle();
    if (swapped.length) {
      setTimeout(() => swapped.forEach((fresh) => fresh.classList.remove("is-changed")), SHOWN_MS);
      live.tellSwapped(swapped.length === 1 ? swapped[0] : document.body);
    }
    if (queue.size) come();
    live.say();
  };

  live.tellSwapped = (detail) => document.dispatchEvent(new CustomEvent("podhealth:swapped", { detail }));
})();
