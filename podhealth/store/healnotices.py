"""What people are told of heals, in the transactions of the heals themselves (behaviour §7).

A policy's ``notifyOnTrigger`` says whether people hear of what is done beside it. That somebody is wanted, because a
step only tells or because nothing is left to try, is told whatever it says. How a heal goes is decided elsewhere.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Action, HealState, NoticeKind, Severity
from podhealth.models import Heal, Pod, Policy
from podhealth.store import notices

Row = sa.Row[Any]

_DOING = {Action.RESTART: "is being restarted", Action.STOP: "is being stopped", Action.MIGRATE: "is being migrated"}
_DONE = {Action.RESTART: "restart", Action.STOP: "stop", Action.MIGRATE: "migration"}
_FAILED = {HealState.FAILED: "failed", HealState.TIMED_OUT: "timed out"}


def started(conn: sa.Connection, heal: Row, now: datetime) -> None:
    """Tell that a heal's provider is about to be called."""
    name = _told_name(conn, heal)
    if name is not None:
        text = f"{name} {_DOING[heal.action]} ({heal.attempt} of {heal.of_attempts}): {heal.reason}."
        _tell(conn, heal, NoticeKind.HEAL_STARTED, "started", text, Severity.WARNING, now)


def ended(conn: sa.Connection, heal: Row, state: HealState, error: str | None, now: datetime) -> None:
    """Tell that a heal was verified, or that it failed; one that was cancelled or skipped did nothing to tell of."""
    if heal.action == Action.NOTIFY_ONLY or (state != HealState.SUCCEEDED and state not in _FAILED):
        return
    name = _told_name(conn, heal)
    if name is None:
        return
    what = f"{name}: {_DONE[heal.action]} {heal.attempt} of {heal.of_attempts}"
    if state == HealState.SUCCEEDED:
        _tell(conn, heal, NoticeKind.HEAL_SUCCEEDED, "succeeded", f"{what} succeeded.", Severity.WARNING, now)
    else:
        because = f": {error}" if error else ""
        text = f"{what} {_FAILED[state]}{because}."
        _tell(conn, heal, NoticeKind.HEAL_FAILED, "failed", text, Severity.CRITICAL, now)


def wants_somebody(conn: sa.Connection, heal_id: int, name: str) -> None:
    """Tell what a step of ``notify_only`` is there to tell; ``name`` is the pod's."""
    heal = conn.execute(sa.select(Heal.__table__).where(Heal.id == heal_id)).one()
    text = f"{name} needs somebody: {heal.reason}."
    _tell(conn, heal, NoticeKind.NOTIFY_ONLY, "told", text, Severity.CRITICAL, heal.triggered_at)


def exhausted(conn: sa.Connection, pod: Row, episode_id: int, reason: str, now: datetime) -> None:
    """Tell that nothing is left to try in an episode; ``pod`` has pod_id, tenant_id and name."""
    notices.tell(
        conn,
        pod.tenant_id,
        NoticeKind.EXHAUSTED,
        f"episode:{episode_id}:exhausted",
        f"{pod.name}: {reason}",
        severity=Severity.CRITICAL,
        pod_id=pod.pod_id,
        facts={"episodeId": episode_id},
        now=now,
    )


def _told_name(conn: sa.Connection, heal: Row) -> str | None:
    """Return the pod's name, null where the heal's policy does not want what it does to be told."""
    tells = sa.select(Policy.notify_on_trigger).where(Policy.id == heal.policy_id).scalar_subquery()
    row = conn.execute(sa.select(Pod.name, tells).where(Pod.id == heal.pod_id)).one()
    return None if row[1] is False else str(row[0])


def _tell(
    conn: sa.Connection, heal: Row, kind: NoticeKind, what: str, text: str, severity: Severity, now: datetime
) -> None:
    facts = {"healId": heal.id, "action": Action(heal.action).value, "attempt": heal.attempt}
    notices.tell(
        conn,
        heal.tenant_id,
        kind,
        f"heal:{heal.id}:{what}",
        text,
        severity=severity,
        pod_id=heal.pod_id,
        facts=facts,
        now=now,
    )
