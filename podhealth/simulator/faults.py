"""What a scenario lets happen to its fleet: pods, nodes, networks and providers that fail, and people who do things.

Each is only described here; ``happenings`` has them come.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from podhealth.core.words import Action, KillScope
from podhealth.simulator.lengths import Length
from podhealth.simulator.plans import Part


def _action_words(words: tuple[Action, ...]) -> tuple[Action, ...]:
    if Action.NOTIFY_ONLY in words:
        raise ValueError("telling people cures nothing")
    return words


Actions = Annotated[tuple[Action, ...], AfterValidator(_action_words)]


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
