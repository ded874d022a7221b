"""The tables: columns and constraints, no rules and no queries."""

from podhealth.models.accounts import ApiToken, Session, SignInLink, User
from podhealth.models.audit import AuditEntry, AuditHead
from podhealth.models.base import db
from podhealth.models.checks import Check, CheckState
from podhealth.models.healing import (
    Decision,
    Episode,
    Heal,
    KillSwitch,
    Policy,
    PolicyVersion,
    Snooze,
)
from podhealth.models.history import PhaseChange, Result, Transition
from podhealth.models.inventory import Heartbeat, Node, Pod, PodStatus, Tenant
from podhealth.models.operation import FeedEntry, Submission, TickStep, Worker

__all__ = [
    "ApiToken",
    "AuditEntry",
    "AuditHead",
    "Check",
    "CheckState",
    "Decision",
    "Episode",
    "FeedEntry",
    "Heal",
    "Heartbeat",
    "KillSwitch",
    "Node",
    "PhaseChange",
    "Pod",
    "PodStatus",
    "Policy",
    "PolicyVersion",
    "Result",
    "Session",
    "SignInLink",
    "Snooze",
    "Submission",
    "Tenant",
    "TickStep",
    "Transition",
    "User",
    "Worker",
    "db",
]
