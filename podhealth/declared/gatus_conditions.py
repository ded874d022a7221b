"""Gatus' conditions as options of a check of ours, as far as there are any; the others are said."""

import json
import math
import re
from typing import Any

from podhealth.declared.fields import Fields
from podhealth.declared.foreign import Foreign

_SHAPE = re.compile(r"(?P<left>\S.*?) (?P<sign>==|!=|<=|>=|<|>) (?P<right>.*\S)")
_ANY = re.compile(r"any\((?P<list>[^()]*)\)")
_PATTERN = re.compile(r"pat\(\*(?P<text>[^*]+)\*\)")
_LENGTH = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LOWEST, _HIGHEST = 100, 599
_MOST_CERTIFICATE_DAYS = 825
_DAY_S = 86_400


def seconds_of(value: Any) -> float | None:
    """Return a length as Go writes it (``1h30m``) in seconds; null where it is none."""
    text = str(value or "")
    found = list(_LENGTH.finditer(text))
    if not found or "".join(one[0] for one in found) != text:
        return None
    return sum(float(one["number"]) * _UNITS[one["unit"]] for one in found)


class Conditions:
    """Takes the conditions of one endpoint; a check asks for all of them at once."""

    def __init__(self, foreign: Foreign, what: str, kind: str) -> None:
        self._foreign, self._what, self._kind = foreign, what, kind
        self._codes: set[int] | None = None
        self._config: Fields = {}
        self._latency: float | None = None

    def take(self, text: str) -> None:
        """Take one condition, or say that it is left out."""
        shape = _SHAPE.fullmatch(text.strip())
        taken = shape is not None and self._taken(shape["left"], shape["sign"], shape["right"])
        if not taken:
            self._foreign.leave(f"{self._what}: condition {text[:80]!r}", "our checks cannot ask for it")

    def applied_to(self, fields: Fields) -> Fields:
        """Return the check with what was taken."""
        config = {**fields.get("config", {}), **self._config}
        if self._codes is not None:
            config["expectedCodes"] = _ranges(self._codes)
        more: Fields = {} if self._latency is None else {"latencyLimitMs": self._latency}
        return {**fields, **more, **({"config": config} if config else {})}

    def _taken(self, left: str, sign: str, right: str) -> bool:
        if left == "[CONNECTED]":
            return (sign, right) == ("==", "true")
        if left == "[RESPONSE_TIME]":
            return self._response_time(sign, right)
        if self._kind != "http":
            return False
        if left == "[STATUS]":
            return self._status(sign, right)
        if left == "[BODY]":
            return self._body(sign, right)
        return left == "[CERTIFICATE_EXPIRATION]" and self._certificate(sign, right)

    def _response_time(self, sign: str, right: str) -> bool:
        if sign not in ("<", "<=") or not right.isdigit() or self._kind == "agent":
            return False
        limit = float(right)
        if not 0 < limit <= 60_000:  # a minute
            return False
        self._latency = limit if self._latency is None else min(self._latency, limit)
        self._foreign.change(self._what, f"slower than {limit:g} ms it is degraded here, not unhealthy")
        return True

    def _status(self, sign: str, right: str) -> bool:
        listed = _ANY.fullmatch(right)
        numbers = [one.strip() for one in listed["list"].split(",")] if listed else [right]
        if not all(one.isdigit() for one in numbers) or (listed and sign not in ("==", "!=")):
            return False
        codes = {int(one) for one in numbers}
        whole = set(range(_LOWEST, _HIGHEST + 1))
        one = min(codes, default=0)
        meant = {
            "==": codes & whole,
            "!=": whole - codes,
            "<": {code for code in whole if code < one},
            "<=": {code for code in whole if code <= one},
            ">": {code for code in whole if code > one},
            ">=": {code for code in whole if code >= one},
        }[sign]
        both = meant if self._codes is None else self._codes & meant
        if not both:
            return False
        self._codes = both
        return True

    def _body(self, sign: str, right: str) -> bool:
        if sign != "==" or set(self._config) & {"bodyContains", "bodyJson"}:
            return False
        pattern = _PATTERN.fullmatch(right)
        if pattern:
            self._config["bodyContains"] = pattern["text"]
            return True
        if right[:1] not in ("{", "["):
            return False
        try:
            self._config["bodyJson"] = json.loads(right)
        except ValueError:
            return False
        return True

    def _certificate(self, sign: str, right: str) -> bool:
        seconds = seconds_of(right)
        days = math.ceil(seconds / _DAY_S) if seconds is not None else 0
        if sign not in (">", ">=") or not 1 <= days <= _MOST_CERTIFICATE_DAYS:
            return False
        self._config["minCertificateDays"] = days
        self._foreign.change(self._what, f"degraded, not unhealthy, from {days} days before its certificate ends")
        return True


def _ranges(codes: set[int]) -> str:
    found: list[list[int]] = []
    for code in sorted(codes):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in found)
