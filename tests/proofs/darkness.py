"""A network of its own, with a wire to a second one that can be pulled: nothing is refused or closed, all is silence.

``unshare --user --map-root-user --net python -m tests.proofs.darkness SOCKET DATABASE`` has an engine of ours speak
over that wire to the PostgreSQL behind the unix socket, pulls it, and prints as JSON how long it took until each who
waited was told, and until all was well again. A proxy could not show that: the kernel beside it takes all and says so.
"""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import sqlalchemy as sa

from podhealth.store.db import make_engine
from tests.support.faultproxy import FaultProxy
from tests.support.program import die_with_parent
from tests.support.wait import wait_for

_NEAR, _FAR, _PORT = "10.77.0.1", "10.77.0.2", 5432
_FAR_END = "import tests.proofs.darkness as d, sys; d.far_end(sys.argv[1])"


def far_end(path: str) -> None:
    """Stand at the far end of the wire, before the server; ends with its standard input."""
    die_with_parent()
    proxy = FaultProxy(("0.0.0.0", _PORT), Path(path))  # noqa: S104 - all there is in its network is the wire
    proxy.start()
    sys.stdin.read()


def _say(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True, stdin=subprocess.DEVNULL)


def _wired(path: str) -> Callable[[str], None]:
    """Lay the wire to a network of its own, with the server's door at its end; return what pulls and plugs it."""
    command = ["unshare", "--net", sys.executable, "-c", _FAR_END, path]
    far = subprocess.Popen(command, stdin=subprocess.PIPE)
    own = Path(f"/proc/{far.pid}/ns/net")
    wait_for(lambda: own.readlink() != Path("/proc/self/ns/net").readlink(), 10, what="the other network")
    inside = f"nsenter --net=/proc/{far.pid}/ns/net ip"
    _say("ip link set lo up", f"ip link add near type veth peer name far netns {far.pid}")
    _say(f"ip address add {_NEAR}/24 dev near", "ip link set near up")
    _say(f"{inside} address add {_FAR}/24 dev far", f"{inside} link set far up")
    wait_for(_is_there, 20, what="the door at the end of the wire")
    return lambda how: _say(f"{inside} link set far {how}")


def _is_there() -> bool:
    try:
        socket.create_connection((_FAR, _PORT), 1).close()
    except OSError:
        return False
    return True


def _told_after(engine: sa.Engine, statement: str, found: dict[str, float], name: str) -> threading.Thread:
    def ask() -> None:
        began = monotonic()
        try:
            with engine.connect() as conn:
                conn.exec_driver_sql(statement)
        except sa.exc.OperationalError:
            found[name] = monotonic() - began

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def main() -> None:
    """Pull the wire, count, plug it."""
    path, database = sys.argv[1:]
    wire = _wired(path)
    quick = "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000&connect_timeout=2"
    engine = make_engine(f"postgresql://postgres@{_FAR}:{_PORT}/{database}?{quick}", pool_size=2)
    found: dict[str, float] = {}
    with engine.connect() as kept:
        number = kept.connection.dbapi_connection.fileno()
        with socket.socket(fileno=number) as sock:
            found["option"] = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            sock.detach()
        waits = _told_after(engine, "SELECT pg_sleep(60)", found, "waits for an answer")
        sleep(0.5)
        wire("down")
        began = monotonic()
        try:
            kept.exec_driver_sql("SELECT 1")
        except sa.exc.OperationalError:
            found["asks"] = monotonic() - began
    waits.join(30)
    wire("up")
    began = monotonic()
    wait_for(lambda: _answers(engine), 30, what="the pool is well again")
    found["back"] = monotonic() - began
    json.dump(found, sys.stdout)


def _answers(engine: sa.Engine) -> bool:
    try:
        with engine.connect() as conn:
            return bool(conn.exec_driver_sql("SELECT true").scalar())
    except sa.exc.OperationalError:
        return False


if __name__ == "__main__":
    main()
