"""One tenant whose pods live on as chance has it, only by what the product itself does.

For runs that ask after every step whether the invariants hold. Probes are not made: their outcomes are recorded
through the product's own claim and record.
"""

import random
from datetime import timedelta

from podhealth import clock
from podhealth.core.check_rules import parse_check
from podhealth.core.probe import Finding
from podhealth.core.words import Actor, FailClass, Outcome, Role
from podhealth.store import checks, expiry, feed, inventory, newpods, podstate
from podhealth.store.claim import claim_due
from podhealth.store.db import db_now, write
from podhealth.store.record import Found, record
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant
from tests.support.invariants import Acked

SECOND = timedelta(seconds=1)


class Life:
    """Two pods with two checks each; one check must succeed three times to be healthy."""

    def __init__(self, engine, seed):
        self.engine, self.chance, self.shift = engine, random.Random(seed), timedelta(0)
        self.acked: list[Acked] = []
        self.ill: set[int] = set()
        with write(engine) as conn:
            self.scope = Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann@acme.example")
        self.pods = [self._new_pod(f"web-{n}", st) for n, st in enumerate((1, 3))]

    def _new_pod(self, name, success_threshold):
        with write(self.engine) as conn:
            fields = {"name": name, "address": "10.0.0.1", "startDeadlineSeconds": 20}
            pod_id = newpods.create_pod(conn, self.scope, fields)
        with write(self.engine) as conn:
            rules = {"checkType": "http", "intervalSeconds": 10, "successThreshold": success_threshold}
            checks.put_check(conn, self.scope, pod_id, parse_check(rules))
        return pod_id

    def step(self):
        choices = [self.probe] * 24 + [self.wait] * 18
        self.chance.choice([*choices, self.edit, self.switch, self.start, self.snooze, self.stop, self.expire])()

    def probe(self):
        with write(self.engine) as conn:
            claims = claim_due(conn, "local", "w1", 10)
        took = self.chance.uniform(0, 2)
        self._pass(took)
        found = [self._found(claim, took) for claim in claims if self.chance.random() < 0.95]
        with write(self.engine) as conn:
            record(conn, found)
        self.acked += [Acked(one.check_id, one.token) for one in found]

    def _found(self, claim, took):
        if self.chance.random() < 0.1:
            self.ill ^= {claim.check_id}
        usual = Outcome.FAIL if claim.check_id in self.ill else Outcome.OK
        outcome = self.chance.choice(
            [usual] * 6 + [Outcome.OK, Outcome.FAIL, Outcome.SLOW, Outcome.SLOW, Outcome.ERROR]
        )
        fail_class = FailClass.DOWN if outcome == Outcome.FAIL else None
        finding = Finding(outcome, fail_class, "x", None, None)
        ended = claim.claimed_us + int(self.chance.random() * took * 1_000_000)
        return Found(
            claim.check_id, claim.token, claim.generation, claim.due_us, claim.claimed_us, ended, finding, "w1"
        )

    def wait(self):
        self._pass(self.chance.choice([1, 5, 10, 10, 20, 25, 200]))

    def _pass(self, seconds):
        self.shift += SECOND * seconds
        clock.shift(self.shift)

    def edit(self):
        with write(self.engine) as conn:
            existing = checks.find_check(conn, self.scope, self.chance.choice(self.pods), "http")
            fields = {"failureThreshold": self.chance.randint(1, 3)}
            checks.put_check(conn, self.scope, existing.pod_id, parse_check(fields, checks.rules_of(existing)))

    def switch(self):
        act = self.chance.choice([checks.disable_check, checks.enable_check])
        with write(self.engine) as conn:
            act(conn, self.scope, self.chance.choice(self.pods), "ping")

    def start(self):
        self._change(lambda conn, pod_id, now: podstate.begin_starting(conn, pod_id, now, 20, "boot", own_heal=False))

    def snooze(self):
        until = SECOND * self.chance.choice([5, 60])
        self._change(lambda conn, pod_id, now: podstate.begin_maintenance(conn, pod_id, now, now + until, "work"))

    def stop(self):
        state = self.chance.choice(["running", "stopped"])
        with write(self.engine) as conn:
            inventory.update_pod(conn, self.scope, self.chance.choice(self.pods), {"desiredState": state})

    def expire(self):
        podstate.settle_due(self.engine)
        expiry.expire_stale(self.engine)

    def _change(self, act):
        with write(self.engine) as conn:
            pod_id = self.chance.choice(self.pods)
            podstate.lock_pods(conn, [pod_id])
            feed.append(conn, act(conn, pod_id, db_now(conn)).notes)
