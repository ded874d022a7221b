"""One pod: how it is and was, what is done about it; and what people may do: snooze it, heal it, reset its healing.

Attached to the blueprint of web/pages/pods.py. What stands on the page is store/podpage's, and the same in a push.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.timeline import Range
from podhealth.live.render import fragment
from podhealth.models.base import from_us
from podhealth.store import brakes, heals, holds, podpage, submissions, tenancy
from podhealth.store.db import db_now, read, write
from podhealth.store.latency import WITHOUT_LATENCY
from podhealth.store.podevents import KINDS, Place
from podhealth.store.podmoment import heal_now_view
from podhealth.store.podpage import PodPage, Wanted
from podhealth.store.strips import length_of
from podhealth.web.cursors import decode, encode
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.pods import LENGTHS, empty_forms, read_reason, read_snooze, typed
from podhealth.web.installed import engine_of
from podhealth.web.pages.pods import pages
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell
from podhealth.web.telling import tell_browsers

RANGES = (Range.HOUR, Range.DAY, Range.WEEK, Range.MONTH)
_WORDS = {Range.HOUR: "1 h", Range.DAY: "24 h", Range.WEEK: "7 d", Range.MONTH: "30 d"}


class Tab(NamedTuple):
    """A link to another view of the same page."""

    word: str
    path: str
    is_here: bool


class Times(NamedTuple):
    """Ways through time, null where there is none: nothing was before the pod was made, and nothing is after now."""

    is_past: bool
    earlier: str | None
    later: str | None
    live: str


@pages.get("/pods/<id:pod_id>")
def show(pod_id: int) -> ResponseReturnValue:
    """Show the pod."""
    return _page(pod_id)


@pages.post("/pods/<id:pod_id>/snooze")
def snooze(pod_id: int) -> ResponseReturnValue:
    """Hold the pod's heals and alerts, or its alerts only, for a while."""
    shell, page = _look(pod_id)
    asked, form = read_snooze(typed("snooze", request.form), shell.now, page.zone)
    if asked is None:
        return _refuse(pod_id, form, 422)

    def do(conn: sa.Connection) -> None:
        holds.snooze(conn, current_scope(), pod_id, asked.until, asked.reason, asked.holds)

    return _act(pod_id, form, do)


@pages.post("/pods/<id:pod_id>/end-snooze")
def end_snooze(pod_id: int) -> ResponseReturnValue:
    """End all snoozes of the pod now; it is judged at once."""
    return _act(pod_id, empty_forms()["reset"], lambda conn: holds.end_snooze(conn, current_scope(), pod_id))


@pages.get("/pods/<id:pod_id>/heal")
def ask_heal(pod_id: int) -> ResponseReturnValue:
    """Say anew what heal now would do, to a dialog that opens; without a script, on the pod's page."""
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        view = heal_now_view(conn, pod_id, db_now(conn))
    if "HX-Request" not in request.headers:
        return redirect(f"/pods/{pod_id}#heal-now", 303)
    return render_template("pages/pods/heal_now.html", heal=view, is_alone=True)


@pages.post("/pods/<id:pod_id>/heal")
def heal_now(pod_id: int) -> ResponseReturnValue:
    """Plan the next step of the pod's policy at once, because somebody asks for it and says why."""
    reason, form = read_reason(typed("heal-now", request.form))
    if reason is None:
        return _refuse(pod_id, form, 422)
    return _act(pod_id, form, lambda conn: heals.heal_now(conn, current_scope(), pod_id, reason))


@pages.post("/pods/<id:pod_id>/reset")
def reset(pod_id: int) -> ResponseReturnValue:
    """Close the pod's episode and forget its failures, attempts and pause."""
    return _act(pod_id, typed("reset", request.form), lambda conn: heals.reset(conn, current_scope(), pod_id))


@pages.post("/pods/<id:pod_id>/heal-again")
def heal_again(pod_id: int) -> ResponseReturnValue:
    """Let a pod that was healed again and again be healed anew, because somebody has looked at it and says what."""
    reason, form = read_reason(typed("chronic", request.form))
    if reason is None:
        return _refuse(pod_id, form, 422)
    return _act(pod_id, form, lambda conn: brakes.acknowledge_chronic(conn, current_scope(), pod_id, reason))


def _act(pod_id: int, form: ActForm, do: Callable[[sa.Connection], Any]) -> ResponseReturnValue:
    """Do it once for each ``op``, tell the open pages, and answer: the page's panel of healing, or the way to it."""
    scope, op = current_scope(), request.form.get("op", "")
    try:
        with write(engine_of(), durable=True) as conn:
            tenancy.get_pod(conn, scope, pod_id)
            if not op or submissions.claim(conn, scope, op, str(request.endpoint)) is None:
                do(conn)
    except InputError as refused:
        return _refuse(pod_id, form.with_error(refused.field, refused.message), 422)
    except Conflict as closed:
        return _refuse(pod_id, ActForm(form.name, form.values, refused=str(closed)), 409)
    tell_browsers()
    if "HX-Request" not in request.headers:
        return redirect(f"/pods/{pod_id}", 303)
    _, page = _look(pod_id)
    fresh = "" if request.endpoint == "pods.end_snooze" else _form(pod_id, empty_forms()[form.name], page, is_oob=True)
    body = "\n".join([fragment("pod_healing", page.healing), fresh])
    return _aimed(body, f"#pod-healing-{pod_id}")


def _refuse(pod_id: int, form: ActForm, status: int) -> ResponseReturnValue:
    if "HX-Request" not in request.headers:
        return _page(pod_id, form, status)
    _, page = _look(pod_id)
    return _aimed(_form(pod_id, form, page), f"#{form.name}-form", status)


