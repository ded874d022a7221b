"""Tells that a source has failed for long, and that it answers again: each once (behaviour §7).

Written in the transaction of the try that shows it. Only what fails while the source is on counts: who reads one that
is off looks at the answer themselves.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.source_rules import is_worth_telling
from podhealth.core.told import length_in_words
from podhealth.core.words import NoticeKind, Severity
from podhealth.models.base import to_us
from podhealth.store import notices

NOT_FAILING: dict[str, Any] = {"failures": 0, "failing_since": None, "told_at": None}


def settle(conn: sa.Connection, source: Any, error: str | None, now: datetime) -> tuple[dict[str, Any], str | None]:
    """Note how a try of the source ended, and tell it where it is time to.

    Returns the columns of the source that change, and what a toast says. ``source`` is its locked row, ``error`` why
    the answer was not good, null where it was.
    """
    if not source.is_on:
        return NOT_FAILING, None
    if error is None:
        return NOT_FAILING, _back(conn, source, now)
    since = source.failing_since or now
    failures = source.failures + 1
    kept = {"failures": failures, "failing_since": since, "told_at": source.told_at}
    if source.told_at is not None or not is_worth_telling(failures, now - since):
        return kept, None
    said = f"{source.name} could not be read for {_length(since, now)}"
    text = f"Source {said}: {error.rstrip('.')}. Its pods stay as they are; what is new or gone there is not seen."
    _tell(conn, source, NoticeKind.SOURCE_FAILING, since, text, now)
    return kept | {"told_at": now}, said


def _back(conn: sa.Connection, source: Any, now: datetime) -> str | None:
    if source.told_at is None:
        return None
    said = f"{source.name} is read again"
    text = f"Source {said}, {_length(source.failing_since, now)} after it began to fail."
    _tell(conn, source, NoticeKind.SOURCE_BACK, source.failing_since, text, now)
    return said


def _tell(conn: sa.Connection, source: Any, kind: NoticeKind, since: datetime, text: str, now: datetime) -> None:
    key = f"source:{source.id}:{to_us(since)}:{kind.value}"
    notices.tell(conn, source.tenant_id, kind, key, text, severity=Severity.WARNING, now=now)


def _length(since: datetime, now: datetime) -> str:
    return length_in_words(to_us(now) - to_us(since))
