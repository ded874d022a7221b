// Toasts: short news of what is not on the screen. Pods that turn together are one toast, which grows; at most three
// are shown, each for eight seconds unless somebody is at it. All that was told in this tab stays in a log behind the
// bell, across pages, until the tab is closed or its person signs out.
(() => {
  "use strict";
  const live = (window.podhealthLive ??= {});
  const SHOWN_MS = 8000;
  const MOST = 3;
  const LOGGED = 100;
  const ALERT_EVERY_MS = 10000;
  const BECAME = { unhealthy: "unhealthy", degraded: "degraded", healthy: "healthy again", unknown: "unknown" };

  const shown = new Map(); // key of a group → its toast
  let alertedAt = -Infinity;
  const whose = () => document.querySelector("#live-beat").dataset.whose ?? document.querySelector(".tenant")?.textContent ?? "";
  const KEY = "podhealth-news";

  const podsOnScreen = () => {
    const found = new Set();
    for (const { dataset } of document.querySelectorAll("[data-part]")) {
      const [, id] = dataset.part.match(/^(?:card|row|page)-(\d+)$/) ?? [];
      if (id) found.add(Number(id));
    }
    return found;
  };

  // One piece of news: { key, tone, pods, where, text, path }. Only what is not on screen is news.
  const pieces = (toasts) => {
    const found = [];
    const here = podsOnScreen();
    for (const { text, tone, pod, pods, where, turned } of toasts) {
      const those = pods ?? (turned && pod ? [pod] : null);
      if (those) {
        const away = those.filter((id) => !here.has(id));
        if (away.length) found.push({ key: `turned-${tone}`, tone, pods: away, where: where ?? null, text: pods ? null : text });
      } else if (text && !here.has(pod)) {
        found.push({ key: null, tone, text, pods: pod ? [pod] : [], where: null });
      }
    }
    return found;
  };

  const words = ({ pods, tone, where, text }) => {
    if (text && pods.length <= 1) return text;
    const many = pods.length.toLocaleString("en-GB");
    return `${many} ${pods.length === 1 ? "pod" : "pods"}${where ? ` of ${where}` : ""} ${BECAME[tone] ?? tone}`;
  };

  const path = ({ pods, tone, key }) =>
    pods.length === 1 ? `/pods/${pods[0]}` : key && BECAME[tone] ? `/pods?status=${tone}` : null;

  const joined = (one, other) => ({
    ...other,
    pods: [...new Set([...one.pods, ...other.pods])],
    where: one.where === other.where ? one.where : null,
    text: null,
  });

  // The tray

  const tray = () => {
    let found = document.getElementById("toasts");
    if (!found) {
      found = document.createElement("div");
      found.id = "toasts";
      document.body.append(found);
    }
    return found;
  };

  const leaveLater = (toast) => {
    clearTimeout(toast.timer);
    const leave = () => {
      if (toast.line.matches(":hover, :focus-within")) toast.timer = setTimeout(leave, 1000);
      else drop(toast);
    };
    toast.timer = setTimeout(leave, SHOWN_MS);
  };

  const drop = (toast) => {
    clearTimeout(toast.timer);
    toast.line.remove();
    for (const [key, one] of shown) if (one === toast) shown.delete(key);
  };

  const fill = (line, piece) => {
    const href = path(piece);
    const said = document.createElement(href ? "a" : "span");
    if (href) said.href = href;
    said.textContent = words(piece);
    line.replaceChildren(said);
  };

  const role = (tone) => {
    if (tone !== "unhealthy" || performance.now() - alertedAt < ALERT_EVERY_MS) return "status";
    alertedAt = performance.now();
    return "alert";
  };

  const show = (piece) => {
    const before = piece.key && shown.get(piece.key);
    if (before) {
      before.piece = joined(before.piece, piece);
      if (!before.line.matches(":focus-within")) fill(before.line, before.piece);
      leaveLater(before);
      return before.piece;
    }
    const line = document.createElement("div");
    line.className = "toast";
    line.dataset.tone = piece.tone ?? "";
    line.setAttribute("role", role(piece.tone));
    fill(line, piece);
    const toast = { line, piece, timer: 0 };
    shown.set(piece.key ?? Symbol("one"), toast);
    tray().append(line);
    leaveLater(toast);
    const rest = [...shown.values()].filter((one) => !one.line.matches(":hover, :focus-within"));
    for (const old of rest.slice(0, Math.max(0, shown.size - MOST))) drop(old);
    return piece;
  };

  // The log

  const read = () => {
    try {
      const { of, news } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
      return of === whose() ? news : [];
    } catch {
      return []; // storage is switched off, or holds what is not ours
    }
  };

  const write = (news) => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ of: whose(), news: news.slice(-LOGGED) }));
    } catch {
      // as above: the log is this page's then
    }
  };

  let log = read();
  let unread = 0;

  const note = (piece, grew) => {
    const last = log.at(-1);
    const entry = { at: window.podhealthNow(), tone: piece.tone ?? "", text: words(piece), path: path(piece) };
    if (grew && last?.key === piece.key) log.pop();
    log.push({ ...entry, key: piece.key });
    log = log.slice(-LOGGED);
    write(log);
  };

  const bell = () => document.getElementById("news-bell");

  const makeBell = () => {
    const chip = document.getElementById("live-chip");
    if (!chip || bell() || !HTMLElement.prototype.togglePopover) return;
    const button = document.createElement("button");
    button.id = "news-bell";
    button.type = "button";
    button.className = "news-bell";
    button.setAttribute("popovertarget", "news");
    button.innerHTML = '<svg class="icon" aria-hidden="true"><use href="#i-bell"></use></svg><span class="news-unread"></span>';
    const panel = document.createElement("div");
    panel.id = "news";
    panel.className = "menu news";
    panel.popover = "auto";
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", "News of this session");
    panel.addEventListener("toggle", ({ newState }) => {
      if (newState !== "open") return;
      unread = 0;
      showLog();
    });
    chip.after(button);
    document.body.append(panel);
    showLog();
  };

  const showLog = () => {
    const button = bell();
    if (!button) return;
    button.setAttribute("aria-label", unread ? `News: ${unread} not looked at` : "News of this session");
    button.querySelector(".news-unread").textContent = unread || "";
    const panel = document.getElementById("news");
    if (!panel.matches(":popover-open")) return;
    const title = document.createElement("h2");
    title.textContent = "News of this session";
    const list = document.createElement("ol");
    for (const { at, tone, text, path: href } of [...log].reverse()) {
      const item = document.createElement("li");
      item.dataset.tone = tone;
      const time = document.createElement("time");
      time.dateTime = new Date(at).toISOString();
      time.dataset.t = "seconds";
      time.textContent = new Date(at).toLocaleTimeString("en-GB", { hourCycle: "h23" });
      const said = document.createElement(href ? "a" : "span");
      if (href) said.href = href;
      said.textContent = text;
      item.append(time, said);
      list.append(item);
    }
    const none = document.createElement("p");
    none.className = "quiet";
    none.textContent = "Nothing yet. What happens to pods that are not on the screen is told here.";
    panel.replaceChildren(title, log.length ? list : none);
  };

  live.tellNews = (toasts) => {
    const news = pieces(toasts.filter((one) => !("alert" in one)));
    for (const piece of news) {
      const grew = piece.key && shown.has(piece.key);
      const whole = document.hidden || live.isPaused ? piece : show(piece);
      note(whole, grew);
      if (!grew) unread += 1;
    }
    if (news.length) showLog();
  };

  document.addEventListener("submit", ({ target }) => {
    if (new URL(target.action, location.href).pathname === "/sign-out") sessionStorage.removeItem(KEY);
  });
  makeBell();
})();
