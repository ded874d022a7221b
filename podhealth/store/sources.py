"""A tenant's sources: made, changed, deleted, claimed to be read, and what came of it.

What a source may be is core/source_rules' business; asking it is healing/sync's, what becomes of its guests
store/syncing's. Their secrets are sealed here and shown to nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Forbidden, InputError, Stale
from podhealth.core.guests import Answer, Takes, guest_of
from podhealth.core.provider_fields import SECRETS
from podhealth.core.source_rules import SourceRules, parse_source
from podhealth.core.words import FeedKind, Role
from podhealth.models import Pod, Reading, Source, SyncedPod
from podhealth.store import advisory, audit, sourcenotices, tenancy
from podhealth.store import secrets as sealing
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope, own

MOST_SOURCES = 50
LEASE = timedelta(seconds=180)
SOON = timedelta(seconds=15)
_BELIEVED_FOR = timedelta(hours=1)
_LONGEST_ERROR = 300

Row = sa.Row[Any]

# The settings of the source by which a pod is reached, for those who read pods to ask their providers.
SOURCE_CONFIG: Any = (
    sa.select(Source.config).where(Source.id == Pod.source_id).correlate(Pod).scalar_subquery().label("source_config")
)


def list_sources(conn: sa.Connection, scope: Scope) -> Sequence[Row]:
    """Return the tenant's sources by name."""
    query = sa.select(Source.__table__).where(own(scope, Source), Source.deleted_at.is_(None))
    return conn.execute(query.order_by(Source.name, Source.id)).all()


def get_source(conn: sa.Connection, scope: Scope, source_id: object) -> Row:
    """Return the source's row. Raises NotFound as tenancy's ``get_own`` does."""
    return tenancy.get_own(conn, scope, Source, source_id, "source")


def rules_of(row: Any) -> SourceRules:
    """Return the stored source as rules; the secrets among its settings stay sealed."""
    return SourceRules(row.name, row.kind, row.config, takes_of(row), row.is_on, row.every_s)


def takes_of(row: Any) -> Takes:
    """Return which guests of a stored source become pods."""
    named = {name: tuple(row.takes.get(name) or ()) for name in ("tags", "pools", "labels")}
    return Takes(**named, everything=bool(row.takes.get("everything")))


def create_source(conn: sa.Connection, scope: Scope, fields: Mapping[str, object], networks: Sequence[str]) -> Row:
    """Add a source and have it read at once; its guests become pods only when it is switched on.

    Raises InputError naming a bad field or a taken name.
    """
    rules = parse_source(fields, networks)
    _refuse_taken_name(conn, scope, rules.name)
    _refuse_too_many(conn, scope)
    now = db_now(conn)
    values = _columns(rules) | {"tenant_id": scope.tenant_id, "created_at": now, "updated_at": now, "next_at": now}
    source_id = int(conn.execute(sa.insert(Source).values(**values, config={}).returning(Source.id)).scalar_one())
    # Sealed for this row, so not before it has its id.
    config = sealing.seal_source(rules.config, source_id, {})
    conn.execute(sa.update(Source).where(Source.id == source_id).values(config=config))
    audit.write(conn, scope, "source added", "source", source_id, None, told(rules))
    append(conn, [note(scope.tenant_id, source_id)])
    return get_source(conn, scope, source_id)


def update_source(
    conn: sa.Connection,
    scope: Scope,
    source_id: int,
    fields: Mapping[str, object],
    networks: Sequence[str],
    version: int | None = None,
) -> Row:
    """Change the fields given; pods of the source are reached by the new settings from now on.

    Raises InputError naming a bad field, NotFound, and Stale where ``version`` is given and not the stored one.
    """
    row = _locked(conn, scope, source_id, version)
    before = rules_of(row)
    after = parse_source(fields, networks, before)
    after = replace(after, config=sealing.seal_source(after.config, source_id, before.config))
    if after == before:
        return row
    if after.name != before.name:
        _refuse_taken_name(conn, scope, after.name)
    now = db_now(conn)
    # Read at once, for the preview at least: what was read by other settings, or for other guests, is old.
    values = _columns(after) | {"config": after.config, "version": row.version + 1, "updated_at": now, "next_at": now}
    if not after.is_on:
        values |= sourcenotices.NOT_FAILING
    conn.execute(sa.update(Source).where(Source.id == source_id).values(**values))
    audit.write(conn, scope, "source changed", "source", source_id, told(before), told(after))
    append(conn, [note(scope.tenant_id, source_id)])
    return get_source(conn, scope, source_id)


def share_nodes(conn: sa.Connection, scope: Scope, source_id: int, is_shared: bool) -> Row:
    """Have the source's guests stand on the platform's shared nodes of the same names, or no longer.

    What a source says of a shared node concerns all tenants on it, so only a platform admin may. Raises Forbidden.
    """
    if scope.role != Role.PLATFORM:
        raise Forbidden("only a platform admin can say that a source's nodes are the platform's")
    row = _locked(conn, scope, source_id)
    if row.is_shared != is_shared:
        values = {"is_shared": is_shared, "version": row.version + 1, "next_at": db_now(conn)}
        conn.execute(sa.update(Source).where(Source.id == source_id).values(**values))
        audit.write(conn, scope, "source's nodes shared", "source", source_id, None, {"isShared": is_shared})
    return get_source(conn, scope, source_id)


