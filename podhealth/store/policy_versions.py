"""What a policy said at its earlier versions, and who said so: read side of the rows that store/policies.py keeps."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import parse_policy
from podhealth.models import PolicyVersion
from podhealth.store.tenancy import Scope, own


class Version(NamedTuple):
    """One version of a policy: its fields by the API's names, who saved it and when."""

    number: int
    fields: dict[str, Any]
    by: str
    at: datetime

    @property
    def rules(self) -> PolicyRules:
        """What it said; fields that were not known then have their defaults."""
        return parse_policy(self.fields, PolicyRules(name=""))


def get_version(conn: sa.Connection, scope: Scope, policy_id: int, number: int) -> Version | None:
    """Return that version of the tenant's policy; null where there is none."""
    query = sa.select(PolicyVersion.version, PolicyVersion.body, PolicyVersion.by, PolicyVersion.at).where(
        own(scope, PolicyVersion), PolicyVersion.policy_id == policy_id, PolicyVersion.version == number
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else Version(*row)


def list_versions(conn: sa.Connection, scope: Scope, policy_id: int, most: int = 200) -> list[Version]:
    """Return the newest versions of the tenant's policy, newest first."""
    query = sa.select(PolicyVersion.version, PolicyVersion.body, PolicyVersion.by, PolicyVersion.at).where(
        own(scope, PolicyVersion), PolicyVersion.policy_id == policy_id
    )
    return [Version(*row) for row in conn.execute(query.order_by(PolicyVersion.version.desc()).limit(most))]
