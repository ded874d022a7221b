"""Runs of checks by hand: taken by a real prober, kept as manual results, and changing nothing."""

import re
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.check_rules import parse_check
from podhealth.core.manual import A_MINUTE
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome, Role, RunState
from podhealth.models import Check, CheckRun, CheckState, Pod, Result, Transition
from podhealth.probing.asked import AskedRuns
from podhealth.probing.loop import ProbeLoop
from podhealth.store import checkruns
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from podhealth.web.installed import installed
from tests.support.apps import an_app
from tests.support.build import a_check, a_pod, a_result, a_tenant, a_user
from tests.support.listeners import Listener, page
from tests.support.wait import wait_for
from tests.web.conftest import SignedIn

HTTP = {"checkType": "http", "name": "site", "target": "/", "intervalSeconds": "60", "severity": "critical"}
HTTP |= {
    "failureThreshold": "3",
    "successThreshold": "1",
    "expectedCodes": "200-399",
    "scheme": "http",
    "method": "GET",
}


HTMX = {"HX-Request": "true"}


@pytest.fixture
def adam(engine, tenant, signed_in: SignedIn):
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


@pytest.fixture
def pod(engine, tenant):
    """A pod whose check is not due for hours."""
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "web-1", address="127.0.0.1", status="healthy")
        later = clock.utcnow() + timedelta(hours=5)
        a_check(conn, pod_id, "http", status="healthy", fresh_until=later, next_at=later, slot_at=later)
    return pod_id


def check_of(engine, pod_id):
    with read(engine) as conn:
        return conn.scalar(sa.select(CheckState.check_id).where(CheckState.pod_id == pod_id))


def row_of(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(CheckRun.__table__).order_by(CheckRun.id.desc())).first()


def set_port(engine, check_id, port):
    with write(engine) as conn:
        conn.execute(sa.update(Check).where(Check.id == check_id).values(config={"port": port}))


@pytest.fixture
def prober(app, engine):
    """A real prober of the vantage local, which may probe loopback."""
    settings = installed(app).settings.model_copy(update={"demo_loopback": True})
    loop = ProbeLoop(engine, settings, "local", publish=lambda _: None, hint=lambda _: None)
    thread = threading.Thread(target=lambda: loop.run(clock.monotonic() + 60), daemon=True)
    thread.start()
    yield loop
    loop.leave()
    thread.join(10)
    loop.stop(2.0)


def test_a_run_is_probed_shown_and_kept_and_changes_no_status(engine, adam, pod, prober):
    check_id = check_of(engine, pod)
    with Listener(page(503)) as server:
        set_port(engine, check_id, server.port)
        asked = adam.post(f"/pods/{pod}/checks/{check_id}/run")
        wait_for(lambda: row_of(engine).state == RunState.DONE, 10, what="the run is answered")
    shown = adam.get(asked.headers["Location"])
    with read(engine) as conn:
        result = conn.execute(sa.select(Result.__table__)).one()
        state = conn.execute(sa.select(CheckState.status, CheckState.failures)).one()
        changes = conn.scalar(sa.select(sa.func.count()).select_from(Transition))

    assert "503" in shown.text
    assert "It would be degraded, and unhealthy after 2 more like it. A run by hand changes nothing." in shown.text
    assert (result.is_manual, result.check_id, result.claim_token < 0) == (True, check_id, True)
    assert tuple(state) == ("healthy", 0)
    assert changes == 0


def test_a_dry_run_probes_what_stands_in_the_form_and_saves_nothing(engine, adam, pod, prober):
    with Listener(page(200)) as server:
        asked = adam.post(f"/pods/{pod}/checks/dry-run", data=HTTP | {"port": str(server.port)})
        wait_for(lambda: row_of(engine).state == RunState.DONE, 10, what="the dry run is answered")
    shown = adam.get(asked.headers["Location"])
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Result)) == 0

    assert "not saved" in shown.text
    assert "answered 200" in shown.text
    assert "It would be healthy." in shown.text


