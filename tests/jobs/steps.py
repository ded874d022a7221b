"""Steps for a table of ticks of a test's own: each notes that it ran."""

import threading

import sqlalchemy as sa

ran: list[str] = []
may_end = threading.Event()


def good(_engine: sa.Engine) -> dict[int, int]:
    """Run well, with news of one tenant."""
    ran.append("good")
    return {1: 7}


def bad(_engine: sa.Engine) -> None:
    """Fail."""
    ran.append("bad")
    raise RuntimeError("no such luck")


def last(_engine: sa.Engine) -> None:
    """Run well, and have nothing to say."""
    ran.append("last")


def waiting(_engine: sa.Engine) -> None:
    """Run until the test says so."""
    ran.append("waiting")
    assert may_end.wait(10)
