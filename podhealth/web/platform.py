"""What the platform allows channels, read from the settings of the app that serves the request."""

from podhealth import egress
from podhealth.core.channel_fields import Platform
from podhealth.web.installed import installed


def platform() -> Platform:
    """Return the networks that may be called, the services of Apprise, and whether there is a mail server."""
    settings = installed().settings
    return Platform((*egress.PUBLIC, *settings.pod_networks), settings.apprise_schemes, bool(settings.smtp_host))
