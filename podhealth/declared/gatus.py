"""Gatus' endpoints, alerting and maintenance as ours; what has no counterpart is said, each with its reason."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from podhealth.core.errors import InputError
from podhealth.core.window_rules import is_zone, parse_window
from podhealth.declared.fields import Fields, without_doubles
from podhealth.declared.foreign import Foreign, plain_name, threshold, timeout_of
from podhealth.declared.gatus_conditions import Conditions, seconds_of
from podhealth.declared.targets import METHODS, headers_of, http_target
from podhealth.declared.tellers import Teller, add_channels

_TIMEOUT_S = 10.0  # Gatus' own default
_FAILS, _SUCCESSES = 3, 2
_DAYS = {"Monday": "MO", "Tuesday": "TU", "Wednesday": "WE", "Thursday": "TH"}
_DAYS |= {"Friday": "FR", "Saturday": "SA", "Sunday": "SU"}
_FILLED_IN = re.compile(r"(?<!\$)\$(\{[^}]*\}|[A-Za-z_])")
_NOT_CARRIED = {
    "suites": "several requests in a row, with values handed on, are no check of ours",
    "remote": "other Gatus instances are not asked",
    "security": "people sign in by PodHealth's own accounts",
    "connectivity": "reference targets of a vantage say whether the prober's own network works (podhealth vantage)",
    "tunneling": "our checks go to the pod itself, from a vantage that reaches it",
    "announcements": "visitors are told by the incidents of a status page",
    "concurrency": "workers have a number of their own",
}
_ONLY_OURS = ("storage", "web", "ui", "metrics", "debug", "skip-invalid-config-update", "disable-monitoring-lock")
_SETTING = {"slack": "webhook-url", "discord": "webhook-url", "email": "to"}
_CREDENTIALS = ("oauth2", "identity-aware-proxy", "tls")
_BEYOND = ("proxy-url", "tunnel")


def from_gatus(config: Any) -> Foreign:
    """Return what a Gatus file holds as objects of ours. Raises InputError(FILE) where it is none."""
    rows = config.get("endpoints", config.get("services")) if isinstance(config, dict) else None
    if not isinstance(rows, list):
        raise InputError("FILE", "is no configuration of Gatus: it has no list of endpoints")
    foreign = Foreign()
    alerting = _mapping(config, "alerting")
    tellers: dict[str, list[str]] = {}
    named = _named([row for row in rows if isinstance(row, dict)])
    for name, row in named:
        _endpoint(foreign, name, row, alerting, tellers)
    _alerting(foreign, alerting, tellers)
    _maintenance(foreign, "maintenance", config.get("maintenance"), None)
    for name, row in named:
        for one in row.get("maintenance-windows") or []:
            _maintenance(foreign, f"maintenance of {name}", one, name)
    _leave_others(foreign, config)
    return foreign


def _leave_others(foreign: Foreign, config: Mapping[str, Any]) -> None:
    for row in config.get("external-endpoints") or []:
        name = row.get("name") if isinstance(row, dict) else row
        foreign.leave(
            f"external endpoint {plain_name(name)}",
            "it has no address: give the pod that pushes a check of kind agent and its own token",
        )
    for name in config:
        if name in _NOT_CARRIED:
            foreign.leave(name, _NOT_CARRIED[name])
        elif name in _ONLY_OURS:
            foreign.leave(name, "it is about Gatus itself")


def _named(rows: list[Fields]) -> list[tuple[str, Fields]]:
    """Return the endpoints by names of their own: there, one name may be in several groups."""
    doubled = without_doubles(plain_name(row.get("name")) for row in rows)
    taken: set[str] = set()
    found = []
    for row in rows:
        name = plain_name(row.get("name"))
        name = plain_name(f"{row.get('group') or ''} {name}") if name in doubled else name
        while name in taken:
            name = plain_name(f"{name[:58]} again")
        taken.add(name)
        found.append((name, row))
    return found


def _mapping(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def _endpoint(
    foreign: Foreign, name: str, row: Fields, alerting: Mapping[str, Any], tellers: dict[str, list[str]]
) -> None:
    what = f"monitor {name}"
    alerts = [one for one in row.get("alerts") or [] if isinstance(one, dict) and one.get("enabled") is not False]
    for one in alerts:
        tellers.setdefault(str(one.get("type")), []).append(name)
    found = _target(foreign, row, what)
    if found is None:
        return
    host, fields = found
    fields |= _times(foreign, row, what) | _thresholds(foreign, alerts, alerting, what)
    if row.get("enabled") is False:
        fields["enabled"] = False
    conditions = Conditions(foreign, what, str(fields["checkType"]))
    for one in row.get("conditions") or []:
        conditions.take(str(one))
    tags = [plain_name(row["group"])] if row.get("group") else []
    tags += [f"{key}={value}" for key, value in _mapping(row, "extra-labels").items()]
    foreign.check(name, host, conditions.applied_to(fields), tags)


def _target(foreign: Foreign, row: Fields, what: str) -> tuple[str, Fields] | None:
    url = str(row.get("url") or "")
    why = _why_not(row, url)
    if why is not None:
        foreign.leave(what, why)
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        foreign.leave(what, "its URL cannot be read")
        return None
    if parts.scheme == "icmp":
        return host, {"checkType": "ping"}
    if parts.scheme == "tcp":
        return host, {"checkType": "tcp", "target": port}
    return _http(foreign, row, url, what)


def _why_not(row: Fields, url: str) -> str | None:
    scheme = url.partition("://")[0] if "://" in url else ""
    client = _mapping(row, "client")
    if _FILLED_IN.search(url) or any(_FILLED_IN.search(str(v)) for v in _mapping(row, "headers").values()):
        return "it holds a variable that Gatus fills in from its environment: put its value in first"
    if row.get("dns") or row.get("ssh") or scheme not in ("http", "https", "tcp", "icmp"):
        kind = "dns" if row.get("dns") else "ssh" if row.get("ssh") else scheme[:20]
        return f"there is no check of the kind {kind or 'it has'}"
    if row.get("graphql") or row.get("body"):
        return "it sends a body; our checks send none"
    if any(client.get(one) for one in _CREDENTIALS):
        return "it signs in; our checks hold no credentials, since every viewer reads them"
    if any(client.get(one) for one in _BEYOND):
        return "it goes through a proxy or tunnel; our checks go to the pod itself"
    return None


def _http(foreign: Foreign, row: Fields, url: str, what: str) -> tuple[str, Fields] | None:
    target = http_target(url)
    kept, host, refused = headers_of(_mapping(row, "headers"))
    method = str(row.get("method") or "GET").upper()
    why = target.why
    if refused is not None:
        why = f"it sends the header {refused}; our checks hold no credentials and no framing"
    elif method not in METHODS:
        why = f"its method {method[:10]} is none of " + ", ".join(METHODS)
    if why is not None:
        foreign.leave(what, why)
        return None
    client = _mapping(row, "client")
    config: Fields = {**target.fields["config"], **({"method": method} if method != "GET" else {})}
    config |= ({"headers": kept} if kept else {}) | ({"host": host} if host else {})
    config |= {"verifyTls": False} if client.get("insecure") is True else {}
    if client.get("ignore-redirect") is not True:
        foreign.change(what, "redirects are not followed here: an answer 3xx is judged by its own code")
    return target.host, {**target.fields, "config": config}


def _times(foreign: Foreign, row: Fields, what: str) -> Fields:
    client = _mapping(row, "client")
    given = seconds_of(row.get("interval")) or 60
    interval = int(min(max(given, 5), 86_400))
    if interval != given:
        foreign.change(what, f"its interval is {interval} s in place of {given:g} s")
    timeout = timeout_of(foreign, what, seconds_of(client.get("timeout")) or _TIMEOUT_S, interval)
    return {"intervalSeconds": interval, "timeoutSeconds": timeout}


def _thresholds(foreign: Foreign, alerts: list[Fields], alerting: Mapping[str, Any], what: str) -> Fields:
    if not alerts:
        return {}
    fails, successes = set(), set()
    for one in alerts:
        provider = _mapping(alerting, str(one.get("type")))
        said = {**_mapping(provider, "default-alert"), **one}
        fails.add(_whole(said.get("failure-threshold"), _FAILS))
        successes.add(_whole(said.get("success-threshold"), _SUCCESSES))
    if len(fails) > 1 or len(successes) > 1:
        foreign.change(what, "its alerts have several thresholds: the lowest is taken for all of them")
    return {
        "failureThreshold": threshold(foreign, what, min(fails)),
        "successThreshold": min(20, max(1, min(successes))),
    }


def _whole(value: Any, otherwise: int) -> int:
    return value if type(value) is int and value > 0 else otherwise


def _alerting(foreign: Foreign, alerting: Mapping[str, Any], tellers: Mapping[str, list[str]]) -> None:
    found = []
    for kind in alerting:
        provider = _mapping(alerting, kind)
        setting = str(provider.get(_SETTING.get(kind, "")) or "")
        if provider.get("overrides"):
            foreign.leave(f"notification {kind}: overrides", "make a channel for each group, with the group's tag")
        if _FILLED_IN.search(setting):
            foreign.leave(
                f"notification {kind}",
                "its address is a variable that Gatus fills in from its environment: put its value in first",
            )
            continue
        found.append(Teller(plain_name(kind), kind, setting, tellers.get(kind, [])))
    add_channels(foreign, found)


def _maintenance(foreign: Foreign, what: str, row: Any, item: str | None) -> None:
    if not isinstance(row, dict) or row.get("enabled") is False or not row.get("start"):
        return
    pod = None if item is None else foreign.pod_of(item)
    if item is not None and pod is None:
        foreign.leave(what, "its monitor has become no check")
        return
    zone = str(row.get("timezone") or "UTC")
    every = row.get("every") or []
    days = ",".join(_DAYS[day] for day in every if day in _DAYS)
    rule = f"FREQ=WEEKLY;BYDAY={days}" if days else "FREQ=DAILY"
    window: Fields = {
        "name": plain_name(what),
        "reason": "maintenance of Gatus",
        "zone": zone,
        "starts": f"2000-01-01T{row['start']}",
        "minutes": int((seconds_of(row.get("duration")) or 0) // 60),
        "recurrence": rule,
        "holds": "alerts",
    }
    try:
        if not is_zone(zone):
            raise InputError("timezone", "is not known")
        parse_window({**window, "allPods": True})
    except InputError as error:
        foreign.leave(what, f"{error.field} {error.message}")
        return
    if item is not None:
        foreign.change(what, "it is about the whole pod, with all checks that it has")
    whom: Fields = {"allPods": True} if item is None else {"pods": [pod]}
    foreign.windows.append(window | whom)
