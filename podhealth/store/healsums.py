"""What a tenant's heals came to over a range: the figures above its heal log.

Counting is core/effect's; here it is read and put into words. Heals that only tell people are no heals here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import sqlalchemy as sa

from podhealth.core.effect import Happened, effect, percent_text
from podhealth.core.told import length_in_words
from podhealth.core.words import Action, HealState
from podhealth.models import Heal
from podhealth.models.base import to_us
from podhealth.store.effect import heals_since, names_of
from podhealth.store.heallog import RESULTS
from podhealth.store.tenancy import system_scope

# The key of a range is its hours: it is also the id of the live part that shows its figures.
RANGES = {24: ("24h", "24 h"), 168: ("7d", "7 d"), 720: ("30d", "30 d")}


@dataclass(frozen=True, slots=True)
class HealStats:
    """The figures of the last ``hours``. ``to_health``: the median time from plan to health, in words; null: none.

    ``newest``: the id of the tenant's newest heal, ``all``: how many rows the range has, telling people among them.
    """

    hours: int
    total: int
    healed: int
    failed: int
    open: int
    relapse: str | None
    to_health: str | None
    chronic: tuple[tuple[str, str], ...]
    newest: int
    all: int


def heal_stats(conn: sa.Connection, tenant_id: int, hours: int, now: datetime) -> HealStats:
    """Return what the tenant's heals of the last ``hours`` came to."""
    scope = system_scope(tenant_id)
    found = heals_since(conn, scope, now - timedelta(hours=hours))
    doing = [heal for heal in found if heal.action != Action.NOTIFY_ONLY]
    came_to = effect(doing)
    rate = None if came_to.total is None else came_to.total.relapse_rate
    lengths = [to_us(heal.completed_at) - to_us(heal.triggered_at) for heal in doing if _is_healed(heal)]  # type: ignore[arg-type]
    names = names_of(conn, set(came_to.chronic_pods))
    newest = conn.scalar(sa.select(sa.func.max(Heal.id)).where(Heal.tenant_id == tenant_id))
    return HealStats(
        hours=hours,
        total=len(doing),
        healed=sum(heal.state == HealState.SUCCEEDED for heal in doing),
        failed=sum(heal.state in RESULTS["failed"] for heal in doing),
        open=sum(heal.state in RESULTS["open"] for heal in doing),
        relapse=None if rate is None else percent_text(rate),
        to_health=length_in_words(round(median(lengths))) if lengths else None,
        chronic=tuple((names[pod], f"/pods/{pod}") for pod in came_to.chronic_pods if pod in names),
        newest=newest or 0,
        all=len(found),
    )


def _is_healed(heal: Happened) -> bool:
    return heal.state == HealState.SUCCEEDED and heal.completed_at is not None
