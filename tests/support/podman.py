"""Finds Podman for the tests of containers, or installs it; says plainly what to install where it cannot.

Run as a program (``python -m tests.support.podman``) it makes sure there is one and prints its path. ``Podman`` is its
service on a unix socket, with storage and images of its own that go with it; no registry is asked for anything.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import docker

from tests.support.installing import install
from tests.support.wait import wait_for

# For five minutes, not for ever: a container outlives a test run that is killed, and nobody else would end it.
LIVES_ON = "n=0; while [ $n -lt 3000 ]; do sleep 0.1; n=$((n+1)); done"
_PACKAGES = ["podman", "runc", "containernetworking-plugins", "busybox-static"]
_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_path = "{folder}/events.log"
tmp_dir = "{folder}/tmp"
"""
_STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


def find() -> str | None:
    """Return Podman's path if all that the tests of containers need is there, or None."""
    podman = shutil.which("podman")
    return podman if podman and _runtime() and _busybox() else None


def ensure() -> str:
    """Return Podman's path, installing it if need be; ends the program with a clear line if it cannot."""
    if found := find():
        return found
    install(*_PACKAGES)
    if found := find():
        return found
    sys.exit(f"no Podman for the tests: install {' '.join(_PACKAGES)} (Debian: apt install …), and run them as root")


def _runtime() -> str | None:
    return next((name for name in ("runc", "crun") if shutil.which(name)), None)


def _busybox() -> str | None:
    path = shutil.which("busybox")
    # The container has no libraries: one that asks for a loader does not run there.
    return path if path and b"/ld-linux" not in Path(path).read_bytes()[:4096] else None


class Podman:
    """A Podman service of its own. ``url`` is what a pod's provider settings name."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ph-pod-"))
        (self.folder / "containers.conf").write_text(_CONF.format(runtime=_runtime(), folder=self.folder))
        (self.folder / "storage.conf").write_text(_STORAGE.format(folder=self.folder))
        self.socket = self.folder / "p.sock"
        self.url = f"unix://{self.socket}"
        self.start()
        self.client = docker.DockerClient(base_url=self.url, version="1.41", timeout=30)
        self.image = self._make_image()

    def start(self) -> None:
        command = [ensure(), "system", "service", "--time=0", self.url]
        log = (self.folder / "service.log").open("ab")
        self.process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log)
        log.close()
        wait_for(self._answers, 20, what="Podman's service")

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run Podman's own command line on the same containers."""
        return subprocess.run(
            [ensure(), *words], env=self._environment(), capture_output=True, text=True, timeout=60, check=False
        )

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "service.log").read_text()
        try:
            return bool(docker.DockerClient(base_url=self.url, version="1.41", timeout=5).ping())
        except (docker.errors.DockerException, OSError):
            return False

    def _make_image(self) -> str:
        held = io.BytesIO()
        busybox = _busybox()
        assert busybox is not None
        with tarfile.open(fileobj=held, mode="w") as layer:
            layer.add(busybox, "bin/busybox")
            for name in ("sh", "sleep", "wget", "httpd"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                layer.addfile(link)
        self.client.api.import_image_from_data(held.getvalue(), repository="podhealth-test", tag="1")
        return str(self.client.api.images(quiet=True)[0])

    def run(self, name: str, script: str = f"trap 'exit 0' TERM; {LIVES_ON}", **options: Any) -> Any:
        """Start a container and return it."""
        command = ["/bin/sh", "-c", script]
        container = self.client.containers.create(self.image, command, name=name, network_mode="none", **options)
        container.start()
        return container

    def remove_containers(self) -> None:
        for container in self.client.containers.list(all=True):
            container.remove(force=True)

    def done(self, name: str, what: str) -> int:
        """How often something was done to a container, as Podman's own log has it: ``start``, ``restart``, ``stop``."""
        lines = (self.folder / "events.log").read_text().splitlines()
        return sum(f'"Name":"{name}"' in line and f'"Status":"{what}"' in line for line in lines)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the service and its containers, and take its folder away."""
        if self.process.poll() is None:
            self.remove_containers()
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    print(ensure())
