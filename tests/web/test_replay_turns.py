"""Replays: one of a tenant at a time, few in all, and whoever asks much keeps nobody else waiting."""

import threading
from contextlib import ExitStack

import pytest

from podhealth.core.errors import Conflict
from podhealth.web.caller import Gone
from podhealth.web.replay_turns import Turns
from tests.support.wait import wait_for

ACME, ZETA, OTHER = 1, 2, 3


def test_two_of_a_tenant_do_not_run_at_once_and_two_tenants_do() -> None:
    turns = Turns(at_once=2, asking=3)
    with turns.turn(ACME, 0):
        with pytest.raises(Conflict), turns.turn(ACME, 0.01):
            pass
        with turns.turn(ZETA, 0):
            pass
    with turns.turn(ACME, 0):
        pass


def test_more_tenants_than_places_wait() -> None:
    turns = Turns(at_once=2, asking=3)
    with turns.turn(ACME, 0), turns.turn(ZETA, 0), pytest.raises(Conflict), turns.turn(OTHER, 0.01):
        pass
    with turns.turn(OTHER, 0):
        pass


@pytest.mark.attack("A70")
def test_a_tenant_with_one_running_and_two_waiting_is_refused_at_once_and_others_are_served() -> None:
    turns = Turns(at_once=2, asking=3)
    done: list[int] = []

    def wait() -> None:
        with turns.turn(ACME, 60):
            done.append(1)

    with ExitStack() as stack:
        stack.enter_context(turns.turn(ACME, 0))
        waiting = [threading.Thread(target=wait) for _ in range(2)]
        for thread in waiting:
            thread.start()
        wait_for(lambda: turns.asked_by(ACME) == 3)
        with pytest.raises(Conflict, match="of yours"), turns.turn(ACME, 60):
            pass
        with turns.turn(ZETA, 0):
            pass
        assert not done
    for thread in waiting:
        thread.join(10)
    assert len(done) == 2
    assert turns.asked_by(ACME) == 0


def test_who_gives_up_while_waiting_leaves_the_place_to_others() -> None:
    turns = Turns(at_once=2, asking=2)

    def look() -> None:
        raise Gone

    with turns.turn(ACME, 0):
        with pytest.raises(Gone), turns.turn(ACME, 60, look):
            pass
        assert turns.asked_by(ACME) == 1


def test_a_turn_that_fails_is_given_back() -> None:
    turns = Turns(at_once=1, asking=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turns.turn(ACME, 0):
            raise ZeroDivisionError
