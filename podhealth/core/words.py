"""The words of the field, each once: used in code, tables, pages, API and docs.

Every enum here is also a database constraint (see models), so a word that is
not listed cannot be stored (behaviour §1).
"""

from enum import StrEnum


class Kind(StrEnum):
    """What a check does to find out how its pod is (behaviour §3)."""

    PING = "ping"
    TCP = "tcp"
    HTTP = "http"
    AGENT = "agent"
    RUNNING = "running"


class Outcome(StrEnum):
    """What one probe found. Only ``fail`` ever counts against a pod."""

    OK = "ok"
    SLOW = "slow"
    FAIL = "fail"
    ERROR = "error"
    INVALID = "invalid"


class FailClass(StrEnum):
    """Why a probe failed. Only ``down`` heals by itself; ``content`` where the check says so; ``tls`` never."""

    DOWN = "down"
    CONTENT = "content"
    TLS = "tls"


class Status(StrEnum):
    """How a check or a pod is, as far as fresh evidence tells."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """How to read a pod's status."""

    MONITORED = "monitored"
    STARTING = "starting"
    MAINTENANCE = "maintenance"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"


class Severity(StrEnum):
    """Whether a check alone can make its pod unhealthy."""

    CRITICAL = "critical"
    WARNING = "warning"


class HealOn(StrEnum):
    """Which failures of a check may start a heal: those of class down only, or content too."""

    DOWN = "down"
    CONTENT = "content"


class DesiredState(StrEnum):
    """What the owner wants of a pod."""

    RUNNING = "running"
    STOPPED = "stopped"


class ActualState(StrEnum):
    """What a pod's provider last reported of it; ``unknown`` where none reports."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class ProviderKind(StrEnum):
    """Who can act on a pod."""

    NONE = "none"
    PROCESS = "process"
    WEBHOOK = "webhook"
    PROXMOX = "proxmox"
    DOCKER = "docker"


class Action(StrEnum):
    """What one step of a ladder does."""

    RESTART = "restart"
    STOP = "stop"
    MIGRATE = "migrate"
    NOTIFY_ONLY = "notify_only"


class Mode(StrEnum):
    """How far a policy may go."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


class HealState(StrEnum):
    """Where a heal is on its way. The first three are open: at most one such row a pod."""

    PLANNED = "planned"
    RUNNING = "running"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


OPEN_HEAL_STATES = (HealState.PLANNED, HealState.RUNNING, HealState.VERIFYING)


class Answer(StrEnum):
    """What a decision says."""

    ACT = "act"
    HOLD = "hold"
    NOTHING = "nothing"


class Gate(StrEnum):
    """The questions asked before a heal, in the order of behaviour §6; the first closed one is the reason."""

    RUNNING = "running"
    POLICY = "policy"
    MODE_OFF = "mode_off"
    KILL_SWITCH = "kill_switch"
    SNOOZE = "snooze"
    NODE = "node"
    BLIND = "blind"
    EVIDENCE = "evidence"
    STARTING = "starting"
    TRIGGER = "trigger"
    SETTLING = "settling"
    OPEN_HEAL = "open_heal"
    PROVIDER = "provider"
    LADDER = "ladder"
    CHRONIC = "chronic"
    COOLDOWN = "cooldown"
    BREAKER = "breaker"
    BUDGET = "budget"
    CONCURRENCY = "concurrency"
    MODE = "mode"


class Role(StrEnum):
    """What a person or token may do inside its tenant; ``platform`` is the platform admin of all tenants."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    PLATFORM = "platform"


class KillScope(StrEnum):
    """How much a kill switch stops."""

    SYSTEM = "system"
    TENANT = "tenant"
    POD = "pod"


class SnoozeHolds(StrEnum):
    """What a snooze holds back."""

    HEALS_AND_ALERTS = "heals_and_alerts"
    ALERTS = "alerts"


class Actor(StrEnum):
    """Who did an audited thing."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - a kind of caller
    HEALER = "healer"
    SYSTEM = "system"


