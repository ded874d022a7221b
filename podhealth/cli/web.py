"""``podhealth web``: the dashboard, API and live sockets, served by gunicorn inside this command.

One process with threads (docs/adr/0004): open sockets and heartbeats keep none of them, so a few dozen serve thousands
of pages.
"""

import gc
import resource
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from podhealth.cli.database import require_ready
from podhealth.core.ending import END_WITHIN_S, IN_FLIGHT_S
from podhealth.settings import Settings, load_settings
from podhealth.store.db import make_engine

_BACKLOG = 2048
# How long one thread may wait for another to let go of the interpreter: the default of 5 ms, taken for each step of
# rendering a push beside busy pages, would be most of the 250 ms a push may take.
_SWITCH_S = 0.001
_OBJECTS_A_COLLECTION = 20_000


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our settings: it reads no configuration file and no environment of its own."""

    def __init__(self, settings: Settings, worker_class: str = "podhealth.cli.web_worker.Worker") -> None:
        self._settings = settings
        self._worker_class = worker_class
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        host = self._settings.web_host
        for name, value in {
            "bind": f"[{host}]:{self._settings.web_port}" if ":" in host else f"{host}:{self._settings.web_port}",
            "worker_class": self._worker_class,
            "workers": 1,
            "threads": self._settings.web_threads,
            "worker_connections": 2 * _BACKLOG,
            "backlog": _BACKLOG,
            "keepalive": 5,
            "timeout": 30,
            "graceful_timeout": END_WITHIN_S,
            "control_socket_disable": True,
            "loglevel": "warning",
            "worker_tmp_dir": "/dev/shm" if _has_shm() else None,  # noqa: S108 - a heartbeat file must not wait for a disk
            "proc_name": "podhealth web",
            "post_worker_init": _ready_worker,
            "worker_exit": _end_worker,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application, made in the worker process."""
        gc.disable()  # until all is there (_ready_worker); little of what is made meanwhile is garbage
        from podhealth.factory import create_app

        return create_app(self._settings)


def _has_shm() -> bool:
    import os

    return os.access("/dev/shm", os.W_OK)  # noqa: S108


def _ready_worker(worker: Any) -> None:
    import sys

    from podhealth.web.beats import Beats
    from podhealth.web.installed import installed
    from podhealth.web.sockets import live_of

    # Less than gunicorn's own process waits before it kills: pages are still to be told to come back elsewhere.
    worker.cfg.set("graceful_timeout", IN_FLIGHT_S)
    worker.beats = Beats(installed(worker.wsgi).engine, live_of(worker.wsgi).hub.open_sockets)
    worker.beats.start()
    sys.setswitchinterval(_SWITCH_S)
    # With thousands of sockets each full collection stopped all threads for 150 ms, every few seconds. What the program
    # itself is made of is never garbage; the rest is looked through whole far more rarely.
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(_OBJECTS_A_COLLECTION, 20, 100)


def _end_worker(_server: Any, worker: Any) -> None:
    from podhealth.web.sockets import live_of

    live_of(worker.wsgi).stop()
    worker.beats.stop()


@click.command()
def web() -> None:
    """Serve the dashboard, the API and the live sockets (settings: PODHEALTH_WEB_HOST, _PORT, _THREADS)."""
    settings = load_settings()
    engine = make_engine(settings.database_url)
    require_ready(engine)
    engine.dispose()
    _raise_open_files()
    _load_program()
    Server(settings).run()


def _load_program() -> None:
    # Once, before the worker process is made of this one: it shares this memory, and its successor starts at once.
    import podhealth.cli.web_worker
    import podhealth.factory  # noqa: F401

    gc.collect()
    gc.freeze()


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
