"""Channels as the list of them shows them, for the page and a push alike: how each is, and what goes to it, in words.

Nothing is asked or decided here; where a channel leads to is not shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podhealth.core.messages import RouteRule
from podhealth.core.words import ChannelKind, Severity
from podhealth.store.channels import Listed

KIND_WORDS = {
    ChannelKind.EMAIL: "Email",
    ChannelKind.SLACK: "Slack",
    ChannelKind.WEBHOOK: "Web hook",
    ChannelKind.APPRISE: "Apprise",
}


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel in the list. ``state`` is off, broken, failing, working or unused; ``sign``: the icon of its kind."""

    channel_id: int
    path: str
    name: str
    kind: str
    sign: str
    state: str
    error: str | None
    last_sent_at: datetime | None
    broken_since: datetime | None
    waiting: int
    dead: int
    failures: int
    tried_at: datetime | None
    was_told: bool | None
    routes: tuple[str, ...]


def _state_of(channel: Any) -> str:
    """Return how a channel is, in one word."""
    if not channel.enabled:
        return "off"
    if channel.broken_since is not None:
        return "broken"
    if channel.last_error is not None:
        return "failing"
    return "working" if channel.last_sent_at is not None else "unused"


def row_of(listed: Listed) -> ChannelRow:
    """Return a channel as the list shows it."""
    row = listed.row
    return ChannelRow(
        row.id,
        f"/channels/{row.id}",
        row.name,
        KIND_WORDS[row.kind],
        ChannelKind(row.kind).value,
        _state_of(row),
        row.last_error,
        row.last_sent_at,
        row.broken_since,
        listed.waiting,
        listed.dead,
        listed.failures,
        listed.tried_at,
        listed.was_told,
        routes_in_words(listed.routes),
    )


def routes_in_words(routes: Sequence[RouteRule]) -> tuple[str, ...]:
    """Return what goes to a channel, a line each route."""
    if not routes:
        return ("Everything",)
    return tuple(_route(route) for route in routes)


def _route(route: RouteRule) -> str:
    what = "Critical" if route.severity == Severity.CRITICAL else "Critical and warnings"
    tags = sorted(route.tags)
    return f"{what}, of pods with {' and '.join(tags)}" if tags else f"{what}, of all pods"
