"""What a person does with held answers, and what pages show of them."""

import datetime as dt

import pytest
from sqlalchemy import func, select

from core.access.permissions import Actor
from core.db.engine import transaction as begin
from core.enums.ledger import GroupCode
from core.enums.practices import PayerClass
from core.enums.remittances import Outcome, RuleAction
from core.errors import NotAllowed
from core.intake.remittances import candidates, commands, held, queries
from core.intake.remittances.commands import AnswerKey, BadReason, NotHeld, NotIgnored, StillHeld
from core.intake.remittances.posting_rules import BadPostingRule, set_rule
from core.intake.remittances.retry import count_matchable, retry_unmatched
from core.ledger import voids
from core.ledger.adjustment_limits import AdjustmentOverLimit
from core.ledger.entries import Void
from core.models.ledger import Posting
from core.models.sent_claims import SentClaim, SentNumber
from tests.factories import NOW, TODAY, GivenPractice, Line
from tests.remittances import SERVICE_ON, answers, clp, look, post_shown, posted, st, svc, take_transactions

FIRST = AnswerKey(1, 1)
PAID = ("100", "70", svc("100", "70", "CO*45*20", "PR*2*10"))


def given(practice: GivenPractice, number: str = "A1") -> None:
    practice.claim(number, Line(insurance=10_000), service_date=SERVICE_ON)


def _void_last(practice: GivenPractice, number: str) -> None:
    """Void the posting that was entered last."""
    with practice.sessions() as session:
        mistake = session.scalars(select(func.max(Posting.id))).one()
    practice.act(voids.void, number, mistake, Void.of({"note": "Mistyped"}), idempotency_key="void")


def test_a_person_matches_and_posts_a_held_answer_once(practice: GivenPractice, approver: Actor) -> None:
    given(practice)
    take_transactions(practice, st(clp("0", *PAID, patient="10", day="20260102"), paid="70"))
    with practice.sessions() as session:
        assert [one.claim for one in candidates.list_candidates(session, practice.id, 1, 1)] == ["A1"]

    with pytest.raises(NotAllowed):
        practice.act(commands.match, FIRST, "A1", by=approver)
    for _ in range(2):
        assert practice.act(commands.match, FIRST, "A1").reasons == ["matched_by_hand"]
    for _ in range(2):
        assert post_shown(practice, FIRST, note="Called the payer").outcome is Outcome.WARNED

    assert sum(cents for *_, cents in posted(practice, "A1")) == -9_000
    assert practice.read("A1").patient_due == 1_000
    with pytest.raises(NotHeld):
        practice.act(commands.match, FIRST, "A1")
    with pytest.raises(NotHeld):
        practice.act(commands.ignore, FIRST, "Too late")
    with pytest.raises(NotIgnored):
        practice.act(commands.hold_again, FIRST)
    acts = [entry.act for entry in practice.audited() if entry.subject == "remittance:1"]
    assert acts == ["remittance.recorded", "remittance.matched", "remittance.posted"]
    assert practice.violations() == []


def test_a_claim_that_was_imported_after_its_remittance_is_found(practice: GivenPractice) -> None:
    other_day = clp("A2", *PAID, patient="10", day="20251231")
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), other_day, paid="140"))
    with pytest.raises(StillHeld, match="no claim of the practice has this number"):
        post_shown(practice, FIRST)
    given(practice)
    given(practice, "A2")

    assert post_shown(practice, FIRST).outcome is Outcome.POSTED
    assert practice.read("A1").patient_due == 1_000
    seen = look(practice, AnswerKey(1, 2))
    assert (seen.answer.claim, seen.accepted, seen.blocking) == ("A2", ["service_date_differs"], [])
    assert "service_date_differs" in post_shown(practice, AnswerKey(1, 2)).reasons


