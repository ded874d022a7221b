"""Asks a pod's provider how it is, before and outside any transaction; a failure to answer is an answer too.

What the answer means for a heal is the gates' business.
"""

from typing import Any, NamedTuple

from podhealth.core.errors import ProviderError, SetupError
from podhealth.core.facts import ProviderFacts
from podhealth.core.words import ProviderKind
from podhealth.healing.providers.base import PodRef, ProviderState
from podhealth.healing.providers.registry import provider_of
from podhealth.store.secrets import unseal, unseal_source


class Asked(NamedTuple):
    """What the gates are told, and the state itself where there was one."""

    facts: ProviderFacts
    state: ProviderState | None

    def as_evidence(self) -> dict[str, Any]:
        """Return what is kept with the heal as the provider's state before it."""
        if self.state is None:
            return {"error": self.facts.error}
        return {"actual": self.state.actual.value, "lock": self.state.lock, **self.state.detail}


def ref_of(pod: Any) -> PodRef:
    """Return what the provider needs of a pod's row (pod_id, tenant_id, name, provider's columns, ``source_config``).

    A pod of a source is reached by the source's settings. Raises ProviderError, permanent, where a secret of them does
    not open.
    """
    try:
        config = unseal(pod.provider_config, pod.pod_id)
        if pod.source_id is not None:
            config = unseal_source(pod.source_config or {}, pod.source_id) | config
    except SetupError as error:
        raise ProviderError(str(error), permanent=True) from None
    return PodRef(pod.pod_id, pod.tenant_id, pod.name, pod.provider_ref, config)


def ask(pod: Any) -> Asked:
    """Ask the provider of a pod's row how the pod is."""
    try:
        state = provider_of(ProviderKind(pod.provider)).state(ref_of(pod))
    except ProviderError as error:
        return Asked(ProviderFacts(error=str(error)[:200], is_permanent=error.permanent), None)
    return Asked(ProviderFacts(node_is_up=state.node_is_up, lock=state.lock), state)
