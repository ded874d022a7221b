"""Ways in for who has no password yet, or no more: an invitation's link, and a new password by letter.

A link is looked at by GET and used by POST alone: mail scanners look at links, too (hazards A80).
"""

from flask import Blueprint, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security.utils import hash_password

from podhealth.core.errors import Conflict, InputError
from podhealth.store import members, resets
from podhealth.store.db import read, write
from podhealth.web.errors import answer
from podhealth.web.forms.password import LONGEST_BYTES, SHORTEST, mistakes, read_new_password
from podhealth.web.forms.places import HOME
from podhealth.web.installed import engine_of
from podhealth.web.pages.second_factor import go_on
from podhealth.web.platform import platform
from podhealth.web.tries import PAUSE_MINUTES, FailedTries

pages = Blueprint("joining", __name__)

_LONGEST_EMAIL = 254
_LONGEST_TOKEN = 100


@pages.get("/invite/<token>")
def invitation(token: str) -> ResponseReturnValue:
    """Show who invites to what, and ask for a name and a password."""
    return _invitation(token)


@pages.post("/invite/<token>")
def join(token: str) -> ResponseReturnValue:
    """Join the tenant, once, and be signed in."""
    with read(engine_of()) as conn:
        told = members.find_invitation(conn, token[:_LONGEST_TOKEN])
    if told is None:
        return _invitation(token)
    typed, name = read_new_password(request.form), request.form.get("name", "").strip()
    wrong = mistakes(typed, told.email, name, told.tenant)
    if wrong:
        return _invitation(token, name, wrong)
    hashed = hash_password(typed.password)  # before the transaction: it takes long
    try:
        with write(engine_of(), durable=True) as conn:
            user_id = members.join(conn, token[:_LONGEST_TOKEN], name, hashed)
    except InputError as refused:
        return _invitation(token, name, {refused.field: refused.message})
    except Conflict:
        return _invitation(token, name, {"name": "cannot be used: this address has an account by now. Sign in"})
    return _invitation(token) if user_id is None else go_on(user_id, HOME)


@pages.get("/forgot")
def forgot() -> ResponseReturnValue:
    """Ask for the address to which a link is to go."""
    return _forgot()


@pages.post("/forgot")
def ask() -> ResponseReturnValue:
    """Have a link mailed, if there is such an account; the answer is the same."""
    email, address = request.form.get("email", "").strip().lower()[:_LONGEST_EMAIL], request.remote_addr or "unknown"
    tries: FailedTries = current_app.extensions["reset_tries"]
    if tries.left(email, address) <= 0:
        wait = PAUSE_MINUTES * 60
        return answer(429, "too_many_requests", f"Too many requests. Wait {PAUSE_MINUTES} min.", retryAfter=wait)
    tries.note(email, address)  # each asks for a mail: none is free
    if platform().has_mail and email:
        with write(engine_of()) as conn:
            resets.ask(conn, email, request.remote_addr)
    return _forgot(is_asked=True)


@pages.get("/reset/<token>")
def reset(token: str) -> ResponseReturnValue:
    """Ask for the new password."""
    return _reset(token)


@pages.post("/reset/<token>")
def set_password(token: str) -> ResponseReturnValue:
    """Set it, once; all sessions of the person end, and the sign-in asks for what else it asks for."""
    with read(engine_of()) as conn:
        email = resets.whose(conn, token[:_LONGEST_TOKEN])
    if email is None:
        return _reset(token)
    typed = read_new_password(request.form)
    wrong = mistakes(typed, email)
    if wrong:
        return _reset(token, wrong)
    hashed = hash_password(typed.password)
    with write(engine_of(), durable=True) as conn:
        is_set = resets.set_password(conn, token[:_LONGEST_TOKEN], hashed, request.remote_addr)
    return redirect("/sign-in?reset=1", 303) if is_set else _reset(token)


def _invitation(token: str, name: str = "", wrong: dict[str, str] | None = None) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        told = members.find_invitation(conn, token[:_LONGEST_TOKEN])
    text = render_template(
        "pages/account/invite.html", token=token, told=told, name=name, wrong=wrong or {}, shortest=SHORTEST
    )
    return text, 422 if wrong or (told is None and request.method == "POST") else 200


def _forgot(is_asked: bool = False) -> str:
    return render_template("pages/account/forgot.html", is_asked=is_asked, has_mail=platform().has_mail)


def _reset(token: str, wrong: dict[str, str] | None = None) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        email = resets.whose(conn, token[:_LONGEST_TOKEN])
    text = render_template(
        "pages/account/reset.html",
        token=token,
        email=email,
        wrong=wrong or {},
        shortest=SHORTEST,
        longest=LONGEST_BYTES,
    )
    return text, 422 if wrong or (email is None and request.method == "POST") else 200