def delete_source(conn: sa.Connection, scope: Scope, source_id: int, version: int | None = None) -> None:
    """Delete a source softly, with its settings. Raises NotFound, Stale, and Conflict while pods are reached by it."""
    row = _locked(conn, scope, source_id, version)
    if pods := pods_by(conn, source_id):
        raise Conflict(f"{pods} pod{' is' if pods == 1 else 's are'} reached by {row.name}: delete or move them first")
    now = db_now(conn)
    gone = {"deleted_at": now, "updated_at": now, "config": {}, "is_on": False, "next_at": None}
    conn.execute(sa.update(Source).where(Source.id == source_id).values(**gone, version=row.version + 1))
    conn.execute(sa.delete(Reading).where(Reading.source_id == source_id))
    audit.write(conn, scope, "source deleted", "source", source_id, told(rules_of(row)))
    append(conn, [note(scope.tenant_id, source_id)])


def ask_now(conn: sa.Connection, scope: Scope, source_id: int) -> Row:
    """Have the source read as soon as a worker is free; where it is on, its guests are synced then. Raises NotFound."""
    _locked(conn, scope, source_id)
    conn.execute(sa.update(Source).where(Source.id == source_id).values(next_at=db_now(conn)))
    audit.write(conn, scope, "source asked", "source", source_id)
    append(conn, [note(scope.tenant_id, source_id)])
    return get_source(conn, scope, source_id)


def believe(conn: sa.Connection, scope: Scope, source_id: int) -> None:
    """Believe, for an hour, an answer that lacks many guests, and have it asked anew. Raises NotFound, Conflict."""
    row = _locked(conn, scope, source_id)
    if not row.is_in_doubt:
        raise Conflict("no answer of this source waits to be believed")
    now = db_now(conn)
    values = {"believed_until": now + _BELIEVED_FOR, "next_at": now}
    conn.execute(sa.update(Source).where(Source.id == source_id).values(**values))
    audit.write(conn, scope, "missing guests believed", "source", source_id, None, {"said": row.error})
    append(conn, [note(scope.tenant_id, source_id)])


def forget_deleted(conn: sa.Connection, scope: Scope, source_id: int, key: str) -> None:
    """Forget that pods of this guest were deleted here: the next sync adds it again where it is chosen.

    Raises NotFound, and Conflict where there was none.
    """
    _locked(conn, scope, source_id)
    deleted = sa.select(Pod.id).where(Pod.id == SyncedPod.pod_id, Pod.deleted_at.is_not(None)).exists()
    mine = sa.delete(SyncedPod).where(SyncedPod.source_id == source_id, SyncedPod.key == key, deleted)
    if not conn.execute(mine).rowcount:
        raise Conflict("no pod of that guest was deleted here")
    conn.execute(sa.update(Source).where(Source.id == source_id).values(next_at=db_now(conn)))
    audit.write(conn, scope, "guest wanted again", "source", source_id, None, {"guest": key})
    append(conn, [note(scope.tenant_id, source_id)])


def pods_by(conn: sa.Connection, source_id: int) -> int:
    """Return how many pods are reached by the source."""
    query = sa.select(sa.func.count()).select_from(Pod).where(Pod.source_id == source_id, Pod.deleted_at.is_(None))
    return conn.scalar(query) or 0


def reading_of(conn: sa.Connection, source_id: int) -> tuple[datetime, Answer] | None:
    """Return the newest answer of the source that was believed, and when it came; null: none yet."""
    row = conn.execute(sa.select(Reading.__table__).where(Reading.source_id == source_id)).one_or_none()
    if row is None:
        return None
    rights = None if row.rights is None else tuple(row.rights)
    return row.at, Answer(tuple(guest_of(one) for one in row.guests), rights)


def is_any_due(conn: sa.Connection) -> bool:
    """Return whether a source is to be read now and nobody does."""
    now = db_now(conn)
    return conn.execute(sa.select(Source.id).where(Source.next_at <= now, *_is_free(now)).limit(1)).first() is not None


def claim(conn: sa.Connection, source_id: int | None = None, not_of: Collection[int] = ()) -> Row | None:
    """Lease the source that is due for longest, or this one whether it is due or not, and return it as it is then.

    ``not_of``: tenants whose sources are passed over. Null where there is none, or somebody else reads it. A lease
    ends by itself, should its holder die.
    """
    now = db_now(conn)
    is_meant = Source.next_at <= now if source_id is None else Source.id == source_id
    free = sa.select(Source.id).where(is_meant, *_is_free(now)).order_by(Source.next_at, Source.id).limit(1)
    free = free.where(Source.tenant_id.not_in(not_of)) if not_of else free
    found = conn.execute(free.with_for_update(skip_locked=True)).scalar_one_or_none()
    if found is None:
        return None
    lease = {"lease_until": now + LEASE, "lease_token": Source.lease_token + 1, "tried_at": now}
    conn.execute(sa.update(Source).where(Source.id == found).values(**lease))
    return conn.execute(sa.select(Source.__table__).where(Source.id == found)).one()


