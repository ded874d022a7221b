"""What the form of a window says of it: plain view objects, texts in the zones they name.

When a window is comes from core and counts from store; nothing is asked or decided here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice

from podhealth.core.window_rules import WindowRules
from podhealth.core.window_sentence import about_sentence, clock_change, window_sentence
from podhealth.core.windows import Occurrence, occurrences
from podhealth.web.forms.windows import LABELS, WindowForm

_PREVIEWED = 5


@dataclass(frozen=True, slots=True)
class Coming:
    """One occurrence: in the window's zone, in UTC, and what a turn of the clock does to it."""

    local: str
    utc: str
    change: str | None


@dataclass(frozen=True, slots=True)
class WindowPreview:
    """What a form asks for, in words; ``sentence`` null with what ``waits_for`` says is to be mended."""

    sentence: str | None
    zone: str = ""
    pods: str = ""
    coming: tuple[Coming, ...] = ()
    waits_for: tuple[str, ...] = ()


def preview_view(form: WindowForm, pods: int | None, now: datetime) -> WindowPreview:
    """Return what a form asks for; ``pods``: how many it is about now."""
    rules = form.rules
    if rules is None:
        told = (f"{LABELS[name]}: {said}" for name, said in form.errors.items())
        return WindowPreview(None, waits_for=tuple(told))
    coming = () if not rules.enabled else tuple(_coming(rules, one) for one in _next(rules, now))
    about = about_sentence(rules)
    counted = "" if pods is None else f" — {pods:,} now"
    return WindowPreview(window_sentence(rules), rules.zone, f"For {about}{counted}", coming)


def _next(rules: WindowRules, now: datetime) -> list[Occurrence]:
    return list(islice(occurrences(rules.plan(), now), _PREVIEWED))


def _coming(rules: WindowRules, one: Occurrence) -> Coming:
    change = clock_change(rules, one.since, one.until)
    return Coming(span_text(one, rules.plan().zone), span_text(one, UTC), change)


def span_text(one: Occurrence, zone: tzinfo) -> str:
    """Return an occurrence as a zone's calendar and clock have it: ``Sun 29 Mar 2026, 02:00–04:00``."""
    begins, ends = one.since.astimezone(zone), one.until.astimezone(zone)
    day = f"{begins:%a} {begins.day} {begins:%b %Y}"
    if begins.date() == ends.date():
        return f"{day}, {begins:%H:%M}–{ends:%H:%M}"
    return f"{day}, {begins:%H:%M} – {ends:%a} {ends.day} {ends:%b}, {ends:%H:%M}"
