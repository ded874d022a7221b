"""What stands below the head while something keeps PodHealth from its work: the most severe first, two at most."""

from datetime import UTC, datetime

import pytest

from podhealth.core.banners import Facts, Hold, Stop, banners
from podhealth.core.operation import DEFAULT, Alarms
from podhealth.core.words import BreakerScope, BreakerState, KillScope, Status

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE = datetime(2026, 11, 24, 13, tzinfo=UTC)
STOP = Stop(KillScope.TENANT, "ann", "storage move", ONE)
OPEN = Hold(BreakerScope.NODE, "pve1", BreakerState.OPEN, 7)
HALF = Hold(BreakerScope.TENANT, "acme", BreakerState.HALF_OPEN, 1)
EVERYTHING = Facts(90.0, 300.0, ("dc1",), ("dc2",), ("pve9",), (STOP,), (HALF, OPEN))


def every(facts):
    found = banners(facts)
    return [*found.shown, *found.more]


def test_where_all_works_nothing_is_said():
    assert every(Facts()) == every(Facts(tick_age_s=DEFAULT.tick_late_s, outbox_s=DEFAULT.outbox_old_s)) == []


def test_what_keeps_pods_from_being_watched_comes_before_what_keeps_them_from_being_healed():
    assert [one.what for one in every(EVERYTHING)] == [
        "Nothing has been judged for 1 min 30 s",
        "Nobody probes from vantage dc1",
        "Messages wait for 5 min",
        "Healing is switched off by ann: storage move",
        "The breaker of node pve1 is open",
        "Vantage dc2 is blind",
        "Node pve9 does not answer",
        "The breaker of acme is half-open",
    ]


@pytest.mark.parametrize(("many", "shown", "more"), [(1, 1, 0), (2, 2, 0), (3, 2, 1), (9, 2, 7)])
def test_two_are_shown_and_the_rest_counted(many, shown, more):
    found = banners(Facts(nodes=tuple(f"n{i}" for i in range(many))))

    assert (len(found.shown), len(found.more)) == (shown, more)


def test_they_are_drawn_anew_when_the_first_of_them_ends_by_itself():
    later = STOP._replace(until=ONE.replace(hour=15))

    assert banners(Facts(stops=(later, STOP))).until == ONE
    assert banners(Facts(nodes=("pve9",))).until is None


def test_each_says_what_it_means_in_a_sentence_of_its_own():
    told = every(EVERYTHING)

    assert [one for one in told if not one.means.endswith(".") or one.what.endswith(".")] == []
    assert len({one.means for one in told}) == len(told)
    assert {one.tone for one in told} == {Status.UNHEALTHY, Status.DEGRADED}


def test_a_stop_of_everything_says_that_it_concerns_all():
    (mine,), (all_of_us,) = (
        every(Facts(stops=(STOP._replace(scope=s),))) for s in (KillScope.TENANT, KillScope.SYSTEM)
    )

    assert mine.means.endswith("nothing is healed.")
    assert all_of_us.means.endswith("nothing is healed, of any tenant.")


def test_a_node_of_any_name_has_its_pods_behind_its_link():
    assert every(Facts(nodes=("a&b/c",)))[0].path == "/pods?node=a%26b%2Fc"


@pytest.mark.parametrize(("held", "words"), [(0, "it holds 0 pods"), (1, "it holds 1 pod."), (7, "it holds 7 pods")])
def test_a_breaker_says_how_many_pods_it_holds(held, words):
    assert words in every(Facts(holds=(OPEN._replace(held=held),)))[0].means


def test_an_operator_chooses_from_when_on_they_are_told():
    late = Facts(tick_age_s=20.0, outbox_s=70.0, late=(("dc1", 40.0),))
    patient = Alarms(tick_late_s=30.0, outbox_old_s=90.0)

    assert [one.what for one in every(late)] == [
        "Nothing has been judged for 20 s",
        "Messages wait for 1 min 10 s",
        "Checks wait at vantage dc1, the first for 40 s",
    ]
    assert [one.what for one in banners(late, patient).shown] == ["Checks wait at vantage dc1, the first for 40 s"]
