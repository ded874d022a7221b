"""A tenant's maintenance windows: made, changed, ended early, lengthened, deleted.

What the fields may say is core/window_rules' business. What follows for pods is done by the tick
(store/windowturns.py), which looks at once at a window that was changed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, Stale
from podhealth.core.fields import whole_number
from podhealth.core.window_rules import WindowRules, parse_window, starts_text, window_fields
from podhealth.core.windows import MAX_MINUTES, Covers, Occurrence, Plan, concerns, occurrences, under_way
from podhealth.core.words import FeedKind
from podhealth.models import Node, Pod, Window
from podhealth.store import advisory, audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope, own

MAX_WINDOWS = 200
_MOST_TIMES = 100  # of one window that are looked for at once; a month has 31 days
_WINDOW = Window.__table__
_SAME = ("name", "reason", "zone", "minutes", "recurrence", "holds", "all_pods", "enabled")
_LISTS = ("tags", "pod_ids", "node_ids")

Row = sa.Row[Any]


def rules_of(row: Any) -> WindowRules:
    """Return the rules that a stored window holds."""
    values = {name: getattr(row, name) for name in _SAME} | {name: tuple(getattr(row, name)) for name in _LISTS}
    return WindowRules(**values, starts=datetime.fromisoformat(row.starts))


def plan_of(row: Any) -> Plan:
    """Return when a stored window is, with what was done to the occurrence under way."""
    return rules_of(row).plan(row.skip_until, row.extended_until)


def now_open(row: Any, now: datetime) -> Occurrence | None:
    """Return the occurrence of a stored window that is under way, as planned or as the tick has opened it."""
    if not row.enabled or row.deleted_at is not None:
        return None
    found = under_way(plan_of(row), now)
    # Stored of one that is over already, and that nobody has closed: another's begin.
    is_same = found is not None and row.open_until is not None and row.open_until >= found.since
    if found is None or not is_same:
        return found
    return Occurrence(min(row.open_since, found.since), found.until)


def times_of(row: Any, since: datetime, until: datetime, now: datetime) -> list[Occurrence]:
    """Return when a stored window is and will be under way between two moments, in order, as it is planned now.

    When it was, is told by store/windowpast.
    """
    since = max(since, now)
    if not row.enabled or since >= until:
        return []
    coming = islice(occurrences(plan_of(row), since), _MOST_TIMES)
    found = list(takewhile(lambda one: one.since < until, coming))
    is_open = now_open(row, now)
    if is_open is None or is_open.until <= since:
        return found
    return [is_open, *(one for one in found if one.since >= is_open.until)]


def get_window(conn: sa.Connection, scope: Scope, window_id: object) -> Row:
    """Return one window. Raises NotFound where the tenant has none of that id."""
    return tenancy.get_own(conn, scope, Window, window_id, "maintenance window")


def list_windows(conn: sa.Connection, scope: Scope) -> Sequence[Row]:
    """Return the tenant's windows, by name."""
    query = sa.select(_WINDOW).where(own(scope, _WINDOW), Window.deleted_at.is_(None))
    return conn.execute(query.order_by(Window.name, Window.id)).all()


def deleted_of(conn: sa.Connection, scope: Scope, window_ids: Collection[int]) -> list[int]:
    """Return those of these windows of the tenant that were deleted."""
    query = sa.select(Window.id).where(own(scope, Window), Window.id.in_(window_ids), Window.deleted_at.is_not(None))
    return list(conn.scalars(query))


def pods_meant(conn: sa.Connection, scope: Scope, rules: Sequence[WindowRules]) -> list[int]:
    """Return how many of the tenant's pods each of these windows is about now."""
    query = sa.select(Pod.id, Pod.tags, Pod.node_id).where(own(scope, Pod), Pod.deleted_at.is_(None))
    # Thousands of pods carry few different sets of tags: each is asked once a window.
    alike: dict[tuple[frozenset[str], int | None], set[int]] = defaultdict(set)
    for pod in conn.execute(query):
        alike[frozenset(pod.tags), pod.node_id].add(pod.id)
    return [_meant(one.covers, alike) for one in rules]


def _meant(covers: Covers, alike: Mapping[tuple[frozenset[str], int | None], set[int]]) -> int:
    chosen, others = frozenset(covers.pod_ids), covers._replace(pod_ids=())
    return sum(
        len(ids) if concerns(others, 0, tags, node_id) else len(ids & chosen) for (tags, node_id), ids in alike.items()
    )


def save_window(
    conn: sa.Connection,
    scope: Scope,
    fields: Mapping[str, object],
    window_id: int | None = None,
    version: int | None = None,
) -> Row:
    """Make a window, or change the one of ``window_id``, and return it.

    ``version`` is the one the caller has read. Raises NotFound for an id the tenant does not own, Conflict where the
    window changed since that version, InputError with the field's name for a bad value.
    """
    _lock_names(conn, scope)
    existing = None if window_id is None else _locked(conn, scope, window_id, version)
    before = None if existing is None else rules_of(existing)
    rules = parse_window(fields, before)
    if existing is not None and rules == before:
        return existing
    _refuse_strangers(conn, scope, rules, before)
    _refuse_taken_name(conn, scope, rules.name, window_id)
    now = db_now(conn)
    values = {name: getattr(rules, name) for name in _SAME} | {name: list(getattr(rules, name)) for name in _LISTS}
    values |= {"starts": starts_text(rules.starts), "updated_at": now, "next_change_at": now}
    if existing is None:
        _refuse_too_many(conn, scope)
        made = sa.insert(Window).values(tenant_id=scope.tenant_id, created_at=now, **values).returning(Window.id)
        saved = int(conn.execute(made).scalar_one())
        audit.write(conn, scope, "window created", "window", saved, None, window_fields(rules))
    else:
        saved = existing.id
        _update(conn, existing, values)
        told = _differing(window_fields(rules_of(existing)), window_fields(rules))
        audit.write(conn, scope, "window changed", "window", saved, *told)
    return _told(conn, scope, saved)


