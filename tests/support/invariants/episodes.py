"""I9, over time: what follows an episode goes on with its ladder or starts clean, and exhausted is the end of it."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Action, HealState
from podhealth.models import Episode, Heal, PodStatus
from tests.support.invariants.ledgers import Ledgers

_DAY, _GIVEN_BACK_EVERY = timedelta(hours=24), timedelta(hours=6)
_UNDONE = (HealState.CANCELLED,)


def exhausted_is_the_end(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I9: in an episode whose ladder is spent nothing is done any more, but what a person asks for."""
    query = sa.select(Heal.id, Heal.triggered_at, Episode.exhausted_at).join(Episode, Episode.id == Heal.episode_id)
    for heal in conn.execute(query.where(Heal.triggered_at > Episode.exhausted_at, Heal.requested_by.is_(None))):
        yield f"I9: heal {heal.id} began at {heal.triggered_at}; its ladder was spent at {heal.exhausted_at}"


def relapses_go_on(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I9: an episode within 24 h of a heal goes on with that heal's ladder and attempts; a later one starts clean."""
    episodes = conn.execute(sa.select(Episode.__table__).order_by(Episode.pod_id, Episode.opened_at, Episode.id)).all()
    heals = list(conn.execute(sa.select(Heal.__table__).where(Heal.state.not_in(_UNDONE)).order_by(Heal.triggered_at)))
    resets: dict[int, Any] = dict(conn.execute(sa.select(PodStatus.pod_id, PodStatus.cooldown_cleared_at)).all())
    for pod_id, group in groupby(episodes, key=lambda row: row.pod_id):
        own = list(group)
        by_id = {episode.id: episode for episode in own}
        for episode in own[1:]:
            before = [h for h in heals if h.pod_id == pod_id and h.completed_at and h.completed_at <= episode.opened_at]
            last = next((h for h in reversed(before) if h.episode_id in by_id), None)
            if resets[pod_id] is not None and last is not None and last.triggered_at <= resets[pod_id]:
                continue  # forgotten at a person's wish, before or after this episode opened
            yield from _follows(episode, None if last is None else by_id[last.episode_id], last, heals)


def _follows(episode: Any, was: Any | None, last: Any | None, heals: list[Any]) -> Iterator[str]:
    own = [h for h in heals if h.episode_id == episode.id]
    goes_on = was is not None and last is not None and last.completed_at > episode.opened_at - _DAY
    if not goes_on or was.policy_id != episode.policy_id or was.close_reason == "reset":
        if episode.attempts > len(own):
            yield f"I9: episode {episode.id} begins anew and has spent {episode.attempts} attempts in {len(own)} heals"
        return
    if episode.ladder != was.ladder:
        yield f"I9: episode {episode.id} opened within a day of heal {last.id} and has another ladder"
    least = was.attempts - (episode.opened_at - last.completed_at) // _GIVEN_BACK_EVERY
    if episode.attempts < least:
        yield f"I9: episode {episode.id} goes on from {was.attempts} attempts and has spent {episode.attempts}"


def attempts_come_in_order(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I9: a heal's attempt is a rung of its ladder, and its action is that rung's."""
    query = sa.select(Heal.id, Heal.attempt, Heal.action, Heal.requested_by, Episode.ladder)
    for heal in conn.execute(query.join(Episode, Episode.id == Heal.episode_id).where(Heal.requested_by.is_(None))):
        rungs = [step["action"] for step in heal.ladder for _ in range(step["attempts"])]
        if not 1 <= heal.attempt <= len(rungs) or Action(rungs[heal.attempt - 1]) != heal.action:
            yield f"I9: heal {heal.id} is {heal.action} as attempt {heal.attempt} of {rungs}"
