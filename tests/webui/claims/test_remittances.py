"""The pages of remittances: what was posted, what is held and why, and a user's decision on a held answer."""

from core.cli.remittances import _describe_answer
from core.intake.remittances import queries
from tests.factories import GivenPractice, Line
from tests.remittances import SERVICE_ON, clp, st, svc, take_transactions
from tests.webui.conftest import Browser, page_text
from webui.api import remittances as remittance_api

AFTER = ["PLB*1234567893*20261231*L6:INT*-5"]


def _decisions(browser: Browser, page: str) -> list[str]:
    """Return the forms that decide an answer."""
    return [form for form in browser.forms(page) if form.startswith("/remittances")]


def answered(practice: GivenPractice) -> None:
    """Import a remittance with a posted answer, and one whose claim number is a placeholder."""
    practice.claim("A1", Line(100_00))
    practice.claim("C1", Line(15_00))
    paid = clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), patient="10")
    take_transactions(practice, st(paid, clp("0", "15", "15", svc("15", "15")), paid="90", after=AFTER))


def test_a_remittance_shows_a_deposit_that_ties_and_why_each_answer_is_held(
    practice: GivenPractice, biller: Browser
) -> None:
    assert "No remittance has been imported yet." in biller.says("/remittances")
    answered(practice)

    assert "T000001 $90.00 $85.00 -$5.00 1 0 1 era.835" in biller.says("/remittances")
    shown = biller.says("/remittances/1")
    assert "Claims $85.00 − provider adjustments -$5.00 = payment $90.00" in shown
    assert "Held 1 Posted 1" in shown
    assert "The claim number is a placeholder." in shown
    assert "1234567893 L6 interest INT -$5.00" in shown
    assert "A1" in biller.says("/remittances/1?outcome=posted")
    lines = biller.says("/remittances/1/claims/1")
    assert "CO-45 contractual $20.00 post" in lines
    assert "PR-2 coinsurance $10.00 transfer" in lines
    assert not _decisions(biller, "/remittances/1/claims/1")
    claim = biller.says("/claims/A1")
    assert "Claim status 1 primary, charge $100.00, paid $70.00, patient responsibility $10.00" in claim
    assert "Check or trace number T000001 ." in claim
    assert "payer’s claim number ICN1 ." in claim
    assert "1 99213 $100.00 $70.00 CO-45 contractual $20.00 post PR-2 coinsurance $10.00 transfer" in claim
    assert "/remittances/1/claims/1" in biller.links("/claims/A1")
    assert "Payers’ answers" not in biller.says("/claims/C1")


def test_an_amount_that_cannot_be_read_is_shown_with_its_element(practice: GivenPractice, biller: Browser) -> None:
    for number in ("A1", "A2", "A3", "A4"):
        practice.claim(number, Line(100_00), service_date=SERVICE_ON)
    line, payment, adjustment = (
        clp("A1", "100", "80", svc("100", "80.001", "CO*45*20"), icn="1"),
        clp("A2", "100", "+80", svc("100", "80", "CO*45*20"), patient="1E1", icn="2"),
        clp("A3", "100", "80", svc("100", "80", "CO*45*2,0"), icn="3"),
    )
    paid = clp("A4", "100", "80", svc("100", "80", "CO*45*20"), icn="4")
    take_transactions(practice, st(line, payment, adjustment, paid, paid="320"))

    shown = biller.says("/remittances/1?outcome=held")
    assert "Held 3 Posted 1" in shown
    assert "$100.00 unreadable (CLP04) unreadable (CLP05)" in shown
    assert "$100.00 unreadable (SVC03) CO-45 contractual $20.00" in biller.says("/remittances/1/claims/1")
    sums = "charge $100.00, paid unreadable (CLP04), patient responsibility unreadable (CLP05)"
    assert sums in biller.says("/remittances/1/claims/2")
    assert sums in biller.says("/claims/A2")
    assert "CO-45 contractual unreadable (CAS)" in biller.says("/remittances/1/claims/3")
    with practice.sessions() as session:
        found = remittance_api.as_answer(queries.find_answer(session, practice.id, 1, 2)).json_ready()
    assert (found["charge_cents"], found["paid_cents"], found["patient_cents"]) == (100_00, None, None)
    assert found["unreadable"] == ["CLP04", "CLP05"]
    assert "payment unreadable" in _describe_answer(found)
    assert practice.violations() == []


def test_a_held_answer_is_matched_and_posted_once(practice: GivenPractice, biller: Browser) -> None:
    answered(practice)
    page = "/remittances/1/claims/2"

    wrong = biller.post(f"{page}/match", on=page, claim="No such claim")
    assert (wrong.status_code, "There is no claim" in page_text(wrong)) == (404, True)
    assert biller.post(f"{page}/match", on=page, claim="C1").location == page
    assert "A person matched it to this claim." in biller.says(page)
    bad = biller.post(f"{page}/post", on=page, posted_on="13/45/2026")
    assert (bad.status_code, "Enter a date, or leave it blank." in page_text(bad)) == (422, True)
    for _ in range(2):
        assert biller.post(f"{page}/post", on="/remittances", note="Called").location == "/remittances/1"

    assert (practice.read("C1").insurance_due, practice.violations()) == (0, [])
    assert not _decisions(biller, page)


def test_answers_are_matched_with_one_button_after_their_claims_are_imported(
    practice: GivenPractice, biller: Browser
) -> None:
    take_transactions(practice, st(clp("N1", "15", "15", svc("15", "15")), paid="15"))
    practice.claim("N1", Line(15_00))

    assert "1 held answer can be matched now, because the claims were imported later." in biller.says("/remittances")
    assert biller.post("/remittances/retry", on="/remittances").location == "/remittances"
    shown = biller.says("/remittances")
    assert ("Posted: 1 answer." in shown, "can be matched" in shown) == (True, False)
    assert practice.read("N1").insurance_due == 0


def test_an_answer_is_ignored_only_with_a_reason(practice: GivenPractice, biller: Browser) -> None:
    answered(practice)
    page = "/remittances/1/claims/2"

    blank = biller.post(f"{page}/ignore", on=page, why=" ")
    assert (blank.status_code, "Give the reason" in page_text(blank)) == (422, True)
    biller.post(f"{page}/ignore", on=page, why="Not ours")

    assert "Not ours" in biller.says("/remittances/1?outcome=ignored")
    assert (practice.read("C1").insurance_due, practice.violations()) == (15_00, [])


def test_a_reason_keeps_its_capitals(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("O1", Line(15_00))
    take_transactions(practice, st(clp("O1", "15", "10", svc("15", "10", "OA*99*5")), paid="10"))

    for page in ("/remittances/1", "/remittances/1/claims/1"):
        assert "An OA adjustment has no posting rule." in biller.says(page)
    assert "If you post, you accept: An OA adjustment has no posting rule." in biller.says(page)
