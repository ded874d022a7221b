"""Sources and what a sync of them would do, as pages show them, and what a pod's page says of where it comes from.

Everything is read out of what was read last; nobody is asked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.check_rules import RUNNING
from podhealth.core.sync import DELETED_HERE, NOT_CHOSEN, Act, Drift, Fields, Line, drift_of
from podhealth.core.tag_rules import TagRuleRules, checks_for
from podhealth.core.words import ProviderKind
from podhealth.models import Node, Pod, Source, SyncedPod
from podhealth.store import sources, syncing, tagrules
from podhealth.store.tenancy import Scope, own

KIND_WORDS = {ProviderKind.PROXMOX: "Proxmox", ProviderKind.DOCKER: "Docker or Podman"}
_DEFAULT_CHECKS = (RUNNING.name, "ping")

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source in the list and at the head of its page. ``state``: off, new, reading, doubted, failing or on.

    ``pods``, ``vanished``, ``drifting``: how many pods its sync has added, and how many of them are so.
    """

    source_id: int
    path: str
    name: str
    kind: str
    state: str
    takes: str
    every: str
    pods: int
    vanished: int
    drifting: int
    error: str | None
    error_since: datetime | None
    told_at: datetime | None
    read_at: datetime | None
    next_at: datetime | None


class DriftLine(NamedTuple):
    """A pod that is otherwise than its guest, in which fields."""

    name: str
    path: str
    drifts: tuple[Drift, ...]


class PlanLine(NamedTuple):
    """One guest or pod in the plan: what is said of it, and the checks it would get. ``path``: its pod's.

    ``is_deleted_here``: it is left out because its pod was deleted here, and may be wanted again.
    """

    name: str
    key: str
    path: str | None
    said: str
    checks: str = ""
    is_deleted_here: bool = False


class PlanView(NamedTuple):
    """What a sync upon the newest answer would do, by kind; ``out`` are guests that become no pods."""

    at: datetime
    guests: int
    add: tuple[PlanLine, ...]
    change: tuple[PlanLine, ...]
    missing: tuple[PlanLine, ...]
    vanished: tuple[PlanLine, ...]
    drift: tuple[DriftLine, ...]
    out: tuple[PlanLine, ...]
    same: int


@dataclass(frozen=True, slots=True)
class PodSource:
    """What a pod's page says of its source: whether it fails, its guest has vanished, and in what the pod differs."""

    name: str
    path: str
    vanished_at: datetime | None
    why: str | None
    drifts: tuple[Drift, ...]
    error: str | None = None  # of a source that has failed for long
    failing_since: datetime | None = None


