"""The agent as it runs on a pod, against a real web server; by the oldest Python that it must run on, where it is."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from podhealth.core.words import Signal
from podhealth.models import Heartbeat
from podhealth.store import inventory
from podhealth.store.db import make_engine, read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_pod, a_tenant
from tests.support.podman import LIVES_ON, Podman
from tests.support.ports import free_port
from tests.support.wait import wait_for
from tests.support.webserver import running_web

pytestmark = pytest.mark.slow

FILE = Path(__file__).resolve().parents[2] / "static/agent.py"
OLDEST = Path.home() / ".pyenv/versions"


def _python():
    found = sorted(OLDEST.glob("3.8.*/bin/python")) if OLDEST.is_dir() else []
    return str(found[0]) if found else sys.executable


class Pod:
    """A pod whose agent can be run, and what is stored of it."""

    def __init__(self, engine, folder, url):
        self.engine, self.folder, self.url = engine, folder, url
        with write(engine) as conn:
            tenant_id = a_tenant(conn, folder.name)
            self.pod_id = a_pod(conn, tenant_id)
            self.token = inventory.set_agent_token(conn, system_scope(tenant_id), self.pod_id)
        self.conf = folder / "agent.conf"
        self.conf.write_text(f"# ours\nPODHEALTH_URL={url}\nPODHEALTH_AGENT_TOKEN='{self.token}'\n")

    def environment(self, **more):
        own = {"PATH": os.environ["PATH"], "PODHEALTH_AGENT_CONF": str(self.conf)}
        return {name: value for name, value in {**own, **more}.items() if value is not None}

    def start(self, *args, **more):
        command = [_python(), "-I", str(FILE), *args]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment(**more), **streams)

    def run(self, *args, **more):
        process = self.start(*args, **more)
        said = process.communicate(timeout=60)
        return process.returncode, *said

    def heard(self):
        with read(self.engine) as conn:
            query = sa.select(Heartbeat.__table__).where(Heartbeat.pod_id == self.pod_id)
            return conn.execute(query).one_or_none()


@pytest.fixture(scope="module")
def server(tmp_path_factory, _sqlite_template):
    folder = tmp_path_factory.mktemp("agents")
    shutil.copyfile(_sqlite_template, folder / "podhealth.db")
    engine = make_engine(f"sqlite:///{folder}/podhealth.db")
    with running_web(engine.url.render_as_string(False), "unix:///nowhere/redis.sock", folder) as web:
        yield engine, web
    engine.dispose()


@pytest.fixture
def pod(server, tmp_path):
    engine, web = server
    return Pod(engine, tmp_path, web.origin)


def test_it_tells_its_boot_its_figures_and_a_number_that_grows(pod):
    first = pod.run("--once"), pod.heard()
    second = pod.run("--once"), pod.heard()

    assert (first[0], second[0]) == ((0, "", ""), (0, "", ""))
    assert first[1].boot_id == second[1].boot_id
    assert first[1].boot_id.startswith(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert second[1].sequence > first[1].sequence
    assert {"load1", "memoryPercent", "diskPercent"} <= second[1].metrics.keys()
    assert second[1].metrics["memoryPercent"] == pytest.approx(psutil.virtual_memory().percent, abs=25)


def test_it_says_so_again_and_again_and_ends_when_it_is_told_to(pod):
    process = pod.start(PODHEALTH_AGENT_PERIOD="5")
    wait_for(pod.heard, 20, what="the first heartbeat")
    shown = " ".join(psutil.Process(process.pid).cmdline())
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=10)

    assert (process.returncode, said) == (0, ("", ""))
    assert pod.heard().period_s == 5
    assert pod.token not in shown


def test_a_server_that_is_away_is_waited_for(pod):
    port = free_port()
    gate = socket.create_server(("127.0.0.1", port))
    gate.close()
    process = pod.start(PODHEALTH_AGENT_PERIOD="5", PODHEALTH_URL=f"http://127.0.0.1:{port}")
    first = process.stderr.readline()
    seen = []
    with Answering(port, 204, seen):
        wait_for(lambda: seen, 20, what="it comes back")
        second = process.stderr.readline()
    is_alive = process.poll() is None
    process.terminate()
    process.communicate(timeout=10)

    assert "was not reached" in first
    assert second.startswith("podhealth-agent: heard again, after ")
    assert is_alive


class Answering:
    """A server at ``port`` that answers all alike and notes what it is asked."""

    def __init__(self, port, status, seen, **headers):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802 - the name is the library's
                seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def test_a_refused_token_is_said_once_and_not_tried_at_once(pod):
    process = pod.start(PODHEALTH_AGENT_PERIOD="5", PODHEALTH_AGENT_TOKEN="pa_wrong")
    said = process.stderr.readline()
    process.terminate()
    rest = process.communicate(timeout=10)

    assert said == f"podhealth-agent: {pod.url}/api/heartbeats answered 401: No pod has this token; trying again\n"
    assert rest == ("", "")


def test_its_token_follows_no_redirect(pod):
    seen, elsewhere = [], []
    with Answering(0, 204, elsewhere) as there:
        headers = {"Location": f"http://127.0.0.1:{there.server_port}/api/heartbeats"}
        with Answering(0, 308, seen, **headers) as here:
            process = pod.start(PODHEALTH_URL=f"http://127.0.0.1:{here.server_port}")
            said = process.stderr.readline()
            process.terminate()
            process.communicate(timeout=10)

    assert "answered 308" in said
    assert (len(seen), elsewhere) == (1, [])


def test_a_machine_that_was_taken_back_to_a_snapshot_is_heard_all_the_same(pod):
    pod.run("--once")
    with write(pod.engine) as conn:
        ahead = sa.update(Heartbeat).where(Heartbeat.pod_id == pod.pod_id).values(sequence=1 << 50)
        conn.execute(ahead)
    before = pod.heard()
    done = pod.run("--once")

    assert done == (0, "", "")
    assert pod.heard().received_at > before.received_at
    assert pod.heard().boot_id == before.boot_id


def test_a_server_that_refuses_for_ever_is_not_flooded(pod):
    seen = []
    with Answering(0, 409, seen) as server:
        done = pod.run("--once", PODHEALTH_URL=f"http://127.0.0.1:{server.server_port}")

    assert done[0] == 1
    assert [("bootId" in one, "sequence" in one) for one in seen] == [(True, True), (True, True), (False, False)]


@pytest.mark.parametrize(
    ("command", "code"),
    [(["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137), (["/no/such/program"], 127)],
    ids=str,
)
def test_a_job_runs_and_its_exit_code_is_told(pod, command, code):
    done = pod.run("--job", "--period", "3600", "--", *command)
    heard = pod.heard()

    assert done[0] == code
    assert (heard.signal, heard.exit_code) == (Signal.FAIL if code else Signal.SUCCESS, code)
    assert heard.period_s == 3600
    assert heard.took_ms is not None


def test_a_check_tells_its_end_only_and_knows_no_token(pod):
    done = pod.run("--check", "--", "sh", "-c", "echo ${PODHEALTH_AGENT_TOKEN-none}", PODHEALTH_AGENT_TOKEN=pod.token)

    assert done == (0, "none\n", "")
    assert (pod.heard().signal, pod.heard().took_ms) == (Signal.SUCCESS, None)


def test_a_job_runs_though_nobody_hears_of_it(pod):
    done = pod.run("--check", "--", "echo", "done", PODHEALTH_URL=f"http://127.0.0.1:{free_port()}")

    assert done[:2] == (0, "done\n")
    assert "was not reached" in done[2]


def test_a_token_may_stand_in_a_file_of_its_own(pod, tmp_path):
    (tmp_path / "token").write_text(pod.token + "\n")
    pod.conf.write_text("")

    done = pod.run("--once", PODHEALTH_URL=pod.url, PODHEALTH_AGENT_TOKEN_FILE=str(tmp_path / "token"))
    assert done == (0, "", "")


@pytest.mark.parametrize(
    ("settings", "args", "named"),
    [
        ({"PODHEALTH_AGENT_CONF": "/nowhere"}, [], "PODHEALTH_URL"),
        ({"PODHEALTH_URL": "ftp://x"}, [], "PODHEALTH_URL"),
        ({"PODHEALTH_AGENT_TOKEN": "pa_a\nb"}, [], "PODHEALTH_AGENT_TOKEN"),
        ({"PODHEALTH_AGENT_TOKEN_FILE": "/nowhere"}, [], "PODHEALTH_AGENT_TOKEN_FILE"),
        ({"PODHEALTH_AGENT_PERIOD": "1"}, [], "PODHEALTH_AGENT_PERIOD"),
        ({}, ["--job"], "COMMAND"),
        ({}, ["--once", "ls"], "COMMAND"),
        ({}, ["--job", "--period", "4", "--", "ls"], "--period"),
    ],
    ids=str,
)
def test_what_it_cannot_work_with_is_named(pod, settings, args, named):
    code, out, said = pod.run(*args, **settings)

    assert (code != 0, out) == (True, "")
    assert named in said
    assert "Traceback" not in said


@pytest.mark.parametrize("kind", ["systemd", "openrc", "neither"])
def test_it_installs_itself(pod, tmp_path, kind):
    root = tmp_path / "root"
    (root / "run/systemd/system").mkdir(parents=True) if kind == "systemd" else root.mkdir()
    if kind == "openrc":
        (root / "sbin").mkdir()
        (root / "sbin/openrc-run").touch()
    command = [_python(), "-I", str(FILE), "--install", pod.url]
    environment = {"PATH": os.environ["PATH"], "DESTDIR": str(root)}
    subprocess.run(command, input=pod.token + "\n", env=environment, text=True, check=True, capture_output=True)
    conf, own = root / "etc/podhealth-agent.conf", root / "usr/local/lib/podhealth-agent.py"
    again = subprocess.run(
        [_python(), "-I", str(own), "--once"], env={"PODHEALTH_AGENT_CONF": str(conf)}, check=False, timeout=30
    )
    services = {"systemd": "etc/systemd/system/podhealth-agent.service", "openrc": "etc/init.d/podhealth-agent"}

    assert (again.returncode, pod.heard() is not None) == (0, True)
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    assert {name: (root / path).is_file() for name, path in services.items()} == {
        "systemd": kind == "systemd",
        "openrc": kind == "openrc",
    }


def test_the_lines_for_a_crontab_do_what_they_say(pod, tmp_path):
    text = (FILE.parents[1] / "docs/agent.md").read_text()
    header = tmp_path / "header"
    for written, here in {
        "https://podhealth.example": pod.url,
        "/etc/podhealth-agent.header": str(header),
        "/usr/local/bin/backup;": "sh -c 'exit 3';",
        "pa_…": pod.token,
    }.items():
        text = text.replace(written, here)
    lines = re.findall(r"^(?:\(umask|[0-9*]+ [0-9*]+ \* \* \* )(?:.*curl|.*echo).*", text, re.M)
    said = []
    for line in lines:
        subprocess.run(
            ["sh", "-c", line.removeprefix("* * * * * ").removeprefix("15 2 * * * ")], check=True, timeout=30
        )
        said.append(pod.heard() and pod.heard().signal)

    assert said == [None, Signal.ALIVE, Signal.FAIL]
    assert (pod.heard().exit_code, pod.heard().period_s) == (3, 86_400)
    assert stat.S_IMODE(header.stat().st_mode) == 0o600


@pytest.fixture
def podman():
    running = Podman()
    yield running
    running.close()


def _of_the_host(*folders):
    """The host's programs in a container that has none of its own."""
    return {folder: {"bind": folder, "mode": "ro"} for folder in folders if Path(folder).is_dir()}


