"""The kinds of channels: one file each, none of which knows another."""

from collections.abc import Sequence

from podhealth.alerting.channels.apprise import AppriseChannel
from podhealth.alerting.channels.base import Channel
from podhealth.alerting.channels.email import EmailChannel, MailServer
from podhealth.alerting.channels.slack import SlackChannel
from podhealth.alerting.channels.webhook import WebhookChannel
from podhealth.core.words import ChannelKind

Registry = dict[ChannelKind, Channel]


def registry(mail: MailServer | None, apprise_schemes: Sequence[str]) -> Registry:
    """Return all kinds of channels, with what the platform gives them."""
    return {
        ChannelKind.EMAIL: EmailChannel(mail),
        ChannelKind.SLACK: SlackChannel(),
        ChannelKind.WEBHOOK: WebhookChannel(),
        ChannelKind.APPRISE: AppriseChannel(apprise_schemes),
    }
