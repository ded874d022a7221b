"""Who changes a channel while messages are on their way over it: each waits for the other, none is thrown out."""

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from podhealth.store import channels, deliveries, messages
from podhealth.store.db import db_now, write
from podhealth.store.deliveries import Tried
from tests.alerting.world import PLATFORM, World
from tests.support.wait import wait_for

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(postgres_engine: sa.Engine) -> World:
    return World(postgres_engine)


def switch_off_while(world: World, channel_id: int, other: Callable[[], object], monkeypatch) -> list[BaseException]:
    """Switch the channel off, and run ``other`` from when its row is locked; return what was raised."""
    locked, raised = threading.Event(), list[BaseException]()
    forget = channels._forget

    def forget_late(*args) -> None:
        locked.set()
        # Until the other waits for a lock of ours, or is done without needing one.
        wait_for(lambda: is_waiting(world.engine) or not thread.is_alive(), what="the other to come as far as it can")
        forget(*args)

    def run() -> None:
        locked.wait(10)
        try:
            other()
        except BaseException as error:
            raised.append(error)

    monkeypatch.setattr(channels, "_forget", forget_late)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        with write(world.engine) as conn:
            channels.update_channel(conn, world.scope, channel_id, {"enabled": False}, PLATFORM)
    except sa.exc.DBAPIError as error:
        raised.append(error)
    finally:
        locked.set()
        thread.join(10)
    return raised


def is_waiting(engine: sa.Engine) -> bool:
    with engine.connect() as conn:
        return bool(conn.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_channel_is_switched_off_while_a_try_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    channel_id = world.channel()
    world.trouble()
    world.relay()
    world.relay(after_s=11)
    message = world.deliverer().take()
    assert message is not None

    def store() -> None:
        with write(world.engine) as conn:
            deliveries.store_try(conn, message, Tried(5.0, "200"), 0.0, db_now(conn))

    raised = switch_off_while(world, channel_id, store, monkeypatch)

    assert raised == []
    assert world.row(channel_id).enabled is False


def test_a_channel_is_switched_off_while_threads_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    channel_id = world.channel()
    first = world.trouble()
    world.take(channel_id)
    world.take(channel_id, after_s=11)
    second = world.trouble()
    world.take(channel_id, after_s=400)
    world.take(channel_id, after_s=11)
    world.notice("heal_started", first)  # this one's thread gathers a change
    world.relay()
    with write(world.engine) as conn:
        for incident_id in (first, second):
            conn.execute(sa.text("UPDATE incidents SET recovered_at = updated_at WHERE id = :id"), {"id": incident_id})

    def end() -> None:
        with write(world.engine) as conn:
            messages.lock_relay(conn)
            assert messages.end_threads(conn, db_now(conn)) == 2

    raised = switch_off_while(world, channel_id, end, monkeypatch)

    assert raised == []
    assert world.row(channel_id).enabled is False
