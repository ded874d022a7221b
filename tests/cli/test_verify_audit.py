"""`podhealth verify-audit`: every chain is walked, and who tampered with one is told where."""

import pytest
import sqlalchemy as sa

from podhealth.store import accounts, audit
from podhealth.store.db import write
from podhealth.store.tenancy import system_scope
from tests.cli.conftest import Run
from tests.support import build

COMMAND = "verify-audit"


@pytest.mark.attack("A81")
def test_whole_chains_are_counted_and_a_broken_one_is_named_by_its_first_bad_entry(
    sqlite_engine: sa.Engine, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with write(sqlite_engine) as conn:
        for name in ("acme", "zeta"):
            scope = system_scope(build.a_tenant(conn, name))
            for number in range(3):
                audit.write(conn, scope, "edited", "pod", number)
        accounts.create_platform_admin(conn, "op@x.example", "op")
        kept = conn.scalar(sa.text("SELECT count(*) FROM audit_entries"))
    assert run() == [f"ok, {kept} entries"]

    with write(sqlite_engine) as conn:
        conn.exec_driver_sql("DROP TRIGGER audit_entries_no_update")
        conn.exec_driver_sql("UPDATE audit_entries SET actor_name = 'bob' WHERE chain = 2 AND seq >= 2")
        conn.exec_driver_sql("UPDATE audit_entries SET address = '' WHERE chain = 0")
    with pytest.raises(SystemExit) as ended:
        run()

    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        "installation: entry 1 is missing, changed or out of order",
        "tenant zeta: entry 2 is missing, changed or out of order",
    ]
