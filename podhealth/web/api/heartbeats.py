"""``POST /api/heartbeats``: an agent says that its pod is alive, by the pod's own token.

``podhealth web`` answers nearly all before they come here (cli/web_worker.py); this route says what is wrong with the
others, and serves all where another program runs the application.
"""

import math

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.heartbeat import MAX_BOOT_ID, MAX_EXIT_CODE, MAX_PERIOD_S, MAX_SEQUENCE, METRICS, MIN_PERIOD_S
from podhealth.core.readers import Reader, a_line, a_number, a_whole_number, a_word, an_object, or_null, shape
from podhealth.core.words import Signal
from podhealth.store.heartbeats import Verdict
from podhealth.web.agents.answers import OVERTAKEN, TOO_OFTEN, UNKNOWN
from podhealth.web.agents.intake import MAX_BODY, TooOftenError, token_hash_of
from podhealth.web.api import api
from podhealth.web.api.body import json_object
from podhealth.web.api.declare import as_core_reads, declared
from podhealth.web.errors import answer
from podhealth.web.installed import installed

# What core/heartbeat.py reads; null counts as not said.
_METRICS = an_object({name: or_null(a_number(*bounds)) for name, bounds in METRICS.items()})
_FIELDS: dict[str, Reader] = {
    "bootId": a_line(MAX_BOOT_ID),
    "periodSeconds": a_whole_number(MIN_PERIOD_S, MAX_PERIOD_S),
    "signal": a_word(Signal),
    "exitCode": a_whole_number(0, MAX_EXIT_CODE),
    "sequence": a_whole_number(0, MAX_SEQUENCE),
    "metrics": _METRICS,
}
REPORT = shape({name: or_null(reader) for name, reader in _FIELDS.items()})
_BODY = as_core_reads(REPORT, may_be_absent=True)


@api.post("/heartbeats")
@declared("Agents", None, status=204, body=_BODY, refusals={409: f"{OVERTAKEN}."})
def heartbeat() -> ResponseReturnValue:
    """Record a heartbeat at the server's clock.

    The pod's own token is the only thing looked at: neither a session nor an API token opens this door.
    """
    token_hash = token_hash_of(request.headers.get("Authorization", ""))
    if token_hash is None:
        return answer(401, "unauthorized", "Send the pod's token as Authorization: Bearer")
    # Not content_length: a body sent in chunks has none, and what it says must not be lost.
    body = request.get_data()
    if len(body) > MAX_BODY:
        return answer(413, "too_large", f"A heartbeat holds at most {MAX_BODY:,} bytes")
    try:
        verdict = installed().agents.take(token_hash, json_object(request) if body else {})
    except TooOftenError as refused:
        return answer(429, "too_many_requests", TOO_OFTEN, retryAfter=math.ceil(refused.wait_s))
    if verdict is Verdict.UNKNOWN:
        return answer(401, "unauthorized", UNKNOWN)
    if verdict is Verdict.OVERTAKEN:
        return answer(409, "overtaken", OVERTAKEN)
    return "", 204
