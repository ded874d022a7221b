"""The doctor's examinations of the database: reached, current, on a proper disk, of our time; and who lives by it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from podhealth import clock
from podhealth.cli.doctor_case import Case
from podhealth.core import diagnosis
from podhealth.core.diagnosis import Finding, Grade
from podhealth.core.vantage_names import PROVIDER
from podhealth.store import diagnosis as asked
from podhealth.store import revision, ticks, workers
from podhealth.store.db import db_now, make_engine, read

_OLDEST = {"sqlite": (3, 35), "postgresql": (14,)}
_FAR = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs", "lustre", "gpfs")
_LARGE_LOG = 256 << 20
_NONE_YET = "Start 'podhealth up', or set DATABASE_URL to the database that all processes share."


@contextmanager
def opened(case: Case) -> Iterator[sa.Engine | None]:
    """Open the case's database for a block; null where there is none."""
    if case.database_url is None:
        yield None
        return
    engine = make_engine(case.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def database(case: Case) -> Iterator[Finding]:
    """Say how the database is."""
    with opened(case) as engine:
        if engine is None:
            yield Finding("Database", Grade.BAD, "there is none yet, or DATABASE_URL names none", _NONE_YET)
            return
        try:
            yield _program(engine)
            is_ready, schema = _schema(engine)
            yield schema
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
            mend = "Start it, or mend DATABASE_URL; until then nothing is watched."
            yield Finding("Database", Grade.BAD, f"is not reached: {said}", mend)
            return
        yield from _of_sqlite(engine, case) if engine.dialect.name == "sqlite" else _of_postgres(engine)
        if is_ready:
            yield from _of_what_is_stored(engine, case)


def _program(engine: sa.Engine) -> Finding:
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[engine.dialect.name]
    with read(engine) as conn:
        version = asked.server(conn).version
    text, oldest = ".".join(map(str, version)), _OLDEST[engine.dialect.name]
    if version < oldest:
        needs = ".".join(map(str, oldest))
        return Finding("Database", Grade.BAD, f"{name} {text} is too old", f"Use {name} {needs} or later.")
    return Finding("Database", Grade.OK, f"{name} {text}")


def _schema(engine: sa.Engine) -> tuple[bool, Finding]:
    with engine.connect() as conn:
        at = revision.current(conn)
    if at == revision.newest():
        return True, Finding("Migrations", Grade.OK, f"at revision {at}")
    if at is not None and at not in revision.known():
        mend = "Bring this host to the same release; it works meanwhile."
        return True, Finding("Migrations", Grade.WARN, f"revision {at} is of a later PodHealth than this one", mend)
    says = "not made yet" if at is None else f"at revision {at}, and this PodHealth needs {revision.newest()}"
    return False, Finding("Migrations", Grade.BAD, says, "Run 'podhealth migrate'.")


def _of_sqlite(engine: sa.Engine, case: Case) -> Iterator[Finding]:
    path = Path(str(engine.url.database)).resolve()
    kind = file_system_of(path)
    if kind in _FAR:
        mend = "Move the data folder to a disk of this host, or use PostgreSQL: locks over a network lose data."
        yield Finding("SQLite file", Grade.BAD, f"{path} lies on a network file system ({kind})", mend)
    with read(engine) as conn:
        mode = asked.server(conn).settings["journal_mode"]
    log = Path(f"{path}-wal")
    if mode != "wal":
        mend = "Move the file to a file system with shared memory maps (ext4, xfs, zfs)."
        yield Finding("SQLite file", Grade.BAD, f"its journal is {mode}, not wal: readers and writers wait", mend)
    elif log.exists() and log.stat().st_size > _LARGE_LOG:
        mend = "See that a worker runs (it copies the log back); end programs that read for hours."
        yield Finding("SQLite file", Grade.WARN, f"its log has grown to {log.stat().st_size >> 20} MB", mend)
    elif not os.access(path, os.W_OK):
        mend = "Give the file to the user that runs PodHealth."
        yield Finding("SQLite file", Grade.BAD, f"{path} cannot be written to", mend)
    else:
        yield Finding("SQLite file", Grade.OK, f"{path}, {path.stat().st_size >> 20} MB, journal wal")


def file_system_of(path: Path) -> str:
    """Return the kind of file system a file lies on, empty where this host does not say (Linux does)."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    mounts = [(parts[1].replace("\\040", " "), parts[2]) for parts in map(str.split, lines) if len(parts) > 2]
    over = [mount for mount in mounts if path.is_relative_to(mount[0])]
    return max(over, key=lambda mount: len(mount[0]), default=("", ""))[1]


def _of_postgres(engine: sa.Engine) -> Iterator[Finding]:
    with read(engine) as conn:
        before = clock.utcnow()
        theirs, at = db_now(conn), asked.server(conn)
        ours = before + (clock.utcnow() - before) / 2
    yield diagnosis.of_clock("the database", (ours - theirs).total_seconds())
    off = [name for name in ("fsync", "full_page_writes") if at.settings.get(name) == "off"]
    if off:
        mend = "Switch it on again: after a power cut the database may be lost."
        yield Finding("PostgreSQL", Grade.WARN, f"{' and '.join(off)} off", mend)
    most = int(at.settings.get("max_connections", 100))
    if at.connections > 0.8 * most:
        mend = "Raise max_connections, or put a pool (in session mode) in front."
        yield Finding("PostgreSQL", Grade.WARN, f"{at.connections} of {most} connections are in use", mend)


def _of_what_is_stored(engine: sa.Engine, case: Case) -> Iterator[Finding]:
    with read(engine) as conn:
        opens = asked.opens_what_is_stored(conn) if case.secret_key else None
        rate = asked.checks_a_second(conn)
    if case.secret_key:
        yield diagnosis.of_secret_key(case.secret_key, opens)
    if engine.dialect.name == "sqlite" and rate > diagnosis.SQLITE_CHECKS_A_SECOND:
        mend = "Move to PostgreSQL (docs/operations.md), or probe less often."
        says = f"{rate:,.0f} checks a second are more than SQLite is made for ({diagnosis.SQLITE_CHECKS_A_SECOND:.0f})"
        yield Finding("Load", Grade.WARN, says, mend)
    else:
        yield Finding("Load", Grade.OK, f"{rate:,.1f} checks a second")


def processes(case: Case) -> Iterator[Finding]:
    """Say which of our processes live, and whether each vantage has a prober."""
    with opened(case) as engine:
        if engine is None:
            return
        try:
            with read(engine) as conn:
                living = workers.living(conn)
                seen_from = sorted(set(ticks.vantages(conn)) - {PROVIDER})
        except sa.exc.SQLAlchemyError:  # the database's own examination says why
            return
    starts = {"web": "podhealth web", "scheduler": "podhealth scheduler", "worker": "podhealth worker heal alert tick"}
    for role, command in starts.items():
        count = sum(one.role == role for one in living)
        grade = Grade.OK if count else Grade.BAD
        says = f"{count} alive" if count else "none is alive"
        yield Finding(f"Process {role}", grade, says, "" if count else f"Start 'podhealth up', or '{command}'.")
    probers = [one.vantage for one in living if one.role == "probe"]
    for vantage in seen_from or ["local"]:
        count = probers.count(vantage)
        mend = "" if count else f"Start 'podhealth worker probe.{vantage}' there: its checks wait."
        says = f"{count} alive" if count else "none is alive"
        yield Finding(f"Prober {vantage}", Grade.OK if count else Grade.BAD, says, mend)
