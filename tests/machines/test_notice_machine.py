"""Pods fall ill, are held and recover while receivers come, go and crash (hazards §4, machine 3): I6, I7, I13.

The receivers' ledger is held against the messages after every step; the model knows of what was received, and only of
that, which incidents a receiver must believe to be open. When all is calm and nothing waits, that must be the truth.
What must be told is in the database's own rules (tests/support/invariants/told.py), asked after every other step.
"""

from collections import defaultdict
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from podhealth import clock
from podhealth.alerting import relay
from podhealth.alerting.channels.base import SendError, Sent
from podhealth.alerting.deliver import Deliverer
from podhealth.core.errors import Conflict
from podhealth.core.words import Actor, MessageKind, MessageState, Role
from podhealth.models import Message
from podhealth.store import acknowledging, channels, expiry, holds
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.alerting.world import PLATFORM, settings
from tests.machines.living import Counted, Databases, Lives, OnDatabase, live
from tests.machines.living import holds as violated
from tests.support.invariants import assert_invariants, history, told
from tests.support.invariants.ledgers import Ledgers
from tests.support.told import FAIL, OK, SLOW, Fleet

PODS = ("web", "api", "db", "mail")
MODES = ("ok", "ok", "ok", "down", "busy", "refuses", "killed before", "killed after")
_QUICK_RULES = (told.troubles_are_told, told.notices_have_causes, told.incidents_are_their_pods, history.changes_chain)
_FIVE_MINUTES = timedelta(minutes=5)
_MOST_NEW = 3
_UNTOLD = (MessageState.GATHERING, MessageState.DROPPED)
_MESSAGES = sa.select(
    Message.id,
    Message.public_id,
    Message.state,
    Message.kind,
    Message.thread_id,
    Message.channel_id,
    Message.composed_at,
).order_by(Message.id)
some_pods = st.lists(st.sampled_from(PODS), min_size=1, max_size=4, unique=True)


class Killed(BaseException):
    """The process died here: nothing after this point has happened."""


class Got(NamedTuple):
    """One message as a receiver took it."""

    channel: str
    public_id: str
    body: Any


class Receivers:
    """Stands where a kind of channel does; keeps the ledger."""

    def __init__(self) -> None:
        self.mode, self.ledger = "ok", list[Got]()

    def send(self, config: Any, message: Any) -> Sent:
        mode, self.mode = self.mode, "ok" if self.mode.startswith("killed") else self.mode
        if mode == "killed before":
            raise Killed
        if mode == "down":
            raise SendError("connection refused")
        if mode == "busy":
            raise SendError("429", code="429", retry_after=timedelta(minutes=7))
        if mode == "refuses":
            raise SendError("404", permanent=True, code="404")
        self.ledger.append(Got(config["url"], message.public_id, message))
        if mode == "killed after":
            raise Killed
        return Sent("200")


