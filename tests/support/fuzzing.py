"""Schemathesis over the whole document of the API, against a real web process on a database with the cast in it.

tests/web/api/test_fuzz.py runs a short form with a fixed seed; ``make fuzz`` a longer one.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import (
    ApiToken,
    Approval,
    Channel,
    CheckRun,
    Decision,
    Incident,
    Invitation,
    KillSwitch,
    Message,
    Source,
    TagRule,
    User,
)
from podhealth.store import accounts, ownnodes
from podhealth.store.db import make_engine, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_pod, a_policy
from tests.support.cast import House, a_cast
from tests.support.webserver import running_web
from tests.support.windowing import a_window

SEED = 20261128
_FEW = 3
_OWN_TOKEN = 900_001  # no number that is guessed: it must not end its own
_LIMITS = {
    "PODHEALTH_CHANGES_A_MINUTE": "1000000",
    "PODHEALTH_EXPENSIVE_A_MINUTE": "1000000",
    "PODHEALTH_API_READS_A_MINUTE": "1000000",
}
# What no schema of one field can say (two that contradict each other, a name that is taken, a node that is not there)
# is refused with 422 like any other bad value; the document says so of each route that reads a body or a query.
_CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429"]

[phases.coverage]
unexpected-methods = ["trace"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429"]
"""


@contextmanager
def fuzzed_site(folder: Path, database_url: str, redis_url: str) -> Iterator[tuple[str, str, dict[str, list[int]]]]:
    """Run a web process on that database, which is migrated and empty, with the cast in it.

    Yields its origin, an admin's token, and the ids that stand for each name in an address; those of ``spare`` may be
    deleted.
    """
    engine = make_engine(database_url)
    house = a_cast(engine).acme
    known = _ids(engine, house)
    with write(engine) as conn:
        token = accounts.create_token(conn, house.tenant_id, "fuzz", Role.ADMIN, "test", None)
        mine = ApiToken.token_hash == accounts.hash_of(token)
        conn.execute(sa.update(ApiToken).where(mine).values(id=_OWN_TOKEN))
    engine.dispose()
    with running_web(database_url, redis_url, folder, **_LIMITS) as server:
        yield server.origin, token, known


def _ids(engine: sa.Engine, house: House) -> dict[str, list[int]]:
    with write(engine) as conn:
        spare_pod = a_pod(conn, house.tenant_id, "spare")
        spare_check = a_check(conn, house.pod_id, "tcp", target="22")
        spare_policy = a_policy(conn, house.tenant_id, "spare")
        spare_window = a_window(conn, system_scope(house.tenant_id), name="spare", reason="spare").id
        spare_node = ownnodes.add_own_node(conn, system_scope(house.tenant_id), {"name": "spare"}, ("10.0.0.0/8",))
        found = {
            "podId": [house.pod_id],
            "checkId": [*house.checks.values()],
            "policyId": [house.policy_id],
            "windowId": [house.window_id],
            "healId": [house.heal_id],
            "spare podId": [spare_pod],
            "spare checkId": [spare_check],
            "spare policyId": [spare_policy],
            "spare windowId": [spare_window],
            "nodeId": [house.node_id],
            "spare nodeId": [spare_node],
        }
        for name, table in _TABLES.items():
            query = sa.select(table.id).where(table.tenant_id == house.tenant_id)  # type: ignore[attr-defined]
            found[name] = list(conn.scalars(query.order_by(sa.desc("id")).limit(2)))
    return found


_TABLES: dict[str, Any] = {
    "channelId": Channel,
    "messageId": Message,
    "incidentId": Incident,
    "decisionId": Decision,
    "approvalId": Approval,
    "switchId": KillSwitch,
    "runId": CheckRun,
    "userId": User,
    "tokenId": ApiToken,
    "invitationId": Invitation,
    "sourceId": Source,
    "ruleId": TagRule,
}


def in_brief(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one kind of check or channel to each route, and a third of what a body may hold besides
    what it must: each time another, so that routes of the same fields have all of them among themselves.
    """
    turns = itertools.count()
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                kinds = content["schema"].get("anyOf")
                turn = next(turns)
                if kinds:
                    content["schema"] = kinds[turn % len(kinds)]
                _thin_out(content["schema"], turn)
    return document


def _thin_out(schema: dict[str, Any], turn: int) -> None:
    fields, needed = schema.get("properties", {}), schema.get("required", ())
    others = [name for name in fields if name not in needed]
    if len(others) > _FEW:
        kept = {*needed, *others[turn % 3 :: 3]}
        schema["properties"] = {name: one for name, one in fields.items() if name in kept}


def with_known_ids(document: dict[str, Any], known: dict[str, list[int]]) -> dict[str, Any]:
    """Return the document with ids that lead somewhere: of any number, none would be found."""
    for operations in document["paths"].values():
        for method, operation in operations.items():
            # A key that came before, and a version that is none, would hide what is behind them.
            operation["parameters"] = [p for p in operation.get("parameters", ()) if p["name"] != "Idempotency-Key"]
            for parameter in operation["parameters"]:
                if parameter["name"] == "If-Match":
                    parameter["schema"] = {"type": "string", "enum": ["*"]}
                name = parameter["name"]
                ids = known.get(f"spare {name}" if method == "delete" else name) or known.get(name)
                if parameter["in"] == "path" and ids is not None:
                    parameter["schema"] = {"type": "integer", "enum": ids[:1]}
    return document


def fuzz(
    folder: Path, database_url: str, redis_url: str, document: dict[str, Any], examples: int, seed: int
) -> subprocess.CompletedProcess[str]:
    """Run all checks of schemathesis over the document, and return what it said; code 0: it found nothing."""
    with fuzzed_site(folder, database_url, redis_url) as (origin, token, known):
        (folder / "openapi.json").write_text(json.dumps(with_known_ids(document, known)))
        (folder / "schemathesis.toml").write_text(_CONFIG)
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml", "run"]
        command += [folder / "openapi.json", "--url", origin, "--header", f"Authorization: Bearer {token}"]
        command += ["--checks", "all", "--seed", str(seed), "--max-examples", str(examples), "--workers", "1"]
        return subprocess.run(
            [*map(str, command), "--generation-database", "none"],
            cwd=folder,
            env=os.environ | {"NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
