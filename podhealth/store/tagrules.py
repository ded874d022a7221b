"""A tenant's tag rules: which checks a new pod gets by its tags. What a rule may say is core/tag_rules' business."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import parse_check
from podhealth.core.errors import InputError, Stale
from podhealth.core.tag_rules import TagRuleRules, parse_tag_rule
from podhealth.models import TagRule
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, own

MOST_RULES = 100

Row = sa.Row[Any]


def list_rules(conn: sa.Connection, scope: Scope) -> Sequence[Row]:
    """Return the tenant's rules by tag, in the order in which they were made."""
    return conn.execute(sa.select(TagRule.__table__).where(own(scope, TagRule)).order_by(TagRule.tag, TagRule.id)).all()


def get_rule(conn: sa.Connection, scope: Scope, rule_id: object) -> Row:
    """Return one rule. Raises NotFound as tenancy's ``get_own`` does."""
    return tenancy.get_own(conn, scope, TagRule, rule_id, "tag rule")


def rules_of(row: Any) -> TagRuleRules:
    """Return a stored rule as rules, such as ``parse_tag_rule`` gives."""
    return TagRuleRules(row.tag, parse_check(row.fields))


def all_rules(conn: sa.Connection, scope: Scope) -> list[TagRuleRules]:
    """Return the tenant's rules for a pod that is added."""
    return [rules_of(row) for row in list_rules(conn, scope)]


def save_rule(
    conn: sa.Connection,
    scope: Scope,
    fields: Mapping[str, object],
    rule_id: int | None = None,
    version: int | None = None,
) -> Row:
    """Make a rule, or change one, and return it; pods that are there already keep the checks they have.

    Raises InputError naming a bad field, NotFound, and Stale where ``version`` is given and not the stored one.
    """
    existing = None if rule_id is None else _locked(conn, scope, rule_id)
    if existing is not None and version is not None and version != existing.version:
        raise Stale("the tag rule was changed meanwhile", existing.version)
    before = None if existing is None else rules_of(existing)
    rules = parse_tag_rule(fields, before)
    if existing is not None and rules == before:
        return existing
    now = db_now(conn)
    values = {"tag": rules.tag, "fields": rules.check.as_fields(), "updated_at": now}
    if existing is None:
        _refuse_too_many(conn, scope)
        made = sa.insert(TagRule).values(**values, tenant_id=scope.tenant_id, created_at=now)
        rule_id = int(conn.execute(made.returning(TagRule.id)).scalar_one())
    else:
        update = sa.update(TagRule).where(TagRule.id == rule_id)
        conn.execute(update.values(**values, version=existing.version + 1))
    what = "tag rule made" if before is None else "tag rule changed"
    audit.write(conn, scope, what, "tag rule", rule_id, before and told(before), told(rules))
    return get_rule(conn, scope, rule_id)


def delete_rule(conn: sa.Connection, scope: Scope, rule_id: int, version: int | None = None) -> None:
    """Delete a rule; the checks that came by it stay. Raises NotFound, and Stale as ``save_rule`` does."""
    row = _locked(conn, scope, rule_id)
    if version is not None and version != row.version:
        raise Stale("the tag rule was changed meanwhile", row.version)
    conn.execute(sa.delete(TagRule).where(TagRule.id == rule_id))
    audit.write(conn, scope, "tag rule deleted", "tag rule", rule_id, told(rules_of(row)))


def told(rules: TagRuleRules) -> dict[str, Any]:
    """Return a rule as the API writes it."""
    return {"tag": rules.tag, "check": rules.check.as_fields()}


def _locked(conn: sa.Connection, scope: Scope, rule_id: int) -> Row:
    get_rule(conn, scope, rule_id)
    conn.execute(sa.select(TagRule.id).where(TagRule.id == rule_id).with_for_update())
    return get_rule(conn, scope, rule_id)


def _refuse_too_many(conn: sa.Connection, scope: Scope) -> None:
    if (conn.scalar(sa.select(sa.func.count()).select_from(TagRule).where(own(scope, TagRule))) or 0) >= MOST_RULES:
        raise InputError("tag", f"there are {MOST_RULES} rules already", code="too_many")
