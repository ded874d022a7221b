"""Coming in and going out: password, one-time link, sign-out. Errors never say which part was wrong."""

from flask import Blueprint, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security.utils import verify_password

from podhealth.store import accounts
from podhealth.store.db import read, write
from podhealth.store.people import find_password
from podhealth.web.errors import answer
from podhealth.web.forms.places import HOME, own_path
from podhealth.web.installed import engine_of
from podhealth.web.session import begin_session, end_session, scope_of_session
from podhealth.web.tries import PAUSE_MINUTES, FailedTries

pages = Blueprint("account", __name__)

_LONGEST_EMAIL = 254
_LONGEST_PASSWORD = 1024  # bytes: a longer one is refused before it is hashed (hazards A24)
# Compared where there is no such person, so that the answer takes as long (hazards A22).
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$c29tZSBzYWx0IG9mIG5vYm9keQ$2cFLnbCVZyY4P3vZC7wzMzYqPnyx7tVCMVXcNYaHLOY"


@pages.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form; who is in already goes on."""
    if scope_of_session() is not None:
        return redirect(own_path(request.args.get("next")), 303)
    return _form(next_path=own_path(request.args.get("next"), ""))


@pages.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Sign in with e-mail address and password."""
    email = request.form.get("email", "").strip().lower()[:_LONGEST_EMAIL]
    password = request.form.get("password", "")
    next_path = own_path(request.form.get("next"), "")
    address = request.remote_addr or "unknown"
    tries: FailedTries = current_app.extensions["failed_tries"]
    if tries.left(email, address) <= 0:
        return _pause()
    user_id = _who(email, password)
    if user_id is None:
        tries.note(email, address)
        left = tries.left(email, address)
        return _pause() if left <= 0 else (_form(next_path, email, left), 422)
    begin_session(user_id)
    return redirect(next_path or HOME, 303)


@pages.get("/sign-in/link/<token>")
def link(token: str) -> ResponseReturnValue:
    """Show a button: a mail scanner that looks at the link must not use it up (hazards A80)."""
    return render_template("pages/account/link.html", token=token, is_dead=False)


@pages.post("/sign-in/link/<token>")
def use_link(token: str) -> ResponseReturnValue:
    """Use a one-time link, once."""
    with write(engine_of()) as conn:
        user_id = accounts.use_sign_in_link(conn, token)
    if user_id is None:
        return render_template("pages/account/link.html", token=token, is_dead=True), 422
    begin_session(user_id)
    return redirect(HOME, 303)


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    end_session()
    return redirect("/sign-in", 303)


def _who(email: str, password: str) -> int | None:
    with read(engine_of()) as conn:
        found = find_password(conn, email)
    too_long = len(password.encode()) > _LONGEST_PASSWORD
    matches = verify_password("" if too_long else password, found.hash if found else _NOBODYS)
    return found.user_id if found and matches and not too_long else None


def _form(next_path: str, email: str = "", left: int | None = None) -> str:
    return render_template(
        "pages/account/sign_in.html", next_path=next_path, email=email, left=left, pause=PAUSE_MINUTES
    )


def _pause() -> ResponseReturnValue:
    return answer(429, "too_many_requests", f"Too many tries. Wait {PAUSE_MINUTES} min.", retryAfter=PAUSE_MINUTES * 60)
