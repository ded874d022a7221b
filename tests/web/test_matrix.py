"""Each route × method × caller × object, made from the routes and the table of access (hazards §3.0).

Refused requests and all that only read leave every row as it was; whoever is let in changes rows of the own tenant
only; no answer holds anything of another tenant.
"""

import re

import pytest

from podhealth.core.errors import SetupError
from podhealth.web import access
from podhealth.web.access import RULES, Door, Rule
from tests.support import cast, matrix, rows
from tests.support.answers import faults_of
from tests.support.matrix import LET_IN, SAFE

site = cast.site
pytestmark = [pytest.mark.slow, pytest.mark.attack("A1", "A7")]

PATHS = matrix.paths(cast.an_app("sqlite:///nowhere.db"))
VARIES = re.compile(r'(name="csrf[-_]token"[^>]*(content|value)="[^"]*")|(name="op"[^>]*value="[^"]*")')


def _send(site, caller, path, cell):
    rule = RULES.get(path.endpoints.get(cell.method, ""))
    is_json = rule is None or rule.door in (Door.API, Door.AGENT)
    body = {} if cell.method in (*SAFE, "TRACE", "PROPFIND") else {"json": {}} if is_json else {"data": {"x": "y"}}
    if path.is_socket:
        body["headers"] = {"Connection": "Upgrade", "Upgrade": "websocket"} | {
            "Origin": caller.unsafe.get("Origin", "")
        }
    return caller.send(cell.method, matrix.address(site, path, cell), **body)


def _faults(site, path, cell, answer, status):
    """What is wrong with an answer."""
    wrong = answer.status_code != status
    if status is LET_IN:
        # A text in the address may name nothing that is there, whoever asks.
        refusals = {401, 403, 405} if path.texts else {401, 403, 404, 405}
        wrong = answer.status_code in refusals or answer.status_code >= 500
    if wrong:
        yield f"{answer.status_code} in place of {status or 'being let in'}"
    text = f"{answer.get_data(as_text=True)}\n{answer.headers}"
    if cell.who.stranger(site).canary in text or (cell.who.role is None and "-canary" in text):
        yield "something of another tenant"
    if answer.status_code == 405 and cell.method in answer.headers["Allow"].split(", "):
        yield "refuses a method that it says it takes"
    yield from faults_of(answer, may_be_kept=path.endpoints.get(cell.method, "").startswith("assets."))


# Who is let in is decided before a database is asked for more than the caller's own rows: one database says it all.
@pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.text)
@pytest.mark.attack("A12", "A13", "A29")
def test_whoever_is_not_let_in_changes_and_sees_nothing(site, path):
    callers = {who: matrix.caller(site, who) for who in matrix.IDENTITIES}
    watch, faults, missing = rows.Watch(site.engine), [], {}
    for cell in matrix.cells(path):
        status = matrix.expected(path, cell)
        if status is LET_IN and cell.method not in SAFE:
            continue
        answer = _send(site, callers[cell.who], path, cell)
        told = list(_faults(site, path, cell, answer, status))
        if stored := watch.stored():
            told.append(f"stored {stored}")
        if cell.which in matrix.NOT_THERE:
            seen = _seen(answer)
            if missing.setdefault((cell.who, cell.method), seen) != seen:
                told.append("is told from another that is not there")
        faults += [(str(cell), fault) for fault in told]
    watch.close()

    assert faults == []


# Those who are let in change rows where the database is the stricter one of the two.
@pytest.mark.postgres
@pytest.mark.parametrize("site", ["postgres"], indirect=True, scope="module")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.text)
def test_whoever_is_let_in_changes_the_own_tenant_only(site, path):
    faults, site = [], site.afresh() if any(method not in SAFE for method in path.endpoints) else site
    acted_in = set()
    for cell in matrix.cells(path):
        if matrix.expected(path, cell) is not LET_IN or cell.method in SAFE:
            continue
        is_delete = cell.method == "DELETE" or path.endpoints[cell.method].endswith(".delete")
        if is_delete and cell.who.house(site).tenant_id in acted_in:
            site = site.afresh()  # what one caller of a tenant deleted is not there for its next
        acted_in.add(cell.who.house(site).tenant_id)
        caller, other = matrix.caller(site, cell.who), cell.who.stranger(site).tenant_id
        before = rows.marks(site.engine, other)
        answer = _send(site, caller, path, cell)
        told = list(_faults(site, path, cell, answer, LET_IN))
        if stored := rows.changed(before, rows.marks(site.engine, other)):
            told.append(f"stored in another's {stored}")
        faults += [(str(cell), fault) for fault in told]

    assert faults == []


def _seen(answer):
    """What a caller can tell apart: all but the ids and tokens that are new in every answer."""
    request_id = answer.headers.get("X-Request-Id", "none")
    passed_over = ("X-Request-Id", "Set-Cookie", "Date", "Location", "Content-Length", "RateLimit")
    headers = sorted(header for header in answer.headers if header[0] not in passed_over)
    text = VARIES.sub("", answer.get_data(as_text=True).replace(request_id, "-"))
    return answer.status_code, headers, re.sub(r"/[0-9]+\b", "/N", text)


def test_the_matrix_is_as_large_as_it_should_be():
    assert sum(1 for path in PATHS for _ in matrix.cells(path)) > 2_000
    assert {endpoint for path in PATHS for endpoint in path.endpoints.values()} == RULES.keys()


def test_a_route_that_nobody_declared_keeps_the_app_from_starting():
    app = cast.an_app("sqlite:///nowhere.db")
    app.add_url_rule("/backdoor", "pods.backdoor", lambda: "")

    with pytest.raises(SetupError, match=r"no rule for pods\.backdoor"):
        access.require_complete(app)


def test_a_rule_for_a_route_that_is_gone_keeps_the_app_from_starting(monkeypatch):
    monkeypatch.setitem(access.RULES, "pods.gone", Rule(Door.OPEN, None))

    with pytest.raises(SetupError, match=r"pods\.gone"):
        cast.an_app("sqlite:///nowhere.db")


def test_each_route_that_writes_asks_for_more_than_a_viewer_or_is_about_oneself():
    may_viewers = {
        "account.sign_out",
        "account.set_password",
        "account.end_one_session",
        "account.sign_out_everywhere",
        "second_factor.begin",
        "second_factor.confirm",
        "second_factor.renew",
        "second_factor.switch_off",
        "pods.save_view",  # one's own; who makes one the tenant's is asked in the store
        "pods.rename_view",
        "pods.delete_view",
        "policies.preview",  # shows what a policy would say, and stores nothing
        "policies.replay",  # nor does this
        "api.replay_policy",
    }
    unsafe = {endpoint for path in PATHS for method, endpoint in path.endpoints.items() if method not in SAFE}

    assert {e for e in unsafe if RULES[e].role == "viewer"} == may_viewers
    assert {e for e in unsafe if RULES[e].role is None} == {
        "account.enter",
        "account.use_link",
        "second_factor.enter_code",
        "joining.join",
        "joining.ask",
        "joining.set_password",
        "api.heartbeat",
        "approvals.use_link",  # whom the signed link was sent to
        "approvals.reject_by_link",
    }
