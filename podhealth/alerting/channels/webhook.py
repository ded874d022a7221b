"""A signed web hook: a POST of JSON, in the form of Standard Webhooks, so that ready-made receivers can verify it.

``webhook-id`` stays the same however often a message is sent; ``webhook-signature`` is HMAC-SHA256 over
``id.timestamp.body`` under the channel's secret.
"""

import hmac
import json
from base64 import b64decode, b64encode
from hashlib import sha256

from podhealth import clock
from podhealth.alerting.channels.base import TIMEOUT_S, Config, Outgoing, SendError, Sent, judge
from podhealth.egress import http

PREFIX = "whsec_"


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the value of ``webhook-signature``: ``v1,`` and the base64 of the HMAC.

    Raises ValueError for a secret that is none of ours.
    """
    if not secret.startswith(PREFIX):
        raise ValueError("the secret must begin with " + PREFIX)
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(key, signed, sha256).digest()).decode()


def body_of(message: Outgoing) -> bytes:
    """Return the JSON that is sent: the same bytes for the same message."""
    body = {
        "id": message.public_id,
        "type": f"alert.{message.kind.value}",
        "timestamp": message.at.isoformat(),
        "data": {
            "tenant": message.tenant,
            "severity": message.severity.value,
            "subject": message.subject,
            "lines": list(message.lines),
            "url": message.url,
            **message.details,
        },
    }
    return json.dumps(body, sort_keys=True).encode()


class WebhookChannel:
    """Posts to the channel's ``url``."""

    def send(self, config: Config, message: Outgoing) -> Sent:
        """Post one message. Raises SendError."""
        body, now = body_of(message), clock.utcnow()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.public_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(config["secret"], message.public_id, timestamp, body),
        }
        try:
            answer = http.exchange("POST", config["url"], headers, body, timeout_s=TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise SendError(f"the web hook does not answer: {error}"[:200]) from None
        return judge("the web hook", answer.code, answer.headers, now)
