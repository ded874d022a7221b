"""How often one token may be used: counted in this process, because asking Redis would cost more than storing."""

import threading
from collections import OrderedDict

from podhealth import clock

_MOST_KNOWN = 50_000  # tokens; whoever used theirs longest ago is forgotten first
_MINUTE_S = 60.0


class Allowance:
    """So many uses a minute for each token, all of them at once where none came before."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = float(a_minute)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, token_hash: str) -> float:
        """Count one use; return 0 where it is within the allowance, else in how many seconds one will be."""
        now = clock.monotonic()
        with self._lock:
            left, since = self._left.pop(token_hash, (self._a_minute, now))
            left = min(self._a_minute, left + (now - since) * self._a_minute / _MINUTE_S)
            is_within = left >= 1
            self._left[token_hash] = (left - 1 if is_within else left, now)
            if len(self._left) > _MOST_KNOWN:
                self._left.popitem(last=False)
        return 0.0 if is_within else (1 - left) * _MINUTE_S / self._a_minute
