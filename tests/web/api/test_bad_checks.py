"""What no check may be: each field of each kind with each bad value is refused by name, and nothing is stored."""

import json
import shutil

import pytest

from podhealth.store.db import make_engine, write
from tests.support import rows
from tests.support.apps import an_app
from tests.support.build import a_pod
from tests.support.cast import Site, a_cast
from tests.web.api.bad_values import GOOD, OF_ALL, OF_KIND

# Names of inner parts of an option, which may be told in place of the option's own.
_INNER = {"nonsense", "X", "a"}


CELLS = [
    pytest.param(kind, field, values, id=f"{kind}-{field}")
    for kind, own in OF_KIND.items()
    for field, values in (OF_ALL | own).items()
]


def _body(kind, field, value):
    """The text of a body: built by hand, since json.dumps would not write what must be refused."""
    fields = {"checkType": f'"{kind}"'} | GOOD[kind]
    name = field.removeprefix("config.")
    if field.startswith("config."):
        fields["config"] = f'{{"{name}": {value}}}'
    else:
        fields[name] = value
    return "{" + ", ".join(f'"{key}": {text}' for key, text in fields.items()) + "}", name


def _named(answer, names):
    return (answer.status_code, answer.content_type) == (422, "application/problem+json") and answer.json[
        "field"
    ] in names


@pytest.mark.parametrize(("kind", "field", "values"), CELLS)
@pytest.mark.attack("A64", "A65")
def test_a_bad_value_of_a_new_check_is_refused_by_name_and_nothing_is_stored(site, places, kind, field, values):
    assert _let_in(site, places["new"], kind, field, values) == []


@pytest.mark.parametrize(("kind", "field", "values"), CELLS)
@pytest.mark.attack("A64", "A65")
def test_a_bad_value_of_a_known_check_is_refused_by_name_and_nothing_is_stored(sqlite_site, kind, field, values):
    site, places = sqlite_site

    assert _let_in(site, places[kind], kind, field, values) == []


def _let_in(site, pod_id, kind, field, values):
    """What was not refused as it should have been, and the tables in which something was stored."""
    caller, path, before = site.program("admin"), f"/api/cloud-pods/{pod_id}/health/config", rows.marks(site.engine)
    let_in = []
    for value in values:
        body, name = _body(kind, field, value)
        answer = caller.put(path, data=body, content_type="application/json")
        # Only a kind of check can be looked for, so one that is none may be told as the name of none.
        names = {name} | ({"name"} if field == "checkType" else _INNER if field.startswith("config") else set())
        if not _named(answer, names):
            let_in.append((value[:60], answer.status_code, answer.get_data(as_text=True)))
    return let_in + rows.changed(before, rows.marks(site.engine))


def _places(site):
    with write(site.engine) as conn:
        made = {"new": a_pod(conn, site.acme.tenant_id, "bad-new")}
        made |= dict.fromkeys(GOOD, a_pod(conn, site.acme.tenant_id, "bad-known"))
    for kind in GOOD:
        fields = {"checkType": kind} | {name: json.loads(text) for name, text in GOOD[kind].items()}
        assert site.program("admin").put(f"/api/cloud-pods/{made[kind]}/health/config", json=fields).status_code == 200
    return made


@pytest.fixture(scope="module")
def places(site):
    """A pod without checks, and one with a good check of each kind."""
    return _places(site)


@pytest.fixture(scope="module")
def sqlite_site(tmp_path_factory, _sqlite_template):
    """A site on SQLite alone: values are refused before a database sees them."""
    path = tmp_path_factory.mktemp("site") / "podhealth.db"
    shutil.copyfile(_sqlite_template, path)
    engine = make_engine(f"sqlite:///{path}")
    site = Site(engine, an_app(f"sqlite:///{path}"), a_cast(engine))
    yield site, _places(site)
    engine.dispose()


CONTRADICTIONS = [
    ({"checkType": "ping", "intervalSeconds": 5, "timeoutSeconds": 5}, "timeoutSeconds"),
    ({"checkType": "ping", "intervalSeconds": 10, "timeoutSeconds": 60}, "timeoutSeconds"),
    ({"checkType": "ping", "severity": "warning", "heal": True}, "heal"),
    ({"checkType": "agent", "latencyLimitMs": 100}, "latencyLimitMs"),
    ({"checkType": "agent", "target": "30", "config": {"graceSeconds": 31}}, "graceSeconds"),
    ({"checkType": "http", "config": {"method": "HEAD", "bodyContains": "x"}}, "bodyContains"),
    ({"checkType": "http", "config": {"method": "HEAD", "bodyRegex": "x"}}, "bodyRegex"),
    ({"checkType": "http", "config": {"minCertificateDays": 5}}, "minCertificateDays"),
    ({"checkType": "tcp"}, "target"),
    ({"checkType": "tcp", "name": "http", "target": "80"}, "name"),
    ({"checkType": "ping", "name": "running"}, "name"),
    ({"name": "x"}, "checkType"),
    ({}, "checkType"),
]


@pytest.mark.parametrize(("fields", "named"), CONTRADICTIONS, ids=str)
def test_fields_that_contradict_each_other_are_refused(site, places, fields, named):
    before = rows.marks(site.engine)

    answer = site.program("admin").put(f"/api/cloud-pods/{places['new']}/health/config", json=fields)

    assert _named(answer, {named}), answer.get_data(as_text=True)
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"checkType": "http", "name": "ping"}, ("checkType", "name")),
        ({"checkType": "ping", "intervalSeconds": 10}, ("intervalSeconds",)),
        ({"checkType": "ping", "severity": "warning"}, ("heal",)),
        ({"checkType": "tcp", "target": None}, ("target",)),
    ],
    ids=str,
)
def test_a_change_that_contradicts_what_stands_is_refused(site, places, fields, named):
    before = rows.marks(site.engine)

    answer = site.program("admin").put(f"/api/cloud-pods/{places['ping']}/health/config", json=fields)

    assert _named(answer, named), answer.get_data(as_text=True)
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", "application/json", 400),
        ("null", "application/json", 422),
        ("[]", "application/json", 422),
        ('"x"', "application/json", 422),
        ('{"checkType": "ping"', "application/json", 400),
        ('{"checkType": "ping", "checkType": "tcp"}', "application/json", 422),
        ('{"checkType": "http", "config": {"port": 1, "port": 2}}', "application/json", 422),
        ('{"checkType": "ping"}', "text/plain", 415),
        ('{"checkType": "ping"}', "application/x-www-form-urlencoded", 415),
        ("checkType=ping", "application/x-www-form-urlencoded", 415),
        ('{"checkType": "ping", "config": ' + "[" * 30_000 + "]" * 30_000 + "}", "application/json", 400),
        ('{"checkType": "ping", "name": "' + "x" * 65_536 + '"}', "application/json", 413),
        (" " * 65_537, "application/json", 413),
        ("x" * 1_000_000, "text/plain", 413),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.attack("A64")
def test_a_body_that_is_no_object_of_ours_is_refused(site, places, body, kind, status):
    before = rows.marks(site.engine)

    answer = site.program("admin").put(f"/api/cloud-pods/{places['new']}/health/config", data=body, content_type=kind)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.attack("A68")
def test_a_gzipped_body_is_not_unpacked(site, places):
    import gzip

    packed = gzip.compress(b'{"checkType": "ping"}')
    path, headers = f"/api/cloud-pods/{places['new']}/health/config", {"Content-Encoding": "gzip"}

    assert (
        site.program("admin").put(path, data=packed, content_type="application/json", headers=headers).status_code
        == 400
    )
