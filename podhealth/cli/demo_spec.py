"""What the demo consists of: its eight pods, how each is run, its checks, and the policies that govern them.

Nothing is stored or started here.
"""

import sys
from pathlib import Path
from typing import Any

from podhealth.cli import demo_pods

PORTS = 7

_INTERVAL_S = 5
_ADDRESS = "127.0.0.1"
# A pod made slow answers after 1.2 s: over this limit, and in time.
_SLOW = {"latencyLimitMs": 500}

# Short waits and proofs, so that a visitor sees a heal from beginning to end; a fleet wants the defaults.
_PACE = {"cooldownMinutes": 1, "backoffFactor": 1, "healthyDelay": 5, "startDeadline": 20, "verifyTimeout": 60}

POLICIES: tuple[dict[str, Any], ...] = (
    {
        "name": "restart",
        "action": "restart",
        "maxAttempts": 3,
        "sustainedHealth": 120,
        "isDefault": True,
        **_PACE,
    },
    {
        "name": "twice, then tell",
        "action": "restart",
        "maxAttempts": 2,
        "escalateAfterAttempts": 2,
        "escalationAction": "notify_only",
        "sustainedHealth": 600,
        "selector": ["fragile"],
        "priority": 10,
        **_PACE,
    },
)


def _check(kind: str, target: str | None = None, **fields: Any) -> dict[str, Any]:
    timed = {} if kind == "agent" else {"timeoutSeconds": 2}
    return {
        "checkType": kind,
        "name": kind,
        "target": target,
        "intervalSeconds": _INTERVAL_S,
        "failureThreshold": 3,
        **timed,
        **fields,
    }


def _http(port: int, path: str = "/", config: dict[str, Any] | None = None, **fields: Any) -> list[dict[str, Any]]:
    return [_check("http", path, config={"port": port} | (config or {}), **(_SLOW | fields))]


def demo_spec(run_dir: str | Path, base_port: int, web_url: str, agent_token: str) -> list[dict[str, Any]]:
    """Return the demo's pods: each with the fields of its row, its checks, and how its process is run.

    ``run_dir`` is the folder of the process host (its socket and spec lie there). ``PORTS`` ports from ``base_port`` up
    are used. ``agent_token`` is the token of pod mailer; it goes to its process only.
    """
    p = base_port
    rows: list[tuple[str, str, str, list[str], list[dict[str, Any]]]] = [
        ("shop-web", "web", str(p), ["shop", "web"], _http(p)),
        ("shop-api", "api", str(p + 1), ["shop"], _http(p + 1, config={"bodyJson": {"status": "ok"}})),
        ("queue", "queue", str(p + 2), ["shop"], [_check("tcp", str(p + 2), config={"banner": "+READY"}, **_SLOW)]),
        ("mailer", "agent", web_url, ["mail"], [_check("agent", "10")]),
        ("reports", "reports", str(p + 3), ["shop"], _http(p + 3)),
        ("flaky", "flaky", str(p + 4), ["shop"], _http(p + 4)),
        ("crasher", "crasher", str(p + 5), ["fragile"], _http(p + 5)),
        ("search", "search", str(p + 6), ["shop", "web"], _http(p + 6, config={"bodyContains": "results"})),
    ]
    return [
        {
            "name": name,
            "address": _ADDRESS,
            "tags": tags,
            "provider": "process",
            "providerRef": name,
            "providerConfig": {"run_dir": str(Path(run_dir) / "pods" / name)},
            "startDeadlineSeconds": 20,
            "checks": checks,
            # -I: no module of a working folder, no variable of the environment changes what is run.
            "command": [sys.executable, "-I", str(Path(demo_pods.__file__).resolve()), kind, where],
            "env": {"PODHEALTH_AGENT_TOKEN": agent_token} if kind == "agent" else {},
        }
        for name, kind, where, tags, checks in rows
    ]
