"""``podhealth doctor``: says what is wrong of a real installation, also of one that is half broken, and no secret."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.cli import doctor as module
from podhealth.cli import main
from podhealth.cli.doctor_case import case_of
from podhealth.cli.doctor_database import database as examine_database
from podhealth.cli.doctor_database import file_system_of
from podhealth.core import diagnosis
from podhealth.core.diagnosis import Finding, Grade
from podhealth.core.words import ProviderKind
from podhealth.models import Pod
from podhealth.store import workers
from podhealth.store.db import write
from podhealth.store.secrets import held_key, hold_key, seal
from tests.alerting.mailbox import PASSWORD, USER, a_mailbox
from tests.support.build import a_check, a_pod, a_tenant
from tests.support.ports import free_port
from tests.support.pve import TOKEN, TOKEN_ID, running

KEY = "q7R2vL0xN9dKe4TzWm5YbUc8HsAfJ1gP3oIiXtQn"
Doctor = Callable[..., tuple[int, dict[str, list[Finding]], str]]


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """``doctor(NAME=value)``: about this test's installation: code, findings by part, all that was said."""
    before, key = os.environ.copy(), held_key()

    def call(**settings: str) -> tuple[int, dict[str, list[Finding]], str]:
        os.environ.clear()
        os.environ.update(before | {"SECRET_KEY": KEY} | settings)
        os.environ.pop("DATABASE_URL", None) if "DATABASE_URL" not in settings else None
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", "--data", str(tmp_path)])
        said = capsys.readouterr().out
        found: dict[str, list[Finding]] = {}
        for one in json.loads(said)["findings"]:
            found.setdefault(one["part"], []).append(Finding(**one))
        return int(str(ended.value.code)), found, said

    yield call
    os.environ.clear()
    os.environ.update(before)
    hold_key(key)
    egress.open_networks([])
    egress.open_sockets([])


def _alive(engine: sa.Engine, *but: str) -> None:
    with write(engine) as conn:
        for role in {"web", "scheduler", "worker", "probe"} - set(but):
            workers.beat(conn, role, role, "local" if role == "probe" else None)


def test_of_a_running_installation_all_but_the_dashboard_is_well(
    doctor: Doctor, sqlite_engine: sa.Engine, redis_url: str, redis_server
) -> None:
    _alive(sqlite_engine)
    for queue in ("heal", "alert", "tick"):
        redis_server.sadd(f"rq:workers:{queue}", "rq:worker:w")
    redis_server.set("rq:worker:w", "1")
    url = f"http://127.0.0.1:{free_port()}"
    code, found, said = doctor(REDIS_URL=redis_url, PODHEALTH_PUBLIC_URL=url)
    wrong = {part for part, all_of_it in found.items() for one in all_of_it if one.grade != Grade.OK}

    assert wrong - {"Disk", "Open files", "Ping", "Data folder"} == {"Dashboard"}
    assert code in (1, 2)
    assert KEY not in said


