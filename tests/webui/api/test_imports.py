"""Imports by API: announce, send pieces, check, confirm, and each refusal."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.db.engine import make_engine, make_sessions
from core.enums.people import Role
from core.intake.csv.csv_template import write_template
from core.intake.uploads import run
from core.practices.create import create_practice
from tests.factories import NOW
from tests.own_export import MAPPING, csv_file, next_day, rows_of, workbook
from tests.webui.api.conftest import Api, World
from tests.x12_files import PLAIN, acknowledgment, claim_loop, sent_file
from webui.api.import_models import ImportAnswer

_keys = itertools.count(1)


@pytest.fixture
def biller(world: World) -> Api:
    """A biller of a practice without claims."""
    with make_sessions(world.engine).begin() as session:
        practice_id = create_practice(session, name="Lakeside", now=NOW)
    return world.api(Role.BILLER, practice_id)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The template's files."""
    write_template(tmp_path / "files")
    return {path.name: path.read_bytes() for path in sorted((tmp_path / "files").glob("*.csv"))}


def announce(api: Api, files: dict[str, bytes], key: str | None = None, **more: Any) -> TestResponse:
    body = {"files": [{"name": name, "bytes": len(content)} for name, content in files.items()], **more}
    return api.post("/imports", json=body, headers={"Idempotency-Key": key or f"import-{next(_keys)}"})


def uploaded(api: Api, files: dict[str, bytes], **more: Any) -> str:
    made = announce(api, files, **more)
    assert made.status_code == 201, made.json
    for index, content in enumerate(files.values()):
        sent = api.put(f"/imports/{made.json['id']}/files/{index}/pieces/0", data=content)
        assert sent.status_code == 204, sent.json
    assert api.post(f"/imports/{made.json['id']}/check").status_code == 202
    return str(made.json["id"])


def work(world: World) -> bool:
    more = make_engine(world.engine.url.render_as_string(hide_password=False))
    done = run.work(
        make_sessions(world.engine),
        progress_sessions=make_sessions(more),
        bytes_max=10**9,
        clock=lambda: NOW,  # after the dates in the template
    )
    more.dispose()
    return done


def test_files_are_checked_and_then_imported(world: World, biller: Api, files: dict[str, bytes]) -> None:
    import_id = uploaded(biller, files, expected_total_cents=23_250)
    assert work(world)

    checked = biller.get(f"/imports/{import_id}").json
    assert (checked["status"], checked["status_words"]) == ("ready", "ready to import")
    assert checked.keys() == ImportAnswer.model_fields.keys()
    assert checked["difference_cents"] == 0
    assert checked["report"]["added"]["claims"] == 2
    assert checked["files"][0]["sha256"] == hashlib.sha256(next(iter(files.values()))).hexdigest()
    assert biller.get("/claims/184146026").status_code == 404

    confirmed = biller.post(f"/imports/{import_id}/confirm", json={})
    assert (confirmed.status_code, confirmed.json["status"]) == (202, "importing")
    assert work(world)

    assert biller.get("/imports").json["imports"][0]["status"] == "imported"
    assert biller.get("/claims/184146026").status_code == 200


def test_sent_claims_and_then_their_acknowledgment_are_imported(world: World, biller: Api) -> None:
    wrong = [claim_loop(f"B{number}", ["60", "40.001"]) for number in range(12)]
    void = claim_loop("C1", frequency="8")
    sent, answer = PLAIN.write(sent_file(claim_loop(), *wrong, void)), PLAIN.write(acknowledgment(("A1", "A7")))
    for name, content in (("claims.837", sent), ("answer.277", answer)):
        import_id = uploaded(biller, {name: content.encode()})
        work(world)
        checked = biller.get(f"/imports/{import_id}").json
        assert (checked["status"], checked["report"]["source"]) == ("ready", "x12")
        assert [one["file"] for one in checked["report"]["x12"]["files"]] == [name]
        header, *places = biller.get(f"/imports/{import_id}/faults.csv").text.removeprefix("\ufeff").splitlines()
        assert header == "File,Line,Column,Value,Note,What to do"
        assert len(places) == checked["report"]["problems"] == (1 + 2 * len(wrong) if name == "claims.837" else 0)
        assert all(place.startswith(("claims.837,,,B", "claims.837,,,C1,")) for place in places)
        assert biller.post(f"/imports/{import_id}/confirm", json={}).status_code == 202
        work(world)
        assert biller.get(f"/imports/{import_id}").json["status"] == "imported"

    claim = biller.get("/claims/A1").json
    assert (claim["billed_cents"], claim["primary_status"]) == (100_00, "Rejected")