class Notices(OnDatabase):
    """A tenant of four pods with a channel that is told of all, and one of what is critical."""

    @initialize()
    def begin(self) -> None:
        self.fleet = Fleet(self.engine)
        self.fleet.add(*PODS)
        self.scope = Scope(self.fleet.tenant_id, Role.ADMIN, Actor.USER, "ann")
        self.channels: dict[str, int] = {}
        for name, routes in (("all", []), ("critical", [{"severity": "critical"}])):
            given = {"name": name, "kind": "webhook", "config": {"url": f"http://127.0.0.1:9/{name}"}}
            with write(self.engine) as conn:
                made = channels.create_channel(conn, self.scope, given | {"routes": routes}, PLATFORM)
            self.channels[name] = int(made.row.id)
        self.receivers = Receivers()
        self.hand = Deliverer(self.engine, settings(self.engine))
        self.hand._channels = {"webhook": self.receivers}  # type: ignore[dict-item]

    # What happens

    @rule(pods=some_pods)
    def fall_ill(self, pods: list[str]) -> None:
        self.fleet.fall_ill(*pods)

    @rule(pods=some_pods)
    def recover(self, pods: list[str]) -> None:
        self.fleet.recover(*pods)

    @rule(pods=some_pods)
    def grow_slow(self, pods: list[str]) -> None:
        self.fleet.find(SLOW, *pods)

    @rule(pod=st.sampled_from(PODS), times=st.integers(3, 6))
    def change_its_mind(self, pod: str, times: int) -> None:
        for _ in range(times):
            self.fleet.find(FAIL, pod)
            self._pass(20)
            self.fleet.find(OK, pod)
            self._pass(20)

    @rule(seconds=st.sampled_from([1, 4, 11, 31, 61, 301, 900]))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    @rule(hours=st.sampled_from([1, 5]))
    def hours_pass(self, hours: int) -> None:
        self._pass(hours * 3600)
        expiry.expire_stale(self.engine)

    # What people do

    @rule(pod=st.sampled_from(PODS), minutes=st.sampled_from([1, 30]))
    def snooze(self, pod: str, minutes: int) -> None:
        with write(self.engine) as conn:
            until = db_now(conn) + timedelta(minutes=minutes)
            holds.snooze(conn, self.scope, self.fleet.pods[pod], until, "upgrade")

    @rule(pod=st.sampled_from(PODS))
    def end_snooze(self, pod: str) -> None:
        with write(self.engine) as conn:
            holds.end_snooze(conn, self.scope, self.fleet.pods[pod])

    @rule(is_taken=st.booleans(), minutes=st.sampled_from([None, 20]))
    def acknowledge(self, is_taken: bool, minutes: int | None) -> None:
        for one in self.fleet.open_ones():
            try:
                with write(self.engine) as conn:
                    until = None if minutes is None else db_now(conn) + timedelta(minutes=minutes)
                    if is_taken:
                        acknowledging.acknowledge(conn, self.scope, one.id, until, "mine")
                    else:
                        acknowledging.unacknowledge(conn, self.scope, one.id)
            except Conflict:
                continue

    # What the product does

    @rule()
    def relay(self) -> None:
        relay.run(self.engine)

    @rule(mode=st.sampled_from(MODES))
    def deliver(self, mode: str) -> None:
        self.receivers.mode = mode
        self._deliver()

    @rule(mode=st.sampled_from(MODES))
    def a_while_with(self, mode: str) -> None:
        for _ in range(3):
            self._pass(12)
            relay.run(self.engine)
            self.deliver(mode)

    @precondition(lambda self: self.channels)
    @rule()
    def all_is_calm(self) -> None:
        """Receivers answer and time goes by until nothing waits: what they were told last is then the truth."""
        self.receivers.mode = "ok"
        for hours in (0.0, 0.1, 0.1, 0.3, 1.2, 7.0, 0.01, 0.1):
            self._pass(hours * 3600 + 12)
            relay.run(self.engine)
            self._deliver()
        waits = [one for one in self._messages() if one.state == MessageState.WAITING]
        assert waits == []
        self._the_last_told_is_the_truth()

    # What must hold

    @invariant()
    def the_ledger_fits_the_messages(self) -> None:
        """I7: only messages with words are received, all of those that were sent, and one id has one body."""
        messages = {one.public_id: one for one in self._messages()}
        bodies: dict[str, Any] = {}
        for got in self.receivers.ledger:
            assert messages[got.public_id].state not in _UNTOLD
            assert bodies.setdefault(got.public_id, got.body) == got.body
        sent = {one.public_id for one in messages.values() if one.state == MessageState.SENT}
        assert sent <= {*bodies}
        self._in_order(messages)
        self._not_too_many(list(messages.values()))

    @invariant()
    def the_invariants_hold(self) -> None:
        if self.nth % 2 == 0:
            assert violated(self.engine, _QUICK_RULES, Ledgers()) == []

    def teardown(self) -> None:
        try:
            assert_invariants(self.engine)
        finally:
            super().teardown()

    # Helpers

    def _pass(self, seconds: float) -> None:
        clock.shift(clock.shifted() + timedelta(seconds=seconds))
        self.fleet.look()

    def _deliver(self) -> None:
        try:
            while (message := self.hand.take()) is not None:
                self.hand.tell(message)
        except Killed:
            return

    def _messages(self) -> list[Any]:
        with read(self.engine) as conn:
            return list(conn.execute(_MESSAGES))

    def _in_order(self, messages: dict[str, Any]) -> None:
        """I7: the messages of a thread come first in the order in which they were written."""
        first_seen: dict[Any, list[int]] = defaultdict(list)
        for public_id in dict.fromkeys(got.public_id for got in self.receivers.ledger):
            if messages[public_id].thread_id is not None:
                first_seen[messages[public_id].thread_id].append(messages[public_id].id)
        for ids in first_seen.values():
            assert ids == sorted(ids)

    def _not_too_many(self, messages: list[Any]) -> None:
        """I13: in every sliding five minutes three beginnings a channel at the most, and one change a thread."""
        by_channel: dict[Any, list[Any]] = defaultdict(list)
        by_thread: dict[Any, list[Any]] = defaultdict(list)
        for one in messages:
            if one.state in _UNTOLD or one.composed_at is None:
                continue
            if one.kind in (MessageKind.FIRST, MessageKind.NOTICE):
                by_channel[one.channel_id, one.kind].append(one.composed_at)
            if one.kind in (MessageKind.FIRST, MessageKind.CHANGE):
                by_thread[one.thread_id].append(one.composed_at)
        for times, most in [(t, _MOST_NEW) for t in by_channel.values()] + [(t, 1) for t in by_thread.values()]:
            assert all(sum(end - _FIVE_MINUTES < at <= end for at in times) <= most for end in times)

    def _the_last_told_is_the_truth(self) -> None:
        """I7: who was told of an incident knows by now whether it is over, but for what was refused for good."""
        open_now = {one.id for one in self.fleet.open_ones()}
        dead = {one.thread_id for one in self._messages() if one.state == MessageState.DEAD}
        for name in self.channels:
            believed, doubtful = self._believed(name, dead)
            for incident_id in believed.keys() - doubtful:
                assert believed[incident_id] == (incident_id in open_now), incident_id
            if name == "all" and not dead:
                assert open_now <= {key for key, is_open in believed.items() if is_open}

    def _believed(self, name: str, dead: set[Any]) -> tuple[dict[int, bool], set[int]]:
        """Return which incidents that receiver knows and believes to be open, and those of threads that broke off."""
        threads = {one.public_id: one.thread_id for one in self._messages()}
        believed: dict[int, bool] = {}
        doubtful: set[int] = set()
        for got in self.receivers.ledger:
            if got.channel.endswith(f"/{name}"):
                told_of = {one["id"]: one["overAt"] is None for one in got.body.details["incidents"]}
                believed |= told_of
                doubtful |= {*told_of} if threads[got.public_id] in dead else set()
        return believed, doubtful


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_people_are_told_the_truth_whatever_happens(databases: Databases, counted: Counted) -> None:
    Notices.databases = staticmethod(databases)

    live(Notices, counted, short=Lives(10, 25), long=Lives(140, 45))