def test_the_health_check_of_an_image_tells_and_gives_back_how_it_went(pod, podman, tmp_path):
    (tmp_path / "token").write_text(pod.token)
    (tmp_path / "health").touch()
    text = (FILE.parents[1] / "docs/agent.md").read_text()
    port = free_port()
    line = re.search(r"^HEALTHCHECK .* CMD (.*)$", text, re.M)[1].replace("8080", str(port))
    files = {FILE: "/usr/local/lib/podhealth-agent.py", tmp_path / "token": "/run/secrets/podhealth", tmp_path: "/www"}
    container = podman.client.containers.create(
        podman.image,
        ["/bin/sh", "-c", f"httpd -p 127.0.0.1:{port} -h /www; {LIVES_ON}"],
        name="web",
        network_mode="host",
        environment={
            "PATH": f"{sys.base_prefix}/bin:/bin",
            "PODHEALTH_URL": pod.url,
            "PODHEALTH_AGENT_TOKEN_FILE": "/run/secrets/podhealth",
        },
        volumes=_of_the_host("/lib", "/lib64", "/usr/lib", "/etc/ssl", sys.base_prefix)
        | {str(path): {"bind": there, "mode": "ro"} for path, there in files.items()},
        healthcheck={"test": ["CMD-SHELL", line], "interval": 3_600_000_000_000},
    )
    container.start()
    well = podman.command("healthcheck", "run", "web"), pod.heard()
    (tmp_path / "health").unlink()
    ill = podman.command("healthcheck", "run", "web"), pod.heard()

    assert [(done.returncode, heard.signal) for done, heard in (well, ill)] == [(0, Signal.SUCCESS), (1, Signal.FAIL)]
    assert well[1].boot_id.partition(".")[0] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_the_script_of_openrc_hands_the_settings_on(pod):
    printed = pod.run("--print", "openrc")[1]
    of_openrc = "checkpath() { :; }\n"
    script = of_openrc + printed + "\nstart_pre && exec sh -c 'echo \"$PODHEALTH_URL $PODHEALTH_AGENT_TOKEN\"'\n"
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)

    assert done.stdout == f"{pod.url} {pod.token}\n"
