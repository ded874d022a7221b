"""What a sync does to pods, one line of its plan in one transaction; and what it asks the database before.

The plan is core/sync's: nothing is decided here. Whoever edits a pod meanwhile wins, and the next sync looks again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.address import why_host_refused
from podhealth.core.guests import Answer, Guest
from podhealth.core.sync import OFF_THERE, Act, Around, Fields, Known, Line, draw_up
from podhealth.core.words import DesiredState, FeedKind, NoticeKind, ProviderKind, Severity
from podhealth.models import Node, Pod, SyncedPod
from podhealth.models.base import to_us
from podhealth.store import audit, feed, inventory, newpods, notices, podstate
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.sources import takes_of
from podhealth.store.tenancy import Scope, own, system_scope

Row = sa.Row[Any]


def scope_of(source: Any) -> Scope:
    """Return the scope in which a source's sync acts; it is what the audit trail calls it."""
    return system_scope(source.tenant_id, f"sync of {source.name}"[:200])


def plan(conn: sa.Connection, source: Any, answer: Answer, networks: Sequence[str]) -> list[Line]:
    """Return what a sync upon this answer would do. ``networks``: the platform's."""
    scope = scope_of(source)
    named = _node_names(conn, source, {guest.node for guest in answer.guests if guest.node})
    guests = [replace(guest, node=named.get(guest.node or "")) for guest in answer.guests]
    allowed = newpods.networks_of(conn, scope, networks)
    taken, by_hand = _pods(conn, scope, source)
    around = Around(taken, by_hand, _refusal(allowed), db_now(conn))
    return draw_up(guests, known_pods(conn, source), takes_of(source), around)


def known_pods(conn: sa.Connection, source: Any) -> list[Known]:
    """Return the pods that the source's sync has added, deleted ones too."""
    shared = sa.select(Node.name).where(Node.tenant_id.is_(None), Node.deleted_at.is_(None))
    elsewhere = set(conn.scalars(shared)) if source.is_shared else set()
    query = (
        sa.select(SyncedPod.__table__, *_POD, Node.name.label("node"), Node.tenant_id.label("node_of"))
        .join(Pod, Pod.id == SyncedPod.pod_id)
        .join(Node, Node.id == Pod.node_id, isouter=True)
        .where(SyncedPod.source_id == source.id)
        .order_by(SyncedPod.pod_id)
    )
    return [_known(row, _place_of(row, elsewhere, source.is_shared)) for row in conn.execute(query)]


def _place_of(row: Row, shared: set[str], is_shared: bool) -> str | None:
    """Return what a pod's node is called: one that is not of the source's kind is another, whatever its name."""
    if row.node is not None and is_shared and row.node_of is not None and row.node in shared:
        return f"{row.node} (the tenant's)"
    if row.node is not None and not is_shared and row.node_of is None:
        return f"{row.node} (the platform's)"
    return None if row.node is None else str(row.node)


_POD: tuple[Any, ...] = (
    Pod.version,
    Pod.name,
    Pod.address,
    Pod.tags,
    Pod.node_id,
    Pod.provider_ref,
    Pod.provider_config,
    Pod.desired_state,
    Pod.desired_reason,
    Pod.deleted_at,
)


def _known(row: Row, node: str | None) -> Known:
    given = Fields.of(row.given)
    return Known(
        pod_id=row.pod_id,
        version=row.version,
        key=row.key,
        here=Fields(row.name, row.address, tuple(row.tags), node),
        given=given._replace(node=node) if row.given.get("nodeId") == row.node_id else given,
        said=Fields.of(row.said),
        marks=tuple(row.marks),
        is_deleted=row.deleted_at is not None,
        node_id=row.node_id,
        gave_node_id=row.given.get("nodeId"),
        ref=row.provider_ref,
        called=(row.provider_config or {}).get("guestName"),
        waits_for_start=row.desired_state == DesiredState.STOPPED and row.desired_reason == OFF_THERE,
        missing_since=row.missing_since,
        vanished_at=row.vanished_at,
        vanished_why=row.vanished_why,
    )


def _refusal(allowed: Sequence[Sequence[str]]) -> Callable[[str], str | None]:
    return lambda address: next((why for one in allowed if (why := why_host_refused(address, one))), None)


