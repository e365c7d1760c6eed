"""Files that arrive in a practice's folder are imported once, or refused with a reason, whatever happens meanwhile."""

import datetime as dt
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.engine import transaction
from core.intake.uploads import commands, import_queries, lifecycle
from core.intake.watched_folders import look, setup
from core.jobs import event_sentences
from core.models.imports import ImportJob, ImportStatus
from core.models.watched_folders import WatchedFolder
from core.notices import inbox
from tests.factories import NOW, GivenPractice, a_practice
from tests.remittances import clp, svc
from tests.uploads import BYTES_MAX, Uploads, uploads_of
from tests.x12_files import PLAIN, claim_loop, interchange, remittance, sent_file

CLAIMS = PLAIN.write(sent_file(claim_loop("A1", ("60",))))
ANSWER = clp("A1", "60", "40", svc("60", "40", "CO*45*10", "PR*2*10", code="HC:99211:25"), patient="10")
PAID = PLAIN.write(interchange([remittance([ANSWER], paid="40")]))
CUT = CLAIMS[: CLAIMS.index("SE*")]
EVERY = dt.timedelta(minutes=5)
S = ImportStatus


class Watching:
    """A watched folder, and the worker that looks into it: this process."""

    def __init__(self, uploads: Uploads, root: Path) -> None:
        self.uploads, self.root, self.path, self.now = uploads, root, root / "lakeside", NOW
        self.path.mkdir(parents=True)
        self.practice = uploads.practice

    def watch(self, *, imports_clean: bool = True) -> None:
        with transaction(self.practice.sessions) as session:
            setup.watch(session, "lakeside", imports_clean=imports_clean, by=self.practice.biller, now=NOW)

    def put(self, name: str, content: str) -> Path:
        path = self.path / name
        path.write_bytes(content.encode("latin-1"))
        return path

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

    def notices(self) -> list[str]:
        with self.practice.sessions() as session:
            found = inbox.list_notices(session, self.practice.biller, limit=9)
            return [event_sentences.sentence(one.event) for one in found]


@pytest.fixture
def watching(sessions: object, tmp_path: Path) -> Iterator[Watching]:
    """A folder that imports what is clean."""
    practice: GivenPractice = a_practice(sessions)  # type: ignore[arg-type]
    with uploads_of(practice, tmp_path / "template") as uploads:
        found = Watching(uploads, tmp_path / "root")
        found.watch()
        yield found


def test_what_is_clean_is_imported_claims_first_after_a_second_look(watching: Watching) -> None:
    watching.put("1.835", PAID)
    watching.put("2.837", CLAIMS)
    for ignored in (".hidden.837", "3.837.part", "~4.837", "5.837.TMP"):
        watching.put(ignored, CLAIMS)
    watching.look()
    assert watching.jobs() == []
    watching.put("6.837", CLAIMS[:50])  # its writer has just begun

    watching.look()

    (job,) = watching.jobs()
    assert (job.status, job.requested_by, job.confirmed_by) == (S.IMPORTED, *[watching.practice.biller.user_id] * 2)
    claim = watching.practice.read("A1")
    assert (claim.insurance_due, claim.patient_due, claim.primary_paid) == (0, 10_00, 40_00)
    ignored = [".hidden.837", "3.837.part", "5.837.TMP", "6.837", "done/1.835", "done/2.837", "~4.837"]
    assert watching.tree() == ignored
    assert watching.notices() == []
    (watching.path / "6.837").write_text(CLAIMS)
    watching.look()
    assert "6.837" in watching.tree(), "it changed since the last look"
    watching.look()
    assert watching.tree()[3:5] == ["done/1.835", "done/2.837"]
    assert "done/6.837" in watching.tree()
    assert (
        watching.path / "done/6.837.txt"
    ).read_text() == "Import 1 has the same content. Nothing was imported again.\n"
    assert len(watching.jobs()) == 1


def test_a_practice_that_did_not_choose_it_confirms_each_import(watching: Watching) -> None:
    watching.watch(imports_clean=False)
    watching.put("a.837", CLAIMS)

    for _ in range(3):
        watching.look()

    (job,) = watching.jobs()
    assert job.status is S.READY
    assert watching.tree() == ["claimed/GROUP/a.837"]
    assert watching.notices() == ["Import 1 from the watched folder waits for you"], "one notice, however often"
    watching.practice.act(commands.confirm, lifecycle.key_of(job))
    watching.look()
    assert watching.tree() == ["done/a.837"]


