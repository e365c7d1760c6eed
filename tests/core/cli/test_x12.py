"""`settle x12 check` needs no server, shows totals in dollars, and never shows a patient."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.cli import TRACE_VARIABLE, main
from core.settings import load_settings
from core.x12.problems import Problem
from tests.x12_files import PLAIN, Form, interchange, remittance, whole_claim_file, whole_remittance

CLAIM = ["CLP*A1*1*100*80*5*12*ICN1*11*1", "NM1*QC*1*SECRET*PETRA****MI*W1", "SVC*HC:99213*100*80**1", "CAS*CO*45*15"]


@pytest.fixture(autouse=True)
def _without_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder without a database, a server or a login."""
    monkeypatch.delenv("SETTLE_DATABASE_URL", raising=False)
    monkeypatch.setenv(TRACE_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()


def settle(*words: object) -> Result:
    """Run `settle`."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def written(name: str, *interchanges: list[str], form: Form = PLAIN) -> Path:
    """Write a file of interchanges into the current folder."""
    Path(name).write_text("".join(map(form.write, interchanges)), encoding="latin-1")
    return Path(name)


def facts(*paths: Path) -> list[dict[str, Any]]:
    """Return the files as JSON."""
    files: list[dict[str, Any]] = json.loads(settle("x12", "check", "--json", *paths).stdout)["files"]
    return files


def test_a_remittance_that_balances_is_shown_with_its_totals() -> None:
    path = written("era.835", interchange([whole_remittance(3)]))

    shown = settle("x12", "check", path)

    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == (
        "era.835: 1 transaction\n"
        "  835 remittance 0001, 01/05/2026: no errors\n"
        "    From SENDER (id type ZZ) to RECEIVER (id type ZZ), version 005010X221A1, 66 segments\n"
        "    Trace number T000001, payment $213.00 by ACH\n"
        "    3 claims, 6 lines\n"
        "    Charges $303.00; adjustments $90.00; paid on claims $213.00; patient responsibility $30.00\n"
        "    Provider adjustments $0.00. The payment balances.\n"
    )


def test_where_a_remittance_does_not_balance_is_shown_without_the_patient() -> None:
    path = written("era.835", interchange([remittance([CLAIM] * 14, paid="90", after=["PLB*1*20261231*WO*10"])]))

    shown = settle("x12", "check", path)

    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[1] == "  835 remittance 0001, 01/05/2026: transaction held"
    assert "Provider adjustments $10.00. The payment does not balance." in lines[6]
    assert lines[7:9] == [
        (
            "    Transaction held: era.835, segment 4, BPR02: the payment differs from the claims less the provider "
            "adjustments (claims $1,120.00, provider adjustments $10.00, payment $90.00); compare it with the bank "
            "deposit."
        ),
        (
            "    Claim held: era.835, segment 16, SVC: the line's charge less its adjustments differs from its payment "
            "(charge $100.00, adjustments $15.00, payment $80.00); ask the payer for a corrected remittance, or post "
            "it by hand. Also at segment 20, 24, 28, 32, 36, 40, 44, 48, 52 and 4 more places."
        ),
    ]
    assert "SECRET" not in shown.stdout
    assert "PETRA" not in shown.stdout


def test_several_files_are_read_and_a_refused_one_fails_the_command() -> None:
    good = written("sent.837", interchange([whole_claim_file(3)], kind="837"), form=Form("|", ">", "!", "\r\n"))
    Path("photo.png").write_bytes(b"\x89PNG")

    shown = settle("x12", "check", good, "photo.png")

    assert shown.exit_code == 1
    assert shown.stdout.splitlines()[3:] == [
        "    3 claims (3 original), 6 lines",
        "    Charges $300.00; lines $300.00; paid by patients $0.00",
        f"File refused: photo.png, byte 1: {Problem.NO_ISA.wrong} (it begins with byte 0x89); {Problem.NO_ISA.cure}.",
    ]
    assert settle("x12", "check", good).exit_code == 0


def test_a_refused_transaction_fails_the_command_and_the_others_are_shown() -> None:
    cut = interchange([whole_remittance(1)])
    cut = [segment for segment in cut if not segment.startswith("SE*")]
    path = written("era.835", cut, interchange([whole_remittance(2, number=2)], number=2))

    shown = settle("x12", "check", path)

    assert shown.exit_code == 1
    assert "  835 remittance 0001, 01/05/2026: transaction refused\n" in shown.stdout
    assert "  835 remittance 0002, 01/05/2026: no errors\n" in shown.stdout


def test_json_has_the_same_facts_in_cents() -> None:
    claims = [segment.replace(":1*Y", ":7*Y") for segment in interchange([whole_claim_file(1)], kind="837")]
    era, sent = written("era.835", interchange([whole_remittance(3)])), written("sent.837", claims)
    Path("empty").touch()

    first, second, third = facts(era, sent, Path("empty"))

    (paid,), (claim,) = first["transactions"], second["transactions"]
    assert (paid["kind"], paid["trace_number"], paid["date"], paid["balances"]) == (
        "835",
        "T000001",
        "2026-01-05",
        True,
    )
    assert (paid["payment_cents"], paid["charge_cents"], paid["adjusted_cents"]) == (21300, 30300, 9000)
    assert (paid["sender"], paid["refused"], len(paid["digest"])) == ({"kind": "ZZ", "id": "SENDER"}, False, 64)
    assert (claim["kind"], claim["frequencies"], claim["lines"]) == ("837P", {"7": 1}, 2)
    assert (claim["balances"], claim["trace_number"]) == (None, None)
    assert (third["transactions"], third["refused"]["code"]) == ([], "no_isa")


def test_each_fault_is_in_the_json_once_with_its_count() -> None:
    path = written("era.835", [*interchange([remittance([CLAIM] * 14, paid="1120")]), "IEA*1*000000001"])

    (file,) = facts(path)

    (transaction,) = file["transactions"]
    counts = {fault["code"]: (fault["reach"], fault["count"], len(fault["places"])) for fault in transaction["faults"]}
    assert counts == {
        "line_out_of_balance": ("claim", 14, 10), "claim_out_of_balance": ("claim", 14, 10),
        "patient_share": ("warning", 14, 10),
    }  # fmt: skip
    assert transaction["claims_held"] == 14
    assert [fault["code"] for fault in file["faults"]] == ["text_outside"]


def test_ids_of_a_file_cannot_control_the_terminal() -> None:
    hostile = [segment.replace("T000001", "T\x1b[2J") for segment in interchange([whole_remittance(1)])]

    shown = settle("x12", "check", written("era.835", hostile))

    assert "Trace number T?[2J, payment" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_a_missing_file_is_wrong_usage() -> None:
    assert settle("x12", "check", "absent.835").exit_code == 2


def test_help_lists_the_command_apart_from_those_that_need_a_server() -> None:
    shown = settle("--help").stdout

    assert shown.index("On any machine:") < shown.index("x12 check")
