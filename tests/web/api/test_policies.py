"""``/api/cloud-pods/auto-heal/policies``: the tenant's policies as a bare array, and the POST that makes or changes."""

import itertools

import pytest

from tests.support import rows
from tests.web.api.bad_values import NOT_FLAGS, NOT_NAMES, NOT_TEXT, NOT_WHOLE
from tests.web.api.test_pods import has_shape

_number = (int, float)
POLICY = {
    "id": int, "tenantId": int, "name": str, "enabled": bool, "mode": str, "triggerAfterFailures": int, "action": str,
    "cooldownMinutes": int, "maxAttempts": int, "notifyOnTrigger": bool, "escalateAfterAttempts": (int, type(None)),
    "escalationAction": (str, type(None)), "backoffFactor": _number, "verifyTimeout": int, "healthyDelay": int,
    "sustainedHealth": int, "startDeadline": int, "selector": list, "priority": int, "isDefault": bool,
    "steps": (list, type(None)), "version": int, "createdAt": str, "updatedAt": str,
}  # fmt: skip
SEED_DEFAULTS = {
    "enabled": True, "triggerAfterFailures": 3, "action": "restart", "cooldownMinutes": 10, "maxAttempts": 3,
    "notifyOnTrigger": True, "escalateAfterAttempts": None, "escalationAction": None, "mode": "auto",
}  # fmt: skip
PATH = "/api/cloud-pods/auto-heal/policies"
_numbers = itertools.count()


@pytest.fixture
def admin(site):
    return site.program("admin")


def _post(caller, **fields):
    return caller.post(PATH, json=fields)


def _a_policy(caller, **fields):
    answer = _post(caller, **({"name": f"made {next(_numbers)}"} | fields))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json


def test_policies_are_a_bare_array_of_the_own_tenants(site):
    policies = site.program("viewer", site.zeta).get(PATH).json

    assert [policy["name"] for policy in policies] == ["zeta-canary policy"]
    assert has_shape(policies[0], POLICY)


def test_a_new_policy_has_the_seeds_defaults(admin):
    made = _a_policy(admin)

    assert has_shape(made, POLICY)
    assert {name: made[name] for name in SEED_DEFAULTS} == SEED_DEFAULTS
    assert made["version"] == 1


def test_zero_is_a_value_and_false_too(admin):
    zeros = {"cooldownMinutes": 0, "maxAttempts": 0, "escalateAfterAttempts": 0, "notifyOnTrigger": False}

    made = _a_policy(admin, **zeros)

    assert {name: made[name] for name in zeros} == zeros


def test_absent_fields_stay_on_a_change_and_null_is_none(admin):
    made = _a_policy(admin, cooldownMinutes=0, escalateAfterAttempts=2, escalationAction="migrate")

    changed = _a_policy(admin, id=made["id"], name="renamed", escalationAction=None)

    assert changed["id"] == made["id"]
    assert (changed["cooldownMinutes"], changed["escalateAfterAttempts"], changed["escalationAction"]) == (0, 2, None)
    assert changed["version"] == 2


def test_a_policy_may_be_sent_back_as_it_came(site, admin):
    made = _a_policy(admin, steps=[{"action": "restart", "attempts": 2}, {"action": "stop"}], selector=["db"])
    before = rows.marks(site.engine)

    again = _post(admin, **made)

    told = {"feed", "tenants"}  # screens may look again
    assert again.json == made
    assert set(rows.changed(before, rows.marks(site.engine))) <= told


def test_who_read_an_older_version_is_told_of_the_conflict(admin):
    made = _a_policy(admin)
    _a_policy(admin, id=made["id"], name="newer")

    answer = _post(admin, id=made["id"], version=1, name="older")

    assert (answer.status_code, answer.json["code"]) == (409, "conflict")


@pytest.mark.parametrize("policy_id", ["zeta", "zeta gone", "acme gone", 0, -1, 987_654, 2**63 - 1, 2**63, 10**30])
def test_anothers_policy_a_deleted_one_and_a_missing_one_are_one_answer(site, admin, policy_id):
    named = {"zeta": site.zeta.policy_id, "zeta gone": site.zeta.gone_policy_id, "acme gone": site.acme.gone_policy_id}
    before = rows.marks(site.engine)

    answer = _post(admin, id=named.get(policy_id, policy_id), name="mine", action="stop")
    missing = _post(admin, id=555_555, name="mine", action="stop")

    assert answer.status_code == 404
    assert answer.get_data() == missing.get_data()
    assert rows.changed(before, rows.marks(site.engine)) == []


