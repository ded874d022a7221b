"""What visitors of the status page are told of an incident: written and looked at before, by operators and admins."""

import sqlalchemy as sa
from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.store import publictexts
from podhealth.store.db import db_now, read
from podhealth.store.incidentlog import incidents_of
from podhealth.store.publictexts import PublicText
from podhealth.web.forms import incidents as forms
from podhealth.web.forms.act import ActForm
from podhealth.web.installed import engine_of
from podhealth.web.pages.incidents import incident_answer, pages
from podhealth.web.pages.once import Answer, once, posted_number
from podhealth.web.session import current_scope


@pages.post("/incidents/<id:incident_id>/public")
def tell_visitors(incident_id: int) -> ResponseReturnValue:
    """Say something about the incident to visitors."""
    form = forms.public_form().typed(request.form)
    seen_id = posted_number("newest")

    def tell(conn: sa.Connection) -> Answer:
        said = form.values
        text_id = publictexts.write(conn, current_scope(), incident_id, said["state"], said["text"], seen_id)
        return {"textId": text_id}

    try:
        once(tell)
    except InputError as refused:
        return incident_answer(incident_id, form.with_error(refused.field, refused.message), 422)
    except Conflict as faster:
        why = str(faster)
        told = ActForm(form.name, form.values, refused=f"{why[0].upper()}{why[1:]}: read it above. Your text is kept.")
        return incident_answer(incident_id, told, 409)
    return redirect(f"/incidents/{incident_id}#incident-public-{incident_id}", 303)


@pages.post("/incidents/<id:incident_id>/public/preview")
def preview(incident_id: int) -> ResponseReturnValue:
    """Answer what visitors would see; to a browser without scripts as a page of its own."""
    form = forms.public_form().typed(request.form)
    with read(engine_of()) as conn:
        now = db_now(conn)
        row = incidents_of(conn, current_scope().tenant_id, [incident_id], now).get(incident_id)
        if row is None:
            raise NotFound("there is no such incident")
        view = publictexts.public_view(conn, current_scope().tenant_id, row)
    try:
        state, text = publictexts.read_text(form.values["state"], form.values["text"])
    except InputError:
        draft = None  # half a form is no mistake yet: only publishing it says what is missing
    else:
        draft = PublicText(0, state, text, now)
    if "HX-Request" in request.headers:
        return render_template("pages/incidents/preview.html", view=view, draft=draft)
    return incident_answer(incident_id, form, draft=draft)
