"""Files that arrive in a practice's folder are imported once, or refused with a reason, whatever happens meanwhile."""

import os
import stat
from pathlib import Path

import pytest

from core.db.engine import transaction
from core.enums.imports import ImportStatus
from core.intake.uploads import commands, lifecycle
from core.intake.watched_folders import setup
from tests.core.intake.watched_folders.conftest import CLAIMS, CUT, PAID, Watching
from tests.factories import NOW
from tests.uploads import zipped
from tests.x12_files import PLAIN, claim_loop, sent_file

S = ImportStatus


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
    assert watching.notices() == [
        "Import 1 from the watched folder was stopped",
        "2 files from the watched folder were refused; see the .txt files in its folder refused",
    ]


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

    problem = f"{watching.path}/refused: it is not a folder, or it is a symbolic link. Replace it with a folder."
    assert watching.folder().problem == problem
    assert not list(tmp_path.glob("b*"))
    for wrong in ("../other", "/etc", ".", "a/b"):
        with transaction(watching.practice.sessions) as session, pytest.raises(setup.BadFolderName):
            setup.watch(session, wrong, imports_clean=False, by=watching.practice.biller, now=NOW)


def test_a_zip_is_imported_like_an_upload_and_refused_as_a_whole(watching: Watching) -> None:
    claims = PLAIN.write(sent_file(claim_loop("B1", ("60",))))
    watching.put_and_look(
        week__zip=zipped({"1.835": PAID.encode(), "2.837": CLAIMS.encode()}),
        bad__zip=zipped({"cut.837": CUT.encode(), "table.csv": b"a,b"}), broken__ZIP=b"PK no zip", one__837=claims,
    )  # fmt: skip

    claim = watching.practice.read("A1")
    assert (claim.insurance_due, claim.patient_due) == (0, 10_00)
    assert watching.practice.read("B1").insurance_due == 60_00
    refused = [f"refused/{name}{end}" for name in ("bad.zip", "broken.ZIP") for end in ("", ".txt")]
    assert watching.tree() == ["done/one.837", "done/week.zip", *refused]
    words = {path.name: path.read_text() for path in (watching.path / "refused").glob("*.txt")}
    assert "cut.837: the transaction ends without its SE segment" in words["bad.zip.txt"]
    assert "\nthis is not a zip file, or it is damaged;" in words["broken.ZIP.txt"]
    watching.put_and_look(again__zip=zipped({"2.837": CLAIMS.encode()}))
    watching.look()
    assert "already has everything" in (watching.path / "done/again.zip.txt").read_text()
