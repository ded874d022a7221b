"""What the tests of the modes shadow and approve set, read and wait for."""

from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Mode
from podhealth.models import Approval, Notice, Policy, ShadowHeal
from podhealth.store import policies
from podhealth.store.db import read, write
from tests.healing.world import World, ann


def set_mode(world: World, mode: Mode) -> None:
    with write(world.engine) as conn:
        version = conn.execute(sa.select(Policy.version).where(Policy.id == world.policy_id)).scalar_one()
        policies.save_policy(conn, ann(world), {"mode": mode.value}, world.policy_id, version)


def shadow_rows(world: World) -> list[Any]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(ShadowHeal.__table__).order_by(ShadowHeal.id)))


def questions(world: World) -> list[Any]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(Approval.__table__).order_by(Approval.id)))


def notices(world: World) -> list[tuple[str, str]]:
    with read(world.engine) as conn:
        return [(row.kind, row.cause_key) for row in conn.execute(sa.select(Notice.__table__).order_by(Notice.id))]


def gates(world: World) -> list[str]:
    return [decision.gate or decision.answer for decision in world.decisions()]


def stay_down(world: World, minutes: float) -> None:
    """Go on failing, judged at each failure and whenever the time has come."""
    for _ in range(int(minutes * 6)):
        world.probe("fail", every_s=10)
        world.settle()
