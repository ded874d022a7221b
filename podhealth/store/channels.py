"""A tenant's channels and their routes: storing, changing, deleting, testing them, and listing them for people.

What their fields may say is core/channel_fields' rule. Their secrets are sealed here and shown to nobody.
"""

import secrets
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import message_text
from podhealth.core.channel_fields import CHANNEL_SECRETS, ChannelRules, Platform, parse_channel
from podhealth.core.errors import Conflict, InputError, Stale
from podhealth.core.messages import RouteRule
from podhealth.core.words import ChannelKind, FeedKind, MessageKind, MessageState, Severity
from podhealth.models import Channel, Delivery, Message, Route, Telling
from podhealth.store import advisory, audit, tenancy
from podhealth.store import secrets as sealing
from podhealth.store.db import db_now
from podhealth.store.deliveries import lock_channel
from podhealth.store.feed import FeedNote, append
from podhealth.store.messages import begin_message, lock_relay
from podhealth.store.tenancy import Scope, own

MOST_CHANNELS = 100  # the relay goes through all of them for each notice, and all tenants wait for it
_SECRET_BYTES = 24
_FAILURES_WITHIN = timedelta(hours=24)
_HINT, _SHORTEST_HINTED = 4, 16  # the end of a secret is shown where the rest of it is long enough

Row = sa.Row[Any]


class Stored(NamedTuple):
    """A channel as it was stored; ``secret`` is that of a new web hook, to be shown this once."""

    row: Row
    secret: str | None = None


class Listed(NamedTuple):
    """A channel as lists show it: how many messages wait, how many are dead, how many tries failed in 24 h.

    ``tried_at``: when the newest try was, and ``was_told`` whether it was taken; null where there was none.
    """

    row: Row
    routes: tuple[RouteRule, ...]
    waiting: int
    dead: int
    failures: int = 0
    tried_at: datetime | None = None
    was_told: bool | None = None


def get_channel(conn: sa.Connection, scope: Scope, channel_id: object) -> Row:
    """Return the channel's row. Raises NotFound as tenancy's ``get_own`` does."""
    return tenancy.get_own(conn, scope, Channel, channel_id, "channel")


def rules_of(conn: sa.Connection, row: Row) -> ChannelRules:
    """Return the rules that a stored channel holds; its secrets are sealed in them."""
    return ChannelRules(row.name, row.kind, row.config, row.enabled, routes_of(conn, row.id))


def routes_of(conn: sa.Connection, channel_id: int) -> tuple[RouteRule, ...]:
    """Return a channel's routes, in the order in which they were given."""
    query = sa.select(Route.severity, Route.tags).where(Route.channel_id == channel_id).order_by(Route.id)
    return tuple(RouteRule(severity, frozenset(tags)) for severity, tags in conn.execute(query))


def list_channels(conn: sa.Connection, scope: Scope) -> Sequence[Listed]:
    """Return the tenant's channels by name."""
    rows = conn.execute(
        sa.select(Channel.__table__)
        .where(own(scope, Channel), Channel.deleted_at.is_(None))
        .order_by(Channel.name, Channel.id)
    ).all()
    routes: dict[int, list[RouteRule]] = defaultdict(list)
    for row in conn.execute(sa.select(Route.__table__).where(own(scope, Route)).order_by(Route.id)):
        routes[row.channel_id].append(RouteRule(row.severity, frozenset(row.tags)))
    unsent = (
        sa.select(Message.channel_id, Message.state, sa.func.count())
        .where(own(scope, Message), Message.state.in_((MessageState.WAITING, MessageState.DEAD)))
        .where(Message.kind != MessageKind.TEST)
        .group_by(Message.channel_id, Message.state)
    )
    counts = {(channel_id, state): count for channel_id, state, count in conn.execute(unsent)}
    failed, tried = _failures(conn, scope), _newest_tries(conn, scope)
    return [
        Listed(
            row,
            tuple(routes[row.id]),
            counts.get((row.id, MessageState.WAITING), 0),
            counts.get((row.id, MessageState.DEAD), 0),
            failed.get(row.id, 0),
            *tried.get(row.id, (None, None)),
        )
        for row in rows
    ]


def _failures(conn: sa.Connection, scope: Scope) -> dict[int, int]:
    since = db_now(conn) - _FAILURES_WITHIN
    query = (
        sa.select(Delivery.channel_id, sa.func.count())
        .where(own(scope, Delivery), Delivery.ok.is_(False), Delivery.at > since)
        .group_by(Delivery.channel_id)
    )
    return {int(channel_id): int(count) for channel_id, count in conn.execute(query)}


