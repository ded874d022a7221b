"""Which kind of provider can do what to a pod; a pod without provider can only be told about (behaviour §6, Providers).

How it is done is each provider's own business.
"""

from collections.abc import Mapping

from podhealth.core.words import Action, ProviderKind

ABILITIES: Mapping[ProviderKind, frozenset[Action]] = {
    ProviderKind.PROCESS: frozenset({Action.RESTART, Action.STOP}),
    ProviderKind.PROXMOX: frozenset({Action.RESTART, Action.STOP, Action.MIGRATE}),
    ProviderKind.DOCKER: frozenset({Action.RESTART, Action.STOP}),
    ProviderKind.WEBHOOK: frozenset({Action.RESTART, Action.STOP, Action.MIGRATE}),
}


def can(kind: ProviderKind, action: Action) -> bool:
    """Return whether a provider of this kind can do the action at all."""
    return action in ABILITIES.get(kind, frozenset())
