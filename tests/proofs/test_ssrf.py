"""The addresses that nobody may reach by us, in every spelling and every place: refused when saved, never called."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Kind, Outcome
from podhealth.models import Pod, Tenant
from podhealth.store.db import write
from tests.probing.conftest import Asker, a_target
from tests.support import cast, rows
from tests.support.cast import Caller, Site, csrf_token
from tests.support.corpora import corpus
from tests.support.listeners import Listener, page

site = cast.site
pytestmark = pytest.mark.slow

HOSTS = corpus("S")
HOOK_SECRET = "a-secret-of-20-characters"
PVE = {"tokenId": "a@pve!b", "token": "t"}


def _url(host: str, scheme: str = "https", port: int = 8006) -> str:
    is_bare = ":" in host and not host.startswith("[") and "@" not in host and "/" not in host
    return f"{scheme}://[{host}]:{port}" if is_bare else f"{scheme}://{host}:{port}"


def _pod(**more: Any) -> dict[str, Any]:
    return {"name": "new", "address": "10.0.0.5"} | more


def _hooked(**config: str) -> dict[str, Any]:
    return _pod(
        provider="webhook", providerConfig={"url": "https://10.0.0.9/", "secret": HOOK_SECRET} | config, providerRef="x"
    )


BY_API: dict[str, tuple[str, str, Callable[[str], Mapping[str, Any]]]] = {
    "a pod": ("POST", "/api/pods", lambda host: _pod(address=host)),
    "a changed pod": ("PATCH", "/api/pods/{pod}", lambda host: {"address": host}),
    "a pod's web hook": ("POST", "/api/pods", lambda host: _hooked(url=_url(host))),
    "where it tells the state": ("POST", "/api/pods", lambda host: _hooked(stateUrl=_url(host, "http"))),
    "a pod's Proxmox": (
        "POST",
        "/api/pods",
        lambda host: _pod(provider="proxmox", providerRef="pve1/100", providerConfig={"url": _url(host)} | PVE),
    ),
    "a pod's Docker": (
        "POST",
        "/api/pods",
        lambda host: _pod(provider="docker", providerRef="web", providerConfig={"url": _url(host, "tcp")}),
    ),
    "a source": (
        "POST",
        "/api/sources",
        lambda host: {"name": "n", "kind": "proxmox", "config": {"url": _url(host)} | PVE},
    ),
    "a channel of web hooks": (
        "POST",
        "/api/channels",
        lambda host: {"name": "n", "kind": "webhook", "config": {"url": _url(host)}},
    ),
    "a channel of Slack": (
        "POST",
        "/api/channels",
        lambda host: {"name": "n", "kind": "slack", "config": {"url": _url(host, "http", 80)}},
    ),
}


@pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")
@pytest.mark.parametrize("place", BY_API)
@pytest.mark.attack("A41")
def test_no_spelling_is_saved_by_the_api(site: Site, place: str) -> None:
    method, path, body = BY_API[place]
    admin, before = site.program("admin"), rows.marks(site.engine)
    let_in = [
        (host, answer.status_code, answer.json.get("field"))
        for host in HOSTS
        if (answer := admin.send(method, path.format(pod=site.acme.pod_id), json=body(host))).status_code != 422
        or answer.json["field"].rpartition(".")[2] not in ("address", "url", "stateUrl")
    ]

    assert let_in == []
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")
@pytest.mark.attack("A41")
def test_no_spelling_is_saved_by_a_page_or_a_file(site: Site) -> None:
    adam, before = site.browser("adam", csrf=False), rows.marks(site.engine)
    token = csrf_token(site.app)
    typed = {
        "/pods": lambda host: {"name": "new", "address": host},
        "/channels": lambda host: {"name": "new", "kind": "webhook", "url": _url(host)},
    }
    let_in = [
        (path, host, answer.status_code)
        for path, fields in typed.items()
        for host in HOSTS
        if (answer := adam.post(path, data=fields(host) | {"csrf_token": token})).status_code != 422
    ]
    text = json.dumps({"version": 1, "pods": [{"name": f"p{n}", "address": host} for n, host in enumerate(HOSTS)]})
    planned = Caller(site.app, token=site.acme.tokens["admin"]).post("/api/config/plan", json={"yaml": text})

    assert let_in == []
    assert planned.status_code == 422
    assert planned.json["faults"]
    assert rows.changed(before, rows.marks(site.engine)) == []


def _own_network() -> list[str]:
    """How a command gets a network of its own here: as anybody, or as root where only root may."""
    ways = (["unshare", "--user", "--map-root-user", "--net", "--mount"], ["unshare", "--net", "--mount"])
    for way in ways:
        if subprocess.run([*way, "true"], capture_output=True).returncode == 0:
            return way
    raise AssertionError("needs util-linux' unshare, and a kernel that lets this user have a network of their own")


@pytest.mark.attack("A41", "A42")
def test_nothing_is_called_in_a_network_where_every_address_answers() -> None:
    ran = subprocess.run(
        [*_own_network(), sys.executable, "-W", "ignore", "-m", "tests.proofs.nowhere"],
        capture_output=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    told = json.loads(ran.stdout)
    of_the_operator = {"mail server": ["127.0.0.1", "127.255.255.254"]}  # may stand on the same host

    assert told["hosts"] > len(HOSTS)
    assert told["seen"] == {"called": ["10.0.0.5"], "pings": 1}
    assert {place: found for place, found in told["reached"].items() if found} == of_the_operator


@pytest.mark.attack("A47")
def test_another_tenants_pod_outside_the_own_networks_is_neither_saved_nor_probed(site: Site) -> None:
    site = site.afresh()
    networks = {site.acme.tenant_id: ["10.1.0.0/16"], site.zeta.tenant_id: ["10.2.0.0/16", "127.0.0.0/8"]}
    with write(site.engine) as conn:
        for tenant_id, allowed in networks.items():
            conn.execute(sa.update(Tenant).where(Tenant.id == tenant_id).values(allowed_networks=allowed))
        conn.execute(sa.update(Pod).where(Pod.id == site.zeta.pod_id).values(address="10.2.0.7"))
    admin = site.program("admin")
    saved = [
        admin.post("/api/pods", json={"name": "theirs", "address": "10.2.0.7"}),
        admin.send("PATCH", f"/api/pods/{site.acme.pod_id}", json={"address": "10.2.0.7"}),
    ]
    with Listener(page()) as far, Asker() as asker:
        # As if it had been written into the row by hand.
        found = asker.ask(Kind.HTTP, config={"port": far.port}, networks=("10.1.0.0/16",))
        target = a_target(Kind.TCP, str(far.port), networks=("10.1.0.0/16",))
        found_by_tcp = asker.wait(asker.submit([target]))[0]

    assert [(one.status_code, one.json["field"]) for one in saved] == [(422, "address")] * 2
    assert [found.outcome, found_by_tcp.outcome] == [Outcome.INVALID] * 2
    assert far.connections == 0
