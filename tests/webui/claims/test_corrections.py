"""The pages that void a posting, and refund or transfer a credit."""

import re

import pytest
from sqlalchemy import func, select

from core.models.ledger import Posting
from core.models.practices import Patient
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser, page_text


@pytest.fixture
def overpaid(practice: GivenPractice) -> GivenPractice:
    """A practice with claim C1, whose patient paid $60.00 too much on line 1 and owes $25.00 on line 2."""
    practice.claim("C1", Line(0, 40_00), Line(0, 25_00))
    practice.post("C1", 100_00)
    return practice


def test_a_mistyped_payment_is_voided_from_the_claim_page(overpaid: GivenPractice, biller: Browser) -> None:
    (link,) = [one for one in biller.links("/claims/C1") if one.endswith("/void")]
    (form,) = [one for one in biller.forms(link) if one.endswith("/void")]

    blank = biller.post(form, on=link, idempotency_key="one", note=" ")
    assert (blank.status_code, "Enter the reason. It is kept in the ledger." in page_text(blank)) == (422, True)
    for _ in range(2):
        done = biller.post(form, on=link, idempotency_key="one", note="Wrong claim")
        assert (done.status_code, done.location) == (303, "/claims/C1")

    shown = biller.says("/claims/C1")
    assert "Posting voided. The posting and its void both stay in the ledger." in shown
    assert re.search(r"void of posting \d+ “Wrong claim” biller", shown)
    assert shown.count("Payment (voided)") == 1
    assert not [one for one in biller.links("/claims/C1") if one.endswith("/void")]
    again = biller.post(form, on="/claims/C1", idempotency_key="two", note="Again")
    assert (again.status_code, "This posting was already voided." in page_text(again)) == (409, True)
    assert (overpaid.read("C1").patient_due, overpaid.violations()) == (65_00, [])


def test_a_credit_is_refunded_from_the_list_of_credits(overpaid: GivenPractice, biller: Browser) -> None:
    (link,) = [one for one in biller.links("/credits") if "/credits/1/patient" in one]
    assert "Patient credit on 99213: $60.00" in biller.says(link)

    wrong = biller.post(link, on=link, to="", amount="60.01", note="")
    assert wrong.status_code == 422
    for fault in ("Choose where the credit goes.", "Enter the reason. It is kept in the ledger."):
        assert fault in page_text(wrong)
    too_much = biller.post(link, on=link, to="refund.patient", amount="60.01", note="Check 7")
    assert "More than the $60.00 credit; enter that amount or less." in page_text(too_much)
    for _ in range(2):
        biller.post(link, on=link, to="refund.patient", amount="45", note="Check 7", idempotency_key="one")

    shown = biller.says("/claims/C1")
    assert "$45.00 of the credit was refunded. $15.00 of the credit is left." in shown
    assert "refund to patient “Check 7”" in shown
    assert overpaid.violations() == []


def test_a_refund_of_more_than_was_paid_is_posted_only_after_a_warning(
    overpaid: GivenPractice, biller: Browser
) -> None:
    page = "/claims/C1/credits/1/patient"
    shown = biller.says(page)
    with overpaid.sessions() as session:
        name = session.scalars(select(Patient.name)).first()
    assert f"Patient: {name}" in shown
    assert "post the refund in your practice-management system too" in shown
    form = {"to": "refund.primary", "amount": "45", "note": "Check 7", "idempotency_key": "one"}

    warned = biller.post(page, on=page, **form)
    nothing = overpaid.read("C1").patient_due
    (box,) = re.findall(r'name="accept_more" required\s+value="([^"]+)"', warned.text)
    larger = biller.post(page, on=page, **{**form, "amount": "50"}, accept_more=box)
    posted = biller.post(page, on=page, **form, accept_more=box)

    assert warned.status_code == 422
    assert "This refund is more than Ins 1 paid on this claim ($0.00)." in page_text(warned)
    assert larger.status_code == 422, "the box accepts only the amount that the warning is about"
    assert (nothing, posted.status_code, overpaid.read("C1").patient_due) == (-35_00, 303, 10_00)


def test_a_refund_that_is_sent_twice_is_posted_once_and_warns_of_nothing(
    overpaid: GivenPractice, biller: Browser
) -> None:
    page = "/claims/C1/credits/1/patient"
    form = {"to": "refund.patient", "amount": "60", "note": "Check 7", "idempotency_key": "one"}

    answers = [biller.post(page, on=page, **form) for _ in range(2)]

    assert [one.status_code for one in answers] == [303, 303]
    assert overpaid.read("C1").patient_due == 25_00


def test_a_credit_is_transferred_to_what_the_patient_owes(overpaid: GivenPractice, biller: Browser) -> None:
    overpaid.claim("C/2", Line(30_00, 0))
    page = "/claims/C1/credits/1/patient"
    offered = biller.read(page)
    assert "Transfer to this claim, line 2 (99213): patient owes $25.00" in offered
    assert 'value="transfer.1.insurance.C/2"' in offered

    biller.post(page, on=page, to="transfer.1.insurance.C/2", amount="30", note="Same patient")

    assert "$30.00 of the credit was transferred. $30.00 of the credit is left." in biller.says("/claims/C1")
    assert overpaid.read("C/2").insurance_due == 0
    for line in ("x", "9" * 5_000):
        faulty = biller.post(page, on=page, to=f"transfer.{line}.owner.C1", amount="1", note="Same patient")
        assert faulty.status_code == 422
    assert overpaid.violations() == []


def test_a_correction_of_something_else_is_refused_with_the_cure(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 40_00))
    practice.pay("C1", 10_00)  # as an import posts it
    with practice.sessions() as session:
        posting = session.scalar(select(func.max(Posting.id)))

    answer = biller.get(f"/claims/C1/postings/{posting}/void")

    assert (answer.status_code, "import the correction" in page_text(answer)) == (409, True)
    assert "This line doesn’t have a credit." in biller.says("/claims/C1/credits/1/patient")
    assert biller.get(f"/claims/C1/postings/{10**30}/void").status_code == 404
    assert biller.get("/claims/C1/credits/2/patient").status_code == 404
    assert biller.get("/claims/C1/credits/1/owner").status_code == 404