def test_a_user_posts_only_what_was_shown(practice: GivenPractice, admin: Actor) -> None:
    def post(seen: str) -> None:
        practice.act(commands.post, FIRST, shown=seen)

    given(practice)
    half = clp("A1", "100", "40", svc("100", "40", "CO*16*60"))
    take_transactions(practice, st(half, paid="40.01"))
    assert answers(practice) == [("A1", "held", ["out_of_balance"])]
    alone = look(practice, FIRST).token
    for change in (
        lambda: practice.act(set_rule, GroupCode.CONTRACTUAL, "16", RuleAction.POST, by=admin),
        lambda: take_transactions(practice, st(half, paid="40", number=2)),  # the payer's answer came in another way
    ):
        before = look(practice, FIRST).token
        change()
        with pytest.raises(StillHeld, match="The answer differs from what you were shown"):
            post(before)

    with pytest.raises(StillHeld):
        post(alone)
    assert [cents for *_, cents in posted(practice, "A1")] == [-4_000, -6_000], "of the second remittance alone"
    seen = look(practice, FIRST)
    assert (seen.accepted, seen.blocking) == (["out_of_balance", "answered_before"], ["below_zero"])
    assert practice.violations() == []


def test_held_answers_are_matched_like_new_ones_after_their_claims_are_imported(
    practice: GivenPractice, approver: Actor
) -> None:
    """By the number, a replacement's number, its first 20 characters, and the payer's own, as in a first import."""
    other_charge = clp("A2", "90", "70", svc("90", "70", "CO*45*20"), icn="I2")
    never, cut, two = (clp(one, *PAID, patient="10", icn=f"I{one}") for one in ("A3", "L" * 20, "M" * 20))
    renamed = clp("NEW", *PAID, patient="10", icn="I9")
    denied = clp("A1", "100", "0", svc("100", "0", "CO*16*100"), icn="I9")
    resent, accepted = clp("A4R", *PAID, patient="10", icn="I4"), clp("LOST", *PAID, patient="10", icn="I5")
    payer = {"EXAMPLE PLAN": "EXAMPLE PLAN*XV*12345"}
    whole = st(renamed, denied, other_charge, never, cut, two, resent, accepted, paid="490", head=payer)
    take_transactions(practice, whole)
    with practice.sessions() as session:
        assert count_matchable(session, practice.id) == 0
    for number in ("A1", "A2", f"{'L' * 20}-1", f"{'M' * 20}1", f"{'M' * 20}2", "A4", "A5"):
        given(practice, number)
    with begin(practice.sessions) as session:
        ids = {number: practice.read(number).id for number in ("A4", "A5")}
        session.add(SentNumber(practice_id=practice.id, number="A4R", claim_id=ids["A4"]))
        sent = {"payer_order": "P", "payer_number": "12345", "payer_claim_number": "I5"}
        session.add(SentClaim(practice_id=practice.id, claim_id=ids["A5"], **sent))
    with practice.sessions() as session:
        assert count_matchable(session, practice.id) == 6

    with pytest.raises(NotAllowed):
        practice.act(retry_unmatched, by=approver)
    assert practice.act(retry_unmatched) == (4, 2)
    assert practice.act(retry_unmatched) == (1, 0)  # the payer's number is known since the first answer was matched
    assert practice.act(retry_unmatched) == (0, 0)

    assert answers(practice) == [
        ("NEW", "warned", ["matched_by_payer_number"]), ("A1", "posted", []), ("A2", "held", ["charge_differs"]),
        ("A3", "held", ["no_claim"]), ("L" * 20, "warned", ["matched_by_prefix"]),
        ("M" * 20, "held", ["several_claims"]), ("A4R", "warned", ["matched_by_replacement"]),
        ("LOST", "warned", ["matched_by_payer_number"]),
    ]  # fmt: skip
    assert practice.read("A1").patient_due == practice.read(f"{'L' * 20}-1").patient_due == 1_000
    assert [entry.facts["posted"] for entry in practice.audited("remittances.retried")] == [4, 1]
    assert practice.violations() == []


