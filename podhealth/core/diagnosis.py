"""What ``podhealth doctor`` makes of what it saw: findings, each with its grade and how to mend it.

Nothing here looks at anything; who looks passes in what was seen.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from podhealth.core.guessable import why_guessable

KEPT_DESCRIPTORS = 200  # of a prober, beside its probes
CLOCK_WARN_S, CLOCK_BAD_S = 2.0, 30.0
SQLITE_CHECKS_A_SECOND = 250.0
_GB = 1 << 30
_LOOPBACK = ("127.", "localhost", "::1")


class Grade(StrEnum):
    """How bad it is: fine, works but should be mended, does not work."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """What was found of one part. ``mend``: what to do about it, in one line; empty where nothing is to be done."""

    part: str
    grade: Grade
    says: str
    mend: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 where all is fine, 1 where something should be mended, 2 where something does not work."""
    grades = {one.grade for one in findings}
    return 2 if Grade.BAD in grades else 1 if Grade.WARN in grades else 0


def of_secret_key(key: str, opens_what_is_stored: bool | None) -> Finding:
    """Judge SECRET_KEY, of which nothing is said. ``opens_what_is_stored`` null: nothing is, or it was not tried."""
    if opens_what_is_stored is False:
        mend = "Put back the SECRET_KEY with which they were stored, or enter the secrets of pods and channels anew."
        return Finding("SECRET_KEY", Grade.BAD, "does not open the secrets that are stored", mend)
    if why := why_guessable(key, ()):
        mend = "Set one that is random, such as from 'openssl rand -base64 48', then enter stored secrets anew."
        return Finding("SECRET_KEY", Grade.BAD, why, mend)
    return Finding("SECRET_KEY", Grade.OK, "strong, and opens what is stored" if opens_what_is_stored else "strong")


def of_public_url(url: str, web_host: str, trusted_proxies: int) -> Finding:
    """Judge where people are told to come."""
    parts = urlsplit(url)
    is_here = (parts.hostname or "").startswith(_LOOPBACK)
    if is_here and not web_host.startswith(_LOOPBACK):
        mend = "Set PODHEALTH_PUBLIC_URL to the address people use: links and live pages work from there only."
        return Finding("Public URL", Grade.WARN, f"{url}, but the dashboard listens on {web_host}", mend)
    if parts.scheme == "http" and not is_here:
        mend = "Put a proxy with a certificate in front, and set PODHEALTH_PUBLIC_URL to its https address."
        return Finding("Public URL", Grade.WARN, f"{url}: passwords and sessions travel in the open", mend)
    if parts.scheme == "https" and not trusted_proxies:
        mend = "Set PODHEALTH_TRUSTED_PROXIES to how many proxies of your own stand in front."
        return Finding("Public URL", Grade.WARN, f"{url}: all visitors seem to have the proxy's address", mend)
    return Finding("Public URL", Grade.OK, url)


def of_disk(folder: str, total: int, free: int) -> Finding:
    """Judge the room on the disk of the data folder, in bytes."""
    percent = 100 * free / total if total else 0.0
    says = f"{free / _GB:,.1f} GB free ({percent:.0f} %) for {folder}"
    mend = "Make room, or shorten how long results are kept: a database that cannot write stops everything."
    if free < _GB // 2 or percent < 2:
        return Finding("Disk", Grade.BAD, says, mend)
    return (
        Finding("Disk", Grade.WARN, says, mend) if free < 2 * _GB or percent < 10 else Finding("Disk", Grade.OK, says)
    )


def of_open_files(hard: int, max_in_flight: int) -> Finding:
    """Judge the limit of open files: programs raise their own to ``hard``."""
    probes = hard - KEPT_DESCRIPTORS
    mend = f"Allow {max_in_flight + KEPT_DESCRIPTORS}: LimitNOFILE= in the unit, or 'ulimit -Hn' of who starts it."
    if probes < max_in_flight:
        grade = Grade.BAD if probes < KEPT_DESCRIPTORS else Grade.WARN
        return Finding("Open files", grade, f"at most {hard}: a prober keeps {max(probes, 1)} in flight", mend)
    return Finding("Open files", Grade.OK, f"at most {hard:,}, enough for {max_in_flight:,} probes in flight")


def of_clock(against: str, ahead_s: float) -> Finding:
    """Judge how far this host's clock is ahead of another's."""
    off = abs(ahead_s)
    grade = Grade.BAD if off > CLOCK_BAD_S else Grade.WARN if off > CLOCK_WARN_S else Grade.OK
    way = "ahead of" if ahead_s > 0 else "behind"
    says = f"as {against}'s" if grade == Grade.OK else f"{off:.1f} s {way} {against}'s"
    mend = "" if grade == Grade.OK else "Let both hosts keep time by NTP (systemd-timesyncd or chrony)."
    return Finding("Clock", grade, says, mend)
