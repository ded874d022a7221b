"""What a tenant has, as configuration as code sees it: all objects by name, in a handful of queries."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from podhealth.core.channel_fields import CHANNEL_SECRETS, ChannelRules
from podhealth.core.errors import SetupError
from podhealth.core.messages import RouteRule
from podhealth.core.words import Declared
from podhealth.declared.fields import Ids, without_doubles
from podhealth.declared.plan import State, Stored
from podhealth.models import Channel, Check, DeclaredObject, Node, Pod, Route, Source
from podhealth.store import checks, inventory, ownnodes, policies, windows
from podhealth.store import secrets as sealing
from podhealth.store.sql import insert
from podhealth.store.tenancy import Scope, own

_IDS_A_QUERY = 1_000


def state_of(conn: sa.Connection, scope: Scope) -> State:
    """Return everything that a file of the tenant could name."""
    ours = _ours(conn, scope)
    listed = policies.list_policies(conn, scope)
    pods, mine = _pods(conn, scope, ours), ownnodes.list_own_nodes(conn, scope)
    objects = {
        Declared.NODE: _stored(mine, ownnodes.rules_of, ours[Declared.NODE]),
        Declared.POLICY: _stored(listed, policies.rules_of, ours[Declared.POLICY]),
        Declared.POD: pods,
        Declared.WINDOW: _stored(windows.list_windows(conn, scope), windows.rules_of, ours[Declared.WINDOW]),
        Declared.CHANNEL: _channels(conn, scope, ours[Declared.CHANNEL]),
    }
    shared = sa.select(Node.name, Node.id).where(Node.tenant_id.is_(None), Node.deleted_at.is_(None))
    sources = sa.select(Source.name, Source.id).where(own(scope, Source), Source.deleted_at.is_(None))
    named = {
        "node": {row.name: row.id for row in conn.execute(shared)} | {row.name: row.id for row in mine},
        "policy": {row.name: row.id for row in listed},
        "pod": {name: pod.object_id for name, pod in pods.items()},
        "source": {row.name: row.id for row in conn.execute(sources)},
    }
    doubled = without_doubles(row.name for row in listed)
    return State(objects, _checks(conn, scope, ours[Declared.CHECK]), Ids(named, doubled))


def mark_added(conn: sa.Connection, scope: Scope, noun: Declared, ids: Collection[int], now: datetime) -> None:
    """Note that a file has added these objects: another that lacks them may remove them."""
    rows = [{"noun": noun, "object_id": one, "tenant_id": scope.tenant_id, "added_at": now} for one in ids]
    for first in range(0, len(rows), _IDS_A_QUERY):
        # A node that comes again is the one that it was.
        statement = insert(conn, DeclaredObject).on_conflict_do_nothing()
        conn.execute(statement, rows[first : first + _IDS_A_QUERY])


def forget_added(conn: sa.Connection, scope: Scope, noun: Declared, object_id: int) -> None:
    """Forget an object that a file has removed."""
    gone = sa.delete(DeclaredObject).where(own(scope, DeclaredObject), DeclaredObject.noun == noun)
    conn.execute(gone.where(DeclaredObject.object_id == object_id))


def _ours(conn: sa.Connection, scope: Scope) -> dict[Declared, set[int]]:
    found: dict[Declared, set[int]] = {noun: set() for noun in Declared}
    query = sa.select(DeclaredObject.noun, DeclaredObject.object_id).where(own(scope, DeclaredObject))
    for noun, object_id in conn.execute(query):
        found[noun].add(object_id)
    return found


def _stored(rows: Sequence[Any], rules_of: Callable[[Any], Any], ours: Collection[int]) -> dict[str, Stored]:
    return {
        row.name: Stored(row.id, row.name, rules_of(row), getattr(row, "version", None), row.id in ours) for row in rows
    }


def _pods(conn: sa.Connection, scope: Scope, ours: Mapping[Declared, Collection[int]]) -> dict[str, Stored]:
    query = sa.select(Pod.__table__).where(own(scope, Pod), Pod.deleted_at.is_(None)).order_by(Pod.id)
    found = {}
    for row in conn.execute(query):
        opened = partial(_opened, sealing.unseal, row.provider_config, row.id)
        is_ours = row.id in ours[Declared.POD]
        found[row.name] = Stored(row.id, row.name, inventory.rules_of(row), row.version, is_ours, opened)
    return found


def _opened(unseal: Callable[..., Mapping[str, Any]], *of: Any) -> Mapping[str, Any]:  # noqa: ANN401 - what unseal takes
    try:
        return unseal(*of)
    except SetupError:  # sealed with another key: what a file gives is something else
        return {}


def _checks(conn: sa.Connection, scope: Scope, ours: Collection[int]) -> dict[int, dict[str, Stored]]:
    query = sa.select(Check.__table__).join(Pod, Pod.id == Check.pod_id)
    query = query.where(own(scope, Check), Pod.deleted_at.is_(None)).order_by(Check.id)
    found: dict[int, dict[str, Stored]] = defaultdict(dict)
    for row in conn.execute(query):
        found[row.pod_id][row.name] = Stored(row.id, row.name, checks.rules_of(row), None, row.id in ours)
    return found


def _channels(conn: sa.Connection, scope: Scope, ours: Collection[int]) -> dict[str, Stored]:
    routes: dict[int, list[RouteRule]] = defaultdict(list)
    for row in conn.execute(sa.select(Route.__table__).where(own(scope, Route)).order_by(Route.id)):
        routes[row.channel_id].append(RouteRule(row.severity, frozenset(row.tags)))
    query = sa.select(Channel.__table__).where(own(scope, Channel), Channel.deleted_at.is_(None))
    found = {}
    for row in conn.execute(query.order_by(Channel.name, Channel.id)):
        rules = ChannelRules(row.name, row.kind, row.config, row.enabled, tuple(routes[row.id]))
        opened = partial(_opened, sealing.unseal_channel, row.config, row.id, CHANNEL_SECRETS[row.kind])
        found[row.name] = Stored(row.id, row.name, rules, row.version, row.id in ours, opened)
    return found
