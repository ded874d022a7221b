// Calls of this browser, off until somebody switches them on, on the account's page (macros/alerts_of_browser.html):
// a notification of the system, and a sound. Once for each incident, whichever of this browser's tabs hears of it first.
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const CALLED = "podhealth-called";
  const MOST = 10_000; // incidents back that are remembered

  const kept = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is switched off: so are calls
    }
  };
  const keep = (name, value) => {
    try {
      if (value === null) localStorage.removeItem(name);
      else localStorage.setItem(name, value);
    } catch {
      // as above
    }
  };
  const isOn = (name) => kept(`podhealth-${name}`) === "on";
  const canNotify = () => "Notification" in window && Notification.permission === "granted";

  const beep = () => {
    const context = new AudioContext();
    const begin = context.currentTime;
    for (const [at, pitch] of [[0, 880], [0.18, 660]]) {
      const tone = context.createOscillator();
      const loud = context.createGain();
      tone.frequency.value = pitch;
      loud.gain.setValueAtTime(0.0001, begin + at);
      loud.gain.exponentialRampToValueAtTime(0.2, begin + at + 0.02);
      loud.gain.exponentialRampToValueAtTime(0.0001, begin + at + 0.16);
      tone.connect(loud).connect(context.destination);
      tone.start(begin + at);
      tone.stop(begin + at + 0.17);
    }
    setTimeout(() => context.close(), 1000);
  };

  const notify = (title, tag, path) => {
    const note = new Notification(title, { tag, body: document.querySelector(".tenant")?.textContent ?? "" });
    note.onclick = () => {
      window.focus();
      location.assign(path);
    };
  };

  // What was called for is kept where one tab's write is another's at once. (Tabs hear of each other's localStorage later,
  // which a lock does not mend.) Where it cannot be kept, as in some private windows, each tab calls.
  const opened = () =>
    new Promise((resolve, reject) => {
      const asked = indexedDB.open(CALLED, 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(CALLED);
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });

  const firstHere = (base, news) =>
    new Promise((resolve, reject) => {
      const work = base.transaction(CALLED, "readwrite");
      const called = work.objectStore(CALLED);
      const first = [];
      for (const one of news) {
        const adding = called.add(Date.now(), one.incident);
        adding.onsuccess = () => first.push(one);
        adding.onerror = (event) => event.preventDefault(); // another tab was before this one
      }
      called.delete(IDBKeyRange.upperBound(Math.max(...news.map((one) => one.incident)) - MOST));
      work.oncomplete = () => resolve(first);
      work.onabort = () => reject(work.error);
    });

  const notYetCalled = async (news) => {
    try {
      const base = await opened();
      return await firstHere(base, news).finally(() => base.close());
    } catch {
      return news;
    }
  };

  live.call = async (toasts) => {
    if (!isOn("notify") && !isOn("sound")) return;
    const news = toasts.filter((one) => "alert" in one);
    const alerts = news.length ? await notYetCalled(news) : [];
    if (!alerts.length) return;
    const [{ alert, incident }] = alerts;
    const title = alerts.length > 1 ? `${alert}, and ${alerts.length - 1} more` : alert;
    if (isOn("notify") && canNotify()) notify(title, `podhealth-${incident}`, alerts.length > 1 ? "/incidents" : `/incidents/${incident}`);
    if (isOn("sound")) beep();
  };

  // The switches

  const part = () => document.getElementById("alerts-of-browser");

  const say = (text) => {
    const line = part()?.querySelector("[data-alerts-said]");
    if (line) line.textContent = text;
  };

  const showSwitches = () => {
    for (const box of part()?.querySelectorAll("[data-alert]") ?? []) {
      box.checked = box.defaultChecked = isOn(box.dataset.alert) && (box.dataset.alert !== "notify" || canNotify());
    }
  };

  const turn = async (box) => {
    let on = box.checked;
    if (on && box.dataset.alert === "notify") {
      on = "Notification" in window && (await Notification.requestPermission()) === "granted";
      if (!on) say("This browser does not allow notifications from here. Allow them in its settings for this page.");
    }
    keep(`podhealth-${box.dataset.alert}`, on ? "on" : null);
    if (on) say("Switched on for this browser.");
    else if (!box.checked) say("Switched off for this browser.");
    showSwitches();
  };

  const tryOne = () => {
    if (isOn("notify") && canNotify()) notify("This is how PodHealth calls you", "podhealth-try", "/account");
    if (isOn("sound")) beep();
    say(isOn("notify") || isOn("sound") ? "One was given just now." : "Both are switched off.");
  };

  document.addEventListener("change", ({ target }) => target.matches?.("[data-alert]") && turn(target));
  document.addEventListener("click", ({ target }) => target.closest?.("[data-alerts-try]") && tryOne());
  if (part()) {
    part().hidden = false;
    showSwitches();
  }
})();
