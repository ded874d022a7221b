"""Vantages and their reference targets: which there are, whose turn it is to ask them, and how they answered.

Nothing is probed here, and whether a vantage is blind is found in store/blindness.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.places import REFERENCE_EVERY_S, ReferenceSight, has_references
from podhealth.core.references import default_references, networks_with, parse_references
from podhealth.core.vantage_names import PROVIDER
from podhealth.models import CheckState, Node, Pod, Reference, Vantage
from podhealth.models.base import from_us
from podhealth.store import audit, ticks
from podhealth.store.db import db_now, db_now_us
from podhealth.store.sql import insert
from podhealth.store.tenancy import Scope

# Who has just asked is left alone: a round is due a little earlier than the next one would begin.
_TURN_AFTER = timedelta(seconds=REFERENCE_EVERY_S - 1)
_LONGEST_ERROR = 200
_LOOPBACK = ("127.", "::1")

Row = sa.Row[Any]


class Trust(NamedTuple):
    """Whether a vantage can be believed; ``good_begun_at``: begin of its newest reference probe that came back well."""

    is_blind: bool
    has_references: bool
    good_begun_at: datetime | None


PLAIN = Trust(False, False, None)


class Asked(NamedTuple):
    """How one reference answered: ``error`` null: well. ``begun_us`` by the database's clock."""

    target: str
    begun_us: int
    error: str | None


class Listed(NamedTuple):
    """A vantage as it is shown: its row (null: nobody has asked references there yet), and how each answered."""

    name: str
    row: Row | None
    references: Sequence[Row]


def networks_of(conn: sa.Connection, platform: Sequence[str], gateways: Collection[str]) -> tuple[str, ...]:
    """Return where references may lie: the platform's networks, its shared nodes' addresses, and the gateways.

    What a tenant enters as an address of its own node opens nothing.
    """
    shared = sa.select(Node.address).where(Node.tenant_id.is_(None), Node.deleted_at.is_(None))
    known = conn.execute(shared.where(Node.address.is_not(None))).scalars()
    return networks_with(platform, (*gateways, *(address for address in known if address is not None)))


def targets_of(
    conn: sa.Connection, vantage: str, networks: Sequence[str], gateways: Collection[str]
) -> tuple[str, ...]:
    """Return the vantage's reference targets: the operator's, else the gateways and the nodes of its pods; or none.

    A tenant's own node is none where others are seen from there too: its death must not blind them. Where only
    loopback may be probed (a demo) no others are asked than an operator's.
    """
    chosen = conn.execute(sa.select(Vantage.references).where(Vantage.name == vantage)).scalar_one_or_none()
    if chosen:
        return tuple(str(target) for target in chosen)
    if all(network.startswith(_LOOPBACK) for network in networks):
        return ()
    is_seen = sa.exists().where(
        Pod.node_id == Node.id, Pod.deleted_at.is_(None), CheckState.pod_id == Pod.id, CheckState.vantage == vantage
    )
    others = sa.exists().where(
        CheckState.vantage == vantage,
        CheckState.pod_id == Pod.id,
        Pod.deleted_at.is_(None),
        Pod.tenant_id != Node.tenant_id,
    )
    query = sa.select(Node.address).where(Node.address.is_not(None), Node.deleted_at.is_(None), is_seen, ~others)
    nodes = conn.execute(query.order_by(Node.tenant_id.is_not(None), Node.id)).scalars()
    return default_references((address for address in nodes if address is not None), gateways, networks)


def ensure(conn: sa.Connection, vantage: str) -> None:
    """See to it that the vantage has a row."""
    new = insert(conn, Vantage).values(name=vantage, references=[], updated_at=db_now(conn))
    conn.execute(new.on_conflict_do_nothing())


def is_turn(conn: sa.Connection, vantage: str) -> bool:
    """Return whether nobody has asked the vantage's references of late; cheap, and no promise."""
    checked_at = conn.execute(sa.select(Vantage.checked_at).where(Vantage.name == vantage)).scalar_one_or_none()
    return checked_at is None or checked_at <= db_now(conn) - _TURN_AFTER


