"""Jobs that somebody else has written into Redis: each would leave a canary file if any of it were run or unpickled."""

import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import redis
from rq import job as rq_job
from rq.serializers import JSONSerializer

from podhealth.queues import JOBS, Redis, new_job


class Bomb:
    """Unpickled, it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.command,)


def call(function: str, *args: object, kwargs: object = None) -> bytes:
    """Return the payload of a call, as RQ's JSON serializer writes it."""
    return json.dumps([function, None, args, kwargs or {}]).encode()


def put(client: redis.Redis, data: bytes, **fields: object) -> str:
    """Write a job as any client of Redis can, and return its id."""
    job = rq_job.Job.create(JOBS["tick.run"], connection=client, serializer=JSONSerializer)
    job.save()
    client.hset(job.key, mapping={"data": zlib.compress(data), **fields})
    return job.id


def spoil(client: Redis, **fields: object) -> str:
    """Write a true job of ours, then change fields of it (null: take away); return its id."""
    job = new_job(client, "tick.run")
    job.save()
    for name, value in fields.items():
        client.hset(job.key, name, value) if value is not None else client.hdel(job.key, name)
    return job.id


def signed(client: Redis, data: bytes) -> str:
    """Write a job that has our own signature, as a leaked key would have it; return its id."""
    job = new_job(client, "tick.run")
    job.save()
    client.hset(job.key, mapping={"data": zlib.compress(data), "mac": job._mac(data)})
    return job.id


def _with_mac_of_another(client: Redis, _canary: Path) -> str:
    other = new_job(client, "tick.run")
    other.save()
    return spoil(client, mac=client.hget(other.key, "mac"))


def _text(client: Redis, _canary: Path) -> str:
    client.set("rq:job:text", "x")
    return "text"


Attack = Callable[[Redis, Path], str]
_TICK = JOBS["tick.run"]

ATTACKS: dict[str, Attack] = {
    "os.system": lambda c, f: put(c, call("os.system", f"touch {f}")),
    "eval": lambda c, f: put(c, call("builtins.eval", f"open({str(f)!r}, 'w')")),
    "a private function": lambda c, _: put(c, call("podhealth.queues._say_refused", "x", "y")),
    "a public function of ours that is no job": lambda c, _: put(c, call("podhealth.cli.main", ["up"])),
    "a job of ours, unsigned": lambda c, _: put(c, call(_TICK)),
    "pickle": lambda c, f: put(c, pickle.dumps(Bomb(f"touch {f}"))),
    "pickle, signed": lambda c, f: signed(c, pickle.dumps(Bomb(f"touch {f}"))),
    "os.system, signed": lambda c, f: signed(c, call("os.system", f"touch {f}")),
    "keywords, signed": lambda c, _: signed(c, call(_TICK, kwargs={"x": 1})),
    "a method, signed": lambda c, _: signed(c, json.dumps([_TICK, {"x": 1}, [], {}]).encode()),
    "no list, signed": lambda c, _: signed(c, b'{"function": 1}'),
    "no signature": lambda c, _: spoil(c, mac=None),
    "a wrong signature": lambda c, _: spoil(c, mac="0" * 64),
    "the signature of another job": _with_mac_of_another,
    "a changed argument": lambda c, _: spoil(c, data=zlib.compress(call(_TICK, 7))),
    "another function": lambda c, _: spoil(c, data=zlib.compress(call(JOBS["heal.judge"], 7))),
    "no data": lambda c, _: spoil(c, data=None),
    "data that is not packed": lambda c, _: spoil(c, data=call(_TICK)),
    "data that unpacks to much": lambda c, _: spoil(c, data=zlib.compress(b" " * 50_000_000)),
    "data nested deeply": lambda c, _: signed(c, b"[" * 4_000),
    "a callback on success": lambda c, _: spoil(c, success_callback_name="os.abort"),
    "a callback on failure": lambda c, _: spoil(c, failure_callback_name="os.abort"),
    "a callback on stopping": lambda c, _: spoil(c, stopped_callback_name="os.abort"),
    "a web hook": lambda c, _: spoil(c, webhooks='[{"url": "http://127.0.0.1:1/"}]'),
    "a dependency": lambda c, _: spoil(c, dependency_id="x"),
    "retries": lambda c, _: spoil(c, retries_left="3"),
    "repeats": lambda c, _: spoil(c, repeats_left="3"),
    "a time-out that is none": lambda c, _: spoil(c, timeout="soon"),
    "a moment that is none": lambda c, _: spoil(c, enqueued_at="yesterday"),
    "a key that holds a text": _text,
    "an id that is none": lambda _c, _f: "a b/../c",
    "a job that is gone": lambda _c, _f: "gone",
}
