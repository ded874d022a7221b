"""Incidents of a wider cause: a node that is down, a vantage that is blind, a breaker that holds.

Those who find the cause call these, in the transaction that stores it, after the locks of the pods concerned and
before the feed. Each returns notes for ``feed.append``.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.store.feed import FeedNote


def node_down(conn: sa.Connection, node_id: int, now: datetime, reason: str) -> list[FeedNote]:
    """Tell each tenant with pods on the node that it is unreachable: one incident, with all of its pods in it."""
    return []


def node_up(conn: sa.Connection, node_id: int, now: datetime) -> list[FeedNote]:
    """Tell those who were told that the node is back; the incident goes on until its pods have recovered."""
    return []


def vantage_blind(conn: sa.Connection, vantage: str, now: datetime, reason: str) -> list[FeedNote]:
    """Tell each tenant with pods that are probed from the vantage that it cannot trust its own network."""
    return []


def vantage_back(conn: sa.Connection, vantage: str, now: datetime) -> list[FeedNote]:
    """Tell those who were told that the vantage sees again."""
    return []


def breaker_changed(conn: sa.Connection, breaker: sa.Row[Any], now: datetime) -> list[FeedNote]:
    """Tell that a breaker has opened, half-opened or closed; ``breaker`` is its row as it is after the change."""
    return []
