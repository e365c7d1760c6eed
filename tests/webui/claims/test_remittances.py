"""The pages of remittances: what was posted, what is held and why, and a user's decision on a held answer."""

import re

import pytest

from core.cli.remittances import _describe_answer
from core.intake.remittances import queries
from core.intake.remittances.commands import AnswerKey
from tests.factories import GivenPractice, Line
from tests.remittances import SERVICE_ON, clp, look, st, svc, take_transactions
from tests.webui.conftest import Browser, page_text
from webui.api import remittance_answers, remittances as remittance_api
from webui.claims import remittances as pages

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
    practice: GivenPractice, biller: Browser, admin: Browser
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
    assert [one.subject for one in practice.audited("claim.viewed")] == ["claim:A1"]
    assert not _decisions(biller, "/remittances/1/claims/1")
    claim = biller.says("/claims/A1")
    assert "Claim status 1 primary, charge $100.00, paid $70.00, patient responsibility $10.00" in claim
    assert "Check or trace number T000001 ." in claim
    assert "payer’s claim number ICN1 ." in claim
    assert "1 99213 $100.00 $70.00 CO-45 contractual $20.00 post PR-2 coinsurance $10.00 transfer" in claim
    assert "/remittances/1/claims/1" in biller.links("/claims/A1")
    assert "from Ins 1 remittance T000001 of 01/05/2026" in claim
    assert "/remittances/1" in biller.links("/claims/A1")
    assert "Payers’ answers" not in biller.says("/claims/C1")
    taken = clp("A1", "-100", "-70", svc("-100", "-70", "CO*45*-20", "PR*2*-10"), status="22")
    take_transactions(practice, st(taken, paid="0", number=2, after=["PLB*1*20261231*FB:X*-70"]))
    claim = biller.says("/claims/A1")
    reversal = "reversal of posting 3 remittance T000002 of 01/05/2026"
    assert f"Reversal 1 Insurance $70.00 -$30.00 $10.00 {reversal}" in claim
    assert ("Void 1" in claim, "(voided)" in claim) == (False, False), "the payer reversed it"
    assert "Payer reversals 3 $100.00 1 -$10.00" in biller.says("/months/2026-01")
    assert "3 postings, $100.00" in biller.says("/months/2026-01/postings?kind=payer_reversal&responsibility=insurance")
    [history] = [link for link in admin.links("/remittances/1") if link.startswith("/audit")]
    assert history == "/audit?trace=T000001"
    entry = admin.says(history)
    assert "Recorded remittance 1 payer EXAMPLE PLAN · trace T000001 · answers held 1, posted 1 · deposit $90" in entry
    assert "payments $70.00 · to patient $10.00 · adjustments $20.00 · provider adjustments -$5.00" in entry
    assert "Recorded remittance 1" in admin.says("/audit?claim=A1")
    assert "No entries match." in admin.says("/audit?trace=T9")
    assert not [link for link in biller.links("/remittances/1") if link.startswith("/audit")]


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
        found = remittance_api.as_answer(queries.find_answer(session, practice.id, 1, 2)).model_dump(mode="json")
    assert (found["charge_cents"], found["paid_cents"], found["patient_cents"]) == (100_00, None, None)
    assert found["unreadable"] == ["CLP04", "CLP05"]
    assert "payment unreadable" in _describe_answer(found)
    lines = [
        remittance_answers._details(look(practice, AnswerKey(1, place))).model_dump(mode="json")["lines"]
        for place in (1, 3)
    ]
    assert (lines[0][0]["paid_cents"], lines[1][0]["adjustments"][0]["cents"]) == (None, None)
    assert practice.violations() == []


