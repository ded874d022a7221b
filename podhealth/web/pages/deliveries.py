"""Deliveries: what was told over all channels, what is tried again, what could not be told; a dead one sent again.

Addresses are not in it: viewers read it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError, NotFound
from podhealth.queues import enqueue
from podhealth.store import channels, deliveries, deliverylog, windownames
from podhealth.store.db import read
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, once
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("deliveries", __name__)

A_PAGE = 50
STATE_WORDS = {None: "all", "ok": "sent", "retry": "waiting", "dead": "not delivered"}
SPANS = {"24h": "last 24 h", "7d": "last 7 d", "30d": "last 30 d"}
_LENGTHS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class Asked(NamedTuple):
    """What the address asks for; what it cannot ask for counts as not asked, and ``is_bent`` says so."""

    channel: int | None
    state: str | None
    pod: str
    span: str | None
    before: int | None
    is_bent: bool

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.channel or self.state or self.pod or self.span)

    def path(self, **changed: str | None) -> str:
        """Return the address of the same list with some of it changed; null takes a wish back."""
        told = {"channel": None if self.channel is None else str(self.channel), "state": self.state}
        told |= {"pod": self.pod or None, "range": self.span} | changed
        query = urlencode({name: value for name, value in told.items() if value})
        return "/deliveries" + (f"?{query}" if query else "")

    def wish(self, now: datetime, pod_id: int | None) -> deliverylog.Wish:
        """Return the same as the store takes it."""
        since = None if self.span is None else now - _LENGTHS[self.span]
        state = None if self.state is None else deliverylog.STATES[self.state]
        return deliverylog.Wish(self.channel, state, pod_id, since, self.before)


@pages.get("/deliveries", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tenant's messages that the query string asks for, newest first, with their tries."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        known = {one.row.id: one.row.name for one in channels.list_channels(conn, scope)}
        asked = _asked(request.args, known)
        pod_id = windownames.ids_of(conn, scope, [asked.pod]).get(asked.pod) if asked.pod else None
        is_nobody = bool(asked.pod) and pod_id is None
        wish = asked.wish(shell.now, pod_id)
        rows = [] if is_nobody else deliverylog.delivery_rows(conn, scope, wish, A_PAGE + 1)
    return render_template(
        "pages/deliveries/list.html",
        shell=shell,
        deliveries=rows[:A_PAGE],
        asked=asked,
        is_nobody=is_nobody,
        channels={str(channel_id): name for channel_id, name in known.items()},
        spans=SPANS,
        tabs=[(word, asked.path(state=one), one == asked.state) for one, word in STATE_WORDS.items()],
        older=asked.path(cursor=encode(rows[A_PAGE - 1].message_id)) if len(rows) > A_PAGE else None,
    )


@pages.post("/deliveries/<id:message_id>/again")
def send_again(message_id: int) -> ResponseReturnValue:
    """Try a dead message again, under its old id."""
    scope = current_scope()

    def again(conn: sa.Connection) -> Answer:
        row = deliverylog.deliveries_of(conn, scope, [message_id]).get(message_id)
        if row is None:
            raise NotFound("there is no such message")
        deliveries.revive(conn, scope, row.channel_id, message_id)
        return {"messageId": message_id}

    once(again)
    enqueue(installed().redis, "alert.deliver")
    return redirect(f"{_back(request.form)}#delivery-{message_id}", 303)


def _back(posted: Mapping[str, str]) -> str:
    # Only to the list it came from: whoever made the form must not say where a browser goes.
    query = posted.get("back", "")
    is_ours = query.startswith("/deliveries?") and query.isascii() and query.isprintable() and "#" not in query
    return query if is_ours else "/deliveries"


def _asked(args: Mapping[str, str], known: Mapping[int, str]) -> Asked:
    channel, state, span = args.get("channel") or None, args.get("state") or None, args.get("range") or None
    channel_id = int(channel) if channel and channel.isascii() and channel.isdigit() and len(channel) < 19 else None
    channel_id = channel_id if channel_id in known else None
    before, is_bent = _before(args.get("cursor"))
    is_bent = is_bent or (channel is not None and channel_id is None)
    is_bent = is_bent or (state or "ok") not in deliverylog.STATES or (span or "24h") not in SPANS
    return Asked(
        channel_id,
        state if state in deliverylog.STATES else None,
        args.get("pod", "").strip()[:63],
        span if span in SPANS else None,
        before,
        is_bent,
    )


def _before(cursor: str | None) -> tuple[int | None, bool]:
    if cursor is None:
        return None, False
    try:
        return decode(cursor, 1)[0], False
    except InputError:
        return None, True
