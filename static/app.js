// What every page does in the browser beside being live (live.js), loading parts (waiting.js) and htmx: times, theme, keys,
// dialogs, copying, and forms that are sent once. Each part works alone, and every page works without any of it.
//
// What a page offers to the keys:
//   [data-key-search]   the field that "/" selects; where there is none, it is the pods' that are searched.
//   [data-key="a"]      pressed by that letter (a acknowledge, s snooze, x select): the one in the card or row that has
//                       the focus, else the page's first. Not while it is aria-disabled or hidden.
//   [data-steps]        one thing of a list, with a link in it: j and k go from one to the next, Enter opens. Cards, rows
//                       of tables and of incidents are such things without saying so.
//   [data-keys-choice="off"]   a button that switches all of them off in this browser.
(() => {
  "use strict";
  const root = document.documentElement;
  const now = () => (window.podhealthNow ? window.podhealthNow() : Date.now());

  const kept = (name) => {
    try {
      return localStorage.getItem(`podhealth-${name}`);
    } catch {
      return null; // storage is switched off: nothing is kept
    }
  };
  const keep = (name, value) => {
    try {
      if (value === null) localStorage.removeItem(`podhealth-${name}`);
      else localStorage.setItem(`podhealth-${name}`, value);
    } catch {
      // as above
    }
  };

  // Times. The server writes UTC; here they become local, and relative where that says more.

  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const YOUNG_S = 120;
  let isAbsolute = kept("times") === "absolute";

  const lengthText = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const [unit, size] = UNITS.find(([, size]) => whole >= size) || ["s", 1];
    const minutes = Math.floor((whole % 3600) / 60);
    if (unit === "h" && whole < 36000 && minutes) return `${Math.floor(whole / size)} h ${minutes} min`;
    return `${Math.floor(whole / size)} ${unit}`;
  };

  // Made once each: to make one takes as long as a hundred uses of it.
  const formats = new Map();
  const local = (moment, options) => {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options }));
    return formats.get(key).format(moment);
  };
  const hour = { hour: "2-digit", minute: "2-digit" };
  const day = { day: "numeric", month: "short" };
  const clockText = (moment, precise = {}) => {
    const isToday = new Date(moment).toDateString() === new Date(now()).toDateString();
    return local(moment, { ...(isToday ? {} : day), ...hour, ...precise });
  };
  const fullText = (moment) => local(moment, { ...day, year: "numeric", ...hour, second: "2-digit", timeZoneName: "short" });

  const FORMS = {
    ago: (moment) => (isAbsolute ? clockText(moment) : `${lengthText((now() - moment) / 1000)} ago`),
    for: (moment) => (isAbsolute ? `since ${clockText(moment)}` : `for ${lengthText((now() - moment) / 1000)}`),
    in: (moment) => (isAbsolute ? `at ${clockText(moment)}` : moment <= now() ? "now" : `in ${lengthText((moment - now()) / 1000)}`),
    clock: (moment) => clockText(moment),
    seconds: (moment) => clockText(moment, { second: "2-digit" }),
    day: (moment) => local(moment, { ...day, year: "numeric" }),
    full: fullText,
  };

  const tellTimes = (part = document) => {
    let isSomeYoung = false;
    for (const element of part.querySelectorAll("time[data-t]")) {
      const moment = Date.parse(element.dateTime);
      const form = FORMS[element.dataset.t];
      if (!form || Number.isNaN(moment)) continue;
      const text = form(moment);
      if (element.textContent !== text) element.textContent = text;
      if (!element.title) element.title = fullText(moment);
      isSomeYoung = isSomeYoung || Math.abs(now() - moment) < YOUNG_S * 1000;
    }
    return isSomeYoung;
  };

  const keepTelling = () => setTimeout(keepTelling, tellTimes() && !document.hidden ? 1000 : 15000);

  const sayZone = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const line of document.querySelectorAll("[data-zone]")) line.textContent = `Times are in ${zone}.`;
  };

  const toggleTimes = () => {
    isAbsolute = !isAbsolute;
    keep("times", isAbsolute ? "absolute" : null);
    tellTimes();
    showChoices();
  };

  // Choices that this browser keeps: theme, times, keys

  const areKeysOn = () => kept("keys") !== "off";

  const showChoices = () => {
    const chosen = { theme: kept("theme") || "system", times: isAbsolute ? "absolute" : "relative", keys: areKeysOn() ? "on" : "off" };
    for (const [name, value] of Object.entries(chosen)) {
      for (const button of document.querySelectorAll(`[data-${name}-choice]`)) {
        button.setAttribute("aria-pressed", String(button.dataset[`${name}Choice`] === value));
      }
    }
  };

  const choose = ({ themeChoice, timesChoice, keysChoice }) => {
    if (themeChoice) {
      keep("theme", themeChoice === "system" ? null : themeChoice);
      if (themeChoice === "system") delete root.dataset.bsTheme;
      else root.dataset.bsTheme = themeChoice;
    }
    if (timesChoice && (timesChoice === "absolute") !== isAbsolute) toggleTimes();
    if (keysChoice) keep("keys", keysChoice === "off" ? "off" : null);
    showChoices();
  };

  // Clicks

  const found = (selector) => {
    const element = selector && document.querySelector(selector);
    return element || null;
  };

  const open = (dialog) => {
    if (!dialog || dialog.open) return;
    dialog.showModal();
    dialog.dispatchEvent(new CustomEvent("podhealth:opened")); // what it says may be minutes old: it asks again
  };

  // Menus are the browser's popovers: it opens them, closes them by Escape or a click beside, and sets the focus back.

  const HAS_MENUS = CSS.supports("selector(:popover-open)");
  const shut = (element) => HAS_MENUS && element.closest(":popover-open")?.hidePopover();

  const menuAt = (element) => {
    const behind = element.popoverTargetElement;
    return element.closest("[data-menu]:popover-open") ?? (behind?.matches("[data-menu]") ? behind : null);
  };

  // Arrows, Home and End beside Tab; the arrow down opens one, too.
  const walk = (event) => {
    const menu = HAS_MENUS && menuAt(event.target);
    if (!menu) return;
    const isOpen = menu.matches(":popover-open");
    if (!isOpen && event.key !== "ArrowDown") return;
    if (!isOpen) menu.showPopover({ source: event.target });
    const items = [...menu.querySelectorAll("a[href], button")].filter(isSeen);
    const at = items.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? items.length - 1 : at - 1, Home: 0, End: items.length - 1 }[event.key];
    items[(to + items.length) % items.length]?.focus();
    event.preventDefault();
  };

  const copy = async (button) => {
    const source = found(button.dataset.copies);
    if (!source) return;
    const text = source.value ?? source.textContent.trim();
    const said = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Not copied: select it and copy by hand");
    toast(said);
  };

  const toggle = (button) => {
    const part = found(button.dataset.toggles);
    if (part) button.setAttribute("aria-expanded", String(part.classList.toggle("is-open")));
  };

  const toast = (text, tone = "") => {
    const tray = document.getElementById("toasts");
    const line = document.createElement("div");
    line.className = "toast";
    line.dataset.tone = tone;
    line.setAttribute("role", tone ? "alert" : "status");
    line.textContent = text;
    tray.append(line);
    setTimeout(() => line.remove(), 8000);
  };

  // What the other scripts of a page use of this one.
  window.podhealthPage = { now, toast, shut, tellTimes: (part) => tellTimes(part), fullText };

  const isBeside = ({ clientX: x, clientY: y }, dialog) => {
    const box = dialog.getBoundingClientRect();
    return x < box.left || x > box.right || y < box.top || y > box.bottom;
  };

  document.addEventListener("click", (event) => {
    const on = event.target instanceof Element ? (selector) => event.target.closest(selector) : () => null;
    const opener = on("[data-opens]");
    if (opener && found(opener.dataset.opens)) {
      event.preventDefault();
      shut(opener); // first: the focus comes back to what opened the menu
      open(found(opener.dataset.opens));
    }
    on("[data-closes]")?.closest("dialog")?.close();
    const choice = on("[data-theme-choice], [data-times-choice], [data-keys-choice]");
    if (choice) choose(choice.dataset);
    const copier = on("[data-copies]");
    if (copier) copy(copier);
    if (on("[data-prints]")) window.print();
    const toggler = on("[data-toggles]");
    if (toggler) toggle(toggler);
    if (event.target instanceof HTMLDialogElement && isBeside(event, event.target)) event.target.close();
    for (const pick of document.querySelectorAll("details.pick[open]")) if (!pick.contains(event.target)) pick.open = false;
  });

  // Keys. None acts while somebody types, and all can be switched off (WCAG 2.1.4).

  const THING = '[id^="pod-card-"], [id^="incident-row-"], main tbody tr, [data-steps]';
  const linkIn = (thing) => thing.querySelector("h2 a, th[scope=row] a") ?? thing.querySelector("a[href]");
  const isSeen = (element) => element.checkVisibility?.() ?? true;

  const step = (by) => {
    const links = [...document.querySelectorAll(THING)].map(linkIn).filter((link) => link && isSeen(link));
    const here = links.findIndex((link) => link.closest(THING).contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, here + by))]?.focus();
  };

  const press = (letter, from) => {
    const thing = from.closest(THING);
    const near = (thing?.closest("li") ?? thing)?.querySelector(`[data-key="${letter}"]`);
    const isOffered = (element) => isSeen(element) || element.closest("[data-menu]"); // behind a menu that is closed
    const offered = near ?? [...document.querySelectorAll(`main [data-key="${letter}"]`)].find(isOffered);
    if (!offered || !isOffered(offered) || offered.getAttribute("aria-disabled") === "true") return false;
    offered.click();
    return true;
  };

  const search = () => {
    const field = document.querySelector("[data-key-search]");
    if (field) field.select();
    else location.assign("/pods");
  };

  const PLACES = { p: "/pods", i: "/incidents", o: "/policies", h: "/heals", m: "/maintenance" };
  const KEYS = {
    "/": search,
    "?": () => open(found("#keys")),
    j: () => step(1),
    k: () => step(-1),
    p: () => found("#live-chip")?.click(),
    r: () => (document.querySelector("form[data-clean]") ? found("form[data-clean]").requestSubmit() : location.reload()),
    t: toggleTimes,
  };
  const GOING_MS = 1500;
  let goingUntil = 0; // "g" was pressed, and the letter of a place is waited for

  document.addEventListener("keydown", (event) => {
    if (["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) walk(event);
    if (event.key === "Escape") for (const pick of document.querySelectorAll("details.pick[open]")) pick.open = false;
    if (!areKeysOn() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable], dialog[open]")) return;
    const isGoing = performance.now() < goingUntil;
    goingUntil = event.key === "g" && !isGoing ? performance.now() + GOING_MS : 0;
    if (isGoing) {
      if (PLACES[event.key]) location.assign(PLACES[event.key]);
    } else if (KEYS[event.key]) {
      event.preventDefault();
      KEYS[event.key]();
    } else if (/^[a-z]$/.test(event.key) && press(event.key, event.target)) {
      event.preventDefault();
    }
  });

  // Forms: sent once, with the token, without empty fields in the address

  // What the moment forbids is told beside the button, which can be reached and does nothing.
  document.addEventListener("submit", (event) => {
    if (event.submitter?.getAttribute("aria-disabled") !== "true") return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
    } else if (form.method === "post" && !form.hasAttribute("hx-post")) {
      form.dataset.sent = "yes";
      const isStillHere = () => delete form.dataset.sent;
      setTimeout(isStillHere, 5000); // no answer came: let them try again
    }
    if (form.matches("[data-clean]")) {
      const empty = [...form.elements].filter((field) => field.name && !field.value && !field.disabled);
      for (const field of empty) field.disabled = true;
      setTimeout(() => empty.forEach((field) => (field.disabled = false)), 0);
    }
  });

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb !== "get") detail.headers["X-CSRFToken"] = found('meta[name="csrf-token"]')?.content ?? "";
    if (!detail.elt.closest("[data-clean]")) return;
    for (const [name, value] of Object.entries(detail.parameters)) if (!value || value.length === 0) delete detail.parameters[name];
  });

  // What sets it going

  for (const name of ["podhealth:swapped", "htmx:afterSettle"]) document.addEventListener(name, () => tellTimes());
  document.addEventListener("visibilitychange", () => document.hidden || tellTimes());
  sayZone();
  showChoices();
  keepTelling();
})();