def test_an_address_outside_the_networks_is_refused_to_a_run_too(app, engine, adam, pod):
    # This prober may not probe loopback, where the pod is.
    loop = ProbeLoop(engine, installed(app).settings, "local", publish=lambda _: None, hint=lambda _: None)
    adam.post(f"/pods/{pod}/checks/dry-run", data=HTTP | {"port": "9"})
    loop.run(clock.monotonic() + 2)
    loop.stop(2.0)

    assert row_of(engine).answer["outcome"] in ("invalid", "error")


def test_scripts_get_the_run_alone_and_ask_on_while_it_is_open(engine, adam, pod):
    check_id = check_of(engine, pod)
    asked = adam.post(f"/pods/{pod}/checks/{check_id}/run", headers={"HX-Request": "true"})
    path = re.search(r'hx-get="([^"]+)"', asked.text)[1]
    with write(engine) as conn:
        conn.execute(sa.update(CheckRun).values(asked_at=clock.utcnow() - timedelta(seconds=31)))
    late = adam.get(path, headers={"HX-Request": "true"})

    assert asked.text.startswith("<div id=")
    assert "No prober of vantage local took it within 30 s." in late.text
    assert "hx-get" not in late.text


def test_a_run_asked_for_long_ago_is_not_taken_any_more(engine, adam, pod):
    check_id = check_of(engine, pod)
    adam.post(f"/pods/{pod}/checks/{check_id}/run")
    with write(engine) as conn:
        conn.execute(sa.update(CheckRun).values(asked_at=clock.utcnow() - timedelta(seconds=31)))
    with write(engine) as conn:
        assert checkruns.take(conn, "local", "w-1", ["10.0.0.0/8"]) == []

    assert row_of(engine).state == RunState.LAPSED


def test_of_two_probers_one_takes_a_run(engine, adam, pod):
    adam.post(f"/pods/{pod}/checks/{check_of(engine, pod)}/run")
    with write(engine) as conn:
        first = checkruns.take(conn, "local", "w-1", ["127.0.0.0/8"])
        second = checkruns.take(conn, "local", "w-2", ["127.0.0.0/8"])

    assert (len(first), len(second)) == (1, 0)


@pytest.mark.attack("A46")
def test_a_tenant_asks_for_so_many_in_a_minute_and_no_more(engine, tenant, adam, pod):
    check_id = check_of(engine, pod)
    rules = parse_check({"checkType": "ping"})
    with write(engine) as conn:
        for _ in range(A_MINUTE):
            checkruns.ask_dry(conn, system_scope(tenant), pod, rules)
    refused = adam.post(f"/pods/{pod}/checks/{check_id}/run")

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "60"
    for path in (f"checks/{check_id}/run", "runs"):
        beside = adam.post(f"/pods/{pod}/{path}", headers=HTMX)
        assert (beside.status_code, beside.headers["HX-Retarget"]) == (429, "#runs-said")
        assert beside.text == "Not run: 120 runs were asked for within a minute; wait a little."


def test_a_check_that_cannot_be_run_says_so_beside_the_button(engine, adam, pod):
    check_id = check_of(engine, pod)
    with write(engine) as conn:
        conn.execute(sa.update(Check).values(enabled=False))
    refused = adam.post(f"/pods/{pod}/checks/{check_id}/run", headers=HTMX)
    none = adam.post(f"/pods/{pod}/runs", headers=HTMX)

    assert (refused.status_code, refused.text) == (409, "Not run: http is disabled.")
    assert refused.headers["HX-Retarget"] == "#runs-said"
    assert "No check of this pod can be run from here." in none.text


def test_a_check_that_is_being_run_is_not_run_again_unless_it_was_edited(engine, tenant, adam, pod):
    http = check_of(engine, pod)
    with write(engine) as conn:
        ping = a_check(conn, pod, "ping")
    first, again = (adam.post(f"/pods/{pod}/runs", headers=HTMX).text for _ in range(2))
    with write(engine) as conn:
        conn.execute(sa.update(Check).where(Check.id == http).values(generation=2))
        checkruns.ask_all(conn, system_scope(tenant), pod)
        asked = conn.scalars(sa.select(CheckRun.check_id).order_by(CheckRun.id)).all()

    assert re.findall(r'hx-swap-oob="innerHTML:#run-of-(\d+)"', first) == [str(http), str(ping)]
    assert "2 checks asked now" in first
    assert first == again
    assert asked == [http, ping, http]


