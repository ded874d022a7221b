"""Real web processes: ``podhealth web`` as operations runs it, on a free port, and people signed in to it."""

import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from podhealth import clock
from podhealth.models import Session
from podhealth.store.db import write
from tests.support.browsers import Browser, shake_hands
from tests.support.ports import free_port
from tests.support.wait import wait_for

SECRET = "of-the-tests-only-" + "x" * 32


class WebServer:
    """One running ``podhealth web``."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"

    def cookie_of(self, token: str) -> str:
        """Return the cookie header of a browser whose session is stored under ``token``'s hash."""
        return cookie_of(token, self.port)

    def cookie_of_first_step(self, user_id: int) -> str:
        """Return the cookie header of a browser that just gave this person's password, and not yet the code."""
        return _cookie(
            self.port,
            {"pending": {"user": user_id, "at": int(clock.utcnow().timestamp()), "next": "/pods", "link": False}},
        )

    def ask(self, token: str | None, origin: str | None = "own", **headers: str | None) -> int:
        """Ask for a socket as this person and return the status answered; the socket is closed."""
        asked = {"Origin": self.origin if origin == "own" else origin, **headers}
        if token is not None:
            asked["Cookie"] = self.cookie_of(token)
        status, sock, _ = shake_hands(self.port, asked)
        sock.close()
        return status

    def open(self, token: str, buffer: int | None = None, **watch: object) -> Browser:
        """Open a socket as this person, and say what the page shows."""
        headers = {"Origin": self.origin, "Cookie": self.cookie_of(token)}
        status, sock, rest = shake_hands(self.port, headers, buffer=buffer)
        assert status == 101, f"not upgraded: {status}"
        browser = Browser(sock, rest)
        return browser.watch(**watch) if watch else browser

    def processes(self) -> list[psutil.Process]:
        """Return the process started and those it started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def cookie_of(token: str, port: int) -> str:
    """Return the cookie header of a browser at that port whose session is stored under ``token``'s hash."""
    return _cookie(port, {"sid": token})


def _cookie(port: int, held: dict[str, object]) -> str:
    app = Flask("cookies")
    app.secret_key = SECRET
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return f"podhealth_{port}={serializer.dumps(held)}"


@contextmanager
def running_web(
    database_url: str, redis_url: str, folder: Path, port: int | None = None, **more: str
) -> Iterator[WebServer]:
    """Run ``podhealth web`` while in the block; ``more`` are further environment variables."""
    port = port or free_port()
    own = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET,
        "PODHEALTH_WEB_PORT": str(port),
        "PODHEALTH_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PODHEALTH_WEB_THREADS": "4",
    }
    with (folder / f"web-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "podhealth", "web"], env=os.environ | own | more, stdout=log, stderr=log
        )
    server = WebServer(process, port)
    try:
        wait_for(lambda: process.poll() is not None or _answers(port), 90, what="the web process answers")
        assert process.poll() is None, Path(log.name).read_text()[-2000:]
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        status, sock, _ = shake_hands(port, {"Upgrade": None, "Connection": "close"}, "/healthz")
    except (OSError, IndexError):
        return False
    sock.close()
    return status == 200


def sign_in(engine: sa.Engine, user_id: int) -> str:
    """Store a living session of this person and return its token."""
    token = secrets.token_urlsafe(16)
    now = clock.utcnow()
    with write(engine) as conn:
        conn.execute(
            sa.insert(Session).values(
                user_id=user_id,
                token_hash=hashlib.sha256(token.encode()).hexdigest(),
                created_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
    return token
