"""`podhealth export`, `plan`, `apply` and `import`: exit codes, what is printed, where secrets are looked up."""

import json
import os

import pytest
import sqlalchemy as sa

from podhealth.cli import main
from podhealth.models import Pod
from podhealth.store import accounts, newpods
from podhealth.store.db import read, write
from podhealth.store.secrets import unseal
from podhealth.store.tenancy import system_scope
from tests.declared import kuma_files

TEXT = """version: 1
pods:
- name: web-1
  address: 10.0.0.5
  provider: webhook
  providerConfig: {url: "https://10.0.0.9/hook", secret: "${HOOK}"}
"""


class Shell:
    """Runs commands on the installation of a test, with the exit code and both outputs of the newest."""

    def __init__(self, folder, capsys):
        self._folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def __call__(self, command, *words):
        first, *rest = command.split()
        try:
            main([first, *rest, "--data", str(self._folder), *words])
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def acme(sqlite_engine):
    """The tenant acme."""
    with write(sqlite_engine) as conn:
        return system_scope(accounts.create_tenant(conn, "acme"))


@pytest.fixture
def shell(acme, tmp_path, capsys, monkeypatch):
    """A shell in which HOOK is set."""
    before = os.environ.copy()
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {"HOOK": "canary-of-sixteen-characters", "SECRET_KEY": "a key of the tests, of 32 characters"}
    yield Shell(tmp_path, capsys)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def file(tmp_path):
    """A file on disk; called with a text it is that text."""
    path = tmp_path / "podhealth.yaml"
    path.write_text(TEXT)
    return path


def pods(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(Pod.__table__).order_by(Pod.id)).all()


@pytest.mark.slow
def test_a_plan_says_by_its_exit_code_whether_there_is_a_difference(shell, file, sqlite_engine):
    assert shell("plan", "--tenant", "acme", str(file)) == 2
    assert shell.out.splitlines()[:2] == ["+ pod web-1", "    address: 10.0.0.5"]
    assert pods(sqlite_engine) == []

    assert shell("apply", "--tenant", "acme", "--yes", str(file)) == 0
    assert shell.out.splitlines()[-1] == "Applied: 1 changed."
    (pod,) = pods(sqlite_engine)
    assert unseal(pod.provider_config, pod.id)["secret"] == "canary-of-sixteen-characters"

    assert shell("plan", "--tenant", "acme", str(file)) == 0
    assert shell.out == "No difference: everything is as the file says.\n"
    assert shell("apply", "--tenant", "acme", str(file)) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tenant", "acme", "nowhere.yaml"), "nowhere.yaml: No such file or directory."),
        (("--tenant", "nobody", "FILE"), "there is no tenant called 'nobody'"),
        (("FILE",), "Missing option '--tenant'."),
        (("--tenant", "acme", "FILE", "--nonsense"), "No such option"),
    ],
)
def test_what_is_wrong_never_looks_like_a_difference(shell, file, words, said):
    assert shell("plan", *(str(file) if word == "FILE" else word for word in words)) == 1
    assert said in shell.err


def test_a_refused_file_is_told_place_by_place(shell, file, sqlite_engine):
    file.write_text(TEXT.replace("10.0.0.5", "8.8.8.8") + "- {name: x, adress: y}\n")
    assert shell("apply", "--tenant", "acme", "--yes", str(file)) == 1

    assert shell.err.splitlines() == [
        "podhealth: line 7: pods[1].adress: there is no such field: did you mean address?",
        "podhealth: 1 refused, nothing was changed",
    ]
    assert pods(sqlite_engine) == []


def test_nothing_is_done_where_nobody_says_yes_and_the_plan_is_for_programs_too(
    shell, file, sqlite_engine, monkeypatch
):
    monkeypatch.setattr("click.confirm", lambda *_args, **_more: False)
    assert shell("apply", "--tenant", "acme", str(file)) == 1
    assert pods(sqlite_engine) == []

    assert shell("plan", "--tenant", "acme", "--json", str(file)) == 2
    seen = json.loads(shell.out)
    assert (seen["add"], seen["changes"][0]["name"]) == (1, "web-1")
    assert "canary" not in shell.out
    assert shell("apply", "--tenant", "acme", "--yes", "--expect", "0" * 16, str(file)) == 1
    assert pods(sqlite_engine) == []
    assert shell("apply", "--tenant", "acme", "--yes", "--expect", seen["fingerprint"], str(file)) == 0


def test_what_is_exported_is_as_it_is(shell, acme, tmp_path, sqlite_engine):
    with write(sqlite_engine) as conn:
        newpods.create_pod(conn, acme, {"name": "web-1", "address": "10.0.0.5", "tags": ["web"]})
    assert shell("export", "--tenant", "acme") == 0
    (tmp_path / "out.yaml").write_text(shell.out)

    assert shell("plan", "--tenant", "acme", str(tmp_path / "out.yaml")) == 0
    assert shell("export --schema") == 0
    assert json.loads(shell.out)["title"] == "PodHealth configuration"
    assert shell("export") == 1


def test_a_secret_may_stand_in_a_file_of_its_own(shell, file, tmp_path, sqlite_engine):
    (tmp_path / "secret").write_text("canary-from-a-file\n")
    file.write_text(TEXT.replace("${HOOK}", f"file:{tmp_path / 'secret'}"))
    assert shell("apply", "--tenant", "acme", "--yes", str(file)) == 0
    (pod,) = pods(sqlite_engine)
    assert unseal(pod.provider_config, pod.id)["secret"] == "canary-from-a-file"

    file.write_text(TEXT.replace("${HOOK}", "file:/nowhere/secret"))
    assert shell("plan", "--tenant", "acme", str(file)) == 1
    assert "providerConfig.secret: /nowhere/secret cannot be read" in shell.err


def test_an_import_is_a_file_of_ours_with_its_secrets_beside_it(shell, tmp_path, sqlite_engine):
    source, secrets = kuma_files.database(tmp_path), tmp_path / "kuma.env"
    assert shell("import kuma", str(source), "--secrets-to", str(secrets)) == 0

    assert "canary" not in shell.out + shell.err
    assert "left out: monitor Backup job: it has no address" in shell.err
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert "CHANNEL_OPS_URL='https://hooks.slack.com/services/canary'\n" in secrets.read_text()
    assert shell("import kuma", str(source), "--secrets-to", str(secrets)) == 1  # it is not written over
    assert shell("import gatus", str(source)) == 1


def test_an_import_is_applied_at_once_with_the_secrets_that_it_found(shell, tmp_path, sqlite_engine):
    source = tmp_path / "config.yaml"
    source.write_text("endpoints: [{name: db, url: 'tcp://10.0.0.2:5432', conditions: ['[CONNECTED] == true']}]")

    assert shell("import gatus", str(source), "--apply", "acme", "--yes") == 0
    assert [pod.name for pod in pods(sqlite_engine)] == ["db"]
