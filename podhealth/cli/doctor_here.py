"""The doctor's examinations of this host: settings, permission to ping, open files, disk, modes of files."""

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from podhealth.cli.doctor_case import Case
from podhealth.core import diagnosis
from podhealth.core.diagnosis import Finding, Grade
from podhealth.core.errors import ProbeFault
from podhealth.probing.ping import open_icmp

_PING = 'Allow it: sysctl net.ipv4.ping_group_range="0 2147483647", or give the program CAP_NET_RAW.'
_DEFAULT_IN_FLIGHT = 6000


def settings(case: Case) -> Iterator[Finding]:
    """Say which setting is wrong, and whether those that can be are as they should be."""
    if case.fault is not None:
        yield Finding("Settings", Grade.BAD, case.fault, "Set it as docs/settings.md says; the other settings wait.")
    if not case.secret_key:
        mend = f"Put back {case.folder / 'secret_key'} (or SECRET_KEY); on a new installation 'podhealth up' makes it."
        yield Finding("SECRET_KEY", Grade.BAD, "there is none", mend)
    if case.settings is not None:
        at = case.settings
        yield diagnosis.of_public_url(at.public_url, at.web_host, at.trusted_proxies)


def host(case: Case) -> Iterator[Finding]:
    """Say what this host lets PodHealth do."""
    yield _ping()
    in_flight = case.settings.max_in_flight if case.settings else _DEFAULT_IN_FLIGHT
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    yield diagnosis.of_open_files(1 << 20 if hard == resource.RLIM_INFINITY else hard, in_flight)
    folder = _there(case.folder)
    usage = shutil.disk_usage(folder)
    yield diagnosis.of_disk(str(folder), usage.total, usage.free)
    if case.folder.is_dir():
        yield _modes(case.folder)


def _ping() -> Finding:
    try:
        icmp = open_icmp(4)
    except ProbeFault as fault:
        return Finding("Ping", Grade.WARN, f"{fault}: ping checks made from here answer an error", _PING)
    how = "by a raw socket" if icmp.is_privileged else "without privileges"
    icmp.close()
    return Finding("Ping", Grade.OK, f"allowed, {how}")


def _modes(folder: Path) -> Finding:
    for path, others in ((folder / "secret_key", 0o077), (folder, 0o022)):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & others:
            mend = f"chmod {'600' if path.is_file() else '700'} {path}"
            return Finding("Data folder", Grade.WARN, f"others on this host can get at {path}", mend)
    if not os.access(folder, os.W_OK):
        mend = "Give it to the user that runs PodHealth, or run the doctor as that user."
        return Finding("Data folder", Grade.BAD, f"{folder} cannot be written to", mend)
    return Finding("Data folder", Grade.OK, str(folder))


def _there(folder: Path) -> Path:
    return folder if folder.exists() else _there(folder.parent)
