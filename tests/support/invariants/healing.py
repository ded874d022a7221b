"""I1, I2, I9, I12: one heal at a time, committed before its call, inside its episode's ladder, and for good reason."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import OPEN_HEAL_STATES, Action, Outcome, Phase
from podhealth.models import Episode, Heal, PhaseChange, Policy, PolicyVersion, Result
from podhealth.models.base import to_us
from tests.support.invariants.ledgers import Ledgers

# An answer is stored up to half a second after it came; who judged meanwhile could not know it.
_ON_ITS_WAY = timedelta(seconds=1)
_CONCLUSIVE = (Outcome.OK, Outcome.SLOW, Outcome.FAIL)


def one_open_heal(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I1: a pod has at most one open heal, now and at any time before."""
    rows = conn.execute(sa.select(Heal.__table__).order_by(Heal.pod_id, Heal.triggered_at, Heal.id)).all()
    for pod_id, group in groupby(rows, key=lambda row: row.pod_id):
        heals = list(group)
        still_open = [heal.id for heal in heals if heal.state in OPEN_HEAL_STATES]
        if len(still_open) > 1:
            yield f"I1: pod {pod_id} has the open heals {still_open}"
        for one, next_one in pairwise(heals):
            if one.completed_at is None or one.completed_at > next_one.triggered_at:
                yield f"I1: heal {next_one.id} of pod {pod_id} began while heal {one.id} was under way"
        for heal in heals:
            if (heal.completed_at is None) != (heal.state in OPEN_HEAL_STATES):
                yield f"I1: heal {heal.id} is {heal.state} and completed at {heal.completed_at}"


def calls_follow_rows(conn: sa.Connection, ledgers: Ledgers) -> Iterator[str]:
    """I2: every call at a provider belongs to a heal committed before it, and does its action once at most."""
    heals = dict(conn.execute(sa.select(Heal.idempotency_key, Heal.triggered_at)).all())
    for call in ledgers.calls:
        if call.key not in heals:
            yield f"I2: a provider was called under {call.key}, which no heal has"
        elif call.at_us is not None and call.at_us < to_us(heals[call.key]):
            yield f"I2: the call under {call.key} came before its heal was committed"
    for key, count in Counter(call.key for call in ledgers.calls if call.executed).items():
        if count > 1:
            yield f"I2: the action under {key} was done {count} times"


def one_open_episode(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I9: a pod has at most one open episode at any time, and spends no more than the episode's ladder has."""
    rows = conn.execute(sa.select(Episode.__table__).order_by(Episode.pod_id, Episode.opened_at, Episode.id)).all()
    for pod_id, group in groupby(rows, key=lambda row: row.pod_id):
        for one, next_one in pairwise(list(group)):
            if one.closed_at is None or one.closed_at > next_one.opened_at:
                yield f"I9: episode {next_one.id} of pod {pod_id} opened while {one.id} was open"
    for episode in rows:
        rungs = sum(step["attempts"] for step in episode.ladder)
        if not 0 <= episode.attempts <= rungs:
            yield f"I9: episode {episode.id} spent {episode.attempts} of {rungs} attempts"
        if episode.closed_at is not None and episode.closed_at < episode.opened_at:
            yield f"I9: episode {episode.id} closed before it opened"
    # A reset closes the episode and leaves an open heal alone (behaviour §6). What the healer planned by itself ends
    # with the judgement that follows; what a person asked for is done.
    is_left = sa.and_(Heal.state == "planned", Heal.requested_by.is_(None), Episode.closed_at.is_not(None))
    for heal_id in conn.scalars(sa.select(Heal.id).join(Episode, Episode.id == Heal.episode_id).where(is_left)):
        yield f"I9: heal {heal_id} is planned in an episode that is closed"


def heals_have_evidence(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I12: before each heal that nobody asked for stand enough fails in a row of its trigger check.

    They are counted results of one generation, newer than the pod's last start and the end of its heal before.
    """
    starts = _starts(conn)
    asked = Heal.requested_by.is_(None)
    for heal in conn.execute(sa.select(Heal.__table__).where(asked, Heal.trigger_check_id.is_not(None))):
        after = max(
            [*(at for at in starts[heal.pod_id] if at <= heal.triggered_at), *_ended_before(conn, heal)], default=None
        )
        wanted = _failures_asked(conn, heal)
        found = _fails_in_a_row(conn, heal, after)
        if found < wanted:
            yield f"I12: heal {heal.id} began after {found} counted fails in a row of its check; {wanted} were asked"


def _fails_in_a_row(conn: sa.Connection, heal: Any, after: datetime | None) -> int:
    r = Result
    query = sa.select(r.outcome, r.begun_at, r.generation).where(
        r.check_id == heal.trigger_check_id,
        r.checked_at <= heal.triggered_at,
        r.outcome.in_(_CONCLUSIVE),
        sa.not_(r.is_late),
        sa.not_(r.is_manual),
    )
    count, generation = 0, None
    for row in conn.execute(query.add_columns(r.checked_at).order_by(r.claim_token.desc())):
        if not count and row.outcome != Outcome.FAIL and row.checked_at > heal.triggered_at - _ON_ITS_WAY:
            continue
        is_other = generation is not None and row.generation != generation
        if row.outcome != Outcome.FAIL or is_other or (after is not None and row.begun_at < after):
            break
        count, generation = count + 1, row.generation
    return count


def _failures_asked(conn: sa.Connection, heal: Any) -> int:
    pinned = sa.select(PolicyVersion.body).where(
        PolicyVersion.policy_id == heal.policy_id, PolicyVersion.version == heal.policy_version
    )
    body = conn.scalar(pinned) or {}
    live = conn.scalar(sa.select(Policy.trigger_after_failures).where(Policy.id == heal.policy_id))
    return int(body.get("triggerAfterFailures", live or 1))


def _ended_before(conn: sa.Connection, heal: Any) -> list[datetime]:
    ended = sa.select(Heal.action_ended_at).where(
        Heal.pod_id == heal.pod_id,
        Heal.id != heal.id,
        Heal.action != Action.NOTIFY_ONLY,
        Heal.action_ended_at <= heal.triggered_at,
    )
    return list(conn.scalars(ended))


def _starts(conn: sa.Connection) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = defaultdict(list)
    query = sa.select(PhaseChange.pod_id, PhaseChange.at).where(PhaseChange.to_phase == Phase.STARTING)
    for pod_id, at in conn.execute(query):
        found[pod_id].append(at)
    return found
