"""What ``up --demo`` adds before anything runs: the tenant ``demo`` with its policies and pods, and their host's spec.

The first start makes them. A later one changes only what moved with the installation (ports, folder, agent token):
what a person edited or deleted stays so. Runs nothing itself.
"""

import socket
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from podhealth.cli.demo_host import read_spec, write_spec
from podhealth.cli.demo_spec import POLICIES, PORTS, demo_spec
from podhealth.cli.installation import Installation
from podhealth.cli.supervision import Program, quoted
from podhealth.core.check_rules import parse_check
from podhealth.core.errors import SetupError
from podhealth.core.words import Kind, ProviderKind
from podhealth.models import Pod, Policy, Tenant
from podhealth.settings import Settings
from podhealth.store import accounts, checks, inventory, newpods, policies
from podhealth.store.db import write
from podhealth.store.tenancy import Scope, system_scope

TENANT = "demo"
# Where the pods' ports are looked for: 2,000 places of ten ports each.
_FIRST_PORT = 8800
_PORT_STEP = 10
_PLACES = 2000
_TRIES = 100
_WEB_PORT = 8700  # has the first of them

Rows = list[dict[str, Any]]


def prepare_demo(engine: sa.Engine, installation: Installation, settings: Settings) -> list[Program]:
    """Make the demo's rows, or bring them up to this start, and return the program that keeps its pods.

    Raises SetupError where no ports are free for its pods.
    """
    folder = installation.demo_folder
    folder.mkdir(mode=0o700, exist_ok=True)
    last = read_spec(folder)
    first_port = _first_port(_last_first_port(last), settings.web_port)
    web_url = f"http://{_reachable(settings.web_host)}:{settings.web_port}"
    spec = demo_spec(folder, first_port, web_url, _token_of(last))
    networks = settings.pod_networks
    with write(engine) as conn:
        scope = system_scope(_tenant(conn), "podhealth up --demo")
        if _is_empty(conn, scope):
            _make(conn, scope, spec, networks)
    kept = [_bring_up_to_date(engine, scope, row, last.get(row["name"], {}), networks) for row in spec]
    write_spec(folder, [row for row in kept if row is not None])
    return [Program("demo", quoted(["podhealth", "demo-host", "--dir", str(folder)]))]


def _tenant(conn: sa.Connection) -> int:
    found = conn.scalar(sa.select(Tenant.id).where(Tenant.name == TENANT, Tenant.deleted_at.is_(None)))
    return found if found is not None else accounts.create_tenant(conn, TENANT)


def _is_empty(conn: sa.Connection, scope: Scope) -> bool:
    # Deleted pods count: who deleted them all does not want them back.
    return conn.scalar(sa.select(Pod.id).where(Pod.tenant_id == scope.tenant_id).limit(1)) is None


def _make(conn: sa.Connection, scope: Scope, spec: Rows, networks: tuple[str, ...]) -> None:
    if conn.scalar(sa.select(Policy.id).where(Policy.tenant_id == scope.tenant_id).limit(1)) is None:
        for fields in POLICIES:
            policies.save_policy(conn, scope, fields)
    for row in spec:
        pod_id = newpods.create_pod(conn, scope, _pod_fields(row), default_checks=False, networks=networks)
        for fields in row["checks"]:
            checks.put_check(conn, scope, pod_id, parse_check(fields))


def _pod_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "address", "tags", "provider", "providerRef", "providerConfig", "startDeadlineSeconds")
    return {name: row[name] for name in names}


def _bring_up_to_date(
    engine: sa.Engine, scope: Scope, row: dict[str, Any], last: Mapping[str, Any], networks: tuple[str, ...]
) -> dict[str, Any] | None:
    """Make the stored pod say where its process runs now; returns what the host is to run, null for a deleted pod."""
    with write(engine) as conn:
        pod = conn.execute(
            sa.select(Pod.__table__).where(
                Pod.tenant_id == scope.tenant_id,
                Pod.provider == ProviderKind.PROCESS,
                Pod.provider_ref == row["providerRef"],
                Pod.deleted_at.is_(None),
            )
        ).first()
        if pod is None:
            return None
        inventory.update_pod(conn, scope, pod.id, {"providerConfig": row["providerConfig"]}, networks=networks)
        for fields in row["checks"]:
            _move_check(conn, scope, pod.id, fields, _place(last))
        if row["env"]:
            return row | {"env": _agent_environment(conn, scope, pod, row["env"])}
        return row


def _move_check(conn: sa.Connection, scope: Scope, pod_id: int, fields: Mapping[str, Any], old: str | None) -> None:
    existing = checks.find_check(conn, scope, pod_id, fields["name"])
    if existing is None or existing.kind not in (Kind.HTTP, Kind.TCP):
        return
    is_http = existing.kind == Kind.HTTP
    now_at = str(existing.config.get("port")) if is_http else existing.target
    # A port that a person set is theirs to mend.
    if old is not None and now_at != old:
        return
    moved = {"config": {"port": fields["config"]["port"]}} if is_http else {"target": fields["target"]}
    checks.put_check(conn, scope, pod_id, parse_check(moved, checks.rules_of(existing)))


def _agent_environment(conn: sa.Connection, scope: Scope, pod: Any, env: Mapping[str, str]) -> dict[str, str]:
    (name, token), *_ = env.items()
    if not token or accounts.hash_of(token) != pod.agent_token_hash:
        token = inventory.set_agent_token(conn, scope, pod.id)
    return {name: token}


def _token_of(last: Mapping[str, Mapping[str, Any]]) -> str:
    return next((token for row in last.values() for token in row.get("env", {}).values()), "")


def _place(last: Mapping[str, Any]) -> str | None:
    return last["command"][-1] if last else None


def _last_first_port(last: Mapping[str, Mapping[str, Any]]) -> int | None:
    # Any pod tells it, whichever were deleted meanwhile: of a spec that begins at 0 the ports are distances.
    for row in demo_spec("", 0, "", ""):
        place, distance = _place(last.get(row["name"], {})), row["command"][-1]
        if place is not None and place.isdecimal() and distance.isdecimal():
            return int(place) - int(distance)
    return None


def _first_port(before: int | None, web_port: int) -> int:
    """Return the first of as many free ports as the demo needs: those of the last start, else the next free place.

    Places lie below the ports that the kernel hands out by itself, and start at one that belongs to ``web_port``, so
    that several demos on one machine do not reach for the same.
    """
    home = (web_port - _WEB_PORT) % _PLACES
    fresh = [_FIRST_PORT + _PORT_STEP * ((home + n) % _PLACES) for n in range(_TRIES)]
    for first in fresh if before is None else [before, *fresh]:
        ports = range(first, first + PORTS)
        if web_port not in ports and all(_is_free(port) for port in ports):
            return first
    raise SetupError(f"--demo: its pods need {PORTS} free ports in a row, and none were found from {fresh[0]} up")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


def _reachable(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{reachable}]" if ":" in reachable else reachable
