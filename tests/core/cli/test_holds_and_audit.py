"""Holds, exclusions and the audit by command."""

import csv
import json
from pathlib import Path

import pytest

from core.db.engine import Sessions
from core.models.people import Role
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

ADMIN = "admin@lakeside.example"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    made = a_practice(sessions)
    made.person(ADMIN, Role.ADMIN)
    made.claim("C1", Line(100, 50))
    return made


def test_a_claim_is_put_on_hold_with_a_reason_and_released(practice: GivenPractice, typed: Typed) -> None:
    words = ("hold", "C1", "legal_hold", "--why", "Letter", "--until", "2199-12-31", "--as", practice.biller.email)

    held = typed(*words)
    assert (held.exit_code, held.output) == (0, "Claim C1 is on hold (legal_hold) through 12/31/2199.\n")
    assert practice.read("C1").hold_reason == "Letter"
    assert typed("release", "C1", "--as", practice.biller.email).output == "Claim C1 is not on hold.\n"
    late = typed("hold", "C1", "hold", "--until", "2020-01-01", "--as", practice.biller.email)
    assert (late.exit_code, late.stderr) == (1, "until: The last day cannot be in the past.\n")


def test_claims_on_hold_are_listed_with_reason_user_and_last_day(practice: GivenPractice, typed: Typed) -> None:
    assert typed("holds", "--as", ADMIN).output == "No claim is on hold.\n"
    practice.claim("C2", Line(0, 5))
    typed("hold", "C1", "legal_hold", "--why", "Letter", "--until", "2199-12-31", "--as", practice.biller.email)
    typed("hold", "C2", "hold", "--as", practice.biller.email)

    assert typed("holds", "--as", ADMIN).output.splitlines() == [
        "C1  legal_hold  through 12/31/2199, by biller: Letter", "C2  hold  until released, by biller"
    ]  # fmt: skip
    (legal,) = json.loads(typed("holds", "--as", ADMIN, "--hold", "legal_hold", "--json").output)
    assert (legal["claim_id"], legal["why"]) == ("C1", "Letter")


def test_a_saved_audit_head_is_compared(practice: GivenPractice, typed: Typed) -> None:
    typed("hold", "C1", "hold", "--as", practice.biller.email)
    head = json.loads(typed("audit", "--practice", "Lakeside", "--json").output)["head"]
    typed("release", "C1", "--as", practice.biller.email)
    kept = f"{head['number']}:{head['digest']}"

    assert typed("verify", "--practice", "Lakeside", "--head", kept).exit_code == 0
    forged = typed("verify", "--practice", "Lakeside", "--head", f"{kept[:-1]}x")
    assert (forged.exit_code, "the_kept_head_is_in_the_chain" in forged.output) == (1, True)
    assert typed("verify", "--head", kept).exit_code == 2
    assert typed("verify", "--practice", "Lakeside", "--head", "1042").exit_code == 2


def test_a_payer_is_excluded_listed_and_included_again(practice: GivenPractice, typed: Typed) -> None:
    made = typed("exclude", "payer", "1", "--why", "Contract", "--as", ADMIN, "--json")
    number = json.loads(made.output)["id"]

    assert typed("exclusions", "--as", ADMIN).output == (f"{number}  payer 1  until ended, by admin: Contract\n")
    assert typed("exclude", "payer", "1", "--why", "x", "--as", ADMIN).exit_code == 1
    assert typed("exclude", "payer", "1", "--as", ADMIN).exit_code == 2
    assert typed("exclude", "patient", "1", "--why", "x", "--as", practice.biller.email).exit_code == 1
    unread = typed("end-exclusion", "9" * 30, "--as", ADMIN)
    assert (
        unread.exit_code,
        "is not a valid exclusion number; to find it, run `settle exclusions`." in unread.stderr,
    ) == (2, True)
    assert typed("end-exclusion", number, "--as", ADMIN).exit_code == 0
    assert typed("exclusions", "--as", ADMIN).output == "No patient or payer is excluded from write-offs.\n"
    assert [row["ended_by"] for row in json.loads(typed("exclusions", "--all", "--as", ADMIN, "--json").output)] == [
        "admin"
    ]


def test_the_audit_is_shown_filtered_and_exported(practice: GivenPractice, typed: Typed, tmp_path: Path) -> None:
    typed("hold", "C1", "hold", "--as", practice.biller.email)
    typed("exclude", "payer", "1", "--why", "Secret", "--as", ADMIN)

    of_claim = typed("audit", "--practice", "Lakeside", "--claim", "C1").output
    assert "biller: Put claim C1 on hold (hold: hold)" in of_claim
    assert "admin: Excluded payer 1 from write-offs (payer: 1)" in of_claim, "its payer"
    by_admin = json.loads(typed("audit", "--practice", "Lakeside", "--person", ADMIN, "--json").output)
    assert [act["act"] for act in by_admin["acts"]] == ["exclusion.made"]
    assert typed("audit", "--practice", "Lakeside", "--from", "2199-01-01").output.startswith(
        "The last entry in the audit log is"
    )
    assert typed("audit", "--practice", "Nowhere").exit_code == 1
    for loose in ("20260101", "2026-W01-1", "2026-1-1"):
        refused = typed("audit", "--practice", "Lakeside", "--from", loose)
        assert (refused.exit_code, "write the date as YYYY-MM-DD." in refused.stderr) == (2, True)
    turned = typed("audit", "--practice", "Lakeside", "--from", "2026-01-02", "--to", "2026-01-01")
    assert (turned.exit_code, turned.stderr) == (1, "The last day is before the first.\n")
    assert typed("audit", "--practice", "Lakeside", "--person", "x@y.example").exit_code == 1

    path = tmp_path / "audit.csv"
    written = typed("audit", "--practice", "Lakeside", "--csv", path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[-1]["Act"] == "audit.exported"
    assert rows[-1]["Digest"] in written.output
    assert "Secret" not in path.read_text(encoding="utf-8")
    assert typed("verify").exit_code == 0
