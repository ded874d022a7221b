"""The channels: the list, the form that makes and changes one, its log of messages, a test, and its end.

What a channel may be is core/channel_fields' business; what is told over it the relay's. Where it leads to is shown to
admins only.
"""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import ChannelKind, NoticeKind
from podhealth.queues import enqueue
from podhealth.store import channels, channelview, deliveries, deliverylog, reach, telltry
from podhealth.store.db import read
from podhealth.web.forms import channels as forms
from podhealth.web.forms.channels import ChannelForm
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages import channel_views as views
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.platform import platform
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("channels", __name__)

A_PAGE = 30


@pages.get("/channels", endpoint="list")
def list_channels() -> ResponseReturnValue:
    """Show the tenant's channels: which work, what each was told last, who is told what; and what would be told."""
    scope, name = current_scope(), request.args.get("pod", "").strip()[:63]
    asked = request.args.get("event", "")
    event = next((one for one in telltry.EVENTS if one.value == asked), NoticeKind.UNHEALTHY)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        listed = channels.list_channels(conn, scope)
        tried = telltry.try_out(conn, scope, listed, name, event) if name else None
    return render_template(
        "pages/channels/list.html",
        shell=shell,
        channels=[channelview.row_of(one) for one in listed],
        routes=telltry.route_lines(listed),
        events={one.value: words for one, (words, _) in telltry.EVENTS.items()},
        name=name,
        event=event.value,
        tried=tried,
    )


@pages.get("/channels/new")
def new() -> ResponseReturnValue:
    """Show the form of a channel that is not stored yet."""
    return _form_page(forms.new_form(), None)


@pages.post("/channels")
def create() -> ResponseReturnValue:
    """Make a channel; the secret of a web hook is shown in the answer, this once."""
    form = forms.read_form(request.form, platform())
    asked = form.rules
    if asked is None:
        return _form_page(form, None, 422)
    secret: list[str] = []

    def make(conn: sa.Connection) -> Answer:
        stored = channels.create_channel(conn, current_scope(), asked, platform())
        secret.extend([stored.secret] if stored.secret else [])
        return {"channelId": stored.row.id}

    try:
        made = once(make)
    except InputError as refused:
        return _form_page(forms.refused_by_store(form, refused), None, 422)
    if form.values["kind"] == ChannelKind.WEBHOOK.value:
        return _secret_page(made["channelId"], secret)
    return redirect(f"/channels/{made['channelId']}", 303)


@pages.get("/channels/<id:channel_id>")
def show(channel_id: int) -> ResponseReturnValue:
    """Show one channel: how it is, what goes to it, and its messages with their tries, the newest first."""
    before = request.args.get("before", "")
    tested = request.args.get("test", "")
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        channel = channels.get_channel(conn, scope, channel_id)
        routes = channels.routes_of(conn, channel_id)
        older_than = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        wish = deliverylog.Wish(channel_id, before_id=older_than)
        shown = deliverylog.delivery_rows(conn, scope, wish, A_PAGE + 1)
        asked = int(tested) if tested.isascii() and tested.isdigit() and len(tested) < 19 else 0
        test_row = deliverylog.deliveries_of(conn, scope, [asked]).get(asked)
    return render_template(
        "pages/channels/show.html",
        shell=shell,
        channel=channel,
        place=views.place_of(channel),
        routes=channelview.routes_in_words(routes),
        messages=shown[:A_PAGE],
        tested=test_row if test_row is not None and test_row.channel_id == channel_id else None,
        kind=channelview.KIND_WORDS[channel.kind],
        older=f"/channels/{channel_id}?before={shown[A_PAGE - 1].message_id}" if len(shown) > A_PAGE else None,
    )


@pages.get("/channels/<id:channel_id>/edit")
def edit(channel_id: int) -> ResponseReturnValue:
    """Show the form of a channel as it is stored."""
    return _form_page(None, channel_id)


