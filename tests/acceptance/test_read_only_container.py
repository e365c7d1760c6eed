"""Files can be moved in and out of a container that runs as another user and can write only to /tmp.

No container engine is needed: a mount namespace makes each file system read-only except /tmp and the mounted folder.
The tests do not cover what only an engine does (its volume syntax, its image).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from core.local.broker import Broker
from tests.acceptance.own_postgres import SOCKET
from tests.fronts import HOST, front
from tests.servers import Databases

OTHER_USER = 65_534
# The folder is mounted first, because it may itself be under /tmp.
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$FOLDER" /mnt
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$@"
"""


def _can_be_tried() -> bool:
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv"))):
        return False
    as_other_user = ["setpriv", "--reuid", str(OTHER_USER), "--clear-groups", sys.executable, "-c", ""]
    tries = (["unshare", "--mount", "true"], as_other_user)
    return all(subprocess.run(words, check=False, capture_output=True).returncode == 0 for words in tries)


pytestmark = pytest.mark.skipif(
    not _can_be_tried(), reason="takes root, mount namespaces, and a checkout that another user may read"
)


class Container:
    """Run one command as `docker compose run --user … -v FOLDER:/mnt` does."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.user_id = OTHER_USER
        folder.chmod(0o755)
        os.chown(folder, self.user_id, -1)
        self._environment = {
            **os.environ, "FOLDER": str(folder), "USER_ID": str(self.user_id), "HOME": "/nonexistent",
            "SETTLE_DATABASE_URL": database_url, "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def settle(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        argv = ["unshare", "--mount", "bash", "-c", READ_ONLY, "bash", sys.executable, "-m", "core.cli", *words]
        return subprocess.run(argv, env=self._environment, capture_output=True, check=False, timeout=60)


def test_a_template_is_exported_claims_are_imported_and_nothing_else_is_written(
    servers: tuple[Databases, Broker], tmp_path: Path
) -> None:
    with servers[0].fresh() as url, front(Path(str(make_url(url).query["host"])) / SOCKET) as port:
        # The server's socket accepts only processes of this account.
        at = make_url(url).set(host=HOST, port=port, query={}).render_as_string()
        container = Container(tmp_path, at)

        template = container.settle("import", "csv", "--template", "/mnt/in")
        assert template.returncode == 0, template.stderr
        assert (tmp_path / "in" / "claims.csv").stat().st_uid == container.user_id != 0, "the files are the caller's"
        imported = container.settle("import", "csv", "/mnt/in", "--practice", "Your Practice")
        assert imported.returncode == 0, imported.stderr
        assert b"added" in imported.stdout

        refused = container.settle("import", "csv", "--template", "/var/in")
        assert refused.returncode != 0, "the file system is read-only"
