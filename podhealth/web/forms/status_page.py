"""Reads the form of a status page: what is typed, which pods are added, moved and taken away.

Whether it may be stored is the store's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from werkzeug.datastructures import MultiDict

from podhealth.store.statuspages import Page, Shown

_LONGEST_ADDED = 5_000


@dataclass(frozen=True, slots=True)
class StatusPageForm:
    """The form as it stands: the page it says, the names typed to be added, and what is wrong with which field."""

    page: Page
    added: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def with_error(self, name: str, message: str) -> "StatusPageForm":
        """Return the form with a field refused."""
        return replace(self, errors={**self.errors, name: message})


def read_form(posted: MultiDict[str, str], names: Mapping[int, str]) -> StatusPageForm:
    """Return the form as it was sent; ``names``: of the pods that may stand in it."""
    rows = []
    for position, text in enumerate(posted.getlist("pod")):
        if not (text.isascii() and text.isdecimal() and len(text) < 19) or int(text) not in names:
            continue
        pod_id = int(text)
        if posted.get(f"away-{pod_id}"):
            continue
        place = _place(posted.get(f"place-{pod_id}", ""), position)
        rows.append((place, position, Shown(pod_id, names[pod_id], posted.get(f"label-{pod_id}", "").strip())))
    version = posted.get("version", "")
    return StatusPageForm(
        Page(
            slug=posted.get("slug", "").strip(),
            title=posted.get("title", "").strip(),
            is_on=posted.get("is_on") == "on",
            shows_incidents=posted.get("shows_incidents") == "on",
            shows_windows=posted.get("shows_windows") == "on",
            pods=tuple(shown for _, _, shown in sorted(rows)),
            version=int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0,
        ),
        added=posted.get("added", "").strip()[:_LONGEST_ADDED],
    )


def names_added(form: StatusPageForm) -> list[str]:
    """Return the names of pods typed to be added, one a line or with commas, each once."""
    return list(dict.fromkeys(part.strip() for part in form.added.replace("\n", ",").split(",") if part.strip()))


def _place(text: str, otherwise: int) -> float:
    # A place typed twice keeps the order in which the rows stood.
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 5 else otherwise + 1.0