def test_held_answers_of_all_remittances_are_listed_in_pages(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No answer is held." in biller.says("/remittances/held")
    answered(practice)
    take_transactions(
        practice, st(clp("N1", "20", "20", svc("20", "20"), day="20260102", icn="ICN9"), paid="20", number=2)
    )
    assert "Held answers 2" in biller.says("/remittances")
    monkeypatch.setattr(pages, "HELD_SHOWN", 1)

    first = biller.says("/remittances/held")

    assert "2 held answers, paid $35.00" in first
    held = "N1 SAMPLE, PETRA 1 primary 01/02/2026 $20.00 $20.00 $0.00 No claim of the practice has this number."
    assert f"EXAMPLE PLAN T000002 of 01/05/2026 {held}" in first
    assert {"/remittances/2", "/remittances/2/claims/1"} <= set(biller.links("/remittances/held"))
    [after] = [link for link in biller.links("/remittances/held") if "after=" in link]
    second = biller.says(after)
    assert ("T000001 of 01/05/2026 0 SAMPLE, PETRA" in second, "Next page" in second) == (True, False)
    assert biller.get("/remittances/held?after=x").status_code == 422


def test_a_held_answer_is_matched_and_posted_once(practice: GivenPractice, biller: Browser) -> None:
    answered(practice)
    page = "/remittances/1/claims/2"

    assert "Patient SAMPLE, PETRA Member ID W1 Date of service – Charge $15.00" in biller.says(page)
    assert "C1 The Patient 1 05/07/2026 $15.00 $15.00 $0.00 Match to C1" in biller.says(page)
    wrong = biller.post(f"{page}/match", on=page, claim="No such claim")
    assert (wrong.status_code, "There is no claim" in page_text(wrong)) == (404, True)
    assert biller.post(f"{page}/match", on=page, claim="C1").location == page
    assert "A person matched it to this claim." in biller.says(page)
    assert "Balance Insurance $15.00, patient $0.00" in biller.says(page)
    bad = biller.post(f"{page}/post", on=page, posted_on="13/45/2026")
    assert (bad.status_code, "Enter a date, or leave it blank." in page_text(bad)) == (422, True)
    shown = re.search(r'name="shown" value="(\w+)"', biller.read(page))
    assert shown
    assert "Posts payments $15.00." in biller.says(page)
    stale = biller.post(f"{page}/post", on=page, shown="What was shown before")
    assert (stale.status_code, "The answer differs from what you were shown." in page_text(stale)) == (409, True)
    for _ in range(2):
        assert (
            biller.post(f"{page}/post", on="/remittances", note="Called", shown=shown[1]).location == "/remittances/1"
        )

    assert (practice.read("C1").insurance_due, practice.violations()) == (0, [])
    assert not _decisions(biller, page)


def test_answers_are_matched_with_one_button_after_their_claims_are_imported(
    practice: GivenPractice, biller: Browser
) -> None:
    take_transactions(practice, st(clp("N1", "15", "15", svc("15", "15")), paid="15"))
    practice.claim("N1", Line(15_00))

    assert "1 held answer can be matched now, because more was imported since." in biller.says("/remittances")
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
    assert _decisions(biller, page) == [f"{page}/hold"]
    assert biller.post(f"{page}/hold", on=page).location == page
    assert f"{page}/match" in _decisions(biller, page)
    assert (practice.read("C1").insurance_due, practice.violations()) == (15_00, [])


def test_the_answers_of_a_remittance_are_posted_together(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("O1", Line(15_00))
    take_transactions(practice, st(clp("O1", "15", "15", svc("15", "15")), paid="16"))
    page = "/remittances/1"

    assert "I accept this: the payment differs from the claims" in biller.says(page)
    biller.post(f"{page}/post", on=page, posted_on="13/45/2026")
    assert "Enter a date, or leave it blank." in biller.says(page)
    biller.post(f"{page}/post", on=page)
    assert "Posted: 0 answers. Still held: 1." in biller.says(page)
    biller.post(f"{page}/post", on=page, accepts="out_of_balance")
    done = biller.says(page)
    assert "Posted: 1 answer. Still held: 0." in done
    assert "The payment differs from the claims less the provider adjustments. In the file" in done
    assert ("is held" in done, "until a user decides" in done) == (False, False)
    assert (practice.read("O1").insurance_due, practice.violations()) == (0, [])


def test_what_holds_an_answer_is_shown_with_its_place_and_its_cure(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("O1", Line(15_00))
    take_transactions(practice, st(clp("O1", "15", "10", svc("15", "10", "CO*45*4.99")), paid="11"))

    whole = (
        "The whole remittance is held: the payment differs from the claims less the provider adjustments. Compare it "
        "with the bank deposit. Post an answer only if you are sure of its amounts. "
        "In the file: segment 4, BPR02 (claims $10.00, provider adjustments $0.00, payment $11.00)."
    )
    assert whole in biller.says("/remittances/1")
    answer = biller.says("/remittances/1/claims/1")
    assert whole in answer
    assert "This answer cannot be posted now: The line’s charge less its adjustments differs" in answer
    assert "/remittances/1/claims/1/post" not in biller.forms("/remittances/1/claims/1")
    assert (
        "The claim’s charge less its adjustments differs from its payment. Ask the payer for a corrected remittance, "
        "or post it by hand on the claim, then ignore this answer. "
        "In the file: segment 14, CLP (charge $15.00, adjustments $4.99, payment $10.00)."
    ) in answer


def test_a_reason_keeps_its_capitals(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("O1", Line(15_00))
    take_transactions(practice, st(clp("O1", "15", "10", svc("15", "10", "OA*99*5")), paid="10"))

    assert "An OA adjustment has no posting rule." in biller.says("/remittances/1")
    assert "/remittances/1/post" not in biller.forms("/remittances/1"), "nothing of it can be posted together"
    answer = biller.says("/remittances/1/claims/1")
    assert "An OA adjustment has no posting rule: OA-99 $5.00. Give it a posting rule" in answer
    assert "If you post, you accept: An OA adjustment has no posting rule." in answer
