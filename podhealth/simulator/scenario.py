"""What a scenario file says: a fleet, what happens to it, and what must have come of it.

The fleet itself stands in ``plans``, what can happen in ``faults``. Nothing is run here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import AwareDatetime, ValidationError, model_validator

from podhealth.core.errors import InputError
from podhealth.core.words import Action, Gate, NoticeKind
from podhealth.simulator.faults import Event
from podhealth.simulator.lengths import Count, Length, Span
from podhealth.simulator.plans import MAX_PODS, Part, PodPlan, TenantPlan

_BEGINS = datetime(2026, 1, 5, tzinfo=UTC)


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
