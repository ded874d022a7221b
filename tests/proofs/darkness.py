"""How soon it is noticed that a PostgreSQL went dark: nothing is refused or closed, all is silence.

``python -m tests.proofs.darkness SOCKET DATABASE``, in a network of its own, has an engine of ours speak over a wire
to the server behind the unix socket, pulls it, and prints as JSON how long it took until each who waited was told, and
until all was well again. A proxy could not show that: the kernel beside it takes all and says so.
"""

import json
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import sqlalchemy as sa

from podhealth.store.db import make_engine
from tests.support.faultproxy import FaultProxy
from tests.support.program import die_with_parent
from tests.support.wait import wait_for
from tests.support.wire import FAR, laid_to

_PORT = 5432
_QUICK = "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000&connect_timeout=2"


def far_end(path: str) -> None:
    """Stand at the far end of the wire, before the server; ends with its standard input."""
    die_with_parent()
    FaultProxy(("0.0.0.0", _PORT), Path(path)).start()  # noqa: S104 - all there is in its network is the wire
    sys.stdin.read()


def _is_there() -> bool:
    with suppress(OSError), socket.create_connection((FAR, _PORT), 1):
        return True
    return False


def _ask(engine: sa.Engine, statement: str, found: dict[str, float], name: str) -> None:
    began = monotonic()
    try:
        with engine.connect() as conn:
            conn.exec_driver_sql(statement)
    except sa.exc.OperationalError:
        found[name] = monotonic() - began


def _answers(engine: sa.Engine) -> bool:
    with suppress(sa.exc.OperationalError), engine.connect() as conn:
        return bool(conn.exec_driver_sql("SELECT true").scalar())
    return False


def _option_of(conn: sa.Connection) -> int:
    with socket.socket(fileno=conn.connection.fileno()) as sock:
        option = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        sock.detach()  # it is the driver's
    return option


def main(path: str, database: str) -> None:
    """Pull the wire, count, plug it."""
    pull = laid_to(__spec__.name, "--far", path)
    wait_for(_is_there, 20, what="the door at the end of the wire")
    engine = make_engine(f"postgresql://postgres@{FAR}:{_PORT}/{database}?{_QUICK}", pool_size=2)
    found: dict[str, float] = {}
    with engine.connect() as conn:
        found["option"] = _option_of(conn)
    waits = threading.Thread(target=_ask, args=(engine, "SELECT pg_sleep(60)", found, "waits"), daemon=True)
    with suppress(sa.exc.OperationalError), engine.connect() as conn:
        waits.start()
        sleep(0.5)
        pull("down")
        began = monotonic()
        try:
            conn.exec_driver_sql("SELECT 1")
        finally:
            found["asks"] = monotonic() - began
    waits.join(30)
    pull("up")
    began = monotonic()
    wait_for(lambda: _answers(engine), 30, what="the pool is well again")
    found["back"] = monotonic() - began
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "--far":
        far_end(sys.argv[2])
    else:
        main(*sys.argv[1:])
