"""Reads what people ask for on many pods at once. What is refused comes back as it was typed.

Which pods, and whether they are the caller's, is not asked here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from podhealth.core.errors import InputError
from podhealth.core.fields import line
from podhealth.core.pod_rules import MAX_TAG
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.pods import Snoozing, empty_forms, read_reason, read_snooze


@dataclass(frozen=True, slots=True)
class BulkAct:
    """One act of the bulk bar: what its page is headed, what its button says, and its fields as nobody has typed yet.

    ``is_change``: it changes what pods are, which takes an admin.
    """

    verb: str
    fields: Mapping[str, str]
    is_change: bool = False


ACTS: dict[str, BulkAct] = {
    "snooze": BulkAct("Snooze", empty_forms()["snooze"].values),
    "heal": BulkAct("Heal", {"reason": ""}),
    "run": BulkAct("Run the checks of", {}),
    "tag": BulkAct("Tag", {"tag": ""}, is_change=True),
    "untag": BulkAct("Remove a tag of", {"tag": ""}, is_change=True),
    "delete": BulkAct("Delete", {"confirm": ""}, is_change=True),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for: whichever of these its act takes."""

    snooze: Snoozing | None = None
    reason: str | None = None
    tag: str | None = None


def empty_form(act: str) -> ActForm:
    """Return the form of an act as it is before anybody has typed."""
    return ActForm("bulk", dict(ACTS[act].fields))


def read_bulk(act: str, form: ActForm, many: int, now: datetime, zone: tzinfo) -> tuple[Asked | None, ActForm]:
    """Return what the form asks for, null where the returned form says what is wrong with it.

    ``many``: how many pods it is about, which who deletes them must type.
    """
    if act == "snooze":
        snooze, form = read_snooze(form, now, zone)
        return (Asked(snooze=snooze) if snooze else None), form
    if act == "heal":
        reason, form = read_reason(form)
        return (Asked(reason=reason) if reason else None), form
    if act in ("tag", "untag"):
        try:
            return Asked(tag=line("tag", form.values["tag"], MAX_TAG)), form
        except InputError as refused:
            return None, form.with_error(refused.field, refused.message)
    if act == "delete" and form.values["confirm"] != str(many):
        return None, form.with_error("confirm", f"must be {many}, the number of pods")
    return Asked(), form
