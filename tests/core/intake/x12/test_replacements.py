"""Claims that are sent again: a replacement or void may have a number of its own, and is never a second receivable."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from core.claims.answers import has_payer_number
from core.intake.loading.imported import AS_NEW
from core.models.claims import Claim
from tests.core.intake.x12.conftest import X12Files
from tests.remittances import clp, svc
from tests.x12_files import PLAIN, acknowledgment, claim_loop, interchange, remittance

CHECK = replace(AS_NEW, check_only=True)
TAKES = replace(AS_NEW, take_changes=True, post_corrections=True)


def era(x12: X12Files, *claims: list[str], paid: str, number: int = 1) -> Path:
    """Write an 835."""
    return x12.write(f"{number}.835", PLAIN.write(interchange([remittance(list(claims), paid=paid, number=number)])))


def answer(first: str = "60", second: str = "40", *, number: str = "A1", icn: str = "ICN1") -> list[str]:
    """Return the payer's answer on a claim of 60 and 40. What is not paid is denied."""
    lines = [
        svc(charge, paid, *([] if paid == charge else [f"CO*16*{charge}"]), code=f"HC:9921{place}:25")
        for place, (charge, paid) in enumerate([("60", first), ("40", second)], 1)
    ]
    return clp(number, "100", str(int(first) + int(second)), *lines, icn=icn)


def claims(x12: X12Files) -> list[tuple[object, ...]]:
    return x12.rows("SELECT external_id, billed, insurance_due, hold FROM claim ORDER BY external_id")


def outcomes(x12: X12Files) -> list[tuple[object, ...]]:
    query = "SELECT claim_number, outcome, reasons FROM remittance_claim ORDER BY remittance_id, ordinal"
    return x12.rows(query)


def test_a_replacement_with_its_own_number_is_the_claim_that_the_payer_names(x12: X12Files) -> None:
    paid = x12.load(x12.sent(["REF*EI*99-9999999", *claim_loop()]), era(x12, answer("0", "0"), paid="0"))
    assert paid.x12 is not None
    assert len(paid.x12["remittances"]["notes"]) == 1, "posted, because the payee has the NPI and tax ID of the claims"
    assert x12.rows("SELECT tax_id FROM own_tax_id") == [("999999999",)]
    again = x12.sent(claim_loop("A1R", frequency="7", replaces="ICN1"), name="again.837", at="1000")

    done = x12.load(again)

    assert (done.added["claims"], done.added["postings"], done.warnings) == (0, 0, [])
    assert done.x12 is not None
    assert "1 replacement of an earlier claim." in done.x12["sent"]["notes"]
    assert claims(x12) == [("A1", 100_00, 100_00, None)]
    # The payer may answer under the number of the replacement, and the clearinghouse too.
    acknowledged = acknowledgment(("A1R", "A7"), day="20260110")
    assert x12.load(x12.write("a.277", PLAIN.write(acknowledged))).warnings == []
    x12.load(era(x12, answer(number="A1R", icn="ICN2"), paid="100", number=2))
    assert outcomes(x12)[1] == ("A1R", "warned", ["matched_by_replacement"])
    assert claims(x12) == [("A1", 100_00, 0, None)]
    # The copy to the secondary payer has no REF*F8 and the frequency of an original.
    copy = x12.sent(claim_loop("A1R", order="S", other="P"), name="copy.837", at="1100")
    assert x12.load(copy, options=TAKES).added["claims"] == 0
    assert claims(x12) == [("A1", 100_00, 0, None)]


def test_a_void_with_its_own_number_asks_for_a_look_at_the_claim_that_the_payer_names(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()), era(x12, answer("0", "0"), paid="0"))

    void = x12.sent(claim_loop("A1V", frequency="8", replaces="ICN1"), name="void.837", at="1000")
    done = x12.load(void, options=TAKES)

    assert done.warnings[0].startswith("1 claim voided at the payer: A1.")
    assert claims(x12) == [("A1", 100_00, 100_00, "hold")]


def test_a_replacement_of_an_unknown_claim_is_left_out_with_its_place_and_the_fix(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop(), claim_loop("B1", born="19900909", first="OTIS")))
    # The payer's number belongs to the claim of another patient.
    x12.load(era(x12, answer("0", "0", number="B1", icn="ICN9"), paid="0"))
    file = x12.sent(
        claim_loop("A1R", frequency="7", replaces="ICN1"), claim_loop("A2R", frequency="7"),
        claim_loop("A3V", frequency="8", replaces="ICN9"), name="again.837", at="1000",
    )  # fmt: skip

    done = x12.load(file)

    words = (
        "Not imported: 3 claims (A1R, A2R, A3V). again.837, segment 15, CLM01: the claim replaces or voids a claim "
        "that is found neither by this number nor by the payer's number (REF*F8); import the original claim and its "
        "remittance together with this file."
    )
    assert done.warnings == [words]
    assert [row[0] for row in claims(x12)] == ["A1", "B1"]
    again = x12.load(file, era(x12, answer("0", "0"), paid="0", number=2))
    assert again.warnings[0].startswith("Not imported: 2 claims (A2R, A3V). again.837, segment 31, CLM01")
    assert claims(x12)[0] == ("A1", 100_00, 100_00, None)


