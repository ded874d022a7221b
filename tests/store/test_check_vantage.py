"""A check may be probed from another vantage, one that is known; only its probers take it."""

import pytest
import sqlalchemy as sa

from podhealth.core.check_rules import parse_check
from podhealth.core.errors import InputError
from podhealth.models import CheckState
from podhealth.store import checks, vantages, workers
from podhealth.store.claim import claim_chosen
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_pod, a_tenant


def _asked(**more):
    return parse_check({"checkType": "tcp", "target": "22", "intervalSeconds": 60, **more})


def _put(engine, rules, pod_id, tenant_id):
    with write(engine) as conn:
        return checks.put_check(conn, system_scope(tenant_id), pod_id, rules)


@pytest.fixture
def place(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        return engine, a_pod(conn, tenant_id), tenant_id


def test_a_check_is_taken_by_the_probers_of_its_vantage_alone(place):
    engine, *of = place
    with write(engine) as conn:
        vantages.ensure(conn, "fra1")
    check = _put(engine, _asked(vantage="fra1"), *of)

    with write(engine) as conn:
        assert claim_chosen(conn, "local", "w", [check.id]) == []
        assert [claim.check_id for claim in claim_chosen(conn, "fra1", "w", [check.id])] == [check.id]


def test_a_check_moves_to_another_vantage_and_back_with_its_state(place):
    engine, *of = place
    with write(engine) as conn:
        vantages.ensure(conn, "fra1")
    seen = []
    for name in ("local", "fra1", "local"):
        check = _put(engine, _asked(vantage=name), *of)
        with read(engine) as conn:
            state = conn.execute(sa.select(CheckState.vantage).where(CheckState.check_id == check.id)).scalar_one()
        seen.append((check.vantage, state))

    assert seen == [("local", "local"), ("fra1", "fra1"), ("local", "local")]


def test_a_vantage_is_known_by_its_probers_too(place):
    engine, *of = place
    with write(engine) as conn:
        workers.beat(conn, "w1", "probe", "hel1")

    assert _put(engine, _asked(vantage="hel1"), *of).vantage == "hel1"


def test_a_vantage_that_nobody_has_seen_is_refused_and_nothing_is_made(place):
    engine, pod_id, tenant_id = place
    with pytest.raises(InputError, match="no prober has been seen at fra2") as refused:
        _put(engine, _asked(vantage="fra2"), pod_id, tenant_id)

    with read(engine) as conn:
        assert checks.find_check(conn, system_scope(tenant_id), pod_id, "tcp") is None
    assert refused.value.field == "vantage"


@pytest.mark.parametrize("name", ["", "provider", "Fra", "a b", 7, None, "x" * 41])
def test_a_vantage_has_a_plain_name(name):
    with pytest.raises(InputError, match="vantage"):
        _asked(vantage=name)


def test_an_agents_check_is_of_the_local_vantage():
    with pytest.raises(InputError, match="heartbeats come by themselves"):
        parse_check({"checkType": "agent", "vantage": "fra1"})
