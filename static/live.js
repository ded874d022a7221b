// Keeps a page true while it is open: one websocket, whole fragments in the feed's order.
//
// What a page brings:
//   #live-beat   data-seq: the feed number read before the page's data; data-now: the server's clock in ms;
//                data-path: the socket's path. Without it the page is not live.
//   [data-part="card-7"]  what is watched; podhealth/live/parts says what there is. Fragments find their place by id.
//                A hidden tab watches what stands outside main only, and what has data-always.
// The other live-*.js stand before this one: what is in hand, swapping, loading, what is said, news, calls, typed text.
// It tells others window.podhealthNow(), the server's clock in ms.
(() => {
  "use strict";
  const beat = document.getElementById("live-beat");
  const live = window.podhealthLive;
  if (!beat || !live || !window.WebSocket) return;

  const SILENT_S = 12;
  const LONGEST_AWAY_MS = 24 * 3600 * 1000;
  const MAX_IDS = 400;
  const ACCESS_ENDED = 4401;
  const SPREAD_MS = 1500; // of the pages that load a list anew at one word of the server

  let seq = Number(beat.dataset.seq); // how far the page has come
  let seqWhenHidden = document.hidden ? seq : null; // how far its fragments had, when it was hidden
  let clockOffset = Number(beat.dataset.now || Date.now()) - Date.now();
  let socket = null;
  let failures = 0;
  let heardAt = performance.now();
  let heardMoment = Date.now(); // goes on while the machine sleeps
  let askedAt = -Infinity;
  let isLeaving = false;
  let isEnded = false;
  let lastWatch = "";

  window.podhealthNow = () => Date.now() + clockOffset;

  const isOpen = () => socket !== null && socket.readyState === WebSocket.OPEN;
  live.isCatchingUp = () => !isOpen() || performance.now() - askedAt < 2000;

  // What the page shows

  const partsShown = () => {
    const shown = {};
    let left = MAX_IDS;
    for (const element of document.querySelectorAll("[data-part]")) {
      const [, name, id] = element.dataset.part.match(/^([a-z_]+)-(\d+)$/) || [];
      const isDropped = document.hidden && element.closest("main") && !element.hasAttribute("data-always");
      if (!name || isDropped || left === 0) continue;
      const ids = (shown[name] ??= new Set());
      if (!ids.has(Number(id))) left -= 1;
      ids.add(Number(id));
    }
    return Object.fromEntries(Object.entries(shown).map(([name, ids]) => [name, [...ids]]));
  };

  const tell = () => {
    const parts = partsShown();
    lastWatch = JSON.stringify(parts);
    if (isOpen()) socket.send(JSON.stringify({ seq, parts }));
  };

  const tellIfChanged = () => JSON.stringify(partsShown()) !== lastWatch && tell();

  live.goBackTo = (reached) => {
    seq = reached;
    if (seqWhenHidden !== null) seqWhenHidden = Math.min(seqWhenHidden, reached);
    askedAt = performance.now();
    tell();
  };

  // What arrives

  const take = (frame) => {
    heardAt = performance.now();
    heardMoment = Date.now();
    clockOffset = frame.now - Date.now();
    if (frame.from > seq && !frame.reload) {
      // Something was missed. One question at a time: until it is answered, other frames show the same gap.
      if (performance.now() - askedAt > 2000) {
        askedAt = performance.now();
        tell();
      }
    } else {
      askedAt = -Infinity;
      seq = Math.max(seq, frame.seq);
      apply(frame);
    }
    live.setOnline();
  };

  const apply = (frame) => {
    for (const html of frame.elements ?? []) {
      const id = live.idOf(html);
      if (id) live.put(id, html);
    }
    for (const id of frame.gone ?? []) live.put(id, null);
    if (frame.list) live.noteListChange();
    // A hidden page asks for what it missed when it is shown.
    if (frame.stale && !document.hidden) live.load(frame.stale);
    if (frame.reload && !document.hidden) live.load(null, SPREAD_MS);
    if (frame.toasts) {
      live.tellNews(frame.toasts);
      live.call(frame.toasts);
    }
  };

  // The socket

  const connect = () => {
    if (isEnded) return;
    const path = beat.dataset.path || "/live";
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      failures = 0;
      askedAt = performance.now();
      if (Date.now() - heardMoment > LONGEST_AWAY_MS) live.load(null);
      tell();
      live.retryLoad();
    };
    socket.onmessage = ({ data }) => take(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      lose();
      if (code === ACCESS_ENDED) live.endAccess(reason);
      else if (!wasOpen) askWhetherSignedIn();
    };
  };

  const lose = () => {
    if (isLeaving || isEnded) return;
    // A dead connection's close can take a minute to be noticed: nobody waits for it.
    socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
    live.setOffline((performance.now() - heardAt) / 1000);
    failures += 1;
    // Full jitter: thousands of pages that lost one server must not come back in one moment.
    const ceiling = Math.min(30, 2 ** failures);
    setTimeout(connect, 1000 * (0.5 + Math.random() * (ceiling - 0.5)));
  };

  const askWhetherSignedIn = async () => {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) live.endAccess("");
  };

  live.endAccess = (why) => {
    if (isEnded) return;
    isEnded = true;
    live.keepTyped();
    live.setEnded(why);
  };

  // What sets it going

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      seqWhenHidden = seq;
    } else if (seqWhenHidden !== null) {
      seq = seqWhenHidden;
      seqWhenHidden = null;
      askedAt = performance.now();
    }
    tell();
    if (!document.hidden) {
      live.retry();
      live.retryLoad();
    }
  });
  document.addEventListener("click", ({ target }) => {
    if (!(target instanceof Element) || !target.closest("#live-chip")) return;
    live.isPaused = !live.isPaused;
    live.retry();
    live.retryLoad();
    live.say();
  });
  live.onRelease(() => {
    if (live.waiting()) live.retry();
    live.retryLoad();
  });
  for (const name of ["htmx:afterSettle", "podhealth:swapped"]) document.addEventListener(name, tellIfChanged);
  document.addEventListener("input", () => isEnded && live.keepTyped());
  window.addEventListener("pagehide", () => (isLeaving = true));
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload(); // back from the browser's cache: as old as when it was left
  });
  setInterval(() => {
    if (isEnded) return;
    const silentS = (performance.now() - heardAt) / 1000;
    if (silentS > SILENT_S && isOpen()) lose();
    if (live.waiting()) live.retry();
    live.say();
  }, 1000);

  live.say();
  connect();
  if (live.isTypedBack) live.tellNews([{ text: "What you typed is in its form again." }]);
})();