@pytest.mark.parametrize("order", ["0123", "3210"])
def test_one_upload_of_a_claim_its_replacements_and_what_came_back_ends_alike_in_any_order(
    x12: X12Files, order: str
) -> None:
    """The payer names the original in a 277CA, and the first replacement in an 835."""
    files = [
        x12.sent(claim_loop()),
        x12.write("b.277", PLAIN.write(acknowledgment(("A1", "A2")))),
        era(x12, answer("0", "0", number="A1R", icn="ICN2"), paid="0"),
        x12.sent(
            claim_loop("A1R", frequency="7", replaces="ICNA1"), claim_loop("A1RR", frequency="7", replaces="ICN2"),
            name="again.837", at="1000",
        ),
    ]  # fmt: skip
    named = [path.rename(path.with_name(f"{order[place]}-{path.name}")) for place, path in enumerate(files)]

    checked = x12.load(*named, options=CHECK)
    done = x12.load(*named)

    assert (checked.added, checked.x12, done.warnings) == (done.added, done.x12, [])
    assert claims(x12) == [("A1", 100_00, 100_00, None)]
    assert outcomes(x12) == [("A1R", "warned", ["matched_by_replacement"])]
    assert x12.rows("SELECT number FROM sent_number ORDER BY 1") == [("A1R",), ("A1RR",)]
    assert x12.load(*named).nothing_new


def test_the_payers_number_in_an_acknowledgment_finds_the_claim(x12: X12Files) -> None:
    accepted = PLAIN.write(acknowledgment(("A1", "A2")))
    x12.load(x12.write("a.277", accepted))
    x12.load(x12.sent(claim_loop()))
    assert x12.rows("SELECT payer_order, payer_claim_number FROM sent_claim") == [("P", "ICNA1")]

    again = x12.sent(claim_loop("A1R", frequency="7", replaces="ICNA1"), name="again.837", at="1000")

    assert (x12.load(again).warnings, len(claims(x12))) == ([], 1)
    x12.load(era(x12, answer(number="UNKNOWN", icn="ICNA1"), paid="100"))
    assert outcomes(x12) == [("UNKNOWN", "held", ["no_claim"])], "the 835 names another payer"
    same_payer = era(x12, answer(number="UNKNOWN", icn="ICNA1"), paid="100", number=2)
    same_payer.write_text(same_payer.read_text().replace("EXAMPLE PLAN~", "EXAMPLE PLAN*XV*12345~"))
    x12.load(same_payer)
    assert outcomes(x12)[1] == ("UNKNOWN", "warned", ["matched_by_payer_number"])
    with x12.sessions() as session:
        found = session.scalars(select(Claim.external_id).where(has_payer_number(1, "ICNA1"))).all()
    assert found == ["A1"]


def test_a_number_used_again_for_another_visit_is_left_out_with_its_place_and_the_fix(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop(), claim_loop("A2")))
    other_visit = claim_loop(charges=["80"], day="20260104")

    for name, at in (("later.837", "1000"), ("earlier.837", "0800")):
        file = x12.sent(other_visit, claim_loop("A3"), name=name, at=at)
        words = (
            f"Not imported: 1 claim (A1). {name}, segment 15, CLM01: the claim number belongs to a claim with another "
            "date of service; give the new claim its own number, or send a corrected claim as a replacement."
        )
        assert x12.load(file, options=TAKES).warnings == [words]

    query = "SELECT external_id, billed, service_date::text FROM claim ORDER BY 1"
    assert x12.rows(query) == [(one, 100_00, "2026-01-02") for one in ("A1", "A2", "A3")]


def test_a_corrected_date_of_service_is_offered(x12: X12Files) -> None:
    original = x12.sent(claim_loop("A1"), claim_loop("A2"))
    x12.load(original, x12.write("a.277", PLAIN.write(acknowledgment(("A1", "A7"), day="20260105"))))
    # A claim that was rejected is sent again as an original.
    again = x12.sent(
        claim_loop("A1", day="20260103"), claim_loop("A2", day="20260103", frequency="7"), name="again.837", at="1000"
    )

    done = x12.load(again, options=TAKES)

    assert (done.warnings, done.differences.counts["claim service date"]) == ([], 2)
    assert {str(x12.claim(one).service_date) for one in ("A1", "A2")} == {"2026-01-03"}
    older = x12.load(original)
    [warning] = older.warnings
    assert warning.startswith("Not imported: 1 claim (A1). claims.837, segment 15, CLM01: "), (
        "nothing tells it from a reuse"
    )


def test_the_answer_on_a_replacement_meets_the_charges_as_corrected(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()), era(x12, answer(), paid="100"))
    assert claims(x12) == [("A1", 100_00, 0, None)]
    x12.load(x12.sent(claim_loop(charges=["60", "50"], frequency="7"), name="again.837", at="1000"), options=TAKES)
    assert claims(x12) == [("A1", 100_00, 10_00, None)]
    first, second = "HC:99211:25", "HC:99212:25"
    reversal = (svc("-60", "-60", code=first), svc("-40", "-40", code=second))
    corrected = (svc("60", "60", code=first), svc("50", "50", code=second))
    taken, new = clp("A1", "-100", "-100", *reversal, status="22"), clp("A1", "110", "110", *corrected, icn="ICN2")

    x12.load(era(x12, taken, new, paid="10", number=2))

    assert [row[1:] for row in outcomes(x12)] == [("posted", [])] * 3
    assert claims(x12) == [("A1", 100_00, 0, None)]
