"""Reads a source and does what its plan says, a pod at a time; a source that cannot be believed changes nothing.

What follows from an answer is core/sync's rule, how pods are written store/syncing's. A reading that dies on its way
is begun anew when its lease is over; what it has done by then is not done twice.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, ProviderError, SetupError
from podhealth.core.guests import Answer, Guest, doubt, too_many_missing
from podhealth.core.sync import Act, Line
from podhealth.core.words import ProviderKind
from podhealth.healing.providers.base import PodRef
from podhealth.healing.providers.registry import lister_of
from podhealth.store import sources, syncing
from podhealth.store.db import db_now, read, write
from podhealth.store.secrets import unseal_source

Row = sa.Row[Any]
Publish = Callable[[Mapping[int, int]], None]


class Synced(NamedTuple):
    """How a reading of a source went. ``error``: why it was not believed; ``done``: how often each act was done.

    ``left``: pods that could not be written, each with why; the next sync looks at them anew.
    """

    source: Row
    error: str | None
    lines: Sequence[Line] = ()
    done: Mapping[Act, int] = {}
    left: Sequence[str] = ()


def claim_next(engine: sa.Engine, not_of: Collection[int] = ()) -> Row | None:
    """Lease the source that is due for longest, none of these tenants', and return it; null where none is due."""
    with write(engine) as conn:
        return sources.claim(conn, not_of=not_of)


def sync_claimed(engine: sa.Engine, source: Row, networks: Sequence[str], publish: Publish) -> Synced:
    """Read a source that was claimed, and sync it where it is on."""
    return _sync(engine, source, networks, publish, is_done=source.is_on)


def sync_one(
    engine: sa.Engine, source_id: int, networks: Sequence[str], publish: Publish, *, is_preview: bool = False
) -> Synced:
    """Read this source now, and sync it where it is on and not ``is_preview``. Raises Conflict while others read it."""
    with write(engine) as conn:
        source = sources.claim(conn, source_id)
    if source is None:
        raise Conflict("somebody reads this source just now: try again in a minute")
    return _sync(engine, source, networks, publish, is_done=source.is_on and not is_preview)


def _sync(engine: sa.Engine, source: Row, networks: Sequence[str], publish: Publish, *, is_done: bool) -> Synced:
    try:
        answer = _ask(engine, source)
    except ProviderError as error:
        return _give_up(engine, source, str(error), publish)
    with read(engine) as conn:
        why, is_for_people = _doubt(conn, source, answer)
    if why is not None:
        return _give_up(engine, source, why, publish, is_for_people)
    with write(engine) as conn:
        is_mine = sources.is_mine(conn, source)
        if is_mine:
            sources.keep_answer(conn, source, answer)
    if not is_mine:
        _give_back(engine, source, None, publish)
        return Synced(source, "somebody changed the source meanwhile: it is read again")
    with read(engine) as conn:
        lines = syncing.plan(conn, source, answer, networks)
    done, left = _do(engine, source, lines, networks) if is_done else (Counter[Act](), [])
    is_soon = is_done and any(line.act == Act.MISSING for line in lines)
    with write(engine) as conn:
        published = sources.put_back(conn, source, None, soon=is_soon)
    publish(published)
    return Synced(source, None, lines, done, left)


def _ask(engine: sa.Engine, source: Row) -> Answer:
    """Ask the source for its guests, those in full that are chosen or are pods already."""
    with read(engine) as conn:
        known = {one.key for one in syncing.known_pods(conn, source)}
    takes = sources.takes_of(source)
    try:
        config = unseal_source(source.config, source.id)
    except SetupError as error:
        raise ProviderError(str(error), permanent=True) from None

    def wants(guest: Guest) -> bool:
        return guest.unfit is None and (guest.key in known or takes.take(guest))

    reference = PodRef(0, source.tenant_id, source.name, None, config)
    return lister_of(ProviderKind(source.kind)).guests(reference, wants)


def _doubt(conn: sa.Connection, source: Row, answer: Answer) -> tuple[str | None, bool]:
    """Return why the answer is not believed (null: it is), and whether a person may say that it is right."""
    known = [one for one in syncing.known_pods(conn, source) if not one.is_deleted and one.vanished_at is None]
    before = sources.reading_of(conn, source.id)
    rights = None if before is None else before[1].rights
    had_guests = before is not None and bool(before[1].guests)
    keys = [one.key for one in known]
    if _is_believed(source.believed_until, db_now(conn)):
        return None, False
    if why := doubt(answer, keys, rights, had_guests):
        return why, True
    why = too_many_missing(answer, keys)
    return why, why is not None


def _is_believed(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until


def _do(
    engine: sa.Engine, source: Row, lines: Sequence[Line], networks: Sequence[str]
) -> tuple[Counter[Act], list[str]]:
    """Do the lines one by one, each in a transaction; return how often each act was done, and what was left."""
    done: Counter[Act] = Counter()
    left: list[str] = []
    for line in lines:
        if not syncing.is_to_do(line):
            continue
        try:
            with write(engine, durable=True) as conn:
                if not sources.is_mine(conn, source):
                    return done, [*left, "somebody changed the source meanwhile"]
                syncing.do_line(conn, source, line, networks)
        except (InputError, Conflict) as error:
            left.append(f"{line.name} is left as it is: {error}"[:300])
        else:
            done[line.act] += 1
    return done, left


def _give_up(engine: sa.Engine, source: Row, why: str, publish: Publish, is_for_people: bool = False) -> Synced:
    _give_back(engine, source, why, publish, is_for_people)
    return Synced(source, why)


def _give_back(engine: sa.Engine, source: Row, why: str | None, publish: Publish, is_for_people: bool = False) -> None:
    with write(engine) as conn:
        published = sources.put_back(conn, source, why, is_in_doubt=is_for_people)
    publish(published)
