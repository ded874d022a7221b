"""A tenant's public status page as its admins set it up: where it stands, what it shows, under which names.

What visitors read is store/publicpage.py's.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.core.fields import line
from podhealth.models import Pod, StatusPage, StatusPagePod
from podhealth.store import audit
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, own

MOST_PODS = 50
_TITLE = 80
_LABEL = 63
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")


class Shown(NamedTuple):
    """A pod that visitors see, under the name they know it by."""

    pod_id: int
    pod: str
    label: str


@dataclass(frozen=True, slots=True)
class Page:
    """A status page as it is set up; ``version`` 0: nothing is stored yet."""

    slug: str
    title: str
    is_on: bool
    shows_incidents: bool
    shows_windows: bool
    pods: tuple[Shown, ...]
    version: int


def page_of(conn: sa.Connection, scope: Scope) -> Page | None:
    """Return the tenant's status page, null where it has none yet."""
    row = conn.execute(sa.select(StatusPage.__table__).where(own(scope, StatusPage))).one_or_none()
    if row is None:
        return None
    of = sa.select(StatusPagePod.pod_id, Pod.name, StatusPagePod.label).join(Pod, Pod.id == StatusPagePod.pod_id)
    pods = conn.execute(of.where(own(scope, StatusPagePod), Pod.deleted_at.is_(None)).order_by(StatusPagePod.place))
    shown = tuple(Shown(*one) for one in pods)
    return Page(row.slug, row.title, row.is_on, row.shows_incidents, row.shows_windows, shown, row.version)


def unguessable_slug() -> str:
    """Return an address that nobody finds by trying."""
    return secrets.token_hex(12)


def check_page(page: Page) -> Page:
    """Return the page with its texts in order. Raises InputError naming slug, title, pods or label-<pod id>."""
    slug = page.slug.strip().lower()
    if not _SLUG.fullmatch(slug):
        raise InputError("slug", "must be 3 to 63 small letters, digits and -, and begin with a letter or digit")
    if len(page.pods) > MOST_PODS:
        raise InputError("pods", f"at most {MOST_PODS} are shown")
    if page.is_on and not page.pods:
        raise InputError("pods", "at least one must be shown while the page is on")
    labels = tuple(one._replace(label=line(f"label-{one.pod_id}", one.label, _LABEL)) for one in page.pods)
    return replace(page, slug=slug, title=line("title", page.title, _TITLE), pods=labels)


def save_page(conn: sa.Connection, scope: Scope, page: Page) -> int:
    """Store the page over the version it was read in, and return the new version.

    Raises InputError naming a bad field, Conflict where somebody has saved it since, or another has that address.
    """
    page = check_page(page)
    _require_own(conn, scope, [one.pod_id for one in page.pods])
    now = db_now(conn)
    before = page_of(conn, scope)
    if (before.version if before else 0) != page.version:
        raise Conflict("somebody saved the status page meanwhile")
    values = {"slug": page.slug, "title": page.title, "is_on": page.is_on, "updated_at": now}
    values |= {"shows_incidents": page.shows_incidents, "shows_windows": page.shows_windows}
    _require_free(conn, scope, page.slug)
    if before is None:
        conn.execute(sa.insert(StatusPage).values(tenant_id=scope.tenant_id, version=1, **values))
    else:
        is_same = sa.and_(own(scope, StatusPage), StatusPage.version == page.version)
        changed = conn.execute(sa.update(StatusPage).where(is_same).values(version=page.version + 1, **values))
        if changed.rowcount != 1:
            raise Conflict("somebody saved the status page meanwhile")
    _keep_pods(conn, scope, page.pods)
    told = _told(before) if before else None
    audit.write(conn, scope, "status page saved", "status_page", scope.tenant_id, told, _told(page))
    return page.version + 1


def pods_named(conn: sa.Connection, scope: Scope, names: Sequence[str]) -> Mapping[str, int]:
    """Return the ids of those of these names that are pods of the tenant."""
    query = sa.select(Pod.name, Pod.id).where(own(scope, Pod), Pod.deleted_at.is_(None), Pod.name.in_(names))
    return {name: int(pod_id) for name, pod_id in conn.execute(query)} if names else {}


def names_to_offer(conn: sa.Connection, scope: Scope, most: int = 200) -> list[str]:
    """Return names of the tenant's pods to choose from, the first in the alphabet."""
    query = sa.select(Pod.name).where(own(scope, Pod), Pod.deleted_at.is_(None)).order_by(Pod.name).limit(most)
    return list(conn.scalars(query))


def _keep_pods(conn: sa.Connection, scope: Scope, pods: Sequence[Shown]) -> None:
    conn.execute(sa.delete(StatusPagePod).where(own(scope, StatusPagePod)))
    rows = [
        {"pod_id": one.pod_id, "tenant_id": scope.tenant_id, "label": one.label, "place": place}
        for place, one in enumerate(pods)
    ]
    if rows:
        conn.execute(sa.insert(StatusPagePod), rows)


def _require_own(conn: sa.Connection, scope: Scope, pod_ids: Sequence[int]) -> None:
    if len(set(pod_ids)) != len(pod_ids):
        raise InputError("pods", "each pod is shown once")
    query = sa.select(sa.func.count()).select_from(Pod)
    query = query.where(own(scope, Pod), Pod.deleted_at.is_(None), Pod.id.in_(pod_ids))
    if pod_ids and conn.scalar(query) != len(pod_ids):
        raise InputError("pods", "one of them is not there any more")


def _require_free(conn: sa.Connection, scope: Scope, slug: str) -> None:
    others = sa.select(StatusPage.tenant_id).where(StatusPage.slug == slug, StatusPage.tenant_id != scope.tenant_id)
    if conn.scalar(others) is not None:
        raise InputError("slug", "is taken by somebody else")


def _told(page: Page) -> dict[str, Any]:
    return {
        "name": page.title,
        "slug": page.slug,
        "is_on": page.is_on,
        "shows_incidents": page.shows_incidents,
        "shows_windows": page.shows_windows,
        "pods": [f"{one.pod} as {one.label}" for one in page.pods],
    }