@pages.post("/channels/<id:channel_id>/edit")
def save(channel_id: int) -> ResponseReturnValue:
    """Change a channel, unless somebody else has since it was read."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        existing = channels.rules_of(conn, channels.get_channel(conn, current_scope(), channel_id))
    form = forms.read_form(request.form, platform(), existing)
    asked = form.rules
    if asked is None:
        return _form_page(form, channel_id, 422)

    def change(conn: sa.Connection) -> Answer:
        channels.update_channel(conn, current_scope(), channel_id, asked, platform(), version)
        return {"channelId": channel_id}

    try:
        once(change)
    except InputError as refused:
        return _form_page(forms.refused_by_store(form, refused), channel_id, 422)
    except Conflict:
        return _form_page(form, channel_id, 409)
    return redirect(f"/channels/{channel_id}", 303)


@pages.get("/channels/<id:channel_id>/delete")
def confirm_delete(channel_id: int) -> ResponseReturnValue:
    """Ask whether the channel is really to go."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        channel = channels.get_channel(conn, current_scope(), channel_id)
    return render_template("pages/channels/delete.html", shell=shell, channel=channel)


@pages.post("/channels/<id:channel_id>/delete")
def delete(channel_id: int) -> ResponseReturnValue:
    """Delete the channel."""

    def remove(conn: sa.Connection) -> Answer:
        channels.delete_channel(conn, current_scope(), channel_id)
        return {"channelId": channel_id}

    once(remove)
    return redirect("/channels", 303)


@pages.post("/channels/<id:channel_id>/test")
def test(channel_id: int) -> ResponseReturnValue:
    """Have a test told at once; the page it leads to shows what came of it."""
    made = once(lambda conn: {"messageId": channels.test_channel(conn, current_scope(), channel_id)})
    enqueue(installed().redis, "alert.deliver")
    return redirect(f"/channels/{channel_id}?test={made['messageId']}", 303)


@pages.post("/channels/<id:channel_id>/secret")
def secret(channel_id: int) -> ResponseReturnValue:
    """Give a web hook another secret, shown in the answer, this once."""
    made: list[str] = []

    def rotate(conn: sa.Connection) -> Answer:
        made.append(channels.rotate_secret(conn, current_scope(), channel_id))
        return {"channelId": channel_id}

    once(rotate)
    return _secret_page(channel_id, made)


@pages.post("/channels/<id:channel_id>/messages/<id:message_id>/retry")
def retry(channel_id: int, message_id: int) -> ResponseReturnValue:
    """Try a dead message again."""

    def again(conn: sa.Connection) -> Answer:
        deliveries.revive(conn, current_scope(), channel_id, message_id)
        return {"messageId": message_id}

    once(again)
    enqueue(installed().redis, "alert.deliver")
    return redirect(f"/channels/{channel_id}?test={message_id}", 303)


def _secret_page(channel_id: int, made: list[str]) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        channel = channels.get_channel(conn, current_scope(), channel_id)
    secret_made = made[0] if made else None
    return render_template("pages/channels/secret.html", shell=shell, channel=channel, secret=secret_made)


def _form_page(form: ChannelForm | None, channel_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        channel = None if channel_id is None else channels.get_channel(conn, scope, channel_id)
        stored = forms.new_form() if channel is None else forms.form_of(channels.rules_of(conn, channel))
        tags = reach.tags_in_use(conn, scope)
    shown = form or stored
    labels = forms.labels(shown)
    page = render_template(
        "pages/channels/edit.html",
        shell=shell,
        channel=channel,
        form=shown,
        labels=labels,
        rows=forms.route_rows(shown),
        problems=shown.problems(labels),
        meanwhile=differing(stored, shown, labels) if status == 409 else None,
        version=version_read(channel and channel.version, status),
        platform=platform(),
        kinds=forms.KINDS,
        tags=tags,
    )
    return page, status