def test_of_nothing_at_all_it_says_what_is_missing_and_makes_nothing(doctor: Doctor, tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    code, found, _ = doctor(SECRET_KEY="", PODHEALTH_DATA=str(nowhere), REDIS_URL="redis://127.0.0.1:1")

    assert code == 2
    assert {part for part, one in found.items() if one[0].grade == Grade.BAD} >= {"SECRET_KEY", "Database", "Redis"}
    assert list(tmp_path.iterdir()) == []


def test_with_a_bad_setting_the_rest_is_examined_all_the_same(doctor: Doctor, sqlite_engine: sa.Engine) -> None:
    code, found, _ = doctor(PODHEALTH_WEB_PORT="many", REDIS_URL="redis://127.0.0.1:1")

    assert code == 2
    assert "PODHEALTH_WEB_PORT" in found["Settings"][0].says
    assert found["Migrations"][0].grade == Grade.OK


def test_an_examination_that_breaks_or_hangs_keeps_no_other_from_speaking(
    doctor: Doctor, sqlite_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    broken = {"Mail": (lambda _: 1 / 0, 1.0), "Redis": (lambda _: never.wait(60), 0.1)}
    monkeypatch.setattr(module, "EXAMINATIONS", module.EXAMINATIONS | broken)
    code, found, _ = doctor(REDIS_URL="redis://127.0.0.1:1")
    never.set()

    assert code == 2
    assert "ZeroDivisionError" in found["Mail"][0].says
    assert found["Redis"][0].says == "no answer within 0 s"
    assert "Migrations" in found


def test_a_database_that_is_not_migrated_or_of_a_later_release_is_said(
    doctor: Doctor, sqlite_engine: sa.Engine
) -> None:
    said = {}
    for at in ("0001", "9999"):
        with write(sqlite_engine) as conn:
            conn.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{at}'")
        said[at] = doctor(REDIS_URL="redis://127.0.0.1:1")[1]["Migrations"][0]

    assert (said["0001"].grade, said["0001"].mend) == (Grade.BAD, "Run 'podhealth migrate'.")
    assert (said["9999"].grade, "later" in said["9999"].says) == (Grade.WARN, True)


@pytest.mark.postgres
def test_postgresql_is_examined_and_one_that_is_away_is_said_without_its_password(
    doctor: Doctor, postgres_engine: sa.Engine
) -> None:
    there = postgres_engine.url.render_as_string(hide_password=False)
    with_it = doctor(DATABASE_URL=there, REDIS_URL="redis://127.0.0.1:1")[1]
    away = f"postgresql://ph:canary-of-a-password@127.0.0.1:{free_port()}/ph"
    _, without, said = doctor(DATABASE_URL=away, REDIS_URL="redis://127.0.0.1:1")

    assert (with_it["Migrations"][0].grade, with_it["Clock"][0].grade) == (Grade.OK, Grade.OK)
    assert "fsync" in with_it["PostgreSQL"][0].says  # as the tests' server runs
    assert (without["Database"][0].grade, "canary" in said) == (Grade.BAD, False)


def test_a_key_that_does_not_open_what_is_stored_is_said(doctor: Doctor, sqlite_engine: sa.Engine) -> None:
    hold_key(KEY)
    with write(sqlite_engine) as conn:
        pod_id = a_pod(conn, a_tenant(conn), "web")
        conn.execute(sa.update(Pod).values(provider_config=seal({"token": "t"}, pod_id)))
    opens = doctor(REDIS_URL="redis://127.0.0.1:1")[1]["SECRET_KEY"][0]
    other = doctor(REDIS_URL="redis://127.0.0.1:1", SECRET_KEY=KEY[::-1])[1]["SECRET_KEY"][0]

    assert (opens.grade, other.grade) == (Grade.OK, Grade.BAD)


def test_the_mail_server_is_tried_and_gets_no_mail(doctor: Doctor, sqlite_engine: sa.Engine, tmp_path: Path) -> None:
    with a_mailbox(tmp_path) as box:
        smtp = {"HOST": "127.0.0.1", "PORT": str(box.port), "FROM": "ph@example.com", "USER": USER}
        given = {f"PODHEALTH_SMTP_{name}": value for name, value in (smtp | {"CA_FILE": box.ca_file}).items()}
        right = doctor(REDIS_URL="redis://127.0.0.1:1", **given, PODHEALTH_SMTP_PASSWORD=PASSWORD)[1]["Mail"][0]
        _, wrong, said = doctor(REDIS_URL="redis://127.0.0.1:1", **given, PODHEALTH_SMTP_PASSWORD="canary-wrong")

    assert (right.grade, "STARTTLS" in right.says) == (Grade.OK, True)
    assert (wrong["Mail"][0].grade, "canary" in said) == (Grade.BAD, False)
    assert box.mails == []


@pytest.mark.slow
def test_a_token_that_lacks_what_healing_needs_or_may_too_much_is_said(
    doctor: Doctor, sqlite_engine: sa.Engine, tmp_path: Path
) -> None:
    hold_key(KEY)
    (tmp_path / "pve").mkdir()
    with running(tmp_path / "pve") as far:
        with write(sqlite_engine) as conn:
            tenant_id = a_tenant(conn)
            for name, ref in (("web", "pve1/100"), ("cache", "pve1/101")):
                pod_id = a_pod(conn, tenant_id, name)
                values = {"provider": ProviderKind.PROXMOX, "provider_ref": ref}
                config = seal(far.config(), pod_id)
                conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(provider_config=config, **values))
        given = {"REDIS_URL": "redis://127.0.0.1:1", "PODHEALTH_ALLOWED_NETWORKS": "127.0.0.0/8"}
        far.pve.grant(TOKEN_ID, "/vms/100", "VM.Audit", "VM.PowerMgmt")
        far.pve.grant(TOKEN_ID, "/vms/101", "VM.Audit")
        _, lacking, said = doctor(**given)
        far.pve.grant(TOKEN_ID, "/vms/101", "VM.PowerMgmt", "Permissions.Modify")
        _, too_much, _ = doctor(**given)
        posts = far.pve.posts

    assert [one.says.partition(": ")[2] for one in lacking["Provider"]] == ["lacks VM.PowerMgmt for cache"]
    assert (too_much["Provider"][0].grade, "Permissions.Modify" in too_much["Provider"][0].says) == (Grade.WARN, True)
    assert (TOKEN in said, posts) == (False, [])


def test_a_file_on_a_network_is_known_by_its_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nfar:/x /srv/far nfs4 rw 0 0\nfar:/y /srv/my\\040data cifs rw 0 0\n")
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: real(mounts if str(path).startswith("/proc") else path, *a, **k)
    )

    assert [file_system_of(Path(p)) for p in ("/srv/far/ph.db", "/srv/my data/ph.db", "/srv/ph.db")] == [
        "nfs4",
        "cifs",
        "ext4",
    ]


def test_more_checks_than_sqlite_is_made_for_are_said(
    sqlite_engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write(sqlite_engine) as conn:
        pod_id = a_pod(conn, a_tenant(conn), "web")
        for n in range(5):
            a_check(conn, pod_id, "http", f"c{n}", interval_seconds=5)
    monkeypatch.setattr(diagnosis, "SQLITE_CHECKS_A_SECOND", 1.0)
    fits = {one.part: one for one in examine_database(_case(tmp_path))}["Load"]
    monkeypatch.setattr(diagnosis, "SQLITE_CHECKS_A_SECOND", 0.9)
    too_many = {one.part: one for one in examine_database(_case(tmp_path))}["Load"]

    assert (fits.grade, fits.says, too_many.grade) == (Grade.OK, "1.0 checks a second", Grade.WARN)


def _case(folder: Path):
    before = os.environ.copy()
    os.environ.pop("DATABASE_URL", None)
    try:
        return case_of(str(folder))
    finally:
        os.environ.clear()
        os.environ.update(before)
