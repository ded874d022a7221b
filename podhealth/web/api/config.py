"""Configuration as code by the API: ``/api/config``, ``/api/config/plan`` and ``/api/config/apply``.

Secrets come beside the file, by the names of its references: a server never looks for them in its own environment.
"""

from typing import Any

import sqlalchemy as sa
from flask import Response
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.readers import A_FLAG, Reader, a_line
from podhealth.core.words import Declared
from podhealth.declared.document import read_document
from podhealth.declared.plan import Act
from podhealth.declared.secrets import Secrets
from podhealth.declared.telling import as_json
from podhealth.store import declaring
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.declare import acts, body, declared, fields_of, reads
from podhealth.web.api.schema import ANYTHING, FLAG, OBJECT, TEXT, WHOLE, answer, many, words
from podhealth.web.installed import engine_of, installed
from podhealth.web.platform import platform
from podhealth.web.session import current_scope

LONGEST = 1024 * 1024
_MOST_SECRETS = 500
_LONGEST_SECRET = 10_000

_FIELD = answer(None, field=TEXT, before=ANYTHING, after=ANYTHING)
_CHANGE = answer(None, kind=words(Declared), act=words(Act), name=TEXT, fields=many(_FIELD))
_CHANGE["properties"] = {**_CHANGE["properties"], "pod": {"type": "string", "description": "Of a check: its pod"}}
_KEPT = answer(None, kind=words(Declared), name=TEXT, addedByFile=FLAG)
PLAN = answer(
    "ConfigPlan",
    fingerprint=TEXT,
    add=WHOLE,
    change=WHOLE,
    remove=WHOLE,
    changes=many(_CHANGE),
    kept=many(_KEPT),
    notes=many(TEXT),
)


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(field, "must be the file's text")
    return value


def _secrets(field: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_SECRETS:
        raise InputError(field, f"must be an object of at most {_MOST_SECRETS} names and secrets")
    for name, secret in value.items():
        if not isinstance(secret, str) or len(secret) > _LONGEST_SECRET:
            raise InputError(f"{field}.{name}"[:60], f"must be text of at most {_LONGEST_SECRET:,} characters")
    return value


_FIELDS = {
    "yaml": Reader(_text, {"type": "string", "description": "The file (docs/config-as-code.md)"}),
    "secrets": Reader(
        _secrets,
        {
            "type": "object",
            "maxProperties": _MOST_SECRETS,
            "additionalProperties": {"type": "string", "maxLength": _LONGEST_SECRET},
            "description": "What ${NAME} in the file stands for, by name. Unset ones keep what is stored.",
        },
    ),
    "prune": A_FLAG,
}
_EXPECT = {"expect": a_line(64)}
_REFUSALS = {
    413: "More than 1 MiB.",
    422: "The file was refused, nothing was changed: `faults` names each place of it with its line.",
}


@api.get("/config")
@reads("Configuration", OBJECT, media="application/yaml")
def export_config() -> ResponseReturnValue:
    """Answer nodes, policies, pods with checks, windows and channels as YAML; secrets as references only."""
    with read(engine_of()) as conn:
        text = declaring.export_tenant(conn, current_scope())
    return Response(text, content_type="application/yaml; charset=utf-8")


@api.post("/config/plan")
@declared("Configuration", PLAN, body=fields_of(_FIELDS, ["yaml"]), refusals=_REFUSALS, most_bytes=LONGEST)
def plan_config() -> dict[str, Any]:
    """Answer what a file would change, and change nothing."""
    fields = body()
    with read(engine_of()) as conn:
        found = declaring.plan_file(conn, current_scope(), read_document(fields["yaml"]), _terms(fields))
    return as_json(found)


@api.post("/config/apply")
@acts("Configuration", PLAN, body=fields_of(_FIELDS | _EXPECT, ["yaml"]), refusals=_REFUSALS, most_bytes=LONGEST)
def apply_config(conn: sa.Connection) -> dict[str, Any]:
    """Change what a file asks for, all of it or nothing, and answer what that was.

    With ``expect``, the fingerprint of a plan, only where it is still this one; else 409.
    """
    fields = body()
    document = read_document(fields["yaml"])
    return as_json(declaring.apply_file(conn, current_scope(), document, _terms(fields), fields.get("expect")))


def _terms(fields: dict[str, Any]) -> declaring.Terms:
    networks, secrets = installed().settings.pod_networks, Secrets(fields.get("secrets", {}))
    return declaring.Terms(networks, platform(), secrets, fields.get("prune", False))
