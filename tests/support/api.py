"""The API of a running demo, as a program with a token of its tenant uses it."""

from typing import Any

import requests

from tests.support.up import Up


class Api:
    """Calls with a token of that role, made by the command that people use."""

    def __init__(self, demo: Up, role: str) -> None:
        self._site = f"http://127.0.0.1:{demo.port}"
        self._base = f"{self._site}/api/cloud-pods"
        token = demo.command("token", "create", "--tenant", "demo", "--role", role)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        """Return what that path answers; it must be 200."""
        answer = self._session.get(self._base + path, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post to that path and return what it answers; it must be 200."""
        answer = self._session.post(self._base + path, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make(self, path: str, body: dict[str, Any]) -> Any:
        """Post to that path of the whole API and return what was made; it must be 201."""
        answer = self._session.post(self._site + path, json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def pod(self, name: str) -> dict[str, Any]:
        """Return the pod's line of the overview."""
        return next(pod for pod in self.get("/health/overview")["pods"] if pod["name"] == name)

    def heals(self, name: str) -> list[dict[str, Any]]:
        """Return the pod's heals, newest first."""
        return list(self.get(f"/{self.pod(name)['podId']}/auto-heal/history"))

    def give_crasher_one_attempt(self) -> None:
        """Cut the ladder of the pod that no restart helps; before its trouble begins, it ends two minutes sooner."""
        policy = next(p for p in self.get("/auto-heal/policies") if p["selector"] == ["fragile"])
        cut = {"maxAttempts": 1, "escalateAfterAttempts": None, "escalationAction": None}
        self.post("/auto-heal/policies", {"id": policy["id"], **cut})
