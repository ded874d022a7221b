"""The doctor's examinations of what lies elsewhere: the mail server, providers, and the dashboard's own address.

No mail is sent and nothing is done to a guest.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.alerting.channels.base import SendError
from podhealth.alerting.channels.email import try_out
from podhealth.alerting.deliver import mail_server
from podhealth.cli.doctor_case import Case
from podhealth.cli.doctor_database import opened
from podhealth.core import pve_rights
from podhealth.core.diagnosis import Finding, Grade
from podhealth.core.errors import ProviderError
from podhealth.core.words import ProviderKind
from podhealth.egress import http
from podhealth.healing.ask import ref_of
from podhealth.healing.providers import docker
from podhealth.healing.providers.base import PodRef
from podhealth.healing.providers.proxmox.talking import talk
from podhealth.store import diagnosis as asked
from podhealth.store.db import read

_PROVIDERS_WITHIN_S = 18.0
_NAMED = 3
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_ROLES = "Grant them to user and token: docs/providers.md, 'What to set up there'."


def mail(case: Case) -> Iterator[Finding]:
    """Say whether the mail server lets us in."""
    server = mail_server(case.settings) if case.settings else None
    if case.settings is None:
        return
    if server is None:
        yield Finding("Mail", Grade.OK, "no mail server is set: there are no channels of kind email")
        return
    try:
        try_out(server)
    except SendError as error:
        mend = "Mend the PODHEALTH_SMTP_ settings, or the way to the server; alerts by email wait meanwhile."
        yield Finding("Mail", Grade.BAD, f"{server.host}:{server.port}: {error}", mend)
        return
    how = {"starttls": "by STARTTLS", "tls": "by TLS", "none": "in the open"}[server.security]
    signed = f", signed in as {server.user}" if server.user else ""
    yield Finding("Mail", Grade.OK, f"{server.host}:{server.port} answers {how}{signed}")


def dashboard(case: Case) -> Iterator[Finding]:
    """Say whether a dashboard answers where people are told to come."""
    if case.settings is None:
        return
    url = case.settings.public_url
    try:
        networks = (*egress.PUBLIC, *case.settings.pod_networks, *_LOOPBACK)
        code, _ = http.call("GET", f"{url}/healthz", {}, timeout_s=4.0, networks=networks)
        problem = "" if code == 200 else f"answers {code}"
    except (OSError, ValueError) as error:
        problem = f"does not answer: {error}"
    mend = "Start it, mend the proxy in front, or set PODHEALTH_PUBLIC_URL." if problem else ""
    yield Finding("Dashboard", Grade.WARN if problem else Grade.OK, f"{url} {problem or 'answers'}", mend)


def providers(case: Case) -> Iterator[Finding]:
    """Say of each socket and each token whether it lets us do what healing needs."""
    for path in case.settings.docker_sockets if case.settings else ():
        yield _socket(path)
    with opened(case) as engine:
        if engine is None or not case.secret_key:
            return
        try:
            with read(engine) as conn:
                pods, moving = asked.provider_pods(conn), asked.tenants_that_migrate(conn)
        except sa.exc.SQLAlchemyError:  # the database's own examination says why
            return
    until = clock.monotonic() + _PROVIDERS_WITHIN_S
    for place, (kind, members) in _by_place(pods).items():
        if clock.monotonic() > until:
            yield Finding("Provider", Grade.WARN, f"{place}: not asked, for lack of time", "Run the doctor again.")
        elif isinstance(members, str):
            yield Finding("Provider", Grade.BAD, f"{place}: {members}", "Enter its settings again.")
        else:
            yield from (_proxmox if kind == ProviderKind.PROXMOX else _docker)(place, members, moving)


def _by_place(pods: Sequence[Any]) -> dict[str, tuple[ProviderKind, list[PodRef] | str]]:
    """Return the pods by cluster and token, or by daemon; of one whose secrets do not open, why."""
    found: dict[str, tuple[ProviderKind, list[PodRef] | str]] = {}
    members: dict[str, list[PodRef]] = defaultdict(list)
    for pod in pods:
        kind = ProviderKind(pod.provider)
        try:
            ref = ref_of(pod)
        except ProviderError as error:
            found[f"pod {pod.name}"] = kind, str(error)
            continue
        who = f", {ref.config.get('tokenId')}" if kind == ProviderKind.PROXMOX else ""
        place = f"{kind.value} {ref.config.get('url')}{who}"
        members[place].append(ref)
        found[place] = kind, members[place]
    return found


def _proxmox(place: str, members: list[PodRef], moving: frozenset[int]) -> Iterator[Finding]:
    try:
        with talk(members[0]) as far:
            rights = far.rights()
    except ProviderError as error:
        yield Finding("Provider", Grade.BAD, f"{place}: {error}", "Mend the token, the certificate or the way there.")
        return
    lacks: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for pod in members:
        vmid = (pod.ref or "").rpartition("/")[2]
        if missing := pve_rights.lacking(rights, vmid, pod.tenant_id in moving):
            lacks[missing].append(pod.name)
    for missing, names in lacks.items():
        yield Finding("Provider", Grade.BAD, f"{place}: lacks {', '.join(missing)} for {_some(names)}", _ROLES)
    if too_much := pve_rights.needless(rights):
        mend = "Give the token a role of its own with no more than healing needs (docs/providers.md)."
        yield Finding("Provider", Grade.WARN, f"{place}: may more than healing needs: {', '.join(too_much)}", mend)
    if not lacks and not too_much:
        yield Finding("Provider", Grade.OK, f"{place}: may heal {_some([pod.name for pod in members])}")


def _docker(place: str, members: list[PodRef], _moving: frozenset[int]) -> Iterator[Finding]:
    try:
        version = docker.greet(members[0])
    except ProviderError as error:
        mend = "Start the daemon, name its socket in PODHEALTH_DOCKER_SOCKETS, or let the workers' user open it."
        yield Finding("Provider", Grade.BAD, f"{place}: {error}", mend)
        return
    yield Finding("Provider", Grade.OK, f"{place}: answers, API {version}; {_some([pod.name for pod in members])}")


def _socket(path: str) -> Finding:
    try:
        egress.connect_unix(path, 2.0).close()
    except OSError as error:
        is_there = Path(path).exists()
        mend = "Add the workers' user to the socket's group." if is_there else "Start the daemon, or mend the path."
        return Finding("Docker socket", Grade.BAD, f"{path}: {error.strerror or 'does not answer'}", mend)
    return Finding("Docker socket", Grade.OK, path)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
