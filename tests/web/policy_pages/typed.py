"""What browsers send to the policy pages, and what stands on them."""

import html
import re
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.store import policies
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

# What a browser sends for the new form, with a name.
NEW = {
    "name": "web",
    "mode": "shadow",
    "triggerAfterFailures": "3",
    "ladder": "simple",
    "action": "restart",
    "maxAttempts": "3",
    "escalateAfterAttempts": "",
    "escalationAction": "",
    "cooldownMinutes": "10",
    "backoffFactor": "2",
    "startDeadline": "120",
    "healthyDelay": "30",
    "verifyTimeout": "300",
    "sustainedHealth": "600",
    "selector": "web",
    "priority": "10",
    "notifyOnTrigger": "on",
}
STEPS = {"ladder": "steps", "steps-0-action": "restart", "steps-0-attempts": "2", "steps-1-action": "migrate"}
STEPS |= {"steps-1-attempts": "1", "steps-0-graceful": "on", "steps-1-timeoutSeconds": "60"}


def person(engine: sa.Engine, signed_in: SignedIn, scope: Scope, role: Role, name: str = "the") -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, scope.tenant_id, f"{name}-{role}", role)
    return signed_in(user_id)


def stored(engine: sa.Engine, scope: Scope) -> list[Any]:
    with read(engine) as conn:
        return list(policies.list_policies(conn, scope))


def a_saved(engine: sa.Engine, scope: Scope, policy_id: int | None = None, **fields: Any) -> Any:
    """A policy as the store makes it; with its id, changed by somebody else."""
    given = (
        fields if policy_id else {"name": "web", "action": "restart", "mode": "shadow", "selector": ["web"]} | fields
    )
    with write(engine) as conn:
        return policies.save_policy(conn, scope, given, policy_id)


def sentence_on(text: str) -> str:
    said = re.search(r'<p class="says">(.*?)</p>', text, re.S)
    assert said
    return html.unescape(said[1])


def preview(caller: Caller, script: bool = True, **fields: str) -> Any:
    return caller.post("/policies/preview", data=NEW | fields, headers={"HX-Request": "true"} if script else {})
