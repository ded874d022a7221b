"""What an agent is answered where no application is asked: the same status, headers and problem as from there."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from math import ceil

from podhealth import clock
from podhealth.store.heartbeats import Verdict
from podhealth.web.agents.recorder import Stored
from podhealth.web.errors import problem
from podhealth.web.headers import of_every_answer

TOO_OFTEN = "This token is used too often"
UNKNOWN = "No pod has this token"
OVERTAKEN = "A newer heartbeat of this agent was heard before"


class Answers:
    """The bytes of each answer, for an installation that is reached by https or not."""

    def __init__(self, is_https: bool) -> None:
        self._headers = {**of_every_answer(is_https), "Connection": "close"}
        self._by_verdict = {
            Verdict.STORED: self._bytes(204, {}, b""),
            Verdict.UNKNOWN: self._problem(401, "unauthorized", UNKNOWN, {"WWW-Authenticate": "Bearer"}),
            Verdict.OVERTAKEN: self._problem(409, "overtaken", OVERTAKEN, {}),
        }
        self._away = self._problem(503, "unavailable", "The database does not answer", {}, retry_after_s=5)

    def of(self, stored: Stored) -> bytes:
        """Return what is answered to a message that this became of."""
        return _dated(self._away if stored.verdict is None else self._by_verdict[stored.verdict])

    def too_often(self, wait_s: float) -> bytes:
        """Return the refusal of a token that is used too often."""
        return _dated(self._problem(429, "too_many_requests", TOO_OFTEN, {}, retry_after_s=ceil(wait_s)))

    def no_request(self, status_line: bytes) -> bytes:
        """Return the refusal of what the server could not read, with the status that the server gives it."""
        code = status_line.split(b" ")[1] if status_line.count(b" ") else b""
        status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 400
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        return _dated(self._bytes(status, plain, f"{HTTPStatus(status).phrase}\n".encode()))

    def _problem(
        self, status: int, code: str, error: str, headers: Mapping[str, str], retry_after_s: int | None = None
    ) -> bytes:
        more = {} if retry_after_s is None else {"retryAfter": retry_after_s}
        after = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        body = json.dumps(problem(status, code, error, **more)).encode()
        return self._bytes(status, {"Content-Type": "application/problem+json", **headers, **after}, body)

    def _bytes(self, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        length = {"Content-Length": str(len(body))} if body else {}
        lines = [f"{name}: {value}\r\n" for name, value in {**self._headers, **headers, **length}.items()]
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{''.join(lines)}\r\n".encode() + body


def _dated(answer: bytes) -> bytes:
    status, _, rest = answer.partition(b"\r\n")
    return b"%b\r\nDate: %b\r\n%b" % (status, formatdate(clock.utcnow().timestamp(), usegmt=True).encode(), rest)
