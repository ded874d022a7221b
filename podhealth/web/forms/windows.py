"""Reads the form of a maintenance window into the fields of core/window_rules, which alone says what they may hold.

Pods are written by name on the form and kept by id; who knows the names passes them in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from podhealth.core.errors import InputError
from podhealth.core.recurrence import DAYS
from podhealth.core.window_rules import WHOM, WindowRules, parse_window, starts_text
from podhealth.core.windows import MAX_MINUTES
from podhealth.web.forms.collect import EditForm, Fields, lines_of, posted_texts, read_all, text_of, whole_or_text
from podhealth.web.forms.window_repeat import day_box, repeat_values, rule_text

WindowForm = EditForm[WindowRules]

# In the order in which they stand on the page.
LABELS = {
    "name": "Name",
    "reason": "Reason",
    "starts": "Begins",
    "hours": "Hours",
    "minutes": "Minutes",
    "zone": "Time zone",
    "repeat": "Repeats",
    "every": "Every",
    "days": "On",
    "monthly": "In the month",
    "lastDay": "Last day",
    "rule": "Rule",
    "allPods": "All pods",
    "tags": "Tags",
    "pods": "Pods",
    "nodes": "Nodes",
    "holds": "Holds back",
    "enabled": "In force",
}
_TEXTS = ("name", "reason", "starts", "hours", "minutes", "zone", "repeat", "every", "monthly", "lastDay", "rule")
_MORE_TEXTS = ("tags", "pods", "holds")
_BOXES = ("allPods", "enabled", *map(day_box, DAYS))
_PLAIN: Fields = {
    "name": "x",
    "reason": "x",
    "zone": "UTC",
    "starts": "2026-01-01T00:00",
    "minutes": 1,
    "recurrence": None,
    "holds": "heals_and_alerts",
    "tags": [],
    "podIds": [],
    "nodeIds": [],
}
_OWN = {"recurrence": "rule", "podIds": "pods", "nodeIds": "nodes"}


def node_box(node_id: int) -> str:
    """Return the name of the box of a node."""
    return f"node-{node_id}"


def new_form(now: datetime, zone: str, nodes: Sequence[int]) -> WindowForm:
    """Return the form of a window that is not stored yet: two hours, once, from the next full hour of the zone on."""
    begins = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None, minute=0, second=0, microsecond=0) + timedelta(hours=1)
    values = dict.fromkeys((*_TEXTS, *_MORE_TEXTS, *_BOXES, *map(node_box, nodes)), "")
    values |= repeat_values(None, begins)
    values |= {"starts": starts_text(begins), "hours": "2", "minutes": "0", "zone": zone, "enabled": "on"}
    return EditForm(values | {"holds": "heals_and_alerts"})


def form_of(rules: WindowRules, pods: Mapping[int, str], nodes: Sequence[int]) -> WindowForm:
    """Return the form as it shows ``rules``; ``pods``: the names of those chosen that are still there."""
    hours, minutes = divmod(rules.minutes, 60)
    values = repeat_values(rules.rule, rules.starts) | {
        "name": rules.name,
        "reason": rules.reason,
        "starts": starts_text(rules.starts),
        "hours": text_of(hours),
        "minutes": text_of(minutes),
        "zone": rules.zone,
        "allPods": "on" if rules.all_pods else "",
        "tags": "\n".join(rules.tags),
        "pods": "\n".join(sorted(pods[pod_id] for pod_id in rules.pod_ids if pod_id in pods)),
        "holds": rules.holds.value,
        "enabled": "on" if rules.enabled else "",
    }
    return EditForm(values | {node_box(node): "on" if node in rules.node_ids else "" for node in nodes}, rules)


def read_form(posted: Mapping[str, str], pods: Mapping[str, int], nodes: Sequence[int]) -> WindowForm:
    """Return what was sent; ``pods``: the ids of the tenant's pods by the names that the form names."""
    values = posted_texts(posted, _TEXTS + _MORE_TEXTS, (*_BOXES, *map(node_box, nodes)))
    fields, errors = _fields(values, nodes), dict[str, str]()
    for name, read in (
        ("minutes", lambda: _minutes(values)),
        ("podIds", lambda: _pod_ids(values, pods)),
        ("recurrence", lambda: rule_text(values, _wall(values["starts"]))),
    ):
        try:
            fields[name] = read()
        except InputError as refused:
            errors[refused.field] = refused.message
            fields[name] = _PLAIN[name]
    rules, refused_by_core = read_all(parse_window, fields, _take_out)
    for name, said in refused_by_core.items():
        own = _OWN.get(name, name)
        is_told = own == WHOM and {"pods", "tags", "nodes"} & errors.keys()
        if not is_told:
            errors.setdefault(own, "choose all pods, or name tags, pods or nodes" if own == WHOM else said)
    # A rule is judged by its begin: without that nothing is wrong with it.
    return EditForm(values, None if errors else rules, _plainer(errors, values))


def _plainer(errors: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    if "rule" in errors and values["repeat"] != "rule":  # a rule that the form's own choices make
        return {("lastDay" if name == "rule" else name): said for name, said in errors.items()}
    return dict(errors)


def _fields(values: Mapping[str, str], nodes: Sequence[int]) -> Fields:
    return {
        "name": values["name"].strip(),
        "reason": values["reason"].strip(),
        "zone": values["zone"].strip(),
        "starts": values["starts"].strip()[:16]
        if values["starts"].strip().endswith(":00")
        else values["starts"].strip(),
        "holds": values["holds"],
        "allPods": values["allPods"] == "on",
        "tags": lines_of(values["tags"]),
        "nodeIds": [node for node in nodes if values[node_box(node)]],
        "enabled": values["enabled"] == "on",
    }


def _minutes(values: Mapping[str, str]) -> int:
    hours, minutes = (whole_or_text(values[name]) for name in ("hours", "minutes"))
    if not isinstance(hours, int | None) or not 0 <= (hours or 0) <= MAX_MINUTES // 60:
        raise InputError("hours", f"must be a whole number from 0 to {MAX_MINUTES // 60}")
    if not isinstance(minutes, int | None) or not 0 <= (minutes or 0) <= MAX_MINUTES:
        raise InputError("minutes", f"must be a whole number from 0 to {MAX_MINUTES:,}")
    length = (hours or 0) * 60 + (minutes or 0)
    if not 1 <= length <= MAX_MINUTES:
        raise InputError("minutes", "it must last a minute at least, and a week at most")
    return length


def names_asked(posted: Mapping[str, str]) -> list[str]:
    """Return the names of pods that a form names."""
    return lines_of(posted.get("pods", ""))


def _pod_ids(values: Mapping[str, str], pods: Mapping[str, int]) -> list[int]:
    missing = [name for name in lines_of(values["pods"]) if name not in pods]
    if missing:
        shown = missing[0][:63]
        raise InputError("pods", f"there is no pod called {shown}")
    return [pods[name] for name in lines_of(values["pods"])]


def _wall(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        return None


def _take_out(fields: Fields, name: str) -> None:
    if name == WHOM:
        fields["allPods"] = True
    else:
        fields[name] = _PLAIN.get(name)


def own_field(refused: InputError) -> str:
    """Return the form's name of a field that the store refused. Raises it again where the form has no such field."""
    name: Any = _OWN.get(refused.field, refused.field)
    if name not in LABELS:
        raise refused
    return str(name)
