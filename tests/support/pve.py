"""A Proxmox cluster to test against: fakepve, made from the real API's schema, on loopback with its own certificate.

What fakepve lacks is added: VMs that migrate, and memory that differs by node. It runs in a thread of the test; whoever
is killed in a test runs in another process. ``Pve.posts`` is the ledger of what was asked to be done.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve import FakePve
from fakepve.certs import make_cert
from fakepve.model import PveError

from podhealth.healing.providers.base import PodRef

TOKEN_ID, TOKEN = "podhealth@pve!heal", "5a3e1f00-canary-4c4c-8888-00f0aa55bb66"
GIB = 1 << 30


class Pve(FakePve):
    """fakepve with what our tests need beyond it."""

    def __init__(self) -> None:
        super().__init__(host="127.0.0.1", port=0)
        self.apitokens = {TOKEN_ID: TOKEN}
        self.free: dict[str, int] = {}
        self.local_disks: list[dict[str, Any]] = []
        self.migrate_secs = 0
        self.raw: bytes | None = None  # what /cluster/resources answers instead
        self.wrong_upid: str | None = None  # what a reboot answers instead
        self.is_dark = ""  # "before" or "after" a reboot was begun, it no longer answers

    def _routes_qemu(self) -> list[Any]:
        one = "/nodes/{node}/qemu/{vmid}/migrate"
        return [*super()._routes_qemu(), ("GET", one, self._may_migrate), ("POST", one, self._qm_migrate)]

    async def _may_migrate(self, v: dict[str, Any], _user: str) -> dict[str, Any]:
        others = [n for n, s in sorted(self.nodes.items()) if n != v["node"] and s.get("online", True)]
        return {"running": 1, "allowed_nodes": others, "local_disks": self.local_disks, "local_resources": []}

    async def _qm_migrate(self, v: dict[str, Any], user: str) -> str:
        vm = self.find(v["node"], v["vmid"])
        if vm.lock:
            raise PveError(500, f"VM is locked ({vm.lock})")
        return await self.migrate(vm.vmid, v["target"], secs=self.migrate_secs, user=user)

    async def _resources(self, request: Any) -> Any:
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        answer = await super()._resources(request)
        data = json.loads(answer.text)["data"]
        for row in data:
            if row["type"] == "node" and row["node"] in self.free and "maxmem" in row:
                row["mem"] = row["maxmem"] - self.free[row["node"]]
        return web.json_response({"data": data})

    async def _do_reboot(self, vm: Any, user: str, p: dict[str, Any]) -> str:
        if self.is_dark == "before":
            await asyncio.sleep(3)
            raise ConnectionResetError
        upid = self.wrong_upid or await super()._do_reboot(vm, user, p)
        if self.is_dark == "after":
            await asyncio.sleep(3)
        return upid

    @property
    def begun(self) -> list[str]:
        """The types of the tasks that were really begun."""
        return [task["type"] for task in self.tasklog]

    @property
    def posts(self) -> list[str]:
        """What was asked to be done, in order: ``pve1/qemu/100/status/reboot``."""
        return [path.partition("/nodes/")[2] for method, path, _ in self.requests if method == "POST"]


class Running:
    """One cluster that listens, with its certificate."""

    def __init__(self, folder: Path) -> None:
        self.pve = Pve()
        self.certificate, key, der = make_cert(str(folder), hosts=("127.0.0.1",))
        self.fingerprint = sha256(der).hexdigest()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="pve", daemon=True)
        self._thread.start()
        self.run(self.pve.start(self.certificate, key))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def run(self, doing: Any) -> Any:
        """Have the cluster do something of its own: ``run(pve.backup(100))``."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(10)

    def config(self, **more: str | None) -> dict[str, str]:
        """The provider settings of a pod here, by fingerprint unless the test says otherwise."""
        config = {"url": self.pve.url, "tokenId": TOKEN_ID, "token": TOKEN, "fingerprint": self.fingerprint} | more
        return {name: value for name, value in config.items() if value is not None}

    def pod(self, ref: str = "pve1/100", name: str = "web", **more: str | None) -> PodRef:
        return PodRef(7, 1, name, ref, self.config(**more))

    def close(self) -> None:
        self.run(self.pve.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A cluster of the nodes pve1, pve2 and pve3, with VM 100 and container 101 on pve1, both running."""
    far = Running(folder)
    far.pve.add_node("pve2")
    far.pve.add_node("pve3")
    far.pve.add_vm(100, "web", node="pve1", status="running")
    far.pve.add_ct(101, "cache", node="pve1", status="running")
    try:
        yield far
    finally:
        far.close()
