"""Which provider serves which kind of pod; a new one is one file and one line here."""

from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ProviderKind
from podhealth.healing.providers.base import Provider
from podhealth.healing.providers.process import ProcessProvider
from podhealth.healing.providers.webhook import WebhookProvider

_PROVIDERS: dict[ProviderKind, Provider] = {
    ProviderKind.PROCESS: ProcessProvider(),
    ProviderKind.WEBHOOK: WebhookProvider(),
}


def provider_of(kind: ProviderKind) -> Provider:
    """Return the provider of a kind. Raises ProviderError, permanent, where nobody can act on such pods."""
    provider = _PROVIDERS.get(kind)
    if provider is None:
        raise ProviderError(f"nothing here can act on pods of provider {kind}", permanent=True)
    return provider


def can(kind: ProviderKind, action: Action) -> bool:
    """Return whether the provider of a kind can do an action; a pod without provider can only be told about."""
    provider = _PROVIDERS.get(kind)
    return provider is not None and provider.can(action)
