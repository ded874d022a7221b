// The page of one pod, and the heal log: what lies under a point of a lane, dialogs that end with their form, and parts
// that grow old although nothing happened (the right edge of a lane, "probed 12 s ago"), fetched anew now and then.
// Without it the page shows the same; the tables behind the lanes hold what this tells on hover.
(() => {
  "use strict";
  const RENEW_EVERY_S = 30;
  const RENEW_DUE_S = 15; // when a probe that was due has been made meanwhile

  // Details of lanes: the pointer, or one tab stop a lane with left and right by run, up and down by lane

  const detail = document.createElement("div");
  detail.className = "lane-detail";
  detail.setAttribute("role", "status");
  detail.hidden = true;
  const cursor = document.createElement("span");
  cursor.className = "lane-cursor";

  const laneOf = (element) => (element instanceof Element ? element.closest(".lane[data-lane]") : null);
  // Oldest first: tables list the newest first.
  const runsOf = (lane) => [...lane.querySelectorAll(".lane-table tbody tr[data-x]")].reverse();
  const left = (run) => Number(run.dataset.x);
  const right = (run) => left(run) + Number(run.dataset.width);

  const textOf = (run) => {
    const cells = [...run.cells].map((cell) => cell.innerText.trim() || cell.textContent.trim());
    return [`${laneOf(run).dataset.lane}: ${cells[3]}`, [`${cells[0]}${cells[1] ? ` – ${cells[1]}` : ""}`, cells[2], ...cells.slice(4)].filter(Boolean).join(" · ")];
  };

  const show = (run, x) => {
    const track = laneOf(run).querySelector(".lane-track");
    const box = track.getBoundingClientRect();
    const [head, rest] = textOf(run);
    const name = document.createElement("b");
    name.textContent = head;
    detail.replaceChildren(name, rest);
    document.body.append(detail);
    track.append(cursor);
    cursor.style.left = `${left(run)}%`;
    cursor.style.width = `max(4px, ${Number(run.dataset.width)}%)`;
    detail.hidden = false;
    const middle = x ?? box.left + (box.width * (left(run) + right(run))) / 200;
    detail.style.left = `${Math.max(8, Math.min(middle - detail.offsetWidth / 2, innerWidth - detail.offsetWidth - 8))}px`;
    const above = box.top - detail.offsetHeight - 8;
    detail.style.top = `${above > 56 ? above : box.bottom + 8}px`;
  };

  const hide = () => {
    detail.hidden = true;
    cursor.remove();
  };

  const runAt = (lane, x) => {
    const box = lane.querySelector(".lane-track").getBoundingClientRect();
    const place = (100 * (x - box.left)) / box.width;
    const near = 800 / box.width; // eight pixels: a heal is a point
    const hit = runsOf(lane).filter((run) => left(run) <= place && place <= right(run));
    return hit.at(-1) || runsOf(lane).find((run) => Math.abs(left(run) - place) < near);
  };

  document.addEventListener("pointermove", (event) => {
    const track = event.target instanceof Element && event.target.closest(".lane-track");
    const run = track && laneOf(track) && runAt(laneOf(track), event.clientX);
    if (run) show(run, event.clientX);
    else if (!detail.hidden && !laneOf(document.activeElement)) hide();
  });
  document.addEventListener("pointerdown", (event) => {
    const track = event.target instanceof Element && event.target.closest(".lane-track");
    const run = track && laneOf(track) && runAt(laneOf(track), event.clientX);
    if (run) show(run, event.clientX);
  });

  let here = null; // the run on which the keys stand

  const stepTo = (lane, run) => {
    const graphic = lane.querySelector(".lane-track svg");
    if (graphic !== document.activeElement) graphic.focus();
    here = run;
    if (run) show(run);
    else hide();
  };

  document.addEventListener("keydown", (event) => {
    const lane = laneOf(event.target);
    if (!lane || !event.target.matches(".lane-track svg") || event.ctrlKey || event.altKey || event.metaKey) return;
    const runs = runsOf(lane);
    const at = runs.includes(here) ? runs.indexOf(here) : runs.length;
    const lanes = [...document.querySelectorAll(".lane[data-lane]")];
    const other = lanes[lanes.indexOf(lane) + { ArrowUp: -1, ArrowDown: 1 }[event.key]];
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: runs.length - 1 }[event.key];
    if (to !== undefined && runs.length) stepTo(lane, runs[Math.max(0, Math.min(to, runs.length - 1))]);
    else if (other) stepTo(other, runsOf(other).at(-1));
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
  document.addEventListener("focusout", (event) => laneOf(event.target) && hide());
  window.addEventListener("scroll", hide, { passive: true });

  const makeReachable = () => {
    for (const graphic of document.querySelectorAll(".lane[data-lane] .lane-track svg")) graphic.setAttribute("tabindex", "0");
  };

  // What the moment allows, as the fragment says it

  const showMoment = () => {
    const moment = document.querySelector('[id^="pod-moment-"]');
    const end = document.querySelector('.pod-actions [data-action="end-snooze"]');
    if (moment && end) end.hidden = !moment.dataset.snoozed;
  };

  // Dialogs: one that the server opened becomes modal; one whose form was taken closes

  for (const dialog of document.querySelectorAll("dialog[data-reopen]")) {
    dialog.close();
    dialog.showModal();
  }
  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, requestConfig } }) => {
    if (xhr.status < 200 || xhr.status >= 300 || requestConfig.verb === "get") return;
    elt.closest("dialog")?.close();
    window.podhealthPage.shut(elt);
  });
  document.addEventListener("input", ({ target }) => {
    if (target.id === "snooze-until" && target.value) {
      const choice = target.form.querySelector('[name="length"][value="until"]');
      if (choice) choice.checked = true;
    }
  });

  // Parts that grow old by themselves

  const isHeld = (part) => {
    const selection = document.getSelection();
    return part.contains(document.activeElement) || !!part.querySelector("details[open], dialog[open], .check-run") || part.contains(cursor) ||
      (selection && !selection.isCollapsed && selection.containsNode(part, true));
  };
  const renewed = () => [...document.querySelectorAll("[data-fresh][id], [id^='pod-head-'], [id^='uptime-'], [id^='check-row-']")];
  let isBusy = false;
  let renewedAt = Date.now();

  const renew = async () => {
    if (isBusy || document.hidden || document.documentElement.dataset.live !== "live") return;
    isBusy = true;
    renewedAt = Date.now();
    let wasSwapped = false;
    const note = () => (wasSwapped = true); // a push came between: what was asked for is older than what is shown
    document.addEventListener("podhealth:swapped", note);
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-By-Itself": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (wasSwapped) return;
      for (const part of renewed()) {
        const fresh = page.getElementById(part.id);
        if (fresh && !isHeld(part)) part.replaceWith(document.adoptNode(fresh));
      }
    } catch {
      return; // no answer: live.js says so
    } finally {
      document.removeEventListener("podhealth:swapped", note);
      isBusy = false;
    }
    makeReachable();
    document.dispatchEvent(new CustomEvent("podhealth:swapped", { detail: document.body }));
  };

  document.addEventListener("podhealth:swapped", () => {
    makeReachable();
    showMoment();
  });
  document.addEventListener("visibilitychange", () => document.hidden || renew());
  setInterval(() => {
    const due = [...document.querySelectorAll('.check-row time[data-t="in"]')];
    const isDue = due.some((time) => Date.parse(time.dateTime) < window.podhealthPage.now() - 2000);
    if (Date.now() - renewedAt >= (isDue ? RENEW_DUE_S : RENEW_EVERY_S) * 1000) renew();
  }, 3000);
  makeReachable();
  showMoment();
})();
