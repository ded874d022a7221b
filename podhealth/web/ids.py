"""Ids in paths: plain ASCII digits, nothing else. ``12abc``, ``+1``, ``１`` and ``1.0`` are no addresses of ours."""

from werkzeug.routing import BaseConverter

_LARGEST = str(2**63 - 1)


def _up_to(largest: str) -> str:
    """Return the pattern of the whole numbers from 1 to ``largest``, without leading zeros."""
    shorter = rf"[1-9][0-9]{{0,{len(largest) - 2}}}"
    # As long as the largest: equal to it up to a digit, less there, and anything after that.
    lesser = [
        rf"{largest[:at]}[{1 if at == 0 else 0}-{int(digit) - 1}][0-9]{{{len(largest) - at - 1}}}"
        for at, digit in enumerate(largest)
        if int(digit) > (1 if at == 0 else 0)
    ]
    return "|".join([shorter, *lesser, largest])


class IdConverter(BaseConverter):
    """``<id:pod_id>``: a bigint from 1 on, without sign or leading zero; all else finds no route (404)."""

    # The bound stands in the pattern: refused later, a number too large would be answered as a wrong method.
    regex = _up_to(_LARGEST)
    part_isolating = True

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return the digits."""
        return str(value)
