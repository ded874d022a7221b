"""Ids in paths: plain ASCII digits, nothing else. ``12abc``, ``+1``, ``１`` and ``1.0`` are no addresses of ours."""

from werkzeug.routing import BaseConverter, ValidationError

_LARGEST = 2**63 - 1


class IdConverter(BaseConverter):
    """``<id:pod_id>``: a bigint from 1 on, without sign or leading zero; all else finds no route (404)."""

    regex = r"[1-9][0-9]{0,18}"
    part_isolating = True

    def to_python(self, value: str) -> int:
        """Return the number; beyond the largest bigint there is no such object."""
        number = int(value)
        if number > _LARGEST:
            raise ValidationError  # to werkzeug: this rule does not match
        return number

    def to_url(self, value: int) -> str:
        """Return the digits."""
        return str(value)