def test_a_person_cannot_post_what_does_not_balance_or_exceeds_the_limit(practice: GivenPractice) -> None:
    given(practice)
    given(practice, "A2")
    wrong = clp("A1", "100", "70", svc("100", "70", "CO*45*20.01", "PR*2*10"), patient="10")
    take_transactions(practice, st(wrong, clp("A2", *PAID, patient="10"), paid="140.01"))
    assert [reasons for *_, reasons in answers(practice)][1] == ["out_of_balance"]

    with pytest.raises(StillHeld, match="differs from its payment"):
        post_shown(practice, FIRST)
    practice.limit(claim=1_999)
    with pytest.raises(AdjustmentOverLimit):
        post_shown(practice, AnswerKey(1, 2))
    practice.limit(claim=2_000)
    assert post_shown(practice, AnswerKey(1, 2)).reasons == ["out_of_balance"]
    assert posted(practice, "A1") == []
    assert practice.violations() == []


@pytest.mark.parametrize(
    ("because", "head", "usage"),
    [
        ("the file is marked as a test", [], "T"),
        ("the amounts are not in US dollars", ["CUR*PR*CAD"], "P"),
    ],
)
def test_money_that_is_not_real_or_not_in_dollars_is_never_posted(
    practice: GivenPractice, because: str, head: list[str], usage: str
) -> None:
    given(practice)
    unbalanced = st([*head, *clp("A1", *PAID, patient="10")], paid="70.01")  # which a user may accept
    take_transactions(practice, unbalanced, usage=usage)

    seen = look(practice, FIRST)
    assert (seen.accepted, len(seen.blocking)) == (["out_of_balance"], 1)
    with pytest.raises(StillHeld, match=because):
        post_shown(practice, FIRST)
    assert posted(practice, "A1") == []


def test_a_remittance_with_a_trace_number_that_came_before_names_the_other(practice: GivenPractice) -> None:
    given(practice)
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), paid="70"))
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), paid="70.01"))

    why = {one.code: (one.places, one.cure) for one in look(practice, AnswerKey(2, 1)).why}
    assert why["same_trace"] == (
        ["TRN02 ($70.00 in era.835, imported 11/23/2026)"],
        "compare the two. Post this one only if it is another payment",
    )
    assert why["out_of_balance"][0] == ["segment 4, BPR02 (claims $70.00, provider adjustments $0.00, payment $70.01)"]


def test_a_person_chooses_another_date_for_a_closed_month(practice: GivenPractice) -> None:
    given(practice)
    practice.sql(
        "INSERT INTO period (practice_id, month, state, closed_at, totals, digest) "
        "VALUES (:id, '2026-01-01', 'closed', '2026-02-02', '{}', '')",
        id=practice.id,
    )
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), paid="70"))

    with pytest.raises(StillHeld, match="closed"):
        post_shown(practice, FIRST)
    with pytest.raises(StillHeld, match="future"):
        post_shown(practice, FIRST, posted_on=TODAY + dt.timedelta(days=1))
    post_shown(practice, FIRST, posted_on=dt.date(2026, 2, 1))

    assert practice.read("A1").last_payment_on == dt.date(2026, 2, 1)


def test_an_answer_that_waits_for_its_day_or_for_a_job_is_posted_by_itself(practice: GivenPractice) -> None:
    given(practice)
    given(practice, "A2")
    practice.confirm(practice.preview({"claim_ids": ["A2"]}))
    tomorrow = {"*20260105~": "*20261124~", "20260105": "20261124"}
    later = st(clp("A1", *PAID, patient="7"), paid="70", head=tomorrow)
    take_transactions(practice, later, st(clp("A2", *PAID, patient="10"), paid="70", number=2))
    assert [found for _, _, found in answers(practice)] == [["patient_share", "future_date"], ["claim_in_job"]]

    assert held.post_due(practice.sessions, now=NOW) == 0
    assert practice.audited("remittances.posted_when_due") == []
    assert held.post_due(practice.sessions, now=NOW + dt.timedelta(days=1)) == 1
    assert practice.read("A1").last_payment_on == dt.date(2026, 11, 24)
    practice.run()
    assert held.post_due(practice.sessions, now=NOW) == 1
    assert sum(cents for *_, cents in posted(practice, "A2")) == -9_000
    assert [entry.facts for entry in practice.audited("remittances.posted_when_due")] == [{"posted": 1, "held": 0}] * 2
    assert practice.violations() == []


