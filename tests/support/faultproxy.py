"""A proxy in front of a server, TCP or unix socket, that lets a test do to the way between what networks do (H3).

It runs on a thread of the test's process. Modes: ``pass``; ``slow`` (each of the server's answers waits ``delay_s``);
``drip`` (answers come a byte at a time, ``delay_s`` apart); ``hole`` (takes all, brings nothing, closes nothing);
``refuse`` (each new connection is reset, and the open ones too). ``lose_answers`` cuts single connections.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Place = Path | tuple[str, int]
# What becomes of a piece of data on its way: other data, or null for the end of both ways.
_Treat = Callable[[bytes], Coroutine[Any, Any, bytes | None]]
_RESET = struct.pack("ii", 1, 0)


class FaultProxy:
    """What goes through, and how it fares."""

    def __init__(self, listen: Place, server: Place) -> None:
        self._listen, self._server = listen, server
        self.mode, self.delay_s = "pass", 0.0
        self.cuts = 0
        self._mark: bytes | None = None
        self._left, self._chance, self._random = 0, 1.0, random.Random(0)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen; returns when it does."""
        self._thread.start()
        assert self._is_up.wait(10)

    def stop(self) -> None:
        """Close all."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def be(self, mode: str, delay_s: float = 0.0) -> None:
        """Behave like this from now on; ``refuse`` resets what is open."""
        self.mode, self.delay_s = mode, delay_s
        if mode == "refuse":
            self.cut_all()

    def cut_all(self) -> None:
        """Reset every open connection."""
        self._loop.call_soon_threadsafe(self._cut_all)

    def lose_answers(self, mark: bytes, times: int, chance: float = 1.0, seed: int = 0) -> None:
        """Of requests that hold ``mark``: let the server have and answer them, then drop the answer and cut, ``times``
        times in all, each with this chance.
        """
        self._random, self._chance, self._left, self._mark = random.Random(seed), chance, times, mark

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        if isinstance(self._listen, Path):
            starting: Coroutine[Any, Any, Any] = asyncio.start_unix_server(self._serve, self._listen)
        else:
            starting = asyncio.start_server(self._serve, *self._listen)
        server = self._loop.run_until_complete(starting)
        self._is_up.set()
        self._loop.run_forever()
        server.close()
        self._cut_all()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def _cut_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            _reset(writer)
            return
        try:
            if isinstance(self._server, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(self._server)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._server)
        except OSError:
            _reset(writer)
            return
        way = _Way()
        self._open |= {writer, far_writer}
        await asyncio.gather(
            self._carry(reader, far_writer, lambda data: self._asked(way, data)),
            self._carry(far_reader, writer, lambda data: self._answered(way, data)),
        )
        self._open -= {writer, far_writer}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, treat: _Treat) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                while self.mode == "hole":
                    await asyncio.sleep(0.05)
                treated = await treat(data)
                if treated is None:
                    break
                if self.mode == "drip":
                    await self._drip(writer, treated)
                    continue
                writer.write(treated)
                await writer.drain()
        writer.close()

    async def _drip(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for at in range(len(data)):
            if self.mode != "drip":
                writer.write(data[at:])
                break
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(self.delay_s)
        await writer.drain()

    async def _asked(self, way: "_Way", data: bytes) -> bytes:
        is_marked = self._mark is not None and self._mark in data
        if is_marked and self._left > 0 and self._random.random() < self._chance:
            self._left -= 1
            way.is_doomed = True
        return data

    async def _answered(self, way: "_Way", data: bytes) -> bytes | None:
        if way.is_doomed:
            self.cuts += 1
            return None  # both ways end: whoever asked never hears
        if self.mode == "slow":
            await asyncio.sleep(self.delay_s)
        return data


class _Way:
    """One connection. ``is_doomed``: its next answer is dropped and it is cut."""

    is_doomed = False


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def fault_proxy(listen: Place, server: Place) -> Iterator[FaultProxy]:
    """Run one while in the block."""
    proxy = FaultProxy(listen, server)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
