"""One act on many pods: who may, what is asked, what came of each, sent twice, and other tenants' pods."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import ProviderKind, Role
from podhealth.models import AuditEntry, CheckRun, Heal, Pod, Snooze
from podhealth.store.db import read, write
from tests.support.build import a_check, a_pod, a_policy, a_tenant, a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

OP = "an-op-of-the-test"


@pytest.fixture
def adam(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """An admin of ``tenant``."""
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


@pytest.fixture
def pods(engine: sa.Engine, tenant: int) -> list[int]:
    """Three healthy pods."""
    with write(engine) as conn:
        return [a_pod(conn, tenant, f"web-{n}", status="healthy", tags=["old"]) for n in range(3)]


def send(caller: Caller, act: str, ids: object, **fields: object):
    return caller.post("/pods/bulk", data={"op": OP, "act": act, "ids": ids} | fields)


def count(engine: sa.Engine, table: object) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def came(html: str) -> dict[str, tuple[str, str]]:
    """What the page tells of each pod: its state and why."""
    rows = re.findall(
        r'<th scope="row"[^>]*><[ab][^>]*>([^<]+).*?</th>.*?</svg>\s*(\w+)\s*</td>\s*<td>(.*?)</td>', html, re.S
    )
    return {name: (state, why) for name, state, why in rows}


def test_boxes_and_acts_are_there_for_who_may(adam: Caller, ann: Caller, vic: Caller, pods: list[int]):
    for view in ("cards", "dense"):
        assert 'name="ids"' not in vic.get(f"/pods?view={view}").text
        assert ann.get(f"/pods?view={view}").text.count('name="ids"') == 3
    assert re.findall(r'name="act"\s+value="(\w+)"', ann.get("/pods").text) == ["snooze", "run", "heal"]
    assert re.findall(r'name="act"\s+value="(\w+)"', adam.get("/pods").text)[-3:] == ["tag", "untag", "delete"]


def test_the_act_is_asked_for_with_the_names_of_the_pods(ann: Caller, pods: list[int]):
    answer = ann.get("/pods/bulk", query_string=[("act", "snooze"), *(("ids", i) for i in pods), ("back", "q=web")])

    assert answer.status_code == 200
    assert "<h1>Snooze 3 pods?</h1>" in answer.text
    assert all(f"web-{n}</a>" in answer.text for n in range(3))
    assert 'href="/pods?q=web"' in answer.text


def test_pods_are_snoozed_once_however_often_the_form_is_sent(engine, ann: Caller, pods: list[int]):
    asked = {"length": "60", "reason": "move", "holds": "alerts"}
    answers = [send(ann, "snooze", ",".join(map(str, pods)), **asked) for _ in range(2)]

    assert [a.status_code for a in answers] == [200, 200]
    assert came(answers[0].text) == came(answers[1].text) == {f"web-{n}": ("Done", "") for n in range(3)}
    assert count(engine, Snooze) == 3


def test_what_is_not_filled_in_is_asked_for_again(engine, ann: Caller, pods: list[int]):
    answer = send(ann, "snooze", pods[:2], length="60", reason=" ", holds="alerts")

    assert answer.status_code == 422
    assert "<h1>Snooze 2 pods?</h1>" in answer.text
    assert 'id="bulk-reason-error"' in answer.text
    assert count(engine, Snooze) == 0


@pytest.mark.attack("A3")
def test_a_pod_of_another_tenant_undoes_the_whole_request(engine, ann: Caller, pods: list[int]):
    with write(engine) as conn:
        theirs = a_pod(conn, a_tenant(conn, "zeta"), "theirs")

    for ids in ([*pods, theirs], [*pods, 987654321], [*pods, "12abc"], ["0"]):
        assert send(ann, "snooze", ids, length="60", reason="r", holds="alerts").status_code == 404
        assert ann.get("/pods/bulk", query_string=[("act", "snooze"), *(("ids", i) for i in ids)]).status_code == 404
    assert count(engine, Snooze) == 0


@pytest.mark.parametrize(
    ("act", "ids"),
    [("snooze", ""), ("snooze", ",".join(map(str, range(1, 202)))), ("paint", "1"), ("", "1")],
    ids=["none", "too many", "no such act", "no act"],
)
def test_nothing_selected_is_a_page_that_says_so(ann: Caller, pods: list[int], act: str, ids: str):
    for answer in (send(ann, act, ids), ann.get("/pods/bulk", query_string={"act": act, "ids": ids})):
        assert answer.status_code == 422
        assert "Nothing selected" in answer.text


@pytest.mark.attack("A98")
def test_heal_now_plans_what_the_gates_let_through_and_tells_what_held_the_others(engine, tenant, ann: Caller, now):
    with write(engine) as conn:
        a_policy(conn, tenant, is_default=True)
        webhook = {"provider": ProviderKind.WEBHOOK, "provider_config": {"url": "https://hook.example/"}}
        failing = {"status": "unhealthy", "failures": 9, "last_outcome": "fail", "last_class": "down"}
        failing |= {"fresh_until": now + timedelta(hours=1), "since": now, "bad_since": now}
        can = a_pod(conn, tenant, "can", status="unhealthy", **webhook)
        a_check(conn, can, **failing)
        cannot = a_pod(conn, tenant, "cannot", status="unhealthy")
        a_check(conn, cannot, **failing)

    answer = send(ann, "heal", [can, cannot], reason="it hangs")

    told = came(answer.text)
    assert told["cannot"] == ("Held", "The pod has no provider that could act.")
    assert told["can"][0] == "Done", told
    with read(engine) as conn:
        assert conn.execute(sa.select(Heal.pod_id)).scalars().all() == [can]


def test_the_checks_of_many_pods_are_run_once_each(engine, ann: Caller, pods: list[int]):
    with write(engine) as conn:
        for pod_id in pods[:2]:
            a_check(conn, pod_id, "http")
    done = [send(ann, "run", pods) for _ in range(2)]

    assert came(done[0].text) == came(done[1].text)
    assert came(done[0].text)["web-0"] == ("Done", "1 check is being probed.")
    assert came(done[0].text)["web-2"] == ("Done", "It has no check to run.")
    assert count(engine, CheckRun) == 2


def test_tags_come_and_go_and_each_pod_is_audited(engine, adam: Caller, pods: list[int]):
    assert came(send(adam, "tag", pods[:2], tag="new").text)["web-0"] == ("Done", "")
    assert came(send(adam, "untag", pods, tag="old", op=OP + "2").text)["web-2"] == ("Done", "")
    again = send(adam, "tag", pods[:1], tag="new", op=OP + "3").text

    with read(engine) as conn:
        tags = conn.execute(sa.select(Pod.tags).order_by(Pod.id)).scalars().all()
        edits = conn.scalar(sa.select(sa.func.count()).where(AuditEntry.what == "pod edited"))
    assert tags == [["new"], ["new"], []]
    assert edits == 5
    assert came(again)["web-0"] == ("Done", "It carried the tag before.")


@pytest.mark.attack("A98")
def test_pods_are_deleted_when_their_number_was_typed_and_a_second_sending_says_the_same(engine, adam, pods):
    assert send(adam, "delete", pods[:2], confirm="3").status_code == 422
    first = send(adam, "delete", pods[:2], confirm="2")
    second = send(adam, "delete", pods[:2], confirm="2")

    assert came(first.text) == came(second.text) == {"web-0": ("Done", ""), "web-1": ("Done", "")}
    with read(engine) as conn:
        left = conn.execute(sa.select(Pod.name).where(Pod.deleted_at.is_(None))).scalars().all()
    assert left == ["web-2"]
    assert send(adam, "delete", pods[:1], confirm="1", op=OP + "2").status_code == 404


def test_what_pods_are_is_changed_by_an_admin_only(engine, ann: Caller, pods: list[int]):
    for act, fields in (("tag", {"tag": "x"}), ("untag", {"tag": "old"}), ("delete", {"confirm": "3"})):
        assert send(ann, act, pods, **fields).status_code == 403
        assert ann.get("/pods/bulk", query_string=[("act", act), ("ids", pods[0])]).status_code == 403
    with read(engine) as conn:
        rows = conn.execute(sa.select(Pod.tags, Pod.deleted_at)).all()
    assert [tuple(row) for row in rows] == [(["old"], None)] * 3


def test_an_op_of_one_act_is_no_answer_to_another(adam: Caller, pods: list[int]):
    send(adam, "tag", pods, tag="new")

    assert send(adam, "untag", pods, tag="old").status_code == 422
