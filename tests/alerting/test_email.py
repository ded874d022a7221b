"""Email by a real mail server: TLS that is had or nothing is sent, one Message-ID, no text that becomes a header."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podhealth.alerting.channels.base import Outgoing, SendError, Sent
from podhealth.alerting.channels.email import EmailChannel, MailServer, mail_of
from podhealth.core.words import MessageKind, Severity
from tests.alerting.mailbox import PASSWORD, USER, Mailbox, a_mailbox
from tests.support.listeners import Listener, closed_port, greet, stay_silent

AT = datetime(2026, 11, 24, 10, 2, tzinfo=UTC)
MESSAGE = Outgoing(
    "msg_abc",
    MessageKind.FIRST,
    Severity.CRITICAL,
    "web-1 is unhealthy since 10:01 UTC",
    ("web-1 is unhealthy since 10:01 UTC.", "10:01 UTC: http failed 3 times: <b>refused</b>"),
    "https://podhealth.example/incidents/5",
    AT,
    "acme",
    {},
)
TO = {"to": ["ann@example.com", "bob@example.com"]}


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with a_mailbox(tmp_path) as box:
        yield box


def server_of(box: Mailbox, **more: object) -> MailServer:
    given = {"host": "127.0.0.1", "port": box.port, "security": "starttls", "sender": "podhealth@example.com"}
    given |= {"user": USER, "password": PASSWORD, "ca_file": box.ca_file}
    return MailServer(**(given | more))  # type: ignore[arg-type]


def refused(server: MailServer, message: Outgoing = MESSAGE) -> SendError:
    with pytest.raises(SendError) as caught:
        EmailChannel(server).send(TO, message)
    return caught.value


def test_a_mail_reaches_all_recipients_by_tls(mailbox: Mailbox) -> None:
    sent = EmailChannel(server_of(mailbox)).send(TO, MESSAGE)
    (mail,) = mailbox.mails

    assert sent == Sent("250")
    assert mailbox.was_tls == [True]
    assert mailbox.envelopes[0].rcpt_tos == TO["to"]
    assert mail["Subject"] == MESSAGE.subject
    assert mail["To"] == "ann@example.com, bob@example.com"
    assert mail["From"] == "PodHealth <podhealth@example.com>"
    assert mail["Message-ID"] == "<msg_abc@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.attack("A51", "A56")
def test_it_is_plain_text_and_html_that_shows_markup_as_text(mailbox: Mailbox) -> None:
    EmailChannel(server_of(mailbox)).send(TO, MESSAGE)
    mail = mailbox.mails[0]
    plain, markup = (
        mail.get_body([kind]).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]
        for kind in ("plain", "html")
    )

    assert plain.startswith("web-1 is unhealthy since 10:01 UTC.\n10:01 UTC: http failed 3 times: <b>refused</b>\n")
    assert "https://podhealth.example/incidents/5" in plain
    assert "&lt;b&gt;refused&lt;/b&gt;" in markup
    assert "<b>refused" not in markup


@pytest.mark.parametrize("text", ["a\r\nBcc: eve@example.com", "a\nX-Evil: 1", "a\r\n\r\nbody", "a\x00b", "ä\u2028b"])
@pytest.mark.attack("A55")
def test_no_text_becomes_a_header(text: str, mailbox: Mailbox) -> None:
    EmailChannel(server_of(mailbox)).send(TO, MESSAGE._replace(subject=text, tenant=text))
    (mail,) = mailbox.mails

    assert {name.lower() for name in mail.keys()} <= {  # noqa: SIM118 - a mail's own
        *("subject", "from", "to", "date", "message-id", "auto-submitted", "x-podhealth-id", "mime-version"),
        *("content-type", "x-peer", "x-mailfrom", "x-rcptto"),
    }
    assert mailbox.envelopes[0].rcpt_tos == TO["to"]


def test_the_same_message_is_the_same_mail() -> None:
    first, second = (mail_of(MESSAGE, "podhealth@example.com", TO["to"]) for _ in range(2))

    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


@pytest.mark.fault("F77")
def test_without_starttls_on_offer_nothing_is_sent(tmp_path: Path) -> None:
    with a_mailbox(tmp_path, starttls=False, signs_in=False) as box:
        error = refused(server_of(box, user="", password=""))

    assert box.mails == []
    assert "STARTTLS" in str(error)
    assert not error.permanent


def test_a_certificate_of_a_stranger_is_not_believed(mailbox: Mailbox) -> None:
    error = refused(server_of(mailbox, ca_file=None))

    assert mailbox.mails == []
    assert "certificate" in str(error)


def test_security_none_sends_in_the_open_where_the_operator_says_so(tmp_path: Path) -> None:
    with a_mailbox(tmp_path, starttls=False, signs_in=False) as box:
        EmailChannel(server_of(box, security="none", user="", password="")).send(TO, MESSAGE)

    assert box.was_tls == [False]


@pytest.mark.parametrize(
    ("says", "is_permanent", "code"),
    [("451 try later", False, "451"), ("550 not wanted", True, "550"), ("554 spam", True, "554")],
)
@pytest.mark.fault("F77")
def test_4xx_is_tried_again_and_5xx_is_not(mailbox: Mailbox, says: str, is_permanent: bool, code: str) -> None:
    mailbox.refuses = says
    error = refused(server_of(mailbox))

    assert (error.permanent, error.code) == (is_permanent, code)


def test_a_wrong_password_is_the_operators_to_mend_and_told_without_it(mailbox: Mailbox) -> None:
    error = refused(server_of(mailbox, password="not-this-one"))

    assert not error.permanent
    assert "535" in str(error)
    assert "not-this-one" not in str(error)


def test_one_unknown_recipient_of_two_is_told_and_the_other_has_the_mail(mailbox: Mailbox) -> None:
    mailbox.refuses_to = {"bob@example.com"}
    sent = EmailChannel(server_of(mailbox)).send(TO, MESSAGE)

    assert sent == Sent("250, 1 of 2 refused")
    assert len(mailbox.mails) == 1


def test_no_known_recipient_is_for_good(mailbox: Mailbox) -> None:
    mailbox.refuses_to = set(TO["to"])
    error = refused(server_of(mailbox))

    assert (error.permanent, error.code) == (True, "550")


@pytest.mark.fault("F77")
def test_closed_after_data_nobody_knows_and_it_is_sent_again_under_the_same_id(mailbox: Mailbox) -> None:
    mailbox.refuses = "shut"
    error = refused(server_of(mailbox))
    mailbox.refuses = None
    EmailChannel(server_of(mailbox)).send(TO, MESSAGE)

    assert not error.permanent
    assert [mail["Message-ID"] for mail in mailbox.mails] == ["<msg_abc@example.com>"] * 2


def test_nobody_there_is_tried_again() -> None:
    error = refused(MailServer("127.0.0.1", closed_port(), "none", "podhealth@example.com"))

    assert not error.permanent


@pytest.mark.slow
@pytest.mark.parametrize("behave", [stay_silent, greet(b"220 hello\r\n")], ids=["no greeting", "silent after it"])
@pytest.mark.fault("F77")
def test_a_server_that_hangs_is_left_after_10_s(behave) -> None:
    with Listener(behave) as far:
        error = refused(MailServer("127.0.0.1", far.port, "none", "podhealth@example.com"))

    assert not error.permanent


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "::ffff:169.254.169.254", "2852039166", "224.0.0.1"])
def test_addresses_that_nobody_may_call_are_not_called(host: str) -> None:
    error = refused(MailServer(host, 25, "none", "podhealth@example.com"))

    assert "does not answer" in str(error)


def test_without_a_mail_server_it_says_what_is_missing() -> None:
    with pytest.raises(SendError, match="PODHEALTH_SMTP_HOST") as caught:
        EmailChannel(None).send(TO, MESSAGE)

    assert caught.value.permanent


def test_its_repr_holds_no_password() -> None:
    server = MailServer("mail.example", 25, "tls", "a@b.example", "u", "secret-password")

    assert "secret-password" not in repr(server)
