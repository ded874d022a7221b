"""Notices when the engine's loop was held up, and which silences it must therefore not blame on a pod.

Reads no clock: the loop says when its turns began.
"""

STALL_S = 0.25


class Stalls:
    """The latest gap in which the loop did not turn."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        self._since = 0.0
        self._excused_until = 0.0

    def note(self, last_turn: float, lag_s: float, now: float) -> None:
        """Note a turn that begins ``now``, ``lag_s`` later than it might have; ``last_turn`` began the one before."""
        self.lag_s = lag_s
        if lag_s > STALL_S:
            self._since = last_turn
            # A probe whose deadline comes soon after has lost as much of its time as one whose deadline fell inside.
            self._excused_until = now + lag_s

    def excuses(self, moment: float) -> bool:
        """Whether silence or slowness at this moment may be our own doing."""
        return self._since < moment <= self._excused_until