def test_a_difference_is_refused_until_it_is_accepted(world: World, biller: Api, files: dict[str, bytes]) -> None:
    import_id = uploaded(biller, files)
    work(world)
    biller.put(f"/imports/{import_id}/expected-total", json={"expected_total_cents": 100})

    refused = biller.post(f"/imports/{import_id}/confirm", json={})
    accepted = biller.post(f"/imports/{import_id}/confirm", json={"accept_difference": True})

    assert (refused.status_code, refused.json["code"]) == (409, "totals_differ")
    assert refused.json["facts"] == {"difference_cents": 23_150}
    assert accepted.status_code == 202


def test_faults_are_grouped_and_can_be_downloaded(world: World, biller: Api, files: dict[str, bytes]) -> None:
    files["postings.csv"] = files["postings.csv"].replace(b"-88.00", b"=1+1")
    import_id = uploaded(biller, files)
    work(world)

    refused = biller.get(f"/imports/{import_id}").json
    file = biller.get(f"/imports/{import_id}/faults.csv")

    assert (refused["status"], refused["refused_because"]) == ("refused", "faults")
    assert refused["report"]["faults"][0]["count"] == 1
    assert file.text.splitlines()[1].startswith("postings.csv,3,amount,'=1+1,,")


def test_an_own_file_waits_for_its_mapping(world: World, biller: Api) -> None:
    import_id = uploaded(biller, {"ar.xlsx": workbook(rows_of(6))})
    work(world)
    waiting = biller.get(f"/imports/{import_id}").json
    assert (waiting["status"], waiting["report"]["guess"]["questions"]) == ("needs_mapping", [])

    refused = biller.put(f"/imports/{import_id}/mapping", json={"mapping": {"columns": {}}})
    given = biller.put(f"/imports/{import_id}/mapping", json={"mapping": waiting["report"]["guess"]["mapping"]})
    work(world)

    assert (refused.status_code, refused.json["code"]) == (422, "bad_mapping")
    assert "no_claim_number" in refused.json["facts"]["problems"]
    assert (given.status_code, given.json["status"]) == (202, "staged")
    assert biller.get(f"/imports/{import_id}").json["report"]["added"]["claims"] == 6


def test_the_saved_mapping_that_fits_is_used_and_a_new_value_is_asked(world: World, biller: Api) -> None:
    mapping = {**MAPPING, "columns": {**MAPPING["columns"], "Hold": "hold"}}
    saved = biller.post("/mappings", json={"name": "ours", "mapping": mapping}).json
    header, *lines = csv_file(rows_of(6)).decode().splitlines()
    import_id = uploaded(
        biller, {"ar.csv": "\n".join([f"{header},Hold", *(f"{line},Plan B" for line in lines)]).encode()}
    )
    work(world)

    waiting = biller.get(f"/imports/{import_id}").json
    assert (waiting["status"], waiting["options"]["mapping_id"]) == ("needs_mapping", int(saved["id"]))
    assert [one["sentence"] for one in waiting["report"]["guess"]["questions"]] == [
        "What does “Plan B” mean? It is in 6 rows of the “Hold” column."
    ]
    answered = {**mapping, "words": {"hold": {"Plan B": "payment_plan"}}}
    biller.post("/mappings", json={"name": "ours", "mapping": answered, "replace": True})
    biller.put(f"/imports/{import_id}/mapping", json={"mapping": "ours"})
    work(world)
    ready = biller.get(f"/imports/{import_id}").json
    assert (ready["status"], ready["report"]["added"]["claims"]) == ("ready", 6)


