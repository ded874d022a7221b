"""I5: what is stored of a check is its results folded by the rules, and of a pod its checks aggregated.

Two things are not written down to the microsecond: when a result was taken in (some moments after its probe ended),
and a reset of a check that was unknown already. Where they matter the fold follows both ways and asks that the stored
state be one of the ends. Everything else is exact.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.phase import counts_failures, status_in
from podhealth.core.status import FRESH_START, Counters, advance
from podhealth.core.words import Outcome, Phase, Status
from podhealth.models import Check, CheckState, PhaseChange, PodStatus, Result, Transition
from podhealth.models.base import to_us
from tests.support.invariants.ledgers import Ledgers

# A result is taken in within a lease of the end of its probe, or it is late.
_TAKEN_IN_WITHIN_US = 20_000_000


class _Since(NamedTuple):
    """When a check was last forgotten: results up to ``earliest`` do not count, up to ``latest`` perhaps."""

    earliest: int
    latest: int


_AT_ANY_TIME = _Since(0, 1 << 63)


def checks_are_their_results(conn: sa.Connection, ledgers: Ledgers) -> Iterator[str]:
    """Fold each check's applied results from its last return to unknown and compare.

    Where the clock went back, time does not tell which results came after that return: it may have been after any.
    """
    phases = _phases(conn)
    forgotten = _forgotten(conn)
    if ledgers.clock_went_back:
        forgotten = dict.fromkeys(forgotten, _AT_ANY_TIME)
    results = _results(conn)
    for check in _checks(conn):
        since = forgotten.get(check.check_id)
        ends = _fold(check, results[check.check_id], phases[check.pod_id], since)
        stored = (check.status, check.failures, check.successes)
        if stored not in {(end.status, end.failures, end.successes) for end in ends}:
            told = ", ".join(f"{e.status} f={e.failures} s={e.successes}" for e in sorted(ends))
            yield f"I5: check {check.check_id} is {stored[0]} f={stored[1]} s={stored[2]}; its results say {told}"


def _fold(check: Any, results: list[Any], phases: list[tuple[int, Phase]], since: _Since | None) -> set[Counters]:
    ends = {FRESH_START}
    for result in results:
        if result.generation != check.generation:
            continue
        ended = to_us(result.checked_at)
        if since is not None and ended <= since.earliest:
            continue
        after = set()
        if _may_count(result.outcome, ended, phases):
            after = {advance(end, result.outcome, check.failure_threshold, check.success_threshold) for end in ends}
        if _may_be_ignored(result.outcome, ended, phases):
            after |= ends
        if since is not None and ended <= since.latest:
            after |= {FRESH_START}  # taken in before the check was forgotten, or after
        if check.success_threshold > 1 and any(end.status == Status.UNKNOWN for end in after):
            after |= {FRESH_START}  # forgotten once more while unknown, which leaves no transition
        ends = after
    return ends


def _phases_around(ended: int, phases: list[tuple[int, Phase]]) -> set[Phase]:
    first = bisect_right([at for at, _ in phases], ended)
    around = {phases[first - 1][1]} if first else {Phase.MONITORED}
    return around | {phase for at, phase in phases[first:] if at <= ended + _TAKEN_IN_WITHIN_US}


def _may_count(outcome: Outcome, ended: int, phases: list[tuple[int, Phase]]) -> bool:
    return outcome != Outcome.FAIL or any(counts_failures(phase) for phase in _phases_around(ended, phases))


def _may_be_ignored(outcome: Outcome, ended: int, phases: list[tuple[int, Phase]]) -> bool:
    return outcome == Outcome.FAIL and not all(counts_failures(phase) for phase in _phases_around(ended, phases))


def _phases(conn: sa.Connection) -> dict[int, list[tuple[int, Phase]]]:
    found: dict[int, list[tuple[int, Phase]]] = defaultdict(list)
    query = sa.select(PhaseChange.pod_id, PhaseChange.at, PhaseChange.to_phase).order_by(PhaseChange.at, PhaseChange.id)
    for pod_id, at, phase in conn.execute(query):
        found[pod_id].append((to_us(at), phase))
    return found


def _forgotten(conn: sa.Connection) -> dict[int, _Since]:
    query = sa.select(Transition.check_id, sa.func.max(Transition.at).label("at"))
    query = query.where(Transition.check_id.is_not(None), Transition.to_status == Status.UNKNOWN)
    last = {row.check_id: to_us(row.at) for row in conn.execute(query.group_by(Transition.check_id))}
    return {check_id: _Since(at - _TAKEN_IN_WITHIN_US, at) for check_id, at in last.items()}


def _results(conn: sa.Connection) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    columns = (Result.check_id, Result.checked_at, Result.outcome, Result.generation)
    applied = sa.select(*columns).where(sa.not_(Result.is_late), sa.not_(Result.is_manual))
    for row in conn.execute(applied.order_by(Result.check_id, Result.claim_token)):
        found[row.check_id].append(row)
    return found


def _checks(conn: sa.Connection) -> list[Any]:
    s, c = CheckState, Check
    columns = (s.check_id, s.pod_id, s.status, s.failures, s.successes, s.is_flapping, s.generation)
    rules = (c.name, c.kind, c.severity, c.enabled, c.failure_threshold, c.success_threshold)
    return list(conn.execute(sa.select(*columns, *rules).join(c, c.id == s.check_id).order_by(s.check_id)).all())


def pods_are_their_checks(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """Aggregate each pod's checks and compare; a check's row and its state are of one generation."""
    views: dict[int, list[CheckView]] = defaultdict(list)
    for c in _checks(conn):
        facts = (c.status, c.severity, c.enabled, c.is_flapping, c.failures, c.successes)
        views[c.pod_id].append(CheckView(c.check_id, c.name, c.kind, *facts))
    for pod in conn.execute(sa.select(PodStatus.pod_id, PodStatus.status, PodStatus.phase)):
        wanted = aggregate(views[pod.pod_id]).status
        if pod.status not in (wanted, status_in(pod.phase, wanted)):
            yield f"I5: pod {pod.pod_id} is {pod.status}, its checks say {wanted}"
    differ = sa.select(Check.id).join(CheckState, CheckState.check_id == Check.id)
    for check_id in conn.scalars(differ.where(Check.generation != CheckState.generation)):
        yield f"I5: check {check_id} and its state are of two generations"
