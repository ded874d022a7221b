"""From when on this process raises alarms about PodHealth itself; who was not told takes the defaults."""

from podhealth.core.operation import DEFAULT, Alarms

_alarms = DEFAULT


def hold_alarms(alarms: Alarms) -> None:
    """Say once, when the process starts, from when on somebody should look."""
    global _alarms
    _alarms = alarms


def alarms() -> Alarms:
    """Return the alarms in force in this process."""
    return _alarms
