// The events of a pod's page. Whoever reads in the middle of them keeps what is read: a push waits, and a line says how
// many events are new, until it is followed or the list is at its top again. Lists of one kind and older pages are not
// pushed; there the line leads to the newest. Without this file the page shows what it was loaded with.
(() => {
  "use strict";
  const live = window.podhealthLive;
  const list = () => document.querySelector("ol.events[data-newest]");
  const line = () => document.querySelector(".events-new");
  // Only the newest of all kinds are pushed.
  const isWhole = (events) => events.hasAttribute("data-part");

  // A place is "moment.rank.id", as the list is in order of them.
  const placeOf = (text) => text.split(".").map(Number);
  const isAfter = (one, other) => {
    const at = [0, 1, 2].find((n) => one[n] !== (other[n] || 0));
    return at !== undefined && one[at] > (other[at] || 0);
  };

  const countNew = (events) => {
    const places = (document.querySelector("[data-places]")?.dataset.places ?? "").trim();
    const newest = placeOf(events.dataset.newest);
    return places.split(" ").filter(Boolean).filter((text) => {
      const [kind, ...place] = text.split(".");
      return (!events.dataset.only || kind === events.dataset.only) && isAfter(place.map(Number), newest);
    }).length;
  };

  const say = () => {
    const events = list();
    if (!events || !line()) return;
    const count = countNew(events);
    const words = `${count === 50 ? "50 or more" : count} new ${count === 1 ? "event" : "events"}`;
    const said = line().querySelector("[data-events-count]");
    if (count && said.textContent !== words) said.textContent = words;
    if (line().hidden !== !count) line().hidden = !count;
    // Older ones begin where this list ends, which a push moves.
    const older = document.querySelector("[data-events-older]");
    if (!older || !events.dataset.next) return;
    const url = new URL(older.href);
    url.searchParams.set("cursor", btoa(events.dataset.next).replaceAll("=", ""));
    if (older.href !== url.href) older.href = url.href;
  };

  const isTopAbove = (events) => events.getBoundingClientRect().top < parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop);

  const release = (events) => {
    events.removeAttribute("data-in-hand");
    live?.retry();
    live?.retryLoad();
  };

  const hold = () => {
    const events = list();
    if (!events || !isWhole(events)) return;
    if (isTopAbove(events)) events.setAttribute("data-in-hand", "");
    else if (events.hasAttribute("data-in-hand")) release(events);
  };

  // Each picture of the screen once, however often the page scrolls in it.
  let isComing = false;
  const holdSoon = () => {
    if (isComing) return;
    isComing = true;
    requestAnimationFrame(() => {
      isComing = false;
      hold();
    });
  };

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest(".events-new a");
    const events = list();
    if (!link || !events || live?.isPaused || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const here = new URL(link.href);
    if (here.pathname + here.search !== location.pathname + location.search) return;
    event.preventDefault();
    for (const open of events.querySelectorAll("details[open]")) open.open = false;
    const part = line().parentElement;
    part.scrollIntoView({ block: "start", behavior: "instant" });
    part.querySelector("h2").focus({ preventScroll: true });
    if (isWhole(events)) release(events);
    else live?.load([events.id]);
  });

  window.addEventListener("scroll", holdSoon, { passive: true });
  window.addEventListener("resize", holdSoon, { passive: true });
  document.addEventListener("podhealth:swapped", () => {
    hold();
    say();
  });
  hold();
})();
