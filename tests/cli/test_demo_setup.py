"""What `up --demo` stores: once, and after that only what moved; what a person did to it stays."""

import json
import shutil
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.cli.demo_setup import prepare_demo
from podhealth.cli.demo_spec import PORTS
from podhealth.cli.installation import Installation
from podhealth.core.check_rules import parse_check
from podhealth.core.errors import SetupError
from podhealth.core.words import ProviderKind
from podhealth.models import AuditEntry, Check, Pod, Policy, Tenant
from podhealth.settings import Settings
from podhealth.store import accounts, checks, inventory, policies
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope, system_scope

NAMES = {"shop-web", "shop-api", "search", "queue", "mailer", "reports", "flaky", "crasher"}


class Demo:
    """One installation whose demo is prepared again and again, as ``up --demo`` does; nothing of it runs."""

    def __init__(self, engine: sa.Engine, folder: Path, web_port: int = 8700) -> None:
        self.engine, self.folder = engine, folder
        self.settings = Settings(
            DATABASE_URL="sqlite://", REDIS_URL="unix:///x", SECRET_KEY="s" * 40, demo_loopback=True, web_port=web_port
        )

    def start(self) -> list[str]:
        return [program.command for program in prepare_demo(self.engine, Installation(self.folder), self.settings)]

    def spec(self) -> dict[str, dict[str, Any]]:
        rows = json.loads((self.folder / "demo" / "spec.json").read_text())["pods"]
        return {row["name"]: row for row in rows}

    def port_of(self, name: str) -> str:
        return str(self.spec()[name]["command"][-1])

    def token(self) -> str:
        return str(self.spec()["mailer"]["env"]["PODHEALTH_AGENT_TOKEN"])

    def scope(self) -> Scope:
        (tenant_id,) = self.all(sa.select(Tenant.id).where(Tenant.name == "demo"))
        return system_scope(tenant_id.id)

    def pod(self, name: str) -> sa.Row[Any]:
        (pod,) = self.all(sa.select(Pod.__table__).where(Pod.name == name))
        return pod

    def check(self, name: str) -> sa.Row[Any]:
        kinds = Check.kind != "running"
        (check,) = self.all(sa.select(Check.__table__).where(Check.pod_id == self.pod(name).id, kinds))
        return check

    def edit_check(self, name: str, **fields: Any) -> None:
        check = self.check(name)
        with write(self.engine) as conn:
            checks.put_check(conn, self.scope(), check.pod_id, parse_check(fields, checks.rules_of(check)), check.id)

    def delete(self, name: str) -> None:
        with write(self.engine) as conn:
            inventory.delete_pod(conn, self.scope(), self.pod(name).id)

    def all(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        with read(self.engine) as conn:
            return list(conn.execute(query).all())

    def stored(self) -> list[Any]:
        """Everything a second start could have changed."""
        tables = (Tenant, Pod, Check, Policy, AuditEntry)
        return [self.all(sa.select(table.__table__).order_by(*table.__table__.primary_key)) for table in tables]


@pytest.fixture
def demo(engine: sa.Engine, tmp_path: Path) -> Demo:
    return Demo(engine, tmp_path)


def test_the_first_start_makes_eight_local_pods_with_checks_and_policies(demo: Demo) -> None:
    commands = demo.start()

    pods = demo.all(sa.select(Pod.__table__))
    assert {pod.name for pod in pods} == NAMES == set(demo.spec())
    assert {(pod.address, pod.provider) for pod in pods} == {("127.0.0.1", ProviderKind.PROCESS)}
    assert {row.name for row in demo.all(sa.select(Policy.name))} == {"restart", "twice, then tell"}
    assert {row.kind for row in demo.all(sa.select(Check.kind))} == {"http", "tcp", "agent", "running"}
    assert commands == [f"podhealth demo-host --dir {demo.folder / 'demo'}"]


def test_each_check_asks_where_its_process_listens(demo: Demo) -> None:
    demo.start()

    assert demo.check("queue").target == demo.port_of("queue")
    assert str(demo.check("shop-web").config["port"]) == demo.port_of("shop-web")
    assert demo.port_of("mailer") == "http://127.0.0.1:8700"


def test_a_second_start_changes_nothing(demo: Demo) -> None:
    demo.start()
    stored, spec = demo.stored(), demo.spec()
    demo.start()

    assert (demo.stored(), demo.spec()) == (stored, spec)


def test_only_this_user_can_read_the_agents_token(demo: Demo) -> None:
    demo.start()

    assert stat.S_IMODE((demo.folder / "demo" / "spec.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((demo.folder / "demo").stat().st_mode) == 0o700
    assert accounts.hash_of(demo.token()) == demo.pod("mailer").agent_token_hash


def test_a_taken_port_moves_the_pods_and_their_checks(demo: Demo) -> None:
    demo.start()
    demo.edit_check("shop-api", intervalSeconds=30)
    before = demo.port_of("shop-api")
    with socket.create_server(("127.0.0.1", int(demo.port_of("search")))):
        demo.start()

    assert demo.port_of("shop-api") != before
    assert str(demo.check("shop-api").config["port"]) == demo.port_of("shop-api")
    assert demo.check("shop-api").config["bodyJson"] == {"status": "ok"}
    assert demo.check("shop-api").interval_seconds == 30
    assert demo.check("queue").target == demo.port_of("queue")


def test_a_port_that_a_person_set_stays(demo: Demo) -> None:
    demo.start()
    demo.edit_check("queue", target="9")
    with socket.create_server(("127.0.0.1", int(demo.port_of("search")))):
        demo.start()

    assert demo.check("queue").target == "9"


def test_edited_and_deleted_policies_stay_so(demo: Demo) -> None:
    demo.start()
    by_name = {row.name: row.id for row in demo.all(sa.select(Policy.id, Policy.name))}
    with write(demo.engine) as conn:
        policies.save_policy(conn, demo.scope(), {"name": "mine", "maxAttempts": 7}, by_name["restart"])
        policies.delete_policy(conn, demo.scope(), by_name["twice, then tell"])
    demo.start()

    with read(demo.engine) as conn:
        kept = policies.list_policies(conn, demo.scope())
    assert [(row.name, row.max_attempts, row.is_default) for row in kept] == [("mine", 7, True)]


def test_a_renamed_pod_is_still_the_same_one(demo: Demo) -> None:
    demo.start()
    with write(demo.engine) as conn:
        inventory.update_pod(conn, demo.scope(), demo.pod("queue").id, {"name": "broker", "tags": ["mine"]})
    demo.start()

    assert demo.pod("broker").tags == ["mine"]
    assert len(demo.all(sa.select(Pod.id))) == 8
    assert set(demo.spec()) == NAMES


@pytest.mark.parametrize("name", ["shop-web", "mailer"])
def test_a_deleted_pod_does_not_come_back_and_is_not_run(demo: Demo, name: str) -> None:
    demo.start()
    before = demo.port_of("crasher")
    demo.delete(name)
    demo.start()
    demo.start()

    assert set(demo.spec()) == NAMES - {name}
    assert demo.port_of("crasher") == before
    assert len(demo.all(sa.select(Pod.id))) == 8


def test_who_deleted_all_pods_gets_none_back(demo: Demo) -> None:
    demo.start()
    for name in NAMES:
        demo.delete(name)
    demo.start()

    assert demo.spec() == {}


@pytest.mark.parametrize("text", [None, "{", '{"pods": 7}', "[]"])
def test_without_its_spec_the_agent_gets_a_new_token_and_the_checks_follow_the_ports(demo: Demo, text) -> None:
    demo.start()
    before = demo.token()
    demo.edit_check("queue", target="9")
    path = demo.folder / "demo" / "spec.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    demo.start()

    assert demo.token() != before
    assert accounts.hash_of(demo.token()) == demo.pod("mailer").agent_token_hash
    assert demo.check("queue").target == demo.port_of("queue")


def test_a_token_that_was_replaced_is_made_anew(demo: Demo) -> None:
    demo.start()
    with write(demo.engine) as conn:
        inventory.set_agent_token(conn, demo.scope(), demo.pod("mailer").id)
    demo.start()

    assert accounts.hash_of(demo.token()) == demo.pod("mailer").agent_token_hash


def test_a_folder_that_moved_is_followed(demo: Demo, tmp_path: Path) -> None:
    demo.start()
    moved = Demo(demo.engine, tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "demo", tmp_path / "elsewhere" / "demo")
    moved.start()

    assert moved.pod("flaky").provider_config == {"run_dir": str(tmp_path / "elsewhere" / "demo" / "pods" / "flaky")}
    assert moved.token() == demo.token()


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("0.0.0.0", "http://127.0.0.1:8700"),
        ("::", "http://[::1]:8700"),
        ("localhost", "http://127.0.0.1:8700"),
        ("192.168.1.7", "http://192.168.1.7:8700"),
    ],
)
def test_the_agent_finds_the_dashboard_whatever_it_listens_on(sqlite_engine, tmp_path, host, wanted) -> None:
    demo = Demo(sqlite_engine, tmp_path)
    demo.settings = demo.settings.model_copy(update={"web_host": host})
    demo.start()

    assert demo.port_of("mailer") == wanted


def test_the_dashboards_own_port_is_left_to_it(sqlite_engine: sa.Engine, tmp_path: Path) -> None:
    # The place that belongs to this port begins right below it.
    demo = Demo(sqlite_engine, tmp_path, web_port=10_911)
    demo.start()

    first = int(demo.port_of("shop-web"))
    assert 10_911 not in range(first, first + PORTS)


def test_a_tenant_of_that_name_with_policies_of_its_own_keeps_them(demo: Demo) -> None:
    with write(demo.engine) as conn:
        scope = system_scope(accounts.create_tenant(conn, "demo"))
        policies.save_policy(conn, scope, {"name": "mine", "action": "restart", "isDefault": True})
    demo.start()

    assert [row.name for row in demo.all(sa.select(Policy.name))] == ["mine"]
    assert len(demo.all(sa.select(Pod.id))) == 8


def test_without_loopback_allowed_nothing_is_stored(demo: Demo) -> None:
    demo.settings = demo.settings.model_copy(update={"demo_loopback": False})
    with pytest.raises(Exception, match="address"):
        demo.start()

    assert demo.all(sa.select(Tenant.id)) == []


def test_no_free_ports_are_told_plainly(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podhealth.cli.demo_setup._TRIES", 1)
    with socket.create_server(("127.0.0.1", 8806)), pytest.raises(SetupError, match="7 free ports"):
        demo.start()
