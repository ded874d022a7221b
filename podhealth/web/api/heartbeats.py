"""``POST /api/heartbeats``: an agent says that its pod is alive, by the pod's own token.

``podhealth web`` answers nearly all before they come here (cli/web_worker.py); this route says what is wrong with the
others, and serves all where another program runs the application.
"""

import math

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.web.agents.answers import TOO_OFTEN, UNKNOWN
from podhealth.web.agents.intake import MAX_BODY, TooOftenError, token_hash_of
from podhealth.web.api import api
from podhealth.web.api.body import json_object
from podhealth.web.errors import answer
from podhealth.web.installed import installed


@api.post("/heartbeats")
def heartbeat() -> ResponseReturnValue:
    """Record a heartbeat at the server's clock; answers 204. core/heartbeat.py says what it may hold.

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
        is_known = installed().agents.take(token_hash, json_object(request) if body else {})
    except TooOftenError as refused:
        return answer(429, "too_many_requests", TOO_OFTEN, retryAfter=math.ceil(refused.wait_s))
    if not is_known:
        return answer(401, "unauthorized", UNKNOWN)
    return "", 204
