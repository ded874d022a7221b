"""What a vantage may be called, whoever names it: an operator, a worker, or the check that is probed from there."""

import re

from podhealth.core.errors import InputError
from podhealth.core.readers import Reader

LOCAL = "local"
PROVIDER = "provider"
"""Where checks belong that no prober takes: providers say how their pods are."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
SAYS = "must be small letters, digits, - and _, at most 40, such as local"


def vantage_name(field: str, value: object) -> str:
    """Return the name of a vantage. Raises InputError that names ``field``."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value == PROVIDER:
        raise InputError(field, SAYS)
    return value


A_VANTAGE = Reader(vantage_name, {"type": "string", "pattern": f"^(?!{PROVIDER}$){_NAME.pattern}$"})
