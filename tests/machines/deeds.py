"""What the people and programs of a tenant ask for: told once more, apart from the table of the routes."""

from typing import Any, NamedTuple


class Deed(NamedTuple):
    """What can be asked for, the least role that may, and how it is answered; ``{pod}`` is the id of one."""

    method: str
    path: str
    role: str
    status: int = 200
    body: dict[str, Any] | None = None

    @property
    def is_change(self) -> bool:
        return self.method != "GET"

    @property
    def is_page(self) -> bool:
        return not self.path.startswith("/api")


LOOKS = [
    Deed("GET", path, role)
    for role, path in (
        ("viewer", "/api/pods"),
        ("viewer", "/api/pods/{pod}"),
        ("viewer", "/api/pods/{pod}/checks"),
        ("viewer", "/api/pods/{pod}/snoozes"),
        ("viewer", "/api/cloud-pods/{pod}/health"),
        ("viewer", "/api/incidents"),
        ("viewer", "/api/heals"),
        ("viewer", "/api/channels"),
        ("operator", "/api/audit"),
        ("admin", "/api/users"),
        ("admin", "/api/tokens"),
        ("admin", "/api/config"),
        ("viewer", "/pods"),
        ("viewer", "/pods/{pod}"),
        ("admin", "/pods/{pod}/edit"),
    )
]
ADD, DROP, RENAME = (
    Deed("POST", "/api/pods", "admin", 201, {"address": "10.0.0.8"}),
    Deed("DELETE", "/api/pods/{pod}", "admin"),
    Deed("PATCH", "/api/pods/{pod}", "admin", 200, {}),
)
CHANGES = [
    ADD,
    DROP,
    RENAME,
    Deed("POST", "/api/pods/{pod}/snoozes", "operator", 201, {"reason": "upgrade"}),
    Deed("POST", "/api/cloud-pods/{pod}/auto-heal/reset", "operator"),
    Deed("POST", "/api/brakes/switches", "operator", 201, {"scope": "pod", "reason": "fire"}),
    Deed("POST", "/api/nodes", "admin", 201, {"address": "10.0.0.9"}),
    Deed("POST", "/api/invitations", "admin", 201, {"role": "viewer"}),
]
