"""Whether this web process is alive. It says nothing about the database, the workers or the version."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def alive() -> ResponseReturnValue:
    """Answer that the process answers."""
    return jsonify({"status": "ok"})
