"""Results into the database: what was found, what it changes, and what must be told, in one transaction.

Most results change nothing that anybody waits for; these take the quiet way: one guarded update of the check's
counters and one row of history, no lock on the pod. All others take the pod in hand (podstate). Which rules decide
is in core; where results come from is unknown here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import settle
from podhealth.core.expiry import fresh_span_us
from podhealth.core.flap import is_flapping, push
from podhealth.core.in_hand import CheckInHand
from podhealth.core.probe import Finding
from podhealth.core.schedule import SECOND_US, next_slot_us, verify_delay_s
from podhealth.core.status import Counters, advance
from podhealth.core.words import FailClass, Outcome, Status
from podhealth.crashpoints import crashpoint
from podhealth.store import feed, podrows, podstate, recordsql, vantages
from podhealth.store.db import db_now_us
from podhealth.store.partitions import ensure_days_of
from podhealth.store.recordsql import State
from podhealth.store.targets import Configured, load_targets

TWO_HOURS_US = 7_200 * SECOND_US

# Words as the drivers take them quickest.
_OUTCOMES = {member: str(member.value) for member in Outcome}
_STATUSES = {str(member.value): member for member in Status}
_CLASSES: dict[FailClass | None, str | None] = {member: str(member.value) for member in FailClass} | {None: None}
_SUCCESSES = frozenset({Outcome.OK, Outcome.SLOW})
_OURS = frozenset({Outcome.ERROR, Outcome.INVALID})
Key = tuple[int, int]  # check and token: one claim

_HEALTHY, _UNHEALTHY, _UNKNOWN = "healthy", "unhealthy", "unknown"


class Found(NamedTuple):
    """What a claimed probe brought back. Times in microseconds by the database's clock.

    ``configured``: the check as it was probed, where the caller has it; else it is read.
    """

    check_id: int
    token: int
    generation: int
    due_us: int
    begun_us: int
    ended_us: int
    finding: Finding
    worker_id: str | None = None
    configured: Configured | None = None


class Recorded(NamedTuple):
    """What a transaction did: feed numbers to publish, pods to judge (hint), results applied, and late ones."""

    published: dict[int, int]
    judged_pod_ids: list[int]
    applied: int
    late: int


def record(conn: sa.Connection, found: Sequence[Found], vantage: str | None = None) -> Recorded:
    """Store results with everything they change, as the whole work of one transaction (behaviour §4, §5).

    ``vantage``: where they were found; while it is blind, its fails are errors (null: seen from no place).
    A result applies only while its claim is the check's current one, its token and generation included; others are
    stored as evidence, marked late. Doing the same again (the answer to COMMIT was lost) changes nothing more.
    """
    found = sorted(_believed(conn, found, vantage), key=_by_check)
    ensure_days_of(conn, (f.due_us for f in found))
    states = recordsql.read_states(conn, [f.check_id for f in found])
    now = db_now_us(conn)
    found = _not_ahead(found, now)
    sorter = _Sorter(conn, states, now)
    sorter.sort(found)
    # The pods of changing results first: pods are locked before checks.
    settled, late = _settle(conn, sorter.changing)
    late |= sorter.late
    moved = recordsql.write_quiet(conn, sorter.quiet)
    late |= {f[:2] for f in found if f.check_id in moved} if moved else set()
    recordsql.write_results(conn, _result_rows(found, sorter, late))
    recordsql.write_certificates(conn, _certificates(found, late))
    published = feed.append(conn, settled.notes) if settled.notes else {}
    crashpoint("record.before_commit")
    return Recorded(published, settled.judged, len(found) - len(late), len(late))


def _believed(conn: sa.Connection, found: Sequence[Found], vantage: str | None) -> Sequence[Found]:
    if vantage is None or not any(one.finding[0] is Outcome.FAIL for one in found):
        return found
    after = vantages.blind_after(conn, vantage)
    if after is None:
        return found
    is_doubtful = [one.finding[0] is Outcome.FAIL and one.begun_us > after for one in found]
    return [one._replace(finding=_blind(one)) if doubt else one for one, doubt in zip(found, is_doubtful, strict=True)]


def _not_ahead(found: Sequence[Found], now: int) -> Sequence[Found]:
    """Return what was found by the clock as it is now: set back during a probe, it would look fresh for too long."""
    if max((one.ended_us for one in found), default=now) <= now + SECOND_US:
        return found
    ahead = [max(one.ended_us - now, 0) for one in found]
    return [
        one._replace(begun_us=one.begun_us - by, ended_us=one.ended_us - by)
        for one, by in zip(found, ahead, strict=True)
    ]


def _blind(one: Found) -> Finding:
    return Finding(Outcome.ERROR, None, "blind", error=f"the vantage is blind; it found: {one.finding.error}"[:200])


def _by_check(found: Found) -> tuple[int, int]:
    return found[0], found[1]


class _Sorter:
    """Tells quiet results from those that change something, and works out what the quiet ones write."""

    def __init__(self, conn: sa.Connection, states: dict[int, State], now: int) -> None:
        self._conn = conn
        self._states = states
        self._now = now
        self._most_asked: dict[int, int] | None = None
        self._loaded: dict[int, Configured] = {}
        self.quiet: list[tuple[Any, ...]] = []
        self.changing: list[tuple[State, Found]] = []
        self.late: set[Key] = set()

    def sort(self, found: Sequence[Found]) -> None:
        self._load([f.check_id for f in found if f.configured is None])
        candidates = []
        busy_pods: set[int] = set()
        for one in found:
            state = self._states.get(one[0])
            if state is None or state[1] != one[1] or state[2] != one[2] or state[3] is None:
                self.late.add(one[:2])
                continue
            row = self._quiet_row(one, state)
            if row is None:
                self.changing.append((state, one))
                busy_pods.add(state.pod_id)
            else:
                candidates.append((state, one, row))
        if not busy_pods:
            self.quiet = [row for _, _, row in candidates]
            return
        # What belongs to one pod is done together and in order: it must not matter how results fell into chunks.
        for state, one, row in candidates:
            if state.pod_id in busy_pods:
                self.changing.append((state, one))
            else:
                self.quiet.append(row)

    def of(self, one: Found) -> Configured | None:
        return one.configured or self._loaded.get(one.check_id)

    def ids(self, one: Found) -> tuple[int, int] | None:
        """Return tenant and pod of a result, also where its check is gone."""
        state = self._states.get(one.check_id)
        if state is not None:
            return state.tenant_id, state.pod_id
        configured = self.of(one)
        return (configured.target.tenant_id, configured.target.pod_id) if configured else None

    def _load(self, check_ids: list[int]) -> None:
        if check_ids:
            self._loaded = load_targets(self._conn, check_ids, ())

    def _quiet_row(self, one: Found, state: State) -> tuple[Any, ...] | None:
        """Return what a quiet result writes, or null where it changes something that somebody waits for."""
        configured = one.configured or self._loaded.get(one.check_id)
        if configured is None or state.has_heal or state.is_flapping or state.phase == "starting":
            return None
        if state.has_episode and one.finding[2] != state.last_code:
            return None  # news to the healer (core/rejudge): all that is the same again has the same code
        if state.status != _UNKNOWN and (state.fresh_until is None or state.fresh_until <= self._now):
            return None
        counted = self._counted(one, state, configured)
        if counted is None:
            return None
        interval_s, ended = configured.target.interval_s, one.ended_us
        next_at = slot = next_slot_us(one.check_id, interval_s, ended)
        if state.soon_until is not None and state.soon_until > ended:
            next_at = min(slot, ended + round(verify_delay_s(interval_s) * SECOND_US))
        last = _OUTCOMES[one.finding[0]], _CLASSES[one.finding[1]], one.finding[2], one.finding[4], one.finding[3]
        return (next_at, slot, *counted, ended, one.begun_us, *last, *one[:3], state.status)

    def _counted(self, one: Found, state: State, configured: Configured) -> tuple[int | None, ...] | None:
        """Return counters, window and freshness after the result, or null where anything else changes with them."""
        outcome, status = one.finding[0], state.status
        if outcome in _OURS:
            if status not in (_HEALTHY, _UNHEALTHY) and state.was_known:
                return None  # in doubt: due again sooner
            return state.failures, state.successes, state.slow_run, state.bits, state.filled, state.fresh_until
        _, target, failure_threshold, success_threshold = configured
        if not self._is_steady(one, state, failure_threshold):
            return None
        before = Counters(_STATUSES[status], state.failures, state.successes, state.slow_run)
        after = advance(before, outcome, failure_threshold, success_threshold)
        bits, filled = push(state.bits, state.filled, outcome is Outcome.FAIL)
        if after[0] != status or (bits and is_flapping(False, bits, filled, 0)):
            return None
        fresh_until = one.ended_us + fresh_span_us(target.interval_s, target.timeout_s)
        return (*after[1:], bits, filled, fresh_until)

    def _is_steady(self, one: Found, state: State, failure_threshold: int) -> bool:
        """Return whether the result says once more what is known and told already."""
        outcome = one.finding[0]
        if outcome in _SUCCESSES:
            # Where fails do not count, the newest may have been one, and its hold is over now.
            return state.status == _HEALTHY and (state.phase == "monitored" or one.finding[2] == state.last_code)
        if state.status != _UNHEALTHY or state.phase != "monitored" or one.finding[2] != state.last_code:
            return False
        return state.failures >= max(failure_threshold, self._most_asked_in(state.tenant_id))

    def _most_asked_in(self, tenant_id: int) -> int:
        if self._most_asked is None:
            self._most_asked = recordsql.most_asked(self._conn)
        return self._most_asked.get(tenant_id, 0)


def _settle(conn: sa.Connection, changing: list[tuple[State, Found]]) -> tuple[podstate.Settled, set[Key]]:
    """Take the pods of changing results in hand and apply these in the order in which they were found."""
    if not changing:
        return podstate.Settled([], [], []), set()
    pod_ids = podrows.lock(conn, {state.pod_id for state, _ in changing})
    now = db_now_us(conn)
    pods = podrows.take(conn, pod_ids, now, [one.check_id for _, one in changing])
    by_check = {check.check_id: (pod, check) for pod in pods for check in pod.checks}
    falls = recordsql.count_falls(conn, [one.check_id for _, one in changing], now - TWO_HOURS_US)
    late: set[Key] = set()
    for _, one in sorted(changing, key=_by_end):
        pod, check = by_check.get(one.check_id, (None, None))
        if pod is None or check is None or not _is_current(check, one):
            late.add(one[:2])
            continue
        times = (one.begun_us, one.ended_us, now)
        settle.apply(pod, check, one.finding, times, falls.get(one.check_id, 0))
    return podstate.keep(conn, pods, now), late


def _by_end(pair: tuple[State, Found]) -> tuple[int, int]:
    return pair[1].ended_us, pair[1].check_id


def _is_current(check: CheckInHand, one: Found) -> bool:
    return check.claim_token == one.token and check.generation == one.generation and check.due_at is not None


def _certificates(found: Sequence[Found], late: set[Key]) -> list[tuple[datetime, int]]:
    ends = ((one, one.finding.certificate_ends_at) for one in found)
    return [(end, one.check_id) for one, end in ends if end is not None and one[:2] not in late]


def _result_rows(found: Sequence[Found], sorter: _Sorter, late: set[Key]) -> list[tuple[Any, ...]]:
    rows = []
    for one in found:
        ids = sorter.ids(one)
        if ids is None:
            continue  # the check is gone and nobody knows whose it was
        check_id, token, generation, due, begun, ended, finding, worker_id, _ = one
        outcome, fail_class, code, latency, error, size, body_hash, excerpt, *_ = finding
        words = (_OUTCOMES[outcome], _CLASSES[fail_class], code, latency, error, size, body_hash, excerpt)
        rows.append((check_id, token, due, *ids, begun, ended, *words, one[:2] in late, generation, worker_id))
    return rows
