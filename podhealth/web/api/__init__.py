"""The JSON API under /api. Each route declares itself (declare.py), reads, calls one function, shapes the answer."""

from flask import Blueprint

api = Blueprint("api", __name__, url_prefix="/api")

from podhealth.web.api import (  # noqa: E402, F401 - routes attach
    agents,
    approvals,
    audit,
    brakes,
    channels,
    checks,
    config,
    described,
    effect,
    heals,
    heartbeats,
    incidents,
    named_checks,
    nodes,
    overview,
    pod,
    pod_acts,
    pods,
    policies,
    replay,
    runs,
    shared_nodes,
    sync,
    tokens,
    users,
    windows,
)
