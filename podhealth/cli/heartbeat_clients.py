"""Many agents in one process, for ``podhealth bench heartbeats``: each message over a connection of its own.

Run as ``python -m podhealth.cli.heartbeat_clients``; a JSON object on standard input says whom to ask and how many at
once. A line there is answered by what has come so far, ``stop`` by the last of that and the end.
"""

import asyncio
import json
import sys
import threading
from collections import deque
from typing import Any

from podhealth import clock

_PATIENCE_S = 30.0
_KEPT = 20_000  # of the newest durations


class Agents:
    """Tokens that take turns, and what was answered to them."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._host, self._port = order["host"], order["port"]
        self._waiting = deque(order["tokens"])
        self._at_once = min(order["atOnce"], len(order["tokens"]))
        self._sequence = dict.fromkeys(order["tokens"], 0)
        self.acknowledged = dict.fromkeys(order["tokens"], 0)
        self.answered = self.refused = 0
        self.took_ms: deque[float] = deque(maxlen=_KEPT)
        self.is_over = False

    async def run(self) -> None:
        """Keep that many messages under way until it is over."""
        await asyncio.gather(*(self._one_after_the_other() for _ in range(self._at_once)))

    async def _one_after_the_other(self) -> None:
        while not self.is_over:
            token = self._waiting.popleft()
            self._sequence[token] += 1
            begun = clock.monotonic()
            try:
                is_heard = await asyncio.wait_for(self._say(token, self._sequence[token]), _PATIENCE_S)
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                is_heard = False
            self._waiting.append(token)
            if is_heard:
                self.answered += 1
                self.acknowledged[token] = self._sequence[token]
                self.took_ms.append((clock.monotonic() - begun) * 1000)
            else:
                self.refused += 1

    async def _say(self, token: str, sequence: int) -> bool:
        body = json.dumps({"bootId": "bench", "sequence": sequence, "metrics": {"load1": 0.42, "memoryPercent": 61.5}})
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            head = (
                f"POST /api/heartbeats HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body.encode())
            answer = await reader.read()
        finally:
            writer.close()
        return answer.startswith(b"HTTP/1.1 204 ")

    def told(self) -> dict[str, Any]:
        """Return what has come so far."""
        return {"answered": self.answered, "refused": self.refused, "tookMs": list(self.took_ms)}


def main() -> None:
    """Send until the order to stop."""
    agents = Agents(json.loads(sys.stdin.readline()))
    work = threading.Thread(target=lambda: asyncio.run(agents.run()), daemon=True)
    work.start()
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        print(json.dumps(agents.told()), flush=True)
        agents.took_ms.clear()
    agents.is_over = True
    work.join()
    print(json.dumps({**agents.told(), "acknowledged": agents.acknowledged}), flush=True)


if __name__ == "__main__":
    main()
