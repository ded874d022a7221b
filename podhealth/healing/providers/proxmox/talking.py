"""Opens a conversation with a Proxmox cluster: token, guard, certificate, four seconds; its errors become ours.

What is asked and done in it is not known here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from proxmoxer.backends.https import JsonSerializer, ProxmoxHTTPApiTokenAuth, ProxmoxHttpSession
from proxmoxer.core import ProxmoxResource, ResourceException

from podhealth.core.address import AddressRefused
from podhealth.core.errors import ActionRefused, ProviderError
from podhealth.egress import http
from podhealth.healing.providers.base import PodRef, plain, required, setting
from podhealth.healing.providers.proxmox.cluster import Cluster
from podhealth.tls import Pin

_TIMEOUT_S = 4.0
# All guests, nodes and storages of a large cluster come in one answer.
_MOST_BYTES = 4 << 20
_REFUSALS = frozenset({400, 401, 403, 404})


class _Strict(JsonSerializer):  # type: ignore[misc]
    """Takes answers for what they are: the library would pass garbage on as if it were data."""

    def loads(self, response: Any) -> Any:  # noqa: ANN401 - JSON
        """Return an answer's data."""
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or "data" not in answer:
            raise ProviderError("Proxmox answered something that is not its JSON")
        return answer["data"]

    def loads_errors(self, response: Any) -> str:  # noqa: ANN401 - requests' response
        """Return what is said beside an error's code."""
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            return ""
        said = [answer.get("message"), answer.get("errors")] if isinstance(answer, dict) else []
        return plain(" ".join(str(one) for one in said if one))


def _meaning(error: ResourceException, secret: str) -> ProviderError:
    said = plain(error.errors or error.content or "").replace(secret, "…")
    text = f"Proxmox answered {error.status_code}" + (f": {said}" if said else "")
    if error.status_code == 500 and ("is locked" in said or "can't lock file" in said):
        return ActionRefused(text)
    return ProviderError(text, permanent=error.status_code in _REFUSALS)


@contextmanager
def talk(pod: PodRef, timeout_s: float | None = None) -> Iterator[Cluster]:
    """Open a conversation of four seconds at most, or ``timeout_s``. Raises ProviderError for what goes wrong in it."""
    timeout_s = timeout_s or _TIMEOUT_S
    url, token_id = required(pod, "url").rstrip("/"), required(pod, "tokenId")
    if urlsplit(url).scheme != "https" or "@" in url:
        raise ProviderError("the url of Proxmox must begin with https://", permanent=True)
    user, _, name = token_id.partition("!")
    token = required(pod, "token")
    session = ProxmoxHttpSession()
    session.auth = ProxmoxHTTPApiTokenAuth(user, name, token, verify_ssl=True, timeout=timeout_s)
    pin = Pin(setting(pod, "ca"), setting(pod, "fingerprint"))
    try:
        with http.bound(session, timeout_s, most_bytes=_MOST_BYTES, pin=pin):
            api = ProxmoxResource(base_url=f"{url}/api2/json", session=session, serializer=_Strict())
            yield Cluster(api, token_id)
    except ResourceException as error:
        raise _meaning(error, token) from None
    except AddressRefused as error:
        raise ProviderError(f"Proxmox may not be called: {error}"[:200], permanent=True) from None
    except (OSError, ValueError) as error:
        raise ProviderError(f"Proxmox does not answer: {http.why(error)}"[:200]) from None
