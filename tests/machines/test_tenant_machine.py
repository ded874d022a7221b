"""People and programs of two tenants do what they may and what they may not (hazards §4, machine 4): I11, I15.

The model knows who has which role just now and which pods there are; what each deed asks for stands here once more,
apart from web/access.py. After each request: the answer is the one that was due, it holds nothing of the other tenant,
what was refused stored nothing, and what was done has its one row in the audit trail. Whether the chains verify and all
references stay inside a tenant is asked after every tenth step, and at the end.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import ApiToken, AuditEntry, Session
from podhealth.store.db import read, write
from tests.machines import restoring
from tests.machines.deeds import ADD, CHANGES, DROP, LOOKS, RENAME, Deed
from tests.machines.living import Counted, Lives, Machine, holds, live
from tests.support import cast, rows
from tests.support.cast import Caller, House, Site, a_session
from tests.support.invariants import storage
from tests.support.invariants.ledgers import Ledgers

site = cast.site
_RANK = {"none": 0, "viewer": 1, "operator": 2, "admin": 3}
_RULES = (storage.tenants_are_closed, storage.audit_verifies, storage.feed_has_no_gap)
_MOST_PODS = 8


deeds = st.sampled_from(LOOKS) | st.sampled_from(CHANGES)


@dataclass
class Somebody:
    """A person or a program, as the model knows them; a caller without access has no role."""

    name: str
    house: int
    caller: Caller
    role: str
    is_program: bool = False
    user_id: int = 0
    session: str = ""
    active: bool = True
    signed_in: bool = True

    @property
    def may(self) -> str:
        return self.role if self.active and self.signed_in else "none"


@dataclass
class Known:
    """What there is of a tenant."""

    pods: dict[int, str] = field(default_factory=dict)
    changes: int = 0


class Tenants(Machine):
    """A life of both tenants."""

    site: ClassVar[Site]
    put_back: ClassVar[Any]

    @initialize()
    def begin(self) -> None:
        type(self).put_back()
        self.houses: tuple[House, House] = (self.site.acme, self.site.zeta)
        self.count = 0
        self.known = [Known({house.pod_id: f"{house.canary}-pod"}) for house in self.houses]
        self.everybody = [Somebody("nobody", 0, self.site.nobody(), "none")]
        for nth, house in enumerate(self.houses):
            for name, user_id in house.people.items():
                role = {"ann": "operator", "vic": "viewer"}.get(name, "admin")
                self.everybody.append(Somebody(name, nth, self.site.nobody(), role, user_id=user_id))
                self._sign_in(self.everybody[-1])
            for role in ("viewer", "operator", "admin"):
                program = Caller(self.site.app, token=house.tokens[role])
                self.everybody.append(Somebody(f"{house.canary} {role}", nth, program, role, is_program=True))
        self.watch = rows.Watch(self.site.engine)
        self.audited = self._audited()

    def teardown(self) -> None:
        self.watch.close()
        assert holds(self.site.engine, _RULES, Ledgers()) == []

    # Requests

    @rule(who=st.integers(0, 99), deed=deeds, is_foreign=st.booleans(), nth=st.integers(0, 9))
    def somebody_asks(self, who: int, deed: Deed, is_foreign: bool, nth: int) -> None:
        self._ask(self.everybody[who % len(self.everybody)], deed, is_foreign, nth)

    @rule(who=st.integers(0, 99), deeds=st.lists(deeds, min_size=2, max_size=4), nth=st.integers(0, 9))
    def somebody_asks_for_much_of_their_own(self, who: int, deeds: list[Deed], nth: int) -> None:
        for deed in deeds:
            self._ask(self.everybody[who % len(self.everybody)], deed, False, nth)

    def _ask(self, who: Somebody, deed: Deed, is_foreign: bool, nth: int) -> None:
        whose = 1 - who.house if is_foreign else who.house
        pods = list(self.known[whose].pods)
        if not pods or (deed is ADD and len(pods) >= _MOST_PODS):
            return
        pod_id, body = pods[nth % len(pods)], self._body(who, deed, pods[nth % len(pods)])
        sent = {} if body is None else {"json": body}
        answer = who.caller.send(deed.method, deed.path.replace("{pod}", str(pod_id)), **sent)
        names_pod = "{pod}" in deed.path or (body or {}).get("podId") is not None
        wanted = self._wanted(who, deed, names_pod and is_foreign)
        text = f"{answer.get_data(as_text=True)}\n{answer.headers}"
        assert answer.status_code == wanted, (who.name, who.may, deed, is_foreign, answer.status_code, text[:300])
        assert self.houses[1 - who.house].canary not in text
        assert who.may != "none" or "-canary" not in text
        self._compare(who, deed, wanted == deed.status, pod_id, answer, body or {})

    def _wanted(self, who: Somebody, deed: Deed, is_strange: bool) -> int:
        if who.may == "none" or (who.is_program and deed.is_page):
            return 303 if deed.is_page else 401
        if _RANK[who.may] < _RANK[deed.role]:
            return 403
        return 404 if is_strange else deed.status

    def _body(self, who: Somebody, deed: Deed, pod_id: int) -> dict[str, Any] | None:
        if deed.body is None:
            return {} if deed.is_change and deed.method != "DELETE" else None
        self.count += 1
        fresh = f"{self.houses[who.house].canary}-{self.count}"
        body = dict(deed.body)
        if deed in (ADD, RENAME) or deed.path == "/api/nodes":
            body["name"] = fresh
        elif deed.path.endswith("snoozes"):
            body["until"] = (clock.utcnow() + timedelta(hours=1)).isoformat()
        elif deed.path.endswith("switches"):
            body |= {"podId": pod_id, "until": (clock.utcnow() + timedelta(hours=1)).isoformat()}
        else:
            body["email"] = f"{fresh}@new.example"
        return body

    def _compare(self, who: Somebody, deed: Deed, is_done: bool, pod_id: int, answer: Any, body: Any) -> None:
        known = self.known[who.house]
        if not (is_done and deed.is_change):
            assert self.watch.stored() == [], (who.name, deed)
        else:
            self._note(who, deed, pod_id, answer, body)
        if is_done and deed.path == "/api/pods" and not deed.is_change:
            assert {one["id"]: one["name"] for one in answer.json["pods"]} == known.pods
        if is_done and deed.path == "/api/pods/{pod}" and not deed.is_change:
            assert answer.json["name"] == known.pods[pod_id]

    def _note(self, who: Somebody, deed: Deed, pod_id: int, answer: Any, body: Any) -> None:
        known = self.known[who.house]
        if deed is ADD:
            known.pods[answer.json["id"]] = body["name"]
        elif deed is RENAME:
            known.pods[pod_id] = body["name"]
        elif deed is DROP:
            del known.pods[pod_id]
        self._is_audited(who.house, deed)

    def _is_audited(self, house: int, what: object) -> None:
        """I15: one row more in the trail of this tenant, none in the other's."""
        before, self.audited = self.audited, self._audited()
        more = [after - had for had, after in zip(before, self.audited, strict=True)]
        assert more == [int(nth == house) for nth in range(2)], what
        assert self.watch.stored() != []

    # Who is who

    @rule(who=st.integers(0, 99), role=st.sampled_from(["viewer", "operator", "admin"]), active=st.booleans())
    def an_admin_changes_somebody(self, who: int, role: str, active: bool) -> None:
        people = [one for one in self.everybody if one.user_id]
        other = people[who % len(people)]
        admin = next(
            one for one in self.everybody if one.house == other.house and one.is_program and one.role == "admin"
        )
        others = [one for one in people if one.house == other.house and one is not other]
        is_last = not any(one.active and one.role == "admin" for one in others)
        fields = {"role": role, "active": active}
        is_same = (other.role, other.active) == (role, active)
        answer = admin.caller.send("PATCH", f"/api/users/{other.user_id}", json=fields)
        if is_last and other.active and other.role == "admin" and (role != "admin" or not active):
            assert answer.status_code == 409
            return
        assert answer.status_code == 200, answer.get_data(as_text=True)
        was_active = other.active
        other.role, other.active = role, active
        other.signed_in = other.signed_in and active and was_active
        self.audited = self._audited() if not is_same else self.audited
        self.watch.stored()

    @rule(who=st.integers(0, 99))
    def somebody_signs_in_again(self, who: int) -> None:
        people = [one for one in self.everybody if one.user_id and one.active]
        self._sign_in(people[who % len(people)])
        self.watch.stored()

    @rule(who=st.integers(0, 99))
    def somebodys_session_ends(self, who: int) -> None:
        people = [one for one in self.everybody if one.user_id]
        other = people[who % len(people)]
        with write(self.site.engine) as conn:
            own = sa.update(Session).where(Session.user_id == other.user_id, Session.ended_at.is_(None))
            conn.execute(own.values(ended_at=clock.utcnow()))
        other.signed_in = False
        self.watch.stored()

    @precondition(lambda self: len(self.everybody) < 20)
    @rule(house=st.integers(0, 1), role=st.sampled_from(["viewer", "operator", "admin"]))
    def an_admin_makes_a_token(self, house: int, role: str) -> None:
        self.count += 1
        name = f"{self.houses[house].canary} t{self.count}"
        answer = self._admin(house).caller.send("POST", "/api/tokens", json={"name": name, "role": role})
        assert answer.status_code == 201
        program = Caller(self.site.app, token=answer.json["token"])
        self.everybody.append(Somebody(name, house, program, role, is_program=True))
        self._is_audited(house, "token")

    @rule(house=st.integers(0, 1))
    def an_admin_ends_a_token(self, house: int) -> None:
        made = [one for one in self.everybody if one.house == house and " t" in one.name and one.active]
        if not made:
            return
        with read(self.site.engine) as conn:
            token_id = conn.scalar(sa.select(ApiToken.id).where(ApiToken.name == made[-1].name))
        assert self._admin(1 - house).caller.send("DELETE", f"/api/tokens/{token_id}").status_code == 404
        assert self.watch.stored() == []
        assert self._admin(house).caller.send("DELETE", f"/api/tokens/{token_id}").status_code == 200
        made[-1].active = False
        self._is_audited(house, "token ended")

    # What must hold

    @invariant()
    def the_invariants_hold(self) -> None:
        if self.nth % 10 == 9:
            assert holds(self.site.engine, _RULES, Ledgers()) == []

    # Helpers

    def _admin(self, house: int) -> Somebody:
        return next(one for one in self.everybody if one.house == house and one.is_program and one.role == "admin")

    def _sign_in(self, who: Somebody) -> None:
        who.session = a_session(self.site.engine, who.user_id)
        who.caller = Caller(self.site.app, session=who.session)
        who.signed_in = True

    def _audited(self) -> list[int]:
        with read(self.site.engine) as conn:
            query = sa.select(AuditEntry.chain, sa.func.count()).group_by(AuditEntry.chain)
            counts: dict[Any, int] = dict(conn.execute(query).all())
        return [counts.get(house.tenant_id, 0) for house in self.houses]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")
def test_each_tenant_is_alone_whatever_its_people_do(site: Site, counted: Counted) -> None:
    put_back, forget = restoring.keep(site.engine)
    Tenants.site, Tenants.put_back = site, staticmethod(put_back)
    try:
        live(Tenants, counted, short=Lives(8, 40), long=Lives(110, 120))
    finally:
        forget()


def test_the_roles_of_the_model_are_those_of_the_product() -> None:
    assert {role.value for role in Role} - {"platform"} == {*_RANK} - {"none"}
