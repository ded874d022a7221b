"""The target of probes, in a process of its own, that writes down each request it got (hazards H4).

``python -m tests.support.ledger FILE PORT ADDRESSES``: answer 200 on PORT of 127.0.0.1 … 127.0.0.ADDRESSES, and append
a line ``microseconds path`` to FILE by O_APPEND as soon as the request is read. ``?delay=0.5`` in the path has the
answer wait for so long.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from podhealth import clock
from podhealth.models.base import to_us
from tests.support.ports import free_port
from tests.support.program import die_with_parent

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Target:
    """The running target, and what its ledger says. Times are seconds since 1970."""

    def __init__(self, file: Path, port: int, addresses: int) -> None:
        self.file, self.port = file, port
        self.addresses = [f"127.0.0.{n}" for n in range(1, addresses + 1)]

    def requests(self) -> dict[str, list[float]]:
        """Return when each name (the path without its slash) was asked for, in order."""
        found: dict[str, list[float]] = defaultdict(list)
        for line in self.file.read_text().rpartition("\n")[0].splitlines():
            at, _, path = line.partition(" ")
            found[urlsplit(path).path[1:]].append(int(at) / 1e6)
        return dict(found)

    def counts(self) -> Counter[str]:
        """Return how often each name was asked for."""
        return Counter({name: len(times) for name, times in self.requests().items()})

    def longest_gap_s(self, names: list[str], since: float, until: float) -> tuple[float, str]:
        """Return the longest time within the span in which a name was not asked for, and which name that was."""
        requests = self.requests()
        return max(_longest_gap(requests.get(name, []), since, until) + (name,) for name in names)


def _longest_gap(times: list[float], since: float, until: float) -> tuple[float]:
    marks = [since, *(t for t in times if since < t < until), until]
    return (max(b - a for a, b in zip(marks, marks[1:], strict=False)),)


@contextmanager
def running_target(folder: Path, addresses: int) -> Iterator[Target]:
    """Run a target while in the block."""
    file, port = folder / "requests.log", free_port()
    file.touch()
    command = [sys.executable, "-m", "tests.support.ledger", str(file), str(port), str(addresses)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield Target(file, port, addresses)
    finally:
        process.kill()
        process.wait()


async def _serve(file: str, port: int, addresses: int) -> None:
    ledger = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1].decode()
            os.write(ledger, f"{to_us(clock.utcnow())} {path}\n".encode())
            await asyncio.sleep(float(parse_qs(urlsplit(path).query).get("delay", ["0"])[0]))
            writer.write(_ANSWER)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked is gone
        writer.close()

    hosts = [f"127.0.0.{n}" for n in range(1, addresses + 1)]
    server = await asyncio.start_server(answer, hosts, port, backlog=512)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
