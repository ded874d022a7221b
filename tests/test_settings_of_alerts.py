"""The settings of mail and of Apprise: what is missing or unsafe ends the program with the variable's name."""

import pytest

from podhealth.core.errors import SetupError
from podhealth.settings import Settings, load_settings

MAIL = {"PODHEALTH_SMTP_HOST": "mail.example", "PODHEALTH_SMTP_FROM": "podhealth@example.com"}


@pytest.fixture(autouse=True)
def _needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DATABASE_URL", "sqlite:///x.db"), ("REDIS_URL", "unix:///x"), ("SECRET_KEY", "x" * 32)):
        monkeypatch.setenv(name, value)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_by_default_there_is_no_mail_server_and_no_service_of_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)

    assert (settings.smtp_host, settings.apprise_schemes) == ("", ())


def test_a_mail_server_and_services_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, **MAIL, PODHEALTH_APPRISE_SCHEMES="ntfys, TGRAM")

    assert (settings.smtp_host, settings.smtp_port, settings.smtp_security) == ("mail.example", 587, "starttls")
    assert settings.apprise_schemes == ("ntfys", "tgram")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"PODHEALTH_SMTP_HOST": "mail.example"}, "PODHEALTH_SMTP_FROM"),
        (MAIL | {"PODHEALTH_SMTP_FROM": "PodHealth <p@example.com>"}, "PODHEALTH_SMTP_FROM"),
        (MAIL | {"PODHEALTH_SMTP_PORT": "0"}, "PODHEALTH_SMTP_PORT"),
        (MAIL | {"PODHEALTH_SMTP_SECURITY": "ssl"}, "PODHEALTH_SMTP_SECURITY"),
        (MAIL | {"PODHEALTH_SMTP_SECURITY": "none", "PODHEALTH_SMTP_PASSWORD": "pw"}, "PODHEALTH_SMTP_SECURITY"),
        ({"PODHEALTH_APPRISE_SCHEMES": "ntfys,mailto"}, "PODHEALTH_APPRISE_SCHEMES"),
        ({"PODHEALTH_APPRISE_SCHEMES": "syslog"}, "PODHEALTH_APPRISE_SCHEMES"),
    ],
)
def test_what_is_missing_or_unsafe_is_named(monkeypatch: pytest.MonkeyPatch, variables, name: str) -> None:
    with pytest.raises(SetupError, match=f"^{name}: "):
        loaded(monkeypatch, **variables)


def test_the_password_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, **MAIL, PODHEALTH_SMTP_PASSWORD="of-the-mail-server")

    assert "of-the-mail-server" not in repr(settings)
