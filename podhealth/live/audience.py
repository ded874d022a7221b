"""Who watches a tenant's feed, grouped by what they show: those of one group get the very same bytes.

Belongs to the hub's thread; it knows neither the database nor how anything looks.
"""

from dataclasses import dataclass, field

from podhealth.live.frames import Key
from podhealth.live.link import Link


@dataclass(slots=True)
class Group:
    """Sockets whose screens show the same. ``seq`` is the number of the last frame all of them were sent."""

    seq: int
    members: set[Link] = field(default_factory=set)


class Feed:
    """One tenant's feed as this process has told it: up to ``seq``, to whom; whether there is more, and that fails."""

    def __init__(self, tenant_id: int, seq: int) -> None:
        self.tenant_id = tenant_id
        self.seq = seq
        self.is_behind = False
        self.is_stuck = False
        self.render_at = 0.0
        self.groups: dict[frozenset[Key], Group] = {}
        self._place: dict[Link, frozenset[Key]] = {}
        self._keys: frozenset[Key] | None = None

    def join(self, link: Link, shown: frozenset[Key], seq: int) -> None:
        """Let ``link``, which has been sent all up to ``seq``, hear of what it shows from now on."""
        self.leave(link)
        if shown not in self.groups:
            self.groups[shown] = Group(seq)
            self._keys = None
        self.groups[shown].members.add(link)
        self._place[link] = shown

    def leave(self, link: Link) -> bool:
        """Forget ``link``; return whether nobody is left."""
        shown = self._place.pop(link, None)
        if shown is not None:
            members = self.groups[shown].members
            members.discard(link)
            if not members:
                del self.groups[shown]
                self._keys = None
        return not self.groups

    def keys(self) -> frozenset[Key]:
        """Return all that anybody shows."""
        if self._keys is None:
            self._keys = frozenset().union(*self.groups)
        return self._keys