def test_a_remittance_is_posted_together_with_what_the_user_accepts(practice: GivenPractice, approver: Actor) -> None:
    for number in ("A1", "A2", "A3"):
        given(practice, number)
    practice.post("A3", 7_000, responsibility="insurance", paid_by="primary")
    three = [clp(number, *PAID, patient="10", icn=number) for number in ("A1", "A2", "A3")]
    take_transactions(practice, st(*three, paid="210.01", head={"20260105": "20261124"}))

    def together(**given_: object) -> tuple[int, int]:
        done: tuple[int, int] = practice.act(held.post_all, 1, **given_)
        return done

    with pytest.raises(NotAllowed):
        practice.act(held.post_all, 1, by=approver)
    assert together(posted_on=TODAY) == (0, 3), "the deposit does not tie"
    assert together(accepts=["out_of_balance", "paid_before"]) == (0, 3), "it is a payment of tomorrow"
    practice.limit(claim=1_999)
    assert together(accepts=["out_of_balance"], posted_on=TODAY) == (0, 3)
    practice.limit(claim=2_000)
    assert together(accepts=["out_of_balance", "paid_before"], posted_on=TODAY) == (2, 1)
    assert answers(practice) == [
        ("A1", "warned", ["out_of_balance"]), ("A2", "warned", ["out_of_balance"]),
        ("A3", "held", ["out_of_balance", "paid_before"]),
    ]  # fmt: skip
    assert practice.violations() == []


def test_an_ignored_answer_leaves_the_list_with_a_reason(practice: GivenPractice) -> None:
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), clp("A2", *PAID, patient="10"), paid="140"))

    with practice.sessions() as session:
        for place, seen in (({}, (1, None, 1)), ({"after": 1}, (2, 2, None)), ({"before": 2}, (1, None, 1))):
            page = queries.page_of_answers(session, practice.id, 1, Outcome.HELD, limit=1, **place)
            assert (page.rows[0].ordinal, page.before, page.after) == seen
    with pytest.raises(BadReason):
        practice.act(commands.ignore, FIRST, " ")
    given(practice)
    for _ in range(2):
        practice.act(commands.ignore, FIRST, "Wrong click")
    for _ in range(2):
        assert practice.act(commands.hold_again, FIRST).outcome is Outcome.HELD
    assert look(practice, FIRST).sums.payments == 7_000, "it lost nothing"
    for _ in range(2):
        practice.act(commands.ignore, FIRST, "Not our patient")
    acts = [entry.act for entry in practice.audited(subject="remittance:1")]
    assert acts == ["remittance.recorded", "remittance.ignored", "remittance.held_again", "remittance.ignored"]

    with practice.sessions() as session:
        [row], more = queries.list_answers(session, practice.id, outcomes=[Outcome.IGNORED])
        assert (row.note, row.decided_by, more) == ("Not our patient", "biller", None)
        [held], more = queries.list_answers(session, practice.id, limit=1, remittance_id=1, outcomes=[Outcome.HELD])
        assert (held.ordinal, more) == (2, None)
        _, more = queries.list_answers(session, practice.id, limit=1)
        assert more == (1, 1)
        rest, _ = queries.list_answers(session, practice.id, after=more)
        assert [row.ordinal for row in rest] == [2]
        [remittance], _ = queries.list_remittances(session, practice.id)
        assert remittance.outcomes == {Outcome.IGNORED: 1, Outcome.HELD: 1}


def test_a_claims_answers_are_listed_line_by_line(practice: GivenPractice) -> None:
    given(practice)
    after = ["PLB*1234567893*20261231*L6:INT*-1"]
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), paid="71", after=after))

    with practice.sessions() as session:
        [one] = queries.list_answers_on_claim(session, practice.id, practice.read("A1").id)
        assert (one.answer.payer, one.answer.trace, one.answer.outcome) == ("EXAMPLE PLAN", "T000001", Outcome.POSTED)
        assert [(line.ordinal, line.line, line.paid_cents) for line in one.lines] == [(1, 1, 7_000)]
        claim = practice.read("A1")
        newest = (claim.last_answer_on, claim.last_answer_status, claim.payer_claim_number)
        assert newest == (dt.date(2026, 1, 5), "1", "ICN1")
        [provider] = queries.list_provider_adjustments(session, practice.id, 1)
        assert (provider.reason, provider.cents) == ("L6", -100)


