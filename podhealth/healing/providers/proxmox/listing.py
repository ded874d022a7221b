"""Lists the guests of a Proxmox cluster for sync: names, tags, pools, addresses, and by what they are known again.

What the cluster lists costs one question; addresses and marks cost one or two a guest, and are asked of those that
are wanted only. Nothing is changed there.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from proxmoxer.core import ResourceException

from podhealth import clock
from podhealth.core.errors import ProviderError
from podhealth.core.guests import MAC, UUID, Answer, Guest
from podhealth.healing.providers.base import PodRef, plain
from podhealth.healing.providers.proxmox.cluster import Cluster
from podhealth.healing.providers.proxmox.talking import talk

_LIST_S, _DETAILS_S = 10.0, 60.0
# A guest agent that hangs costs Proxmox seconds; after so many in all, the others' configurations must do.
_AGENTS_S = 20.0
_AT_ONCE = 6
_MOST_GUESTS, _MOST_TAGS = 5_000, 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", re.ASCII)
_OF_GUEST = re.compile(r"/vms/[0-9]+", re.ASCII)
_MAC = re.compile(r"(?<![0-9A-Fa-f:])[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f:])", re.ASCII)
_ID = re.compile(r"(?:^|,)uuid=([0-9A-Fa-f-]{36})(?:,|$)", re.ASCII)
_NO_AGENT = "no address of it is known: its guest agent does not answer, and its configuration names none"
_IS_OFF = "no address of it is known while it is off: its configuration names none"
_NO_CONFIG = "the token may not read its configuration (VM.Audit)"


def list_guests(source: PodRef, wants: Callable[[Guest], bool]) -> Answer:
    """Return all guests the token sees; those for which ``wants`` holds with their addresses and marks.

    Raises ProviderError where any part of the answer is missing: half of one must not pass for the whole.
    """
    with talk(source, _LIST_S) as far:
        rows = far.guest_rows()
        # Those on single guests go with the guest: they say nothing about the token.
        rights = tuple(sorted(p for p, may in far.rights().items() if "VM.Audit" in may and not _OF_GUEST.fullmatch(p)))
    if len(rows) > _MOST_GUESTS:
        raise ProviderError(f"Proxmox lists {len(rows):,} guests; {_MOST_GUESTS:,} are the most that are taken")
    guests = {(guest.key, row["type"]): guest for row in rows if (guest := _listed(row)) is not None}
    if len({key for key, _ in guests}) != len(rows):
        raise ProviderError("Proxmox lists a guest twice, or one without a number")
    wanted = [(guest, kind) for (_, kind), guest in guests.items() if guest.is_running is not None and wants(guest)]
    parts = [wanted[start::_AT_ONCE] for start in range(_AT_ONCE) if wanted[start::_AT_ONCE]]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        told = [one for part in pool.map(lambda part: list(_details(source, part)), parts) for one in part]
    detailed = {guest.key: guest for guest in told}
    return Answer(tuple(detailed.get(guest.key, guest) for guest in guests.values()), rights)


def _listed(row: Mapping[str, Any]) -> Guest | None:
    vmid, name, node = row.get("vmid"), row.get("name"), row.get("node")
    if type(vmid) is not int or vmid < 1 or not isinstance(node, str) or not _NAME.fullmatch(node):
        return None
    return Guest(
        key=str(vmid),
        ref=f"{node}/{vmid}",
        name=plain(name) if isinstance(name, str) and name else None,
        node=node,
        is_running={"running": True, "stopped": False}.get(str(row.get("status"))),
        tags=tuple(plain(tag) for tag in re.split(r"[;,\s]+", str(row.get("tags") or "")) if tag)[:_MOST_TAGS],
        pool=plain(row["pool"]) if row.get("pool") else None,
        unfit="it is a template" if row.get("template") in (1, True) else None,
    )


def _details(source: PodRef, part: Sequence[tuple[Guest, str]]) -> Iterator[Guest]:
    left_s = _AGENTS_S
    with talk(source, _DETAILS_S) as far:
        for guest, kind in part:
            try:
                config = far.config_of(guest.node or "", kind, guest.key)
            except ResourceException as error:
                if error.status_code not in (403, 500):
                    raise
                yield replace(guest, no_address=_NO_CONFIG)  # or it was just removed: the next answer tells
                continue
            begun = clock.monotonic()
            asked = _asks(guest, kind, config) and left_s > 0
            addresses = _told(far, guest, kind) if asked else ()
            left_s -= clock.monotonic() - begun
            addresses = tuple(dict.fromkeys((*addresses, *_written(config))))
            why = None if addresses else _NO_AGENT if guest.is_running else _IS_OFF
            yield replace(guest, addresses=addresses, marks=_marks(config), no_address=why)


def _asks(guest: Guest, kind: str, config: Mapping[str, Any]) -> bool:
    agent = str(config.get("agent") or "0")
    has_agent = kind == "lxc" or agent.startswith("1") or "enabled=1" in agent
    return bool(guest.is_running) and has_agent


def _told(far: Cluster, guest: Guest, kind: str) -> tuple[str, ...]:
    """Return the addresses that the guest itself tells; none where it does not answer or may not be asked."""
    try:
        return tuple(far.addresses_of(guest.node or "", kind, guest.key))
    except ResourceException:
        return ()


def _written(config: Mapping[str, Any]) -> list[str]:
    """Return the fixed addresses of a configuration, those of the first card first: cloud-init's, or a container's."""
    found: list[tuple[str, str]] = []
    for name in sorted(config):
        if re.fullmatch(r"(ipconfig|net)[0-9]{1,2}", name):
            parts = dict(part.partition("=")[::2] for part in str(config[name]).split(","))
            found += [(part, parts[part].partition("/")[0]) for part in ("ip", "ip6") if "/" in parts.get(part, "")]
    return [plain(address) for _, address in found]


def _marks(config: Mapping[str, Any]) -> tuple[str, ...]:
    ids = [UUID + found[1].lower() for found in [_ID.search(str(config.get("smbios1") or ""))] if found]
    cards = [str(config[name]) for name in sorted(config) if re.fullmatch(r"net[0-9]{1,2}", name)]
    macs = [MAC + found[0].lower() for card in cards if (found := _MAC.search(card))]
    return (*ids, *macs)
