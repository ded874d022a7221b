"""A wire from this process's network to another one that can be pulled: nothing is refused or closed, all is silence.

For programs that run in a network of their own, as their user's root (``unshare --user --map-root-user --net``).
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.wait import wait_for

NEAR, FAR = "10.77.0.1", "10.77.0.2"


def laid_to(module: str, *words: str) -> Callable[[str], None]:
    """Run ``python -m MODULE WORDS…`` at the far end, and return what pulls the wire (``down``) and plugs it (``up``).

    The far end ends with its standard input, that is with this process.
    """
    far = subprocess.Popen(["unshare", "--net", sys.executable, "-m", module, *words], stdin=subprocess.PIPE)
    its, ours = Path(f"/proc/{far.pid}/ns/net"), Path("/proc/self/ns/net")
    wait_for(lambda: its.readlink() != ours.readlink(), 10, what="the other network")
    inside = f"nsenter --net={its} ip"
    _say("ip link set lo up", f"ip link add near type veth peer name far netns {far.pid}")
    _say(f"ip address add {NEAR}/24 dev near", "ip link set near up")
    _say(f"{inside} address add {FAR}/24 dev far", f"{inside} link set far up")
    return lambda how: _say(f"{inside} link set far {how}")


def own_network(module: str, *words: str) -> list[str]:
    """Return the command that runs ``python -m MODULE WORDS…`` in a network of its own."""
    return ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", module, *words]


def _say(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True, stdin=subprocess.DEVNULL)
