"""What a scenario file says: a fleet, what happens to it, and what must have come of it.

Checks and policies are written with the fields of the API and read by the same rules. Nothing is run here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import parse_policy
from podhealth.core.words import Action, Gate, KillScope, NoticeKind, ProviderKind
from podhealth.simulator.lengths import US, Count, Length, Span

MAX_PODS = 20_000
_BEGINS = datetime(2026, 1, 5, tzinfo=UTC)


class Part(BaseModel):
    """A part of a scenario: fields in camel case, unknown ones refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)


def _policy(fields: dict[str, Any]) -> dict[str, Any]:
    try:
        parse_policy(fields)
    except InputError as error:
        raise ValueError(str(error)) from None
    return fields


def _check(fields: dict[str, Any]) -> dict[str, Any]:
    try:
        parse_check(fields)
    except InputError as error:
        raise ValueError(str(error)) from None
    return fields


def _action_words(words: tuple[Action, ...]) -> tuple[Action, ...]:
    if Action.NOTIFY_ONLY in words:
        raise ValueError("telling people cures nothing")
    return words


PolicyFields = Annotated[dict[str, Any], AfterValidator(_policy)]
CheckFields = Annotated[dict[str, Any], AfterValidator(_check)]
Actions = Annotated[tuple[Action, ...], AfterValidator(_action_words)]


class TenantPlan(Part):
    """A tenant: its policies, the default among them marked ``isDefault``."""

    policies: tuple[PolicyFields, ...] = ()

    def rules(self) -> list[PolicyRules]:
        """Return the policies as rules."""
        return [parse_policy(fields) for fields in self.policies]


class Noise(Part):
    """What goes wrong although nothing is wrong: shares of probes that fail alone, or end in an error of ours."""

    fail: float = Field(default=0.0, ge=0, le=0.5)
    error: float = Field(default=0.0, ge=0, le=0.5)
    latency_ms: float = Field(default=20.0, ge=0, le=5_000)


class PodPlan(Part):
    """Pods that are alike: ``name`` with a number behind it where there are several, spread over ``nodes`` in turn."""

    name: str = Field(min_length=1, max_length=50)
    count: int = Field(default=1, ge=1, le=MAX_PODS)
    tenant: str = "acme"
    nodes: tuple[str, ...] = ()
    vantage: str = "local"
    provider: ProviderKind = ProviderKind.PROXMOX
    tags: tuple[str, ...] = ()
    boot: Length = 20 * US
    action_takes: Length = 5 * US
    start_deadline_seconds: int | None = Field(default=None, ge=10, le=1_800)
    checks: tuple[CheckFields, ...] = ({"checkType": "ping"},)
    noise: Noise = Noise()

    def rules(self) -> list[CheckRules]:
        """Return the checks as rules."""
        return [parse_check(fields) for fields in self.checks]

    def names(self) -> list[str]:
        """Return the names of the pods."""
        return [self.name] if self.count == 1 else [f"{self.name}-{i}" for i in range(1, self.count + 1)]


class Fault(Part):
    """Something that happens: to the pods whose names fit ``pods`` (with * for anything), from ``at`` on."""

    pods: tuple[str, ...] = ("*",)
    at: Length
    until: Length | None = None


class Dies(Fault):
    """The pods die, once or again and again; one of ``curedBy`` brings them back, or time (``comesBackAfter``)."""

    kind: Literal["dies"]
    every: Length | None = None
    cured_by: Actions = (Action.RESTART, Action.MIGRATE)
    comes_back_after: Length | None = None
    spread: Length = 0  # the pods die one after another within this length
    silent: bool = False  # no answer at all, where others refuse the connection


class DiesAfterStart(Fault):
    """While it lasts, the pods die again so long after each time they came up."""

    kind: Literal["diesAfterStart"]
    after: Length
    cured_by: Actions = (Action.RESTART, Action.MIGRATE)


class Flaps(Fault):
    """The pods answer for a while and do not for a while, by turns; no action helps."""

    kind: Literal["flaps"]
    up: Length
    down: Length


class SlowBoot(Fault):
    """From now on the pods need so long to answer after a start."""

    kind: Literal["slowBoot"]
    boot: Length


class BadDeploy(Fault):
    """The pods are broken until then, and no action helps; ``spread``: one after another within this length."""

    kind: Literal["badDeploy"]
    spread: Length = 0


