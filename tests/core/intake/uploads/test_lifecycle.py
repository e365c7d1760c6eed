"""An import is uploaded, checked without a trace, confirmed, and imported all or not at all, once."""

import csv
import datetime as dt
import io
from pathlib import Path

import pytest

from core.enums.imports import ImportStatus
from core.enums.people import Role
from core.errors import NotAllowed
from core.intake.parsing.faults import PLACES_MAX
from core.intake.uploads import commands, lifecycle, lists, receive, report
from core.intake.uploads.commands import NothingNew, TotalsDiffer
from core.intake.uploads.lifecycle import NoSuchImport, WrongImportStatus, key_of
from core.jobs.preview.freezing import IdempotencyMismatch
from tests.core.intake.synthea.test_synthea_files import Export
from tests.factories import NOW
from tests.uploads import Uploads

S = ImportStatus


def test_a_check_shows_everything_and_imports_nothing(uploads: Uploads) -> None:
    job = uploads.checked()

    assert job.status is S.READY
    assert job.report is not None
    assert job.report["added"]["claims"] == 2
    assert job.report["in_file"]["charges"]["number"] == 2
    assert [claim["claim_id"] for claim in job.report["first_claims"]] == ["184146026", "184146027"]
    assert [file["name"] for file in job.report["read"]] == sorted(uploads.files)
    assert uploads.count("claim") == 0
    assert uploads.count("import_piece") == len(uploads.files)


def test_import_adds_what_the_check_showed_and_deletes_the_files(uploads: Uploads) -> None:
    job = uploads.imported()

    assert job.status is S.IMPORTED
    assert uploads.count("claim") == 2
    assert uploads.count("import_piece") == 0
    assert not uploads.work(), "an import runs once"
    acts = [(entry.act, entry.user_id) for entry in uploads.practice.audited()]
    user = uploads.practice.biller.user_id
    assert acts == [
        (act, user) for act in ("import.uploaded", "import.confirmed", "practice.imported", "import.finished")
    ]


def test_a_second_confirmation_changes_nothing(uploads: Uploads) -> None:
    key = key_of(uploads.checked())
    for _ in range(2):
        assert uploads.practice.act(commands.confirm, key).status is S.IMPORTING
    uploads.work()
    assert uploads.practice.act(commands.confirm, key).status is S.IMPORTED
    assert len(uploads.practice.audited("import.confirmed")) == 1


def test_faults_refuse_an_import_and_are_grouped(uploads: Uploads) -> None:
    job = uploads.checked(uploads.changed("postings.csv", "-88.00", "NaN"))

    assert (job.status, job.refused_because) == (S.REFUSED, "faults")
    assert job.report is not None
    (group,) = job.report["faults"]
    assert (group["file"], group["columns"], group["count"]) == ("postings.csv", ["amount"], 1)
    assert group["places"] == [{"line": 3, "column": "amount", "value": "NaN", "note": None}]
    assert "write dollars and cents" in group["cure"]
    assert (uploads.count("claim"), uploads.count("import_piece")) == (0, 1), "the list of errors stays"


def test_every_location_of_an_error_is_in_the_list_of_errors(uploads: Uploads) -> None:
    rows = "".join(f"{n},184146026,1,patient,payment,-2.0x,patient,,,2025-05-01\n" for n in range(10, 1_510))
    postings = uploads.files["postings.csv"] + rows.encode()

    job = uploads.checked({**uploads.files, "postings.csv": postings})

    with uploads.practice.sessions() as session:
        text_ = b"".join(lists.list_pieces(session, key_of(job), lists.ERRORS)).decode("utf-8-sig")
    head, *places = csv.reader(io.StringIO(text_))
    assert head == ["File", "Line", "Column", "Value", "Note", "What to do"]
    first = len(uploads.files["postings.csv"].splitlines()) + 1
    assert [place[:4] for place in places] == [
        ["postings.csv", str(line), "amount", "'-2.0x"] for line in range(first, first + 1_500)
    ]


def test_the_same_files_again_say_so_and_cannot_be_imported(uploads: Uploads) -> None:
    first = uploads.imported()

    again = uploads.checked(key="again")

    assert again.report is not None
    assert (again.report["same_files_as"], again.report["nothing_new"]) == (first.id, True)
    with pytest.raises(NothingNew):
        uploads.practice.act(commands.confirm, key_of(again))


def test_an_import_is_shown_again_if_the_practice_changed_since_its_check(uploads: Uploads) -> None:
    waiting = key_of(uploads.checked(key="first"))
    uploads.imported(key="second")
    uploads.practice.act(commands.confirm, waiting)

    uploads.work()

    job = uploads.read(waiting)
    assert job.status is S.READY
    assert job.report is not None
    assert job.report["changed_since_check"]
    assert job.confirmed_by is None
    assert uploads.count("claim") == 2


