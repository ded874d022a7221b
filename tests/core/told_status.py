"""The life of one check written straight from the text of behaviour §4, slowly and with a memory of everything.

A second opinion for the tests: it shares no line and no idea (no table, no slow-run counter) with core/status.py.
"""

from dataclasses import dataclass, field

DAY_LONG = 2 * 3600


@dataclass
class ToldCheck:
    """One check; ``successes_seen`` remembers of every success since the last reset whether it was slow."""

    interval: int = 60
    timeout: int = 10
    ft: int = 3
    st: int = 1
    status: str = "unknown"
    f: int = 0
    s: int = 0
    successes_seen: list[bool] = field(default_factory=list)
    fresh_until: int | None = None

    def reset(self) -> None:
        self.status, self.f, self.s, self.successes_seen = "unknown", 0, 0, []

    def reader_sees(self, now: int) -> str:
        is_past = self.fresh_until is None or self.fresh_until <= now
        return "unknown" if is_past else self.status

    def reap(self, now: int) -> None:
        if self.status != "unknown" and self.reader_sees(now) == "unknown":
            self.reset()

    def result(self, outcome: str, now: int) -> None:
        self.reap(now)
        if outcome in ("error", "invalid"):
            return
        self.fresh_until = now + min(3 * self.interval, self.interval + DAY_LONG) + self.timeout
        was = self.status
        if outcome == "fail":
            self._fail()
        else:
            self._success(outcome == "slow")
        if was == "unhealthy" and self.status != "unhealthy":
            self.f = 0

    def _fail(self) -> None:
        self.f, self.s = self.f + 1, 0
        if self.f >= self.ft:
            self.status = "unhealthy"
        elif self.status != "unhealthy":
            self.status = "degraded"

    def _success(self, is_slow: bool) -> None:
        self.s += 1
        self.successes_seen.append(is_slow)
        if self.status != "unhealthy":
            self.f = 0
        span = max(2, self.st)
        last = self.successes_seen[-span:]
        is_slow_run = len(last) == span and all(last)
        if self.status == "healthy" or self.s >= self.st:
            self.status = "degraded" if is_slow_run else "healthy"
