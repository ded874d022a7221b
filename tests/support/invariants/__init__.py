"""What must hold of any database of ours, after every step and every fault (hazards §4).

One function for all runs: unit, stateful, fault and soak. It reads one state of the database and the ledgers that
other processes kept, changes nothing, and returns a sentence for each violation, its invariant's number first.
"""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from tests.support.invariants import episodes, healing, history, holds, lively, states, storage, told
from tests.support.invariants.ledgers import Acked, Call, Ledgers

__all__ = ["Acked", "Call", "Ledgers", "assert_invariants", "check_invariants"]

_Rule = Callable[[sa.Connection, Ledgers], Iterator[str]]

RULES: tuple[_Rule, ...] = (
    healing.one_open_heal,  # I1
    healing.calls_follow_rows,  # I2
    holds.nothing_acts_while_held,  # I3
    storage.acked_results_are_there,  # I4
    states.checks_are_their_results,  # I5
    states.pods_are_their_checks,  # I5
    history.changes_chain,  # I6
    told.troubles_are_told,  # I6
    told.notices_have_causes,  # I6
    told.incidents_are_their_pods,  # I7
    history.uptime_is_whole,  # I8
    healing.one_open_episode,  # I9
    episodes.exhausted_is_the_end,  # I9
    episodes.relapses_go_on,  # I9
    episodes.attempts_come_in_order,  # I9
    storage.claims_are_fenced,  # I10
    storage.tenants_are_closed,  # I11
    healing.heals_have_evidence,  # I12
    holds.budgets_hold,  # I13
    storage.feed_has_no_gap,  # I14
    storage.audit_verifies,  # I15
    lively.old_evidence_is_unknown,  # I17
)
# Only where all workers run and nothing is broken just now.
RULES_AT_WORK: tuple[_Rule, ...] = (lively.nothing_waits,)  # I16


def check_invariants(engine: sa.Engine, ledgers: Ledgers | None = None, *, at_work: bool = False) -> list[str]:
    """Return what is violated, nothing if all is well. ``at_work``: all workers run, so nothing may wait either."""
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            conn = conn.execution_options(isolation_level="REPEATABLE READ")
        with conn.begin():
            if engine.dialect.name == "postgresql":  # a rule may think for long over millions of rows
                conn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            # Those first that compare with the present: what is read is of this moment, and the others take minutes.
            rules = (RULES_AT_WORK if at_work else ()) + RULES
            return [violation for rule in rules for violation in rule(conn, ledgers or Ledgers())]


def assert_invariants(engine: sa.Engine, ledgers: Ledgers | None = None, *, at_work: bool = False) -> None:
    """Fail with all violations, one a line."""
    violations = check_invariants(engine, ledgers, at_work=at_work)

    assert not violations, "\n".join(violations)
