"""The limits of the brakes that this process was started with; who was not told takes the defaults."""

from podhealth.core.limits import DEFAULT, Limits

_limits = DEFAULT


def hold_limits(limits: Limits) -> None:
    """Say once, when the process starts, how tight the brakes are."""
    global _limits
    _limits = limits


def limits() -> Limits:
    """Return the limits in force in this process."""
    return _limits
