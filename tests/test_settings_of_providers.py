"""The setting that opens unix sockets to providers: none by default, full paths only."""

import pytest

from podhealth.core.errors import SetupError
from podhealth.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _needed(monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////x.db")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("SECRET_KEY", "k" * 40)


def sockets(monkeypatch, value: str) -> Settings:
    monkeypatch.setenv("PODHEALTH_DOCKER_SOCKETS", value)
    return load_settings()


def test_no_socket_is_open_by_default() -> None:
    assert load_settings().docker_sockets == ()


def test_several_are_named_with_commas(monkeypatch) -> None:
    assert sockets(monkeypatch, "/run/a.sock, /run/b.sock,").docker_sockets == ("/run/a.sock", "/run/b.sock")


@pytest.mark.parametrize("value", ["docker.sock", "unix:///run/docker.sock", "/run/a.sock,b"])
def test_one_without_its_full_path_is_refused_by_the_settings_name(monkeypatch, value) -> None:
    with pytest.raises(SetupError, match="PODHEALTH_DOCKER_SOCKETS"):
        sockets(monkeypatch, value)
