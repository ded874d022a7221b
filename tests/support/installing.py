"""Installs programs that tests drive and this machine lacks, as far as we may; what is there then, others look."""

import os
import shutil
import subprocess
import sys


def install(*packages: str) -> None:
    """Install Debian's packages of these names; nothing happens where we are not root or there is no apt."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempt(["apt-get", "update", "-qq"], 300)
        attempt(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], 900)


def attempt(command: list[str], timeout_s: int) -> None:
    """Run a command and let it fail; what it says goes to the errors."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, env=environment, timeout=timeout_s, check=False, stdout=sys.stderr)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
