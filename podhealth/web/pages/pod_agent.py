"""The agent of a pod: what it said last, its token, how it is installed. Attached to the blueprint of pods."""

import sqlalchemy as sa
from flask import render_template
from flask.typing import ResponseReturnValue

from podhealth.store import inventory, tenancy
from podhealth.store.db import read
from podhealth.store.podagent import pod_agent
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, once
from podhealth.web.pages.pods import pages
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell


@pages.get("/pods/<id:pod_id>/agent-token")
def agent(pod_id: int) -> ResponseReturnValue:
    """Say what an agent is and what this one said last, and offer a token for it."""
    return _agent(pod_id, None)


@pages.post("/pods/<id:pod_id>/agent-token")
def agent_token(pod_id: int) -> ResponseReturnValue:
    """Make the agent's token and show it, this once: only its hash is stored."""
    made: list[str] = []

    def make(conn: sa.Connection) -> Answer:
        made.append(inventory.set_agent_token(conn, current_scope(), pod_id))
        return {"podId": pod_id}

    once(make)
    return _agent(pod_id, made[0] if made else None, is_repeated=not made)


def _agent(pod_id: int, token: str | None, is_repeated: bool = False) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        said = pod_agent(conn, pod_id)
    return render_template(
        "pages/pods/agent.html",
        shell=shell,
        pod=pod,
        said=said,
        token=token,
        is_repeated=is_repeated,
        origin=installed().settings.public_url.rstrip("/"),
    )
