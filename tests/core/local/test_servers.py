"""The product's own PostgreSQL and Valkey: private, and configured for tests."""

import os
import stat
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from tests.servers import Databases, broker_client


def test_each_test_gets_its_own_migrated_database(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM canary")) == 0
        assert connection.scalar(text("SHOW server_encoding")) == "UTF8"


def test_the_products_database_role_is_not_a_superuser(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_setting('is_superuser')")) == "off"


def test_the_database_listens_on_a_private_socket_only(engine: Engine, database_url: str) -> None:
    (folder,) = parse_qs(urlsplit(database_url).query)["host"]
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW listen_addresses")) == ""
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_the_databases_log_contains_no_value_of_a_row_or_statement(databases: Databases, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE person (name text UNIQUE)"))
        connection.execute(text("INSERT INTO person VALUES ('Jane Doe')"))
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO person VALUES ('Jane Doe')"))

    log = databases.server._log.read_text()
    assert "duplicate key value violates unique constraint" in log
    assert "Jane" not in log


def test_the_broker_listens_on_a_private_socket_only_and_keeps_hints_on_disk(broker_url: str) -> None:
    client = broker_client(broker_url)
    assert client.config_get("port") == {"port": "0"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert stat.S_IMODE(Path(urlsplit(broker_url).path).parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_database_refuses_other_processes_of_its_own_account(databases: Databases, database_url: str) -> None:
    (folder,) = parse_qs(urlsplit(database_url).query)["host"]
    programs = Path(databases.server.child.process.args[0]).parent
    psql = [programs / "psql", f"--host={folder}", "--username=postgres", "--command=SELECT 1"]

    tried = subprocess.run(psql, user=Path(folder).stat().st_uid, extra_groups=[], capture_output=True, check=False)

    assert b"Peer authentication failed" in tried.stderr