def _newest_tries(conn: sa.Connection, scope: Scope) -> dict[int, tuple[datetime, bool]]:
    newest = (
        sa.select(Delivery.id)
        .where(Delivery.channel_id == Channel.id)
        .order_by(Delivery.at.desc(), Delivery.id.desc())
        .limit(1)
        .correlate(Channel)
        .scalar_subquery()
    )
    query = sa.select(Channel.id, Delivery.at, Delivery.ok).join(Delivery, Delivery.id == newest)
    rows = conn.execute(query.where(own(scope, Channel), Channel.deleted_at.is_(None)))
    return {channel_id: (at, ok) for channel_id, at, ok in rows}


def create_channel(conn: sa.Connection, scope: Scope, fields: Mapping[str, object], platform: Platform) -> Stored:
    """Make a channel. Raises InputError with the field's name for a bad value or a name that is taken."""
    rules = parse_channel(fields, platform)
    _refuse_taken_name(conn, scope, rules.name)
    _refuse_too_many(conn, scope)
    secret = _new_secret() if rules.kind == ChannelKind.WEBHOOK else None
    if secret is not None:
        rules = replace(rules, config={**rules.config, "secret": secret})
    now = db_now(conn)
    values = {"tenant_id": scope.tenant_id, "name": rules.name, "kind": rules.kind, "enabled": rules.enabled}
    values |= {"config": {}, "created_at": now, "updated_at": now}
    channel_id = int(conn.execute(sa.insert(Channel).values(**values).returning(Channel.id)).scalar_one())
    # Sealed for this row, so not before it has its id.
    config = sealing.seal_channel(rules.config, channel_id, CHANNEL_SECRETS[rules.kind], {})
    noted = _noted(rules, {}, config, now)
    conn.execute(sa.update(Channel).where(Channel.id == channel_id).values(config=config, **noted))
    _store_routes(conn, scope, channel_id, rules.routes, now)
    audit.write(conn, scope, "channel created", "channel", channel_id, None, told(rules))
    append(conn, [_note(scope, channel_id)])
    return Stored(get_channel(conn, scope, channel_id), secret)


def update_channel(
    conn: sa.Connection,
    scope: Scope,
    channel_id: int,
    fields: Mapping[str, object],
    platform: Platform,
    version: int | None = None,
) -> Row:
    """Change the given fields of a channel; one that is switched off forgets what it had still to tell.

    Raises InputError naming a bad field, NotFound, and Conflict where ``version`` is given and not the stored one.
    """
    row = _locked(conn, scope, channel_id)
    if version is not None and version != row.version:
        raise Stale("the channel was changed meanwhile", row.version)
    before = rules_of(conn, row)
    after = parse_channel(fields, platform, before)
    config = sealing.seal_channel(after.config, channel_id, CHANNEL_SECRETS[after.kind], before.config)
    now = db_now(conn)
    noted = _noted(after, before.config, config, now)
    after = replace(after, config=config)
    if after == before:
        return row
    if after.name != before.name:
        _refuse_taken_name(conn, scope, after.name)
    values = {"name": after.name, "config": config, "enabled": after.enabled, "updated_at": now} | noted
    conn.execute(sa.update(Channel).where(Channel.id == channel_id).values(version=row.version + 1, **values))
    if after.routes != before.routes:
        _store_routes(conn, scope, channel_id, after.routes, now)
    if before.enabled and not after.enabled:
        _forget(conn, channel_id, now)
    audit.write(conn, scope, "channel edited", "channel", channel_id, told(before), told(after))
    append(conn, [_note(scope, channel_id)])
    return get_channel(conn, scope, channel_id)


def delete_channel(conn: sa.Connection, scope: Scope, channel_id: int) -> None:
    """Delete a channel softly: nothing more is told over it, what waits is dropped. Raises NotFound."""
    row = _locked(conn, scope, channel_id)
    now = db_now(conn)
    before = told(rules_of(conn, row))
    gone = {"deleted_at": now, "updated_at": now, "config": {}, "version": row.version + 1}
    gone |= {"secret_set_at": None, "secret_hint": None}
    conn.execute(sa.update(Channel).where(Channel.id == channel_id).values(**gone))
    conn.execute(sa.delete(Route).where(Route.channel_id == channel_id))
    _forget(conn, channel_id, now)
    audit.write(conn, scope, "channel deleted", "channel", channel_id, before)
    append(conn, [_note(scope, channel_id)])


def rotate_secret(conn: sa.Connection, scope: Scope, channel_id: int) -> str:
    """Give a web hook another secret and return it, to be shown this once; the one before signs nothing any more.

    Raises NotFound, Conflict for a channel whose kind has no secret that we make.
    """
    row = _locked(conn, scope, channel_id)
    if row.kind != ChannelKind.WEBHOOK:
        raise Conflict("only a web hook has a secret of ours")
    secret = _new_secret()
    names = CHANNEL_SECRETS[row.kind]
    config = sealing.seal_channel({**row.config, "secret": secret}, channel_id, names, {})
    now = db_now(conn)
    values = {"config": config, "version": row.version + 1, "updated_at": now}
    values |= {"secret_set_at": now, "secret_hint": _hint(secret)}
    conn.execute(sa.update(Channel).where(Channel.id == channel_id).values(**values))
    audit.write(conn, scope, "channel secret replaced", "channel", channel_id)
    append(conn, [_note(scope, channel_id)])
    return secret


