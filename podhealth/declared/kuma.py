"""Uptime Kuma's monitors, notifications and maintenances as ours; what has no counterpart is said, with its reason."""

from collections.abc import Callable, Mapping
from typing import Any

from podhealth.declared.fields import Fields
from podhealth.declared.foreign import Foreign, plain_name, threshold, timeout_of
from podhealth.declared.kuma_file import Kuma, Row, as_mapping
from podhealth.declared.kuma_times import window_of
from podhealth.declared.targets import METHODS, headers_of, http_target
from podhealth.declared.tellers import Teller, add_channels

_EXPIRY_DAYS = 21  # how many Uptime Kuma takes where nobody has chosen
_NOT_CARRIED = "is not carried over: make it anew on its page"
_REDIRECTS = "redirects are not followed here: an answer 3xx is judged by its own code"


def from_kuma(kuma: Kuma) -> Foreign:
    """Return what Uptime Kuma has as objects of ours."""
    foreign = Foreign()
    groups = {row.get("id"): plain_name(row.get("name")) for row in kuma.monitors if row.get("type") == "group"}
    names = _names(kuma.monitors)
    for row, name in zip(kuma.monitors, names, strict=True):
        if row.get("type") != "group":
            _monitor(foreign, row, name, groups, kuma)
    by_id = {row.get("id"): name for row, name in zip(kuma.monitors, names, strict=True)}
    add_channels(foreign, [_teller(row, kuma, by_id) for row in kuma.notifications])
    for row in kuma.maintenances:
        window_of(foreign, row, by_id, kuma.zone)
    for what, count in sorted(kuma.others.items()):
        foreign.leave(f"{count} × {what}", _NOT_CARRIED)
    return foreign


def _names(monitors: list[Row]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for row in monitors:
        name = plain_name(row.get("name"))
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name[:56]} {seen[name]}")
    return names


def _monitor(foreign: Foreign, row: Row, name: str, groups: Mapping[Any, str], kuma: Kuma) -> None:
    what = f"monitor {name}"
    kind = str(row.get("type"))
    reader = _READERS.get(kind)
    if reader is None:
        foreign.leave(what, _WITHOUT.get(kind, f"there is no check of the kind {kind[:40]!r}"))
        return
    if row.get("upsideDown"):
        foreign.leave(what, "it is upside down: a check here is never glad of a failure")
        return
    found = reader(foreign, row, what, kuma)
    if found is None:
        return
    host, fields = found
    parent = groups.get(row.get("parent"))
    tags = [*([parent] if parent else []), *(_tag(one) for one in row.get("tags") or [])]
    foreign.check(name, host, {**fields, **_times(foreign, row, what)}, tags)


def _tag(tag: Mapping[str, Any]) -> str:
    value = tag.get("value")
    return plain_name(f"{tag.get('name')}:{value}" if value else tag.get("name"))


def _times(foreign: Foreign, row: Row, what: str) -> Fields:
    given = _number(row.get("interval"), 60)
    interval = int(min(max(given, 5), 86_400))
    if interval != given:
        foreign.change(what, f"its interval is {interval} s in place of {given:g} s")
    wanted = _number(row.get("timeout"), 0) or interval * 0.8
    fields: Fields = {
        "intervalSeconds": interval,
        "timeoutSeconds": timeout_of(foreign, what, wanted, interval),
        "failureThreshold": threshold(foreign, what, int(_number(row.get("maxretries"), 0)) + 1),
    }
    if row.get("active") in (0, False):
        fields["enabled"] = False
    return fields


def _number(value: Any, otherwise: float) -> float:
    return float(value) if type(value) in (int, float) else otherwise


_Found = tuple[str, Fields] | None


def _ping(_foreign: Foreign, row: Row, _what: str, _kuma: Kuma) -> _Found:
    count = row.get("ping_count")
    fields: Fields = {"checkType": "ping"}
    if type(count) is int and count > 1:
        fields["config"] = {"packets": min(count, 5)}
    return str(row.get("hostname") or ""), fields


def _port(_foreign: Foreign, row: Row, _what: str, _kuma: Kuma) -> _Found:
    return str(row.get("hostname") or ""), {"checkType": "tcp", "target": row.get("port")}


