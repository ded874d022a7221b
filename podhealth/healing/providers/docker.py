"""The provider of containers, of Docker or Podman, over a unix socket that the operator opened, or over TCP.

The daemon does a restart as one thing: it asks the container to end, kills it after its time, and starts it. It knows
no key of ours: whether a call was heard is told by when the container was last started.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException

from podhealth import clock
from podhealth.core.abilities import can
from podhealth.core.address import AddressRefused
from podhealth.core.errors import ActionRefused, ProviderError
from podhealth.core.guests import Answer, Guest
from podhealth.core.words import Action, ActualState, ProviderKind
from podhealth.egress import http
from podhealth.healing.providers.base import Call, Options, PodRef, ProviderState, Task, TaskState, plain, setting
from podhealth.tls import Pin

# Four seconds in all: which API it speaks, and then what is asked.
_VERSION_S, _TIMEOUT_S = 1.5, 2.5
_MOST_BYTES = 1 << 20
_LIST_S, _MOST_LISTED_BYTES, _MOST_LISTED, _MOST_NAMED = 15.0, 16 << 20, 5_000, 100
_OLDEST_API = "1.24"
_REFUSALS = frozenset({400, 401, 403, 404})
_GRACE_S, _LONGEST_GRACE_S = 10, 60
# So long after its time to end, a container that was told to restart has been killed and started.
_MARGIN_S = 15
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", re.ASCII)
_SHORT_ID = 12
_DONE, _FAILED = "done:", "failed:"
# What labels of ours tell sync.
_NAME, _ADDRESS, _TAGS = "podhealth.name", "podhealth.address", "podhealth.tags"
# The daemon, or whoever paused it, is busy with the container.
_BUSY = frozenset({"paused", "removing", "stopping", "restarting"})


class _Container(NamedTuple):
    key: str
    is_running: bool
    status: str
    started_at: str
    grace_s: int
    detail: Mapping[str, Any]

    @property
    def lock(self) -> str | None:
        return self.status if self.status in _BUSY else None


def _place(pod: PodRef) -> tuple[str, str | None]:
    """Return the base URL and, where that is how it is reached, the socket."""
    url = setting(pod, "url") or ""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return "http://docker:80", parts.path
    if re.fullmatch(r"(tcp|https)://[^/@\\]+:[0-9]{1,5}/?", url) and parts.hostname:
        return f"{'http' if parts.scheme == 'tcp' else 'https'}://{parts.netloc}", None
    raise ProviderError("the url must be unix:///path, tcp://host:port or https://host:port", permanent=True)


@contextmanager
def _talk(pod: PodRef, timeout_s: float | None = None, most_bytes: int = _MOST_BYTES) -> Iterator[docker.APIClient]:
    base, unix = _place(pod)
    timeout_s = timeout_s or _TIMEOUT_S
    pin = Pin(*(setting(pod, name) for name in ("ca", "fingerprint", "certificate", "key")))
    try:
        asking = docker.APIClient(base_url=base, version=_OLDEST_API, timeout=_VERSION_S)
        with http.bound(asking, _VERSION_S, most_bytes=_MOST_BYTES, unix=unix, pin=pin):
            version = str(asking.version(api_version=False)["ApiVersion"])
        client = docker.APIClient(base_url=base, version=version, timeout=timeout_s)
        with http.bound(client, timeout_s, most_bytes=most_bytes, unix=unix, pin=pin):
            yield client
    except APIError as error:
        raise _meaning(error) from None
    except AddressRefused as error:
        raise ProviderError(f"the daemon may not be called: {error}"[:200], permanent=True) from None
    except OSError as error:
        raise ProviderError(f"the daemon does not answer: {http.why(error)}"[:200]) from None
    except (DockerException, ValueError, KeyError, TypeError, RecursionError):
        raise ProviderError("the daemon answered something that is not its JSON") from None


def greet(pod: PodRef) -> str:
    """Return which API the daemon speaks. Raises ProviderError where it does not let us in."""
    with _talk(pod) as client:
        return plain(client.api_version)


def _meaning(error: APIError) -> ProviderError:
    code = error.response.status_code
    text = f"the daemon answered {code}: {plain(error.explanation)}"
    if code == 409:
        return ActionRefused(text)
    return ProviderError(text, permanent=code in _REFUSALS)


def _inspect(client: docker.APIClient, pod: PodRef) -> _Container:
    if pod.ref is None or not _REF.fullmatch(pod.ref):
        raise ProviderError("the pod's provider reference must be a container's name or id", permanent=True)
    info = client.inspect_container(pod.ref)
    state, key, name = info["State"], str(info["Id"]), str(info["Name"]).lstrip("/")
    # The daemon takes the beginning of an id for the id: a name that is gone must not become a stranger.
    if pod.ref not in (name, key) and not (len(pod.ref) >= _SHORT_ID and key.startswith(pod.ref)):
        raise ProviderError(f"there is no container {pod.ref}", permanent=True)
    status, started_at = plain(state["Status"])[:20], str(state["StartedAt"])[:40]
    if not isinstance(state["Running"], bool):
        raise ProviderError("the daemon does not say whether the container runs")
    policy = (info.get("HostConfig") or {}).get("RestartPolicy") or {}
    detail = {
        "id": key[:_SHORT_ID],
        "status": status,
        "startedAt": started_at,
        "health": plain((state.get("Health") or {}).get("Status") or "") or None,
        "restartPolicy": plain(policy.get("Name") or "no")[:20],
    }
    own_grace = (info.get("Config") or {}).get("StopTimeout")
    grace_s = own_grace if isinstance(own_grace, int) and own_grace > 0 else _GRACE_S
    is_running = state["Running"] and status != "restarting"
    return _Container(key, is_running, status, started_at, min(grace_s, _LONGEST_GRACE_S), detail)


def _grace_s(found: _Container, options: Options) -> int:
    if not options.graceful:
        return 0
    return found.grace_s if options.timeout_s is None else max(1, min(found.grace_s, options.timeout_s // 2))


def _listed(info: Mapping[str, Any]) -> Guest:
    """Return a container as sync knows it. Labels of ours say what else the daemon does not know of it."""
    name = str(info["Names"][0]).lstrip("/")
    labels = {str(key): str(value) for key, value in (info.get("Labels") or {}).items()}
    nets = ((info.get("NetworkSettings") or {}).get("Networks") or {}).values()
    own = [one[key] for one in nets if isinstance(one, dict) for key in ("IPAddress", "GlobalIPv6Address")]
    addresses = [labels.get(_ADDRESS), *own]
    return Guest(
        key=name,
        ref=name,
        name=plain(labels.get(_NAME) or name),
        is_running={"running": True, "paused": True, "restarting": True}.get(str(info["State"]), False),
        addresses=tuple(dict.fromkeys(plain(address) for address in addresses if address)),
        tags=tuple(plain(tag) for tag in re.split(r"[;,\s]+", labels.get(_TAGS, "")) if tag)[:_MOST_NAMED],
        labels=tuple(f"{plain(key)}={plain(value)}" for key, value in sorted(labels.items()))[:_MOST_NAMED],
        no_address=None if any(addresses) else f"no address of it is known: the label {_ADDRESS} can say it",
    )


class DockerProvider:
    """Restarts and stops containers (config: ``url``; ref: the container's name or id)."""

    def can(self, action: Action) -> bool:
        """Return whether it is a restart or a stop."""
        return can(ProviderKind.DOCKER, action)

    def state(self, pod: PodRef) -> ProviderState:
        """Return whether the container runs, and what keeps it busy: paused, stopping, restarted by its daemon."""
        with _talk(pod) as client:
            found = _inspect(client, pod)
        actual = ActualState.RUNNING if found.is_running else ActualState.STOPPED
        return ProviderState(actual, True, found.lock, found.detail)

    def act(self, pod: PodRef, action: Action, key: str, options: Options) -> Task:
        """Have the daemon do it. A container that takes longer to end than we wait is looked up afterwards."""
        if not self.can(action):
            raise ProviderError(f"a container cannot {action}", permanent=True)
        with _talk(pod) as client:
            found = _inspect(client, pod)
            if found.lock is not None:
                raise ActionRefused(f"the container is {found.lock}")
            do = client.restart if action == Action.RESTART else client.stop
            try:
                do(found.key, timeout=_grace_s(found, options))
            except APIError as error:
                if error.response.status_code != 500:
                    raise
                # It tried, and says what went wrong: how the container is now is asked next.
                return Task(_FAILED + plain(error.explanation))
        return Task(_DONE)

    def look(self, pod: PodRef, task: Task) -> TaskState:
        """Return how the action ended: the daemon answers only then."""
        return TaskState(True, not task.ref.startswith(_FAILED), task.ref.partition(":")[2])

    def guests(self, source: PodRef, wants: Callable[[Guest], bool]) -> Answer:
        """Return all containers, as ``Lister`` says: the daemon tells all of each at once."""
        with _talk(source, _LIST_S, _MOST_LISTED_BYTES) as client:
            listed = [_listed(info) for info in client.containers(all=True) if info.get("Names")]
        if len(listed) > _MOST_LISTED or not all(_REF.fullmatch(guest.key) for guest in listed):
            raise ProviderError(f"the daemon lists more than {_MOST_LISTED:,} containers, or one whose name is none")
        return Answer(tuple(listed))

    def find_task(self, pod: PodRef, call: Call) -> Task | None:
        """Return the action if it has happened. That it has not is known once the daemon would have ended it."""
        with _talk(pod) as client:
            found = _inspect(client, pod)
        if call.action == Action.STOP and not found.is_running:
            return Task(_DONE)
        if call.action == Action.RESTART and found.is_running and found.started_at != _started_before(call):
            return Task(_DONE)
        asked_s = (clock.utcnow() - call.since).total_seconds()
        if found.lock is not None or asked_s < _grace_s(found, call.options) + _MARGIN_S:
            raise ProviderError("the daemon may still be at it: asked again")
        return None


def _started_before(call: Call) -> str:
    before = call.before.get("startedAt")
    if not isinstance(before, str):
        raise ProviderError("it is not known when the container was started before")
    return before
