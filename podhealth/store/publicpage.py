"""What visitors of a status page read: services, incidents and planned work of one tenant, by the names it chose.

No name of a pod, node, check or person, and no address, goes through here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import public
from podhealth.core.public import Day, Sign
from podhealth.core.uptime import uptime
from podhealth.core.windows import concerns, occurrences
from podhealth.models import Incident, IncidentMember, Pod, PodStatus, StatusPage, StatusPagePod, Tenant
from podhealth.models.base import to_us
from podhealth.store.effective import effective
from podhealth.store.past import pod_pasts
from podhealth.store.publictexts import PublicText, texts_of
from podhealth.store.strips import coverage_text, percent_text
from podhealth.store.tenancy import system_scope
from podhealth.store.windows import list_windows, plan_of, rules_of
from podhealth.store.zones import zone_of

_PAST = timedelta(days=14)
_AHEAD = timedelta(days=14)
_MOST_INCIDENTS = 20
_MOST_PLANNED = 10


class Service(NamedTuple):
    """One service: how it is, its 90 days, and its uptime with how much of it was measured."""

    label: str
    sign: Sign
    days: tuple[Day, ...]
    uptime: str | None
    coverage: str | None
    sentence: str


class Told(NamedTuple):
    """An incident as visitors read it: which services, from when until when (null: it lasts), what was said."""

    labels: tuple[str, ...]
    since: datetime
    over_at: datetime | None
    texts: tuple[PublicText, ...]


class Planned(NamedTuple):
    """One time of planned work, under way or to come."""

    name: str
    labels: tuple[str, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class PublicPage:
    """A whole status page at ``now``."""

    slug: str
    title: str
    zone: str
    now: datetime
    sign: Sign
    headline: str
    services: tuple[Service, ...]
    open: tuple[Told, ...]
    past: tuple[Told, ...]
    planned: tuple[Planned, ...]


def public_page(conn: sa.Connection, slug: str, now: datetime) -> PublicPage | None:
    """Return the page at that address; null where there is none, it is off, or its tenant is no more."""
    is_shown = sa.and_(StatusPage.slug == slug, StatusPage.is_on, Tenant.deleted_at.is_(None))
    query = sa.select(StatusPage.__table__).join(Tenant, Tenant.id == StatusPage.tenant_id)
    page = conn.execute(query.where(is_shown)).one_or_none()
    if page is None:
        return None
    shown = _shown(conn, page.tenant_id, now)
    zone = zone_of(conn, system_scope(page.tenant_id))
    services = _services(conn, page.tenant_id, shown, now, zone)
    told = _incidents(conn, page.tenant_id, shown, now) if page.shows_incidents else ()
    sign, words = public.headline(service.sign for service in services)
    return PublicPage(
        page.slug,
        page.title,
        str(zone),
        now,
        sign,
        words,
        services,
        open=tuple(one for one in told if one.over_at is None),
        past=tuple(one for one in told if one.over_at is not None),
        planned=_planned(conn, page.tenant_id, shown, now) if page.shows_windows else (),
    )


def _shown(conn: sa.Connection, tenant_id: int, now: datetime) -> Sequence[Any]:
    truth = effective(tenant_id, now)
    return conn.execute(
        sa.select(Pod.id, Pod.tags, Pod.node_id, StatusPagePod.label, truth.status.label("status"), PodStatus.phase)
        .select_from(StatusPagePod)
        .join(Pod, Pod.id == StatusPagePod.pod_id)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
        .where(StatusPagePod.tenant_id == tenant_id, Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None))
        .order_by(StatusPagePod.place)
    ).all()


def _services(
    conn: sa.Connection, tenant_id: int, shown: Sequence[Any], now: datetime, zone: Any
) -> tuple[Service, ...]:
    since = now - timedelta(days=public.DAYS)
    pasts = pod_pasts(conn, tenant_id, [pod.id for pod in shown], since, now)
    found = []
    for pod in shown:
        course = pasts[pod.id].course
        up = uptime(to_us(since), to_us(now), course)
        percent = percent_text(up.percentage)
        bars = public.days(course, now, zone, to_us)
        words = public.sentence(pod.label, bars, percent)
        sign = public.sign_of(pod.status, pod.phase)
        found.append(Service(pod.label, sign, bars, percent, coverage_text(up), words))
    return tuple(found)


def _incidents(conn: sa.Connection, tenant_id: int, shown: Sequence[Any], now: datetime) -> tuple[Told, ...]:
    labels = {pod.id: pod.label for pod in shown}
    if not labels:
        return ()
    is_news = sa.or_(Incident.recovered_at.is_(None), Incident.recovered_at > now - _PAST)
    rows = conn.execute(
        sa.select(
            Incident.id,
            sa.func.coalesce(Incident.bad_since, Incident.opened_at).label("since"),
            Incident.recovered_at,
            IncidentMember.pod_id,
        )
        .join(IncidentMember, IncidentMember.incident_id == Incident.id)
        .where(Incident.tenant_id == tenant_id, IncidentMember.pod_id.in_(labels), is_news)
        .where(Incident.merged_into.is_(None))
        .order_by(Incident.opened_at.desc(), Incident.id.desc())
    ).all()
    members: dict[int, list[Any]] = {}
    for row in rows:
        members.setdefault(row.id, []).append(row)
    chosen = dict(list(members.items())[:_MOST_INCIDENTS])
    said = texts_of(conn, tenant_id, list(chosen))
    return tuple(
        Told(
            _in_order(labels, {row.pod_id for row in of}),
            of[0].since,
            of[0].recovered_at,
            said.get(incident_id, ()),
        )
        for incident_id, of in chosen.items()
    )


def _in_order(labels: dict[int, str], pod_ids: set[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for pod_id, label in labels.items() if pod_id in pod_ids))


def _planned(conn: sa.Connection, tenant_id: int, shown: Sequence[Any], now: datetime) -> tuple[Planned, ...]:
    found: list[Planned] = []
    labels = {pod.id: pod.label for pod in shown}
    for row in list_windows(conn, system_scope(tenant_id)):
        covers = rules_of(row).covers
        meant = {pod.id for pod in shown if concerns(covers, pod.id, pod.tags, pod.node_id)}
        if not row.enabled or not meant:
            continue
        for one in occurrences(plan_of(row), now):
            if one.since > now + _AHEAD:
                break
            found.append(Planned(row.name, _in_order(labels, meant), one.since, one.until))
    return tuple(sorted(found, key=lambda one: (one.since, one.name))[:_MOST_PLANNED])
