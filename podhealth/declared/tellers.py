"""What other products call notifications or alerting, as channels of ours; their secrets become references."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from podhealth.core.channel_fields import is_email
from podhealth.declared.fields import Fields
from podhealth.declared.foreign import Foreign

_TAG = "tell "


class Teller(NamedTuple):
    """One of them: its name and kind there, the one setting that ours needs, and which monitors it tells of."""

    name: str
    kind: str
    setting: str
    monitors: Sequence[str]
    is_on: bool = True


class _Made(NamedTuple):
    kind: str
    config: Fields
    secret: str | None = None


def add_channels(foreign: Foreign, tellers: Sequence[Teller]) -> None:
    """Take each as a channel, or say why it is none; who tells of some monitors only is told of their pods by a tag."""
    taken: set[str] = set()
    for teller in tellers:
        what = f"notification {teller.name}"
        reader = _READERS.get(teller.kind)
        if reader is None:
            foreign.leave(what, f"there is no channel for {teller.kind[:40] or 'it'}")
            continue
        try:
            made = reader(teller.setting)
        except ValueError as error:
            foreign.leave(what, str(error))
            continue
        if teller.name in taken:
            foreign.leave(what, "another of this name was taken before it")
            continue
        taken.add(teller.name)
        _take(foreign, teller, made, what)


def _take(foreign: Foreign, teller: Teller, made: _Made, what: str) -> None:
    config = dict(made.config)
    if made.secret is not None:
        config["url"] = foreign.secret(f"channel {teller.name} url", made.secret)
        foreign.change(what, f"its address is a secret: {config['url']} stands for it")
    if made.kind == "webhook":
        foreign.change(what, "the bodies that it gets are PodHealth's, and signed (docs/alerts.md)")
    if made.kind == "email":
        foreign.change(what, "it goes over the platform's own mail server (PODHEALTH_SMTP_HOST)")
    channel: Fields = {"name": teller.name, "kind": made.kind, "config": config}
    routes = _routes(foreign, teller, what)
    channel |= ({} if teller.is_on else {"enabled": False}) | ({"routes": routes} if routes else {})
    foreign.channels.append(channel)


def _routes(foreign: Foreign, teller: Teller, what: str) -> list[Fields]:
    taken = [one for one in teller.monitors if foreign.pod_of(one) is not None]
    if not taken:
        foreign.change(what, "it has no route: it tells of no monitor that was taken")
        return []
    if foreign.is_whole(taken):
        return [{"severity": "warning"}]
    tag = f"{_TAG}{teller.name}"[:63].strip()
    foreign.tag(taken, tag)
    foreign.change(what, f"it tells of the pods with the tag {tag!r}, which those of its monitors have got")
    return [{"severity": "warning", "tags": [tag]}]


def _hook(setting: str) -> str:
    if not setting.startswith(("http://", "https://")):
        raise ValueError("its address is none of http:// or https://")
    return setting


def _slack(setting: str) -> _Made:
    return _Made("slack", {}, _hook(setting))


def _webhook(setting: str) -> _Made:
    return _Made("webhook", {"url": _hook(setting)})


def _email(setting: str) -> _Made:
    to = [one.strip() for one in setting.replace(";", ",").split(",") if one.strip()]
    if not to or not all(map(is_email, to)):
        raise ValueError("its receivers are no plain email addresses")
    return _Made("email", {"to": to})


def _discord(setting: str) -> _Made:
    parts = urlsplit(_hook(setting)).path.strip("/").split("/")
    if parts[:2] != ["api", "webhooks"] or len(parts) != 4:  # the id and the token
        raise ValueError("its address is none of Discord's web hooks")
    return _Made("apprise", {}, f"discord://{parts[2]}/{parts[3]}")


def _telegram(setting: str) -> _Made:
    token, _, chat = setting.partition("/")
    if not token or not chat:
        raise ValueError("it has no token or no chat")
    return _Made("apprise", {}, f"tgram://{token}/{chat}")


def _by_server(scheme: str) -> Callable[[str], _Made]:
    def read(setting: str) -> _Made:
        parts = urlsplit(_hook(setting))
        if not parts.hostname or not parts.path.strip("/"):
            raise ValueError("it has no server, topic or token")
        secure = "s" if parts.scheme == "https" else ""
        return _Made("apprise", {}, f"{scheme}{secure}://{parts.netloc}/{parts.path.strip('/')}")

    return read


def _apprise(setting: str) -> _Made:
    if "://" not in setting:
        raise ValueError("it has no address")
    return _Made("apprise", {}, setting)


_READERS: dict[str, Callable[[str], _Made]] = {
    "slack": _slack,
    "webhook": _webhook,
    "smtp": _email,
    "email": _email,
    "discord": _discord,
    "telegram": _telegram,
    "ntfy": _by_server("ntfy"),
    "gotify": _by_server("gotify"),
    "apprise": _apprise,
}
