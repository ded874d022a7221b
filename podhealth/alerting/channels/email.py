"""Email by the platform's mail server: plain text and simple HTML, one Message-ID however often it is sent.

The server and the sender are the operator's settings; a channel names the recipients. TLS that was asked for is had,
or nothing is sent.
"""

import html
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from podhealth import egress
from podhealth.alerting.channels.base import TIMEOUT_S, Config, Outgoing, SendError, Sent

# The operator's own mail server often stands on the same host.
_OWN_HOST = ("127.0.0.0/8",)


@dataclass(frozen=True, slots=True)
class MailServer:
    """The operator's mail server; ``security`` is ``starttls``, ``tls`` or ``none``. Without a host no mail is sent."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    networks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


def mail_of(message: Outgoing, sender: str, to: list[str]) -> EmailMessage:
    """Return the mail. No text can become a header: line breaks are gone before the library would refuse them."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())
    mail["From"] = Address(display_name="PodHealth", addr_spec=sender)
    mail["To"] = [Address(addr_spec=one) for one in to]
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.public_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-PodHealth-Id"] = message.public_id
    foot = f"PodHealth, {message.tenant}: {message.url}"
    mail.set_content("\n".join([*message.lines, "", "-- ", foot, ""]))
    mail.add_alternative(_html(message), subtype="html")
    return mail


def _html(message: Outgoing) -> str:
    first, *rest = [html.escape(line) for line in message.lines] or [html.escape(message.subject)]
    items = "".join(f"<li>{line}</li>" for line in rest)
    url, tenant = html.escape(message.url, quote=True), html.escape(message.tenant)
    listed = f"<ul>{items}</ul>" if items else ""
    return (
        f"<!DOCTYPE html><html><body><p><b>{first}</b></p>{listed}"
        f'<p><a href="{url}">Open PodHealth</a> · {tenant}</p></body></html>\n'
    )


class _Smtp(smtplib.SMTP):
    """An SMTP client whose connection goes to an address that was checked."""

    def __init__(self, server: MailServer, context: ssl.SSLContext | None) -> None:
        self._server, self._context = server, context
        super().__init__(server.host, server.port, server.sender.rpartition("@")[2] or "podhealth", TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = egress.guarded_connect(host, port, (*egress.PUBLIC, *self._server.networks, *_OWN_HOST), timeout)
        connection.settimeout(timeout)
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_hostname=host)


class EmailChannel:
    """Mails to the addresses in ``to``."""

    def __init__(self, server: MailServer | None) -> None:
        self._server = server

    def send(self, config: Config, message: Outgoing) -> Sent:
        """Mail one message to all recipients. Raises SendError where none of them was accepted."""
        if self._server is None:
            raise SendError("the platform has no mail server (PODHEALTH_SMTP_HOST)", permanent=True)
        mail = mail_of(message, self._server.sender, list(config["to"]))
        try:
            return _sent(self._server, mail, list(config["to"]))
        except smtplib.SMTPAuthenticationError as error:
            # The operator's to mend: no tenant's message is to be lost by it.
            raise _refused(error.smtp_code, error.smtp_error, is_permanent=False) from None
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refused(code, said) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            # Where the connection broke after DATA nobody knows: it is sent again under the same Message-ID.
            raise SendError(f"the mail server does not answer: {error}"[:200]) from None


def _sent(server: MailServer, mail: EmailMessage, to: list[str]) -> Sent:
    with _signed_in(server) as client:
        refused = client.send_message(mail, server.sender, to)
    return Sent("250" if not refused else f"250, {len(refused)} of {len(to)} refused")


@contextmanager
def _signed_in(server: MailServer) -> Iterator[_Smtp]:
    context = None if server.security == "none" else ssl.create_default_context(cafile=server.ca_file)
    client = _Smtp(server, context if server.security == "tls" else None)
    assert client.sock is not None  # connected by its constructor
    with egress.ended_after(client.sock, TIMEOUT_S):
        try:
            if server.security == "starttls" and context is not None:
                client.starttls(context=context)  # raises where it is not offered: never in the open
            if server.user:
                client.login(server.user, server.password)
            yield client
        finally:
            _leave(client)


def try_out(server: MailServer) -> None:
    """Connect, begin TLS and sign in as for a mail, and send none. Raises SendError that says what is wrong."""
    try:
        with _signed_in(server):
            pass
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(f"the mail server does not answer: {error}"[:200]) from None


def _leave(client: smtplib.SMTP) -> None:
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()


def _refused(code: int, said: Any, is_permanent: bool | None = None) -> SendError:  # noqa: ANN401 - bytes or text, as smtplib has it
    is_permanent = code >= 500 if is_permanent is None else is_permanent
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return SendError(f"the mail server answered {code} {plain}"[:200], permanent=is_permanent, code=str(code))
