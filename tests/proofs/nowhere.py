"""A network of its own in which every address there is, is this machine: whatever is called anywhere is seen here.

``unshare --user --map-root-user --net --mount python -m tests.proofs.nowhere`` tries each forbidden host in each place
from which PodHealth calls, as if it stood in the row already, and prints as JSON which addresses were reached from
where. Names are answered by a name server of ours, which lies.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from podhealth import egress
from podhealth.alerting.channels.apprise import AppriseChannel
from podhealth.alerting.channels.base import Outgoing, SendError
from podhealth.alerting.channels.email import EmailChannel, MailServer
from podhealth.alerting.channels.slack import SlackChannel
from podhealth.alerting.channels.webhook import WebhookChannel
from podhealth.clock import utcnow
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, Kind, MessageKind, ProviderKind, Severity
from podhealth.healing.providers.base import Options, PodRef
from podhealth.healing.providers.registry import lister_of, provider_of
from podhealth.jobs import deadman
from tests.probing.conftest import Asker, a_target
from tests.support.corpora import corpus
from tests.support.depth import is_deep

PORT = 8006
EVERYWHERE = ("0.0.0.0/0", "::/0")
# What a name leads to; every other name leads to loopback. Of several, one is forbidden.
NAMES: dict[str, tuple[str, ...]] = {
    "sixteen.example": (*(f"10.0.0.{n}" for n in range(1, 16)), "169.254.169.254"),
    "mixed.example": ("10.0.0.5", "::1"),
    "mapped.example": ("::ffff:169.254.169.254",),
    "nat64.example": ("64:ff9b::a9fe:a9fe",),
    "alias.example": ("inner.example",),
}
TRICKS = [*NAMES, "127.0.0.1.nip.io", "rebound.example", "a.cname.of.a.cname.example", socket.gethostname()]
GOOD = "10.77.0.1"
MESSAGE = Outgoing("m", MessageKind.FIRST, Severity.CRITICAL, "s", ("l",), "https://p.example/", utcnow(), "t", {})
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Everywhere:
    """Listens on every address, answers 200 to all, and notes which address was called."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._news = threading.Condition()
        self._socket = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            called = ip_address(connection.getsockname()[0])
            mapped = called.ipv4_mapped if isinstance(called, IPv6Address) else None
            with self._news:
                self.reached.append(str(mapped or called))
                self._news.notify_all()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        with suppress(OSError), connection:
            connection.settimeout(0.05)
            try:
                connection.recv(65_536)
            except TimeoutError:  # whoever says nothing first, waits for the greeting of a mail server
                answer = b"554 no\r\n"
            connection.sendall(answer)

    def look(self) -> list[str]:
        """Return what was reached since the last look: connections are accepted in their order, a last one is ours."""
        socket.create_connection((GOOD, PORT), 5).close()
        with self._news:
            assert self._news.wait_for(lambda: GOOD in self.reached, 10), "not even an ordinary address is reached"
            found, self.reached = sorted(set(self.reached) - {GOOD}), []
        return found


def _dns(asked: bytes) -> bytes:
    labels, at = [], 12
    while asked[at]:
        labels.append(asked[at + 1 : at + 1 + asked[at]].decode("latin-1"))
        at += 1 + asked[at]
    kind, question = int.from_bytes(asked[at + 1 : at + 3]), asked[12 : at + 5]
    answers = b"".join(_records(".".join(labels).lower(), kind))
    count = answers.count(b"\xc0\x0c")
    return asked[:2] + b"\x81\x80\0\1" + count.to_bytes(2) + b"\0\0\0\0" + question + answers


def _records(name: str, kind: int) -> Iterator[bytes]:
    for text in NAMES.get(name, ("127.0.0.1", "::1")):
        try:
            address: IPv4Address | IPv6Address = ip_address(text)
        except ValueError:  # another name
            target = b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"
            yield b"\xc0\x0c\0\5\0\1" + bytes(4) + len(target).to_bytes(2) + target
            # Its own address follows: whoever asks for the first name is told where the second leads.
            packed = ip_address("127.0.0.1" if kind == 1 else "::1").packed
            yield target + kind.to_bytes(2) + b"\0\1" + bytes(4) + len(packed).to_bytes(2) + packed
            continue
        if kind == {4: 1, 6: 28}[address.version]:
            yield b"\xc0\x0c" + kind.to_bytes(2) + b"\0\1" + bytes(4) + len(address.packed).to_bytes(2) + address.packed


def _serve_names() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve() -> None:
        while True:
            asked, who = server.recvfrom(2048)
            with suppress(IndexError, KeyError):
                server.sendto(_dns(asked), who)

    threading.Thread(target=serve, daemon=True).start()