def source_rows(conn: sa.Connection, scope: Scope, ids: Collection[int] | None = None) -> list[SourceRow]:
    """Return the tenant's sources by name; with ``ids``, only those."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in conn.execute(_pods(scope)):
        count = counts[row.source_id]
        count[0] += 1
        count[1] += row.vanished_at is not None
        count[2] += row.vanished_at is None and bool(_drifts(row))
    rows = [row for row in sources.list_sources(conn, scope) if ids is None or row.id in ids]
    return [_source_row(row, counts[row.id]) for row in rows]


def _source_row(row: Row, count: Sequence[int]) -> SourceRow:
    return SourceRow(
        source_id=row.id,
        path=f"/inventory/sources/{row.id}",
        name=row.name,
        kind=KIND_WORDS[row.kind],
        state=_state(row),
        takes=sources.takes_of(row).in_words(),
        every=f"every {row.every_s // 60} min" if row.every_s % 60 == 0 else f"every {row.every_s} s",
        pods=count[0],
        vanished=count[1],
        drifting=count[2],
        error=row.error,
        error_since=row.error_since,
        told_at=row.told_at,
        read_at=row.read_at,
        next_at=row.next_at if row.is_on else None,
    )


def _state(row: Row) -> str:
    if row.lease_until is not None or row.tried_at is None:
        return "reading"
    if row.error is not None:
        return "doubted" if row.is_in_doubt else "failing"
    return "on" if row.is_on else "off"


def plan_view(conn: sa.Connection, scope: Scope, source: Any, networks: Sequence[str]) -> PlanView | None:
    """Return what a sync of the source would do upon its newest answer; null while it was never read."""
    read = sources.reading_of(conn, source.id)
    if read is None:
        return None
    at, answer = read
    lines = syncing.plan(conn, source, answer, networks)
    rules = tagrules.all_rules(conn, scope)
    by_act: dict[Act, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.why.startswith(NOT_CHOSEN), line.name.casefold())):
        by_act[line.act].append(line)
    return PlanView(
        at=at,
        guests=len(answer.guests),
        add=tuple(_to_add(line, rules) for line in by_act[Act.ADD]),
        change=tuple(_plain(line, _changes(line)) for line in by_act[Act.CHANGE] + by_act[Act.BACK]),
        missing=tuple(_plain(line, line.why) for line in by_act[Act.MISSING]),
        vanished=tuple(_plain(line, line.why) for line in by_act[Act.VANISH] + by_act[Act.GONE] if not _deleted(line)),
        drift=tuple(DriftLine(line.name, _path(line) or "", line.drifts) for line in lines if line.drifts),
        out=tuple(_plain(line, line.why) for line in by_act[Act.OUT]),
        same=len(by_act[Act.SAME]),
    )


def pod_source(conn: sa.Connection, pod: Any) -> PodSource | None:
    """Return the source by which a pod is reached; null where it has its own settings. ``pod``: a row of Pod."""
    if pod.source_id is None:
        return None
    path = f"/inventory/sources/{pod.source_id}"
    columns: tuple[Any, ...] = (Source.name, Source.error, Source.failing_since, Source.told_at)
    source = conn.execute(sa.select(*columns).where(Source.id == pod.source_id)).one()
    failing = (source.error, source.failing_since) if source.told_at is not None else (None, None)
    row = conn.execute(_synced().where(SyncedPod.pod_id == pod.id)).one_or_none()
    if row is None:  # somebody made it by hand, and has it reached by the source
        return PodSource(source.name, path, None, None, (), *failing)
    drifts = () if row.vanished_at is not None else _drifts(row)
    return PodSource(source.name, path, row.vanished_at, row.vanished_why, drifts, *failing)


def _pods(scope: Scope) -> Any:
    return _synced().where(own(scope, SyncedPod), Pod.deleted_at.is_(None))


def _synced() -> Any:
    columns: tuple[Any, ...] = (SyncedPod.source_id, SyncedPod.said, SyncedPod.vanished_at, SyncedPod.vanished_why)
    query = sa.select(*columns, Pod.name, Pod.address, Pod.tags, Node.name.label("node"))
    return query.join(Pod, Pod.id == SyncedPod.pod_id).join(Node, Node.id == Pod.node_id, isouter=True)


def _drifts(row: Row) -> tuple[Drift, ...]:
    return drift_of(Fields(row.name, row.address, tuple(row.tags), row.node), Fields.of(row.said))


def _to_add(line: Line, rules: Iterable[TagRuleRules]) -> PlanLine:
    by_tag = checks_for(line.to.tags, rules, _DEFAULT_CHECKS)
    checks = [*_DEFAULT_CHECKS, *(" ".join((check.name, check.target or "")).strip() for check in by_tag)]
    parts = [line.to.address, line.to.node, ", ".join(line.to.tags)]
    is_off = line.guest is not None and line.guest.is_running is False
    said = " · ".join(part for part in (*parts, "off now: added as stopped" if is_off else None) if part)
    return PlanLine(line.name, line.key, None, said, ", ".join(checks))


def _changes(line: Line) -> str:
    said = [f"{one.field} from {one.was} to {one.to}" for one in line.changes]
    return "; ".join(([line.why] if line.why else []) + said)


def _plain(line: Line, said: str) -> PlanLine:
    return PlanLine(line.name, line.key, _path(line), said, is_deleted_here=line.why == DELETED_HERE)


def _path(line: Line) -> str | None:
    return None if line.known is None or line.known.is_deleted else f"/pods/{line.known.pod_id}"


def _deleted(line: Line) -> bool:
    return line.known is not None and line.known.is_deleted
