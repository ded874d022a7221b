// Keeps a page true while it is open: one websocket, whole fragments put in place by id, in the feed's order.
//
// What a page brings (all but the first may be missing):
//   #live-beat   data-seq: the feed number read before the page's data; data-now: the server's clock in ms;
//                data-path: the socket's path. Without it the page is not live.
//   #live-chip   a button that says how live the page is, and pauses it.   #live-banner  a line for "offline".
//   #list-drift  hidden; shown when pods came or went.                     #toasts       where news appears.
//   [data-live-part][id]   what is loaded anew when too much was missed (default: main).
//   [hidden][data-drift="heals"][data-newest]  shown when [data-newest-of="heals"] has a larger data-newest;
//                [data-drift-count] in it gets the difference of their data-count.
//   [data-part="card-7"]  what is watched; live/parts says what there is. Fragments are put in place by their id.
// It tells others: document events "podhealth:swapped" (detail: the new element), and window.podhealthNow().
(() => {
  "use strict";
  const beat = document.getElementById("live-beat");
  if (!beat || !window.WebSocket) return;

  const SILENT_S = 12;
  const FADED_S = 60;
  const TOAST_MS = 8000;
  const MAX_TOASTS = 3;
  const MAX_IDS = 400;
  const ACCESS_ENDED = 4401;
  const OPEN = "dialog[open], details[open]:not([data-live-inside])";

  let seq = Number(beat.dataset.seq); // how far the page has come
  let seqWhenHidden = document.hidden ? seq : null; // how far its fragments had, when it was hidden
  let clockOffset = Number(beat.dataset.now || Date.now()) - Date.now();
  let socket = null;
  let failures = 0;
  let heardAt = performance.now();
  let offlineSince = null;
  let askedAt = -Infinity;
  let isPaused = false;
  let isLeaving = false;
  let isReloadWaiting = false;
  let lastWatch = "";
  const frames = []; // arrived, not yet applied
  const waiting = new Map(); // id → fragment, or null to remove: what a person's hands are on

  window.podhealthNow = () => Date.now() + clockOffset;

  // What the page shows

  // A hidden page keeps what stands on every page: counts, and with them title and icon.
  const partsShown = () => {
    const shown = {};
    let left = MAX_IDS;
    for (const { dataset, parentElement } of document.querySelectorAll("[data-part]")) {
      const [, name, id] = dataset.part.match(/^([a-z_]+)-(\d+)$/) || [];
      if (!name || (document.hidden && parentElement.closest("main")) || left === 0) continue;
      const ids = (shown[name] ??= new Set());
      if (!ids.has(Number(id))) left -= 1;
      ids.add(Number(id));
    }
    return Object.fromEntries(Object.entries(shown).map(([name, ids]) => [name, [...ids]]));
  };

  const watch = () => ({ seq, parts: partsShown() });

  const tell = () => {
    const message = watch();
    lastWatch = JSON.stringify(message.parts);
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };

  const tellIfChanged = () => {
    if (JSON.stringify(partsShown()) !== lastWatch) tell();
  };

  // What must not be taken from a person's hands

  const isBeingFilledIn = (form) =>
    form.contains(document.activeElement) ||
    [...form.elements].some((field) =>
      field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
        : field.tagName === "SELECT" ? [...field.options].some((o) => o.selected !== o.defaultSelected)
        : "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue);

  const isHeld = (element) => {
    const focused = document.activeElement;
    if (focused && focused !== document.body && element.contains(focused)) return true;
    if (element.closest(OPEN) || element.querySelector(OPEN)) return true;
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && selection.containsNode(element, true)) return true;
    return [element.closest("form"), ...element.querySelectorAll("form")].some((form) => form && isBeingFilledIn(form));
  };

  // Putting fragments in place

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };

  const swap = (id, fresh) => {
    const old = document.getElementById(id);
    if (!old) return;
    if (isPaused || isHeld(old)) {
      waiting.set(id, fresh);
      return;
    }
    waiting.delete(id);
    if (!fresh) {
      old.remove();
      return;
    }
    fresh.classList.add("is-changed");
    setTimeout(() => fresh.classList.remove("is-changed"), 1000);
    old.replaceWith(fresh);
    if (window.htmx) window.htmx.process(fresh);
    document.dispatchEvent(new CustomEvent("podhealth:swapped", { detail: fresh }));
  };

  const retryWaiting = () => {
    for (const [id, fresh] of [...waiting]) swap(id, fresh);
    if (isReloadWaiting) reloadParts();
    showState();
  };

  const apply = (frame) => {
    for (const html of frame.elements || []) {
      const fresh = parsed(html);
      if (fresh && fresh.id && !(document.hidden && document.getElementById(fresh.id)?.closest("main"))) swap(fresh.id, fresh);
    }
    for (const id of frame.gone || []) swap(id, null);
    if (frame.list) showDrift();
    showNewThings();
    if (!document.hidden) showToasts(frame.toasts || []);
    showTitle();
  };

  const applyOne = () => {
    const frame = frames.shift();
    if (!frame) return;
    apply(frame);
    showState();
    if (frames.length) schedule();
  };

  const schedule = () => (document.hidden ? setTimeout(applyOne, 0) : requestAnimationFrame(applyOne));

  const reloadParts = async () => {
    const here = [...document.querySelectorAll("[data-live-part][id]")];
    const parts = here.length ? here : [...document.querySelectorAll("main")];
    isReloadWaiting = document.hidden || isPaused || parts.some(isHeld);
    if (isReloadWaiting) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) {
      isReloadWaiting = true;
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const theirBeat = page.getElementById("live-beat");
    if (!theirBeat) {
      location.reload();
      return;
    }
    for (const part of [...parts, ...document.querySelectorAll("[data-part][id]:not(main [data-part])")]) {
      const fresh = part.id ? page.getElementById(part.id) : page.querySelector("main");
      if (!fresh) continue;
      const own = document.adoptNode(fresh);
      part.replaceWith(own);
      if (window.htmx) window.htmx.process(own);
      document.dispatchEvent(new CustomEvent("podhealth:swapped", { detail: own }));
    }
    waiting.clear();
    seq = Math.max(seq, Number(theirBeat.dataset.seq));
    showTitle();
    tell();
  };

  // What arrives

  const take = (frame) => {
    heardAt = performance.now();
    clockOffset = frame.now - Date.now();
    if (frame.reload) {
      seq = Math.max(seq, frame.seq);
      if (!document.hidden) reloadParts(); // a hidden page asks again when it is shown
    } else if (frame.from > seq) {
      // Something was missed. One question at a time: until it is answered, other frames show the same gap.
      if (performance.now() - askedAt > 2000) {
        askedAt = performance.now();
        tell();
      }
    } else {
      askedAt = -Infinity;
      seq = Math.max(seq, frame.seq);
      if (frame.elements || frame.gone || frame.toasts || frame.list) {
        frames.push(frame);
        if (frames.length === 1) schedule();
      }
    }
    showOnline();
  };

  const connect = () => {
    const path = beat.dataset.path || "/live";
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      failures = 0;
      askedAt = performance.now();
      tell();
    };
    socket.onmessage = (event) => take(JSON.parse(event.data));
    socket.onclose = (event) => {
      lose();
      if (event.code === ACCESS_ENDED) leaveForSignIn();
      else if (!wasOpen) askWhetherSignedIn();
    };
  };

  const lose = () => {
    if (isLeaving) return;
    // A dead connection's close can take a minute to be noticed: nobody waits for it.
    socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
    showOffline();
    failures += 1;
    // Full jitter: thousands of pages that lost one server must not come back in one moment.
    const ceiling = Math.min(30, 2 ** failures);
    setTimeout(connect, 1000 * (0.5 + Math.random() * (ceiling - 0.5)));
  };

  const askWhetherSignedIn = async () => {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) leaveForSignIn();
  };

  const leaveForSignIn = () => {
    const isBusy = document.querySelector("dialog[open]") || [...document.forms].some(isBeingFilledIn);
    if (isBusy) banner("You are signed out. What you typed is still here; sign in again in another tab.");
    else location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  };

  // What people see of all this

  const clockText = (moment) =>
    new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

  const banner = (text) => {
    let line = document.getElementById("live-banner");
    if (!line && text) {
      line = document.createElement("div");
      line.id = "live-banner";
      line.setAttribute("role", "status");
      (document.querySelector("main") || document.body).before(line);
    }
    if (!line) return;
    line.textContent = text || "";
    line.hidden = !text;
  };

  const showOnline = () => {
    if (offlineSince !== null) {
      offlineSince = null;
      banner(null);
    }
    showState();
  };

  const showOffline = () => {
    if (offlineSince === null) {
      offlineSince = Date.now();
      banner(`Offline since ${clockText(offlineSince)}; what you see may be old.`);
      showTitle();
    }
    showState();
  };

  const stateWords = () => {
    const held = waiting.size + (isReloadWaiting ? 1 : 0);
    const changes = `${held} ${held === 1 ? "change" : "changes"}`;
    if (offlineSince !== null) {
      return [Date.now() - offlineSince > FADED_S * 1000 ? "faded" : "offline", `○ offline since ${clockText(offlineSince)}`];
    }
    if (isPaused) return ["paused", held ? `‖ paused, ${changes}` : "‖ paused"];
    if (!socket || socket.readyState !== WebSocket.OPEN || performance.now() - askedAt < 2000) return ["catching-up", "◐ catching up"];
    return ["live", held ? `● live, ${changes} ${held === 1 ? "waits" : "wait"}` : "● live"];
  };

  const showState = () => {
    const [state, words] = stateWords();
    document.documentElement.dataset.live = state;
    const chip = document.getElementById("live-chip");
    if (!chip || chip.textContent === words) return;
    chip.disabled = false;
    chip.textContent = words;
    chip.setAttribute("aria-label", `${words.slice(2)}. ${isPaused ? "Resume" : "Pause"} live changes`);
    chip.setAttribute("aria-pressed", String(isPaused));
  };

  const showTitle = () => {
    const counts = document.getElementById("nav-counts");
    const head = document.querySelector('[id^="pod-head-"][data-status]');
    const sick = counts ? Number(counts.dataset.unhealthy) : 0;
    if (head) {
      const status = head.dataset.status;
      const rest = document.title.replace(/^(Healthy|Degraded|Unhealthy|Unknown) · /, "");
      document.title = `${status[0].toUpperCase()}${status.slice(1)} · ${rest}`;
    } else if (counts) {
      document.title = (sick ? `(${sick}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    }
    const icon = document.querySelector('link[rel="icon"][href*="favicon-"]');
    if (!icon || !counts) return;
    const word = offlineSince !== null ? "offline" : sick ? "unhealthy" : Number(counts.dataset.degraded) ? "degraded" : "healthy";
    const href = icon.getAttribute("href").replace(/favicon-[a-z]+\./, `favicon-${word}.`);
    if (href !== icon.getAttribute("href")) icon.setAttribute("href", href);
  };

  const showDrift = () => {
    const line = document.getElementById("list-drift");
    if (line) line.hidden = false;
  };

  // Lists never grow by themselves: a line says that there is something new.
  const showNewThings = () => {
    for (const line of document.querySelectorAll("[data-drift][data-newest]")) {
      const told = document.querySelector(`[data-newest-of="${line.dataset.drift}"]`);
      if (!told || !(Number(told.dataset.newest) > Number(line.dataset.newest))) continue;
      line.hidden = false;
      const more = Number(told.dataset.count) - Number(line.dataset.count);
      for (const count of line.querySelectorAll("[data-drift-count]")) if (more > 0) count.textContent = more;
    }
  };

  const isOnScreen = (pod) =>
    ["card", "row", "head"].some((kind) => document.getElementById(`pod-${kind}-${pod}`));

  const showToasts = (toasts) => {
    const news = toasts.filter((toast) => toast.text && !(toast.pod && isOnScreen(toast.pod)));
    if (!news.length) return;
    let tray = document.getElementById("toasts");
    if (!tray) {
      tray = document.createElement("div");
      tray.id = "toasts";
      document.body.append(tray);
    }
    const told = news.length > MAX_TOASTS
      ? [{ text: `${news.length} changes; the newest: ${news[news.length - 1].text}`, tone: news[news.length - 1].tone }]
      : news;
    for (const { text, tone } of told) {
      const toast = document.createElement("div");
      toast.className = "toast";
      toast.dataset.tone = tone || "";
      toast.setAttribute("role", tone === "unhealthy" ? "alert" : "status");
      toast.textContent = text;
      tray.append(toast);
      const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : toast.remove());
      setTimeout(leave, TOAST_MS);
    }
    while (tray.children.length > MAX_TOASTS) tray.firstElementChild.remove();
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
    if (!document.hidden) retryWaiting();
  });
  document.addEventListener("click", (event) => {
    const chip = event.target instanceof Element && event.target.closest("#live-chip");
    if (!chip) return;
    isPaused = !isPaused;
    retryWaiting();
  });
  for (const name of ["focusout", "close", "toggle", "reset", "selectionchange"]) {
    document.addEventListener(name, () => waiting.size + isReloadWaiting && setTimeout(retryWaiting, 0), true);
  }
  document.addEventListener("htmx:afterSettle", tellIfChanged);
  window.addEventListener("pagehide", () => (isLeaving = true));
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // back from the browser's cache: as old as when it was left
  });
  setInterval(() => {
    if (performance.now() - heardAt > SILENT_S * 1000) {
      showOffline();
      if (socket && socket.readyState === WebSocket.OPEN) lose();
    }
    if (isReloadWaiting || waiting.size) retryWaiting();
    showState();
  }, 1000);

  showTitle();
  showState();
  connect();
})();