def _pods(conn: sa.Connection, scope: Scope, source: Any) -> tuple[dict[str, int], dict[str, str]]:
    """Return the tenant's pods by name, and the names of those that people made of guests of this source."""
    synced = sa.select(SyncedPod.pod_id).where(SyncedPod.source_id == source.id)
    columns: tuple[Any, ...] = (Pod.id, Pod.name, Pod.provider, Pod.provider_ref, Pod.provider_config, Pod.source_id)
    query = sa.select(*columns, Pod.id.in_(synced).label("is_synced")).where(own(scope, Pod), Pod.deleted_at.is_(None))
    taken: dict[str, int] = {}
    by_hand: dict[str, str] = {}
    for pod in conn.execute(query):
        taken[pod.name] = pod.id
        is_reached = pod.source_id == source.id or _place(pod.provider_config) == _place(source.config)
        if pod.provider == source.kind and is_reached and not pod.is_synced:
            by_hand[str(pod.provider_ref).rpartition("/")[2]] = pod.name
    return taken, by_hand


def _place(config: Any) -> str:
    return str((config or {}).get("url") or "").rstrip("/").casefold()


def _node_names(conn: sa.Connection, source: Any, wanted: set[str]) -> dict[str, str]:
    """Return what the nodes of a source are called here: as there, unless another source's node has the name."""
    query = sa.select(Node.name).where(
        Node.tenant_id == source.tenant_id, Node.source_id.is_not(None), Node.source_id != source.id
    )
    others = set(conn.scalars(query)) if wanted else set()
    return {name: f"{name} ({source.name})"[:63] if name in others else name for name in wanted}


def _node_id(conn: sa.Connection, source: Any, name: str | None) -> int | None:
    """Return the node of that name, the platform's where the source's are; a tenant's own is made where none is."""
    if name is None:
        return None
    columns: tuple[Any, ...] = (Node.id, Node.tenant_id, Node.deleted_at)
    owner = sa.or_(Node.tenant_id == source.tenant_id, Node.tenant_id.is_(None) if source.is_shared else sa.false())
    found = conn.execute(sa.select(*columns).where(Node.name == name, owner)).all()
    shared = next((row for row in found if row.tenant_id is None and row.deleted_at is None), None)
    mine = next((row for row in found if row.tenant_id is not None), None)
    if shared is not None:
        return int(shared.id)
    if mine is not None:
        if mine.deleted_at is not None:
            conn.execute(sa.update(Node).where(Node.id == mine.id).values(deleted_at=None, source_id=source.id))
        return int(mine.id)
    values = {"tenant_id": source.tenant_id, "name": name, "source_id": source.id, "created_at": db_now(conn)}
    return int(conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one())


def is_to_do(line: Line) -> bool:
    """Return whether a line of the plan writes anything."""
    if line.act in (Act.ADD, Act.CHANGE, Act.BACK, Act.VANISH):
        return True
    one, guest = line.known, line.guest
    if line.act == Act.MISSING:
        return one is not None and one.missing_since is None
    if line.act != Act.SAME or one is None or guest is None or guest.name is None:
        return False
    marks = guest.marks or one.marks
    is_kept = (line.given, _said(line), tuple(marks)) == (one.given, one.said, one.marks)
    return not is_kept or one.missing_since is not None or _reached(line) != (one.ref, one.called)


def do_line(conn: sa.Connection, source: Any, line: Line, networks: Sequence[str]) -> None:
    """Do what a line of the plan says, in the caller's transaction.

    Raises InputError where a pod may no longer be so, Conflict where somebody has edited it since: the next sync sees.
    """
    scope = scope_of(source)
    if line.act == Act.ADD:
        _add(conn, scope, source, line, networks)
    elif line.act in (Act.CHANGE, Act.BACK, Act.SAME):
        _keep(conn, scope, source, line, networks)
    elif line.act == Act.VANISH:
        _vanish(conn, scope, source, line)
    elif line.act == Act.MISSING and line.known is not None:
        row = sa.update(SyncedPod).where(SyncedPod.pod_id == line.known.pod_id, SyncedPod.missing_since.is_(None))
        conn.execute(row.values(missing_since=db_now(conn)))


def _add(conn: sa.Connection, scope: Scope, source: Any, line: Line, networks: Sequence[str]) -> None:
    guest = line.guest
    assert guest is not None  # what is added is one
    desired = DesiredState.STOPPED if guest.is_running is False else DesiredState.RUNNING
    node_id = _node_id(conn, source, line.to.node)
    fields: dict[str, object] = {
        "name": line.to.name,
        "address": line.to.address,
        "tags": list(line.to.tags),
        "nodeId": node_id,
        "provider": source.kind.value,
        "providerRef": guest.ref,
        "providerConfig": _config(source.kind, guest),
        "sourceId": source.id,
        "desiredState": desired.value,
    }
    pod_id = newpods.create_pod(conn, scope, fields, networks=networks, stopped_because=OFF_THERE)
    given = line.given.as_json() | {"nodeId": node_id}
    kept = {"key": guest.key, "marks": list(guest.marks), "given": given, "said": _said(line).as_json()}
    owner = {"pod_id": pod_id, "tenant_id": source.tenant_id, "source_id": source.id, "added_at": db_now(conn)}
    conn.execute(sa.insert(SyncedPod).values(**owner, **kept))


