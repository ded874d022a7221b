"""What a channel may be: its name, its kind, and the settings that each kind needs (behaviour §7).

Where something is sent to is judged here by its text only, and again at each connection.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from podhealth.core.errors import InputError
from podhealth.core.fields import flag, line, only_known, text, word
from podhealth.core.messages import RouteRule
from podhealth.core.pod_rules import MAX_TAG, MAX_TAGS
from podhealth.core.provider_rules import hook_url
from podhealth.core.words import ChannelKind, Severity

MOST_RECIPIENTS = 20
MOST_ROUTES = 20
MAX_NAME = 63
MAX_URL = 1_000
_MAX_EMAIL = 254

# Services of Apprise whose every call can be guarded (alerting/channels/apprise.py).
APPRISE_SCHEMES = frozenset(
    (
        *(
            "discord",
            "form",
            "forms",
            "gchat",
            "gotify",
            "gotifys",
            "json",
            "jsons",
            "mmost",
            "mmosts",
            "ntfy",
            "ntfys",
        ),
        *("opsgenie", "pagerduty", "pbul", "pover", "rocket", "rockets", "signal", "signals", "signl4", "tgram"),
        *("webex", "workflows", "wxteams", "xml", "xmls", "zulip"),
    )
)
# Further ones of Apprise can read files, write them, or switch the verification of certificates off.
HARMLESS_PARAMETERS = frozenset(
    (
        *("avatar", "channel", "chat", "device", "footer", "format", "icon", "image", "mode", "overflow", "priority"),
        *("region", "silent", "sound", "tags", "thread", "to", "token", "topic"),
    )
)
# Stored sealed and never shown.
CHANNEL_SECRETS = {
    ChannelKind.EMAIL: frozenset[str](),
    ChannelKind.SLACK: frozenset({"url"}),
    ChannelKind.WEBHOOK: frozenset({"secret"}),
    ChannelKind.APPRISE: frozenset({"url"}),
}

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# No dot at either end of the name: servers take it, but the mail's own header could not be written.
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_PLAIN = re.compile(r"[\x21-\x7e]+")
_FIELDS = frozenset({"name", "kind", "enabled", "config", "routes"})


class Platform(NamedTuple):
    """What the platform allows: networks that may be called, services of Apprise, and whether it has a mail server."""

    networks: Sequence[str] = ()
    apprise_schemes: Sequence[str] = ()
    has_mail: bool = False


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """A channel as it is asked for. ``config`` has its secrets as they were typed, or as they are stored."""

    name: str
    kind: ChannelKind
    config: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    routes: tuple[RouteRule, ...] = ()


def parse_channel(
    fields: Mapping[str, object], platform: Platform, existing: ChannelRules | None = None
) -> ChannelRules:
    """Return the channel that the fields ask for, read as a change of ``existing``.

    Absent fields stay as they are, secrets too; the kind of a channel never changes. Raises InputError naming the
    first bad field, as ``name``, ``config.url`` or ``routes[1].tags``.
    """
    only_known(fields, _FIELDS, "a channel")
    kind = _kind(fields, existing)
    if existing is None and "name" not in fields:
        raise InputError("name", "is missing", code="missing")
    name = line("name", fields["name"], MAX_NAME) if "name" in fields else _was(existing).name
    enabled = flag("enabled", fields["enabled"]) if "enabled" in fields else existing is None or existing.enabled
    routes = parse_routes(fields["routes"]) if "routes" in fields else existing.routes if existing else ()
    before = existing.config if existing else {}
    config = before if existing and "config" not in fields else _config(kind, fields.get("config"), platform, before)
    return ChannelRules(name, kind, config, enabled, routes)


def _was(existing: ChannelRules | None) -> ChannelRules:
    assert existing is not None  # a new channel without a name was refused above
    return existing


def _kind(fields: Mapping[str, object], existing: ChannelRules | None) -> ChannelKind:
    if existing is None:
        if "kind" not in fields:
            raise InputError("kind", "is missing", code="missing")
        return word("kind", fields["kind"], ChannelKind)
    if "kind" in fields and word("kind", fields["kind"], ChannelKind) != existing.kind:
        raise InputError("kind", "cannot be changed: make another channel")
    return existing.kind


def _config(kind: ChannelKind, value: object, platform: Platform, before: Mapping[str, Any]) -> Mapping[str, Any]:
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise InputError("config", "must be an object")
    known = {ChannelKind.EMAIL: "to"}.get(kind, "url")
    only_known(value, frozenset({known}), f"a channel of kind {kind.value}")
    given = value.get(known)
    if given is None and known not in before:
        raise InputError(f"config.{known}", "is missing", code="missing")
    if given is None:
        return before
    return {**before, known: _READERS[kind](f"config.{known}", given, platform)}


def is_email(text: str) -> bool:
    """Return whether a text is a plain email address: no name beside it, no quotes, nothing but ASCII."""
    return len(text) <= _MAX_EMAIL and _EMAIL.fullmatch(text) is not None and ".." not in text


def _recipients(name: str, value: object, platform: Platform) -> list[str]:
    if not platform.has_mail:
        raise InputError("kind", "needs a mail server of the platform, and it has none (PODHEALTH_SMTP_HOST)")
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_RECIPIENTS:
        raise InputError(name, f"must be 1 to {MOST_RECIPIENTS} addresses")
    for one in value:
        if not isinstance(one, str) or not is_email(one):
            raise InputError(name, f"holds {ascii(one)[:60]}, which is no plain email address")
    return list(dict.fromkeys(value))


def _slack_url(name: str, value: object, platform: Platform) -> str:
    return hook_url(name, value, platform.networks)


def _apprise_url(name: str, value: object, platform: Platform) -> str:
    allowed = APPRISE_SCHEMES & frozenset(platform.apprise_schemes)
    if not allowed:
        raise InputError("kind", "is off on this platform (PODHEALTH_APPRISE_SCHEMES)")
    url = text(name, value, MAX_URL)
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        raise InputError(name, "is no URL") from None
    if not _PLAIN.fullmatch(url) or scheme not in allowed:
        raise InputError(name, "must begin with one of " + ", ".join(f"{one}://" for one in sorted(allowed)))
    if more := harmful_parameters(url):
        raise InputError(name, f"must not set {more[0][:40]}")
    return url


def harmful_parameters(url: str) -> list[str]:
    """Return the parameters of a URL of Apprise that are not known to be harmless.

    Read as Apprise reads them, not as browsers do: a semicolon parts them as well, and no ``#`` ends them.
    """
    pairs = url.partition("?")[2].replace(";", "&").split("&")
    asked = {unquote(pair.partition("=")[0]).strip().lower().lstrip("+-:") for pair in pairs if pair}
    return sorted(asked - HARMLESS_PARAMETERS)


_READERS = {
    ChannelKind.EMAIL: _recipients,
    ChannelKind.SLACK: _slack_url,
    ChannelKind.WEBHOOK: _slack_url,
    ChannelKind.APPRISE: _apprise_url,
}


def parse_routes(value: object) -> tuple[RouteRule, ...]:
    """Return the routes that a list of ``{"severity", "tags"}`` asks for. Raises InputError naming a bad one."""
    if not isinstance(value, list) or len(value) > MOST_ROUTES:
        raise InputError("routes", f"must be a list of at most {MOST_ROUTES}")
    return tuple(_route(f"routes[{at}]", one) for at, one in enumerate(value))


def _route(name: str, value: object) -> RouteRule:
    if not isinstance(value, Mapping):
        raise InputError(name, "must be an object with severity and tags")
    only_known(value, frozenset({"severity", "tags"}), "a route")
    severity = word(f"{name}.severity", value.get("severity", Severity.WARNING.value), Severity)
    tags = value.get("tags", [])
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        raise InputError(f"{name}.tags", f"must be a list of at most {MAX_TAGS} tags")
    return RouteRule(severity, frozenset(line(f"{name}.tags", tag, MAX_TAG) for tag in tags))
