"""What an agent may say, and what is known after it."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.errors import InputError
from podhealth.core.heartbeat import Heard, Report, hear, is_overtaken, parse_report
from podhealth.core.words import Signal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("fields", "report"),
    [
        ({}, Report()),
        ({"bootId": None, "signal": None, "exitCode": None, "metrics": None}, Report()),
        ({"bootId": "b", "periodSeconds": 30, "sequence": 7}, Report("b", 30, sequence=7)),
        ({"signal": "start"}, Report(signal=Signal.START)),
        ({"signal": "fail", "exitCode": 3}, Report(signal=Signal.FAIL, exit_code=3)),
        ({"signal": "fail"}, Report(signal=Signal.FAIL)),
        ({"exitCode": 0}, Report(signal=Signal.SUCCESS, exit_code=0)),
        ({"exitCode": 255}, Report(signal=Signal.FAIL, exit_code=255)),
        ({"metrics": {"load1": 1, "failedUnits": None}}, Report(metrics={"load1": 1.0})),
    ],
    ids=str,
)
def test_what_may_be_said_is_understood(fields, report):
    assert parse_report(fields) == report


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"signal": "done"}, "signal"),
        ({"signal": 1}, "signal"),
        ({"exitCode": 256}, "exitCode"),
        ({"exitCode": -1}, "exitCode"),
        ({"exitCode": True}, "exitCode"),
        ({"signal": "start", "exitCode": 0}, "exitCode"),
        ({"signal": "alive", "exitCode": 0}, "exitCode"),
        ({"signal": "success", "exitCode": 1}, "exitCode"),
        ({"signal": "fail", "exitCode": 0}, "exitCode"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 1 << 53}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"metrics": []}, "metrics"),
        ({"metrics": {"load5": 1}}, "metrics"),
        ({"metrics": {"memoryPercent": 100.1}}, "metrics.memoryPercent"),
        ({"metrics": {"load1": "1"}}, "metrics.load1"),
        ({"metrics": {"failedUnits": -1}}, "metrics.failedUnits"),
        ({"bootid": "b"}, "bootid"),
    ],
    ids=str,
)
def test_what_may_not_be_said_is_named(fields, field):
    with pytest.raises(InputError) as refused:
        parse_report(fields)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("report", "known", "overtaken"),
    [
        (Report(sequence=5), None, False),
        (Report(sequence=6), Heard(NOW, sequence=5), False),
        (Report(sequence=5), Heard(NOW, sequence=5), True),
        (Report(sequence=4), Heard(NOW, sequence=5), True),
        (Report("b2", sequence=1), Heard(NOW, boot_id="b1", sequence=5), False),
        (Report(sequence=None), Heard(NOW, sequence=5), False),
        (Report(sequence=1), Heard(NOW), False),
    ],
    ids=str,
)
def test_a_later_message_of_the_same_boot_overtakes(report, known, overtaken):
    assert is_overtaken(report, known) is overtaken


def _after(*said):
    known = None
    for seconds, report in said:
        known = hear(report, known, NOW + timedelta(seconds=seconds))
    return known


START, SUCCESS, FAIL = (
    Report(signal=Signal.START),
    Report(signal=Signal.SUCCESS, exit_code=0),
    Report(signal=Signal.FAIL, exit_code=2),
)


def test_what_is_not_said_again_stays():
    told = Report("b", 30, sequence=7, metrics={"load1": 1.0})

    assert _after((0, told), (90, Report())) == Heard(LATER, 30, "b", sequence=7, metrics={"load1": 1.0})


def test_the_numbers_of_a_new_boot_begin_anew():
    assert _after((0, Report("b1", sequence=7)), (90, Report("b2"))).sequence is None


def test_a_job_takes_from_its_start_to_its_end():
    ended = _after((0, START), (90, FAIL))

    assert ended == Heard(LATER, signal=Signal.FAIL, exit_code=2, job_ended_at=LATER, took_ms=90_000)


def test_an_end_without_a_start_took_nobody_knows_how_long():
    assert _after((0, SUCCESS)).took_ms is None


def test_a_failed_job_counts_until_the_next_has_ended_well():
    failed = _after((0, FAIL), (30, START), (60, Report()))

    assert (failed.signal, failed.job_started_at) == (Signal.FAIL, NOW + timedelta(seconds=30))
    assert hear(SUCCESS, failed, LATER).signal is Signal.SUCCESS


def test_a_job_that_never_ended_is_open_since_its_own_start():
    hung = _after((0, START), (90, START))

    assert hung.job_started_at == NOW
    assert hear(SUCCESS, hung, LATER).took_ms == 90_000
