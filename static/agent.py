#!/usr/bin/env python3
"""PodHealth's agent: tells PodHealth that this machine is alive, how it is, and how its jobs end.

One file, Python 3.8 or newer, nothing to install beside it. It opens no port and takes no orders.

  podhealth-agent.py                      say so each minute, for ever (what the service does)
  podhealth-agent.py --once               say so once
  podhealth-agent.py --job -- COMMAND     run a command; say when it starts and how it ends
  podhealth-agent.py --check -- COMMAND   run a command; say only how it ends
  podhealth-agent.py --install URL        write settings and service on this machine, and start it
  podhealth-agent.py --print systemd      print a service file (or: openrc, cron)

Settings come from the environment, else from /etc/podhealth-agent.conf (lines NAME=VALUE, for root's eyes only):
PODHEALTH_URL, PODHEALTH_AGENT_TOKEN, and if wanted PODHEALTH_AGENT_TOKEN_FILE, PODHEALTH_AGENT_PERIOD (seconds, 60),
PODHEALTH_AGENT_DISKS (/), PODHEALTH_AGENT_CA_FILE. The token is never taken from the command line, which all may read.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

CONF = os.environ.get("PODHEALTH_AGENT_CONF", "/etc/podhealth-agent.conf")
HOME = "/usr/local/lib/podhealth-agent.py"
TIMEOUT_S = 10
FIRST_WAIT_S, REFUSED_WAIT_S, LONGEST_WAIT_S = 5, 300, 3600

SYSTEMD = f"""\
[Unit]
Description=PodHealth agent
Wants=network-online.target
After=network-online.target

[Service]
EnvironmentFile={CONF}
ExecStart=/usr/bin/env python3 -I {HOME}
Restart=always
RestartSec=30
DynamicUser=yes
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
CapabilityBoundingSet=
SystemCallFilter=@system-service
MemoryMax=64M

[Install]
WantedBy=multi-user.target
"""
# As nobody, the settings are read before that. Crashed services are told only by root: command_user="root:root".
OPENRC = f"""\
#!/sbin/openrc-run
name="PodHealth agent"
supervisor="supervise-daemon"
command="/usr/bin/env"
command_args="python3 -I {HOME}"
command_user="nobody"
respawn_delay=30
error_log="/var/log/podhealth-agent.log"

depend() {{
    use net
}}

start_pre() {{
    checkpath -f -m 0640 -o nobody "$error_log"
    set -a
    . {CONF}
    set +a
}}
"""
CRON = f"* * * * * python3 -I {HOME} --once >/dev/null 2>&1\n"


class FailedError(Exception):
    """A message did not arrive. ``wait_s``: when it is worth another try; null: soon, then ever later.

    ``is_overtaken``: the server has heard a newer one of this boot, or of the next.
    """

    def __init__(self, why, wait_s=None, is_overtaken=False):
        super().__init__(why)
        self.wait_s = wait_s
        self.is_overtaken = is_overtaken


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token would go to whoever it names."""

    def redirect_request(self, *_):
        """Return no request to follow."""


def settings():
    """Return the settings by name; ends the program where one is missing or is none."""
    found = given()
    if found.get("PODHEALTH_AGENT_TOKEN_FILE"):
        try:
            with open(found["PODHEALTH_AGENT_TOKEN_FILE"], encoding="utf-8") as file:
                found["PODHEALTH_AGENT_TOKEN"] = file.read().strip()
        except OSError as error:
            raise SystemExit(f"PODHEALTH_AGENT_TOKEN_FILE: {error}") from None
    for name in ("PODHEALTH_URL", "PODHEALTH_AGENT_TOKEN"):
        if not found.get(name):
            raise SystemExit(f"{name} is not set, neither in the environment nor in {CONF}")
    if not found["PODHEALTH_URL"].startswith(("http://", "https://")):
        raise SystemExit("PODHEALTH_URL must begin with https:// or http://")
    if not found["PODHEALTH_AGENT_TOKEN"].isascii() or len(found["PODHEALTH_AGENT_TOKEN"].split()) != 1:
        raise SystemExit("PODHEALTH_AGENT_TOKEN is no token")
    return {**found, "overtaken": 0}


