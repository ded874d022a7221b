"""Which guests are wanted, whether one is the guest it was before, and which answers are not believed."""

import pytest

from podhealth.core.guests import Answer, Guest, Takes, doubt, guest_of, is_same, too_many_missing

A, B = "uuid:11111111-1111-1111-1111-111111111111", "uuid:22222222-2222-2222-2222-222222222222"
M, N = "mac:bc:24:11:00:00:01", "mac:bc:24:11:00:00:02"


def guest(key: str = "100", name: str | None = "web", *marks: str, **more: object) -> Guest:
    return Guest(key, f"pve1/{key}", name, marks=marks, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "marks", "now", "same"),
    [
        ("web", (A, M), guest("100", "web", A, M), True),
        ("web", (A, M), guest("100", "www", A, N), True),  # renamed, with another card
        ("web", (A, M), guest("100", "web", B, M), False),  # made anew under name and card of the old one
        ("web", (M,), guest("100", "www", M), True),
        ("web", (M,), guest("100", "web", N), True),  # a container whose card was changed
        ("web", (M,), guest("100", "www", N), False),
        ("web", (), guest("100", "WEB", A), True),
        ("web", (), guest("100", "www", A), False),
        ("web", (A,), guest("100", None), True),  # its node is down: little is told of it
    ],
)
def test_a_number_alone_does_not_make_a_guest_the_same(
    name: str, marks: tuple[str, ...], now: Guest, same: bool
) -> None:
    assert is_same(name, marks, now) is same


@pytest.mark.parametrize(
    ("takes", "taken"),
    [
        (Takes(), False),
        (Takes(everything=True), True),
        (Takes(tags=("db", "web")), True),
        (Takes(pools=("prod",)), True),
        (Takes(pools=("test",), tags=("db",)), False),
        (Takes(labels=("podhealth",)), True),
        (Takes(labels=("podhealth=yes",)), True),
        (Takes(labels=("podhealth=no",)), False),
    ],
)
def test_only_what_was_named_is_taken(takes: Takes, taken: bool) -> None:
    assert takes.take(guest(tags=("web",), pool="prod", labels=("podhealth=yes",))) is taken


def test_a_guest_comes_back_from_the_database_as_it_went_in() -> None:
    one = guest("100", "web", A, M, tags=("web",), addresses=("10.0.0.1",), is_running=False, labels=("a=b",))

    assert guest_of(one.as_json()) == one


@pytest.mark.parametrize(
    ("keys", "rights", "had", "answer", "said"),
    [
        ([], None, False, Answer(()), None),
        ([], None, True, Answer(()), "no guest at all"),
        (["100"], None, True, Answer(()), "no guest at all"),
        (["100", "101"], ["/vms/100", "/vms/101"], True, Answer((guest("101"),), ("/vms/101",)), "/vms/100"),
        (["100", "101"], ["/vms"], True, Answer((guest("101"),), ("/vms",)), None),
        (["101"], ["/vms/100", "/vms/101"], True, Answer((guest("101"),), ("/vms/101",)), None),  # misses nothing
    ],
)
def test_an_answer_that_may_be_half_of_one_is_doubted(
    keys: list[str], rights: list[str] | None, had: bool, answer: Answer, said: str | None
) -> None:
    why = doubt(answer, keys, rights, had)

    assert (why is None) if said is None else said in (why or "")


@pytest.mark.parametrize(("known", "missing", "doubted"), [(3, 2, False), (3, 3, True), (10, 3, False), (10, 4, True)])
def test_more_than_two_guests_and_a_third_missing_at_once_are_for_a_person(
    known: int, missing: int, doubted: bool
) -> None:
    keys = [str(100 + number) for number in range(known)]
    answer = Answer(tuple(guest(key) for key in keys[missing:]))

    assert (too_many_missing(answer, keys) is not None) is doubted
