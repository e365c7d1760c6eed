"""Medicare and Medicaid cost sharing: the preview shows the amounts, and CONFIRM requires a reason."""

import re
from collections.abc import Callable

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.models.practices import Practice
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

WHY = "Hardship, <looked> into"


def given_medicare_claim(practice: GivenPractice) -> str:
    practice.claim("1", Line(0, 1_000), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    return f"/jobs/{practice.preview().job_id}"


def test_confirm_shows_the_cost_sharing_amounts_and_requires_a_reason(practice: GivenPractice, biller: Browser) -> None:
    page = given_medicare_claim(practice)

    shown = biller.says(page)

    assert "This job writes off $10.00 of Medicare or Medicaid cost sharing on 1 claim." in shown
    assert (
        "Over the 12 months through 11/23/2026, $10.00 in Medicare or Medicaid cost sharing became patient "
        "responsibility. Your practice had already written off $0.00 (0% of that amount) in those months." in shown
    )
    assert "Reason for writing off Medicare or Medicaid cost sharing" in shown
    assert re.findall(r'id="(\w+)"[^>]* data-first', biller.read(page)) == ["figures"], "it gets the focus"


def test_a_missing_or_wrong_entry_is_refused_and_the_typed_values_stay(
    practice: GivenPractice, biller: Browser
) -> None:
    page = given_medicare_claim(practice)

    empty = biller.post(f"{page}/confirm", on=page, confirmation="").text
    assert 'id="cost_share_reason-fault"' in empty
    assert 'id="confirmation-fault"' in empty, "both at once"

    answer = biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM")

    assert answer.status_code == 422
    assert 'id="cost_share_reason-fault"' in answer.text
    assert 'value="CONFIRM"' in answer.text
    assert practice.read("1").patient_due == 1_000

    repeated = biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM", cost_share_reason="Small balance")
    assert repeated.status_code == 422
    assert "This only repeats the name of the write-off reason." in repeated.text
    assert practice.read("1").patient_due == 1_000

    wrong_word = biller.post(f"{page}/confirm", on=page, confirmation="confirm", cost_share_reason=WHY)
    assert wrong_word.status_code == 422
    assert "Hardship, &lt;looked&gt; into" in wrong_word.text

    assert biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM", cost_share_reason=WHY).status_code == 303
    practice.run()
    assert WHY in biller.read(page)
    assert WHY in biller.read(f"{page}/certificate")
    certificate = biller.says(f"{page}/certificate")
    assert "This job wrote off $10.00 of Medicare or Medicaid cost sharing" in certificate
    assert "Your practice had already written off $0.00 (0% of that amount) in those months." in certificate


def test_the_approver_sees_the_reason_for_writing_off_cost_sharing(
    practice: GivenPractice, biller: Browser, browser_of: Callable[[Actor], Browser]
) -> None:
    with transaction(practice.sessions) as session:
        session.get_one(Practice, practice.id).job_limit_cents = 1
    page = given_medicare_claim(practice)
    biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM", cost_share_reason=WHY)

    approver = browser_of(practice.person("a@x.example", Role.APPROVER))

    assert approver.read(page).count(WHY) == 2, "in the note on Medicare's share, and among the facts of the job"
    assert re.search("<textarea[^>]*></textarea>", approver.read(page)), "the reason for rejecting is still empty"
    assert "writes off $10.00 of Medicare or Medicaid cost sharing on 1 claim" in approver.says(page)


def test_a_job_without_medicare_claims_needs_no_reason(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("1", Line(0, 1_000))
    page = f"/jobs/{practice.preview().job_id}"

    shown = biller.says(page)
    assert "This job writes off" not in shown
    assert "Reason for writing off Medicare" not in shown
    assert biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM").status_code == 303