def _http(foreign: Foreign, row: Row, what: str, kuma: Kuma) -> _Found:
    target = http_target(str(row.get("url") or ""))
    why = target.why or _why_not_http(row)
    kept, host, refused = headers_of(as_mapping(row.get("headers")))
    if why or refused:
        foreign.leave(what, why or f"it sends the header {refused}; our checks hold no credentials and no framing")
        return None
    config: Fields = dict(target.fields["config"])
    method = str(row.get("method") or "GET").upper()
    config |= {"method": method} if method != "GET" else {}
    config |= ({"headers": kept} if kept else {}) | ({"host": host} if host else {})
    codes = row.get("accepted_statuscodes")
    if isinstance(codes, list) and codes:
        config["expectedCodes"] = ",".join(str(code) for code in codes)
    if row.get("ignoreTls"):
        config["verifyTls"] = False
    _body(foreign, row, what, config)
    if row.get("expiryNotification") and config.get("scheme") == "https":
        config["minCertificateDays"] = kuma.expiry_days or _EXPIRY_DAYS
        foreign.change(
            what, f"degraded from {config['minCertificateDays']} days before its certificate ends, told once"
        )
    if _number(row.get("maxredirects"), 0) > 0:
        foreign.change(what, _REDIRECTS)
    return target.host, {**target.fields, "config": config}


def _why_not_http(row: Row) -> str | None:
    if str(row.get("method") or "GET").upper() not in METHODS:
        return f"its method {str(row['method'])[:10]} is none of " + ", ".join(METHODS)
    if row.get("body"):
        return "it sends a body; our checks send none"
    if row.get("basic_auth_user") or row.get("authMethod") or row.get("basic_auth_pass"):
        return "it signs in; our checks hold no credentials, since every viewer reads them"
    if row.get("proxyId"):
        return "it goes through a proxy; our checks go to the pod itself"
    return None


def _body(foreign: Foreign, row: Row, what: str, config: Fields) -> None:
    kind = row.get("type")
    if kind == "keyword" and row.get("keyword"):
        if row.get("invertKeyword"):
            foreign.change(what, "that a keyword must not appear is left out; the code is still looked at")
        else:
            config["bodyContains"] = str(row["keyword"])
    if kind == "json-query":
        foreign.change(
            what, "its JSON query is left out (bodyJson compares the whole body); the code is still looked at"
        )


_READERS: dict[str, Callable[[Foreign, Row, str, Kuma], _Found]] = {
    "http": _http,
    "keyword": _http,
    "json-query": _http,
    "port": _port,
    "ping": _ping,
}
_WITHOUT = {
    "push": "it has no address: give the pod that pushes a check of kind agent and its own token",
    "docker": "a container comes by sync from its daemon, with its check running",
    "dns": "there is no check of the kind dns: a pod's own name is resolved at each probe anyway",
}


def _teller(row: Row, kuma: Kuma, names: Mapping[Any, str]) -> Teller:
    config = {**as_mapping(row.get("config"))}
    number = str(row.get("id"))
    on = [
        names[one.get("id")]
        for one in kuma.monitors
        if number in {str(key) for key, is_on in (one.get("notificationIDList") or {}).items() if is_on}
    ]
    kind = str(config.get("type") or "")
    return Teller(plain_name(row.get("name")), kind, _setting(kind, config), on, row.get("active") not in (0, False))


def _setting(kind: str, config: Mapping[str, Any]) -> str:
    """Return the one text that a channel of ours needs of a notification."""
    if kind == "telegram":
        return f"{config.get('telegramBotToken', '')}/{config.get('telegramChatID', '')}"
    if kind == "ntfy":
        return f"{str(config.get('ntfyserverurl') or '').rstrip('/')}/{config.get('ntfytopic') or ''}"
    if kind == "gotify":
        server = str(config.get("gotifyserverurl") or "").rstrip("/")
        return f"{server}/{config.get('gotifyapplicationToken') or ''}"
    named = {
        "slack": "slackwebhookURL",
        "discord": "discordWebhookUrl",
        "webhook": "webhookURL",
        "smtp": "smtpTo",
        "apprise": "appriseURL",
    }
    return str(config.get(named.get(kind, "")) or "")
