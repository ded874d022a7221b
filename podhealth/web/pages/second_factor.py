"""The second factor: set up on the account's page, and asked for between the password and the session.

Between the two steps nothing is granted: the browser's cookie says whose password was right, for five minutes.
"""

from typing import Any

import segno
from flask import Blueprint, current_app, g, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from podhealth import clock
from podhealth.core.errors import Conflict, InputError
from podhealth.models.base import to_us
from podhealth.store import people, second_factor
from podhealth.store.db import read, write
from podhealth.web.errors import answer
from podhealth.web.forms.places import HOME, SECOND_FACTOR, own_path
from podhealth.web.installed import engine_of
from podhealth.web.passwords import is_password_of
from podhealth.web.session import BY_LINK, begin_session, current_scope, lacks_factor
from podhealth.web.shell import open_shell
from podhealth.web.tries import PAUSE_MINUTES, FailedTries

pages = Blueprint("second_factor", __name__)

_PENDING = "pending"
_PENDING_S = 300


def go_on(user_id: int, next_path: str, by_link: bool = False) -> ResponseReturnValue:
    """Begin the person's session, or ask for the code first. Called once the first step is done."""
    with read(engine_of()) as conn:
        is_asked = second_factor.is_on(conn, user_id)
    if not is_asked:
        return _enter(user_id, next_path, by_link)
    session[_PENDING] = {"user": user_id, "at": _now_s(), "next": next_path, "link": by_link}
    return redirect("/sign-in/code", 303)


@pages.get("/sign-in/code")
def code() -> ResponseReturnValue:
    """Ask for the code, from who has just given the password."""
    return redirect("/sign-in", 303) if _pending() is None else _code_form(None)


@pages.post("/sign-in/code")
def enter_code() -> ResponseReturnValue:
    """Let in who sends the phone's code of now, or a recovery code that is not used up."""
    pending = _pending()
    if pending is None:
        return redirect("/sign-in", 303)
    tries: FailedTries = current_app.extensions["code_tries"]
    account, address = f"user {pending['user']}", request.remote_addr or "unknown"
    if tries.left(account, address) <= 0:
        return _pause()
    with write(engine_of(), durable=True) as conn:
        is_right = second_factor.check(conn, pending["user"], request.form.get("code", "")[:40])
    if not is_right:
        tries.note(account, address)
        left = tries.left(account, address)
        return _pause() if left <= 0 else (_code_form(left), 422)
    return _enter(pending["user"], own_path(pending["next"]), pending["link"])


@pages.get("/account/second-factor")
def show() -> ResponseReturnValue:
    """Show whether it is on, and what can be done about it."""
    return _page()


@pages.post("/account/second-factor/begin")
def begin() -> ResponseReturnValue:
    """Show a secret for the phone, as a picture and as a text."""
    return _setting_up()


@pages.post("/account/second-factor/confirm")
def confirm() -> ResponseReturnValue:
    """Switch it on by the first code, and show the recovery codes."""
    if refused := _too_many():
        return refused
    try:
        with write(engine_of(), durable=True) as conn:
            codes = second_factor.confirm(conn, current_scope(), g.person.id, request.form.get("code", "")[:40])
    except InputError as wrong:
        _note_try()
        return _setting_up(wrong.message, 422)
    except Conflict:
        return redirect(SECOND_FACTOR, 303)
    return _page(codes=codes)


@pages.post("/account/second-factor/codes")
def renew() -> ResponseReturnValue:
    """Show ten new recovery codes, to who gives a code."""
    return _with_code(lambda conn: {"codes": second_factor.renew_codes(conn, current_scope(), g.person.id)}, "renew")


@pages.post("/account/second-factor/off")
def switch_off() -> ResponseReturnValue:
    """Switch it off, for who gives the password and a code."""
    if refused := _too_many():
        return refused
    with read(engine_of()) as conn:
        asks = people.has_password(conn, g.person.id)
    if asks and not is_password_of(g.person.id, g.person.email, request.form.get("password", "")):
        _note_try()
        return _page({"off-password": "is not your password"}, status=422)

    def off(conn: Any) -> dict[str, Any]:
        second_factor.switch_off(conn, current_scope(), g.person.id)
        return {}

    return _with_code(off, "off")


def _with_code(do: Any, form: str) -> ResponseReturnValue:
    if refused := _too_many():
        return refused
    with write(engine_of(), durable=True) as conn:
        is_right = second_factor.check(conn, g.person.id, request.form.get("code", "")[:40])
        more = do(conn) if is_right else {}
    if not is_right:
        _note_try()
        return _page({f"{form}-code": "does not match"}, status=422)
    return _page(**more) if more else redirect(SECOND_FACTOR, 303)


def _enter(user_id: int, next_path: str, by_link: bool) -> ResponseReturnValue:
    begin_session(user_id)
    if by_link:
        session[BY_LINK] = True
    return redirect(next_path or HOME, 303)


def _pending() -> dict[str, Any] | None:
    told = session.get(_PENDING)
    if not isinstance(told, dict) or not 0 <= _now_s() - int(told.get("at", 0)) < _PENDING_S:
        return None
    return told


def _now_s() -> int:
    return to_us(clock.utcnow()) // 1_000_000


def _code_form(left: int | None) -> str:
    return render_template("pages/account/code.html", left=left, pause=PAUSE_MINUTES)


def _pause() -> ResponseReturnValue:
    return answer(429, "too_many_requests", f"Too many tries. Wait {PAUSE_MINUTES} min.", retryAfter=PAUSE_MINUTES * 60)


def _too_many() -> ResponseReturnValue | None:
    tries: FailedTries = current_app.extensions["code_tries"]
    return _pause() if tries.left(f"user {g.person.id}", request.remote_addr or "unknown") <= 0 else None


def _note_try() -> None:
    tries: FailedTries = current_app.extensions["code_tries"]
    tries.note(f"user {g.person.id}", request.remote_addr or "unknown")


def _setting_up(error: str | None = None, status: int = 200) -> ResponseReturnValue:
    try:
        with write(engine_of(), durable=True) as conn:
            secret = second_factor.begin(conn, g.person.id)
    except Conflict:
        return redirect(SECOND_FACTOR, 303)
    return _page({"code": error} if error else {}, secret=secret, status=status)


def _page(
    errors: dict[str, str] | None = None,
    *,
    secret: str | None = None,
    codes: tuple[str, ...] = (),
    status: int = 200,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        # Who must first set it up sees nothing of the tenant: no counts, no banners, nothing live.
        around = {} if lacks_factor() else {"shell": open_shell(conn)}
        is_on = second_factor.is_on(conn, g.person.id)
        is_asked_for = second_factor.is_asked_for(conn, g.person.id)
        left = second_factor.codes_left(conn, g.person.id)
        has_password = people.has_password(conn, g.person.id)
    text = render_template(
        "pages/account/second_factor.html",
        **around,
        is_on=is_on,
        is_asked_for=is_asked_for,
        left=left,
        has_password=has_password,
        errors=errors or {},
        secret=" ".join(secret[n : n + 4] for n in range(0, len(secret), 4)) if secret else None,
        picture=_picture(second_factor.address_for_phone(secret, g.person.email)) if secret else None,
        codes=codes,
    )
    return text, status


def _picture(text: str) -> Markup:
    # Colours by presentation attributes: black on white in both themes, or phones do not read it.
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=False)
    return Markup(drawn)  # noqa: S704 - drawn by us from a secret and an address
