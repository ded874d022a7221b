"""What a probe is given and what it brings back: the contract between claim, engine and record.

Nothing here opens a socket, reads a clock or knows a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from podhealth.core.words import FailClass, Kind, Outcome


class HeartbeatFacts(NamedTuple):
    """What the database knew of a pod's heartbeat when the check was claimed (behaviour §3, Agent).

    ``received_age_s``: age of the newest heartbeat that counts, by the database's clock; None if none counts yet.
    ``period_s``: what the agent stated, else 60. ``waiting``: a missing heartbeat is no failure yet (none ever came,
    or a start is not long enough ago). ``start_missed``: the deadline after a start or heal passed without one.
    ``failed``: its newest job since the start said so, with ``exit_code`` where it gave one. ``job_age_s``: for how
    long a job has been open that began since the start; None where none is.
    """

    received_age_s: float | None
    period_s: int
    waiting: bool
    start_missed: bool
    failed: bool = False
    exit_code: int | None = None
    job_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Everything one probe needs, so that the prober never asks a database.

    ``address`` is the pod's own IP address or DNS name; ``target`` the check's path, port or grace as text.
    ``config`` holds the camelCase options of the kind. ``networks`` are the networks the pod may lie in.
    ``heartbeat`` is filled by the claim for kind agent only. ``plan`` is where the prober keeps what it worked out
    from the other fields, for as long as this very object is used again.
    """

    check_id: int
    pod_id: int
    tenant_id: int
    kind: Kind
    address: str
    target: str | None
    config: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 10.0
    interval_s: int = 60
    latency_limit_ms: float | None = None
    keep_excerpt: bool = False
    networks: tuple[str, ...] = ()
    heartbeat: HeartbeatFacts | None = None
    plan: Any = field(default=None, init=False, repr=False, compare=False)


class Finding(NamedTuple):
    """What one probe found.

    ``code``: a short stable word ("refused", "http_502"); null when all is well. ``error``: one line for people,
    at most 200 characters, without control characters. ``latency_ms``: the protocol's own round trip, null on
    failure. ``size`` and ``body_hash``: of what was read. ``excerpt``: only where the check asks for one.
    ``answered``: the code of an http answer, a wanted one too. ``certificate_ends_at``: where one was looked at.
    """

    outcome: Outcome
    fail_class: FailClass | None = None
    code: str | None = None
    latency_ms: float | None = None
    error: str | None = None
    size: int | None = None
    body_hash: str | None = None
    excerpt: str | None = None
    answered: int | None = None
    certificate_ends_at: datetime | None = None
