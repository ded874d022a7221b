"""``podhealth doctor``: what is missing or wrong about this installation as seen from this host, and how to mend it.

Each examination runs on a thread of its own under a deadline, and one that breaks says so and keeps no other from
speaking: a doctor is asked when things are broken. Exit code 0: all is well, 1: mend something, 2: something does not
work. Nothing secret is said, and nothing is changed.
"""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import click

from podhealth import egress, logs
from podhealth.cli import doctor_afar, doctor_database, doctor_here, doctor_redis
from podhealth.cli.doctor_case import Case, case_of
from podhealth.cli.installation import data_option
from podhealth.core.diagnosis import Finding, Grade, exit_code
from podhealth.store.secrets import hold_key

Examination = Callable[[Case], Iterable[Finding]]

# By name, with how long each may take, in seconds; all at once.
EXAMINATIONS: dict[str, tuple[Examination, float]] = {
    "Settings": (doctor_here.settings, 5.0),
    "Host": (doctor_here.host, 5.0),
    "Database": (doctor_database.database, 12.0),
    "Processes": (doctor_database.processes, 12.0),
    "Redis": (doctor_redis.redis_server, 8.0),
    "Queues": (doctor_redis.queues_served, 12.0),
    "Mail": (doctor_afar.mail, 15.0),
    "Providers": (doctor_afar.providers, 25.0),
    "Dashboard": (doctor_afar.dashboard, 8.0),
}
_SIGNS = {Grade.OK: "ok  ", Grade.WARN: "warn", Grade.BAD: "bad "}


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(data: str | None, as_json: bool) -> None:
    """Look for what keeps PodHealth from working here, and say how to mend it."""
    case = case_of(data)
    if case.secret_key:
        hold_key(case.secret_key)
    if case.settings is not None:
        egress.open_networks(case.settings.pod_networks)
        egress.open_sockets(case.settings.docker_sockets)
    found = examine(case)
    if as_json:
        click.echo(json.dumps({"findings": [one._asdict() for one in found], "exitCode": exit_code(found)}, indent=2))
    else:
        for line in _told(found):
            click.echo(line)
    raise SystemExit(exit_code(found))


def examine(case: Case) -> list[Finding]:
    """Return all findings in the order of the table, whatever breaks or hangs."""
    running = [(name, deadline_s, _begin(name, do, case)) for name, (do, deadline_s) in EXAMINATIONS.items()]
    found: list[Finding] = []
    for name, deadline_s, (thread, said) in running:
        thread.join(deadline_s)
        mend = "Look at the host and the network it needs; run it again with this one alone in mind."
        late = [Finding(name, Grade.BAD, f"no answer within {deadline_s:.0f} s", mend)] if thread.is_alive() else []
        found += [*said, *late]
    return [one._replace(says=logs.clean_text(one.says)) for one in found]


def _begin(name: str, do: Examination, case: Case) -> tuple[threading.Thread, list[Finding]]:
    said: list[Finding] = []

    def run() -> None:
        try:
            said.extend(do(case))
        except Exception as error:  # the job wrapper: one that breaks must not keep the others from speaking
            mend = "This may be a fault of PodHealth's: tell its makers what is said here."
            said.append(Finding(name, Grade.BAD, f"could not be examined: {type(error).__name__}", mend))

    thread = threading.Thread(target=run, name=f"doctor {name}", daemon=True)
    thread.start()
    return thread, said


def _told(found: list[Finding]) -> Iterable[str]:
    widest = max((len(one.part) for one in found), default=0)
    for one in found:
        yield f"{_SIGNS[one.grade]}  {one.part:<{widest}}  {one.says}"
        if one.mend:
            yield f"{'':<{widest + 8}}-> {one.mend}"
    counts: dict[str, Any] = {grade: sum(one.grade == grade for one in found) for grade in Grade}
    yield f"{counts[Grade.OK]} well, {counts[Grade.WARN]} to mend, {counts[Grade.BAD]} broken"
