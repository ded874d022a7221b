"""Telling the web processes through Redis: a hint that never costs its teller more than a moment."""

import socket
import threading
import time

import pytest
import redis

from podhealth.live.ear import Ear
from podhealth.live.publish import CHANNEL, heard, publish
from tests.support.wait import wait_for


def test_what_is_published_is_heard(redis_server, redis_url):
    told: list[dict[int, int]] = []
    ear = Ear(redis.Redis.from_url(redis_url, socket_timeout=5), told.append)
    ear.start()
    wait_for(lambda: redis_server.pubsub_numsub(CHANNEL)[0][1] == 1, what="the ear listens")

    publish(redis_server, {7: 12, 8: 3})

    wait_for(lambda: told == [{7: 12, 8: 3}])
    ear.stop()


def test_the_ear_comes_back_when_its_connection_was_cut(redis_server, redis_url):
    told: list[dict[int, int]] = []
    ear = Ear(redis.Redis.from_url(redis_url, socket_timeout=5), told.append)
    ear.start()
    wait_for(lambda: redis_server.pubsub_numsub(CHANNEL)[0][1] == 1)

    redis_server.client_kill_filter(_type="pubsub")
    wait_for(lambda: redis_server.pubsub_numsub(CHANNEL)[0][1] == 1, what="the ear listens again")
    publish(redis_server, {7: 13})

    wait_for(lambda: told == [{7: 13}])
    ear.stop()


def test_publishing_to_no_redis_says_nothing_and_raises_nothing(tmp_path):
    client = redis.Redis(unix_socket_path=str(tmp_path / "nobody.sock"), socket_timeout=0.2)

    assert publish(client, {7: 12}) is None


def test_publishing_to_a_redis_that_hangs_takes_a_moment_once():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=5)
        begun = time.monotonic()
        for _ in range(100):
            publish(client, {7: 12})

        assert time.monotonic() - begun < 0.4


def test_an_ear_before_a_redis_that_hangs_keeps_nobody_waiting():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ear = Ear(redis.Redis(port=silent.getsockname()[1], socket_timeout=1), lambda _: None)
        begun = time.monotonic()
        ear.start()
        ear.stop()

        assert time.monotonic() - begun < 0.2
        assert "live-ear" in {thread.name for thread in threading.enumerate() if thread.daemon}


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b'{"x": 1}', b'{"1": "y"}', b"{", b"\xff", b"[" * 5000])
@pytest.mark.attack("A83")
def test_a_message_of_strangers_is_not_heard(data):
    assert heard(data) == {}
