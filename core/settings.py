"""The settings, read from `SETTLE_…` variables, and constants that web and worker share."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, PositiveInt, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.counting import counted
from core.errors import BadSettings

# Celery's names. The web process sends by name and the worker registers the same ones. A house rule compares the two.
TASK_WORK: Final = "settle.work"
TASK_PREPARE: Final = "settle.prepare"
TASK_SWEEP: Final = "settle.sweep"
TASK_TICK: Final = "settle.tick"
TASK_SEND: Final = "settle.send"
TASK_IMPORT: Final = "settle.import"
TASK_CANARY: Final = "settle.canary"
QUEUE_SETTLE: Final = "settle"  # chunks, previews, imports, e-mail and webhooks, test hints
QUEUE_CONTROL: Final = "control"  # sweep and tick, which must not wait behind chunks

# What a message carries besides its task and ids, for logs.
REQUEST_ID_HEADER: Final = "settle_request"  # the id of the request that caused it

HINT_EXPIRES_SECONDS: Final = 60  # workers find the work without a hint long before
HINTS_PER_CONFIRM_MAX: Final = 32  # one installation has fewer workers; settle.work sends more hints
HINTS_WAITING_MAX: Final = 256  # without it, a thousand practices at once would send 32,000 in ten seconds
SWEEP_SECONDS: Final = 10
TICK_SECONDS: Final = 10  # a scheduled run starts at most this late
PREVIEW_IN_REQUEST_CLAIMS_MAX: Final = 20_000  # about 0.2 s; a worker prepares larger previews

SMTP_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}

BROKER_TRANSPORT_OPTIONS: Final[dict[str, Any]] = {
    "global_keyprefix": "settle:",
    "socket_keepalive": True,
    "health_check_interval": 10,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}


def queue_length_max(task: str) -> int:
    """Return the queue length above which another message of this task would be useless and is not sent.

    A message expires only when a worker receives it. Without workers, this limit keeps Redis from filling up.
    """
    # A work hint serves any job, so extra hints are useless. Every other message is for one job, so more are allowed.
    return HINTS_WAITING_MAX if task == TASK_WORK else 2 * HINTS_WAITING_MAX


# A folder with a file for each secret, named like its variable: settle_secret_key, settle_database_password …
_SECRETS_FOLDER: Final = "SETTLE_SECRETS_DIR"


class Settings(BaseSettings):
    """Everything that differs between installations. A variable overrides a file with the same name."""

    model_config = SettingsConfigDict(env_prefix="SETTLE_", extra="ignore", frozen=True)

    # Passwords come before the URLs that they complete, so that a file may hold only a password.
    database_password: SecretStr | None = Field(
        None, min_length=1, description="The password for a database URL without one"
    )
    owner_database_password: SecretStr | None = Field(
        None, min_length=1, description="The password for an owner's database URL without one"
    )
    broker_password: SecretStr | None = Field(
        None, min_length=1, description="The password for a broker URL without one"
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer; without it `settle up` starts its own"
    )
    owner_database_url: SecretStr | None = Field(
        None, description="For `settle migrate` and the commands on the server; without it they use the database URL"
    )
    broker_url: SecretStr | None = Field(None, description="Redis or Valkey; without it `settle up` starts its own")
    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs forms and seals the keys of authenticator apps; `settle up` creates one and keeps it in the "
        "data folder",
    )
    old_secret_key: SecretStr | None = Field(
        None, min_length=32, description="The secret key before this one; opens what it sealed, until users used it"
    )
    data_dir: Path = Field(Path("var"), description="Where `settle up` keeps its servers' data")
    web_host: str = Field("127.0.0.1", description="The address that the web server binds")
    web_port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    web_threads: PositiveInt = 8
    web_workers: PositiveInt = 1
    web_read_seconds: PositiveInt = Field(
        20, description="Seconds that a client may take to send a request; each 16 KB adds a second"
    )
    web_write_seconds: PositiveInt = Field(
        30, description="Seconds that a client may go without reading its answer; each 16 KB read adds a second"
    )
    web_idle_seconds: PositiveInt = Field(
        15, description="Seconds that an idle connection stays open; an open page sends a request every few seconds"
    )
    https_only: bool = Field(False, description="Mark cookies as secure; turn on behind TLS")
    trusted_proxies: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Number of proxies in front that set X-Forwarded-For, -Proto and -Host and overwrite the client's",
    )
    flower_port: Annotated[int, Field(ge=1, le=65_535)] = 5555
    flower_host: str = "127.0.0.1"
    flower_basic_auth: SecretStr | None = Field(None, description="user:password for Flower; `settle up` creates one")
    one_machine: bool = Field(
        False, description="Administrators may open the Operations page; `settle up` turns it on for its one machine"
    )
    chunk_claims: Annotated[int, Field(ge=1, le=10_000)] = Field(
        2_000,
        description="Most claims per transaction, which takes about a tenth of a second, as long as a pause takes",
    )
    worker_concurrency: PositiveInt = 2
    import_mb_max: PositiveInt = Field(
        600, description="Megabytes in one import, uploaded and unpacked; a worker's temporary folder holds both"
    )
    watch_dir: Path | None = Field(
        None,
        description="The folder of the practices' watched folders; workers import the X12 files in them",
    )
    watch_seconds: PositiveInt = Field(300, description="Seconds between two looks into a watched folder")
    alive_file: Path | None = Field(
        None, description="Worker and beat touch this file regularly; a container's health check reads its age"
    )
    worker_stuck_seconds: PositiveInt = Field(
        60,
        description="A worker that leaves work waiting for twice this long exits, so that a fresh one is started",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="The mail server for notices and run reports: smtp:, smtp+starttls: or smtps://user:password@host:port",
    )
    mail_from: str | None = Field(None, validate_default=True, description="The sender's address on e-mails")
    public_url: str | None = Field(
        None, description="The public URL of the pages, for links in e-mails and for passkeys"
    )
    webhook_reach: Literal["public", "loopback", "private"] = Field(
        "public",
        description="Where webhooks may lead: public; loopback, which adds this machine; private, which adds private "
        "networks",
    )
    timestamp_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@#]+$",
        description="The time-stamping authority (RFC 3161) that stamps the audit log's last entry every day",
    )
    timestamp_ca: Path | None = Field(
        None, validate_default=True, description="A file with the authority's root certificates (PEM)"
    )
    witness_file: Path | None = Field(
        None, description="A file on another disk, to which workers add the audit log's last entry every day"
    )
    message_days: Annotated[int, Field(ge=7)] = Field(
        90, description="Days until sent e-mails, notices and delivered webhook events are removed"
    )
    session_idle_minutes: PositiveInt = Field(30, description="Minutes without a click until a session ends")
    session_hours: PositiveInt = Field(12, description="Hours from the sign-in until a session ends, whatever is done")
    log_level: str = "INFO"
    flower_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="The public URL of Flower, for links on a job's page",
    )
    metrics_token: SecretStr | None = Field(
        None, min_length=16, description="The bearer token for /metrics; open without one"
    )
    server: str | None = Field(None, description="The server for commands that act for a user; overrides the sign-in")
    token: SecretStr | None = Field(
        None, min_length=1, description="The API token for commands that act for a user; overrides the sign-in"
    )
    metrics_by_practice: bool = Field(False, description="Add the write-offs of each practice, by its id, to /metrics")

    @property
    def import_bytes_max(self) -> int:
        """Return the size of the largest import, in bytes."""
        return self.import_mb_max * 1_000_000

    @property
    def mails_links(self) -> bool:
        """Return whether e-mails with links to the pages can be sent."""
        return self.smtp_url is not None and self.public_url is not None

    @field_validator("database_url", "owner_database_url", mode="after")
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

    @field_validator("database_url", "owner_database_url", "broker_url", mode="after")
    @classmethod
    def _with_password(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        password = info.data.get(f"{str(info.field_name).removesuffix('_url')}_password")
        return url if url is None or password is None else SecretStr(_with_password(url, password))

    @field_validator("flower_basic_auth", mode="after")
    @classmethod
    def _is_user_and_password(cls, auth: SecretStr | None) -> SecretStr | None:
        if auth is not None and not all(auth.get_secret_value().partition(":")):
            raise ValueError("must be user:password")
        return auth

    @field_validator("smtp_url", mode="after")
    @classmethod
    def _is_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in SMTP_PORTS or not parts.hostname or parts.port == 0 or parts.path.strip("/"):
                raise ValueError("must be smtp://, smtp+starttls:// or smtps:// and a host")
        return url

    @field_validator("mail_from", mode="after")
    @classmethod
    def _is_given_with_the_server(cls, address: str | None, info: ValidationInfo) -> str | None:
        if address is None and info.data.get("smtp_url") is not None:
            raise ValueError("is needed with SETTLE_SMTP_URL")
        if address is not None and not re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.-]+", address):
            raise ValueError("must be an address such as settle@example.org")
        return address

    @field_validator("timestamp_ca", mode="after")
    @classmethod
    def _is_given_with_the_authority(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None and info.data.get("timestamp_url") is not None:
            raise ValueError("is needed with SETTLE_TIMESTAMP_URL")
        if file is not None and not file.is_file():
            raise ValueError("is not a file that this user can read")
        return file

    @field_validator("public_url", mode="after")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^\s?#]+", url):
            raise ValueError("must begin with https:// or http://")
        return url.rstrip("/") if url else None

    @field_validator("log_level", mode="after")
    @classmethod
    def _is_level(cls, level: str) -> str:
        if level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return level.upper()


def _with_password(url: SecretStr, password: SecretStr) -> str:
    """Return the URL with the password, unless it already has one."""
    parts = urlsplit(url.get_secret_value())
    if parts.password is not None:
        return url.get_secret_value()
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password.get_secret_value(), safe='')}@{host}").geturl()


@cache
def load_settings() -> Settings:
    """Read the environment and the secret files once. Raise `BadSettings` naming every bad one, without its value."""
    try:
        return Settings(_secrets_dir=_secrets_folder())
    except OSError as error:
        raise BadSettings(f"{_SECRETS_FOLDER}: {error.filename} cannot be read by this user") from None
    except ValidationError as error:
        faults = [f"SETTLE_{'_'.join(map(str, e['loc'])).upper()}: {_sentence(e)}" for e in error.errors()]
        raise BadSettings("; ".join(faults)) from None


def _sentence(error: ErrorDetails) -> str:
    """Return the error in words. Pydantic counts the characters of a secret as "items"."""
    if error["type"] == "too_short":
        return f"must have at least {counted(error['ctx']['min_length'], 'character')}"
    return error["msg"]


def _secrets_folder() -> Path | None:
    named = os.environ.get(_SECRETS_FOLDER)
    if not named:
        return None
    if not Path(named).is_dir():
        raise BadSettings(f"{_SECRETS_FOLDER}: there is no folder {named}")
    return Path(named)
