"""Pings the operator's dead-man URL while all is well: whoever waits for the ping learns when PodHealth cannot speak.

What is well is core/operation's rule. The address is as good as a password: it is called, and never said.
"""

import sqlalchemy as sa
import structlog

from podhealth.core.operation import broken, figures
from podhealth.egress import http
from podhealth.jobs.parts import parts
from podhealth.queues import lengths
from podhealth.store import operation
from podhealth.store.alarms import alarms
from podhealth.store.db import db_now, read, write

log = structlog.get_logger(__name__)

_TIMEOUT_S = 10.0
_LONGEST = 200


def ping(engine: sa.Engine) -> None:
    """Ping the URL unless something is broken, and store which of the two it was (tick)."""
    here = parts()
    url = here.settings.deadman_url
    if not url:
        return
    waiting = lengths(here.hurried, ())
    with read(engine) as conn:
        found = figures(operation.running(conn, db_now(conn), waiting), alarms())
    wrong = broken(found)
    said = f"held back for {', '.join(wrong)}" if wrong else _call(url)
    if said is not None:
        log.warning("dead-man URL not pinged", why=said)
    with write(engine) as conn:
        operation.note_dead_man(conn, said)


def _call(url: str) -> str | None:
    """Return why the URL did not take the ping, null where it did."""
    try:
        code, _ = http.call("GET", url, {}, timeout_s=_TIMEOUT_S)
    except (OSError, ValueError) as error:
        return f"it does not answer: {str(error).replace(url, '…')}"[:_LONGEST]
    return None if 200 <= code < 300 else f"it answered {code}"
