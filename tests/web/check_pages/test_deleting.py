"""Deleting a check by hand, and what is told and written of all that is done to checks."""

import sqlalchemy as sa

from podhealth.models import AuditEntry
from podhealth.store.db import read
from tests.support.forms import hidden
from tests.web.check_pages.typed import HTTP, put, stored


def test_deleting_asks_says_what_it_does_and_is_done_once(engine, acme, adam, pod_id) -> None:
    path = f"/pods/{pod_id}/checks/{put(engine, acme, pod_id).id}/delete"
    page = adam.get(path).text
    data = {"op": hidden(page, "op")}
    codes = [adam.post(path, data=data).status_code for _ in range(2)]

    assert "Delete http of web-1?" in page
    assert "judged by its other checks alone" in page
    assert codes == [303, 303]
    assert list(stored(engine, acme, pod_id)) == ["ping"]
    assert adam.get(path).status_code == 404


def test_all_of_it_is_audited(engine, acme, adam, pod_id) -> None:
    adam.post(f"/pods/{pod_id}/checks/new", data=HTTP)
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['http'].id}"
    for part, data in (("edit", HTTP | {"target": "/x"}), ("disable", {}), ("enable", {}), ("delete", {})):
        adam.post(f"{path}/{part}", data=data)

    with read(engine) as conn:
        told = list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))
    assert told == [
        "pod created",
        "check created",
        "check edited",
        "check disabled",
        "check enabled",
        "check deleted",
    ]


def test_the_browsers_are_told_after_the_commit(adam, pod_id, ear) -> None:
    adam.post(f"/pods/{pod_id}/checks/new", data=HTTP)

    assert ear.get_message(timeout=5)


def test_what_people_typed_is_text_on_every_page(engine, acme, adam, pod_id) -> None:
    evil = '"><script>alert(1)</script>'
    row = put(engine, acme, pod_id, name=evil, config={"bodyContains": "</textarea>" + evil, "headers": {"A": evil}})
    pages = [adam.get(f"/pods/{pod_id}/checks/{row.id}/{part}").text for part in ("edit", "delete")]
    pages += [adam.get(f"/pods/{pod_id}").text]
    pages += [adam.post(f"/pods/{pod_id}/checks/new", data=dict.fromkeys(HTTP, evil) | {"checkType": "http"}).text]

    assert [number for number, page in enumerate(pages) if "<script>alert" in page] == []
