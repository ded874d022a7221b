"""What the pages of channels show: plain views of rows, in words. Nothing is asked or decided here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podhealth.core.words import ChannelKind, MessageKind, MessageState

_MESSAGE_WORDS = {
    MessageKind.FIRST: "Problem",
    MessageKind.CHANGE: "Change",
    MessageKind.REMINDER: "Reminder",
    MessageKind.END: "End",
    MessageKind.NOTICE: "Notice",
    MessageKind.TEST: "Test",
}


@dataclass(frozen=True, slots=True)
class TryLine:
    """One try of a message."""

    nth: int
    at: datetime
    ok: bool
    code: str | None
    error: str | None
    took: str


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message in a channel's log, with its tries; ``due_at`` where it is still to be tried."""

    message_id: int
    public_id: str
    kind: str
    subject: str
    lines: tuple[str, ...]
    state: MessageState
    at: datetime
    due_at: datetime | None
    attempts: int
    tries: tuple[TryLine, ...]

    @property
    def is_waiting(self) -> bool:
        """Whether what comes of it is not known yet."""
        return self.state == MessageState.WAITING

    @property
    def last(self) -> TryLine | None:
        """The newest try."""
        return self.tries[-1] if self.tries else None


def place_of(channel: Any) -> str | None:
    """Return where a channel leads to, null where that is its secret."""
    if channel.kind == ChannelKind.EMAIL:
        return ", ".join(channel.config.get("to", []))
    return str(channel.config.get("url")) if channel.kind == ChannelKind.WEBHOOK else None


def message_of(message: Any, tries: Sequence[Any]) -> MessageLine:
    """Return a message as a channel's log shows it."""
    return MessageLine(
        message.id,
        message.public_id,
        _MESSAGE_WORDS[message.kind],
        message.subject,
        tuple(message.body.get("lines", [])),
        message.state,
        message.composed_at or message.created_at,
        message.due_at if message.state == MessageState.WAITING else None,
        message.attempts,
        tuple(TryLine(one.nth, one.at, one.ok, one.code, one.error, _took(one.took_ms)) for one in tries),
    )


def _took(took_ms: float) -> str:
    return f"{took_ms:.0f} ms" if took_ms < 10_000 else f"{took_ms / 1000:.0f} s"
