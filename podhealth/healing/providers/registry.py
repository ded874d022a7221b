"""Which provider serves which kind of pod; a new one is one file and one line here and in core/abilities."""

from podhealth.core.errors import ProviderError
from podhealth.core.words import ProviderKind
from podhealth.healing.providers.base import Lister, Provider
from podhealth.healing.providers.docker import DockerProvider
from podhealth.healing.providers.process import ProcessProvider
from podhealth.healing.providers.proxmox import ProxmoxProvider
from podhealth.healing.providers.webhook import WebhookProvider

_PROVIDERS: dict[ProviderKind, Provider] = {
    ProviderKind.PROCESS: ProcessProvider(),
    ProviderKind.PROXMOX: ProxmoxProvider(),
    ProviderKind.DOCKER: DockerProvider(),
    ProviderKind.WEBHOOK: WebhookProvider(),
}

_LISTERS: dict[ProviderKind, Lister] = {
    ProviderKind.PROXMOX: ProxmoxProvider(),
    ProviderKind.DOCKER: DockerProvider(),
}


def lister_of(kind: ProviderKind) -> Lister:
    """Return the provider of a source's kind. Raises ProviderError, permanent, for one that lists no guests."""
    lister = _LISTERS.get(kind)
    if lister is None:
        raise ProviderError(f"provider {kind} does not list what it has", permanent=True)
    return lister


def provider_of(kind: ProviderKind) -> Provider:
    """Return the provider of a kind. Raises ProviderError, permanent, where nobody can act on such pods."""
    provider = _PROVIDERS.get(kind)
    if provider is None:
        raise ProviderError(f"nothing here can act on pods of provider {kind}", permanent=True)
    return provider
