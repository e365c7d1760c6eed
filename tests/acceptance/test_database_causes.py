"""Commands, /readyz and the log report why the database cannot be used, and never with a name."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.cli import TRACE_VARIABLE, main
from core.db import causes
from core.db.engine import make_engine
from core.local import binaries, unprivileged
from core.local.postgres import Postgres
from core.settings import Settings, load_settings
from tests.acceptance.own_postgres import SOCKET, own_postgres
from tests.fronts import HOST, Authority, front, plain, postgres_tls
from tests.waiting import eventually
from webui.app import create_app

USER, PASSWORD, DATABASE = "settle", "a-right-password", "settle"
RULES = f"""
local all postgres trust
local all trusted trust
local {DATABASE},nowhere all scram-sha-256
"""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that requires passwords, at a plain address and at one with TLS."""

    postgres: Postgres
    socket: Path
    port: int
    tls_port: int
    authority: Authority
    other_ca: Path

    def url(self, *, user: str = USER, password: str | None = PASSWORD, name: str = DATABASE, **more: str) -> str:
        """Return an address of it. `more` are `host`, `port` and libpq options."""
        where = {"host": HOST, "port": str(self.port), **more}
        host, port = where.pop("host"), where.pop("port")
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@{host}:{port}/{name}?" + "&".join(f"{k}={v}" for k, v in where.items())

    def connect(self, *, user: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(host=str(self.socket.parent), user=user, dbname="postgres", autocommit=True)


@contextmanager
def a_server(folder: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        postgres, url = stack.enter_context(own_postgres())
        path = Path(str(make_url(url).query["host"])) / SOCKET
        authority, other = Authority.make(folder / "one"), Authority.make(folder / "other")
        port, tls_port = (
            stack.enter_context(front(path, greet)) for greet in (plain, postgres_tls(authority))
        )  # fmt: skip
        server = Server(postgres, path, port, tls_port, authority, other.ca_file)
        with server.connect() as connection:
            connection.execute(f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
            for role, how in (("locked", "NOLOGIN"), ("stranger", "LOGIN"), ("crowded", "LOGIN CONNECTION LIMIT 0")):
                connection.execute(f"CREATE ROLE {role} {how} PASSWORD '{PASSWORD}'")
            connection.execute(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC")
            connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO crowded")
            folder = path.parent.parent
            folder.with_name(f"{folder.name}.hba_file").write_text(RULES)
            connection.execute("SELECT pg_reload_conf()")
        eventually(lambda: "password" in str(_error_at(server.url(password="wrong"))))
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with a_server(tmp_path_factory.mktemp("tls")) as server:
        yield server


def _error_at(url: str) -> BaseException:
    engine = make_engine(url, pool_size=1)
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        return error
    finally:
        engine.dispose()
    return AssertionError(f"{url} let us in")


def _assert_reported_everywhere(url: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that the command, /readyz and the log report this cause, without a user or a password."""
    error = _error_at(url)
    cause = causes.diagnose(error)
    assert cause is not None, error
    assert (cause.code, str(error)) == (code, str(error))

    monkeypatch.setenv("SETTLE_DATABASE_URL", url)
    monkeypatch.delenv(TRACE_VARIABLE, raising=False)
    load_settings.cache_clear()
    typed = CliRunner().invoke(main, ["verify"])
    assert (typed.exit_code, typed.stderr) == (1, f"{cause.sentence}\n")
    monkeypatch.setenv(TRACE_VARIABLE, "1")
    traced = CliRunner().invoke(main, ["verify"]).stderr
    assert traced.startswith(f"{cause.sentence}\n")
    assert "Traceback" in traced
    load_settings.cache_clear()

    app = create_app(Settings.model_validate({"database_url": url, "broker_url": None}))
    ready = app.test_client().get("/readyz")
    app.extensions["settle"].engine.dispose()
    assert (ready.status_code, ready.json) == (
        503, {"status": "not ready", "cause": cause.code, "reason": cause.sentence}
    )  # fmt: skip

    facts = logs.error_facts(error)
    assert (facts["cause"], facts["why"]) == (cause.code, cause.sentence)
    user = make_url(url).username or "?"
    for shown in (typed.output, ready.text, json.dumps(facts), logs.error_kind(error)):
        assert PASSWORD not in shown
        assert HOST not in shown
        assert f'"{user}"' not in shown.replace('\\"', '"')


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("wrong_password", {"password": "wrong"}),
        ("wrong_password", {"user": "no-such-user"}),  # PostgreSQL does not report which of the two it was
        ("no_password", {"password": None}),
        ("unknown_role", {"user": "trusted"}),
        ("unknown_role", {"user": "locked"}),
        ("unknown_database", {"name": "nowhere"}),
        ("tls_required", {"name": "postgres"}),
        ("missing_privilege", {"user": "stranger"}),
        ("too_many_connections", {"user": "crowded"}),
        ("tls_not_offered", {"sslmode": "require"}),
        ("bad_address", {"sslmode": "sometimes"}),
        ("bad_address", {"no_such_option": "1"}),
        ("refused_setting", {"options": "-c%20log_min_duration_statement%3D100"}),
        ("refused_setting", {"options": "-c%20no_such_setting%3D1"}),
        ("refused", {"port": "1"}),
        ("unknown_host", {"host": "db.invalid"}),
    ],
)
def test_each_cause_of_a_refused_database_connection_is_reported(
    server: Server, code: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _assert_reported_everywhere(server.url(**given), code, monkeypatch)


@pytest.mark.parametrize(
    ("code", "host", "ca"),
    [
        ("missing_ca", "localhost", "/nowhere/ca.pem"),
        ("untrusted_certificate", "localhost", "other"),
        ("wrong_host_name", HOST, "one"),
    ],
)
def test_each_fault_of_a_certificate_is_reported(
    server: Server, code: str, host: str, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = {"one": str(server.authority.ca_file), "other": str(server.other_ca)}.get(ca, ca)
    at = {"port": str(server.tls_port), "sslmode": "verify-full"}
    trusted = server.url(host="localhost", sslrootcert=str(server.authority.ca_file), **at)
    psycopg.connect(trusted).close()

    _assert_reported_everywhere(server.url(host=host, sslrootcert=file, **at), code, monkeypatch)


@pytest.mark.parametrize(
    ("code", "answer"), [("not_postgresql", b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("connection_lost", b"")]
)
def test_a_server_that_is_not_a_database_is_reported(
    code: str, answer: bytes, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(100)
                    client.sendall(answer)

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        _assert_reported_everywhere(server.url(port=str(listener.getsockname()[1])), code, monkeypatch)


def test_a_missing_socket_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _assert_reported_everywhere(f"postgresql://settle@/settle?host={tmp_path}", "no_socket", monkeypatch)


def test_a_server_that_is_full_stopping_or_starting_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_server(tmp_path) as server, ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(server.url()))
        _assert_reported_everywhere(server.url(), "too_many_connections", monkeypatch)

        held.pop_all().close()
        keeper = held.enter_context(psycopg.connect(server.url()))
        server.postgres.child.process.send_signal(signal.SIGTERM)  # a "smart" shutdown waits for the last client
        eventually(lambda: "shutting" in str(_error_at(server.url())))
        _assert_reported_everywhere(server.url(), "shutting_down", monkeypatch)

        keeper.close()
        server.postgres.child.process.wait(60)
        data = server.socket.parent.parent / "data"
        (data / "recovery.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as conf:
            conf.write("restore_command = 'sleep 600'\n")  # the server stays in startup until this command ends
        server.postgres._child = server.postgres._launch(_place_of(server.postgres), data)
        eventually(lambda: "start" in str(_error_at(server.url())))
        _assert_reported_everywhere(server.url(), "starting_up", monkeypatch)
        server.postgres.child.kill()


def _place_of(postgres: Postgres) -> unprivileged.PostgresLocation:
    return unprivileged.choose_location(binaries.find_postgres(), postgres._wanted)
