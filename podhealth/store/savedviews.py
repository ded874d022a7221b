"""Saved views: a name for a query string of the overview, one's own or the whole tenant's.

What a query string may hold is web/forms/podlist's business; here it is text.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound
from podhealth.core.fields import line
from podhealth.core.words import Role
from podhealth.models import SavedView
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope

MOST_VIEWS = 50
_LONGEST_NAME = 63
_LONGEST_QUERY = 1000
_ADMINS = (Role.ADMIN, Role.PLATFORM)


class View(NamedTuple):
    """A saved view; ``is_shared``: it is the tenant's, and an admin's to change."""

    view_id: int
    name: str
    query: str
    is_shared: bool


class Views(NamedTuple):
    """What one person may open, each list by name."""

    own: tuple[View, ...]
    shared: tuple[View, ...]


def views_of(conn: sa.Connection, scope: Scope, user_id: int | None) -> Views:
    """Return this person's views of the tenant, and the tenant's own."""
    query = _seen_by(scope, user_id).order_by(sa.func.lower(SavedView.name), SavedView.id)
    found = [_view(row) for row in conn.execute(query)]
    return Views(tuple(view for view in found if not view.is_shared), tuple(view for view in found if view.is_shared))


def get_view(conn: sa.Connection, scope: Scope, user_id: int | None, view_id: object) -> View:
    """Return a view. Raises NotFound where this person may not see one of that id."""
    return _view(_get(conn, scope, user_id, view_id))


def save_view(conn: sa.Connection, scope: Scope, user_id: int | None, name: str, query: str, *, is_shared: bool) -> int:
    """Keep a query string under a name and return its id.

    Raises InputError for a name that is no text of one line or is taken, Forbidden where the tenant's are not this
    person's to make, Conflict where there are MOST_VIEWS already.
    """
    owner = _owner(scope, user_id, is_shared)
    if len(query) > _LONGEST_QUERY:
        raise InputError("query", f"must be at most {_LONGEST_QUERY} characters: choose fewer filters")
    called = line("name", name, _LONGEST_NAME)
    theirs = _of_owner(scope, owner)
    if (conn.scalar(sa.select(sa.func.count()).select_from(SavedView).where(*theirs)) or 0) >= MOST_VIEWS:
        raise Conflict(f"there are {MOST_VIEWS} views already: delete one first")
    _refuse_taken(conn, theirs, called)
    values = {"tenant_id": scope.tenant_id, "user_id": owner, "name": called, "query": query}
    made = sa.insert(SavedView).values(**values, created_at=db_now(conn))
    view_id = int(conn.execute(made.returning(SavedView.id)).scalar_one())
    _audit(conn, scope, "view saved", view_id, owner, None, {"name": called, "query": query})
    return view_id


def rename_view(conn: sa.Connection, scope: Scope, user_id: int | None, view_id: object, name: str) -> None:
    """Give a view another name. Raises as ``save_view`` and ``get_view`` do."""
    row = _changeable(conn, scope, user_id, view_id)
    new = line("name", name, _LONGEST_NAME)
    if new == row.name:
        return
    _refuse_taken(conn, _of_owner(scope, row.user_id), new)
    conn.execute(sa.update(SavedView).where(tenancy.own(scope, SavedView), SavedView.id == row.id).values(name=new))
    _audit(conn, scope, "view renamed", row.id, row.user_id, {"name": row.name}, {"name": new})


def delete_view(conn: sa.Connection, scope: Scope, user_id: int | None, view_id: object) -> None:
    """Forget a view. Raises as ``get_view`` does, and Forbidden for the tenant's where it is not this person's."""
    row = _changeable(conn, scope, user_id, view_id)
    conn.execute(sa.delete(SavedView).where(tenancy.own(scope, SavedView), SavedView.id == row.id))
    _audit(conn, scope, "view deleted", row.id, row.user_id, {"name": row.name, "query": row.query}, None)


def _owner(scope: Scope, user_id: int | None, is_shared: bool) -> int | None:
    if is_shared and scope.role not in _ADMINS:
        raise Forbidden("only an admin saves, renames and deletes views of the whole tenant")
    if not is_shared and user_id is None:
        raise Forbidden("only a person has views of their own")
    return None if is_shared else user_id


def _changeable(conn: sa.Connection, scope: Scope, user_id: int | None, view_id: object) -> Any:
    row = _get(conn, scope, user_id, view_id)
    _owner(scope, user_id, row.user_id is None)
    return row


def _get(conn: sa.Connection, scope: Scope, user_id: int | None, view_id: object) -> Any:
    if type(view_id) is not int or not 1 <= view_id <= tenancy.MAX_ID:
        raise NotFound("there is no such view")
    row = conn.execute(_seen_by(scope, user_id).where(SavedView.id == view_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such view")
    return row


def _seen_by(scope: Scope, user_id: int | None) -> sa.Select[Any]:
    mine = sa.or_(SavedView.user_id.is_(None), SavedView.user_id == (user_id or 0))
    return sa.select(SavedView.__table__).where(tenancy.own(scope, SavedView), mine)


def _of_owner(scope: Scope, owner: int | None) -> Sequence[sa.ColumnElement[bool]]:
    is_theirs = SavedView.user_id.is_(None) if owner is None else SavedView.user_id == owner
    return tenancy.own(scope, SavedView), is_theirs


def _refuse_taken(conn: sa.Connection, theirs: Sequence[sa.ColumnElement[bool]], name: str) -> None:
    if conn.scalar(sa.select(SavedView.id).where(*theirs, SavedView.name == name)) is not None:
        raise InputError("name", "there is a view of this name already", code="taken")


def _audit(
    conn: sa.Connection, scope: Scope, what: str, view_id: int, owner: int | None, before: Any, after: Any
) -> None:
    # What people call their own views concerns nobody else.
    if owner is None:
        audit.write(conn, scope, what, "view", view_id, before, after)


def _view(row: Any) -> View:
    return View(row.id, row.name, row.query, row.user_id is None)
