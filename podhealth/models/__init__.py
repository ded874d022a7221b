"""The tables: columns and constraints, no rules and no queries."""

from podhealth.models.accounts import ApiToken, Invitation, Letter, RecoveryCode, Session, SignInLink, User
from podhealth.models.alerting import Channel, Delivery, Incident, IncidentMember, Message, Notice, Route, Telling
from podhealth.models.audit import AuditEntry, AuditHead
from podhealth.models.base import db
from podhealth.models.checks import Check, CheckRun, CheckState
from podhealth.models.dashboard import (
    IncidentEntry,
    IncidentUpdate,
    PolicyDraft,
    SavedView,
    StatusPage,
    StatusPagePod,
    WallLink,
)
from podhealth.models.declared import DeclaredObject
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
from podhealth.models.history import FiveMinutes, Hour, PhaseChange, Result, RollupMark, Transition
from podhealth.models.inventory import Heartbeat, Node, Pod, PodStatus, Tenant
from podhealth.models.operation import DeadMan, FeedEntry, Submission, TickStep, Worker
from podhealth.models.sources import Reading, Source, SyncedPod, TagRule

__all__ = [
    "ApiToken",
    "Approval",
    "AuditEntry",
    "AuditHead",
    "Breaker",
    "BreakerHold",
    "Channel",
    "Check",
    "CheckRun",
    "CheckState",
    "DeadMan",
    "Decision",
    "DeclaredObject",
    "Delivery",
    "Episode",
    "FeedEntry",
    "FiveMinutes",
    "Heal",
    "HealSlot",
    "Heartbeat",
    "Hour",
    "Incident",
    "IncidentEntry",
    "IncidentMember",
    "IncidentUpdate",
    "Invitation",
    "KillSwitch",
    "Letter",
    "Message",
    "Node",
    "Notice",
    "PhaseChange",
    "Pod",
    "PodStatus",
    "Policy",
    "PolicyDraft",
    "PolicyVersion",
    "Reading",
    "RecoveryCode",
    "Reference",
    "Result",
    "RollupMark",
    "Route",
    "SavedView",
    "Session",
    "ShadowHeal",
    "SignInLink",
    "Snooze",
    "Source",
    "StatusPage",
    "StatusPagePod",
    "Submission",
    "SyncedPod",
    "TagRule",
    "Telling",
    "Tenant",
    "TickStep",
    "Transition",
    "User",
    "Vantage",
    "WallLink",
    "Window",
    "Worker",
    "db",
]
