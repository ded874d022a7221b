"""What browsers send to the forms of checks, and what is stored then."""

from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import parse_check
from podhealth.core.words import Role
from podhealth.store import checks
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

COMMON = {
    "intervalSeconds": "60",
    "timeoutSeconds": "",
    "failureThreshold": "3",
    "successThreshold": "1",
    "severity": "critical",
    "heal": "on",
}
HTTP = {"checkType": "http", "name": "http", "scheme": "http", "target": "/", "expectedCodes": "200-399"} | COMMON
HTTP |= {"method": "GET", "verifyTls": "on", "healOn": "down"}
TCP = {"checkType": "tcp", "name": "tcp", "target": "22"} | COMMON
PING = {"checkType": "ping", "name": "ping", "packets": "1"} | COMMON
AGENT = {"checkType": "agent", "name": "agent"} | COMMON


def person(engine: sa.Engine, signed_in: SignedIn, tenant_id: int, role: Role) -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, tenant_id, f"the-{role}", role)
    return signed_in(user_id)


def stored(engine: sa.Engine, acme: Scope, pod_id: int) -> dict[str, Any]:
    with read(engine) as conn:
        return {row.name: row for row in checks.list_checks(conn, acme, pod_id)}


def put(engine: sa.Engine, acme: Scope, pod_id: int, **fields: Any) -> Any:
    with write(engine) as conn:
        return checks.put_check(conn, acme, pod_id, parse_check({"checkType": "http"} | fields))