def _keep(conn: sa.Connection, scope: Scope, source: Any, line: Line, networks: Sequence[str]) -> None:
    one, guest = line.known, line.guest
    assert one is not None
    assert guest is not None  # what is kept is both
    podstate.lock_pods(conn, [one.pod_id])
    now = db_now(conn)
    fields = _changed(conn, source, line)
    is_in_step = line.given.node == line.to.node
    node_id = fields.get("nodeId", one.node_id if is_in_step else one.gave_node_id)
    values: dict[str, Any] = {
        "given": line.given.as_json() | {"nodeId": node_id},
        "said": _said(line).as_json(),
        "marks": list(guest.marks or one.marks),
    }
    values |= {"missing_since": None, "vanished_at": None, "vanished_why": None}
    conn.execute(sa.update(SyncedPod).where(SyncedPod.pod_id == one.pod_id).values(**values))
    ref, called = _reached(line)
    if (ref, called) != (one.ref, one.called):
        # The same guest by another name or on another node: what was found out about it stays true.
        config = {"provider_config": {"guestName": called}} if called is not None else {}
        conn.execute(sa.update(Pod).where(Pod.id == one.pod_id).values(provider_ref=ref, **config))
    if line.act == Act.BACK:
        _tell_found(conn, scope, source, one, now)
    if fields:
        inventory.update_pod(conn, scope, one.pod_id, fields, one.version, networks=networks)
    feed.append(conn, [FeedNote(source.tenant_id, FeedKind.INVENTORY, one.pod_id)])


def _changed(conn: sa.Connection, source: Any, line: Line) -> dict[str, object]:
    to: dict[str, Callable[[], object]] = {
        "name": lambda: line.to.name,
        "address": lambda: line.to.address,
        "tags": lambda: list(line.to.tags),
        "node": lambda: _node_id(conn, source, line.to.node),
        "wanted": lambda: DesiredState.RUNNING.value,
    }
    names = {"node": "nodeId", "wanted": "desiredState"}
    return {names.get(one.field, one.field): to[one.field]() for one in line.changes}


def _vanish(conn: sa.Connection, scope: Scope, source: Any, line: Line) -> None:
    one = line.known
    assert one is not None  # what vanishes was known
    now = db_now(conn)
    row = sa.update(SyncedPod).where(SyncedPod.pod_id == one.pod_id, SyncedPod.vanished_at.is_(None))
    if conn.execute(row.values(vanished_at=now, vanished_why=line.why[:200])).rowcount != 1:
        return
    text = f"{line.name} has vanished from {source.name}: {line.why}. The pod stays as it is."
    _tell(conn, source, NoticeKind.VANISHED, one.pod_id, text, now)
    audit.write(conn, scope, "guest vanished", "pod", one.pod_id, None, {"why": line.why})
    toast = {"text": f"{line.name} has vanished from {source.name}", "tone": "neutral"}
    feed.append(conn, [FeedNote(source.tenant_id, FeedKind.INVENTORY, one.pod_id, None, toast)])


def _tell_found(conn: sa.Connection, scope: Scope, source: Any, one: Known, now: datetime) -> None:
    text = f"{one.here.name} is there again at {source.name}."
    _tell(conn, source, NoticeKind.FOUND_AGAIN, one.pod_id, text, now)
    audit.write(conn, scope, "guest found again", "pod", one.pod_id)


def _tell(conn: sa.Connection, source: Any, kind: NoticeKind, pod_id: int, text: str, now: datetime) -> None:
    key = f"{kind.value}:{pod_id}:{to_us(now)}"
    notices.tell(conn, source.tenant_id, kind, key, text, severity=Severity.WARNING, pod_id=pod_id, now=now)


def _said(line: Line) -> Fields:
    """Return what the source says of the line's guest; where it tells nothing now, what it said before."""
    guest, before = line.guest, line.known.said if line.known is not None else Fields()
    if guest is None or guest.name is None:
        return before
    there = {drift.field: drift.there for drift in line.drifts if drift.field != "tags"}
    address = there.get("address") or (line.given.address if guest.addresses else before.address)
    return Fields(guest.name, address, guest.tags, guest.node)


def _reached(line: Line) -> tuple[str | None, str | None]:
    one, guest = line.known, line.guest
    assert one is not None
    assert guest is not None  # only what is both is asked for
    if guest.name is None:
        return one.ref, one.called
    return guest.ref, None if one.called is None else guest.name


def _config(kind: ProviderKind, guest: Guest) -> dict[str, str | None] | None:
    return {"guestName": guest.name} if kind == ProviderKind.PROXMOX else None