def _own_network() -> None:
    resolv = Path(tempfile.mkstemp(prefix="ph-resolv-")[1])
    resolv.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
    for command in (
        f"mount --bind {resolv} /etc/resolv.conf",
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=True, stdin=subprocess.DEVNULL)
    resolv.unlink()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") and "@" not in host and "/" not in host else host


def _url(host: str, scheme: str = "http") -> str:
    return f"{scheme}://{_bracketed(host)}:{PORT}/x"


def _pod(**config: Any) -> PodRef:
    return PodRef(1, 1, "web", config.pop("ref", None), config)


def _mail(host: str) -> None:
    if host:  # without one there is no mail server
        EmailChannel(MailServer(host, PORT, "none", "a@p.example")).send({"to": ["b@p.example"]}, MESSAGE)


def _hook(host: str) -> None:
    pod = _pod(url=_url(host), secret=SECRET, stateUrl=_url(host))
    with suppress(ProviderError):
        provider_of(ProviderKind.WEBHOOK).state(pod)
    provider_of(ProviderKind.WEBHOOK).act(pod, Action.RESTART, "key", Options())


PVE = {"tokenId": "a@pve!b", "token": "t"}
PLACES: dict[str, Callable[[str], object]] = {
    "channel of web hooks": lambda host: WebhookChannel().send({"url": _url(host), "secret": SECRET}, MESSAGE),
    "channel of Slack": lambda host: SlackChannel().send({"url": _url(host)}, MESSAGE),
    "channel of Apprise": lambda host: AppriseChannel(["json"]).send({"url": _url(host, "json")}, MESSAGE),
    "web hook of a pod": _hook,
    "Proxmox of a pod": lambda host: provider_of(ProviderKind.PROXMOX).state(
        _pod(url=_url(host, "https").removesuffix("/x"), ref="pve1/100", **PVE)
    ),
    "Docker of a pod": lambda host: provider_of(ProviderKind.DOCKER).state(
        _pod(url=_url(host, "tcp").removesuffix("/x"), ref="web")
    ),
    "source": lambda host: lister_of(ProviderKind.PROXMOX).guests(
        _pod(url=_url(host, "https").removesuffix("/x"), **PVE), lambda _guest: True
    ),
    "dead-man URL": lambda host: deadman._call(_url(host)),
    "mail server": _mail,
}
SLOW = ("Proxmox of a pod", "Docker of a pod", "source")


def _probed(kind: Kind, hosts: list[str]) -> None:
    target = {Kind.TCP: str(PORT)}.get(kind)
    config = {"port": PORT} if kind == Kind.HTTP else {}
    with Asker() as asker:
        ask = {"config": config, "networks": EVERYWHERE, "timeout_s": 2.0}
        asker.wait(asker.submit([a_target(kind, target, address=host, **ask) for host in hosts]), 60)


def _pings_seen() -> int:
    found = 0
    for file, name in (("/proc/net/snmp", "InEchos"), ("/proc/net/snmp6", "Icmp6InEchos")):
        lines = Path(file).read_text().splitlines()
        if file.endswith("6"):
            found += sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
        else:
            names, values = (line.split() for line in lines if line.startswith("Icmp:"))
            found += int(values[names.index(name)])
    return found


def main() -> None:
    """Try all, print what was reached; exit code 0 says only that all was tried."""
    _own_network()
    _serve_names()
    everywhere, hosts = Everywhere(), [*corpus("S"), *TRICKS]
    egress.open_networks(EVERYWHERE)
    reached: dict[str, list[str]] = {}
    for at, (name, call) in enumerate(PLACES.items()):
        # Each of these makes a context of TLS first: in a short run they share the hosts among themselves.
        is_slow = name in SLOW and not is_deep()
        for host in hosts[at % 6 :: 6] if is_slow else hosts:
            with suppress(SendError, ProviderError, ValueError, OSError):
                call(host)
        reached[name] = everywhere.look()
    for kind in (Kind.HTTP, Kind.TCP, Kind.PING):
        _probed(kind, hosts)
        reached[f"check of kind {kind}"] = everywhere.look() + ["pinged"] * (kind is Kind.PING and _pings_seen())
    # What would be seen, had it been let through.
    PLACES["channel of Slack"]("10.0.0.5")
    _probed(Kind.PING, ["10.0.0.5"])
    seen = {"called": everywhere.look(), "pings": _pings_seen()}
    json.dump({"hosts": len(hosts), "reached": reached, "seen": seen}, sys.stdout)


if __name__ == "__main__":
    main()
