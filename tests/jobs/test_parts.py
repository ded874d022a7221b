"""The wish to end: set from anywhere, a signal's handler too, and everybody who waits hears of it at once."""

import os
import signal
import threading

import pytest

from podhealth.clock import monotonic
from podhealth.core.errors import SetupError
from podhealth.jobs import parts as jobs_parts
from podhealth.jobs.ending import Leaving
from podhealth.jobs.parts import Parts


def test_nobody_waits_longer_than_asked() -> None:
    leaving = Leaving()
    began = monotonic()

    assert not leaving.wait(0.05)
    assert not leaving.wait(0)
    assert 0.04 <= monotonic() - began < 1


def test_all_who_wait_are_woken_and_nobody_waits_any_more() -> None:
    leaving = Leaving()
    heard: list[bool] = []
    threads = [threading.Thread(target=lambda: heard.append(leaving.wait(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    leaving.set()
    leaving.set()
    for thread in threads:
        thread.join(5)

    assert heard == [True] * 4
    assert leaving.wait(20)
    assert leaving.is_set()


def test_it_may_be_set_by_a_signal_in_the_middle_of_waiting() -> None:
    leaving = Leaving()
    before = signal.signal(signal.SIGUSR1, lambda *_: leaving.set())
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        began = monotonic()

        assert leaving.wait(20)
        assert monotonic() - began < 5
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    jobs_parts.parts.cache_clear()

    with pytest.raises(SetupError, match="DATABASE_URL"):
        jobs_parts.parts()


def test_a_process_has_its_parts_once(sqlite_here: Parts) -> None:
    assert jobs_parts.parts() is sqlite_here
