"""The tables: columns and constraints, no rules and no queries."""

from podhealth.models.accounts import ApiToken, Session, SignInLink, User
from podhealth.models.alerting import Channel, Delivery, Incident, IncidentMember, Message, Notice, Route, Telling
from podhealth.models.audit import AuditEntry, AuditHead
from podhealth.models.base import db
from podhealth.models.checks import Check, CheckState
from podhealth.models.fleet import (
    Approval,
    Breaker,
    BreakerHold,
    HealSlot,
    Reference,
    ShadowHeal,
    Vantage,
    Window,
)
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
    "Approval",
    "AuditEntry",
    "AuditHead",
    "Breaker",
    "BreakerHold",
    "Channel",
    "Check",
    "CheckState",
    "Decision",
    "Delivery",
    "Episode",
    "FeedEntry",
    "Heal",
    "HealSlot",
    "Heartbeat",
    "Incident",
    "IncidentMember",
    "KillSwitch",
    "Message",
    "Node",
    "Notice",
    "PhaseChange",
    "Pod",
    "PodStatus",
    "Policy",
    "PolicyVersion",
    "Reference",
    "Result",
    "Route",
    "Session",
    "ShadowHeal",
    "SignInLink",
    "Snooze",
    "Submission",
    "Telling",
    "Tenant",
    "TickStep",
    "Transition",
    "User",
    "Vantage",
    "Window",
    "Worker",
    "db",
]
