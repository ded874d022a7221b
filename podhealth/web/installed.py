"""What the factory hung on the app for its routes: engine, Redis, settings."""

from dataclasses import dataclass

import redis
import sqlalchemy as sa
from flask import Flask, current_app

from podhealth.settings import Settings
from podhealth.web.agents.intake import Intake


@dataclass(frozen=True, slots=True)
class Installed:
    """The parts routes work with; ``redis`` may be away at any time; ``agents`` take heartbeats."""

    engine: sa.Engine
    redis: redis.Redis
    settings: Settings
    agents: Intake


KEY = "podhealth"


def installed(app: Flask | None = None) -> Installed:
    """Return the parts of ``app``, or of the app that serves this request."""
    parts: Installed = (app or current_app).extensions[KEY]
    return parts


def engine_of() -> sa.Engine:
    """Return the engine of the app that serves this request."""
    return installed().engine
