"""The kinds of probes there are, by their word. A new kind is one file and one line here."""

from collections.abc import Callable

from podhealth.core.words import Kind
from podhealth.probing.agent import AgentProber
from podhealth.probing.base import Loop, Prober
from podhealth.probing.ping import PingProber
from podhealth.probing.tcp import TcpProber

# Kind.HTTP is driven by the engine's loop more closely and is made there; Kind.RUNNING is asked of providers.
KINDS: dict[Kind, Callable[[Loop], Prober]] = {
    Kind.PING: PingProber,
    Kind.TCP: TcpProber,
    Kind.AGENT: AgentProber,
}

CONNECTS = frozenset((Kind.PING, Kind.TCP, Kind.HTTP))
