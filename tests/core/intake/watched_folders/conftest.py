"""A watched folder, and the worker that looks into it: the test's process."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.intake.uploads import import_queries, lifecycle
from core.intake.watched_folders import look, setup
from core.jobs import event_sentences
from core.models.imports import ImportJob
from core.models.watched_folders import WatchedFolder
from core.notices import inbox
from tests.factories import NOW, a_practice
from tests.folders import open_folder
from tests.remittances import clp, svc
from tests.uploads import BYTES_MAX, Uploads, uploads_of
from tests.x12_files import PLAIN, claim_loop, interchange, remittance, sent_file

CLAIMS = PLAIN.write(sent_file(claim_loop("A1", ("60",))))
ANSWER = clp("A1", "60", "40", svc("60", "40", "CO*45*10", "PR*2*10", code="HC:99211:25"), patient="10")
PAID = PLAIN.write(interchange([remittance([ANSWER], paid="40")]))
CUT = CLAIMS[: CLAIMS.index("SE*")]
EVERY = dt.timedelta(minutes=5)


class Watching:
    """A watched folder, and the worker that looks into it: this process."""

    def __init__(self, uploads: Uploads, root: Path) -> None:
        self.uploads, self.root, self.path, self.now = uploads, root, root / "lakeside", NOW
        self.path.mkdir(parents=True)
        self.practice = uploads.practice

    def watch(self, *, imports_clean: bool = True) -> None:
        with transaction(self.practice.sessions) as session:
            setup.watch(session, "lakeside", imports_clean=imports_clean, by=self.practice.biller, now=NOW)

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
        return path

    def put_and_look(self, **files: str | bytes) -> None:
        """Put files, whose endings follow a double underscore, and look until they are claimed and worked on."""
        for name, content in files.items():
            self.put(name.replace("__", "."), content)
        self.look()
        self.look()

    def look(self) -> None:
        """Look once, some minutes later, and do the worker's part until there is none."""
        self.now += EVERY
        sessions = self.practice.sessions
        assert look.look(sessions, self.root, every=EVERY, bytes_max=BYTES_MAX, now=self.now)
        while self.uploads.work(now=self.now):
            look.follow(sessions, self.root, bytes_max=BYTES_MAX, now=self.now)

    def tree(self) -> list[str]:
        """Return the files. Groups are called GROUP."""
        paths = (path.relative_to(self.path).parts for path in self.path.rglob("*") if not path.is_dir())
        return sorted("/".join(("claimed", "GROUP", *parts[2:]) if parts[0] == "claimed" else parts) for parts in paths)

    def jobs(self) -> list[ImportJob]:
        with self.practice.sessions() as session:
            found = import_queries.list_imports(session, self.practice.id, limit=50)
            return [import_queries.find(session, lifecycle.key_of(job)) for job in reversed(found)]

    def folder(self) -> WatchedFolder:
        with self.practice.sessions() as session:
            return session.get_one(WatchedFolder, self.practice.id)

    def notices(self, of: Actor | None = None) -> list[str]:
        """Return the sentences of a user's notices, of the biller by default."""
        with self.practice.sessions() as session:
            found = inbox.list_notices(session, of or self.practice.biller, limit=9)
            return [event_sentences.sentence(one.event) for one in found]


@pytest.fixture
def watching(sessions: Sessions, tmp_path: Path) -> Iterator[Watching]:
    """A folder that imports what is clean."""
    practice = a_practice(sessions)
    with uploads_of(practice, tmp_path / "template") as uploads, open_folder() as root:
        root.chmod(0o755)
        found = Watching(uploads, root)
        found.watch()
        yield found
