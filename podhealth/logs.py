"""How this program logs: events with fields, as JSON lines or, for a person at a terminal, as text; without secrets.

What other libraries log comes out the same way. Knows nothing of what is logged.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from podhealth.settings import Settings

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(
    r"(?:^|[_-])(?:authorization|cookie|credentials?|passwd|password|secret|signature|token)$|secret|password"
    r"|(?:api|private|signing|secret)[_-]?key$",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(?P<scheme>bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_NAMED = re.compile(r"(?P<name>\b(?:password|passwd|secret|token|api_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+", re.I)
# Links that are as good as a password while they last; /wall/links is the page that lists those of the wall.
_LINK = re.compile(
    r"(?P<before>/(?:approve|sign-in/link|invite|reset|wall)/)(?!(?<=/wall/)links(?:[/?#\s\"']|$))[^\s\"'/?#]+"
)
_DEEPEST = 6
_LONGEST = 2_000
_OF_LINES = ("exception", "stack")
# A line for each job and each start of a worker says nothing; failures they log as errors.
_QUIET = ("rq", "rq.worker", "rq_scheduler", "alembic", "apscheduler", "urllib3", "gunicorn.access", "asyncio")


Event = MutableMapping[str, Any]


def set_up(settings: Settings, program: str) -> None:
    """Have all logging of this process go to stderr; ``program`` stands in each line. May be called again."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*shared, _add_name], processors=_ends(program))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _ends(program: str) -> list[Any]:
    is_person = sys.stderr.isatty()
    shown: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if is_person
        else [structlog.processors.format_exc_info, without_secrets, structlog.processors.JSONRenderer(default=str)]
    )

    def add_program(_logger: Any, _method: str, event: Event) -> Event:
        return {"program": program, **event}

    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, add_program, without_secrets, *shown]


def _add_name(_logger: Any, _method: str, event: Event) -> Event:
    record = event.get("_record")
    return {**event, "logger": record.name} if record is not None else event


def without_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Return the event with values hidden whose key names a secret, and passwords in URLs and texts hidden.

    Each text is one line of bounded length, control characters written out: a log that is read at a terminal must not
    be written to by whoever is logged.
    """
    return {key: _shown(key, value, 0) for key, value in event.items()}


def _shown(key: object, value: Any, depth: int) -> Any:
    # A number is no secret: claim_token is one.
    if _SECRET_KEY.search(str(key)) and not isinstance(value, int):
        return HIDDEN
    return clean_text(value) if key in _OF_LINES and isinstance(value, str) else _clean(value, depth)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _line(clean_text(value))
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {_line(k) if isinstance(k, str) else k: _shown(k, v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(part, depth + 1) for part in value]
    if isinstance(value, (bytes, Exception)):
        return _line(clean_text(str(value)))
    return value


def _line(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text):,} characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def clean_text(text: str) -> str:
    """Return ``text`` with passwords of URLs, ``Bearer`` and ``Basic``, ``password=…`` and links that let in hidden."""
    text = _LINK.sub(rf"\g<before>{HIDDEN}", text)
    text = _URL_PASSWORD.sub(rf"\g<before>{HIDDEN}@", text)
    text = _BEARER.sub(rf"\g<scheme> {HIDDEN}", text)
    return _NAMED.sub(rf"\g<name>{HIDDEN}", text)


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Add ids (``job_id``, ``request_id``, ``pod_id``) to all that is logged inside."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield
