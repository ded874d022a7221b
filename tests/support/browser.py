"""Finds the browser that the tests drive, or installs one; says plainly what to install where it cannot.

In this order: ``CHROMIUM``, one on PATH, Playwright's own, Debian's package where we are root.
Run as a program (``python -m tests.support.browser``) it makes sure there is one and prints its path.
"""

import os
import shutil
import sys
from pathlib import Path

from tests.support.installing import attempt, install

# The shell is the same Chromium without its windows: a page costs a third of the CPU.
_SHELL = "chromium-headless-shell"
_NAMES = (_SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# No look-ups of its own in the background: tests talk to loopback only.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """Return the path of a browser that is there already, or None."""
    named = os.environ.get("CHROMIUM")
    if named and Path(named).exists():
        return named
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    return _playwrights_own()


def ensure() -> str:
    """Return the path of a browser, installing one if need be; ends the program with a clear line if it cannot."""
    if found := find():
        return found
    attempt([sys.executable, "-m", "playwright", "install", "chromium"], 180)
    if found := find():
        return found
    for package in (_SHELL, "chromium"):
        install(package)
        if found := find():
            return found
    sys.exit(f"no browser for the tests: install the package 'chromium' (Debian: {_SHELL} does too) or set CHROMIUM")


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


if __name__ == "__main__":
    print(ensure())
