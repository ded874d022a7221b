"""The kind agent: judges the age of the newest heartbeat that was read with the claim, and what it said of a job
(behaviour §3, Agent).

Opens nothing; the server's clock has already been applied.
"""

from podhealth.core.probe import Finding, HeartbeatFacts, Target
from podhealth.core.words import Outcome
from podhealth.probing import findings
from podhealth.probing.base import Loop, Plan, Probe

MIN_GRACE_S = 30


def _as_said(facts: HeartbeatFacts, grace_s: float) -> Finding:
    # Of class content, for the pod itself is up: a restart is no answer to a backup that found its disk full.
    if facts.job_age_s is not None and facts.job_age_s > grace_s:
        return findings.content(
            "job_open", f"its job began {facts.job_age_s:,.0f} s ago, wanted it over in {grace_s:,} s"
        )
    if facts.failed:
        with_code = "" if facts.exit_code is None else f", exit code {facts.exit_code}"
        return findings.content("job_failed", f"its job says that it failed{with_code}")
    return Finding(Outcome.OK)


class AgentProber:
    """Answers at once, from facts."""

    def __init__(self, loop: Loop) -> None:
        """``loop`` is not needed: nothing is waited for."""

    def plan(self, target: Target) -> Plan:
        """Return the grace in seconds, None for the default, which depends on the period the agent stated."""
        grace = target.config.get("graceSeconds")
        if grace is None and target.target:
            grace = int(target.target) if target.target.isdecimal() and target.target.isascii() else -1
        if grace is not None and (type(grace) is not int or not 0 <= grace <= 86_400):
            return Plan(finding=findings.invalid("grace", "the grace is not a number of seconds from 0 to 86,400"))
        return Plan(grace)

    def begin(self, probe: Probe) -> Finding | None:
        """Return ok, the failure of a missing heartbeat, or ``waiting`` where none can be expected yet."""
        facts = probe.target.heartbeat
        if facts is None:
            return findings.fault("prober", "the heartbeat was not read with the claim")
        if facts.start_missed:
            return findings.down("no_heartbeat", "no heartbeat since start")
        if facts.waiting or facts.received_age_s is None:
            return findings.fault("waiting", "waiting for a heartbeat")
        grace_s = probe.plan.options
        if grace_s is None:
            grace_s = max(MIN_GRACE_S, facts.period_s)
        if facts.received_age_s <= facts.period_s + grace_s:
            return _as_said(facts, grace_s)
        return findings.down(
            "no_heartbeat",
            f"last heartbeat {facts.received_age_s:,.0f} s ago, wanted one within {facts.period_s + grace_s:,} s",
        )

    def abandon(self, probe: Probe) -> Finding:
        """Never needed: begin always answers."""
        return findings.STALLED

    def close(self) -> None:
        """Nothing is held."""
