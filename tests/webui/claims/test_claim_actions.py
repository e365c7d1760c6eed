"""Manual postings and holds on one claim: each posted once, explained on the page, and only by users who may."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from core.access.permissions import Actor
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.models.claims import Claim
from core.models.ledger import Posting
from core.practices import limits
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser
from webui.shared import url_converters

OPEN = Callable[[Actor], Browser]
PAYMENT = {"kind": "payment", "line": "1", "responsibility": "patient", "paid_by": "patient", "amount": "$1,002.50"}
ADJUSTMENT = {
    "kind": "adjustment", "line": "1", "responsibility": "insurance", "group_code": "CO", "reason_code": "45",
    "amount": "10",
}  # fmt: skip
TRANSFER = {"kind": "transfer", "line": "1", "responsibility": "insurance", "amount": "4.00"}


@pytest.fixture
def claim(practice: GivenPractice) -> str:
    return practice.claim("C1", Line(1_000, 200_000))


def post(browser: Browser, number: str = "C1", **fields: str) -> TestResponse:
    page = f"/claims/{url_converters.encode_claim_id(number)}"
    return browser.post(f"{page}/postings", on=page, **{"idempotency_key": "one", **fields})


def accepted(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields with the box that accepts a credit."""
    return {**fields, "accept_credit": f"{fields['line']} {fields['responsibility']} {fields['amount']}"}


def manual_postings(practice: GivenPractice) -> list[Posting]:
    with practice.sessions() as session:
        return list(session.scalars(select(Posting).where(Posting.source == "entry").order_by(Posting.id)))


def test_a_transfer_shows_the_write_off_that_it_restored(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(500, 1_000))
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.settle()
    post(biller, **{**PAYMENT, "amount": "3.00"}, idempotency_key="paid")

    post(biller, **{**TRANSFER, "amount": "3.00"}, idempotency_key="moved")

    assert "$3.00 of an earlier write-off was restored on the other balance." in biller.says("/claims/C1")
    assert (practice.read("C1").insurance_due, practice.read("C1").patient_due) == (200, 0)


@pytest.mark.parametrize(
    ("fields", "dues"),
    [(PAYMENT, (1_000, 99_750)), (ADJUSTMENT, (0, 200_000)), (TRANSFER, (600, 200_400))],
    ids=["payment", "adjustment", "transfer"],
)
def test_a_payment_adjustment_or_transfer_is_posted_to_the_ledger(
    practice: GivenPractice, biller: Browser, claim: str, fields: dict[str, str], dues: tuple[int, int]
) -> None:
    answer = post(biller, **fields, note="By phone")

    assert (answer.status_code, answer.location) == (303, "/claims/C1")
    after = practice.read(claim)
    assert (after.insurance_due, after.patient_due) == dues
    shown = biller.says("/claims/C1")
    assert "posted to line 1" in shown
    assert "“By phone” biller" in shown
    assert practice.violations() == []


def test_a_posting_that_leaves_a_credit_is_posted_only_after_a_warning(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    too_much = {**PAYMENT, "responsibility": "insurance", "amount": "15.00", "idempotency_key": "credit"}

    warned = post(biller, **too_much)
    nothing = manual_postings(practice)
    (box,) = re.findall(r'name="accept_credit" required\s+value="([^"]+)"', warned.text)
    larger = post(biller, **{**too_much, "amount": "1500.00"}, accept_credit=box)
    posted = post(biller, **too_much, accept_credit=box)

    assert (warned.status_code, nothing) == (422, [])
    assert "Line 1 would have a credit of $5.00 (insurance)." in warned.text
    assert larger.status_code == 422, "the box accepts only the amount that the warning is about"
    assert posted.status_code == 303
    assert [one.amount_cents for one in manual_postings(practice)] == [-1_500]


def test_a_posting_that_is_sent_again_does_not_warn_of_a_later_credit(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    first = {**PAYMENT, "responsibility": "insurance", "amount": "10.00", "idempotency_key": "first"}
    second = {**first, "amount": "5.00", "idempotency_key": "second"}
    post(biller, **first)
    post(biller, **accepted(second))

    again = post(biller, **first)

    assert again.status_code == 303
    assert [one.amount_cents for one in manual_postings(practice)] == [-1_000, -500]


def test_a_payment_that_only_reverses_a_write_off_needs_no_warning(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 1_000))
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.settle()

    assert post(biller, **{**PAYMENT, "amount": "10.00"}).status_code == 303


@pytest.mark.parametrize(
    ("line", "side"), [(Line(0, 1_000), "patient"), (Line(500, 1_000), "insurance"), (Line(500, 0), "insurance")]
)
def test_the_form_offers_the_balance_that_is_owed(
    practice: GivenPractice, biller: Browser, line: Line, side: str
) -> None:
    practice.claim("C1", line)

    offered = biller.read("/claims/C1").split('name="responsibility"')[1].split("</select>")[0]

    assert re.findall(r'value="(\w+)"\s+selected', offered) == [side]


def test_the_posting_form_offers_only_the_payers_of_the_claim(biller: Browser, claim: str) -> None:
    page = biller.read("/claims/C1")

    offered = page[page.index('name="paid_by"') :].split("</select>")[0]
    assert re.findall(r'value="(\w+)"', offered) == ["primary", "patient"]
    refused = post(biller, **{**PAYMENT, "paid_by": "secondary"})
    assert (refused.status_code, "Claim C1 has no Ins 2; choose who paid." in refused.text) == (422, True)


def test_fields_of_another_posting_kind_are_ignored(practice: GivenPractice, biller: Browser, claim: str) -> None:
    answer = post(biller, **{**PAYMENT, **TRANSFER, "group_code": "nonsense", "reason_code": "nonsense"})

    assert answer.status_code == 303
    assert {posting.paid_by for posting in manual_postings(practice)} == {None}


def test_a_double_click_posts_once(practice: GivenPractice, biller: Browser, claim: str) -> None:
    first, second = post(biller, **PAYMENT), post(biller, **PAYMENT)

    assert (first.status_code, second.status_code) == (303, 303)
    assert len(manual_postings(practice)) == 1


def test_a_posted_form_sent_again_with_other_values_is_refused(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    post(biller, **PAYMENT)

    answer = post(biller, **{**PAYMENT, "amount": "7.00"})

    assert answer.status_code == 422
    assert "This form was already submitted with different values" in answer.text
    assert 'value="7.00"' in answer.text
    assert 'name="idempotency_key" value="one"' not in answer.text  # the next click is a second posting
    assert len(manual_postings(practice)) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": ""}, "amount"),
        ({"amount": "ten"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"kind": "write_off"}, "kind"),
        ({"line": "9"}, "line"),
        ({"line": "x"}, "line"),
        ({"line": "9" * 5_000}, "line"),
        ({"responsibility": "employer"}, "responsibility"),
        ({"paid_by": ""}, "paid_by"),
        ({"posted_on": "2026-13-40"}, "posted_on"),
        ({"posted_on": "2030-01-01"}, "posted_on"),
        ({"note": "x" * 501}, "note"),
        ({"note": "a\x00b"}, "note"),
    ],
)
def test_a_wrong_value_is_marked_at_its_field_and_the_others_stay(
    practice: GivenPractice, biller: Browser, claim: str, wrong: dict[str, str], field: str
) -> None:
    answer = post(biller, **{**PAYMENT, "note": "By phone", **wrong})

    assert answer.status_code == 422
    assert re.findall(r'id="(\w+)-fault"', answer.text) == [field]
    assert '<details id="post" open>' in answer.text
    assert ('value="$1,002.50"' in answer.text) == ("amount" not in wrong)
    assert ("By phone" in answer.text) == ("note" not in wrong)
    assert manual_postings(practice) == []


