"""How long this process was told to keep what happened; who was not told takes the defaults."""

from podhealth.core.kept import DEFAULT, Kept

_kept = DEFAULT


def hold_kept(kept: Kept) -> None:
    """Say once, when the process starts, how long things are kept."""
    global _kept
    _kept = kept


def kept() -> Kept:
    """Return the times in force in this process."""
    return _kept
