"""Slack, web hooks and Apprise as their receivers see them, and what no text, URL or receiver can make them do."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from podhealth import egress
from podhealth.alerting.channels.apprise import AppriseChannel
from podhealth.alerting.channels.base import Outgoing, SendError, Sent, judge, retry_after
from podhealth.alerting.channels.slack import SlackChannel
from podhealth.alerting.channels.slack import body_of as slack_body
from podhealth.alerting.channels.webhook import WebhookChannel, body_of, signature
from podhealth.core.channel_fields import APPRISE_SCHEMES
from podhealth.core.words import MessageKind, Severity
from tests.alerting.receiver import Receiver
from tests.support.corpora import corpus

AT = datetime(2026, 11, 24, 10, 2, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Outgoing(
    "msg_abc",
    MessageKind.FIRST,
    Severity.CRITICAL,
    "web-1 is unhealthy since 10:01 UTC",
    ("web-1 is unhealthy since 10:01 UTC.", "<!channel> <@U1> <http://evil.example|Open> @everyone & *bold*"),
    "https://podhealth.example/incidents/5",
    AT,
    "acme <!here>",
    {"incidents": [{"id": 5}], "notices": [1]},
)
REFUSED = corpus("S")


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("Tue, 24 Nov 2026 10:07:00 GMT", timedelta(minutes=5)),
        ("Tue, 24 Nov 2026 09:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("9" * 400, timedelta(days=1)),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text, wait) -> None:
    assert retry_after(text, AT) == wait


def test_retry_after_counts_only_with_429_and_503() -> None:
    with pytest.raises(SendError) as caught:
        judge("it", 500, {"Retry-After": "600"}, AT)

    assert caught.value.retry_after is None


@pytest.mark.attack("A79")
def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The specification's own example.
    body = b'{"test": 2432232314}'

    assert signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_secret_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        signature("plain", "msg_1", "1", b"")


def test_the_same_message_is_the_same_bytes() -> None:
    assert body_of(MESSAGE) == body_of(MESSAGE)


@pytest.mark.attack("A56")
def test_nothing_in_a_text_links_mentions_or_calls_anybody_in_slack() -> None:
    body = json.loads(slack_body(MESSAGE))
    mrkdwn = [element["text"] for element in body["blocks"][2]["elements"] if element["type"] == "mrkdwn"]
    plain = [block["text"]["type"] for block in body["blocks"][:2]]

    assert plain == ["plain_text", "plain_text"]
    assert mrkdwn == ["<https://podhealth.example/incidents/5|Open PodHealth> · acme &lt;!here&gt;"]
    assert "<" not in body["text"]


def test_a_long_message_fits_into_slacks_bounds() -> None:
    body = json.loads(slack_body(MESSAGE._replace(subject="x" * 400, lines=("y" * 400,) * 40)))

    assert len(body["blocks"][0]["text"]["text"]) <= 150
    assert len(body["blocks"][1]["text"]["text"]) <= 3000


def test_what_does_not_fit_into_slack_is_left_out_by_whole_lines_and_counted() -> None:
    lines = tuple(f"restart web-{n}? Answer: https://podhealth.example/approve/{'t' * 200}-end" for n in range(20))
    url = "https://podhealth.example/approvals"
    body = json.loads(slack_body(MESSAGE._replace(lines=(*lines, f"and 1,005 more: {url}"), url=url)))
    told = body["blocks"][1]["text"]["text"].split("\n")

    assert len("\n".join(told)) <= 3000
    assert all(line.endswith("-end") for line in told[:-1])
    assert told[-1] == f"and {1005 + 20 - len(told[:-1]):,} more: {url}"


def test_slack_is_told(receiver: Receiver) -> None:
    assert SlackChannel().send({"url": receiver.url}, MESSAGE) == Sent("200")
    assert receiver.got[0].json["text"].endswith("web-1 is unhealthy since 10:01 UTC")


def test_the_url_of_slack_is_in_no_error() -> None:
    url = "http://127.0.0.1:9/services/T000/B000/secret-part"
    with pytest.raises(SendError) as caught:
        SlackChannel().send({"url": url}, MESSAGE)

    assert "secret-part" not in str(caught.value)


@pytest.mark.parametrize("host", REFUSED, ids=ascii)
@pytest.mark.parametrize("kind", [SlackChannel(), WebhookChannel()], ids=["slack", "webhook"])
@pytest.mark.attack("A41")
def test_no_spelling_of_a_forbidden_address_is_called(kind, host: str) -> None:
    egress.open_networks([])
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    with pytest.raises(SendError):
        kind.send({"url": f"http://{shown}/", "secret": SECRET}, MESSAGE)


def told_by_apprise(receiver: Receiver, scheme: str = "json", rest: str = "/x") -> Sent:
    return AppriseChannel([scheme]).send({"url": f"{scheme}://127.0.0.1:{receiver.port}{rest}"}, MESSAGE)


def test_apprise_tells_by_a_service_that_is_allowed(receiver: Receiver) -> None:
    sent = told_by_apprise(receiver)
    (got,) = receiver.got

    assert sent == Sent("200")
    assert got.json["title"] == MESSAGE.subject
    assert "msg_abc" in got.json["message"]


@pytest.mark.parametrize("scheme", ["json", "form", "xml", "gotify", "ntfy", "rocket", "mmost"])
def test_no_service_of_apprise_reaches_an_address_that_is_not_allowed(receiver: Receiver, scheme: str) -> None:
    egress.open_networks([])
    rest = "/token-of-32-characters-aaaaaaaaaa/topic"
    with pytest.raises(SendError):
        told_by_apprise(receiver, scheme, rest)

    assert receiver.got == []


@pytest.mark.parametrize("reply", [(307, {"Location": "/elsewhere"}), (302, {"Location": "http://127.0.0.1:9/"})])
@pytest.mark.attack("A43")
def test_apprise_follows_no_redirect(receiver: Receiver, reply) -> None:
    receiver.says(reply)
    with pytest.raises(SendError) as caught:
        told_by_apprise(receiver)

    assert len(receiver.got) == 1
    assert caught.value.permanent


@pytest.mark.parametrize(("reply", "is_permanent"), [(500, False), (403, True), ((429, {"Retry-After": "90"}), False)])
def test_what_the_service_answers_decides_whether_it_is_tried_again(receiver: Receiver, reply, is_permanent) -> None:
    receiver.says(reply)
    with pytest.raises(SendError) as caught:
        told_by_apprise(receiver)

    assert caught.value.permanent is is_permanent


@pytest.mark.parametrize("url", ["mailto://a:b@example.com", "syslog://", "mqtt://127.0.0.1", "dbus://", "nonsense"])
def test_services_that_cannot_be_guarded_are_refused_whatever_is_allowed(url: str) -> None:
    with pytest.raises(SendError, match="does not allow"):
        AppriseChannel(["mailto", "syslog", "mqtt", "dbus", "nonsense"]).send({"url": url}, MESSAGE)


@pytest.mark.parametrize("name", ["template", "+template", "verify", "attach", "cto", "rto", "redirect", "store"])
def test_a_url_of_apprise_asks_for_nothing_that_reads_files_or_trusts_strangers(receiver: Receiver, name: str) -> None:
    with pytest.raises(SendError, match="more than is allowed"):
        told_by_apprise(receiver, rest=f"/x?{name}=/etc/passwd")

    assert receiver.got == []


@pytest.mark.parametrize(
    "rest",
    [
        "/x?format=text;template=/etc/passwd",
        "/x#?template=/etc/passwd",
        "/x?format=text#&template=/etc/passwd",
        "/x?format=text&%74emplate=/etc/passwd",
        "/x?format=text;%20+template=/etc/passwd",
    ],
)
def test_a_url_of_apprise_is_read_as_apprise_reads_it(receiver: Receiver, rest: str) -> None:
    with pytest.raises(SendError, match="more than is allowed"):
        told_by_apprise(receiver, rest=rest)

    assert receiver.got == []


@pytest.mark.parametrize("url", ["ntfy://tk_dont-show@127.0.0.1:{port}/dont-show", "tgram://dont-show"])
def test_what_apprise_logs_of_a_channel_is_not_kept(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.says(403)
    with pytest.raises(SendError):
        AppriseChannel(["ntfy", "tgram"]).send({"url": url.format(port=receiver.port)}, MESSAGE)

    assert [record for record in caplog.records if record.name == "apprise"] == []


def test_each_service_that_may_be_allowed_calls_by_requests_alone() -> None:
    import inspect
    import re
    import sys

    from apprise import plugins

    ways_out = re.compile(
        r"^\s*(?:import|from) (socket|smtplib|http|urllib3|urllib\.request|asyncio|paho|slixmpp)", re.M
    )
    found = []
    for scheme in sorted(APPRISE_SCHEMES):
        module = sys.modules[plugins.N_MGR[scheme].__module__]
        source = inspect.getsource(module)
        if getattr(module, "requests", None) is None or ways_out.search(source) or "Session(" in source:
            found.append(scheme)

    assert found == []