def given():
    """Return what the settings' file says, and over it what the environment does."""
    found = {}
    try:
        with open(CONF, encoding="utf-8") as lines:
            for line in lines:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name.strip()] = value.strip().strip("\"'")
    except OSError:
        pass  # not there, or not for us: then all stands in the environment
    found.update({name: value for name, value in os.environ.items() if name.startswith("PODHEALTH_")})
    return found


def read(path):
    """Return what a file of the kernel's says; null where there is none or it is not for us."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def boot_id():
    """Return what is new with each boot. A container has the machine's, so when its first process began counts too."""
    boot, first = read("/proc/sys/kernel/random/boot_id"), read("/proc/1/stat")
    if boot is None:
        return None
    begun = "" if first is None else "." + first.rpartition(")")[2].split()[19]
    return (boot.strip() + begun)[:64]


def sequence():
    """Return a number that grows with each message of a boot, across restarts of the agent too."""
    since_boot = getattr(time, "CLOCK_BOOTTIME", None)
    return None if since_boot is None else int(time.clock_gettime(since_boot) * 1000)


def memory_percent():
    """Return how full the memory is, or what a container may have of it."""
    told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in (read("/proc/meminfo") or "").splitlines()}
    total, used = told.get("MemTotal", 0), told.get("MemTotal", 0) - told.get("MemAvailable", 0)
    limit, held = read("/sys/fs/cgroup/memory.max"), read("/sys/fs/cgroup/memory.current")
    if limit and held and limit.strip().isdigit() and (not total or int(limit) < total):
        kept = [
            line.split()[1]
            for line in (read("/sys/fs/cgroup/memory.stat") or "").splitlines()
            if "inactive_file" in line
        ]
        total, used = int(limit), int(held) - sum(map(int, kept[:1]))
    return None if not total else min(100.0, max(0.0, round(100 * used / total, 1)))


def disk_percent(paths):
    """Return how full the fullest of these is, as ``df`` counts: of what others than root may use."""
    full = []
    for path in paths:
        try:
            disk = os.statvfs(path)
        except OSError:
            continue
        used = disk.f_blocks - disk.f_bfree
        if used + disk.f_bavail:
            full.append(round(100 * used / (used + disk.f_bavail), 1))
    return max(full) if full else None


def failed_units():
    """Return how many services have failed; null where nobody counts them."""
    if os.path.isdir("/run/systemd/system"):
        command = ["systemctl", "list-units", "--state=failed", "--no-legend", "--plain", "--no-pager"]
    elif shutil.which("rc-status") and os.geteuid() == 0:
        command = ["rc-status", "--crashed"]
    else:
        return None
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return min(10_000, sum(1 for line in said.stdout.splitlines() if line.strip()))


def metrics(of):
    """Return the figures of this machine; what it cannot tell is left out."""
    found = {}
    disks = of.get("PODHEALTH_AGENT_DISKS", "/").split(",")
    for name, tell in {
        "load1": lambda: round(os.getloadavg()[0], 2),
        "memoryPercent": memory_percent,
        "diskPercent": lambda: disk_percent(disks),
        "failedUnits": failed_units,
    }.items():
        try:
            value = tell()
        except (OSError, ValueError, IndexError, AttributeError):
            continue  # a machine of another make: it is alive all the same
        if value is not None:
            found[name] = value
    return found


