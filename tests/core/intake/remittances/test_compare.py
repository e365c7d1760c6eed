"""A held answer beside the claim that it was matched to: the user sees what each reason is about."""

import datetime as dt

from core.intake.remittances.commands import AnswerKey
from tests.factories import GivenPractice, Line
from tests.remittances import SERVICE_ON, clp, look, post_shown, st, svc, take_transactions


def test_each_reason_says_what_it_is_about(practice: GivenPractice) -> None:
    for number in ("A1", "A2", "A3", "A4", "A5"):
        practice.claim(number, Line(100_00), service_date=SERVICE_ON)
    other_day, paid = dt.date(2026, 2, 3), svc("100", "70", "CO*45*30")
    take_transactions(
        practice,
        st(
            clp("A1", "101", "70", svc("101", "70", "CO*45*31")),
            clp("A2", "100", "70", paid, day=f"{other_day:%Y%m%d}"),
            clp("A3", "100", "70", svc("100", "70", "PR*100*20", "OA*209*10"), patient="20"),
            clp("A4", "100", "70", svc("60", "40", "CO*45*20"), svc("40", "30", "CO*45*10", code="HC:1")),
            clp("A5", "100", "70", paid),
            paid="350",
        ),
    )
    take_transactions(practice, st(clp("A5", "100", "70", paid), paid="70", number=2))

    details = {
        why.code: why.detail
        for key in [*(AnswerKey(1, place) for place in range(1, 5)), AnswerKey(2, 1)]
        for why in look(practice, key).why
    }
    assert details == {
        "charge_differs": "payer $101.00, claim $100.00",
        "service_date_differs": "payer 02/03/2026, claim 01/02/2026",
        "held_by_rule": "PR-100 paid to the patient $20.00",
        "other_adjustment": "OA-209 not billable to the patient by law $10.00",
        "unsent_line_paid": "99213 $60.00; 1 $40.00",
        "answered_before": "$70.00 in remittance T000001 of 01/05/2026",
        "below_zero": "line 1, insurance balance $0.00, lowered by $100.00",
    }
    post_shown(practice, AnswerKey(1, 3))
    assert {why.cure for why in look(practice, AnswerKey(1, 3)).why} == {""}, "it is decided"
    sentences = [why.sentence for why in look(practice, AnswerKey(1, 1)).why]
    assert sentences == ["The charge differs from the claim's charges: payer $101.00, claim $100.00."]


def test_a_held_answer_shows_its_patient_and_the_claim_beside_it(practice: GivenPractice) -> None:
    practice.claim("A1", Line(100_00), Line(patient=5_00), service_date=SERVICE_ON)
    take_transactions(
        practice, st(clp("A1", "99", "99", svc("99", "99")), clp("X1", "9", "9", svc("9", "9"), icn="2"), paid="108")
    )

    seen, unknown = look(practice, AnswerKey(1, 1)), look(practice, AnswerKey(1, 2))
    assert (seen.answer.patient_name, seen.answer.member_id) == ("SAMPLE, PETRA", "W1")
    assert seen.claim is not None
    assert (seen.claim.service_on, seen.claim.charge_cents) == (SERVICE_ON, 105_00)
    assert (seen.claim.insurance_cents, seen.claim.patient_cents) == (100_00, 5_00)
    assert (unknown.answer.patient_name, unknown.claim) == ("SAMPLE, PETRA", None)
    assert "PETRA" not in repr((seen, unknown)), "no log shows a name"