class FeedKind(StrEnum):
    """What kind of thing on a screen a feed row says has changed."""

    POD = "pod"
    CHECK = "check"
    HEAL = "heal"
    DECISION = "decision"
    POLICY = "policy"
    INVENTORY = "inventory"
    INCIDENT = "incident"
    BREAKER = "breaker"
    WINDOW = "window"
    CHANNEL = "channel"
    SWITCH = "switch"
    APPROVAL = "approval"


class BreakerScope(StrEnum):
    """What a breaker guards."""

    TENANT = "tenant"
    NODE = "node"
    VANTAGE = "vantage"


class BreakerState(StrEnum):
    """Whether a breaker holds: all heals of its scope, all but one at a time, or none."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class ApprovalState(StrEnum):
    """What became of a heal that a policy asked approval for."""

    WANTED = "wanted"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"


class IncidentCause(StrEnum):
    """What an incident is about, the widest first: pods that fall ill of one cause belong to one incident."""

    NODE = "node"
    VANTAGE = "vantage"
    BREAKER = "breaker"
    POD = "pod"


class NoticeKind(StrEnum):
    """What is told to people (behaviour §7)."""

    UNHEALTHY = "unhealthy"
    DEGRADED = "degraded"
    RECOVERED = "recovered"
    NODE_UNREACHABLE = "node_unreachable"
    NODE_BACK = "node_back"
    VANTAGE_BLIND = "vantage_blind"
    VANTAGE_BACK = "vantage_back"
    HEAL_STARTED = "heal_started"
    HEAL_SUCCEEDED = "heal_succeeded"
    HEAL_FAILED = "heal_failed"
    EXHAUSTED = "exhausted"
    NOTIFY_ONLY = "notify_only"
    HELD = "held"
    LOCKED = "locked"
    BREAKER_OPEN = "breaker_open"
    BREAKER_HALF_OPEN = "breaker_half_open"
    BREAKER_CLOSED = "breaker_closed"
    APPROVAL_WANTED = "approval_wanted"
    FLAPPING = "flapping"
    FLAPPING_ENDED = "flapping_ended"
    CHRONIC = "chronic"
    STOPPED = "stopped"
    LEFT = "left"
    VANISHED = "vanished"
    FOUND_AGAIN = "found_again"
    SOURCE_FAILING = "source_failing"
    SOURCE_BACK = "source_back"


class MessageKind(StrEnum):
    """Why a channel is told something now."""

    FIRST = "first"
    CHANGE = "change"
    REMINDER = "reminder"
    END = "end"
    NOTICE = "notice"
    TEST = "test"


class MessageState(StrEnum):
    """Where a message is on its way: one that gathers has no words yet, a dead one was tried often enough."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    DROPPED = "dropped"
    GATHERING = "gathering"


class ChannelKind(StrEnum):
    """How a channel tells people."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class PublicState(StrEnum):
    """How far people are with an incident, as visitors of a status page read it."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class Deed(StrEnum):
    """What a person did with an incident."""

    NOTED = "noted"
    ACKNOWLEDGED = "acknowledged"
    GAVE_BACK = "gave_back"


class Declared(StrEnum):
    """What a file of configuration as code may hold."""

    NODE = "node"
    POLICY = "policy"
    POD = "pod"
    CHECK = "check"
    WINDOW = "window"
    CHANNEL = "channel"


class LetterKind(StrEnum):
    """What is mailed to one person about the own account."""

    INVITATION = "invitation"
    RESET = "reset"
    PASSWORD_SET = "password_set"  # noqa: S105 - a kind of letter


class RunState(StrEnum):
    """Where a run of a check that a person asked for is: asked, taken by a prober, answered, or never taken."""

    ASKED = "asked"
    TAKEN = "taken"
    DONE = "done"
    LAPSED = "lapsed"


class Signal(StrEnum):
    """What an agent says: that it is alive, or that a job of its pod begins, went well, or failed."""

    ALIVE = "alive"
    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
