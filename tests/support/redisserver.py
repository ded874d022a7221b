"""A redis-server of one test's own, to be killed, hung, filled and started again.

It listens on a unix socket and keeps nothing; tests/support/guard.py ends it with the test session.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import psutil
import redis

from podhealth.cli.redis_program import redis_command
from tests.support import guard
from tests.support.wait import wait_for


def wait_until_up(client: redis.Redis) -> None:
    """Wait until the server of ``client``, which was just started, answers."""

    def pings() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    wait_for(pings, 10, what="redis-server up")


class RedisServer:
    """One address at which a redis-server is, or is not, answering."""

    def __init__(self) -> None:
        # A short path: the kernel takes 107 bytes for a unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix="ph-rs-"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2)
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._starts += 1
        run = self.folder / str(self._starts)
        run.mkdir()
        # A folder for each run: the guard removes its own when the server ends.
        self._guard = guard.start(os.getpid(), run, signal.SIGKILL, redis_command(self.socket, self.folder))
        wait_until_up(self.client)
        (self._server,) = psutil.Process(self._guard.pid).children()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._server.kill()
        self._guard.wait(10)

    def hang(self) -> None:
        """Let it accept and never answer."""
        self._server.suspend()

    def resume(self) -> None:
        """Let it answer again."""
        self._server.resume()

    def remove(self) -> None:
        """End it, whatever was done to it, and take its folder away."""
        self.client.close()
        if self._guard.poll() is None:
            self._server.resume()
            guard.end(self._guard.pid)
            self._guard.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
