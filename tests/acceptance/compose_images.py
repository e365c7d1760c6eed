"""What the images of PostgreSQL and Redis do with a service of the compose file, done by the wheels' programs.

The image of PostgreSQL creates its data at the first start. It runs `initdb` with the words of POSTGRES_INITDB_ARGS and
the superuser's password, requires a password from every address, and runs the files of /docker-entrypoint-initdb.d. The
image of Redis runs the command unchanged.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from core.local import binaries, unprivileged
from core.local.sockets import socket_folder
from tests.acceptance.compose_file import CONTENT, HOUSE, Service

SUPERUSER = "postgres"  # the image's default for POSTGRES_USER

# The wheel has no redis-cli. This one supports what the health check uses: the same options and variable.
_REDIS_CLI = f"""#!{sys.executable}
import os, sys
from redis import Redis
flag_host, host, flag_port, port, *command = sys.argv[1:]
assert (flag_host, flag_port) == ("-h", "-p"), sys.argv
answer = Redis(host, int(port), password=os.environ.get("REDISCLI_AUTH"), socket_timeout=5).execute_command(*command)
print("PONG" if answer is True else answer)
"""


def programs(folder: Path) -> list[Path]:
    """Return the folders to add to PATH so that the images' programs are found."""
    folder.mkdir()
    (folder / "redis-server").symlink_to(binaries.find_broker())
    (folder / "redis-cli").write_text(_REDIS_CLI)
    (folder / "redis-cli").chmod(0o755)
    return [folder, binaries.find_postgres()]


class PostgresImage:
    """The data folder of a PostgreSQL container."""

    def __init__(self, service: Service, *, volume: Path, environment: Mapping[str, str]) -> None:
        """Keep the service's `environment`, with this machine's paths in it."""
        assert "POSTGRES_USER" not in environment
        self._service, self._environment = service, environment
        self._place = unprivileged.choose_location(binaries.find_postgres(), volume)
        self.user = self._place.user
        self._data = self._place.folder / "data"
        self._sockets = socket_folder(self._place.folder / "socket", owner=self.user)

    def command(self, words: list[str]) -> list[str]:
        """Return the command as the image runs it, with its data folder and this machine's address."""
        assert words[0] == "postgres"
        where = ["-D", str(self._data), f"--unix_socket_directories={self._sockets}", "--listen_addresses=127.0.0.1"]
        return [str(self._place.binaries / "postgres"), *words[1:], *where]

    def make_data(self) -> None:
        """Create the data, as the image does before the server's first start."""
        password = self._environment["POSTGRES_PASSWORD_FILE"]
        self._run(
            "initdb", "-D", self._data, f"--username={SUPERUSER}", f"--pwfile={password}",
            "--auth-local=trust", "--auth-host=scram-sha-256", *self._environment["POSTGRES_INITDB_ARGS"].split(),
        )  # fmt: skip
        only_here = f"-c listen_addresses='' -c unix_socket_directories={self._sockets}"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", only_here, "-l", self._place.folder / "first.log", "start")
        try:
            for script in 2 * self._scripts():  # an administrator runs role.sql again on an existing installation
                connect = (f"--host={self._sockets}", f"--username={SUPERUSER}", "--dbname=postgres")
                self._run("psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", *connect, f"--file={script}")
        finally:
            self._run("pg_ctl", "-D", self._data, "-w", "-m", "fast", "stop")

    def _scripts(self) -> list[Path]:
        """Copy the configs for /docker-entrypoint-initdb.d to where PostgreSQL can read them. Return the copies."""
        copies = []
        for config in self._service.says["configs"]:
            assert config["target"].startswith("/docker-entrypoint-initdb.d/")
            copy = self._place.folder / Path(config["target"]).name
            copy.write_bytes((HOUSE / CONTENT["configs"][config["source"]]["file"]).read_bytes())
            copies.append(copy)
        return copies

    def _run(self, program: str, *words: str | Path) -> None:
        done = subprocess.run(
            [self._place.binaries / program, *words],
            env={"PATH": os.defpath, "LC_ALL": "C", **self._environment},
            cwd=self._place.folder, user=self.user, group=self.user,
            extra_groups=None if self.user is None else [],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"