def send(of, message):
    """Send one message; raises FailedError where it did not arrive."""
    head = {"Authorization": "Bearer " + of["PODHEALTH_AGENT_TOKEN"], "Content-Type": "application/json"}
    told = {name: value for name, value in message.items() if value is not None}
    address = of["PODHEALTH_URL"].rstrip("/") + "/api/heartbeats"
    request = urllib.request.Request(address, json.dumps(told).encode(), {**head, "User-Agent": "podhealth-agent"})
    try:
        trusted = ssl.create_default_context(cafile=of.get("PODHEALTH_AGENT_CA_FILE") or None)
        opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=trusted))
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            if answer.status != 204:
                raise FailedError(f"{address} answered {answer.status}: is this PodHealth?", REFUSED_WAIT_S)
    except urllib.error.HTTPError as refused:
        said = f"{address} answered {refused.code}: {why(refused)}"
        raise FailedError(said, wait_of(refused), refused.code == 409) from None
    except (OSError, ValueError) as error:  # a name that nobody knows, a certificate, a time-out
        raise FailedError(f"{address} was not reached: {error}") from None
    except FailedError:
        raise
    except Exception as error:  # what a broken answer raises has no common name
        raise FailedError(f"{address} gave no answer: {type(error).__name__}") from None


def tell(of, message):
    """Send one message, and keep in mind whether it was overtaken; raises FailedError where it did not arrive."""
    try:
        send(of, message)
    except FailedError as error:
        if error.is_overtaken:
            of["overtaken"] += 1
            error.wait_s = 1 if of["overtaken"] <= 2 else REFUSED_WAIT_S
        raise
    if of["overtaken"] < 2:
        of["overtaken"] = 0


def why(refused):
    """Return what an error says of itself."""
    try:
        problem = json.loads(refused.read(4096))
        said = ": ".join(str(problem[name])[:200] for name in ("field", "error") if name in problem)
        return "".join(c if c.isprintable() else " " for c in said)
    except Exception:
        return str(refused.reason)


def wait_of(refused):
    """Return for how long nothing is worth trying, null where the server is only in trouble."""
    after = refused.headers.get("Retry-After", "")
    if after.isdigit():
        return min(int(after), LONGEST_WAIT_S)
    return None if refused.code >= 500 else REFUSED_WAIT_S


def identity(of):
    """Return which boot speaks, and a number that grows. A machine that was taken back to a snapshot has those of the
    past again: once the server has said so twice, nothing is said of them."""
    boot = None if of["overtaken"] >= 2 else boot_id()
    return {} if boot is None else {"bootId": boot, "sequence": sequence()}


def alive(of, period):
    """Return the message that this machine is alive."""
    return {**identity(of), "periodSeconds": period, "metrics": metrics(of)}


def seconds(given):
    """Return a period; raises ValueError for one that the server would refuse."""
    if not given.isdigit() or not 5 <= int(given) <= 86_400:
        raise ValueError(given)
    return int(given)


def period_of(of):
    """Return how often to say so, in seconds."""
    try:
        return seconds(of.get("PODHEALTH_AGENT_PERIOD", "60"))
    except ValueError:
        raise SystemExit("PODHEALTH_AGENT_PERIOD must be a whole number from 5 to 86400") from None


def watch(of):
    """Say it for ever. A server that is away is asked again soon, then ever later, at most as rarely as ``period``."""
    over, period, failed = threading.Event(), period_of(of), 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    begun, wait = time.monotonic(), random.uniform(0, min(5, period / 4))
    while not over.wait(wait):
        begun = time.monotonic()
        try:
            tell(of, alive(of, period))
        except FailedError as error:
            if failed == 0:
                say(f"{error}; trying again")
            failed += 1
            soon = min(FIRST_WAIT_S * 2 ** min(failed - 1, 10), max(period, FIRST_WAIT_S))
            # By chance, so that a thousand agents do not come back at the same moment.
            wait = (soon if error.wait_s is None else error.wait_s) * random.uniform(0.8, 1.2)
        else:
            if failed:
                say(f"heard again, after {failed} in vain")
            failed = 0
            wait = max(1.0, period - (time.monotonic() - begun) - random.uniform(0, period / 20))


def patiently(of, message, tries=5):
    """Send what ``message()`` says, with some tries; return whether it arrived."""
    for attempt in range(tries):
        try:
            tell(of, message())
            return True
        except FailedError as error:
            if attempt == tries - 1:
                say(str(error))
            else:
                time.sleep(min(error.wait_s or FIRST_WAIT_S * 2**attempt, 60) * random.uniform(0.8, 1.2))
    return False