def test_a_warning_waits_for_a_user_and_what_is_discarded_is_refused(watching: Watching) -> None:
    watching.put("a.837", PLAIN.write(sent_file(claim_loop("A1", ("60",), patient_paid="5"))))
    watching.look()
    watching.look()
    (job,) = watching.jobs()
    assert job.status is S.READY
    assert "The files mention $5.00 paid by patients." in job.report["warnings"][0]  # type: ignore[index]

    watching.practice.act(commands.discard, lifecycle.key_of(job))
    watching.look()

    assert watching.tree() == ["refused/a.837", "refused/a.837.txt"]
    assert (watching.path / "refused/a.837.txt").read_text().startswith("Import 1 was discarded")
    assert watching.uploads.count("claim") == 0


def test_a_bad_file_is_refused_with_its_reason_and_the_others_are_imported(watching: Watching) -> None:
    watching.put("bad.837", CUT)
    watching.put("good.837", CLAIMS)
    watching.put("letter.pdf", "%PDF SAMPLE, PETRA")
    watching.put("empty.835", "")
    watching.look()
    watching.look()

    watching.look()

    refused = [f"refused/{name}{end}" for name in ("bad.837", "empty.835", "letter.pdf") for end in ("", ".txt")]
    assert watching.tree() == ["done/good.837", *refused]
    words = {path.name: path.read_text() for path in (watching.path / "refused").glob("*.txt")}
    assert "the transaction ends without its SE segment; ask the sender for the whole file" in words["bad.837.txt"]
    assert words["letter.pdf.txt"].startswith("This file is not X12")
    assert words["empty.835.txt"].startswith("empty.835 is empty.")
    assert not any("SAMPLE" in text for text in words.values())
    assert [job.status for job in watching.jobs()] == [S.REFUSED, S.IMPORTED]
    assert watching.notices() == ["Import 1 from the watched folder was stopped"]


def test_nothing_is_reached_through_a_link_and_no_earlier_file_is_overwritten(
    watching: Watching, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.837"
    secret.write_text(CLAIMS)
    (watching.path / "link.837").symlink_to(secret)
    os.mkfifo(watching.path / "pipe.837")
    (watching.path / "sub").mkdir()
    (watching.path / "sub" / "deep.837").write_text(CLAIMS)
    (watching.path / "done").mkdir()
    (watching.path / "done" / "a.837").write_text("earlier")
    watching.put("a.837", CLAIMS)
    watching.look()
    watching.look()
    left = ["done/a (2).837", "done/a.837", "link.837", "pipe.837", "sub/deep.837"]
    assert watching.tree() == left
    assert (watching.path / "done" / "a.837").read_text() == "earlier"
    assert stat.S_ISFIFO((watching.path / "pipe.837").stat().st_mode)

    (watching.path / "refused").symlink_to(tmp_path)
    watching.put("b.pdf", "no")
    watching.look()
    watching.look()

    assert watching.folder().problem == "This is not a folder, or it is a symbolic link."
    assert not list(tmp_path.glob("b*"))
    for wrong in ("../other", "/etc", ".", "a/b"):
        with transaction(watching.practice.sessions) as session, pytest.raises(setup.BadFolderName):
            setup.watch(session, wrong, imports_clean=False, by=watching.practice.biller, now=NOW)


def test_what_stops_the_work_is_listed_and_tried_again(watching: Watching) -> None:
    watching.put("a.837", CLAIMS)
    watching.look()
    moved = watching.path.rename(watching.root / "elsewhere")
    watching.look()
    assert watching.folder().problem == "The folder does not exist."
    moved.rename(watching.path)
    watching.practice.sql("UPDATE app_user SET active = false")
    watching.look()
    assert watching.folder().problem == "The user who imports from this folder was deactivated. Name another one."
    assert watching.tree() == ["claimed/GROUP/a.837"]
    watching.practice.sql("UPDATE app_user SET active = true")

    watching.look()

    assert watching.folder().problem is None
    assert watching.tree() == ["done/a.837"]
