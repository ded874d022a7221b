"""Asks the reference targets of a vantage in turn with its other workers: is it our own network that fails?

The engine probes them like any target; how they answered goes to store/vantages. What follows is judged elsewhere.
"""

import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.clock import monotonic
from podhealth.core.places import REFERENCE_EVERY_S, REFERENCE_TIMEOUT_S
from podhealth.core.probe import Finding, Target
from podhealth.core.references import parse_reference
from podhealth.core.words import Kind, Outcome
from podhealth.probing.gateway import default_gateways
from podhealth.store import vantages
from podhealth.store.db import read, write
from podhealth.store.vantages import Asked

# A worker that never asks at the same moment of an interval as a check of 5 s is probed.
_JITTER_S = 0.5
_TARGETS_ANEW_S = 30.0
# Where this process may not ping, a port that nearly every host answers on, be it with a refusal.
_PORT = 22
# Nothing was sent, or nobody looked: it tells of this process, not of its network.
_OWN_TROUBLE = frozenset({"prober_stalled", "prober_stopped", "no_sockets", "prober", "address_busy"})


class Question:
    """One reference probe under way: the key under which the engine hands its finding back."""

    __slots__ = ("is_any_answer_good", "origin_us", "since", "target")

    def __init__(self, target: str, origin_us: int, since: float, is_any_answer_good: bool) -> None:
        self.target = target
        self.origin_us = origin_us  # the database's time at the monotonic moment ``since``
        self.since = since
        self.is_any_answer_good = is_any_answer_good


Submit = Callable[[Sequence[tuple[Question, Target]]], None]


class References:
    """The side of a worker that asks references. Used by the worker's thread, but for ``done``."""

    def __init__(
        self,
        db: sa.Engine,
        vantage: str,
        networks: Sequence[str],
        submit: Submit,
        gateways: Callable[[], Collection[str]] = default_gateways,
    ) -> None:
        """``networks``: where the platform allows pods. ``submit`` hands probes to the engine."""
        self._db = db
        self._vantage = vantage
        self._platform = tuple(networks)
        self._networks: tuple[str, ...] = ()
        self._submit = submit
        self._gateways = gateways
        self._found: deque[tuple[Question, Finding, float]] = deque()
        self._targets: tuple[str, ...] = ()
        self._may_ping = True
        self._next_at = self._next_targets = 0.0

    def done(self, question: Question, finding: Finding, begun: float) -> None:
        """Take what a reference probe found; on the engine's thread."""
        self._found.append((question, finding, begun))

    def turn(self, now: float) -> None:
        """Store what came back, and ask again if it is time and nobody else has.

        Raises DBAPIError where the database is not reached; what came back is kept for the next turn.
        """
        if self._found:
            self._store()
        if now < self._next_at:
            return
        self._next_at = now + REFERENCE_EVERY_S + random.uniform(-_JITTER_S, _JITTER_S)  # noqa: S311 - no secret
        if now >= self._next_targets:
            self._next_targets = now + _TARGETS_ANEW_S
            self._read_targets()
        if self._targets and (origin_us := self._take_turn()) is not None:
            since = monotonic()
            self._submit([self._question(text, origin_us, since) for text in self._targets])

    def _read_targets(self) -> None:
        gateways = self._gateways()
        with read(self._db) as conn:
            self._networks = vantages.networks_of(conn, self._platform, gateways)
            targets = vantages.targets_of(conn, self._vantage, self._networks, gateways)
            is_left = not targets and bool(vantages.references_of(conn, self._vantage))
        self._targets = targets
        if is_left:  # there are none any more: nothing is to be judged by what they answered once
            self._take_turn()

    def _take_turn(self) -> int | None:
        with read(self._db) as conn:
            if not vantages.is_turn(conn, self._vantage):
                return None
        with write(self._db) as conn:
            return vantages.take_turn(conn, self._vantage, self._targets)

    def _question(self, text: str, origin_us: int, since: float) -> tuple[Question, Target]:
        wanted = parse_reference(text)
        fields: dict[str, Any] = {"timeout_s": REFERENCE_TIMEOUT_S, "networks": self._networks}
        if wanted.port is None and self._may_ping:
            fields |= {"kind": Kind.PING, "target": None}
        else:
            fields |= {"kind": Kind.TCP, "target": str(wanted.port or _PORT)}
        target = Target(check_id=0, pod_id=0, tenant_id=0, address=wanted.host, **fields)
        return Question(text, origin_us, since, wanted.port is None), target

    def _store(self) -> None:
        some = list(self._found)
        answers = [one for one in (self._answer(*parts) for parts in some) if one is not None]
        if answers:
            with write(self._db) as conn:
                vantages.keep_answers(conn, self._vantage, answers)
        for _ in some:
            self._found.popleft()

    def _answer(self, question: Question, finding: Finding, begun: float) -> Asked | None:
        begun_us = question.origin_us + round((begun - question.since) * 1e6)
        if finding.outcome in (Outcome.OK, Outcome.SLOW):
            return Asked(question.target, begun_us, None)
        # Whoever refuses has answered: over the network that is in question.
        if question.is_any_answer_good and finding.code in ("refused", "reset"):
            return Asked(question.target, begun_us, None)
        if finding.code in _OWN_TROUBLE:
            return None
        if finding.code == "no_permission" and self._may_ping and question.is_any_answer_good:
            self._may_ping = False
            return None
        return Asked(question.target, begun_us, finding.error or finding.code or "no answer")
