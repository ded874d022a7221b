"""The fleet of a scenario: tenants with their policies, and pods that are alike, with their checks.

Checks and policies are written with the fields of the API and read by the same rules. What happens to them is unknown.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import parse_policy
from podhealth.core.words import ProviderKind
from podhealth.simulator.lengths import US, Length

MAX_PODS = 20_000


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


PolicyFields = Annotated[dict[str, Any], AfterValidator(_policy)]
CheckFields = Annotated[dict[str, Any], AfterValidator(_check)]


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