def test_a_future_posting_date_is_refused_and_dates_are_shown_as_mm_dd_yyyy(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    answer = post(biller, **PAYMENT, posted_on="2030-01-31")

    assert "01/31/2030 is in the future; the latest date is 11/23/2026" in answer.text


def test_every_wrong_field_is_marked_at_once(practice: GivenPractice, biller: Browser, claim: str) -> None:
    answer = post(biller, **{**ADJUSTMENT, "amount": "x", "group_code": "", "reason_code": "ABCD"})

    assert set(re.findall(r'id="(\w+)-fault"', answer.text)) == {"amount", "group_code", "reason_code"}


def test_a_settled_claim_accepts_a_late_payment_and_a_transfer_of_the_credit(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(1_000, 0))
    practice.settle()

    post(biller, **accepted({**PAYMENT, "amount": "5.00"}))

    assert practice.read("C1").patient_due == -500
    moved = {**TRANSFER, "responsibility": "patient", "idempotency_key": "two", "amount": "5.00"}
    assert post(biller, **accepted(moved)).status_code == 303
    assert practice.violations() == []


@pytest.mark.usefixtures("short_lock_waits")
def test_a_posting_to_a_locked_claim_is_refused_and_the_form_keeps_its_values(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    with practice.sessions() as session, session.begin():
        session.execute(select(Claim.id).with_for_update())
        answer = post(biller, **PAYMENT)

    assert answer.status_code == 409
    assert "Another user or process is working on this claim" in answer.text
    assert 'value="$1,002.50"' in answer.text
    assert 'name="idempotency_key" value="one"' in answer.text or 'name="idempotency_key"' in answer.text
    assert manual_postings(practice) == []


def test_a_hold_is_set_changed_and_released(practice: GivenPractice, biller: Browser, claim: str) -> None:
    biller.post("/claims/C1/hold", on="/claims/C1", hold="payment_plan")
    assert practice.read(claim).hold is Hold.PAYMENT_PLAN
    shown = biller.says("/claims/C1")
    assert "On hold: Payment plan" in shown
    assert "On hold On hold, or excluded from write-offs. Why? Claim C1 hold payment plan" in shown

    biller.post("/claims/C1/hold", on="/claims/C1", hold="appeal_open")
    assert practice.read(claim).hold is Hold.APPEAL

    biller.post("/claims/C1/hold", on="/claims/C1", hold="")
    assert practice.read(claim).hold is None
    assert "Can settle" in biller.says("/claims/C1")


def test_an_unknown_kind_of_hold_is_refused(practice: GivenPractice, biller: Browser, claim: str) -> None:
    answer = biller.post("/claims/C1/hold", on="/claims/C1", hold="forever")

    assert answer.status_code == 422
    assert practice.read(claim).hold is None


def test_the_write_off_check_on_the_claim_shows_the_values_that_its_rule_used(
    practice: GivenPractice, biller: Browser, claim: str
) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    with practice.sessions() as session, session.begin():
        limits.set_rule_limits(session, {"recent_payment_days": 30}, by=admin, now=NOW)
    post(biller, **PAYMENT)

    shown = biller.says("/claims/C1")

    assert "Recent payment. Why? Claim C1" in shown
    assert "last payment 11/23/2026 recent-payment window in days 30" in shown


def test_the_forms_work_for_any_claim_number(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("A/1 é", Line(1_000, 200_000))

    assert post(biller, "A/1 é", **PAYMENT).status_code == 303
    assert practice.read("A/1 é").patient_due == 99_750
