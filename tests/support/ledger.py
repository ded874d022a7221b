"""The target of probes, in a process of its own, that writes down each request it got (hazards H4).

``python -m tests.support.ledger FILE ADDRESSES``: answer 200 on one port, which it prints, of 127.0.0.1 …
127.0.0.ADDRESSES, and append a line ``microseconds path`` to FILE by O_APPEND as soon as the request is read.
``?delay=0.5`` in the path has the answer wait for so long.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from podhealth import clock
from podhealth.models.base import to_us
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
    file = folder / "requests.log"
    file.touch()
    command = [sys.executable, "-m", "tests.support.ledger", str(file), str(addresses)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Target(file, int(process.stdout.readline()), addresses)
    finally:
        process.kill()
        process.wait()


def _listeners(addresses: int) -> list[socket.socket]:
    """Return listeners on all addresses at one port; some of the ports that are free on the first are not on others."""
    for _ in range(50):
        with contextlib.ExitStack() as opened:
            first = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            port = first.getsockname()[1]
            others = range(2, addresses + 1)
            try:
                rest = [opened.enter_context(socket.create_server((f"127.0.0.{n}", port))) for n in others]
            except OSError:
                continue
            opened.pop_all()
            return [first, *rest]
    raise RuntimeError("no port is free on all addresses")


async def _serve(file: str, addresses: int) -> None:
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

    listeners = _listeners(addresses)
    servers = [await asyncio.start_server(answer, sock=listener, backlog=512) for listener in listeners]
    print(listeners[0].getsockname()[1], flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