BAD = {
    "id": ["1.0", '"1"', "true", "[1]", "{}", "NaN", "9" * 5000],
    "version": ["1.0", '"1"', "true", "[1]", "{}", "1e999"],
    "name": NOT_NAMES,
    "enabled": NOT_FLAGS,
    "mode": [*NOT_TEXT, "null", '"AUTO"', '"on"'],
    "triggerAfterFailures": [*NOT_WHOLE, "101"],
    "action": [*NOT_TEXT, "null", '"Restart"', '"escalate"', '"rm -rf /"'],
    "cooldownMinutes": [*[v for v in NOT_WHOLE if v not in ("0", "-0", "60")], "1441"],
    "maxAttempts": [*[v for v in NOT_WHOLE if v not in ("0", "-0")], "21"],
    "notifyOnTrigger": NOT_FLAGS,
    "escalateAfterAttempts": [*[v for v in NOT_WHOLE if v not in ("0", "-0", "null")], "21"],
    "escalationAction": [*NOT_TEXT, '"restart"', '"none"'],
    "backoffFactor": ['"2"', "true", "null", "0.99", "4.01", "NaN", "1e999", "-2", "9" * 5000],
    "verifyTimeout": [*NOT_WHOLE, "9", "7201"],
    "healthyDelay": [*[v for v in NOT_WHOLE if v not in ("0", "-0")], "3601"],
    "sustainedHealth": [*[v for v in NOT_WHOLE if v not in ("0", "-0", str(2**31))], "86401"],
    "startDeadline": [*NOT_WHOLE, "9", "1801"],
    "selector": ['"db"', "1", "{}", "null", "[1]", '[""]', "[null]", '["\\u0000"]', '["a\\nb"]', "[[]]",
                 str([f"t{n}" for n in range(21)]).replace("'", '"')],
    "priority": [*[v for v in NOT_WHOLE if v not in ("0", "-0", "-1", "-60")], "1001", "-1001"],
    "isDefault": NOT_FLAGS,
    "steps": ["{}", '"restart"', "1", "[1]", "[{}]", "[[]]",
              '[{"action": "fly"}]', '[{"action": "stop", "attempts": 21}]',
              '[{"action": "stop", "attempts": true}]', '[{"action": "stop", "more": 1}]', '[{"action": NaN}]',
              '[{"action": "stop", "graceful": 1}]', '[{"action": "stop", "timeoutSeconds": 4}]'],
    "nonsense": ["1", "null"],
    "tenant_id": ["1"],
    "isAdmin": ["true"],
}  # fmt: skip


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
@pytest.mark.parametrize("field", BAD)
def test_a_bad_value_is_refused_by_name_and_nothing_is_stored(site, admin, field, is_new):
    known = {} if is_new or field == "id" else {"id": site.acme.policy_id}
    fields = {name: f"{value}" for name, value in known.items()} | {"name": '"bad"', "action": '"restart"'}
    before, let_in = rows.marks(site.engine), []
    for value in BAD[field]:
        body = "{" + ", ".join(f'"{name}": {text}' for name, text in (fields | {field: value}).items()) + "}"
        answer = admin.post(PATH, data=body, content_type="application/json")
        named = answer.json.get("field", "").partition("[")[0] if answer.is_json else ""
        inner = {"action", "more"} if field == "steps" else set()
        if answer.status_code != 422 or named not in {field} | inner:
            let_in.append((value[:60], answer.status_code, answer.get_data(as_text=True)))

    assert let_in == []
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_a_policy_without_a_name_is_refused(admin):
    answer = _post(admin, action="restart")

    assert (answer.status_code, answer.json["field"]) == (422, "name")


def test_the_tenant_of_a_policy_cannot_be_sent(site, admin):
    made = _a_policy(admin, tenantId=site.zeta.tenant_id)

    assert made["tenantId"] == site.acme.tenant_id