@pytest.mark.parametrize(
    ("changed", "said"), [({"target": ""}, "Path"), ({"intervalSeconds": "1"}, "Interval"), ({"name": ""}, "Name")]
)
def test_a_form_with_mistakes_is_not_run_and_names_them(engine, adam, pod, changed, said):
    for headers in ({}, {"HX-Request": "true"}):
        refused = adam.post(f"/pods/{pod}/checks/dry-run", data=HTTP | changed, headers=headers)

        assert refused.status_code == 422
        assert said.lower() in refused.text.lower()
        assert ("<html" in refused.text) == (not headers)
    assert row_of(engine) is None


def test_roles_and_tenants(engine, ann, vic, adam, pod):
    check_id = check_of(engine, pod)
    with write(engine) as conn:
        foreign = a_pod(conn, a_tenant(conn, "zeta"), "z-1")
        foreign_check = a_check(conn, foreign, "http")

    assert vic.post(f"/pods/{pod}/checks/{check_id}/run").status_code == 403
    assert ann.post(f"/pods/{pod}/checks/{check_id}/run").status_code == 303
    assert ann.post(f"/pods/{pod}/checks/dry-run", data=HTTP).status_code == 403
    assert vic.get(f"/pods/{pod}/runs").status_code == 200
    assert adam.post(f"/pods/{foreign}/checks/{foreign_check}/run").status_code == 404
    assert adam.post(f"/pods/{pod}/checks/{foreign_check}/run").status_code == 404
    assert adam.get(f"/pods/{foreign}/runs").status_code == 404


def test_all_checks_of_a_pod_are_run_but_those_that_cannot(engine, adam, pod):
    with write(engine) as conn:
        a_check(conn, pod, "ping")
        a_check(conn, pod, "tcp", enabled=False)
        a_check(conn, pod, "running")
    adam.post(f"/pods/{pod}/runs")
    with read(engine) as conn:
        asked = conn.scalars(sa.select(CheckRun.plan["name"].as_string()).order_by(CheckRun.id))

        assert sorted(asked) == ["http", "ping"]


def test_an_app_of_another_vantage_is_not_asked(engine, database_url, adam, pod):
    adam.post(f"/pods/{pod}/checks/{check_of(engine, pod)}/run")
    with read(engine) as conn:
        assert checkruns.are_any(conn, "local")
        assert not checkruns.are_any(conn, "dc2")
    assert an_app(database_url) is not None


def test_an_answer_that_the_database_refuses_keeps_no_other_back(engine, adam, pod):
    check_id = check_of(engine, pod)
    with write(engine) as conn:
        a_check(conn, pod, "ping")
    adam.post(f"/pods/{pod}/runs")
    sent: list = []
    asked = AskedRuns(engine, "local", "worker", (), sent.extend)
    asked.turn(clock.monotonic())
    with write(engine) as conn:
        first = conn.execute(sa.select(CheckRun.__table__).order_by(CheckRun.id)).first()
        a_result(conn, check_id, claim_token=-first.id, scheduled_at=first.asked_at)
    for run, _ in sent:
        asked.done(run, Finding(Outcome.OK), clock.monotonic(), clock.monotonic())
    asked.turn(clock.monotonic())
    asked.turn(clock.monotonic())  # it is not tried for ever: the prober says that it is alive after this

    assert row_of(engine).state == RunState.DONE


@pytest.mark.parametrize("is_dry", [False, True])
def test_a_run_whose_pod_was_deleted_before_it_was_taken_says_so_at_once(engine, adam, pod, is_dry):
    check_id = check_of(engine, pod)
    path = "dry-run" if is_dry else f"{check_id}/run"
    asked = adam.post(f"/pods/{pod}/checks/{path}", data=HTTP if is_dry else {})
    with write(engine) as conn:
        conn.execute(sa.update(Pod).where(Pod.id == pod).values(deleted_at=clock.utcnow()))
        taken = checkruns.take(conn, "local", "w1", ["10.0.0.0/8"])
    shown = adam.get(asked.headers["Location"], headers={"HX-Request": "true"})

    assert taken == []
    assert row_of(engine).state == RunState.LAPSED
    assert "was deleted before it could be run" in shown.text
    assert "hx-trigger" not in shown.text
