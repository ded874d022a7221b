"""A tenant all of whose texts are what a test wants: stored past every rule, as if each rule had a hole."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import (
    Heartbeat,
    IncidentEntry,
    IncidentUpdate,
    Notice,
    SavedView,
    Session,
    StatusPage,
    StatusPagePod,
    Transition,
    db,
)
from podhealth.store import audit
from podhealth.store.db import write
from podhealth.store.tenancy import system_scope
from tests.support.cast import House, a_house

# What is only text to us, whoever gave it: people, programs, agents, clusters, far ends.
TEXTS = {
    "api_tokens": "name created_by last_used_from",
    "audit_entries": "actor_name address",
    "channels": "name last_error",
    "check_states": "last_error last_code worker_id",
    "cloud_pod_auto_heal_events": "reason error_message requested_by cancelled_by provider_task",
    "cloud_pod_auto_heal_policies": "name",
    "cloud_pod_health_checks": "name target",
    "cloud_pod_health_results": "error excerpt code worker_id",
    "cloud_pod_health_status": "reason phase_reason starting_reason stopped_reason unreachable_reason "
    "maintenance_reason",
    "decisions": "reason",
    "deliveries": "error code",
    "heartbeats": "boot_id previous_boot_id",
    "incident_entries": "text by",
    "incident_updates": "text by",
    "incidents": "title acknowledged_by acknowledge_note",
    "invitations": "email created_by",
    "kill_switches": "reason by",
    "maintenance_windows": "name reason",
    "messages": "subject last_error",
    "nodes": "name address unreachable_reason",
    "notices": "text",
    "pods": "name address provider_ref desired_reason",
    "policy_versions": "by",
    "saved_views": "name",
    "sessions": "device address",
    "snoozes": "reason by",
    "sources": "name error",
    "status_page_pods": "label",
    "status_pages": "title",
    "tenants": "name",
    "transitions": "reason",
    "users": "name email",
    "wall_links": "name created_by",
    "approvals": "reason answered_by note",
    "check_runs": "asked_by taken_by",
}
# Of these the texts inside are replaced where the canary stands, by one: what has a tag is found by it.
JSONS = ("audit_entries.before", "audit_entries.after", "messages.body", "pods.tags", "readings.guests", "routes.tags")
JSONS += ("sources.takes", "tag_rules.fields", "tag_rules.tag", "policy_versions.body", "channels.config")
# Moments that stand beside such a text.
_BESIDE = ("error_since", "acknowledged_at", "unreachable_since", "answered_at", "cancelled_at", "last_used_at")
_OWNER = {"tenants": "id", "audit_entries": "chain"}


Texts = Callable[[str, int], str]


def a_hostile_house(engine: sa.Engine, name: str, text: Texts) -> House:
    """Make a tenant with one of everything; ``text(column, room)`` says what stands in each of its texts (SQLite)."""
    house = a_house(engine, name, {"adam": Role.ADMIN, "vic": Role.VIEWER})
    with write(engine) as conn:
        for table, values in _further_rows(conn, house).items():
            conn.execute(sa.insert(table).values(tenant_id=house.tenant_id, **values))
        audit.write(conn, system_scope(house.tenant_id), "edited", "pod", house.pod_id, {"name": house.canary}, None)
        for trigger in ("update", "delete", "replace"):
            conn.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_entries_no_{trigger}")
        tables = db.metadata.tables
        for table_name, columns in TEXTS.items():
            table = tables[table_name]
            mine = _mine(table, house)
            moments = dict.fromkeys([one for one in _BESIDE if one in table.c], clock.utcnow())
            if moments:
                conn.execute(sa.update(table).where(mine).values(moments))
            for column in columns.split():
                room = getattr(table.c[column].type, "length", None) or 200
                new = sa.literal(text(f"{table_name}.{column}", room - 8))
                if column in ("name", "email"):  # two of one may not be
                    new += sa.cast(next(iter(table.primary_key)), sa.String)
                conn.execute(sa.update(table).where(mine).values({column: new}))
        conn.execute(sa.delete(tables["nodes"]).where(tables["nodes"].c.tenant_id.is_(None)))  # all would see it
        for where in JSONS:
            table_name, _, column = where.partition(".")
            _replace_inside(conn, tables[table_name], column, house, json.dumps(text("tags", 40))[1:-1])
    return house


def _replace_inside(conn: sa.Connection, table: sa.Table, column: str, house: House, text: str) -> None:
    stored = sa.cast(sa.literal_column(f'"{column}"'), sa.Text)
    keys = list(table.primary_key)
    for row in conn.execute(sa.select(*keys, stored.label("stored")).where(_mine(table, house))).all():
        if house.canary in str(row.stored):
            # As text: SQLAlchemy would make JSON of it once more.
            new = sa.type_coerce(row.stored.replace(house.canary, text), sa.Text)
            is_it = sa.and_(*(key == getattr(row, key.name) for key in keys))
            conn.execute(sa.update(table).where(is_it).values({table.c[column]: new}))


def _mine(table: sa.Table, house: House) -> sa.ColumnElement[bool]:
    if table.name == "sessions":
        return table.c.user_id.in_(house.people.values())
    return table.c[_OWNER.get(table.name, "tenant_id")] == house.tenant_id


def _further_rows(conn: sa.Connection, house: House) -> dict[Any, dict[str, Any]]:
    now = clock.utcnow()
    incidents = db.metadata.tables["incidents"]
    incident_id = conn.scalar(sa.select(incidents.c.id).where(incidents.c.tenant_id == house.tenant_id))
    for user_id in house.people.values():
        times = {"created_at": now, "expires_at": now + timedelta(hours=1)}
        conn.execute(sa.insert(Session).values(user_id=user_id, token_hash=f"h{user_id}-{house.tenant_id}", **times))
    of_incident = {"incident_id": incident_id, "at": now, "by": "x", "text": "x"}
    page = {"slug": f"page-{house.tenant_id}", "title": "x", "is_on": True, "updated_at": now}
    return {
        Heartbeat: {
            "pod_id": house.pod_id,
            "received_at": now,
            "signal": "fail",
            "exit_code": 3,
            "metrics": {"load": 1.5},
        },
        IncidentEntry: of_incident | {"deed": "noted"},
        IncidentUpdate: of_incident | {"state": "investigating"},
        Notice: {"kind": "degraded", "cause_key": "x:1", "severity": "warning", "text": "x", "at": now},
        SavedView: {"name": "x", "query": "status=unhealthy", "created_at": now},
        StatusPage: page,
        StatusPagePod: {"pod_id": house.pod_id, "label": "x", "place": 1},
        Transition: {
            "pod_id": house.pod_id,
            "from_status": "healthy",
            "to_status": "unhealthy",
            "at": now,
            "reason": "x",
        },
    }