def take_turn(conn: sa.Connection, vantage: str, targets: Sequence[str]) -> int | None:
    """Take the turn to ask these references now; return the database's time in microseconds, null: another has it.

    Targets that are no longer any are forgotten with what they answered.
    """
    ensure(conn, vantage)
    now = db_now(conn)
    is_free = sa.or_(Vantage.checked_at.is_(None), Vantage.checked_at <= now - _TURN_AFTER)
    mine = sa.update(Vantage).where(Vantage.name == vantage, is_free).values(checked_at=now, updated_at=now)
    if conn.execute(mine).rowcount != 1:
        return None
    known = set(conn.execute(sa.select(Reference.target).where(Reference.vantage == vantage)).scalars())
    gone = known - set(targets)
    if gone:
        conn.execute(sa.delete(Reference).where(Reference.vantage == vantage, Reference.target.in_(gone)))
    rows = [{"vantage": vantage, "target": target} for target in targets if target not in known]
    if rows:
        conn.execute(insert(conn, Reference).on_conflict_do_nothing(), rows)
    return db_now_us(conn)


def keep_answers(conn: sa.Connection, vantage: str, answers: Sequence[Asked]) -> None:
    """Store how references answered. While the vantage is blind its last good moment stays the one before.

    The vantage's row is locked first: whoever judges it then sees all of a round or nothing of it.
    """
    conn.execute(sa.update(Vantage).where(Vantage.name == vantage).values(updated_at=db_now(conn)))
    for one in answers:
        begun = from_us(one.begun_us)
        values: dict[str, Any] = {"begun_at": begun, "error": one.error[:_LONGEST_ERROR] if one.error else None}
        values |= {"fails": Reference.fails + 1} if one.error else {"fails": 0, "good_begun_at": begun}
        is_newer = sa.or_(Reference.begun_at.is_(None), Reference.begun_at < begun)
        where = (Reference.vantage == vantage, Reference.target == one.target, is_newer)
        conn.execute(sa.update(Reference).where(*where).values(**values))
    good = max((one.begun_us for one in answers if one.error is None), default=None)
    if good is not None:
        is_later = sa.or_(Vantage.good_begun_at.is_(None), Vantage.good_begun_at < from_us(good))
        sees = sa.update(Vantage).where(Vantage.name == vantage, Vantage.blind_since.is_(None), is_later)
        conn.execute(sees.values(good_begun_at=from_us(good)))


def references_of(conn: sa.Connection, vantage: str) -> list[ReferenceSight]:
    """Return how the vantage's references answered last."""
    columns = (Reference.target, Reference.begun_at, Reference.good_begun_at, Reference.fails)
    query = sa.select(*columns).where(Reference.vantage == vantage).order_by(Reference.target)
    return [ReferenceSight(*row) for row in conn.execute(query)]


def trusted(conn: sa.Connection) -> dict[str, Trust]:
    """Return of each vantage that has a row whether it can be believed."""
    found = {}
    for row in conn.execute(sa.select(Vantage.name, Vantage.blind_since, Vantage.good_begun_at)).all():
        asked = has_references(references_of(conn, row.name))
        found[row.name] = Trust(row.blind_since is not None, asked, row.good_begun_at)
    return found


def blind_after(conn: sa.Connection, vantage: str) -> int | None:
    """Return after which moment (microseconds) the fails of a blind vantage do not count; null: it sees."""
    query = sa.text("SELECT good_begun_at FROM vantages WHERE name = :name AND blind_since IS NOT NULL")
    row = conn.execute(query, {"name": vantage}).one_or_none()
    if row is None:
        return None
    return int(row.good_begun_at or 0)


def choose(conn: sa.Connection, scope: Scope, vantage: str, texts: Sequence[str], networks: Sequence[str]) -> None:
    """Store the reference targets an operator wants for a vantage; none given: the defaults again. Audited.

    Raises InputError(reference) for an address that is bad or refused, or a number other than 2 to 10.
    """
    targets = list(parse_references(texts, networks)) if texts else []
    now = db_now(conn)
    before = conn.execute(sa.select(Vantage.references).where(Vantage.name == vantage)).scalar_one_or_none()
    ensure(conn, vantage)
    conn.execute(sa.update(Vantage).where(Vantage.name == vantage).values(references=targets, updated_at=now))
    after = {"was": before or [], "references": targets}
    audit.write_installation(conn, scope, "references chosen", "vantage", vantage, after)


def list_all(conn: sa.Connection) -> list[Listed]:
    """Return the vantages that checks are probed from, or that have references, by name."""
    rows = {row.name: row for row in conn.execute(sa.select(Vantage.__table__))}
    names = sorted({*rows, *ticks.vantages(conn)} - {PROVIDER})
    query = sa.select(Reference.__table__).order_by(Reference.target)
    references = conn.execute(query).all()
    return [Listed(name, rows.get(name), [r for r in references if r.vantage == name]) for name in names]