def _form(pod_id: int, form: ActForm, page: PodPage, is_oob: bool = False) -> str:
    return render_template("pages/pods/form.html", form=form, page=page, lengths=LENGTHS, is_oob=is_oob)


def _aimed(body: str, at: str, status: int = 200) -> Response:
    answer = make_response(body, status)
    answer.headers["HX-Retarget"] = at
    answer.headers["HX-Reswap"] = "outerHTML"
    return answer


def _look(pod_id: int, wanted: Wanted = podpage.NEWEST) -> tuple[Shell, PodPage]:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        page = podpage.pod_page(conn, current_scope().tenant_id, pod_id, shell.now, wanted)
    if page is None:
        raise NotFound("there is no such pod")
    return shell, page


def _page(pod_id: int, refused: ActForm | None = None, status: int = 200) -> ResponseReturnValue:
    wanted = _wanted()
    shell, page = _look(pod_id, wanted)
    wanted = wanted._replace(check=_drawn(wanted.check, page))
    forms = empty_forms() | ({refused.name: refused} if refused else {})
    return (
        render_template(
            "pages/pods/show.html",
            shell=shell,
            page=page,
            forms=forms,
            refused=refused,
            lengths=LENGTHS,
            ranges=_range_tabs(pod_id, wanted),
            times=_times(pod_id, wanted, page, shell.now),
            plots=_plot_tabs(pod_id, wanted, page),
            kinds=_event_tabs(pod_id, wanted),
            older=_older(pod_id, wanted, page.events.next),
            zone=_zone_name(page, shell.now),
        ),
        status,
    )


def _wanted() -> Wanted:
    """Return what the query string asks for; what it cannot ask for counts as not asked."""
    range_ = request.args.get("range", "")
    kind = request.args.get("events", "")
    return Wanted(
        Range(range_) if range_ in RANGES else Range.DAY,
        kind if kind in KINDS else None,
        _place(request.args.get("cursor")),
        _moment(request.args.get("at", "")),
        request.args.get("check", ""),
    )


def _drawn(check: str | None, page: PodPage) -> str | None:
    """Return the name of the check whose latency was asked for; null where it is drawn without being asked for."""
    return next((plot.name for plot in page.latencies if check in (plot.name, str(plot.check_id))), None)


def _moment(text: str) -> datetime | None:
    """Return a moment with its zone; null for a text that is none, and for a year that no range reaches back from."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo and 1980 <= moment.year < 9000 else None


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        place = Place(*decode(cursor, 3))
        from_us(place.at_us)
    except (InputError, OverflowError):  # no cursor of ours, or of a year that no calendar has
        return None
    return place


def _path(pod_id: int, wanted: Wanted) -> str:
    told = {"range": None if wanted.range == Range.DAY else wanted.range.value, "events": wanted.events}
    told |= {"at": f"{wanted.at:%Y-%m-%dT%H:%M:%SZ}" if wanted.at else None}
    told |= {"cursor": encode(*wanted.before) if wanted.before else None}
    told |= {"check": wanted.check}
    query = urlencode({name: value for name, value in told.items() if value}, safe=":")
    return f"/pods/{pod_id}" + (f"?{query}" if query else "")


def _range_tabs(pod_id: int, wanted: Wanted) -> list[Tab]:
    here = wanted._replace(before=None)
    return [
        Tab(_WORDS[one], _path(pod_id, here._replace(range=one)) + f"#history-{pod_id}", one == wanted.range)
        for one in RANGES
    ]


def _plot_tabs(pod_id: int, wanted: Wanted, page: PodPage) -> list[Tab]:
    """Return the checks whose latency can be drawn; none where there is nothing to choose."""
    names = [row.name for row in page.checks if row.kind not in WITHOUT_LATENCY]
    if len(names) < 2:
        return []
    here = wanted._replace(before=None)
    drawn = {plot.name for plot in page.latencies}
    return [Tab(name, _path(pod_id, here._replace(check=name)) + f"#history-{pod_id}", name in drawn) for name in names]


def _times(pod_id: int, wanted: Wanted, page: PodPage, now: datetime) -> Times:
    """Return the ways to the range before this one, to the one after it, and back to now."""
    length = length_of(wanted.range)
    end = page.lane.end
    here, at = wanted._replace(before=None), f"#history-{pod_id}"
    live = _path(pod_id, here._replace(at=None)) + at
    # A range that would end just before now is the one that ends now.
    later = _path(pod_id, here._replace(at=end + length)) + at if now - (end + length) > length / 20 else live
    return Times(
        page.is_past,
        _path(pod_id, here._replace(at=end - length)) + at if end - length > page.born_at else None,
        later if page.is_past else None,
        live,
    )


def _event_tabs(pod_id: int, wanted: Wanted) -> list[Tab]:
    at = f"#events-part-{pod_id}"
    kinds = [(None, "all"), *((kind, kind) for kind in KINDS)]
    here = wanted._replace(before=None)
    return [Tab(word, _path(pod_id, here._replace(events=kind)) + at, kind == wanted.events) for kind, word in kinds]


def _older(pod_id: int, wanted: Wanted, place: Place | None) -> str | None:
    if place is None:
        return None
    return _path(pod_id, wanted._replace(before=place)) + f"#events-part-{pod_id}"


def _zone_name(page: PodPage, now: datetime) -> str:
    return str(page.zone) if getattr(page.zone, "key", None) else now.tzname() or "UTC"
