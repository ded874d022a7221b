"""Has letters about people's own accounts mailed (tick)."""

import sqlalchemy as sa

from podhealth.alerting.letters import send_due
from podhealth.jobs.parts import parts


def send(engine: sa.Engine) -> None:
    """Mail what is due, with the operator's mail server."""
    here = parts()
    send_due(engine, here.settings, here.leaving.is_set)
