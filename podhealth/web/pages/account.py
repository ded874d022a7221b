"""Coming in and going out: password, one-time link, sign-out, and a person's own account.

Errors of the sign-in never say which part was wrong.
"""

from flask import Blueprint, current_app, g, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_security.utils import hash_password

from podhealth.core.errors import InputError
from podhealth.store import accounts, people
from podhealth.store.db import read, write
from podhealth.store.second_factor import is_on
from podhealth.store.watchers import IDLE
from podhealth.web.errors import answer
from podhealth.web.forms.password import LONGEST_BYTES, SHORTEST, mistakes, read_new_password
from podhealth.web.forms.places import HOME, own_path
from podhealth.web.installed import engine_of
from podhealth.web.pages import second_factor
from podhealth.web.passwords import is_password_of, whose_password
from podhealth.web.session import BY_LINK, SESSION_LIVES, current_scope, end_session, scope_of_session, session_key
from podhealth.web.shell import open_shell
from podhealth.web.tries import PAUSE_MINUTES, FailedTries

pages = Blueprint("account", __name__)

_LONGEST_EMAIL = 254


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
    user_id = whose_password(email, password)
    if user_id is None:
        tries.note(email, address)
        left = tries.left(email, address)
        return _pause() if left <= 0 else (_form(next_path, email, left), 422)
    return second_factor.go_on(user_id, next_path or HOME)


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
    return second_factor.go_on(user_id, HOME, by_link=True)


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    end_session()
    return redirect("/sign-in", 303)


@pages.get("/account")
def show() -> ResponseReturnValue:
    """Show who is signed in, where, and what this browser keeps."""
    return _account({})


@pages.get("/account/password")
def after_password() -> ResponseReturnValue:
    """Send people to the account: they load the address again at which a refused password left them."""
    return redirect("/account", 303)


@pages.post("/account/password")
def set_password() -> ResponseReturnValue:
    """Set the person's password; everywhere else they are signed out."""
    typed = read_new_password(request.form)
    wrong = mistakes(typed, g.person.email, g.person.name, g.person.tenant)
    if not wrong and _asks_for_current():
        address = request.remote_addr or "unknown"
        tries: FailedTries = current_app.extensions["failed_tries"]
        if tries.left(g.person.email, address) <= 0:
            return _pause()
        if not is_password_of(g.person.id, g.person.email, typed.current):
            tries.note(g.person.email, address)
            wrong["current"] = "is not your password"
    if wrong:
        return _account(wrong), 422
    new_hash = hash_password(typed.password)
    with write(engine_of(), durable=True) as conn:
        people.set_password(conn, current_scope(), g.person.id, new_hash, session_key())
    session.pop(BY_LINK, None)
    return redirect("/account?saved=password", 303)


@pages.get("/account/sessions/end")
def after_session() -> ResponseReturnValue:
    """Send people to the account: they load the address again at which they ended a session."""
    return redirect("/account", 303)


@pages.post("/account/sessions/end")
def end_one_session() -> ResponseReturnValue:
    """End one of the person's sessions; its open pages close within seconds."""
    typed = request.form.get("session", "")
    if not (typed.isascii() and typed.isdecimal()):
        raise InputError("session", "must be one of the list")
    with write(engine_of()) as conn:
        people.end_session(conn, current_scope(), g.person.id, int(typed[:20]))
    return redirect("/account?saved=session#sessions", 303)


@pages.post("/account/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions of this person, this one too."""
    with write(engine_of()) as conn:
        people.sign_out_everywhere(conn, current_scope(), g.person.id)
    end_session()
    return redirect("/sign-in", 303)


def _account(wrong: dict[str, str]) -> str:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        has_password = people.has_password(conn, g.person.id)
        sessions = people.sessions_of(conn, g.person.id)
        has_second_factor = is_on(conn, g.person.id)
    return render_template(
        "pages/account/show.html",
        shell=shell,
        sessions=sessions,
        has_second_factor=has_second_factor,
        this_session=session_key(),
        idle_days=IDLE.days,
        whole_days=SESSION_LIVES.days,
        has_password=has_password,
        asks_for_current=has_password and not session.get(BY_LINK),
        saved=request.args.get("saved") if request.method == "GET" else None,
        wrong=wrong,
        shortest=SHORTEST,
        longest=LONGEST_BYTES,
    )


def _asks_for_current() -> bool:
    if session.get(BY_LINK):
        return False
    with read(engine_of()) as conn:
        return people.has_password(conn, g.person.id)


def _form(next_path: str, email: str = "", left: int | None = None) -> str:
    return render_template(
        "pages/account/sign_in.html",
        next_path=next_path,
        email=email,
        left=left,
        pause=PAUSE_MINUTES,
        is_reset=request.args.get("reset") == "1",
    )


def _pause() -> ResponseReturnValue:
    return answer(429, "too_many_requests", f"Too many tries. Wait {PAUSE_MINUTES} min.", retryAfter=PAUSE_MINUTES * 60)
