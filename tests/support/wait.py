"""Waiting for a condition, with a deadline: what tests do in place of sleeping a guessed while."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], within_s: float = 10.0, every_s: float = 0.02, what: str = "") -> T:
    """Return the first true answer of ``condition``; fail after ``within_s`` seconds, naming ``what``."""
    pause = threading.Event()
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or condition}; last answer {answer!r}")
        pause.wait(every_s)
