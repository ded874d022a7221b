"""Slack by an incoming web hook: blocks for people who read it there, and plain text for notifications.

Slack knows no id by which it would drop a second copy; the message's stands at its end, so that people can see it.
"""

import json
import re

from podhealth import clock
from podhealth.alerting.channels.base import TIMEOUT_S, Config, Outgoing, SendError, Sent, judge
from podhealth.core.words import MessageKind, Severity
from podhealth.egress import http

_MOST_TEXT = 2_900
_MOST_HEADER = 150
_SIGNS = {Severity.CRITICAL: "🟥", Severity.WARNING: "🔶"}
_OVER = "🟢"
_MORE = re.compile(r"and ([\d,]+) more[.:].*")


def escaped(text: str) -> str:
    """Return text that Slack shows as it is: without these three characters there is no link, no mention, no group."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body_of(message: Outgoing) -> bytes:
    """Return the JSON that is sent."""
    sign = (
        ""
        if message.kind == MessageKind.TEST
        else _OVER
        if message.kind == MessageKind.END
        else _SIGNS[message.severity]
    )
    subject = f"{sign} {message.subject}".strip()
    lines = "\n".join(_fitting(message))
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(subject, _MOST_HEADER), "emoji": False}},
        {"type": "section", "text": {"type": "plain_text", "text": _cut(lines, _MOST_TEXT), "emoji": False}},
        {
            "type": "context",
            "elements": [
                {"type": "mrkdwn", "text": f"<{message.url}|Open PodHealth> · {escaped(message.tenant)}"},
                {"type": "plain_text", "text": message.public_id, "emoji": False},
            ],
        },
    ]
    return json.dumps({"text": escaped(_cut(subject, _MOST_TEXT)), "blocks": blocks}, sort_keys=True).encode()


def _fitting(message: Outgoing) -> list[str]:
    """Return as many whole lines as Slack takes: half a link leads nowhere. What is left out is counted."""
    lines = list(message.lines)
    told = _MORE.fullmatch(lines[-1]) if lines else None
    more = int(told[1].replace(",", "")) if told else 0
    kept = lines[:-1] if told else lines
    while len("\n".join(lines)) > _MOST_TEXT and len(kept) > 1:
        kept, more = kept[:-1], more + 1
        lines = [*kept, f"and {more:,} more: {message.url}"]
    return lines


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


class SlackChannel:
    """Posts to the incoming web hook that ``url`` names; the URL is the secret."""

    def send(self, config: Config, message: Outgoing) -> Sent:
        """Post one message. Raises SendError."""
        headers = {"Content-Type": "application/json"}
        try:
            answer = http.exchange("POST", config["url"], headers, body_of(message), timeout_s=TIMEOUT_S)
        except (OSError, ValueError) as error:
            # The URL is a secret: what it leads to may be told, its path never is.
            raise SendError(f"Slack does not answer: {error}".replace(config["url"], "the URL")[:200]) from None
        said = answer.body[:60].decode("ascii", "replace") if answer.code >= 300 else ""
        what = "Slack" if not said.replace("_", "").isalnum() else f"Slack ({said})"
        return judge(what, answer.code, answer.headers, clock.utcnow())
