"""Settings come from the environment or a folder of secrets; an invalid one stops the start and is only named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BadSettings
from core.settings import Settings, load_settings

ReadSettings = Callable[..., Settings]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> ReadSettings:
    """Return a function that reads the settings from the given variables only."""

    def read_with(**variables: str | Path) -> Settings:
        for name in Settings.model_fields:
            monkeypatch.delenv(f"SETTLE_{name.upper()}", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(f"SETTLE_{name}", str(value))
        return load_settings.__wrapped__()  # type: ignore[attr-defined, no-any-return]  # without the cache

    return read_with


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with one file per secret, as a container gets it."""
    (tmp_path / "settle_secret_key").write_text("k" * 32 + "\n")
    (tmp_path / "settle_database_password").write_text("p@ss/word:1%\n")
    (tmp_path / "settle_broker_password").write_text("other")
    return tmp_path


def test_a_secret_file_works_like_its_environment_variable(read: ReadSettings, secrets: Path) -> None:
    found = read(SECRETS_DIR=secrets).secret_key

    assert found is not None
    assert found.get_secret_value() == "k" * 32


def test_a_secret_that_is_too_short_is_refused_in_characters(read: ReadSettings) -> None:
    with pytest.raises(BadSettings, match="SETTLE_METRICS_TOKEN: must have at least 16 characters"):
        read(METRICS_TOKEN="short")


def test_the_environment_takes_precedence_over_a_file(read: ReadSettings, secrets: Path) -> None:
    found = read(SECRETS_DIR=secrets, SECRET_KEY="e" * 32).secret_key

    assert found is not None
    assert found.get_secret_value() == "e" * 32


def test_a_url_without_a_password_gets_its_escaped_password_from_the_file(read: ReadSettings, secrets: Path) -> None:
    found = read(
        SECRETS_DIR=secrets, DATABASE_URL="postgresql://settle@db:5432/settle", BROKER_URL="redis://broker:6379/0"
    )

    assert found.database_url is not None
    assert found.broker_url is not None
    assert found.database_url.get_secret_value() == "postgresql://settle:p%40ss%2Fword%3A1%25@db:5432/settle"
    assert found.broker_url.get_secret_value() == "redis://:other@broker:6379/0"


def test_addresses_with_tls_keep_their_options_and_get_their_passwords(read: ReadSettings) -> None:
    """The addresses are those that docs/operations.md gives for servers on another machine."""
    database = "postgresql://settle@db.example/settle?sslmode=verify-full&sslrootcert=system"
    broker = "rediss://redis.example:6380/0?ssl_cert_reqs=required"

    found = read(DATABASE_URL=database, DATABASE_PASSWORD="one", BROKER_URL=broker, BROKER_PASSWORD="two")

    assert found.database_url is not None
    assert found.broker_url is not None
    assert found.database_url.get_secret_value() == database.replace("settle@", "settle:one@")
    assert found.broker_url.get_secret_value() == broker.replace("//", "//:two@")


def test_a_url_with_a_password_keeps_it(read: ReadSettings, secrets: Path) -> None:
    found = read(SECRETS_DIR=secrets, DATABASE_URL="postgresql://settle:own@db/settle").database_url

    assert found is not None
    assert found.get_secret_value() == "postgresql://settle:own@db/settle"


def test_a_missing_folder_of_secrets_stops_the_start(read: ReadSettings, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="SETTLE_SECRETS_DIR: there is no folder"):
        read(SECRETS_DIR=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "tooshort"),
        ("SECRET_KEY", ""),
        ("DATABASE_PASSWORD", ""),
        ("BROKER_PASSWORD", ""),
        ("FLOWER_BASIC_AUTH", "justoneword"),
        ("FLOWER_BASIC_AUTH", "ops:"),
    ],
)
def test_a_weak_or_empty_secret_stops_the_start_and_is_named_but_not_shown(
    read: ReadSettings, name: str, value: str
) -> None:
    with pytest.raises(BadSettings, match=f"SETTLE_{name}: ") as refused:
        read(**{name: value})

    assert not value or value not in refused.value.message


def test_an_empty_secret_file_stops_the_start(read: ReadSettings, secrets: Path) -> None:
    (secrets / "settle_secret_key").write_text("\n")

    with pytest.raises(BadSettings, match="SETTLE_SECRET_KEY: "):
        read(SECRETS_DIR=secrets)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SMTP_URL": "http://me:hidden@mail.example"}, "SETTLE_SMTP_URL"),
        ({"SMTP_URL": "smtp://"}, "SETTLE_SMTP_URL"),
        ({"SMTP_URL": "smtp://me:hidden@mail.example:port"}, "SETTLE_SMTP_URL"),
        ({"SMTP_URL": "smtp://me:hidden@mail.example"}, "SETTLE_MAIL_FROM"),
        ({"MAIL_FROM": "settle@mail.example\nBcc: x@y.example"}, "SETTLE_MAIL_FROM"),
        ({"PUBLIC_URL": "settle.example"}, "SETTLE_PUBLIC_URL"),
    ],
)
def test_an_invalid_mail_configuration_stops_the_start_and_hides_the_password(
    read: ReadSettings, variables: dict[str, str], named: str
) -> None:
    with pytest.raises(BadSettings) as refused:
        read(**variables)

    assert named in refused.value.message
    assert "hidden" not in refused.value.message
