"""What an agent may say, and what the newest that it said means for its check (behaviour §3, Agent).

A job (a cron line, a backup) is watched by the same means: it says ``start``, and ``success`` or ``fail`` at its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhealth.core.errors import InputError
from podhealth.core.fields import line, number, only_known, whole_number, word
from podhealth.core.words import Signal

MIN_PERIOD_S, MAX_PERIOD_S = 5, 86_400
MAX_BOOT_ID = 64
MAX_EXIT_CODE = 255
MAX_SEQUENCE = (1 << 53) - 1
# Each with its bounds; what a machine cannot tell is left out.
METRICS: Mapping[str, tuple[float, float]] = {
    "load1": (0, 100_000),
    "memoryPercent": (0, 100),
    "diskPercent": (0, 100),
    "failedUnits": (0, 10_000),
}
FIELDS = frozenset({"bootId", "periodSeconds", "signal", "exitCode", "sequence", "metrics"})


@dataclass(frozen=True, slots=True)
class Report:
    """One message of an agent. ``sequence`` grows with each message of a boot: an older one was overtaken."""

    boot_id: str | None = None
    period_s: int | None = None
    signal: Signal = Signal.ALIVE
    exit_code: int | None = None
    sequence: int | None = None
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of an agent: its newest message and, of the job that it speaks for, begin and newest end.

    ``signal``: how the newest job ended, alive where none ever did. ``job_started_at``: since when one is open, null
    where none is. ``took_ms``: how long the newest was.
    """

    received_at: datetime
    period_s: int = 60
    boot_id: str | None = None
    signal: Signal = Signal.ALIVE
    exit_code: int | None = None
    sequence: int | None = None
    job_started_at: datetime | None = None
    job_ended_at: datetime | None = None
    took_ms: int | None = None
    metrics: Mapping[str, float] | None = None


def parse_report(fields: Mapping[str, object]) -> Report:
    """Return what an agent says; null counts as not said. An exit code alone says ``success`` (0) or ``fail``.

    Raises InputError that names the field.
    """
    only_known(fields, FIELDS, "a heartbeat")
    given = {name: value for name, value in fields.items() if value is not None}
    report = Report()
    if "bootId" in given:
        report = replace(report, boot_id=line("bootId", given["bootId"], MAX_BOOT_ID))
    if "periodSeconds" in given:
        report = replace(
            report, period_s=whole_number("periodSeconds", given["periodSeconds"], MIN_PERIOD_S, MAX_PERIOD_S)
        )
    if "sequence" in given:
        report = replace(report, sequence=whole_number("sequence", given["sequence"], 0, MAX_SEQUENCE))
    if "metrics" in given:
        report = replace(report, metrics=_metrics(given["metrics"]))
    if "signal" in given or "exitCode" in given:
        report = _with_signal(report, given)
    return report


def _with_signal(report: Report, given: Mapping[str, object]) -> Report:
    code = None if "exitCode" not in given else whole_number("exitCode", given["exitCode"], 0, MAX_EXIT_CODE)
    if "signal" not in given:
        return replace(report, signal=Signal.FAIL if code else Signal.SUCCESS, exit_code=code)
    signal = word("signal", given["signal"], Signal)
    if code is not None and signal in (Signal.ALIVE, Signal.START):
        raise InputError("exitCode", f"does not go with the signal {signal.value}")
    if code is not None and (code == 0) != (signal is Signal.SUCCESS):
        raise InputError("exitCode", f"contradicts the signal {signal.value}")
    return replace(report, signal=signal, exit_code=code)


def _metrics(value: object) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        raise InputError("metrics", "must be an object")
    for name in value:
        if name not in METRICS:
            raise InputError("metrics", "may hold " + ", ".join(METRICS))
    return {
        name: number(f"metrics.{name}", value[name], *METRICS[name]) for name in METRICS if value.get(name) is not None
    }


def is_overtaken(report: Report, known: Heard | None) -> bool:
    """Return whether a later message of the same boot was heard before this one, which says nothing any more."""
    if known is None or report.sequence is None or known.sequence is None or not _is_same_boot(report, known):
        return False
    return report.sequence <= known.sequence


def _is_same_boot(report: Report, known: Heard) -> bool:
    return report.boot_id in (None, known.boot_id)


def hear(report: Report, known: Heard | None, now: datetime) -> Heard:
    """Return what is known after ``report`` came in at ``now``.

    A start leaves open how the job will end: what the one before it came to counts until then, and a job that was
    never told to have ended stays open since its own start. Being alive says nothing about a job.
    """
    before = known or Heard(now)
    heard = replace(
        before,
        received_at=now,
        period_s=before.period_s if report.period_s is None else report.period_s,
        boot_id=before.boot_id if report.boot_id is None else report.boot_id,
        sequence=before.sequence if report.sequence is None and _is_same_boot(report, before) else report.sequence,
        metrics=before.metrics if report.metrics is None else report.metrics,
    )
    if report.signal is Signal.START:
        # Not the newer start: a job that hangs each night would then be well again with each start.
        return heard if heard.job_started_at is not None else replace(heard, job_started_at=now)
    if report.signal is Signal.ALIVE:
        return heard
    took = None if heard.job_started_at is None else (now - heard.job_started_at) // timedelta(milliseconds=1)
    return replace(
        heard, signal=report.signal, exit_code=report.exit_code, job_started_at=None, job_ended_at=now, took_ms=took
    )
