"""One typed settings object, read from `SETTLE_…`, and the plain values on which both doors agree."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import BadSettings

# Celery's names. The web door sends by name and the worker registers the same ones;
# a house rule compares the two.
TASK_WORK: Final = "settle.work"
TASK_PREPARE: Final = "settle.prepare"
TASK_SWEEP: Final = "settle.sweep"
TASK_CANARY: Final = "settle.canary"
QUEUE_SETTLE: Final = "settle"  # chunks and previews
QUEUE_CONTROL: Final = "control"  # sweep and tick, which never wait behind work

HINT_EXPIRES_SECONDS: Final = 60  # the sweep hints again long before
HINTS_PER_CONFIRM_MAX: Final = 32  # more than the workers of one installation; the rest follows from settle.work
SWEEP_SECONDS: Final = 10
PREVIEW_IN_REQUEST_CLAIMS_MAX: Final = 20_000  # about 0.2 s; above that a worker prepares it

BROKER_TRANSPORT_OPTIONS: Final[dict[str, Any]] = {
    "global_keyprefix": "settle:",
    "socket_keepalive": True,
    "health_check_interval": 10,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}


class Settings(BaseSettings):
    """Everything that differs between installations."""

    model_config = SettingsConfigDict(env_prefix="SETTLE_", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer; without it `settle up` starts its own"
    )
    broker_url: SecretStr | None = Field(None, description="Redis or Valkey; without it `settle up` starts its own")
    secret_key: SecretStr | None = Field(
        None, description="Signs forms; made and kept in the data folder by `settle up`"
    )
    data_dir: Path = Field(Path("var"), description="Where `settle up` keeps its servers' data")
    web_host: str = Field("127.0.0.1", description="The address that the web server binds")
    web_port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    web_threads: PositiveInt = 8
    web_workers: PositiveInt = 1
    https_only: bool = Field(False, description="Mark cookies as secure; switch on behind TLS")
    trusted_proxies: Annotated[int, Field(ge=0)] = Field(0, description="How many proxies in front set X-Forwarded-For")
    flower_port: Annotated[int, Field(ge=1, le=65_535)] = 5555
    flower_host: str = "127.0.0.1"
    flower_basic_auth: SecretStr | None = Field(None, description="user:password for Flower; made by `settle up`")
    chunk_claims: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1_000, description="Claims that commit together: tens of milliseconds, so that a pause is felt at once"
    )
    worker_concurrency: PositiveInt = 2
    worker_stuck_seconds: PositiveInt = Field(
        60, description="A worker that lets work wait so long, twice over, ends itself to be started afresh"
    )
    session_idle_minutes: PositiveInt = 30
    log_level: str = "INFO"

    @field_validator("database_url", mode="after")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgresql+psycopg://")):
            # The value may hold a password, so it is not repeated.
            raise ValueError("must begin with postgresql://")
        return url

    @field_validator("broker_url", mode="after")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "redis+socket://")):
            raise ValueError("must begin with redis://, rediss:// or redis+socket://")
        return url

    @field_validator("log_level", mode="after")
    @classmethod
    def _is_level(cls, level: str) -> str:
        if level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return level.upper()


@cache
def settings() -> Settings:
    """Read the environment once; raise `BadSettings` naming every bad variable, never its value."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"SETTLE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise BadSettings("; ".join(faults)) from None
