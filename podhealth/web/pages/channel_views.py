"""What the pages of channels show that only some may see: plain values of rows. Nothing is asked or decided here."""

from typing import Any

from podhealth.core.words import ChannelKind


def place_of(channel: Any) -> str | None:
    """Return where a channel leads to, null where that is its secret."""
    if channel.kind == ChannelKind.EMAIL:
        return ", ".join(channel.config.get("to", []))
    return str(channel.config.get("url")) if channel.kind == ChannelKind.WEBHOOK else None
