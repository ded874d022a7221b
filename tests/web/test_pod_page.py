"""The page of one pod as a browser gets it, and what people may do there."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import HealState, KillScope, ProviderKind, Role
from podhealth.models import AuditEntry, Decision, Episode, Heal, PodStatus, Snooze
from podhealth.store.db import db_now, read, write
from podhealth.store.holds import set_kill_switch
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_user, an_episode, an_incident
from tests.support.cast import Caller
from tests.support.past import DAY, HOUR, a_healthy_pod, a_sick_pod

HTMX = {"HX-Request": "true"}
SNOOZE = {"length": "60", "reason": "disk", "holds": "heals_and_alerts"}


@pytest.fixture
def sick(engine: sa.Engine, tenant: int) -> int:
    """A pod that has been unhealthy for ten minutes, with an open episode of the default policy."""
    with write(engine) as conn:
        pod_id, check_id = a_sick_pod(conn, tenant, db_now(conn), name="web-1")
        trigger = [{"check_id": check_id, "generation": 1}]
        an_episode(conn, pod_id, a_policy(conn, tenant, is_default=True), attempts=1, triggers=trigger)
        return pod_id


def audited(engine: sa.Engine) -> list[tuple[str, str]]:
    with read(engine) as conn:
        return [
            (row.what, row.actor_name) for row in conn.execute(sa.select(AuditEntry.__table__).order_by(AuditEntry.seq))
        ]


def count(engine: sa.Engine, model: type) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(model)) or 0)


def test_the_page_says_what_is_wrong_in_its_title_and_head(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}")

    assert page.status_code == 200
    assert "<title>Unhealthy · web-1 · acme · PodHealth</title>" in page.text
    assert "http: HTTP 502; 9 failures in a row." in page.text


def test_a_checks_row_says_what_was_found_what_is_left_of_its_certificate_and_when_it_is_probed(
    engine, tenant: int, ann: Caller
):
    with write(engine) as conn:
        now = db_now(conn)
        pod_id = a_pod(conn, tenant, "shop")
        found = {"last_outcome": "ok", "last_latency_ms": 38.2, "last_at": now - HOUR, "next_at": now + HOUR}
        days = {"certificate_ends_at": now + 23 * DAY + HOUR, "config": {"scheme": "https", "minCertificateDays": 30}}
        a_check(conn, pod_id, status="healthy", fresh_until=now + HOUR, **found, **days)
        a_check(conn, pod_id, "running", last_outcome="ok", next_at=now + HOUR)
    page = " ".join(re.sub(r"<[^>]+>", "", ann.get(f"/pods/{pod_id}").text).split())

    assert re.search(r"Ok, 38 ms, certificate 23 days every minute · heals probed [^·]+ UTC · next [\w,: ]+ UTC", page)
    assert page.count("· next") == 1  # its provider tells whether it runs
    assert 'class="certificate is-short"' in ann.get(f"/pods/{pod_id}").text


def test_all_that_is_live_has_its_id(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text

    ids = set(re.findall(r'\bid="([^"]+)"', page))
    wanted = {"pod-head", "pod-moment", "pod-healing", "why", "uptime", "events"}
    assert {f"{name}-{sick}" for name in wanted} <= ids
    assert f"lane-{sick}-24h" in ids
    assert len([one for one in ids if re.fullmatch(r"strip-\d+-24h|check-row-\d+", one)]) == 2


def test_no_id_stands_twice(ann: Caller, sick: int):
    ids = re.findall(r'\sid="([^"]+)"', ann.get(f"/pods/{sick}").text)

    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize(("asked", "buckets"), [("1h", 60), ("7d", 84), ("30d", 120), ("1y", 96), ("", 96)])
def test_the_range_stands_in_the_address_and_nonsense_is_a_day(ann: Caller, sick: int, asked: str, buckets: int):
    page = ann.get(f"/pods/{sick}?range={asked}&events=nonsense&cursor=%21%21")

    assert page.status_code == 200
    assert f'viewBox="0 0 {buckets} 20"' in page.text


def test_each_lane_tells_itself_to_the_ear_and_has_a_table(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text

    assert re.search(r'role="img"\s+aria-label="http, last 24 h: healthy but for \d+ min[^"]* unhealthy', page)
    assert "Show http as table" in page


def test_a_cursor_of_no_calendar_counts_as_none(ann: Caller, sick: int):
    far = ann.get(f"/pods/{sick}?cursor=NDYxMTY4NjAxODQyNzM4NzkwMC4wLjE")

    assert far.status_code == 200


def test_a_pod_of_nobody_and_one_of_another_tenant_are_not_found(zoe: Caller, sick: int):
    assert zoe.get(f"/pods/{sick}").status_code == 404
    assert zoe.get("/pods/999999").status_code == 404
    assert "web-1" not in zoe.get(f"/pods/{sick}").text


@pytest.mark.parametrize("act", ["snooze", "end-snooze", "heal", "reset"])
def test_nobody_acts_on_another_tenants_pod(engine, zoe: Caller, sick: int, act: str):
    answer = zoe.post(f"/pods/{sick}/{act}", data=SNOOZE)

    assert answer.status_code == 404
    assert (count(engine, Snooze), count(engine, Heal), audited(engine)) == (0, 0, [])


def test_a_viewer_sees_why_and_no_buttons(vic: Caller, sick: int):
    page = vic.get(f"/pods/{sick}").text

    assert "Why not healed?" in page
    assert not re.search(r"Heal now…|Snooze…|Reset healing…|<dialog id=\"(snooze|heal-now|reset)\"", page)


@pytest.mark.parametrize("act", ["snooze", "end-snooze", "heal", "reset"])
def test_a_viewer_may_not_act(engine, vic: Caller, sick: int, act: str):
    assert vic.post(f"/pods/{sick}/{act}", data=SNOOZE).status_code == 403
    assert audited(engine) == []


def test_a_name_is_text_wherever_it_stands(engine, tenant, ann: Caller):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, db_now(conn), name="<b>web</b>", tags=["<i>"])

    page = ann.get(f"/pods/{pod_id}").text

    assert "&lt;b&gt;web&lt;/b&gt;" in page
    assert "<b>web</b>" not in page
    assert "<i>" not in page


def test_snoozing_holds_the_pod_and_is_audited(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE)

    assert (answer.status_code, answer.location) == (303, f"/pods/{sick}")
    with read(engine) as conn:
        row = conn.execute(sa.select(Snooze.__table__)).one()
        assert row.until - row.at == pytest.approx(HOUR, abs=timedelta(seconds=5))
    assert row.reason == "disk"
    assert audited(engine) == [("pod snoozed", "ann@acme.example")]
    page = ann.get(f"/pods/{sick}").text
    assert "In maintenance (snoozed by ann@acme.example: disk)" in page
    assert "End snooze" in page


def test_snoozing_by_htmx_answers_the_panel_and_a_fresh_form(ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE, headers=HTMX)

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, f"#pod-healing-{sick}")
    assert answer.text.startswith(f'<section id="pod-healing-{sick}"')
    assert re.search(r'<form id="snooze-form"[^>]* hx-swap-oob="true"', answer.text, re.DOTALL)


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"reason": " "}, "reason", "must be text of 1 to 200 characters"),
        ({"reason": "x" * 201}, "reason", "must be text of 1 to 200 characters"),
        ({"length": "soon"}, "length", "must be one of 15 min, 1 h, 4 h, until"),
        ({"length": "until", "until": "tomorrow"}, "until", "must be a day and a time"),
        ({"length": "until", "until": "2020-01-01T00:00"}, "until", "must lie within the next 31 days"),
        ({"length": "until", "until": "2999-01-01T00:00"}, "until", "must lie within the next 31 days"),
        ({"holds": "everything"}, "holds", "must be one of heals_and_alerts, alerts"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["form", "htmx"])
def test_a_bad_snooze_comes_back_with_its_field_named(engine, ann: Caller, sick: int, changed, field, message, headers):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | changed, headers=headers)

    assert answer.status_code == 422
    assert re.search(rf'id="snooze-{field}-error"[^§]*?{message}', answer.text)
    assert ("<html" in answer.text) == (not headers)
    assert count(engine, Snooze) == 0


def test_a_refused_form_keeps_what_was_typed_and_opens_its_dialog(ann: Caller, sick: int):
    page = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "soon", "reason": "<moving> it"}).text

    assert 'value="&lt;moving&gt; it"' in page
    assert re.search(r'<dialog id="snooze"[^>]* open', page)


def test_a_snooze_until_a_moment_is_in_the_tenants_zone(engine, tenant, ann: Caller, sick: int):
    with write(engine) as conn:
        conn.execute(sa.text("UPDATE tenants SET zone = 'Asia/Kolkata'"))
        until = (db_now(conn) + timedelta(hours=8)).replace(microsecond=0, second=0)
    wall = (until + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M")

    ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "until", "until": wall})

    with read(engine) as conn:
        assert conn.scalar(sa.select(Snooze.until)) == until


def test_the_same_form_sent_twice_snoozes_once(engine, ann: Caller, sick: int):
    for _ in range(2):
        answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"op": "an-op-of-its-own"})
        assert answer.status_code == 303

    assert count(engine, Snooze) == 1


def test_ending_a_snooze_ends_all_of_them(engine, ann: Caller, sick: int):
    ann.post(f"/pods/{sick}/snooze", data=SNOOZE)
    ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "240"})

    answer = ann.post(f"/pods/{sick}/end-snooze")

    assert answer.status_code == 303
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).where(Snooze.ended_at.is_(None))) == 0
    assert audited(engine)[-1] == ("snooze ended", "ann@acme.example")
    assert ann.post(f"/pods/{sick}/end-snooze", headers=HTMX).status_code == 200


def test_heal_now_plans_the_next_step_with_the_reason_given(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": "it hangs again"})

    assert (answer.status_code, answer.location) == (303, f"/pods/{sick}")
    with read(engine) as conn:
        heal = conn.execute(sa.select(Heal.__table__)).one()
    assert (heal.state, heal.nth_of_action, heal.requested_by) == (
        HealState.PLANNED,
        2,
        "ann@acme.example: it hangs again",
    )
    assert ("heal now", "ann@acme.example") in audited(engine)


def test_heal_now_needs_a_reason(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": ""})

    assert answer.status_code == 422
    assert 'id="heal-now-reason-error"' in answer.text
    assert count(engine, Heal) == 0


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["form", "htmx"])
def test_what_the_moment_forbids_is_said_and_refused(engine, ann: Caller, sick: int, headers):
    with write(engine) as conn:
        a_heal(conn, sick, of_attempts=2)

    page = ann.get(f"/pods/{sick}").text
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": "again"}, headers=headers)

    assert "Heal now: A heal is open: restart 1 of 2, about to begin." in page
    assert re.search(r'id="heal-now-send"[^>]* aria-disabled="true"', page)
    assert answer.status_code == 409
    assert "A heal is open: restart 1 of 2, about to begin." in answer.text
    assert 'value="again"' in answer.text
    assert count(engine, Heal) == 1


def test_heal_now_says_what_it_would_do_and_what_it_does_not_wait_for(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        done = {"state": HealState.FAILED, "completed_at": now - timedelta(minutes=2), "next_step_at": None}
        a_heal(conn, sick, triggered_at=now - timedelta(minutes=3), **done)

    asked = ann.get(f"/pods/{sick}/heal", headers=HTMX).text
    form = ann.get(f"/pods/{sick}").text.split('<dialog id="heal-now"')[1].split("</dialog>")[0]

    for text in (asked, form):
        assert re.search(r"Runs the next step of policy restart twice: <b>restart 2 of 3</b>", text)
        assert re.search(r"The pause since the last heal, until <time[^§]*?Next attempt not before", text)
        assert re.search(r'id="heal-now-send"[^>]*>Heal anyway<', text)
        assert "It cannot be done now" not in text
    assert re.search(r'id="heal-now-send"[^>]*hx-swap-oob="true"', asked)
    assert "<html" not in asked
    assert ann.get(f"/pods/{sick}/heal").location == f"/pods/{sick}#heal-now"


def test_what_holds_a_heal_now_names_who_may_end_it_and_the_way_there_for_them(
    engine, tenant, ann: Caller, signed_in, sick: int
):
    with write(engine) as conn:
        adam = a_user(conn, tenant, "adam", Role.ADMIN)
        set_kill_switch(conn, system_scope(tenant), KillScope.TENANT, db_now(conn) + HOUR, "storage move")

    asked, of_admin = (caller.get(f"/pods/{sick}/heal", headers=HTMX).text for caller in (ann, signed_in(adam)))

    assert re.search(r"storage move[^<]*An admin may end it", asked)
    assert re.search(r'storage move[^<]*You may <a href="/brakes">end it</a>', of_admin)
    assert re.search(r'id="heal-now-send"[^>]* aria-disabled="true"[^>]*>Heal now<', asked)


def test_a_pod_without_provider_cannot_be_healed_now(engine, tenant, ann: Caller):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, provider=ProviderKind.NONE)
        a_check(conn, pod_id)

    assert "Heal now: The pod has no provider that could act." in ann.get(f"/pods/{pod_id}").text
    assert ann.post(f"/pods/{pod_id}/heal", data={"reason": "now"}).status_code == 409


@pytest.mark.parametrize(("headers", "status"), [({}, 303), (HTMX, 200)], ids=["form", "htmx"])
def test_a_reset_closes_the_episode_and_is_audited(engine, ann: Caller, sick: int, headers, status):
    assert "its 1 attempt, the failures in a row and the pause are forgotten" in ann.get(f"/pods/{sick}").text

    assert ann.post(f"/pods/{sick}/reset", headers=headers).status_code == status

    with read(engine) as conn:
        assert conn.scalar(sa.select(Episode.close_reason)) == "reset"
        assert conn.scalar(sa.select(PodStatus.auto_heal_attempts)) == 0
    assert audited(engine) == [("healing reset", "ann@acme.example")]


def test_an_op_that_is_none_of_ours_is_refused(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/reset", data={"op": "!"})

    assert answer.status_code == 422
    assert "op must be 8 to 64 letters" in answer.text
    assert audited(engine) == []


def test_nothing_is_done_without_the_pages_own_token(app, engine, ann: Caller, sick: int):
    ann.unsafe.pop("X-CSRFToken")

    assert ann.post(f"/pods/{sick}/reset").status_code in (400, 403)
    assert audited(engine) == []


def test_older_events_have_a_page_of_their_own(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        for number in range(60):
            done = {"state": HealState.SUCCEEDED, "completed_at": now, "next_step_at": None}
            at = now - number * timedelta(minutes=1)
            a_heal(conn, sick, triggered_at=at, idempotency_key=f"heal {number}", **done)

    first = ann.get(f"/pods/{sick}?events=heals").text
    older = re.search(r'href="([^"]*cursor[^"]*)">Older events', first)
    assert older is not None
    second = ann.get(older[1].replace("&amp;", "&")).text

    assert (first.count("event is-heal"), second.count("event is-heal")) == (50, 10)


def test_an_earlier_time_is_frozen_and_leads_back_to_now(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text
    earlier = re.search(rf'href="(/pods/{sick}\?at=[^"#]+)#history-{sick}"\s+rel="prev"', page)
    assert earlier
    assert "History: not live" not in page
    assert 'rel="next"' not in page

    past = ann.get(earlier[1]).text

    assert "History: not live" in past
    assert f'id="lane-{sick}-24h-past"' in past
    assert f'id="lane-{sick}-24h"' not in past
    assert "data-fresh" not in past.split(f'id="history-{sick}"')[1].split(">")[0]
    assert re.search(rf'href="/pods/{sick}#history-{sick}"\s+rel="next"', past)
    assert f'href="/pods/{sick}#history-{sick}">Back to now' in past


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T10:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", ""])
def test_a_time_that_is_none_counts_as_now(ann: Caller, sick: int, at: str):
    page = ann.get(f"/pods/{sick}?at={at}")

    assert page.status_code == 200
    assert "History: not live" not in page.text


def test_the_decisions_on_a_pod_are_listed_with_what_they_looked_at(engine, ann: Caller, zoe: Caller, sick: int):
    gates = [{"gate": "budget", "open": False, "reason": "6 of 6 heals", "inputs": {"used": 6, "most": 6}}]
    with write(engine) as conn:
        of_pod = {"tenant_id": conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))}
        of_pod |= {"pod_id": sick, "answer": "hold", "gate": "budget", "inputs": {"gates": gates}}
        now = db_now(conn)
        rows = [of_pod | {"at": now - n * HOUR, "reason": f"Budget spent, {n} h ago."} for n in range(60, 0, -1)]
        conn.execute(sa.insert(Decision), rows)

    page = ann.get(f"/pods/{sick}/decisions").text
    older = ann.get(re.search(r'href="([^"]+)">Older decisions', page)[1]).text

    assert page.count('class="event is-decision') == 50
    assert older.count('class="event is-decision') == 10
    assert "Budget spent, 1 h ago." in page
    assert "Budget spent, 60 h ago." in older
    assert "6 of 6 heals" in page
    assert "<span>used <b>6</b></span>" in page
    assert zoe.get(f"/pods/{sick}/decisions").status_code == 404
    assert ann.get(f"/pods/{sick}/decisions?cursor=x").status_code == 422
    assert f'href="/pods/{sick}/decisions"' in ann.get(f"/pods/{sick}").text


def test_what_a_heal_and_a_decision_rest_on_is_opened_in_their_events(engine, ann: Caller, vic: Caller, zoe, sick: int):
    gates = [{"gate": "budget", "open": False, "reason": "6 of 6 heals", "inputs": {"used": 6}}]
    with write(engine) as conn:
        heal_id = a_heal(conn, sick)
        of_pod = {"tenant_id": conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))}
        of_pod |= {"pod_id": sick, "answer": "hold", "gate": "budget", "reason": "Budget spent.", "at": db_now(conn)}
        decision = sa.insert(Decision).values(**of_pod, inputs={"gates": gates}).returning(Decision.id)
        decision_id = conn.scalar(decision)
        other, _ = a_healthy_pod(conn, of_pod["tenant_id"], db_now(conn), name="web-2")

    page = ann.get(f"/pods/{sick}").text
    paths = re.findall(r'<details class="event-more"\s+hx-get="([^"]+)"', page)
    one = f"/pods/{sick}/decisions/{decision_id}"
    alone, in_place = vic.get(one), vic.get(one, headers=HTMX)

    assert sorted(paths) == [f"/heals/{heal_id}", one]
    assert all(f'<a href="{path}">' in page for path in paths)
    assert "<span>used <b>6</b></span>" in alone.text
    assert f"<h1>Decision {decision_id}</h1>" in alone.text
    assert in_place.text.startswith(f'<div id="decision-inputs-{decision_id}">')
    assert in_place.text in alone.text
    assert zoe.get(one).status_code == 404
    assert ann.get(f"/pods/{other}/decisions/{decision_id}").status_code == 404


def test_a_planned_heal_and_an_incident_nobody_has_are_named_with_the_way_to_them(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        heal_id = a_heal(conn, sick, state=HealState.PLANNED)
        incident_id = an_incident(conn, sick)

    page = ann.get(f"/pods/{sick}").text

    assert f'<a href="/heals/{heal_id}">cancel it</a>' in page
    assert re.search(rf'<a href="/incidents/{incident_id}/acknowledge"\s+data-key="a">acknowledge it</a>', page)


def test_a_pod_healed_again_and_again_is_let_be_healed_once_somebody_says_what_was_done(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        for hours in range(6):
            over = {"triggered_at": now - hours * HOUR, "completed_at": now - hours * HOUR, "next_step_at": None}
            a_heal(conn, sick, state=HealState.SUCCEEDED, **over)
        tenant_id = conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))
        row = {"tenant_id": tenant_id, "pod_id": sick, "at": now, "answer": "hold", "gate": "chronic", "inputs": {}}
        conn.execute(sa.insert(Decision).values(**row, reason="Healed more than 5 times in 24 h."))

    page = ann.get(f"/pods/{sick}").text
    empty = ann.post(f"/pods/{sick}/heal-again", data={"reason": ""})
    done = ann.post(f"/pods/{sick}/heal-again", data={"reason": "disk replaced"})
    again = ann.post(f"/pods/{sick}/heal-again", data={"reason": "disk replaced"})
    with read(engine) as conn:
        since = conn.scalar(sa.select(PodStatus.chronic_acknowledged_at).where(PodStatus.pod_id == sick))

    assert "let it be healed again…" in page
    assert (empty.status_code, done.status_code, again.status_code) == (422, 303, 409)
    assert 'id="chronic-reason-error"' in empty.text
    assert "the pod is not chronic" in again.text
    assert since >= now
    assert audited(engine)[-1] == ("chronic acknowledged", "ann@acme.example")


def test_nobody_is_offered_to_heal_again_what_is_not_chronic(ann: Caller, sick: int):
    assert "let it be healed again…" not in ann.get(f"/pods/{sick}").text


def test_the_check_whose_latency_is_drawn_stands_in_the_address_and_another_is_chosen(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        check_id = a_check(conn, sick, "tcp", name="my & base")
        a_check(conn, sick, "agent", name="agent")
    of = re.compile(r'data-lane="([^"]+) latency"')
    way = re.compile(r'href="(/pods/\d+\?[^"]*check=my[^"]*)#history-\d+"([^>]*)>my &amp; base<')

    first = ann.get(f"/pods/{sick}?check=nonsense&range=7d").text
    found = way.search(first)
    assert found
    by_name, by_id = ann.get(found[1].replace("&amp;", "&")).text, ann.get(f"/pods/{sick}?check={check_id}").text

    assert of.findall(first) == ["http"]
    assert of.findall(by_name) == of.findall(by_id) == ["my &amp; base"]
    assert not re.search(r'href="[^"]*nonsense', first)
    assert 'viewBox="0 0 84 20"' in by_name
    assert re.search(r'aria-current="true">my &amp; base<', by_name)
    assert f'href="/pods/{sick}?range=1h&amp;check=my' in by_name
