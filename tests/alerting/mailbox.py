"""A real SMTP server on a thread, with STARTTLS and sign-in where they are wanted, that keeps its mail and misbehaves.

``refuses``: the answer to DATA (``"451 later"``, ``"550 no"``), ``"shut"`` to close the connection after the mail was
taken without a word; ``refuses_to``: recipients that it does not know.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port

USER, PASSWORD = "podhealth", "of-the-tests"


class Mailbox:
    """What came in, and what is answered."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.was_tls: list[bool] = []
        self.refuses: str | None = None
        self.refuses_to: set[str] = set()
        self.port = 0
        self.ca_file = ""

    async def handle_RCPT(  # noqa: N802 - the library's word
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses_to:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuses not in (None, "shut"):
            return str(self.refuses)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.envelopes.append(envelope)
        self.was_tls.append(session.ssl is not None)
        if self.refuses == "shut":
            server.transport.abort()
        return "250 OK"


def _signs_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    is_ours = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_ours, handled=False)


@contextmanager
def a_mailbox(folder: Any, *, starttls: bool = True, signs_in: bool = True) -> Iterator[Mailbox]:
    """Run one while in the block."""
    box, authority = Mailbox(), trustme.CA()
    box.ca_file = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(box.ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if starttls else {}
    if signs_in:
        options |= {"authenticator": _signs_in, "auth_required": True, "auth_require_tls": starttls}
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
