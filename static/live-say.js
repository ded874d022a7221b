// What people see of being live: the chip, the banner, the title and icon of the tab, and the lines that say what a
// list would show if it were loaded again. Lists never reorder or grow by themselves.
//
//   #live-chip    says how live the page is, and pauses it.    #live-banner   a line for "offline" and "signed out".
//   #live-said    what is only read out: lines below the head that came while the page was open.
//   #list-drift   hidden; shown when pods came or went.
//   [hidden][data-drift="heals"][data-newest]  shown when [data-newest-of="heals"] has a larger data-newest;
//                 [data-drift-count] in it gets the difference of their data-count.
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const BANNER_S = 12;
  const FADED_S = 60;

  live.offlineSince = null; // this browser's clock, for the words
  let offlineFrom = 0; // performance.now(), for lengths
  let ended = null; // why access ended, where it has
  const clock = (moment) => new Date(moment).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const offlineS = () => (performance.now() - offlineFrom) / 1000;

  live.isOffline = () => live.offlineSince !== null;

  live.setOnline = () => {
    live.offlineSince = null;
    live.say();
  };

  live.setOffline = (silentS = 0) => {
    if (live.isOffline()) return;
    offlineFrom = performance.now() - silentS * 1000;
    live.offlineSince = window.podhealthNow() - silentS * 1000;
    live.say();
  };

  live.setEnded = (why) => {
    ended = why;
    live.say();
  };

  // The chip

  const words = () => {
    const many = live.waiting() + (live.isLoadWaiting() ? 1 : 0);
    const changes = `${many.toLocaleString("en-GB")} ${many === 1 ? "change" : "changes"}`;
    if (ended !== null) return ["ended", "○ signed out"];
    if (live.isOffline()) return [offlineS() > FADED_S ? "faded" : "offline", `○ offline since ${clock(live.offlineSince)}`];
    if (live.isPaused) return ["paused", many ? `‖ paused, ${changes}` : "‖ paused"];
    if (live.isCatchingUp()) return ["catching-up", "◐ catching up"];
    return ["live", many ? `● live, ${changes} ${many === 1 ? "waits" : "wait"}` : "● live"];
  };

  const sayChip = () => {
    const [state, text] = words();
    document.documentElement.dataset.live = state;
    const chip = document.getElementById("live-chip");
    if (!chip || (chip.textContent === text && !chip.disabled)) return;
    chip.disabled = false;
    chip.textContent = text;
    chip.setAttribute("aria-label", `${text.slice(2)}. ${live.isPaused ? "Resume" : "Pause"} live changes`);
    chip.setAttribute("aria-pressed", String(live.isPaused));
  };

  // The banner

  const sayBanner = () => {
    const line = document.getElementById("live-banner");
    if (!line) return;
    const isLate = live.isOffline() && offlineS() >= BANNER_S;
    const text = ended !== null ? `You were signed out${ended ? `: ${ended}` : ""}. What you typed is kept in this tab.`
      : isLate ? `Offline since ${clock(live.offlineSince)}; what you see may be old.` : "";
    if (line.dataset.says === text) return;
    line.dataset.says = text;
    line.hidden = !text;
    line.replaceChildren(text);
    if (ended === null) return;
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in";
    line.append(" ", link);
  };

  // Lines below the head are read out when they come, once each: what comes together with its words would not be.

  const lines = () => [...document.querySelectorAll("#banners [data-banner]")];
  let told = new Set(lines().map((line) => line.dataset.banner));

  const sayNewLines = () => {
    const fresh = lines().filter((line) => !told.has(line.dataset.banner));
    told = new Set(lines().map((line) => line.dataset.banner));
    const said = document.getElementById("live-said");
    const wordsOf = (line) => ["b", ".banner-means"].map((part) => line.querySelector(part).textContent).join(". ");
    if (fresh.length && said) said.textContent = fresh.map(wordsOf).join(" ");
  };

  // Title and icon

  const sayTitle = () => {
    const counts = document.getElementById("nav-counts");
    const sick = counts ? Number(counts.dataset.unhealthy) : 0;
    const pod = document.querySelector("[data-title-status]") ?? document.querySelector('[id^="pod-head-"][data-status]');
    let title = document.title;
    if (pod) {
      const status = pod.dataset.titleStatus ?? pod.dataset.status;
      title = title.replace(/^(Healthy|Degraded|Unhealthy|Unknown) · /, "");
      title = `${status[0].toUpperCase()}${status.slice(1)} · ${title}`;
    } else if (counts) {
      title = (sick ? `(${sick}) ` : "") + title.replace(/^\(\d+\) /, "");
    }
    if (title !== document.title) document.title = title;
    const icon = document.querySelector('link[rel="icon"][href*="favicon-"]');
    if (!icon || !counts) return;
    const mood = live.isOffline() || ended !== null ? "offline" : sick ? "unhealthy" : Number(counts.dataset.degraded) ? "degraded" : "healthy";
    const href = icon.getAttribute("href").replace(/favicon-[a-z]+\./, `favicon-${mood}.`);
    if (href !== icon.getAttribute("href")) icon.setAttribute("href", href);
  };

  // What a list would show. What loading the list of pods again would change is said by podlist.js.

  live.noteListChange = () => {
    const line = document.getElementById("list-drift");
    if (line) line.hidden = false;
  };

  const sayNewThings = () => {
    for (const line of document.querySelectorAll("[data-drift][data-newest]")) {
      const told = document.querySelector(`[data-newest-of="${line.dataset.drift}"]`);
      if (!told || !(Number(told.dataset.newest) > Number(line.dataset.newest))) continue;
      if (line.hidden) line.hidden = false;
      const more = Number(told.dataset.count) - Number(line.dataset.count);
      for (const count of line.querySelectorAll("[data-drift-count]")) if (more > 0 && count.textContent !== String(more)) count.textContent = more;
    }
  };

  // Many things change what is said, and it is said once for all of them.
  let isComing = false;
  live.say = () => {
    if (isComing) return;
    isComing = true;
    queueMicrotask(() => {
      isComing = false;
      for (const part of [sayChip, sayBanner, sayNewLines, sayTitle, sayNewThings]) part();
    });
  };
})();