class NodeDies(Part):
    """A node and all its pods are gone until then; the provider says so, or does not answer for it either."""

    kind: Literal["nodeDies"]
    node: str
    at: Length
    until: Length | None = None
    provider_says: Literal["down", "nothing"] = "down"


class Partition(Part):
    """A vantage reaches nothing any more, its references neither; or only the nodes named are out of its reach."""

    kind: Literal["partition"]
    vantage: str = "local"
    nodes: tuple[str, ...] = ()
    at: Length
    until: Length | None = None


class Locked(Fault):
    """The provider holds a lock on the guests."""

    kind: Literal["locked"]
    lock: str = "backup"


class Refuses(Fault):
    """The provider refuses to act: for good (401, 403), or only as long as it is away."""

    kind: Literal["refuses"]
    permanent: bool = False


class EditsPolicy(Part):
    """Somebody edits a policy: ``fields`` are changed, all others stay."""

    kind: Literal["editsPolicy"]
    tenant: str = "acme"
    policy: str
    at: Length
    fields: dict[str, Any]


class KillSwitch(Part):
    """Somebody switches healing off, everywhere, for a tenant, or for a pod."""

    kind: Literal["killSwitch"]
    scope: KillScope = KillScope.SYSTEM
    name: str | None = None
    at: Length
    until: Length


class Stops(Fault):
    """Somebody stops the pods on purpose; ``until``: they are wanted again."""

    kind: Literal["stops"]


Event = Annotated[
    Dies
    | DiesAfterStart
    | Flaps
    | SlowBoot
    | BadDeploy
    | NodeDies
    | Partition
    | Locked
    | Refuses
    | EditsPolicy
    | KillSwitch
    | Stops,
    Field(discriminator="kind"),
]


class Expect(Part):
    """What must have come of it. Heals are calls of a provider: those that only tell people count as ``told``."""

    heals: Count | None = None
    heals_per_pod: Count | None = None
    heals_per_tenant: Mapping[str, Count] = {}
    heals_of_pods: Mapping[str, Count] = {}
    heals_in_any_hour: Count | None = None  # of any one tenant
    heals_at_once: Count | None = None
    actions: Mapping[Action, Count] = {}
    ends: Mapping[str, Count] = {}
    told: Count | None = None
    messages: Count | None = None  # to the channel that got most
    notices: Mapping[NoticeKind, Count] = {}
    incidents: Count | None = None
    downtime: Span | None = None
    holds: Mapping[Gate, Count] = {}
    held: Mapping[Gate, Span] = {}
    exhausted: Count | None = None
    episodes: Mapping[str, Count] = {}  # by the reason they closed with; ``open`` for those that did not
    status: Mapping[str, str] = {}  # of pods by name, at the end
    first_heal_after: Span | None = None  # from the begin of the scenario


class Scenario(Part):
    """A scenario: the fleet, the time, what happens, what is expected. ``harm`` says what would go wrong."""

    name: str
    harm: str
    begins: AwareDatetime = _BEGINS
    lasts: Length
    seed: int = 1
    tenants: dict[str, TenantPlan]
    nodes: dict[str, Part] = {}
    references: dict[str, int] = {}  # how many reference targets each vantage has
    windows: tuple[dict[str, Any], ...] = ()
    pods: tuple[PodPlan, ...]
    faults: tuple[Event, ...] = ()
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _names_exist(self) -> "Scenario":
        for pod in self.pods:
            if pod.tenant not in self.tenants:
                raise ValueError(f"pods: {pod.name} belongs to tenant {pod.tenant}, which is not among the tenants")
        names = [name for pod in self.pods for name in pod.names()]
        if len(names) > MAX_PODS or len(set(names)) != len(names):
            raise ValueError(f"pods: names must differ, and be at most {MAX_PODS:,}")
        for name in [*self.expect.status, *self.expect.heals_of_pods]:
            if name not in names:
                raise ValueError(f"expect: there is no pod {name}")
        for name in self.expect.heals_per_tenant:
            if name not in self.tenants:
                raise ValueError(f"expect: there is no tenant {name}")
        return self


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a file. Raises InputError that names the first field that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", f"cannot be read: {error}") from None
    return parse_scenario(text, path.name)


def parse_scenario(text: str, name: str) -> Scenario:
    """Return the scenario of a YAML text; ``name`` stands in errors that are not about one field."""
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(name, f"is no YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(body, dict):
        raise InputError(name, "must be a mapping of fields")
    try:
        return Scenario.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or name
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(place, message) from None
