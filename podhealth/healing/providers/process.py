"""The provider of local processes (demo and tests): a keeper of processes is asked over a unix socket.

The far end is ``podhealth demo-host``. One line of JSON goes there, one comes back.
"""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podhealth.core.abilities import can
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ActualState, ProviderKind
from podhealth.healing.providers.base import Call, Options, PodRef, ProviderState, Task, TaskState

SOCKET = "host.sock"
_TIMEOUT_S = 3.0
_MOST_BYTES = 65_536


def ask_host(folder: Path, question: Mapping[str, Any], timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
    """Send one question to the keeper whose socket lies in ``folder`` and return its answer.

    Raises ProviderError: permanent where the keeper refuses (no such pod), else it was not reached in time.
    """
    try:
        answer = _exchange(folder, question, timeout_s)
    except (OSError, ValueError) as error:
        raise ProviderError(f"the process host does not answer: {error}") from None
    if not isinstance(answer, dict):
        raise ProviderError("the process host answered nonsense")
    if "error" in answer:
        raise ProviderError(str(answer["error"])[:200], permanent=bool(answer.get("permanent")))
    return answer


def _exchange(folder: Path, question: Mapping[str, Any], timeout_s: float) -> Any:
    # Through the folder's descriptor: the kernel takes 107 bytes for a socket's path, and data folders may be deep.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as conn:
            conn.settimeout(timeout_s)
            conn.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            conn.sendall(json.dumps(dict(question)).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n") and len(received) < _MOST_BYTES:
                part = conn.recv(4096)
                if not part:
                    break
                received += part
    finally:
        os.close(descriptor)
    return json.loads(received)


def _folder(pod: PodRef) -> Path:
    run_dir = pod.config.get("run_dir")
    if not isinstance(run_dir, str) or not run_dir:
        raise ProviderError("the pod's provider settings name no run_dir", permanent=True)
    # run_dir is DIR/pods/NAME; the keeper's socket lies in DIR.
    return Path(run_dir).parent.parent


def _name(pod: PodRef) -> str:
    return pod.ref or Path(str(pod.config.get("run_dir", pod.name))).name


class ProcessProvider:
    """Restarts and stops local processes, and tells whether they run."""

    def can(self, action: Action) -> bool:
        """Return whether it is a restart or a stop."""
        return can(ProviderKind.PROCESS, action)

    def state(self, pod: PodRef) -> ProviderState:
        """Return whether the process runs, with its pid and the time it has run as evidence."""
        answer = ask_host(_folder(pod), {"do": "state", "pod": _name(pod)})
        actual = ActualState.RUNNING if answer.get("running") is True else ActualState.STOPPED
        return ProviderState(actual, detail={"pid": answer.get("pid"), "starts": answer.get("starts")})

    def act(self, pod: PodRef, action: Action, key: str, options: Options) -> Task:
        """Have the process restarted or stopped; the keeper does one key once."""
        if not self.can(action):
            raise ProviderError(f"a process cannot {action}", permanent=True)
        question = {"do": action.value, "pod": _name(pod), "key": key, "graceful": options.graceful}
        ask_host(_folder(pod), question)
        return Task(key)

    def look(self, pod: PodRef, task: Task) -> TaskState:
        """Return how far the action of that key is."""
        answer = ask_host(_folder(pod), {"do": "task", "pod": _name(pod), "key": task.ref})
        if answer.get("known") is not True:
            return TaskState(True, False, "the process host knows no such task")
        return TaskState(answer.get("over") is True, answer.get("ok") is True, str(answer.get("message", ""))[:200])

    def find_task(self, pod: PodRef, call: Call) -> Task | None:
        """Return the task of that key, if the keeper's ledger has one."""
        answer = ask_host(_folder(pod), {"do": "task", "pod": _name(pod), "key": call.key})
        return Task(call.key) if answer.get("known") is True else None
