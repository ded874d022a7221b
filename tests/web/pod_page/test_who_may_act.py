"""Who may act on a pod from its page, and with which token and id of a form."""

import pytest

from podhealth.models import Heal, Snooze
from tests.support.cast import Caller
from tests.web.pod_page.stored import SNOOZE, audited, count


@pytest.mark.parametrize("act", ["snooze", "end-snooze", "heal", "reset"])
def test_nobody_acts_on_another_tenants_pod(engine, zoe: Caller, sick: int, act: str):
    answer = zoe.post(f"/pods/{sick}/{act}", data=SNOOZE)

    assert answer.status_code == 404
    assert (count(engine, Snooze), count(engine, Heal), audited(engine)) == (0, 0, [])


@pytest.mark.parametrize("act", ["snooze", "end-snooze", "heal", "reset"])
def test_a_viewer_may_not_act(engine, vic: Caller, sick: int, act: str):
    assert vic.post(f"/pods/{sick}/{act}", data=SNOOZE).status_code == 403
    assert audited(engine) == []


def test_an_op_that_is_none_of_ours_is_refused(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/reset", data={"op": "!"})

    assert answer.status_code == 422
    assert "op must be 8 to 64 letters" in answer.text
    assert audited(engine) == []


def test_nothing_is_done_without_the_pages_own_token(app, engine, ann: Caller, sick: int):
    ann.unsafe.pop("X-CSRFToken")

    assert ann.post(f"/pods/{sick}/reset").status_code in (400, 403)
    assert audited(engine) == []
