"""What a check may be: every field with its bounds and defaults (behaviour §3).

Field names are those of the API, in and in errors. Where a check is stored and who may write it is unknown here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from podhealth.core.check_options import parse_options
from podhealth.core.errors import InputError
from podhealth.core.fields import flag, line, only_known, text, whole_number, word
from podhealth.core.readers import A_FLAG, Reader, a_number, a_whole_number, a_word, or_null
from podhealth.core.vantage_names import A_VANTAGE, LOCAL, PROVIDER
from podhealth.core.words import HealOn, Kind, Severity

MAX_NAME = 63
MAX_PATH = 2_000
MIN_INTERVAL_S, MAX_INTERVAL_S = 5, 86_400
MIN_TIMEOUT_S, MAX_TIMEOUT_S = 0.5, 60.0
MAX_THRESHOLD = 20
MAX_LATENCY_MS = 60_000.0
MAX_GRACE_S = 86_400

# Printable ASCII that may stand in a path and query; all else is written with a percent sign. No backslash, space
# or '#', and no second slash: each has made some client leave the configured host.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]-]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SECONDS = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class CheckRules:
    """One check as it may be stored; ``target`` is text, ``config`` holds the options of the kind, all bounds met."""

    name: str
    kind: Kind
    target: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    interval_seconds: int = 60
    timeout_seconds: float = 10.0
    failure_threshold: int = 3
    success_threshold: int = 1
    severity: Severity = Severity.CRITICAL
    heal: bool = True
    heal_on: HealOn = HealOn.DOWN
    latency_limit_ms: float | None = None
    keep_excerpt: bool = False
    enabled: bool = True
    vantage: str = LOCAL

    def as_fields(self) -> dict[str, object]:
        """Return the check as the API writes it; ``parse_check`` of it gives these rules back."""
        return {
            "checkType": self.kind.value,
            "name": self.name,
            "target": self.target,
            "config": dict(self.config),
            "intervalSeconds": self.interval_seconds,
            "timeoutSeconds": self.timeout_seconds,
            "failureThreshold": self.failure_threshold,
            "successThreshold": self.success_threshold,
            "severity": self.severity.value,
            "heal": self.heal,
            "healOn": self.heal_on.value,
            "latencyLimitMs": self.latency_limit_ms,
            "keepExcerpt": self.keep_excerpt,
            "enabled": self.enabled,
            "vantage": self.vantage,
        }


# Every pod whose provider reports its state has this one (behaviour §2, Running); nobody creates it by hand.
RUNNING = CheckRules(
    "running", Kind.RUNNING, interval_seconds=10, timeout_seconds=5.0, failure_threshold=1, vantage=PROVIDER
)

FIELDS = frozenset(RUNNING.as_fields())

# The fields that need to know no other field.
PLAIN_READERS: dict[str, Reader] = {
    "intervalSeconds": a_whole_number(MIN_INTERVAL_S, MAX_INTERVAL_S),
    "timeoutSeconds": a_number(MIN_TIMEOUT_S, MAX_TIMEOUT_S),
    "failureThreshold": a_whole_number(1, MAX_THRESHOLD),
    "successThreshold": a_whole_number(1, MAX_THRESHOLD),
    "severity": a_word(Severity),
    "heal": A_FLAG,
    "healOn": a_word(HealOn),
    "latencyLimitMs": or_null(a_number(0.001, MAX_LATENCY_MS)),
    "keepExcerpt": A_FLAG,
    "enabled": A_FLAG,
    "vantage": A_VANTAGE,
}


def parse_check(fields: Mapping[str, object], existing: CheckRules | None = None) -> CheckRules:
    """Return the check that ``fields`` ask for: a new one, or ``existing`` with what they change.

    An absent field takes its default on a new check and stays on an existing one. 0 and false are values. Null is
    the value "none" of target, latencyLimitMs and single options, and refused elsewhere.

    Raises InputError that names the first bad field; which of several is not promised.
    """
    only_known(fields, FIELDS, "a check")
    kind = _kind(fields, existing)
    if kind == Kind.RUNNING:
        return _parse_running(fields, existing)
    start = existing or CheckRules(kind.value, kind)
    rules = replace(start, **_plain_fields(fields), name=_name(fields, start, kind))
    target, config = _target_and_config(fields, start, kind)
    timeout_s = rules.timeout_seconds
    if existing is None and "timeoutSeconds" not in fields:
        timeout_s = min(10.0, rules.interval_seconds / 2)
    if existing is None and "heal" not in fields:
        rules = replace(rules, heal=rules.severity == Severity.CRITICAL)
    rules = replace(rules, target=target, config=config, timeout_seconds=timeout_s)
    _refuse_contradictions(rules, fields)
    return rules


def _kind(fields: Mapping[str, object], existing: CheckRules | None) -> Kind:
    if existing is None:
        kind = word("checkType", fields.get("checkType"), Kind)
        if kind == Kind.RUNNING:
            raise InputError("checkType", "the check running comes with the pod's provider and is not made by hand")
        return kind
    if "checkType" in fields and word("checkType", fields["checkType"], Kind) != existing.kind:
        raise InputError("checkType", "cannot be changed; add another check")
    return existing.kind


def _parse_running(fields: Mapping[str, object], existing: CheckRules | None) -> CheckRules:
    assert existing is not None  # _kind refuses to make one
    as_it_is = existing.as_fields()
    for name, value in fields.items():
        if name != "enabled" and (type(value) is not type(as_it_is[name]) or value != as_it_is[name]):
            raise InputError(name, "cannot be changed on the check running; it can only be disabled")
    return replace(existing, enabled=flag("enabled", fields.get("enabled", existing.enabled)))


def _plain_fields(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the columns whose fields are given and need to know no other field."""
    return {_column(f): read(f, fields[f]) for f, read in PLAIN_READERS.items() if f in fields}


