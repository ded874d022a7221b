"""What a prober does whose network cable is pulled: ``python -m tests.proofs.unplugged FOLDER URL SECONDS``.

Runs in a network of its own: healthy pods, and what the vantage asks to know whether it sees (references), are at the
far end of a wire; a policy would restart a pod at its first failure. The wire is pulled for so many seconds and plugged
again; printed as JSON is what became of the pods, and what was done and told.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import sqlalchemy as sa

from podhealth.core.words import NoticeKind, Status
from podhealth.models import Check, Heal, Notice, PodStatus, Transition, Vantage
from podhealth.store.db import db_now, make_engine, read, write
from tests.healing.world import SLEEPER, ProcessHost
from tests.proofs.living import wait_out
from tests.support import build
from tests.support.cluster import Cluster
from tests.support.invariants import assert_invariants
from tests.support.listeners import Listener, page
from tests.support.program import die_with_parent
from tests.support.wait import wait_for
from tests.support.wire import FAR, laid_to

_PORT, _PODS = 8080, 6
_EAGER = {"trigger_after_failures": 1, "verify_timeout_s": 60, "start_deadline_s": 5, "healthy_delay_s": 5}


def far_end() -> None:
    """Answer every probe; ends with its standard input."""
    die_with_parent()
    with Listener(page(), "0.0.0.0", port=_PORT), Listener(page(), "0.0.0.0", port=_PORT + 1):  # noqa: S104
        sys.stdin.read()


def _filled(engine: sa.Engine, host: ProcessHost) -> None:
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        build.a_policy(conn, tenant_id, is_default=True, **_EAGER)
        kept = build.with_provider(str(host.folder / "pods" / "web")) | {"provider_ref": "web"}
        for n in range(_PODS):
            pod_id = build.a_pod(conn, tenant_id, f"web-{n}", address=FAR, **kept)
            # Half of them are unhealthy at once: before it can be known that nothing is seen.
            often = {"interval_seconds": 5, "timeout_seconds": 1.0, "failure_threshold": 1 if n % 2 else 5}
            build.a_check(conn, pod_id, "http", target="/", config={"port": _PORT}, **often)
        asked = [f"{FAR}:{_PORT}", f"{FAR}:{_PORT + 1}"]
        conn.execute(sa.insert(Vantage).values(name="local", references=asked, updated_at=db_now(conn)))


def _statuses(engine: sa.Engine) -> set[Status]:
    with read(engine) as conn:
        return set(conn.scalars(sa.select(PodStatus.status)))


def _count(engine: sa.Engine, model: type, *where: sa.ColumnElement[bool]) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(model).where(*where)) or 0)


def main(folder: Path, url: str, lasts_s: float) -> None:
    """Pull the wire, wait, plug it, wait until all is well."""
    pull = laid_to(__spec__.name, "--far")
    with ExitStack() as stack:
        host = ProcessHost(web=SLEEPER)
        stack.callback(host.remove)
        engine = make_engine(url)
        _filled(engine, host)
        cluster = stack.enter_context(Cluster(url, "unix:///nowhere/redis.sock", folder))
        cluster.start("worker", "probe.local")
        cluster.start("worker", "heal", "tick", PODHEALTH_BREAKER_LEAST="1000")
        wait_for(lambda: _statuses(engine) == {Status.HEALTHY}, 60, what="all pods are healthy")
        with read(engine) as conn:
            steady = list(conn.scalars(sa.select(Check.pod_id).where(Check.failure_threshold > 1)))
        told_of_blind = Notice.kind == NoticeKind.VANTAGE_BLIND
        pull("down")
        wait_for(lambda: _count(engine, Notice, told_of_blind) > 0, 60, what="it is told that nothing is seen")
        wait_for(lambda: _statuses(engine) == {Status.UNKNOWN}, 60, what="no pod is said to be anything")
        wait_out(lasts_s)
        pull("up")
        began = monotonic()
        wait_for(lambda: _statuses(engine) == {Status.HEALTHY}, 60, what="all pods are healthy again")
        found = {
            "back": monotonic() - began,
            "blind": _count(engine, Notice, told_of_blind),
            "of steady pods": _count(engine, Notice, Notice.pod_id.in_(steady)),
            "unhealthy": _count(
                engine, Transition, Transition.to_status == Status.UNHEALTHY, Transition.pod_id.in_(steady)
            ),
            "heals": _count(engine, Heal),
            "calls": len(host.ledger()),
        }
        assert cluster.stop() == [0, 0]
        assert_invariants(engine)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "--far":
        far_end()
    else:
        main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
