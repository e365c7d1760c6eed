"""Run our own PostgreSQL on a unix socket in a private folder."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from core.db import roles
from core.errors import Refusal
from core.local import binaries, unprivileged
from core.local.guardian import DATABASE, Child, Guardian, StopPolicy
from core.local.local_server import LocalServer
from core.local.sockets import socket_folder

ROLE: Final = "settle"
# As in core/db/role.sql.
_ROLES: Final = {ROLE: "LOGIN CREATEDB", roles.WEB: "LOGIN NOINHERIT", roles.WORKER: "LOGIN", roles.OPERATIONS: ""}
_SUPERUSER: Final = "postgres"
_BUILTIN_LOCALES_SINCE: Final = 17
_START_SECONDS = 60  # including recovery after a crash
_STOP_SECONDS = 20
_STOP_POLICY: Final = StopPolicy(
    signal.SIGINT, DATABASE, _STOP_SECONDS
)  # "fast" shutdown; SIGTERM would wait for the last client
_LOOK_SECONDS = 0.02

_SERVER_SETTINGS = {
    "listen_addresses": "",  # the socket only
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A server's log must not contain what a statement or a row contains.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_NON_DURABLE_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",  # PostgreSQL looks at each buffer when it shortens a table, and tests empty all tables
}


class PostgresFailed(Refusal):
    """PostgreSQL did not start."""


class OtherPostgresVersion(Refusal):
    """A different major version of PostgreSQL created the database in the data folder."""


class Postgres(LocalServer):
    """One server with its folder, a database `settle` owned by the role `settle`, and the product's other roles.

    Only processes of the current user can connect.
    """

    def __init__(
        self,
        folder: Path,
        guardian: Guardian,
        *,
        log: Path,
        durable: bool = True,
        programs: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Keep the data below `folder`. `durable=False` is for tests: a crash of the machine may destroy it.

        `programs` replaces the bin folder that was found. `say` is called with a message if data or programs
        had to be placed elsewhere.
        """
        self._wanted = folder.absolute()
        self._guardian = guardian
        self._log = log
        self._settings = _SERVER_SETTINGS | ({} if durable else _NON_DURABLE_SETTINGS)
        self._programs = programs
        self._say = say
        self._sockets = folder

    @property
    def url(self) -> str:
        """Return the database's URL for its owner, once started."""
        return self.url_for(ROLE)

    def url_for(self, role: str) -> str:
        """Return the database's URL for a role, once started."""
        return f"postgresql://{role}@/{ROLE}?host={quote(str(self._sockets))}"

    def start(self) -> Child:
        """Create the database if needed, start the server, and wait until it answers. Raise a `Refusal`."""
        place = unprivileged.choose_location(self._programs or binaries.find_postgres(), self._wanted)
        if place.folder != self._wanted:
            self._say(
                f'PostgreSQL runs as user "nobody", which has no access to {self._wanted.parent}. '
                f"Its data is in {place.folder}."
            )
        self._sockets = socket_folder(place.folder / "socket", owner=place.user)
        data = place.folder / "data"
        if not data.exists():
            _initialize(place, data)
        _refuse_other_version(place, data)
        _stop_leftover_server(data)
        self._child = self._launch(place, data)
        self._wait_until_it_answers()
        self._make_database()
        return self._child

    def _launch(self, place: unprivileged.PostgresLocation, data: Path) -> Child:
        settings = self._settings | {"unix_socket_directories": str(self._sockets)} | _write_access_rules(place)
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return self._guardian.start(
            [place.binaries / "postgres", "-D", data, *words],
            log=self._log,
            ending=_STOP_POLICY,
            env=_clean_environment(),
            cwd=place.folder,
            user=place.user,
        )

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self._sockets), user=_SUPERUSER, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError:
                if not self.child.is_running() or time.monotonic() > until:
                    self.stop()
                    raise PostgresFailed(f"PostgreSQL did not start. See its log: {self._log}.") from None
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def _make_database(self) -> None:
        name = sql.Identifier(ROLE)
        with self._connect() as connection:
            for role, rights in _ROLES.items():
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                    connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), sql.SQL(rights)))
            connection.execute(f"GRANT {roles.OPERATIONS} TO {roles.WEB}".encode())
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [ROLE]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))


def _initialize(place: unprivileged.PostgresLocation, data: Path) -> None:
    """Create the cluster under a temporary name, and rename it once it is complete."""
    partial = data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if (binaries.postgres_major(place.binaries) or 0) < _BUILTIN_LOCALES_SINCE:
        locale = ["--locale=C.UTF-8"]
    done = subprocess.run(  # noqa: S603 – found by us
        [
            place.binaries / "initdb",
            "-D",
            partial,
            "--encoding=UTF8",
            *locale,
            "--auth=reject",  # each start gives its own rules
            f"--username={_SUPERUSER}",
            "--no-instructions",
        ],
        env=_clean_environment(),
        cwd=place.folder,
        user=place.user,
        group=place.user,
        extra_groups=None if place.user is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PostgresFailed(f"PostgreSQL could not create its data folder {data}: {done.stderr.strip()}")
    partial.rename(data)


def _write_access_rules(place: unprivileged.PostgresLocation) -> dict[str, str]:
    """Let only processes of the current user connect, as any of our roles. Return the server's settings for it.

    If we are root, the server has an account of its own, which other programs may share.
    """
    user = pwd.getpwuid(os.geteuid()).pw_name
    # Beside the folder, because the account of the server could replace a file in it.
    allowed = [f'product "{user}" {role}\n' for role in (_SUPERUSER, ROLE, roles.WEB, roles.WORKER)]
    files = {"hba_file": "local all all peer map=product\n", "ident_file": "".join(allowed)}
    settings = {}
    for name, rules in files.items():
        path = place.folder.with_name(f"{place.folder.name}.{name}")
        path.write_text(rules)
        path.chmod(0o600 if place.user is None else 0o644)
        settings[name] = str(path)
    return settings


def _refuse_other_version(place: unprivileged.PostgresLocation, data: Path) -> None:
    made_by, found = (int((data / "PG_VERSION").read_text()), binaries.postgres_major(place.binaries))
    if made_by != found:
        raise OtherPostgresVersion(
            f"PostgreSQL {made_by} created the database in {data}, but this is PostgreSQL {found}. "
            f"Choose another --data-dir, or dump the database with {made_by} and restore it with {found}."
        )


def _stop_leftover_server(data: Path) -> None:
    """Clean up after a killed run: stop a server that still runs on this data, and remove its pid file.

    The caller has locked the data folder, so no other run owns it.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not _is_postgres_on(pid, data):
        # The process id may now belong to a different process, and PostgreSQL would refuse to start.
        pid_file.unlink(missing_ok=True)
        return
    until = time.monotonic() + _STOP_SECONDS
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
        while pid_file.exists() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)


def _is_postgres_on(pid: int, data: Path) -> bool:
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        ps = shutil.which("ps")  # on macOS
        listing = [ps, "-p", str(pid), "-o", "command="] if ps else ["false"]
        return os.fsencode(data) in subprocess.run(listing, capture_output=True, check=False).stdout  # noqa: S603


def _clean_environment() -> dict[str, str]:
    """Return the environment without the caller's PG… variables and without secrets."""
    return {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ} | {
        "LC_ALL": "C"
    }