def test_channel(conn: sa.Connection, scope: Scope, channel_id: int) -> int:
    """Have a test told over the channel at once, and return its message. Raises NotFound, Conflict where it is off."""
    row = _locked(conn, scope, channel_id)
    if not row.enabled:
        raise Conflict("the channel is off: switch it on to test it")
    now = db_now(conn)
    message_id = begin_message(conn, scope.tenant_id, channel_id, MessageKind.TEST, None, now, now)
    words = message_text.test(row.name, scope.actor_name, now)
    values = {"subject": words.subject, "severity": Severity.WARNING, "composed_at": now}
    values |= {"body": {"lines": list(words.lines), "path": f"/channels/{channel_id}", "notices": [], "incidents": []}}
    update = sa.update(Message).where(Message.id == message_id)
    conn.execute(update.values(state=MessageState.WAITING, **values))
    audit.write(conn, scope, "channel tested", "channel", channel_id)
    append(conn, [_note(scope, channel_id)])
    return message_id


def told(rules: ChannelRules) -> dict[str, Any]:
    """Return what the audit trail holds of a channel: no secret of it."""
    shown = {name: value for name, value in rules.config.items() if name not in CHANNEL_SECRETS[rules.kind]}
    routes = [{"severity": route.severity.value, "tags": sorted(route.tags)} for route in rules.routes]
    return {"name": rules.name, "kind": rules.kind.value, "enabled": rules.enabled, "config": shown, "routes": routes}


def _locked(conn: sa.Connection, scope: Scope, channel_id: int) -> Row:
    get_channel(conn, scope, channel_id)
    lock_channel(conn, channel_id)
    return get_channel(conn, scope, channel_id)  # again: another may have been faster


def _refuse_taken_name(conn: sa.Connection, scope: Scope, name: str) -> None:
    # Two that take one name at one moment: the second must see the first, not fail on the unique index.
    advisory.hold(conn, advisory.Each.CHANNEL_NAMES, scope.tenant_id)
    query = sa.select(Channel.id).where(own(scope, Channel), Channel.name == name, Channel.deleted_at.is_(None))
    if conn.execute(query).first() is not None:
        raise InputError("name", "is the name of another channel", code="taken")


def _refuse_too_many(conn: sa.Connection, scope: Scope) -> None:
    count = sa.select(sa.func.count()).select_from(Channel).where(own(scope, Channel), Channel.deleted_at.is_(None))
    if (conn.scalar(count) or 0) >= MOST_CHANNELS:
        raise InputError(
            "name", f"there are {MOST_CHANNELS} channels already; delete one that is not used", code="too_many"
        )


def _new_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _noted(rules: ChannelRules, before: Mapping[str, Any], config: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return what is noted of a secret that was set: when, and how it ends; nothing where it stayed."""
    for name in CHANNEL_SECRETS[rules.kind]:
        if name in config and config[name] != before.get(name):
            return {"secret_set_at": now, "secret_hint": _hint(str(rules.config[name]))}
    return {}


def _hint(secret: str) -> str | None:
    return secret[-_HINT:] if len(secret) >= _SHORTEST_HINTED else None


def _store_routes(
    conn: sa.Connection, scope: Scope, channel_id: int, routes: Sequence[RouteRule], now: datetime
) -> None:
    conn.execute(sa.delete(Route).where(Route.channel_id == channel_id))
    own_ids = {"tenant_id": scope.tenant_id, "channel_id": channel_id, "created_at": now}
    if routes:
        rows = [own_ids | {"severity": one.severity, "tags": sorted(one.tags)} for one in routes]
        conn.execute(sa.insert(Route), rows)


def _forget(conn: sa.Connection, channel_id: int, now: datetime) -> None:
    lock_relay(conn)  # it takes the same rows, in an order of its own
    unsent = Message.state.in_((MessageState.GATHERING, MessageState.WAITING))
    drop = sa.update(Message).where(Message.channel_id == channel_id, unsent)
    conn.execute(drop.values(state=MessageState.DROPPED))
    end = sa.update(Telling).where(Telling.channel_id == channel_id, Telling.ended_at.is_(None))
    conn.execute(end.values(ended_at=now))


def _note(scope: Scope, channel_id: int) -> FeedNote:
    return FeedNote(scope.tenant_id, FeedKind.CHANNEL, object_id=channel_id)