def test_the_next_export_takes_changes_on_request(world: World, biller: Api) -> None:
    saved = biller.post("/mappings", json={"name": "ours", "mapping": MAPPING}).json
    for rows, mapping in ((rows_of(6), "ours"), (next_day(rows_of(6)), saved["id"])):
        import_id = uploaded(biller, {"ar.xlsx": workbook(rows)}, mapping=mapping)
        work(world)
        differences = biller.get(f"/imports/{import_id}/differences.csv").text
        biller.post(f"/imports/{import_id}/confirm", json={"take_changes": True})
        work(world)

    done = biller.get(f"/imports/{import_id}").json
    assert (done["status"], done["report"]["changes_taken"]) == ("imported", True)
    assert done["options"]["mapping_name"] == "ours"
    assert differences.splitlines()[1] == 'patient,P000,name,"Sample, Petra 0","Example, Paula",ar.xlsx,2'
    assert biller.get(f"/imports/{import_id}/corrections.csv").text.startswith("\ufeffposting_id,claim_id,")
    new = biller.get(f"/imports/{import_id}/new-postings.csv").text.splitlines()
    assert len(new) == 1 + done["report"]["new_postings"]["count"]
    assert biller.get("/claims/V0000").json["patient"] == "Example, Paula"


def test_a_mapping_with_open_questions_is_refused_before_the_file_is_sent(biller: Api) -> None:
    refused = announce(biller, {"ar.xlsx": b"x"}, mapping={"columns": {"Claim #": "claim"}})
    unknown = announce(biller, {"ar.xlsx": b"x"}, mapping="ours")

    assert (refused.status_code, refused.json["code"]) == (422, "bad_mapping")
    assert "no_patient_name" in refused.json["facts"]["problems"]
    assert (unknown.status_code, unknown.json["code"]) == (404, "no_such_mapping")


def test_an_import_that_is_too_large_is_refused_before_its_files_are_sent(biller: Api) -> None:
    body = {"files": [{"name": "claims.csv", "bytes": 2_000_000_000}]}
    refused = biller.post("/imports", json=body, headers={"Idempotency-Key": "large"})

    assert (refused.status_code, refused.json["code"]) == (413, "import_too_large")
    assert "2,000 MB" in refused.json["detail"]


def test_the_same_key_makes_one_import(biller: Api, files: dict[str, bytes]) -> None:
    first, second = (announce(biller, files, key="same") for _ in range(2))
    other = announce(biller, {"claims.csv": b"x"}, key="same")

    assert first.json["id"] == second.json["id"]
    assert (other.status_code, other.json["code"]) == (422, "idempotency_mismatch")


def test_pieces_that_are_missing_or_do_not_fit_are_named(biller: Api, files: dict[str, bytes]) -> None:
    import_id = announce(biller, files).json["id"]
    for path in (f"/imports/{import_id}/files/0/pieces/1", f"/imports/{import_id}/files/x/pieces/0"):
        assert biller.put(path, data=b"x").json["code"] == "bad_piece"

    incomplete = biller.post(f"/imports/{import_id}/check")

    assert (incomplete.status_code, incomplete.json["code"]) == (409, "upload_incomplete")
    assert incomplete.json["facts"] == {"file": 0, "piece": 0}


def test_a_discarded_import_takes_no_more_files(biller: Api, files: dict[str, bytes]) -> None:
    import_id = announce(biller, files).json["id"]
    assert biller.post(f"/imports/{import_id}/discard").json["status"] == "discarded"

    late = biller.put(f"/imports/{import_id}/files/0/pieces/0", data=next(iter(files.values())))

    assert (late.status_code, late.json["code"]) == (409, "wrong_import_status")


def test_an_approver_may_not_import(world: World, files: dict[str, bytes]) -> None:
    assert announce(world.api(Role.APPROVER), files).status_code == 403
