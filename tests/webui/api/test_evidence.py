"""The results of a job by API: its three files, its certificate, and why a claim was skipped."""

import csv
import datetime as dt
import io
import re
import zipfile
from xml.etree import ElementTree as ET

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import CLAIMS, Api, World
from tests.webui.api.test_jobs import CAN_SETTLE, refused

FILES = ["settled", "not-settled", "not-processed"]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def rows_of_csv(api: Api, job_id: str, file: str) -> list[dict[str, str]]:
    answer = api.get(f"/settle-jobs/{job_id}/{file}.csv")
    assert (answer.status_code, answer.content_type) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    return [row for row in rows if row["Claim ID"] != "Total"]


def sheet_of(content: bytes) -> list[list[str]]:
    """Return the texts and numbers of a workbook's first sheet by row, without the library that wrote it."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 – our own file
    assert not sheet.findall(".//{*}f"), "a formula"
    return [
        ["".join(part.text or "" for part in cell.iter() if part.tag.endswith(("}t", "}v"))) for cell in row]
        for row in sheet.iter("{http://schemas.openxmlformats.org/spreadsheetml/2006/main}row")
    ]


def test_the_three_files_list_every_claim_once_and_add_up(world: World, biller: Api) -> None:
    job_id = biller.settled(world)
    progress = biller.get(f"/settle-jobs/{job_id}/progress").json
    files = {file: rows_of_csv(biller, job_id, file) for file in FILES}

    ids = [row["Claim ID"] for rows in files.values() for row in rows]
    assert len(ids) == len(set(ids)) == CLAIMS
    assert len(files["settled"]) == progress["settled"]
    assert len(files["not-settled"]) == progress["skipped"] + progress["failed"]
    for side in ("insurance", "patient"):
        written_off = sum(int(row[f"{side.capitalize()} written off"].replace(".", "")) for row in files["settled"])
        assert written_off == progress["written_off_cents"][side]
    assert all(row["Code"] and row["What happened"] and row["Why"] for row in files["not-settled"])
    items = biller.get(f"/settle-jobs/{job_id}/items?outcome=skipped&limit=200").json["items"]
    again = {row["Claim ID"]: row["Can be tried again"] for row in files["not-settled"]}
    assert again == {item["claim_id"]: item["try_again_words"] for item in items}
    assert {item["try_again"] for item in items} == {"after_change", "no"}


def test_claims_not_processed_are_in_their_file_while_the_job_waits(biller: Api) -> None:
    job_id = biller.previewed(CAN_SETTLE)
    count = biller.get(f"/settle-jobs/{job_id}").json["counts"]["claims"]
    assert [len(rows_of_csv(biller, job_id, file)) for file in FILES] == [0, 0, count]


def test_the_workbook_opens_and_has_the_same_rows_as_the_csv(world: World, biller: Api) -> None:
    job_id = biller.settled(world)
    for file in FILES:
        answer = biller.get(f"/settle-jobs/{job_id}/{file}.xlsx")
        plain = biller.get(f"/settle-jobs/{job_id}/{file}.csv").data.decode("utf-8-sig")

        assert (answer.status_code, answer.content_type) == (200, XLSX)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="job-{job_id}-{file}.xlsx"'
        sheet = sheet_of(answer.data)
        of_csv = list(csv.reader(io.StringIO(plain)))
        assert len(sheet) == len(of_csv)
        assert [row[:2] for row in sheet] == [row[:2] for row in of_csv]
        days = [dt.datetime.strptime(row[2], "%m/%d/%Y").date() for row in of_csv[1:] if row[0] != "Total"]  # noqa: DTZ007
        assert [dt.date(1899, 12, 30) + dt.timedelta(int(row[2])) for row in sheet[1 : len(days) + 1]] == days


def test_every_csv_begins_with_the_byte_order_mark_for_excel(world: World, biller: Api) -> None:
    biller.settled(world)
    files = [biller.get(f"/settle-jobs/1/{file}.csv") for file in FILES] + [world.api(Role.ADMIN).get("/audit.csv")]
    assert {file.data[:3] for file in files} == {b"\xef\xbb\xbf"}


def test_no_cell_of_a_file_is_a_formula(world: World, biller: Api) -> None:
    world.sql("UPDATE patient SET name = '=HYPERLINK(\"http://evil\")'")
    world.sql("UPDATE claim SET external_id = '@' || external_id")
    job_id = biller.settled(world)
    for file in FILES[:2]:
        for row in rows_of_csv(biller, job_id, file):
            assert row["Patient"].startswith("'=")
            assert row["Claim ID"].startswith("'@")
        names = {row[1] for row in sheet_of(biller.get(f"/settle-jobs/{job_id}/{file}.xlsx").data)[1:-1]}
        assert names == {'=HYPERLINK("http://evil")'}


def test_a_file_is_complete_and_its_session_is_closed_before_the_first_byte(
    world: World, biller: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.results.outcomes.FETCHED_CLAIMS", 7)
    monkeypatch.setattr("core.claims.export.ROWS_PER_PIECE", 10)
    job_id = biller.previewed()
    whole = rows_of_csv(biller, job_id, "not-processed")
    assert [row["Claim ID"] for row in whole] == [
        claim_id for (claim_id,) in world.sql(
            "SELECT external_id FROM claim JOIN job_item ON job_item.claim_id = claim.id WHERE job_id = :job "
            "ORDER BY position", job=int(job_id))
    ]  # fmt: skip

    answer = biller.get(f"/settle-jobs/{job_id}/not-processed.csv", buffered=False)
    pieces = answer.iter_encoded()
    next(pieces)
    assert int(answer.headers["Content-Length"]) > len(whole)
    assert world.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    acts = world.sql("SELECT act, facts FROM audit_entry WHERE act = 'job.file_downloaded'")
    assert [facts for _, facts in acts] == [{"file": "not-processed"}] * 2
    answer.close()


@pytest.mark.parametrize("name", ["everything.csv", "settled.pdf", "settled.csv.xlsx", "settled.CSV", ".csv"])
def test_an_unknown_file_of_a_job_is_not_found(biller: Api, name: str) -> None:
    assert refused(biller.get(f"/settle-jobs/{biller.previewed()}/{name}")) == (404, "not_found")


def test_a_file_of_an_unknown_job_is_not_found(reader: Api) -> None:
    for job_id in ("999999", "x", "0"):
        assert refused(reader.get(f"/settle-jobs/{job_id}/settled.csv")) == (404, "not_found")


# Certificate


def test_the_certificate_adds_up_to_the_cent_and_names_the_user_and_the_rules(world: World, biller: Api) -> None:
    job_id = biller.settled(world)
    progress = biller.get(f"/settle-jobs/{job_id}/progress").json
    certificate = biller.get(f"/settle-jobs/{job_id}/certificate").json

    assert (certificate["job_id"], certificate["practice"], certificate["confirmed_by"]) == (
        job_id,
        "Hill",
        "The biller",
    )
    for side in ("insurance_cents", "patient_cents", "total_cents"):
        before, moved, after = (
            certificate[part][side] for part in ("receivable_before", "written_off", "receivable_after")
        )
        assert before - moved == after
    assert certificate["written_off"]["patient_cents"] == progress["written_off_cents"]["patient"]
    assert certificate["reconciles"] is True
    assert (
        certificate["settled"] + certificate["skipped"] + certificate["failed"] + certificate["not_processed"] == CLAIMS
    )
    assert "on_hold" in certificate["rules"]
    assert not {"too_few_statements", "recent_statement"} & {*certificate["rules"]}
    assert {"too_few_statements", "recent_statement"} <= {*certificate["rules_off"]}
    assert certificate["items_sha256"] is None, "a biller does not compare fingerprints"
    proven = world.api(Role.APPROVER).get(f"/settle-jobs/{job_id}/certificate").json
    assert re.fullmatch(r"[0-9a-f]{64}", proven["items_sha256"])


# Reasons


def test_every_skipped_item_shows_the_values_that_its_rule_used(world: World, biller: Api) -> None:
    job_id = biller.settled(world)
    items = biller.get(f"/settle-jobs/{job_id}/items?outcome=skipped&limit=200").json["items"]
    assert items
    for item in items:
        assert item["why"], item
        assert len(item["why_words"]) == len(item["why"])
        assert all(seen["label"] and seen["value"] for seen in item["why_words"])
    settled = biller.get(f"/settle-jobs/{job_id}/items?outcome=settled").json["items"]
    assert {(item["why"], len(item["why_words"])) for item in settled} == {(None, 0)}
