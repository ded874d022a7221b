"""One act on many pods: each in a transaction of its own, so that one that is refused keeps no other from it.

What the act is comes in as a function. Nothing here knows a form.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Role
from podhealth.models import Pod, Submission
from podhealth.store import inventory, newpods, submissions, tenancy
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope

Act = Callable[[sa.Connection, int], str | None]


class Came(StrEnum):
    """What came of the act on one pod: done; held by a gate, which says why; or refused."""

    DONE = "done"
    HELD = "held"
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What came of the act on one pod, and what there is to say of it."""

    pod_id: int
    name: str
    came: Came
    why: str | None


def names_of(conn: sa.Connection, scope: Scope, pod_ids: Sequence[int], op: str | None = None) -> dict[int, str]:
    """Return the names of these pods in the order of their ids.

    Raises NotFound where any of them is not the scope's, or is deleted: then nothing is done with the others, either.
    One that the form ``op`` itself has deleted before is still known.
    """
    query = sa.select(Pod.id, Pod.name, Pod.deleted_at).where(tenancy.own(scope, Pod), Pod.id.in_(pod_ids))
    rows = conn.execute(query.order_by(Pod.id)).all()
    answered = set() if op is None else _answered(conn, scope, op, [row.id for row in rows if row.deleted_at])
    found = {row.id: row.name for row in rows if row.deleted_at is None or row.id in answered}
    if len(found) != len(set(pod_ids)):
        raise NotFound("there is no such pod")
    return found


def _answered(conn: sa.Connection, scope: Scope, op: str, pod_ids: Sequence[int]) -> set[int]:
    ops = {_op_of(op, pod_id): pod_id for pod_id in pod_ids}
    query = sa.select(Submission.op).where(tenancy.own(scope, Submission), Submission.op.in_(ops))
    return {ops[each] for each in conn.scalars(query)}


def _op_of(op: str, pod_id: int) -> str:
    return f"{op}-{pod_id}"


def each(
    engine: sa.Engine,
    scope: Scope,
    op: str,
    route: str,
    pod_ids: Sequence[int],
    do: Act,
    closed: Came = Came.REFUSED,
) -> list[Outcome]:
    """Do it to each of these pods, in the order of their ids, and return what came of it.

    Sent again with the same ``op``, what was done is answered and not done again; what a crash left out is done then.
    ``do`` returns what there is to say, and raises Conflict where it is ``closed`` at this moment. Raises NotFound as
    ``names_of`` does, before anything is done.
    """
    with read(engine) as conn:
        names = names_of(conn, scope, pod_ids, op)
    return [_one(engine, scope, _op_of(op, pod_id), route, pod_id, name, do, closed) for pod_id, name in names.items()]


def _one(
    engine: sa.Engine, scope: Scope, op: str, route: str, pod_id: int, name: str, do: Act, closed: Came
) -> Outcome:
    with write(engine, durable=True) as conn:
        kept = submissions.claim(conn, scope, op, route)
        if kept is not None:
            return Outcome(pod_id, name, Came(kept.get("came", Came.DONE)), kept.get("why"))
        came, why = _attempt(conn, pod_id, do, closed)
        submissions.keep(conn, scope, op, {"came": came.value, "why": why})
    return Outcome(pod_id, name, came, why)


def _attempt(conn: sa.Connection, pod_id: int, do: Act, closed: Came) -> tuple[Came, str | None]:
    try:
        with conn.begin_nested():
            return Came.DONE, do(conn, pod_id)
    except Conflict as why:
        return closed, str(why)
    except InputError as why:
        return Came.REFUSED, f"{why.field} {why.message}"
    except NotFound:
        return Came.REFUSED, "It was deleted meanwhile."


def may_tag_and_delete(scope: Scope) -> bool:
    """Return whether this scope changes what pods are, and not only what is done about them."""
    return scope.role in (Role.ADMIN, Role.PLATFORM)


def add_tag(
    conn: sa.Connection, scope: Scope, pod_id: int, tag: str, networks: Sequence[str] = newpods.DEFAULT_NETWORKS
) -> str | None:
    """Have the pod carry ``tag``. Raises as ``inventory.update_pod`` does."""
    tags = tenancy.get_pod(conn, scope, pod_id).tags
    if tag in tags:
        return "It carried the tag before."
    inventory.update_pod(conn, scope, pod_id, {"tags": [*tags, tag]}, networks=networks)
    return None


def remove_tag(
    conn: sa.Connection, scope: Scope, pod_id: int, tag: str, networks: Sequence[str] = newpods.DEFAULT_NETWORKS
) -> str | None:
    """Have the pod not carry ``tag``. Raises as ``inventory.update_pod`` does."""
    tags = tenancy.get_pod(conn, scope, pod_id).tags
    if tag not in tags:
        return "It did not carry the tag."
    kept: list[Any] = [each for each in tags if each != tag]
    inventory.update_pod(conn, scope, pod_id, {"tags": kept}, networks=networks)
    return None
