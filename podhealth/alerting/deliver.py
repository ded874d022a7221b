"""One try of one message: leased, sent, stored. Whoever comes after a crash sends it again under the same id.

Which message, and when again, the store says; how a channel is reached, its kind.
"""

import random
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
import structlog

from podhealth import clock
from podhealth.alerting.channels import Registry, registry
from podhealth.alerting.channels.base import Config, Outgoing, SendError, without_addresses
from podhealth.alerting.channels.email import MailServer
from podhealth.core.channel_fields import CHANNEL_SECRETS
from podhealth.core.errors import SetupError
from podhealth.core.message_text import MOST_LINES
from podhealth.crashpoints import crashpoint
from podhealth.models import Channel, Tenant
from podhealth.settings import Settings
from podhealth.store import deliveries
from podhealth.store.approval_links import link_for
from podhealth.store.db import db_now, read, write
from podhealth.store.deliveries import Tried
from podhealth.store.secrets import unseal_channel

log = structlog.get_logger(__name__)

Row = sa.Row[Any]


class Deliverer:
    """What it takes to deliver: the database, the ways to send, and the address of the dashboard for links."""

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        self._engine = engine
        self._channels: Registry = registry(mail_server(settings), settings.apprise_schemes)
        self._url = settings.public_url

    def is_any_due(self) -> bool:
        """Return whether a message may be tried now."""
        with read(self._engine) as conn:
            return deliveries.is_any_due(conn, db_now(conn))

    def take(self, suspects_too: bool = True, but_of: Collection[int] = ()) -> Row | None:
        """Lease the next message, of other tenants than ``but_of``; null where none may be tried now."""
        with write(self._engine) as conn:
            return deliveries.claim(conn, db_now(conn), suspects_too, but_of)

    def tell(self, message: Row) -> dict[int, int]:
        """Try a leased message once and store what came of it; return the newest feed numbers."""
        with read(self._engine) as conn:
            query = sa.select(Channel.kind, Channel.config, Channel.name, Tenant.name.label("tenant"))
            query = query.join(Tenant, Tenant.id == Channel.tenant_id)
            channel = conn.execute(query.where(Channel.id == message.channel_id)).one()
        begun = clock.monotonic()
        crashpoint("alert.before_send")
        code = error = None
        opened: Config = {}
        try:
            opened = unseal_channel(channel.config, message.channel_id, CHANNEL_SECRETS[channel.kind])
            code = self._channels[channel.kind].send(opened, self._outgoing(message, channel)).code
        except SendError as refused:
            error = refused
        except SetupError as unreadable:
            error = SendError(str(unreadable))
        except Exception as fault:  # a loop head: one message that always raises must not hold up the others
            log.exception("delivery failed", message_id=message.id)
            error = SendError(f"a fault of ours: {type(fault).__name__}")
        crashpoint("alert.after_send")
        took_ms = (clock.monotonic() - begun) * 1000
        if error is None:
            return self._store(message, Tried(took_ms, code))
        said = without_addresses(str(error), opened) or "failed"
        return self._store(message, Tried(took_ms, error.code, said, error.permanent, error.retry_after))

    def _store(self, message: Row, tried: Tried) -> dict[int, int]:
        if tried.error is not None:
            log.info("message not delivered", message_id=message.id, nth=message.attempts, error=tried.error)
        with write(self._engine, durable=True) as conn:
            jitter = random.random()  # noqa: S311 - spreads tries, hides nothing
            return deliveries.store_try(conn, message, tried, jitter, db_now(conn)) or {}

    def _outgoing(self, message: Row, channel: Row) -> Outgoing:
        body = message.body
        lines = list(body["lines"])
        for at, approval_id in body.get("answers", []):
            # Made here: a link is as good as a password, and what is stored is shown to viewers.
            lines[at] += " Answer: " + link_for(approval_id, f"channel {channel.name}", self._url)
        if body.get("answers") and len(lines) > MOST_LINES:
            lines[-1] = f"{lines[-1].removesuffix('.')}: {self._url}{body['path']}"
        return Outgoing(
            message.public_id,
            message.kind,
            message.severity,
            message.subject,
            tuple(lines),
            self._url + body["path"],
            message.composed_at,
            channel.tenant,
            {"incidents": body["incidents"], "notices": body["notices"]},
        )


def mail_server(settings: Settings) -> MailServer | None:
    """Return the operator's mail server, null where there is none."""
    if not settings.smtp_host:
        return None
    return MailServer(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_from,
        settings.smtp_user,
        settings.smtp_password,
        settings.smtp_ca_file or None,
        settings.pod_networks,
    )