def delete_window(conn: sa.Connection, scope: Scope, window_id: int, version: int | None = None) -> None:
    """Delete a window softly; the pods in it are out of maintenance at the next tick and judged then."""
    row = _locked(conn, scope, window_id, version)
    now = db_now(conn)
    _update(conn, row, _closed(now) | {"deleted_at": now})
    audit.write(conn, scope, "window deleted", "window", window_id, window_fields(rules_of(row)), None)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.WINDOW, object_id=window_id)])


def end_now(conn: sa.Connection, scope: Scope, window_id: int) -> Row:
    """End the occurrence under way; later ones come as planned. Raises Conflict where none is under way."""
    row = _locked(conn, scope, window_id, None)
    now = db_now(conn)
    _require_open(row, now)
    _update(conn, row, _closed(now) | {"skip_until": now})
    audit.write(conn, scope, "window ended", "window", window_id, None, {"name": row.name})
    return _told(conn, scope, window_id)


def extend(conn: sa.Connection, scope: Scope, window_id: int, minutes: object) -> Row:
    """Lengthen the occurrence under way by so many minutes; later ones are as planned.

    Raises Conflict where none is under way, InputError where it would go on for more than a week from now.
    """
    more = timedelta(minutes=whole_number("minutes", minutes, 1, MAX_MINUTES))
    row = _locked(conn, scope, window_id, None)
    now = db_now(conn)
    until = _require_open(row, now).until + more
    if until > now + timedelta(minutes=MAX_MINUTES):
        raise InputError("minutes", "must let it end within a week from now")
    _update(conn, row, {"extended_until": until, "updated_at": now, "next_change_at": now})
    audit.write(conn, scope, "window extended", "window", window_id, None, {"until": until.isoformat()})
    return _told(conn, scope, window_id)


def _closed(now: datetime) -> dict[str, Any]:
    closed = {"open_since": None, "open_until": None, "extended_until": None}
    return {**closed, "updated_at": now, "next_change_at": now}


def _require_open(row: Row, now: datetime) -> Occurrence:
    found = now_open(row, now)
    if found is None:
        raise Conflict(f"{row.name} is not under way")
    return found


def _locked(conn: sa.Connection, scope: Scope, window_id: int, version: int | None) -> Row:
    get_window(conn, scope, window_id)  # a stranger's is not locked
    conn.execute(sa.select(Window.id).where(own(scope, Window), Window.id == window_id).with_for_update())
    row = get_window(conn, scope, window_id)  # again: another may have been faster
    if version is not None and version != row.version:
        raise Stale(f"window {row.name} was changed meanwhile: it is version {row.version} now", row.version)
    return row


def _update(conn: sa.Connection, row: Row, values: Mapping[str, Any]) -> None:
    conn.execute(sa.update(Window).where(Window.id == row.id).values(version=row.version + 1, **values))


def _told(conn: sa.Connection, scope: Scope, window_id: int) -> Row:
    append(conn, [FeedNote(scope.tenant_id, FeedKind.WINDOW, object_id=window_id)])
    return get_window(conn, scope, window_id)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _lock_names(conn: sa.Connection, scope: Scope) -> None:
    # Two of one name at one moment: the second must see the first, not fail on the unique index.
    advisory.hold(conn, advisory.Each.WINDOW_NAMES, scope.tenant_id)


def _refuse_too_many(conn: sa.Connection, scope: Scope) -> None:
    count = sa.select(sa.func.count()).select_from(Window).where(own(scope, Window), Window.deleted_at.is_(None))
    if (conn.scalar(count) or 0) >= MAX_WINDOWS:
        raise InputError("name", f"there are {MAX_WINDOWS} windows already; delete one that is over", code="too_many")


def _refuse_taken_name(conn: sa.Connection, scope: Scope, name: str, but_id: int | None) -> None:
    query = sa.select(Window.id).where(own(scope, Window), Window.name == name, Window.deleted_at.is_(None))
    if any(found != but_id for found in conn.scalars(query)):
        raise InputError("name", "there is a window of this name already", code="taken")


def _refuse_strangers(conn: sa.Connection, scope: Scope, rules: WindowRules, before: WindowRules | None) -> None:
    # What was chosen before may have been deleted since; it is no mistake of this edit.
    had_pods, had_nodes = ((), ()) if before is None else (before.pod_ids, before.node_ids)
    pods = sa.select(Pod.id).where(own(scope, Pod), Pod.deleted_at.is_(None))
    mine = sa.or_(own(scope, Node), Node.tenant_id.is_(None))
    nodes = sa.select(Node.id).where(mine, Node.deleted_at.is_(None))
    for field, ids, query, table in (
        ("podIds", set(rules.pod_ids) - set(had_pods), pods, Pod),
        ("nodeIds", set(rules.node_ids) - set(had_nodes), nodes, Node),
    ):
        missing = ids - set(conn.scalars(query.where(table.id.in_(ids)))) if ids else ()
        if missing:
            raise InputError(field, f"there is no such {field[:-3]}: {min(missing)}")
