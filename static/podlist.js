// The overview beside what every page does: the sheet of filters on a phone, selected pods, buttons for answers, and
// what loading the list again would change. Without it the page works by its links and forms.
(() => {
  "use strict";
  const DRIFT_PAUSE_MS = 2000;
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // The fields stand in the form; a phone shows them in a dialog of its own. They belong to the form all the time.

  const fields = one("#filter-fields");
  const sheet = one("#filter-dialog");
  const place = one("#filter-place");
  if (fields && sheet && place) {
    for (const field of all("input, select", fields)) field.setAttribute("form", "filters");
    one(".filter-open")?.addEventListener("click", () => place.append(fields));
    // Events of fields inside the dialog do not pass through the form.
    place.addEventListener("input", () => one("#filters").dispatchEvent(new Event("input")));
    sheet.addEventListener("close", () => one("#filters").append(fields));
  }

  const countChosen = () => {
    for (const pick of all(".pick")) {
      const n = all("input:checked", pick).length;
      const count = one("[data-pick-count]", pick);
      if (count) count.textContent = n || "";
      pick.classList.toggle("is-set", n > 0);
    }
    const applied = one("[data-applied-count]");
    if (applied) applied.textContent = all("#filter-fields .pick input:checked").length + (one("#q")?.value ? 1 : 0) || "";
  };
  document.addEventListener("input", (event) => event.target.closest?.("#filter-fields, #filters") && countChosen());

  // Selected pods

  const boxes = () => all('#pod-list [name="ids"]');
  const showSelected = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    const said = one("[data-selected]");
    if (said) said.textContent = chosen ? `${chosen} selected` : "";
    const whole = one("[data-select-page]");
    if (!whole) return;
    whole.checked = chosen > 0 && chosen === boxes().length;
    whole.indeterminate = chosen > 0 && !whole.checked;
  };
  document.addEventListener("change", ({ target }) => {
    if (target.matches?.("[data-select-page]")) for (const box of boxes()) box.checked = target.checked;
    if (target.matches?.('[data-select-page], [name="ids"]')) showSelected();
  });

  // Keys for who has boxes: x selects the pod that has the focus, s asks how long it is to be snoozed.

  const boxHere = () => {
    const here = document.activeElement?.closest?.('[id^="pod-card-"], [id^="pod-row-"], [name="ids"]');
    return here && (here.matches("input") ? here : one(`#pod-list [name="ids"][value="${here.id.split("-").pop()}"]`));
  };
  const KEYS = {
    x: (box) => box.click(),
    s: (box) => location.assign(`/pods/bulk?${new URLSearchParams({ act: "snooze", ids: box.value, back: one('#bulk [name="back"]').value })}`),
  };
  const areKeysOn = () => {
    try {
      return localStorage.getItem("podhealth-keys") !== "off";
    } catch {
      return true;
    }
  };
  document.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || !areKeysOn() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog[open]")) return;
    event.preventDefault();
    const box = boxHere();
    if (box) KEYS[event.key](box);
  });

  // Who may answer has the buttons beside each question, too: they are not part of what is pushed.

  const offerAnswers = () => {
    const buttons = one("#answer-buttons");
    if (!buttons) return;
    for (const acts of all("[data-approval]:not([data-offered])")) {
      acts.dataset.offered = "yes";
      const copy = buttons.content.cloneNode(true);
      const name = one("a", acts.closest(".need"))?.textContent ?? "";
      for (const form of all("form", copy)) {
        form.action = `/approvals/${acts.dataset.approval}/${form.dataset.answer}`;
        one("button", form).setAttribute("aria-label", `${one("button", form).textContent} for ${name}`);
      }
      acts.prepend(copy);
    }
  };

  // What loading the list again would change

  let asking = null;
  let isAskedAgain = false;
  const askDrift = async () => {
    const list = one("#pod-list[data-query]");
    const line = one("#list-differs");
    if (!list || !line) return;
    const shown = all('[id^="pod-card-"], [id^="pod-row-"]', list).map((each) => each.id.split("-").pop());
    const query = new URLSearchParams(list.dataset.query);
    query.set("shown", shown.join(","));
    query.set("matching", list.dataset.matching);
    const answer = await fetch(`/pods/drift?${query}`, { headers: { Accept: "text/html", "X-By-Itself": "1" } }).catch(() => null);
    if (!answer?.ok || answer.redirected || line !== one("#list-differs")) return;
    const text = (await answer.text()).trim();
    line.hidden = !text;
    if (text && line.innerHTML.trim() !== text) line.innerHTML = text;
  };
  const noticeDrift = () => {
    if (asking) {
      isAskedAgain = true;
      return;
    }
    asking = setTimeout(async () => {
      await askDrift().catch(() => null); // broken off: the next change asks again
      asking = null;
      if (isAskedAgain) {
        isAskedAgain = false;
        noticeDrift();
      }
    }, DRIFT_PAUSE_MS);
  };

  document.addEventListener("podhealth:swapped", () => {
    offerAnswers();
    noticeDrift();
  });
  document.addEventListener("htmx:afterSettle", () => {
    showSelected();
    offerAnswers();
  });
  offerAnswers();
  showSelected();
})();
