"""Mails letters about somebody's own account: invitations, ways to a new password, and that it was changed.

What is due, and when again, the store says.
"""

from collections.abc import Callable

import sqlalchemy as sa
import structlog

from podhealth.alerting.channels.base import Outgoing, SendError
from podhealth.alerting.channels.email import EmailChannel
from podhealth.alerting.deliver import mail_server
from podhealth.core.words import LetterKind, MessageKind, Severity
from podhealth.settings import Settings
from podhealth.store import letters, resets
from podhealth.store.db import write
from podhealth.store.letters import Due

log = structlog.get_logger(__name__)

_MOST = 20  # mailed a run; the rest comes with the next
_MOST_LOOKED_AT = 500  # those for nobody, too


def send_due(engine: sa.Engine, settings: Settings, is_over: Callable[[], bool] = lambda: False) -> int:
    """Mail the letters that are due, each in its own transactions, and return how many were taken.

    Takes no more of them once ``is_over``.
    """
    channel = EmailChannel(mail_server(settings))
    taken: list[bool] = []
    for _ in range(_MOST_LOOKED_AT):
        if len(taken) == _MOST or is_over():
            break
        with write(engine) as conn:
            due = letters.claim(conn)
            if due is not None and resets.is_open(due):
                due = resets.answer(conn, due)
        if due is None:
            break
        if not resets.is_open(due):
            taken.append(_send(engine, channel, due, settings.public_url))
    return sum(taken)


def _send(engine: sa.Engine, channel: EmailChannel, due: Due, public_url: str) -> bool:
    try:
        channel.send({"to": [due.email]}, _outgoing(due, public_url))
    except SendError as error:
        log.warning("letter not sent", kind=due.kind.value, error=str(error))
        with write(engine) as conn:
            letters.note_failed(conn, due, str(error), error.permanent)
        return False
    with write(engine) as conn:
        letters.note_sent(conn, due.letter_id)
    return True


def _outgoing(due: Due, public_url: str) -> Outgoing:
    subject, lines = _words(due)
    url = public_url + (due.link or "/sign-in")
    return Outgoing(
        public_id=due.public_id,
        kind=MessageKind.NOTICE,
        severity=Severity.WARNING,
        subject=subject,
        lines=(*lines, url),
        url=url,
        at=due.created_at,
        tenant=str(due.facts.get("tenant") or "PodHealth"),
        details={},
    )


def _words(due: Due) -> tuple[str, tuple[str, ...]]:
    tenant, by = due.facts.get("tenant"), due.facts.get("by")
    if due.kind is LetterKind.INVITATION:
        return f"You are invited to {tenant}", (
            f"{by} invites you to {tenant} on PodHealth, as {due.facts.get('role')}.",
            "Open this address within 72 hours to choose a password. It works once. If you do not know why you were "
            "asked, do nothing.",
        )
    if due.kind is LetterKind.RESET:
        return "A new password for PodHealth", (
            "Somebody, you we hope, asked for a new password for this address.",
            "Open this address within 30 minutes to choose one. It works once. If it was not you, do nothing: your "
            "password stays as it is.",
        )
    return "Your PodHealth password was changed", (
        "Your password was just changed, and everywhere else you were signed out.",
        "If it was not you, ask for a new one at once, and tell an admin.",
    )
