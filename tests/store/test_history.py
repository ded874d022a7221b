"""A pod's history: its pages give each result once, its sums are those of the results, whatever they are read from."""

from itertools import pairwise
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podhealth.core.rollup import BUCKET_US, HOUR_US, MINUTE_US
from podhealth.core.words import Outcome
from podhealth.models import Check, FiveMinutes, Hour, Result, RollupMark
from podhealth.models.base import from_us, to_us
from podhealth.store import history, historysums, partitions, rollups
from podhealth.store.db import db_now, read, write
from podhealth.store.history import Place
from podhealth.store.historysums import Resolution
from tests.support.build import a_check, a_pod, a_tenant

DAY_US = 24 * HOUR_US


@pytest.fixture
def checks(engine):
    """Two checks of one pod, and one of another."""
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        pod_id = a_pod(conn, tenant_id)
        return [a_check(conn, pod_id), a_check(conn, pod_id, "tcp"), a_check(conn, a_pod(conn, tenant_id, "web-2"))]


def _rows(check, chance, until_us, hours):
    """Results of one check in the order of tokens, as probes leave them: each is due after the one before it ended."""
    at = until_us - hours * HOUR_US - chance.randrange(HOUR_US)
    token = 0
    while at < until_us:
        at += chance.choice((5 * MINUTE_US, 11 * MINUTE_US, 40 * MINUTE_US, HOUR_US + 7))
        token += 1
        due, outage = at, chance.random() < 0.1
        at += chance.randrange(10, 20_000_000) + (chance.randrange(2 * DAY_US) if outage else 0)
        # On the edge of a bucket, where it would be missed or counted twice.
        at = at if chance.random() < 0.7 else -(-at // BUCKET_US) * BUCKET_US - chance.randrange(2)
        latency = chance.choice((None, 0.125, 3.5, 250.0, 70_000.0))
        yield _row(check, token, due, at, chance.choice(list(Outcome)), latency, is_late=chance.random() < 0.1)
        if chance.random() < 0.1:
            yield _row(check, -token, at - 1_000_000, at, Outcome.OK, 1.0, is_manual=True)


def _row(check, token, due, at, outcome, latency, **more):
    row = {"check_id": check.id, "tenant_id": check.tenant_id, "pod_id": check.pod_id, "generation": 1}
    row |= {"is_late": False, "is_manual": False} | more
    times = {"scheduled_at": from_us(due), "begun_at": from_us(due), "checked_at": from_us(at)}
    return row | times | {"claim_token": token, "outcome": outcome, "latency_ms": latency}


def _store(engine, rows):
    with write(engine) as conn:
        partitions.ensure_days_of(conn, (to_us(row["scheduled_at"]) for row in rows))
        conn.execute(sa.insert(Result), rows)


def _checks(conn, ids):
    return conn.execute(sa.select(Check.id, Check.tenant_id, Check.pod_id).where(Check.id.in_(ids))).all()


def _empty(engine):
    with write(engine) as conn:
        for model in (Result, FiveMinutes, Hour, RollupMark):
            conn.execute(sa.delete(model))


def _counted(conn, ids, since_us, end_us):
    """The same sums by looking at every row."""
    checked = sa.type_coerce(Result.checked_at, sa.BigInteger)
    rows = conn.execute(
        sa.select(Result.outcome, Result.latency_ms).where(
            Result.check_id.in_(ids), checked >= since_us, checked < end_us, Result.claim_token > 0
        ).where(Result.is_late.is_(False))
    ).all()  # fmt: skip
    good = sum(row.outcome in (Outcome.OK, Outcome.SLOW) for row in rows)
    bad = sum(row.outcome is Outcome.FAIL for row in rows)
    timed = [row.latency_ms for row in rows if row.latency_ms is not None]
    return good, bad, len(rows) - good - bad, len(timed), sum(timed)


def _told(sums):
    return sums.healthy, sums.unhealthy, sums.unknown, sums.timed, sums.sum_ms


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), hours=st.integers(1, 60), behind=st.sampled_from((0, 1, 2)), ago=st.integers(0, 23))
def test_sums_are_those_of_the_results_however_they_are_read(engine, checks, seed, hours, behind, ago):
    """Late, manual, after an outage of the prober, on the edge of a bucket, in buckets that are made or not."""
    _empty(engine)
    chance = Random(seed)
    with read(engine) as conn:
        now = to_us(db_now(conn))
        known = _checks(conn, checks)
    rows = [row for check in known for row in _rows(check, chance, now, hours + ago + 3)]
    # Some come when their bucket was made long ago; a check's tokens still ascend as they are stored.
    first = [row for row in rows if to_us(row["checked_at"]) < now - behind * 30 * MINUTE_US]
    _store(engine, first) if first else None
    if chance.random() < 0.9:
        rollups.make_due(engine)
    _store(engine, rest) if (rest := [row for row in rows if row not in first]) else None
    end = now - ago * HOUR_US + chance.randrange(MINUTE_US)
    since = end - hours * HOUR_US

    with read(engine, one_state=True) as conn:
        found = {r: _told(historysums.sums(conn, checks[:2], since, end, r)) for r in Resolution}
        counted = _counted(conn, checks[:2], since, end)
        pages = _all_pages(conn, checks[:2], since, end)
        ends = sa.type_coerce(Result.checked_at, sa.BigInteger)
        every = sa.select(Result.check_id, Result.claim_token, ends).where(Result.check_id.in_(checks[:2]))
        every = every.where(ends >= since, ends < end, Result.is_late.is_(False))
        wanted = {tuple(row) for row in conn.execute(every)}

    assert found == dict.fromkeys(Resolution, counted)
    keys = [(row.check_id, row.claim_token, to_us(row.checked_at)) for row in pages]
    assert len(keys) == len(set(keys))
    assert set(keys) == wanted
    assert all(later[2] >= earlier[2] for later, earlier in pairwise(keys))


def _all_pages(conn, ids, since_us, end_us, limit=7):
    below, rows = Place(end_us - 1, end_us, 0, 0), []
    while below is not None:
        page = history.page(conn, ids, since_us, below, limit)
        rows += page.results
        below = page.below
    return rows


def test_clocks_set_back_neither_hide_a_result_nor_tell_it_twice(engine, checks):
    with read(engine) as conn:
        known = _checks(conn, checks[:2])
        now = to_us(db_now(conn))
    chance = Random(7)
    at = {check: sorted(chance.sample(range(now - 9 * MINUTE_US, now), 40)) for check in known}
    for times in at.values():
        times[10:20], times[15:30] = times[12:22][::-1], times[15:30][::-1]
    _store(engine, [_row(c, n, t, t, Outcome.OK, 1.0) for c, times in at.items() for n, t in enumerate(times, 1)])

    with read(engine) as conn:
        rows = _all_pages(conn, checks[:2], now - DAY_US, now)

    assert len(rows) == len({(row.check_id, row.claim_token) for row in rows}) == 80
