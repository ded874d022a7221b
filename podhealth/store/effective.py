"""The status every reader is shown: stored, but unknown where its evidence is too old (behaviour §4, §5).

The reaper stores the same change some seconds later; until then this SQL answers as if it had. It repeats
core/aggregate.py in SQL, and a property test holds the two together. Nothing here writes.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Severity, Status
from podhealth.models import Check, CheckState, PodStatus
from podhealth.models.base import UtcTime


class Effective(NamedTuple):
    """Pieces for a statement over PodStatus: outer-join ``again``, then read ``status`` and ``since``."""

    again: sa.CTE
    status: sa.ColumnElement[Status]
    since: sa.ColumnElement[datetime]


def effective(tenant_id: int | sa.BindParameter[int], now: datetime | sa.BindParameter[datetime]) -> Effective:
    """Return what a statement over ``PodStatus`` of one tenant must join and select to speak the truth at ``now``.

    With parameters in place of values the statement can be made once and asked again and again.
    """
    again = _aggregated_again(tenant_id, now)
    status = sa.type_coerce(sa.func.coalesce(again.c.status, PodStatus.status), PodStatus.status.type)
    # A pod that is unknown only by age has been so since its first check grew old.
    since = sa.type_coerce(
        sa.case(
            (sa.and_(again.c.status.is_not(None), again.c.status != PodStatus.status), again.c.stale_since),
            else_=PodStatus.since,
        ),
        UtcTime(),
    )
    return Effective(again, status, since)


def check_status(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[Status]:
    """Return the expression for a check's status at ``now``, over CheckState (core/expiry.py in SQL)."""
    is_fresh = sa.and_(CheckState.fresh_until.is_not(None), CheckState.fresh_until > now)
    return sa.type_coerce(
        sa.case((is_fresh, CheckState.status), else_=sa.literal(Status.UNKNOWN, CheckState.status.type)),
        CheckState.status.type,
    )


TENANT = sa.bindparam("tenant_id", type_=PodStatus.tenant_id.type)
NOW = sa.bindparam("now", type_=UtcTime())
POD_IDS = sa.bindparam("pod_ids", type_=PodStatus.pod_id.type, expanding=True)


def _any(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.func.max(sa.case((condition, 1), else_=0)) == 1


def _aggregated_again(tenant_id: int | sa.BindParameter[int], now: datetime | sa.BindParameter[datetime]) -> sa.CTE:
    state, check = CheckState, Check
    # Starts from the index on (tenant_id, fresh_until): nearly always empty, whatever the number of pods.
    stale = (
        sa.select(state.pod_id)
        .join(check, check.id == state.check_id)
        .where(state.tenant_id == tenant_id, state.fresh_until <= now, state.status != Status.UNKNOWN, check.enabled)
        .distinct()
        .cte("stale")
    )
    status = check_status(now)
    is_critical = check.severity == Severity.CRITICAL
    word = PodStatus.status.type
    return (
        sa.select(
            state.pod_id,
            sa.func.min(
                sa.case((sa.and_(state.fresh_until <= now, state.status != Status.UNKNOWN), state.fresh_until))
            ).label("stale_since"),
            sa.case(
                (_any(sa.and_(status == Status.UNHEALTHY, is_critical)), sa.literal(Status.UNHEALTHY, word)),
                (
                    _any(sa.or_(status.in_([Status.DEGRADED, Status.UNHEALTHY]), state.is_flapping)),
                    sa.literal(Status.DEGRADED, word),
                ),
                (_any(sa.and_(status == Status.UNKNOWN, is_critical)), sa.literal(Status.UNKNOWN, word)),
                (_any(status == Status.HEALTHY), sa.literal(Status.HEALTHY, word)),
                else_=sa.literal(Status.UNKNOWN, word),
            ).label("status"),
        )
        .join(check, check.id == state.check_id)
        .where(check.enabled, state.pod_id.in_(sa.select(stale.c.pod_id)))
        .group_by(state.pod_id)
        .cte("again")
    )


TRUTH = effective(TENANT, NOW)
"""For statements made once and asked with ``tenant_id`` and ``now``: to make one takes longer than to ask it."""