def _column(name: str) -> str:
    return re.sub("[A-Z]", lambda m: "_" + m[0].lower(), name)


def _name(fields: Mapping[str, object], start: CheckRules, kind: Kind) -> str:
    name = line("name", fields["name"], MAX_NAME) if "name" in fields else start.name
    # The seed's routes find a check by its kind alone: they must not meet one of another kind under that name.
    if name in {k.value for k in Kind} and name != kind.value:
        raise InputError("name", f"is reserved for checks of kind {name}")
    return name


def _target_and_config(
    fields: Mapping[str, object], start: CheckRules, kind: Kind
) -> tuple[str | None, dict[str, object]]:
    config = parse_options(kind, fields.get("config", {}), start.config)
    if kind == Kind.AGENT:
        return _grace(fields, start, config)
    if "target" not in fields and start.target is not None:
        return start.target, config
    value = fields.get("target")
    if kind == Kind.TCP:
        return _port(value), config
    if kind == Kind.HTTP:
        return ("/" if value is None else _path(value)), config
    if value is not None:
        raise InputError("target", "must be empty: a ping has no target but the pod's address")
    return None, config


def _port(value: object) -> str:
    written = str(value) if type(value) is int else value
    if not isinstance(written, str) or not _PORT.fullmatch(written) or int(written) > 65_535:
        raise InputError("target", "must be a port from 1 to 65,535")
    return written


def _path(value: object) -> str:
    path = text("target", value, MAX_PATH)
    if not path.startswith("/") or path.startswith("//"):
        raise InputError("target", "must be a path that begins with one slash")
    if not _PATH.fullmatch(path) or _PERCENT.search(path):
        raise InputError("target", "must be a path of plain characters; write others with a percent sign")
    return path


def _grace(
    fields: Mapping[str, object], start: CheckRules, config: dict[str, object]
) -> tuple[str | None, dict[str, object]]:
    # One length with two spellings: the seed's target (as text) and the option graceSeconds. They are kept equal.
    if "target" in fields:
        value = fields["target"]
        written = str(value) if type(value) is int else value
        if written is not None and not (isinstance(written, str) and _SECONDS.fullmatch(written)):
            raise InputError("target", f"must be the grace in whole seconds from 0 to {MAX_GRACE_S:,}")
        given = fields.get("config")
        grace = None if written is None else whole_number("target", int(written), 0, MAX_GRACE_S)
        if isinstance(given, Mapping) and "graceSeconds" in given and config.get("graceSeconds") != grace:
            raise InputError("graceSeconds", "says something else than target")
        config = {**config, "graceSeconds": grace}
    seconds = config.get("graceSeconds")
    if seconds is None:
        return None, {}
    return str(seconds), {"graceSeconds": seconds}


def _refuse_contradictions(rules: CheckRules, fields: Mapping[str, object]) -> None:
    if rules.timeout_seconds >= rules.interval_seconds:
        by = "intervalSeconds" if "timeoutSeconds" not in fields else "timeoutSeconds"
        raise InputError(by, "the timeout must be shorter than the interval")
    if rules.heal and rules.severity == Severity.WARNING:
        raise InputError("heal", "must be false on a warning check: a warning never heals")
    if rules.vantage != LOCAL and rules.kind == Kind.AGENT:
        raise InputError("vantage", f"must be {LOCAL}: heartbeats come by themselves")
    if rules.latency_limit_ms is not None and rules.kind == Kind.AGENT:
        raise InputError("latencyLimitMs", "a heartbeat has no latency")
