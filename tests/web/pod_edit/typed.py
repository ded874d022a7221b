"""What browsers send to the forms of pods, and what is stored then."""

from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, Check, Pod
from podhealth.store import newpods
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

SECRET = "a-secret-of-sixteen"
NEW = {"name": "web-1", "address": "10.0.0.1", "provider": "none", "desiredState": "running", "firstPing": "on"}
HOOK = {"provider": "webhook", "url": "https://10.0.0.9/heal", "secret": SECRET}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0a2V5\n-----END PRIVATE KEY-----"
KEYS_BODY = "c2VjcmV0a2V5"
TOKEN = "5a3e1f00-1111-2222"
PROXMOX = {
    "provider": "proxmox",
    "proxmoxRef": "pve1/100",
    "proxmoxUrl": "https://10.0.0.2:8006",
    "proxmoxTokenId": "podhealth@pve!heal",
    "proxmoxToken": TOKEN,
    "proxmoxFingerprint": "ab" * 32,
}
DOCKER = {
    "provider": "docker",
    "dockerRef": "web_1",
    "dockerUrl": "https://10.0.0.5:2376",
    "dockerCa": PEM,
    "dockerCertificate": PEM,
    "dockerKey": KEY,
}


def person(engine: sa.Engine, signed_in: SignedIn, tenant_id: int, role: Role) -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, tenant_id, f"the-{role}", role)
    return signed_in(user_id)


def make(engine: sa.Engine, scope: Scope, **fields: Any) -> int:
    with write(engine) as conn:
        return newpods.create_pod(conn, scope, {"name": "web-1", "address": "10.0.0.1"} | fields)


def pods(engine: sa.Engine) -> list[Any]:
    with read(engine) as conn:
        query = sa.select(Pod.__table__).where(Pod.deleted_at.is_(None)).order_by(Pod.id)
        return list(conn.execute(query).all())


def checks_of(engine: sa.Engine, pod_id: int) -> list[tuple[str, str | None]]:
    with read(engine) as conn:
        query = sa.select(Check.name, Check.target).where(Check.pod_id == pod_id).order_by(Check.name)
        return [tuple(row) for row in conn.execute(query)]


def audited(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))