def is_mine(conn: sa.Connection, claimed: Row) -> bool:
    """Return whether a claimed source is still the claimer's and as it was; locks its row until the commit."""
    query = sa.select(Source.lease_token, Source.version, Source.deleted_at).where(Source.id == claimed.id)
    row = conn.execute(query.with_for_update()).one()
    return row.lease_token == claimed.lease_token and row.version == claimed.version and row.deleted_at is None


def keep_answer(conn: sa.Connection, claimed: Row, answer: Answer) -> None:
    """Keep a believed answer of a source that is still the claimer's."""
    now = db_now(conn)
    conn.execute(sa.delete(Reading).where(Reading.source_id == claimed.id))
    kept = {"guests": [guest.as_json() for guest in answer.guests], "rights": answer.rights and list(answer.rights)}
    conn.execute(sa.insert(Reading).values(source_id=claimed.id, tenant_id=claimed.tenant_id, at=now, **kept))
    conn.execute(sa.update(Source).where(Source.id == claimed.id).values(read_at=now))


def put_back(
    conn: sa.Connection, claimed: Row, error: str | None, *, is_in_doubt: bool = False, soon: bool = False
) -> dict[int, int]:
    """Give a claimed source back: when it is read again, and why it failed; return the newest feed number.

    ``soon``: guests are missing, and the next answer is to agree. Somebody who wants it read since has it read.
    """
    now = db_now(conn)
    row = conn.execute(sa.select(Source.__table__).where(Source.id == claimed.id).with_for_update()).one()
    if row.lease_token != claimed.lease_token:
        return {}
    again = now + (SOON if soon else timedelta(seconds=row.every_s)) if row.is_on or soon else None
    is_wanted_anew = row.next_at is not None and row.next_at > claimed.tried_at
    values: dict[str, Any] = {"lease_until": None, "next_at": row.next_at if is_wanted_anew else again}
    values |= {"error": error and error[:_LONGEST_ERROR], "is_in_doubt": is_in_doubt}
    values["error_since"] = None if error is None else row.error_since or now
    failing, said = sourcenotices.settle(conn, row, values["error"], now)
    conn.execute(sa.update(Source).where(Source.id == claimed.id).values(**values, **failing))
    return append(conn, [note(row.tenant_id, row.id, said)])


def told(rules: SourceRules) -> dict[str, Any]:
    """Return what the audit trail and people are told of a source: no secret of it."""
    config = {name: value for name, value in rules.config.items() if name not in SECRETS}
    takes = {name: list(value) if isinstance(value, tuple) else value for name, value in rules.takes._asdict().items()}
    shown = {"name": rules.name, "kind": rules.kind.value, "config": config, "takes": takes}
    return shown | {"enabled": rules.is_on, "everySeconds": rules.every_s}


def note(tenant_id: int, source_id: int, said: str | None = None) -> FeedNote:
    """Return the feed's note that a source has changed; ``said``: in a toast."""
    toast = None if said is None else {"text": said, "tone": "neutral"}
    return FeedNote(tenant_id, FeedKind.INVENTORY, object_id=source_id, note=toast)


def _columns(rules: SourceRules) -> dict[str, Any]:
    takes = {name: list(value) if isinstance(value, tuple) else value for name, value in rules.takes._asdict().items()}
    return {"name": rules.name, "kind": rules.kind, "takes": takes, "is_on": rules.is_on, "every_s": rules.every_s}


def _is_free(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Source.deleted_at.is_(None), sa.or_(Source.lease_until.is_(None), Source.lease_until <= now)


def _locked(conn: sa.Connection, scope: Scope, source_id: int, version: int | None = None) -> Row:
    get_source(conn, scope, source_id)
    conn.execute(sa.select(Source.id).where(Source.id == source_id).with_for_update())
    row = get_source(conn, scope, source_id)  # again: another may have been faster
    if version is not None and version != row.version:
        raise Stale("the source was changed meanwhile", row.version)
    return row


def _refuse_taken_name(conn: sa.Connection, scope: Scope, name: str) -> None:
    # Two that take one name at one moment: the second must see the first, not fail on the unique index.
    advisory.hold(conn, advisory.Each.SOURCE_NAMES, scope.tenant_id)
    query = sa.select(Source.id).where(own(scope, Source), Source.name == name, Source.deleted_at.is_(None))
    if conn.execute(query).first() is not None:
        raise InputError("name", "is the name of another source", code="taken")


def _refuse_too_many(conn: sa.Connection, scope: Scope) -> None:
    count = sa.select(sa.func.count()).select_from(Source).where(own(scope, Source), Source.deleted_at.is_(None))
    if (conn.scalar(count) or 0) >= MOST_SOURCES:
        raise InputError("name", f"there are {MOST_SOURCES} sources already", code="too_many")
