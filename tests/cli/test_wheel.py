"""The wheel as a stranger installs it: into an environment of its own, in an empty folder, far from any checkout.

What it needs besides comes from the environment of the tests; all of PodHealth itself must come out of the wheel.
"""

import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.ports import free_port
from tests.support.up import clean_environment
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("podhealth", "templates", "static", "migrations", "scenarios")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources: building leaves folders behind."""
    copy = tmp_path_factory.mktemp("sources")
    for name in _SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "Procfile"):
        shutil.copyfile(ROOT / name, copy / name)
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(copy), str(copy)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (built,) = copy.glob("podhealth-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python3*/site-packages")
    # Plain folders only: nothing that leads to the checkout, as an editable install does, is followed from here.
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    return python


def test_the_wheel_has_all_that_lies_beside_the_package_and_nothing_of_the_tests(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    wanted = {
        f"podhealth/_beside/{path.relative_to(ROOT)}"
        for name in _SOURCES[1:]
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert wanted | {"podhealth/_beside/Procfile"} == {name for name in held if name.startswith("podhealth/_beside/")}
    assert not [name for name in held if name.startswith("tests")]


def test_the_program_is_the_installed_one(python: Path, tmp_path: Path) -> None:
    environment = clean_environment()
    environment.pop("PYTHONPATH", None)
    said = subprocess.run(
        [str(python), "-c", "import podhealth; print(podhealth.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(said.stdout.strip()).is_relative_to(python.parents[1])


def test_podhealth_up_runs_from_the_wheel_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = clean_environment()
    environment.pop("PYTHONPATH", None)
    command = [str(python.with_name("podhealth")), "up", "--demo", "--data", "data", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as up:
        assert up.stdout is not None
        try:
            line = up.stdout.readline().strip()
            address = line.removeprefix("PodHealth is ready: ")
            page = requests.get(address, timeout=10)
            found = [f"http://127.0.0.1:{port}{path}" for path in _assets(page.text)]

            assert page.status_code == 200
            assert found
            assert {requests.get(asset, timeout=10).status_code for asset in found} == {200}
            assert _sees_a_healthy_pod(python, port, tmp_path, environment)
            assert not [text for text in _command_lines(up.pid) if str(ROOT) in _without_packages(text)]
        finally:
            up.send_signal(signal.SIGINT)
    assert up.returncode == 0


def _assets(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.replace('src="', 'href="').split('href="')[1:] if "?v=" in part[:200]]


def _sees_a_healthy_pod(python: Path, port: int, folder: Path, environment: dict[str, str]) -> bool:
    words = ["token", "create", "--tenant", "demo", "--role", "viewer", "--data", "data"]
    made = subprocess.run(
        [str(python.with_name("podhealth")), *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    url = f"http://127.0.0.1:{port}/api/cloud-pods/health/overview"
    wait_for(
        lambda: requests.get(url, headers=headers, timeout=10).json()["summary"]["healthy"] > 0,
        60,
        what="a healthy pod",
    )
    return True


def _without_packages(command_line: str) -> str:
    # Redis comes from the packages of the tests, and those may lie in the checkout.
    return command_line.replace(sys.prefix, "")


def _command_lines(pid: int) -> list[str]:
    return [" ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)]
