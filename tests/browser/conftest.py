"""One installation for a module of browser tests: two tenants, a real web process, changes written as workers do."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.support.pages import a_browser
from tests.support.stage import WELL, Stage, a_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path, _redis_socket: Path) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    shutil.copyfile(_sqlite_template, folder / "podhealth.db")
    with a_stage(folder, f"sqlite:///{folder}/podhealth.db", f"unix://{_redis_socket}") as stage:
        yield stage


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


Enter = Callable[..., BrowserContext]


@pytest.fixture
def enter(stage: Stage, browser: Browser) -> Iterator[Enter]:
    """``enter(house, **options)``: a browser of that tenant's person, signed in.

    After the test it is closed, and all pods are well.
    """
    opened: list[BrowserContext] = []

    def entering(house: object = None, **options: object) -> BrowserContext:
        opened.append(stage.enter(browser, house or stage.acme, **options))
        return opened[-1]

    yield entering
    for context in opened:
        context.close()
    stage.turn((*stage.acme.pods, *stage.zeta.pods), WELL)
