"""One frozen Settings object. The environment is read here and nowhere else; a bad value is named."""

import re
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from podhealth.core.channel_fields import APPRISE_SCHEMES, is_email
from podhealth.core.errors import SetupError
from podhealth.core.kept import Kept
from podhealth.core.limits import DEFAULT, Limits
from podhealth.core.operation import DEFAULT as ALARMS
from podhealth.core.operation import Alarms

_LOOPBACK = "127.0.0.0/8"
_DATABASE = re.compile(r"(sqlite|postgres|postgresql|postgresql\+psycopg)://.*")
_REDIS = re.compile(r"(redis|rediss|unix)://.+")
_PUBLIC = re.compile(r"https?://[^\s/?#@]+")
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/\S*)?")
_SHORTEST_TOKEN = 20


class Settings(BaseSettings):
    """What the operator may set, by environment variable (docs/settings.md).

    ``DATABASE_URL``, ``REDIS_URL`` and ``SECRET_KEY`` go by these names; all others start with ``PODHEALTH_``.
    """

    model_config = SettingsConfigDict(env_prefix="PODHEALTH_", frozen=True, extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL", repr=False)  # its password is in it
    redis_url: str = Field(validation_alias="REDIS_URL", repr=False)
    secret_key: str = Field(validation_alias="SECRET_KEY", min_length=32, repr=False)
    public_url: str = Field("http://127.0.0.1:8700", description="Scheme, host and port people reach the dashboard by.")
    vantage: str = Field("local", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    allowed_networks: Annotated[tuple[str, ...], NoDecode] = (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    )
    docker_sockets: Annotated[tuple[str, ...], NoDecode] = ()
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: str = Field("starttls", pattern="^(starttls|tls|none)$")
    smtp_user: str = ""
    smtp_password: str = Field("", repr=False)
    smtp_from: str = ""
    smtp_ca_file: str = ""
    apprise_schemes: Annotated[tuple[str, ...], NoDecode] = ()
    demo_loopback: bool = Field(False, description="Let the demo probe its own pods on 127.0.0.0/8.")
    web_host: str = "127.0.0.1"
    web_port: int = Field(8700, ge=1, le=65535)
    trusted_proxies: int = Field(0, ge=0, le=5, description="How many proxies of one's own each visitor comes through.")
    web_threads: int = Field(16, ge=2, le=256)
    changes_a_minute: int = Field(240, ge=1, le=1_000_000)
    expensive_a_minute: int = Field(30, ge=1, le=1_000_000)
    api_reads_a_minute: int = Field(1200, ge=1, le=1_000_000)
    heartbeats_a_minute: int = Field(120, ge=1, le=100_000, description="Of one pod's agent, in one web process.")
    heals_an_hour: int = Field(DEFAULT.heals_an_hour, ge=1, le=10_000)
    migrations_an_hour: int = Field(DEFAULT.migrations_an_hour, ge=0, le=1_000)
    heals_at_once_percent: int = Field(DEFAULT.at_once_percent, ge=1, le=100)
    breaker_least: int = Field(DEFAULT.breaker_least, ge=1, le=10_000)
    breaker_percent: int = Field(DEFAULT.breaker_percent, ge=1, le=100)
    alarm_tick_s: float = Field(ALARMS.tick_late_s, ge=3, le=86_400)
    alarm_step_late_s: float = Field(ALARMS.step_late_s, ge=3, le=86_400)
    alarm_probe_lag_s: float = Field(ALARMS.probe_lag_ms / 1000, ge=0.1, le=86_400)
    alarm_overdue_s: float = Field(ALARMS.overdue_s, ge=1, le=86_400)
    alarm_outbox_s: float = Field(ALARMS.outbox_old_s, ge=1, le=86_400)
    alarm_queue_jobs: int = Field(ALARMS.queue_jobs, ge=1, le=10_000_000)
    alarm_capacity_percent: int = Field(ALARMS.capacity_percent, ge=1, le=100)
    deadman_url: str = Field("", repr=False, description="Pinged every minute while all is well.")
    metrics_token: str = Field("", repr=False, description="Bearer token for /metrics; without one this host only.")
    results_days: int = Field(30, ge=2, le=400, description="How long results are kept.")
    rollups_5min_days: int = Field(14, ge=2, le=400)
    rollups_1h_days: int = Field(400, ge=31, le=3650)
    transitions_days: int = Field(400, ge=31, le=3650)
    heals_days: int = Field(90, ge=31, le=3650)
    audit_days: int = Field(400, ge=31, le=3650)
    feed_hours: int = Field(24, ge=1, le=720)
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    max_in_flight: int = Field(6000, ge=1, le=60000)
    max_sockets: int = Field(4000, ge=1, le=100000)
    max_sockets_per_tenant: int = Field(2000, ge=1, le=100000)
    max_sockets_per_person: int = Field(200, ge=1, le=100000)

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        for part in value if isinstance(value, tuple | list) else ():
            ip_network(part)  # ValueError becomes a named error
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not _DATABASE.fullmatch(value):
            raise ValueError("must begin with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if not _REDIS.fullmatch(value):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not _PUBLIC.fullmatch(value.rstrip("/")):
            raise ValueError("must be scheme, host and port: https://podhealth.example")
        return value.rstrip("/")

    @field_validator("docker_sockets", mode="before")
    @classmethod
    def _sockets(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        for part in value if isinstance(value, tuple | list) else ():
            if not str(part).startswith("/"):
                raise ValueError("each socket must be named by its full path, such as /run/docker.sock")
        return value

    @field_validator("apprise_schemes", mode="before")
    @classmethod
    def _schemes(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip().lower() for part in value.split(",") if part.strip())
        for part in value if isinstance(value, tuple | list) else ():
            if part not in APPRISE_SCHEMES:
                raise ValueError(f"{part} cannot be allowed: its calls cannot be guarded (docs/alerts.md)")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        if value and not is_email(value):
            raise ValueError("must be a plain email address, such as podhealth@example.com")
        return value

    @field_validator("deadman_url")
    @classmethod
    def _deadman(cls, value: str) -> str:
        if value and not _WEB_ADDRESS.fullmatch(value):
            raise ValueError("must begin with https:// or http:// and a plain host")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _metrics(cls, value: str) -> str:
        if value and (len(value) < _SHORTEST_TOKEN or not value.isascii() or " " in value):
            raise ValueError(f"must be at least {_SHORTEST_TOKEN} characters without blanks")
        return value

    @model_validator(mode="after")
    def _mail(self) -> "Settings":
        if self.smtp_host and not self.smtp_from:
            raise PydanticCustomError("smtp", "PODHEALTH_SMTP_FROM: is missing beside PODHEALTH_SMTP_HOST")
        if self.smtp_password and self.smtp_security == "none":
            raise PydanticCustomError("smtp", "PODHEALTH_SMTP_SECURITY: a password is never sent in the open")
        return self

    @cached_property
    def is_sqlite(self) -> bool:
        """Whether the database is a file on this host."""
        return self.database_url.startswith("sqlite")

    @cached_property
    def limits(self) -> Limits:
        """How tight the brakes of the fleet are."""
        return Limits(
            heals_an_hour=self.heals_an_hour,
            migrations_an_hour=self.migrations_an_hour,
            at_once_percent=self.heals_at_once_percent,
            breaker_least=self.breaker_least,
            breaker_percent=self.breaker_percent,
        )

    @cached_property
    def alarms(self) -> Alarms:
        """From when on somebody should look at PodHealth itself."""
        return Alarms(
            tick_late_s=self.alarm_tick_s,
            step_late_s=self.alarm_step_late_s,
            probe_lag_ms=self.alarm_probe_lag_s * 1000,
            overdue_s=self.alarm_overdue_s,
            outbox_old_s=self.alarm_outbox_s,
            queue_jobs=self.alarm_queue_jobs,
            capacity_percent=self.alarm_capacity_percent,
        )

    @cached_property
    def kept(self) -> Kept:
        """How long what happened is kept."""
        return Kept(
            results=timedelta(days=self.results_days),
            five_minutes=timedelta(days=self.rollups_5min_days),
            hours=timedelta(days=self.rollups_1h_days),
            transitions=timedelta(days=self.transitions_days),
            heals=timedelta(days=self.heals_days),
            feed=timedelta(hours=self.feed_hours),
            audit=timedelta(days=self.audit_days),
        )

    @cached_property
    def pod_networks(self) -> tuple[str, ...]:
        """The networks in which the platform allows pods, the demo's own loopback range included where it is on."""
        return (*self.allowed_networks, _LOOPBACK) if self.demo_loopback else self.allowed_networks


_NAMES = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL", "secret_key": "SECRET_KEY"}


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SetupError that names the first bad variable and what is wrong with it.
    """
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        if first["type"] == "smtp":  # says itself which of several variables
            raise SetupError(first["msg"]) from None
        field = str(first["loc"][0]) if first["loc"] else "environment"
        name = _NAMES.get(field.lower(), field if field.isupper() else f"PODHEALTH_{field.upper()}")
        said = "is not set" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise SetupError(f"{name}: {said}") from None


def require_database_url(url: str) -> None:
    """Raise SetupError for an address that is none of a database we work with; no other setting is looked at."""
    if not _DATABASE.fullmatch(url):
        raise SetupError("DATABASE_URL: must begin with postgresql:// or sqlite:///")