def run(of, command, period, tells_start):
    """Run a job, tell how it goes, and return its exit code; that nobody hears of it never keeps it from running."""

    def told(**more):
        # Without a number: what is said of a job must not be overtaken by the minute's "alive".
        return {**identity(of), "sequence": None, "periodSeconds": period, **more}

    if tells_start:
        patiently(of, lambda: told(signal="start"), tries=1)
    environment = {name: value for name, value in os.environ.items() if name != "PODHEALTH_AGENT_TOKEN"}
    try:
        code = subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        code = 127
    code = 128 - code if code < 0 else code  # ended by a signal, as shells count
    patiently(of, lambda: told(exitCode=code), tries=5 if tells_start else 1)  # a check comes again soon
    return code


def install(url):
    """Write settings, agent and service where this machine wants them, start it, and return the exit code. The token is
    read from standard input."""
    is_typed = sys.stdin.isatty()
    token = (getpass.getpass("Token of this pod: ") if is_typed else sys.stdin.readline()).strip()
    if not url.startswith(("http://", "https://")) or not token or any(c in token for c in " \"'$`\\"):
        raise SystemExit("wanted: --install https://ADDRESS-OF-PODHEALTH, and the pod's token on standard input")
    root = os.environ.get("DESTDIR", "")
    put(root + CONF, f"PODHEALTH_URL={url}\nPODHEALTH_AGENT_TOKEN={token}\n", 0o600)
    with open(os.path.abspath(__file__), encoding="utf-8") as own:
        put(root + HOME, own.read(), 0o755)
    if os.path.isdir(root + "/run/systemd/system"):
        put(root + "/etc/systemd/system/podhealth-agent.service", SYSTEMD, 0o644)
        after = [["systemctl", "daemon-reload"], ["systemctl", "enable", "podhealth-agent"]]
        after.append(["systemctl", "restart", "podhealth-agent"])
    elif os.path.exists(root + "/sbin/openrc-run"):
        put(root + "/etc/init.d/podhealth-agent", OPENRC, 0o755)
        after = [["rc-update", "add", "podhealth-agent", "default"], ["rc-service", "podhealth-agent", "restart"]]
    else:
        say("neither systemd nor OpenRC here; a line for root's crontab: " + CRON.strip())
        after = []
    return max((subprocess.run(command, check=False).returncode for command in after if not root), default=0)


def put(path, text, mode):
    """Write a file, with its rights from its first moment on."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new = path + ".new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.replace(new, path)
    say(f"wrote {path}")


def say(text):
    """Say a line to whoever reads the service's log."""
    print("podhealth-agent:", text, file=sys.stderr, flush=True)


def main():
    """Do what the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--once", action="store_true", help="say it once; the exit code tells whether it arrived")
    asked.add_argument("--job", action="store_true", help="run COMMAND; tell its start and its end")
    asked.add_argument("--check", action="store_true", help="run COMMAND; tell its end")
    asked.add_argument("--install", metavar="URL", help="set this machine up; the token is read from standard input")
    asked.add_argument("--print", choices=("systemd", "openrc", "cron"), help="print a service file")
    parser.add_argument("--period", type=seconds, metavar="SECONDS", help="how often this COMMAND runs (5 to 86400)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND, with its arguments")
    wanted = parser.parse_args()
    command = wanted.command[1:] if wanted.command[:1] == ["--"] else wanted.command
    if bool(command) != (wanted.job or wanted.check):
        parser.error("--job and --check want a COMMAND, and nothing else does")
    if wanted.print:
        sys.stdout.write({"systemd": SYSTEMD, "openrc": OPENRC, "cron": CRON}[wanted.print])
        return 0
    if wanted.install:
        try:
            return install(wanted.install)
        except OSError as error:
            raise SystemExit(f"{error}; run this as root") from None
    of = settings()
    if command:
        return run(of, command, wanted.period, wanted.job)
    if wanted.once:
        period = period_of(of)
        return 0 if patiently(of, lambda: alive(of, period), tries=3) else 1
    return watch(of)


if __name__ == "__main__":
    sys.exit(main())
