// Keeps a wall true: asks for its middle every five seconds, says when it cannot, and strikes out what is too old to be
// believed. Nothing here needs a hand; a click only keeps the screen awake.
(() => {
  "use strict";
  const EVERY_S = 5;
  const SILENT_S = 15;
  const OLD_S = 300;
  const root = document.documentElement;
  const part = new URL(location.href);
  part.searchParams.set("part", "1");
  let heardAt = performance.now();
  let heardClock = Date.now();
  let offset = Number(document.getElementById("wall").dataset.now) - Date.now();
  let sick = Number(document.getElementById("wall").dataset.unhealthy);
  let isAsking = false;

  const now = () => Date.now() + offset;
  const clock = (moment) => new Date(moment).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const since = (moment) => {
    const minutes = Math.max(0, Math.floor((now() - moment) / 60000));
    if (minutes < 1) return "now";
    if (minutes < 60) return `${minutes} min`;
    return minutes < 1440 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} d`;
  };

  const isOffline = () => performance.now() - heardAt > SILENT_S * 1000;

  const tell = () => {
    const silent = (performance.now() - heardAt) / 1000;
    root.dataset.wall = silent > OLD_S ? "old" : isOffline() ? "offline" : "live";
    document.querySelector(".wall-live").textContent = isOffline() ? `Not live since ${clock(heardClock)}` : "● live";
    if (isOffline()) return; // a clock that goes on would say that all is well
    document.querySelector(".wall-clock time").textContent = clock(now());
    for (const time of document.querySelectorAll("time[data-for]")) time.textContent = since(Date.parse(time.dateTime));
  };

  // As many tiles as the screen holds; the rest is a number.
  const fit = () => {
    const tiles = document.querySelector(".wall-tiles");
    const line = document.querySelector(".wall-more");
    if (!tiles) return;
    for (const tile of tiles.children) tile.hidden = false;
    const bottom = tiles.getBoundingClientRect().bottom + 1;
    const out = [...tiles.children].filter((tile) => tile.getBoundingClientRect().bottom > bottom);
    for (const tile of out) tile.hidden = true;
    const more = Number(line.dataset.more) + out.length;
    line.textContent = more ? `+ ${more} more` : "";
  };

  // A wall orders itself, so the eye is helped: a new tile fades in, one that moved slides from where it was.
  const places = () =>
    new Map([...document.querySelectorAll(".wall-tile:not([hidden])")].map((tile) => [tile.dataset.pod, tile.getBoundingClientRect()]));

  const move = (before) => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const duration = Number.parseFloat(getComputedStyle(root).getPropertyValue("--slow"));
    for (const tile of document.querySelectorAll(".wall-tile:not([hidden])")) {
      const was = before.get(tile.dataset.pod);
      const is = tile.getBoundingClientRect();
      if (!was) tile.animate({ opacity: [0, 1] }, { duration, easing: "ease-out" });
      else if (was.x !== is.x || was.y !== is.y) {
        tile.animate({ translate: [`${was.x - is.x}px ${was.y - is.y}px`, "0 0"] }, { duration, easing: "ease-out" });
      }
    }
  };

  const beep = () => {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    tone.connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.3);
    tone.onended = () => audio.close();
  };

  const ask = async () => {
    if (isAsking) return;
    isAsking = true;
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(), 10000);
    try {
      const answer = await fetch(part, { headers: { "X-By-Itself": "1" }, signal: stop.signal, redirect: "manual" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("wall");
      if (!fresh) return;
      const before = places();
      document.getElementById("wall").replaceWith(document.adoptNode(fresh));
      heardAt = performance.now();
      heardClock = Number(fresh.dataset.now);
      offset = heardClock - Date.now();
      const count = Number(fresh.dataset.unhealthy);
      if (count > sick && document.body.dataset.sound === "1") beep();
      sick = count;
      document.title = document.title.replace(/^(\(\d+\) )?/, count ? `(${count}) ` : "");
      fit();
      move(before);
    } catch {
      // no answer: tell() says so as soon as it lasts
    } finally {
      clearTimeout(late);
      isAsking = false;
      tell();
    }
  };

  // Once a night the page begins anew, at its own minute so that not all walls do at once.
  const reloadAt = new Date();
  reloadAt.setHours(3, 30 + Math.floor(Math.random() * 60), 0, 0);
  if (reloadAt <= new Date()) reloadAt.setDate(reloadAt.getDate() + 1);
  setTimeout(() => !isOffline() && location.reload(), reloadAt - new Date());

  document.addEventListener("click", () => navigator.wakeLock?.request("screen").catch(() => {}));
  window.addEventListener("resize", fit);
  setInterval(ask, EVERY_S * 1000);
  setInterval(tell, 1000);
  fit();
  tell();
})();
