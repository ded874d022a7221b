"""What others say, in our log: one line each, of bounded length, and no character that a terminal obeys."""

import io
import json
import logging
import sys

import pytest
import structlog

from podhealth import logs
from tests.support.apps import SECRET
from tests.support.corpora import corpus

HOSTILE = [
    "a\r\nlevel=error event=forged",
    '"}\n{"event": "forged", "level": "error"}',
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\u2028forged\u2029",
    "x" * (1 << 20),
    *(text for text in corpus("U") if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)),
]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def settings():
    from podhealth.settings import Settings

    return Settings(DATABASE_URL="sqlite:///x", REDIS_URL="unix:///x", SECRET_KEY=SECRET)


@pytest.fixture(autouse=True)
def _as_before():
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


def _logged(monkeypatch: pytest.MonkeyPatch, settings, stream: io.StringIO) -> list[str]:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up(settings, "web")
    log = structlog.get_logger("x")
    for text in HOSTILE:
        log.warning("said", said=text, nested={"a": [text]})
        logging.getLogger("gunicorn.error").warning("Invalid request: %s", text)
    return stream.getvalue().split("\n")[:-1]


@pytest.mark.attack("A60")
def test_a_log_for_programs_is_a_line_of_json_for_each_event(monkeypatch, settings) -> None:
    lines = _logged(monkeypatch, settings, io.StringIO())
    events = [json.loads(line) for line in lines]

    assert len(events) == 2 * len(HOSTILE)
    assert {event["level"] for event in events} == {"warning"}
    assert max(map(len, lines)) < 12_000


@pytest.mark.attack("A60")
def test_a_log_at_a_terminal_holds_no_character_of_others_that_it_obeys(monkeypatch, settings) -> None:
    shown = "\n".join(_logged(monkeypatch, settings, _Terminal()))
    ours = shown.replace("\x1b[0m", "")  # colours by structlog itself

    assert len(shown.split("\n")) == 2 * len(HOSTILE)
    assert not any(bad in ours for bad in ("\x1b[2J", "\x1b[31mred", "\x07", "\r", "\u2028", "\u202e", "\x08"))