def test_an_answer_is_posted_after_a_user_did_what_its_reason_says(practice: GivenPractice) -> None:
    given(practice)
    second = clp("A1", "100", "8", svc("100", "8", "OA*23*90", "PR*2*2"), status="2", patient="2", icn="S1")
    take_transactions(practice, st(clp("A1", *PAID, patient="10"), second, paid="78"))
    [why] = look(practice, AnswerKey(1, 2)).why
    assert why.cure == "import the claim again with this payer, then post this answer"
    practice.sql(
        "UPDATE claim SET secondary_payer_id = :payer WHERE external_id = 'A1'",
        payer=practice.payer("2", PayerClass.COMMERCIAL),
    )
    practice.post("A1", 1_000)
    assert look(practice, AnswerKey(1, 2)).blocking == ["below_zero"]
    _void_last(practice, "A1")

    assert post_shown(practice, AnswerKey(1, 2)).outcome is Outcome.WARNED
    claim = practice.read("A1")
    assert (claim.insurance_due, claim.patient_due, claim.secondary_paid) == (0, 200, 800)
    assert practice.violations() == []


def test_a_payment_that_is_in_the_ledger_from_elsewhere_is_not_posted_again_unseen(practice: GivenPractice) -> None:
    for place, number in enumerate(("A1", "A2", "A3", "A4"), 1):
        practice.claim(number, Line(insurance=6_000), Line(insurance=4_000), service_date=SERVICE_ON)
        lines = svc("60", "30", "CO*16*30"), svc("40", "20", "CO*16*20")
        take = st(clp(number, "100", "50", *lines), paid="50", number=place)
        entries = {"A1": [(1, 5_000)], "A2": [(1, 3_000), (2, 2_000)], "A3": [(1, 1_000)], "A4": [(1, 3_000)]}[number]
        for line, cents in entries:
            given_ = {"line": line, "responsibility": "insurance", "paid_by": "primary"}
            practice.post(number, cents, key=f"{number} {line}", **given_)
        if number == "A4":
            _void_last(practice, number)
        take_transactions(practice, take)

    assert answers(practice) == [
        ("A1", "held", ["paid_before"]), ("A2", "held", ["paid_before"]), ("A3", "posted", []), ("A4", "posted", [])
    ]  # fmt: skip
    assert look(practice, FIRST).why[0].words == "a payment of this amount by this payer is in the ledger already"
    assert post_shown(practice, AnswerKey(2, 1)).reasons == ["paid_before"]
    assert practice.violations() == []


def test_a_posting_rule_changes_later_postings_only(practice: GivenPractice, admin: Actor) -> None:
    def era(number: str, place: int) -> None:
        claim = clp(number, "100", "80", svc("100", "80", "CO*97*20"))
        take_transactions(practice, st(claim, paid="80", number=place))

    given(practice)
    given(practice, "A2")
    era("A1", 1)
    with pytest.raises(NotAllowed):
        practice.act(set_rule, GroupCode.CONTRACTUAL, "97", RuleAction.POST)
    for _ in range(2):
        practice.act(set_rule, GroupCode.CONTRACTUAL, "97", RuleAction.POST, by=admin)
    era("A2", 2)

    assert (practice.read("A1").insurance_due, practice.read("A2").insurance_due) == (2_000, 0)
    with pytest.raises(BadPostingRule, match="Allowed: transfer, track, hold"):
        practice.act(set_rule, GroupCode.PATIENT_RESPONSIBILITY, "1", RuleAction.POST, by=admin)
    practice.act(set_rule, GroupCode.CONTRACTUAL, "97", None, by=admin)
    changes = [entry.facts for entry in practice.audited("posting_rule.changed")]
    assert [(one["action_before"], one["action"]) for one in changes] == [("track", "post"), ("post", "track")]
    assert practice.violations() == []
