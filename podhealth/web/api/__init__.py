"""The JSON API under /api: the seed's nine routes and the agent's heartbeat. Routes parse, call one function, shape."""

from flask import Blueprint

api = Blueprint("api", __name__, url_prefix="/api")

from podhealth.web.api import (  # noqa: E402, F401 - routes attach
    agents,
    approvals,
    brakes,
    channels,
    checks,
    effect,
    heals,
    heartbeats,
    incidents,
    nodes,
    overview,
    pods,
    policies,
    replay,
    windows,
)
