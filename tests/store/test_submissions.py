"""A form sent twice is answered as it was the first time."""

import threading

import pytest

from podhealth.core.errors import InputError
from podhealth.core.words import Actor, Role
from podhealth.store import submissions
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support import build


def send(engine, scope, op, answer, route="policies.create"):
    with write(engine) as conn:
        first = submissions.claim(conn, scope, op, route)
        if first is not None:
            return first
        submissions.keep(conn, scope, op, answer)
        return answer


def test_the_second_sending_gets_the_firsts_answer(engine, scope) -> None:
    send(engine, scope, "abcd-1234", {"id": 1})

    assert send(engine, scope, "abcd-1234", {"id": 2}) == {"id": 1}


def test_a_sending_that_failed_counts_as_none(engine, scope) -> None:
    with engine.connect() as conn:
        submissions.claim(conn, scope, "abcd-1234", "policies.create")
        conn.rollback()

    assert send(engine, scope, "abcd-1234", {"id": 2}) == {"id": 2}


def test_the_same_id_of_another_tenant_is_another_form(engine, scope) -> None:
    with write(engine) as conn:
        zeta = Scope(build.a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")
    send(engine, scope, "abcd-1234", {"id": 1})

    assert send(engine, zeta, "abcd-1234", {"id": 2}) == {"id": 2}


def test_an_id_used_by_another_form_is_refused(engine, scope) -> None:
    send(engine, scope, "abcd-1234", {"id": 1})

    with pytest.raises(InputError):
        send(engine, scope, "abcd-1234", {"id": 2}, route="policies.save")


@pytest.mark.parametrize("op", ["", "short", "x" * 65, "with a space", "ä" * 9, "abcd-1234\n", "<b>abcd</b>"])
def test_what_is_no_id_of_ours_is_refused_by_name(engine, scope, op) -> None:
    with pytest.raises(InputError) as refused:
        send(engine, scope, op, {})

    assert refused.value.field == "op"


def test_of_many_at_the_same_moment_one_does_the_work(engine, scope) -> None:
    done, answers, start = [], [], threading.Barrier(4)

    def one(number: int) -> None:
        start.wait(10)
        with write(engine) as conn:
            first = submissions.claim(conn, scope, "abcd-1234", "policies.create")
            if first is None:
                done.append(number)
                submissions.keep(conn, scope, "abcd-1234", {"id": number})
            answers.append(first or {"id": number})

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(done) == 1
    assert answers == [{"id": done[0]}] * 4
