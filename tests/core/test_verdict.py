"""Whether a heal helped, by probes begun after its action ended (behaviour §6, Verify)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.verdict import Proof, Seen, Verdict, verdict, verify_until
from podhealth.core.words import HealState, Outcome
from tests.core.healfacts import NOW

SUCCEEDED, FAILED, TIMED_OUT = HealState.SUCCEEDED, HealState.FAILED, HealState.TIMED_OUT
OUTCOMES = {"o": Outcome.OK, "s": Outcome.SLOW, "f": Outcome.FAIL, "e": Outcome.ERROR, "i": Outcome.INVALID}


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def a_proof(**changed) -> Proof:
    values = {
        "action_ended_at": NOW,
        "start_deadline_at": NOW + seconds(120),
        "verify_until": NOW + seconds(300),
        "success_threshold": 2,
        "failure_threshold": 3,
        "healthy_delay_s": 30,
        "failures": 0,
    }
    return Proof(**(values | changed))


def probes(letters: str, every_s: float = 10, first_s: float = 10) -> list[Seen]:
    """One result a letter (o ok, s slow, f fail, e error, i invalid), ``every_s`` apart."""
    begun = [NOW + seconds(first_s + every_s * n) for n in range(len(letters))]
    return [Seen(at, at + seconds(0.1), OUTCOMES[letter]) for at, letter in zip(begun, letters, strict=True)]


@pytest.mark.parametrize(
    ("letters", "at_s", "failures", "wanted"),
    [
        pytest.param("", 5, 0, None, id="nothing yet"),
        pytest.param("oooo", 41, 0, SUCCEEDED, id="threshold, and one success 30 s after the first"),
        pytest.param("ssss", 41, 0, SUCCEEDED, id="slow is a success"),
        pytest.param("ooo", 31, 0, None, id="not long enough yet"),
        pytest.param("o", 200, 0, None, id="one success, however old"),
        pytest.param("oofoo", 60, 0, None, id="a fail begins the run anew"),
        pytest.param("ofoooo", 70, 0, SUCCEEDED, id="a run after a fail"),
        pytest.param("oeioo", 60, 0, SUCCEEDED, id="errors neither count nor break the run"),
        pytest.param("fff", 60, 3, None, id="failures before the start deadline"),
        pytest.param("fff", 120, 3, FAILED, id="failing when the start deadline is over"),
        pytest.param("fff", 121, 2, None, id="too few that count"),
        pytest.param("eee", 299, 0, None, id="no evidence, not over"),
        pytest.param("eee", 300, 0, TIMED_OUT, id="no evidence in time"),
        pytest.param("foooo", 300, 0, SUCCEEDED, id="proven at the last moment"),
        pytest.param("oooo", 300, 3, SUCCEEDED, id="what was proven stays proven"),
    ],
)
def test_the_heal_ends(letters, at_s, failures, wanted) -> None:
    found = verdict(a_proof(failures=failures), probes(letters), NOW + seconds(at_s))

    assert found.state == wanted


def test_probes_begun_before_the_action_ended_do_not_count() -> None:
    early = probes("oooo", first_s=-35)

    assert verdict(a_proof(), early, NOW + seconds(6)).state is None


def test_with_threshold_one_and_no_delay_a_further_success_is_still_asked_for() -> None:
    proof = a_proof(success_threshold=1, healthy_delay_s=0)

    assert verdict(proof, probes("o"), NOW + seconds(11)).state is None
    assert verdict(proof, probes("oo"), NOW + seconds(21)).state == SUCCEEDED


@pytest.mark.parametrize("at_s", [120, 300, 9999])
def test_a_hold_pauses_the_deadlines(at_s) -> None:
    assert verdict(a_proof(failures=9), probes("fff"), NOW + seconds(at_s), is_held=True).state is None


def test_a_hold_does_not_hide_a_success() -> None:
    assert verdict(a_proof(), probes("oooo"), NOW + seconds(41), is_held=True) == Verdict(SUCCEEDED, "")


@pytest.mark.parametrize(
    ("letters", "at_s", "look_s"),
    [
        pytest.param("", 1, 120, id="at the start deadline"),
        pytest.param("", 130, 300, id="at the end"),
        pytest.param("o", 11, 40.1, id="when the first success is old enough"),
    ],
)
def test_it_says_when_to_look_again(letters, at_s, look_s) -> None:
    assert verdict(a_proof(), probes(letters), NOW + seconds(at_s)).look_at == NOW + seconds(look_s)


def test_the_time_to_verify_is_the_longer_of_the_policys_and_what_the_proof_needs() -> None:
    assert verify_until(NOW, 300, 120, 1, (60, 30, 10)) == NOW + seconds(300)
    assert verify_until(NOW, 300, 120, 5, (60, 30, 10)) == NOW + seconds(460)


@given(st.text("osfei", max_size=12), st.integers(0, 400), st.integers(0, 5))
def test_success_is_only_ever_said_with_its_proof(letters, at_s, failures) -> None:
    """A second opinion: succeeded means two successes 30 s apart, with no fail between or after the first."""
    seen = [s for s in probes(letters) if s.ended_at <= NOW + seconds(at_s)]
    found = verdict(a_proof(failures=failures), seen, NOW + seconds(at_s))
    told = "".join(letters[: len(seen)])
    proven = any(
        told[i] in "os" and told[j] in "os" and "f" not in told[i : j + 1] and (j - i) * 10 >= 30
        for i in range(len(told))
        for j in range(i + 1, len(told))
    )

    assert (found.state == SUCCEEDED) is proven
    assert found.state is not None or found.look_at is not None