def test_an_expected_total_that_differs_needs_to_be_accepted(uploads: Uploads) -> None:
    job = uploads.checked(expected_cents=100)
    with pytest.raises(TotalsDiffer) as refused:
        uploads.practice.act(commands.confirm, key_of(job))
    difference = refused.value.facts["difference_cents"]

    uploads.practice.act(commands.set_expected_total, key_of(job), 100 + difference)

    assert commands.difference_cents(uploads.read(key_of(job))) == 0
    assert uploads.practice.act(commands.confirm, key_of(job)).status is S.IMPORTING


def test_a_difference_can_be_accepted(uploads: Uploads) -> None:
    job = uploads.checked(expected_cents=100)

    accepted = uploads.practice.act(commands.confirm, key_of(job), accept_difference=True)

    assert accepted.status is S.IMPORTING


@pytest.mark.parametrize("status", [S.UPLOADING, S.STAGED, S.READY])
def test_an_unfinished_import_can_be_discarded(uploads: Uploads, status: ImportStatus) -> None:
    key = uploads.begin() if status is S.UPLOADING else uploads.upload()
    if status is S.READY:
        uploads.work()
    assert uploads.read(key).status is status

    for _ in range(2):
        assert uploads.practice.act(commands.discard, key).status is S.DISCARDED

    assert uploads.count("import_piece") == 0
    assert not uploads.work()


def test_an_imported_import_cannot_be_discarded(uploads: Uploads) -> None:
    key = key_of(uploads.imported())
    with pytest.raises(WrongImportStatus, match="The import is already imported, so it cannot be discarded"):
        uploads.practice.act(commands.discard, key)


def test_uploads_that_stopped_and_imports_that_no_user_confirmed_expire(uploads: Uploads) -> None:
    stopped, unconfirmed = uploads.begin(key="stopped"), key_of(uploads.checked(key="unconfirmed"))

    def expire(**later: float) -> int:
        return int(uploads.practice.do(commands.expire, now=NOW + dt.timedelta(**later)))

    assert expire(hours=23) == 0
    assert expire(hours=24) == 1
    assert (uploads.read(stopped).status, uploads.read(unconfirmed).status) == (S.DISCARDED, S.READY)
    assert expire(days=7) == 1
    assert uploads.read(unconfirmed).status is S.DISCARDED
    assert uploads.count("import_piece") == 0


def test_one_key_makes_one_import(uploads: Uploads) -> None:
    assert uploads.upload() == uploads.upload()
    with pytest.raises(IdempotencyMismatch):
        uploads.upload({"claims.csv": b"other"})


def test_another_practice_and_another_role_are_refused(uploads: Uploads) -> None:
    key = uploads.upload()
    approver = uploads.practice.person("approver@lakeside.example", Role.APPROVER)
    with pytest.raises(NotAllowed):
        uploads.practice.act(commands.discard, key, by=approver)
    with pytest.raises(NoSuchImport):
        uploads.practice.act(commands.discard, lifecycle.ImportKey(key.practice_id + 1, key.import_id))


def test_a_practice_has_at_most_five_unfinished_imports(uploads: Uploads) -> None:
    for number in range(receive.UNFINISHED_MAX):
        uploads.begin(key=str(number))
    with pytest.raises(receive.TooManyImports, match="5 unfinished imports"):
        uploads.begin(key="one more")


def test_all_places_of_a_mistake_are_kept_for_the_file(uploads: Uploads) -> None:
    rows = "".join(f"X{number},184146026,1,insurance,payment,NaN,primary,,,2025-04-01\n" for number in range(1_200))
    files = {**uploads.files, "postings.csv": uploads.files["postings.csv"] + rows.encode()}

    job = uploads.checked(files)

    (group,) = job.report["faults"] if job.report else ()
    assert (group["count"], len(group["places"])) == (1_200, PLACES_MAX)
    shown = report.with_first_places(job.report)
    assert shown is not None
    assert [place["line"] for place in shown["faults"][0]["places"]] == [7, 8, 9]


def test_an_export_of_synthea_goes_through_the_same_stages(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "synthea").mkdir()
    export = Export(tmp_path / "synthea", uploads.practice.sessions)
    export.claims("c1", "c2", "empty")
    files = {path.name: path.read_bytes() for path in export.path.iterdir()}

    refused = uploads.checked(files, key="all")
    job = uploads.imported(files, key="skip", options={"payments": "none", "skip_empty_claims": True})

    assert refused.report is not None
    assert refused.report["faults"][0]["file"] == "claims.csv"
    assert job.report is not None
    assert (job.status, job.report["source"], job.report["left_out"]) == (S.IMPORTED, "synthea", 1)
    assert job.report["in_file"]["insurance_payments"]["number"] == 0
    assert uploads.count("claim") == 2
