"""The provider of anything with a web hook: a signed POST asks for an action, a status URL tells how it went.

The far end gets the heal's key in each call, so that asking twice is once. It is called again only when it said itself
that it knows no such key; silence and errors prove nothing.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from podhealth import clock
from podhealth.core.abilities import can
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ActualState, ProviderKind
from podhealth.egress import http
from podhealth.healing.providers.base import Call, Options, PodRef, ProviderState, Task, TaskState, required, setting

_TIMEOUT_S = 4.0
_LONGEST_REF = 253
_DONE, _FAILED = "done:", "failed:"
# Says that now is not the time; everything else below 500 says no.
_TRANSIENT = frozenset({408, 425, 429})
_ENDED = {"succeeded": True, "failed": False}


def signature(secret: str, key: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a call: HMAC-SHA256 over ``id.timestamp.body``, in hex, as the far end computes it."""
    signed = f"{key}.{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, sha256).hexdigest()


def _same_origin(url: str, as_url: str) -> bool:
    one, other = urlsplit(url), urlsplit(as_url)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


class WebhookProvider:
    """Acts by signed calls to the URL in the pod's provider settings (``url``, ``secret``, optional ``stateUrl``)."""

    def can(self, action: Action) -> bool:
        """Return whether it is something that is done to a pod."""
        return can(ProviderKind.WEBHOOK, action)

    def state(self, pod: PodRef) -> ProviderState:
        """Return what ``stateUrl`` answers; unknown where there is none, which holds nothing back."""
        url = setting(pod, "stateUrl")
        if url is None:
            return ProviderState(ActualState.UNKNOWN)
        answer = self._call(pod, "GET", url, f"state-{pod.pod_id}")[1]
        running = answer.get("running")
        if not isinstance(running, bool):
            raise ProviderError("the web hook's state says not whether the pod runs")
        lock = answer.get("lock")
        actual = ActualState.RUNNING if running else ActualState.STOPPED
        return ProviderState(actual, answer.get("nodeIsUp") is not False, str(lock)[:60] if lock else None)

    def act(self, pod: PodRef, action: Action, key: str, options: Options) -> Task:
        """Ask for the action; the answer is its end, or ``202`` with the URL of its status."""
        if action == Action.STOP and setting(pod, "stateUrl") is None:
            raise ProviderError("a stop can only be proven with a stateUrl", permanent=True)
        question = {
            "id": key,
            "action": action.value,
            "pod": {"id": pod.pod_id, "name": pod.name, "ref": pod.ref},
            "graceful": options.graceful,
            "timeoutSeconds": options.timeout_s,
        }
        url = required(pod, "url")
        code, answer = self._call(pod, "POST", url, key, json.dumps(question).encode())
        return _task_of(url, code, answer)

    def look(self, pod: PodRef, task: Task) -> TaskState:
        """Return how far the task is, by its status URL."""
        if task.ref.startswith((_DONE, _FAILED)):
            is_ok, message = task.ref.startswith(_DONE), task.ref.partition(":")[2]
            return TaskState(True, is_ok, message)
        answer = self._call(pod, "GET", task.ref, f"status-{pod.pod_id}")[1]
        state = answer.get("state")
        message = str(answer.get("message") or "")[:200]
        if state in _ENDED:
            return TaskState(True, _ENDED[state], message)
        if state not in ("accepted", "running"):
            raise ProviderError("the web hook's status says neither running, succeeded nor failed")
        return TaskState(False, False, message)

    def find_task(self, pod: PodRef, call: Call) -> Task | None:
        """Ask the hook for a key: ``{"known": false}`` is the only answer that allows another call."""
        url = required(pod, "url")
        joint = "&" if urlsplit(url).query else "?"
        code, answer = self._call(pod, "GET", f"{url}{joint}{urlencode({'id': call.key})}", call.key)
        if answer.get("known") is False:
            return None
        if answer.get("known") is not True:
            raise ProviderError("the web hook cannot say whether it has the task")
        return _task_of(url, code, answer)

    def _call(self, pod: PodRef, method: str, url: str, key: str, body: bytes = b"") -> tuple[int, Mapping[str, Any]]:
        timestamp = str(int(clock.utcnow().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-PodHealth-Id": key,
            "X-PodHealth-Timestamp": timestamp,
            "X-PodHealth-Signature": signature(required(pod, "secret"), key, timestamp, body),
        }
        try:
            code, content = http.call(method, url, headers, body, timeout_s=_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise ProviderError(f"the web hook does not answer: {error}"[:200]) from None
        return code, _understood(code, content, is_lookup=method == "GET")


def _understood(code: int, content: bytes, is_lookup: bool) -> Mapping[str, Any]:
    try:
        answer = json.loads(content) if content.strip() else {}
    except ValueError:
        answer = None
    known = isinstance(answer, dict) and isinstance(answer.get("known"), bool)
    if 200 <= code < 300 or (is_lookup and known and code == 404):
        if not isinstance(answer, dict):
            raise ProviderError("the web hook answered something that is not a JSON object")
        return answer
    is_permanent = 300 <= code < 500 and code not in _TRANSIENT
    raise ProviderError(f"the web hook answered {code}", permanent=is_permanent)


def _task_of(url: str, code: int, answer: Mapping[str, Any]) -> Task:
    status = answer.get("status")
    if isinstance(status, str) and status:
        target = urljoin(url, status)
        if not _same_origin(target, url) or len(target) > _LONGEST_REF:
            raise ProviderError("the web hook named a status URL of another place", permanent=True)
        return Task(target)
    if code == 202:
        raise ProviderError("the web hook accepted the task but named no status URL")
    ends = _FAILED if answer.get("ok") is False else _DONE
    return Task((ends + str(answer.get("message") or ""))[:_LONGEST_REF])
