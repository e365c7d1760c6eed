"""Remittances into the books: matched, posted exactly once, in any legal order, or held."""

import datetime as dt
import itertools
from pathlib import Path

import pytest
from sqlalchemy import select

from core.access.permissions import Actor
from core.db.engine import transaction as begin
from core.enums.claims import ClaimStatus
from core.enums.ledger import GroupCode
from core.enums.practices import PayerClass
from core.enums.remittances import RuleAction
from core.intake.remittances import commands
from core.intake.remittances.commands import AnswerKey
from core.intake.remittances.posting_rules import set_rule
from core.models.practices import Office
from core.models.remittances import ProviderAdjustment, Remittance, RemittanceLine
from core.models.sent_claims import OwnTaxId, SentClaim, SentLine
from tests.decided import sentences
from tests.factories import NOW, GivenPractice, Line
from tests.remittances import SERVICE_ON, answers, clp, look, post_shown, posted, st, svc, take, write

PAID = clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), patient="10")
TAKEN = clp("A1", "-100", "-70", svc("-100", "-70", "CO*45*-20", "PR*2*-10"), status="22")
CORRECTED = clp("A1", "100", "75", svc("100", "75", "CO*45*20", "PR*2*5"), patient="7", icn="ICN2")  # with a warning


def given(practice: GivenPractice, *numbers: str, cents: int = 10_000, **columns: object) -> None:
    """Add claims that the insurance owes."""
    for number in numbers or ("A1",):
        practice.claim(number, Line(insurance=cents), service_date=SERVICE_ON, **columns)


def due(practice: GivenPractice, number: str = "A1") -> tuple[int, int]:
    claim = practice.read(number)
    return claim.insurance_due, claim.patient_due


def test_an_answer_is_posted_and_recorded(practice: GivenPractice, tmp_path: Path) -> None:
    given(practice)
    version = practice.read("A1").version
    file = write(tmp_path / "a.835", st(PAID, paid="69.50", after=["PLB*1234567893*20261231*L6:INT*0.50"]))

    checked = take(practice, file, is_check=True)
    assert (due(practice), posted(practice, "A1"), answers(practice)) == ((10_000, 0), [], [])
    done = take(practice, file)

    assert checked.facts() == done.facts()
    assert due(practice) == (0, 1_000)
    claim = practice.read("A1")
    assert (claim.primary_paid, claim.adjustment, claim.version) == (7_000, 2_000, version + 1)
    assert (claim.primary_status, claim.last_payment_on) == (ClaimStatus.ERA_RECEIVED, dt.date(2026, 1, 5))
    assert answers(practice) == [("A1", "posted", [])]
    with practice.sessions() as session:
        remittance = session.scalars(select(Remittance)).one()
        assert (remittance.paid_cents, remittance.claims_cents, remittance.provider_cents) == (6_950, 7_000, 50)
        line = session.scalars(select(RemittanceLine)).one()
        assert line.adjustments == [["CO", "45", 2_000, "post"], ["PR", "2", 1_000, "transfer"]]
        assert (line.line, line.code) == (1, "99213")
        assert session.scalars(select(ProviderAdjustment.reference)).all() == ["INT"]
    [one] = done.transactions
    assert (one.payments_cents, one.adjustments_cents, one.transferred_cents) == (7_000, 2_000, 1_000)
    [entry] = practice.audited("remittance.recorded")  # the check left none
    assert (entry.subject.partition(":")[0], entry.user_id) == ("remittance", practice.biller.user_id)
    assert {**entry.facts, "answers_sha256": len(entry.facts["answers_sha256"])} == {
        "answers_sha256": 64, "trace": "T000001", "payer": "EXAMPLE PLAN", "deposit_cents": 6_950,
        "provider_adjustments_cents": 50,
        "answers": {"posted": 1}, "payments_cents": 7_000, "adjustments_cents": 2_000, "to_patient_cents": 1_000,
    }  # fmt: skip
    assert practice.violations() == []


def test_the_same_content_is_posted_once_under_any_envelope(practice: GivenPractice, tmp_path: Path) -> None:
    given(practice)
    one = write(tmp_path / "one.835", st(PAID, paid="70"))
    other = write(tmp_path / "other.835", st(PAID, paid="70"), number=77)  # through another clearinghouse

    take(practice, one)
    again = take(practice, one, other, now=NOW + dt.timedelta(days=1))

    assert again.notes()[0].endswith(f"imported before, on {NOW:%m/%d/%Y}; nothing is posted again.")
    assert [(each.recorded_on, each.outcomes) for each in again.transactions] == [(NOW.date(), {})] * 2
    assert due(practice) == (0, 1_000)
    assert len(answers(practice)) == 1
    changed = write(tmp_path / "changed.835", st(PAID, CORRECTED, paid="145"))
    assert take(practice, changed).transactions[0].because == "same_trace"
    assert sentences(look(practice, AnswerKey(2, 1)).why)[0] == (
        "TRN02 ($70.00 in one.835, imported 11/23/2026): The whole remittance is held: another remittance of this "
        "payer has the same trace number. Compare the two. Post this one only if it is another payment."
    )
    assert answers(practice)[1:] == [
        ("A1", "held", ["same_trace", "answered_before"]),
        ("A1", "held", ["same_trace", "patient_share", "answered_before"]),
    ]  # fmt: skip
    assert practice.violations() == []


def test_a_payment_of_nothing_may_repeat_its_trace_number(practice: GivenPractice, tmp_path: Path) -> None:
    given(practice, "A1", "A2")
    files = [
        write(tmp_path / f"{n}.835", st(clp(n, "100", "0", svc("100", "0", "CO*16*100")), paid="0"))
        for n in ("A1", "A2")
    ]

    result = take(practice, *files)

    assert [one.because for one in result.transactions] == ["", ""]
    interest = st(paid="5", number=2, after=["PLB*1234567893*20261231*L6:INT*-5"])
    [note, *_] = take(practice, write(tmp_path / "plb.835", interest)).notes()
    assert note == "Remittance T000002 of $5.00, 0 answers: nothing to post, provider adjustments only."
    claim = practice.read("A2")
    assert (claim.primary_status, claim.denied_on) == (ClaimStatus.ERA_DENIED, dt.date(2026, 1, 5))
    assert (claim.denial_group, claim.denial_carc, claim.insurance_due) == ("CO", "16", 10_000)


def test_a_denial_ends_with_a_payment_or_its_reversal(practice: GivenPractice, tmp_path: Path) -> None:
    numbers = ("PAID LATER", "DENIAL REVERSED", "PAYMENT REVERSED", "SECOND PAYS")
    given(practice, *numbers[:3])
    given(practice, numbers[3], secondary_payer_id=practice.payer("2", PayerClass.COMMERCIAL))
    paid, denied = svc("100", "70", "CO*45*30"), svc("100", "0", "CO*16*100")
    taken = (svc("-100", "0", "CO*16*-100"), svc("-100", "-70", "CO*45*-30"))

    def statuses(*claims: list[str], paid: str, number: int) -> list[tuple[str, str | None, str | None]]:
        after = ["PLB*1234567893*20261231*FB:X*-70"] if number > 1 else []
        take(practice, write(tmp_path / f"{number}.835", st(*claims, paid=paid, number=number, after=after)))
        rows = [practice.read(one) for one in numbers]
        return [(row.primary_status.value, str(row.denied_on), row.denial_carc) for row in rows]

    is_denied, is_paid = ("ERA Denied", "2026-01-05", "16"), ("ERA Received", "None", None)
    first = [clp(one, "100", "0", denied, icn=one) for one in numbers if one != "PAYMENT REVERSED"]
    first.append(clp("PAYMENT REVERSED", "100", "70", paid))
    assert statuses(*first, paid="70", number=1) == [is_denied, is_denied, is_paid, is_denied]

    second = [
        clp("PAID LATER", "100", "70", paid), clp("DENIAL REVERSED", "-100", "0", taken[0], status="22"),
        clp("PAYMENT REVERSED", "-100", "-70", taken[1], status="22"),
        clp("SECOND PAYS", "100", "70", svc("100", "70", "OA*23*30"), status="2"),
    ]  # fmt: skip
    waits = ("In Process at Payer", "None", None)
    assert statuses(*second, paid="140", number=2) == [is_paid, waits, waits, is_denied]
    assert practice.violations() == []


def test_reversal_and_correction_may_come_in_any_order(practice: GivenPractice, tmp_path: Path) -> None:
    for number, order in enumerate(itertools.permutations([PAID, TAKEN, CORRECTED])):
        claim = f"A{number}"
        given(practice, claim)
        segments = [[segment.replace("CLP*A1*", f"CLP*{claim}*") for segment in one] for one in order]
        nameless = segments[order.index(TAKEN)]
        nameless[:] = [segment for segment in nameless if not segment.startswith("NM1")]  # a payer may omit the patient
        if number % 2:  # each in a file of its own
            paid = {id(PAID): "70", id(CORRECTED): "75"}
            for nth, (one, original) in enumerate(zip(segments, order, strict=True)):
                is_taken = original is TAKEN
                amount = "0" if is_taken else paid[id(original)]
                after = ["PLB*1234567893*20261231*FB:X*-70"] if is_taken else []
                one_st = st(one, paid=amount, number=number * 3 + nth, after=after)
                take(practice, write(tmp_path / f"{number}-{nth}.835", one_st))
        else:
            take(practice, write(tmp_path / f"{number}.835", st(*segments, paid="75", number=number * 3)))
        outcomes = {one[1] for one in answers(practice) if one[0] == claim}
        assert due(practice, claim) == (0, 500), number
        # A correction that comes even before the original leaves the original and its reversal for a person.
        assert outcomes <= {"posted", "warned"} or order.index(CORRECTED) < order.index(PAID)
    assert practice.violations() == []


def test_an_answer_that_another_one_did_not_free_has_the_reason_of_now(
    practice: GivenPractice, tmp_path: Path, admin: Actor
) -> None:
    given(practice)
    take(practice, write(tmp_path / "1.835", st(PAID, CORRECTED, paid="145")))
    assert answers(practice)[1] == ("A1", "held", ["patient_share", "answered_before"])
    practice.act(set_rule, GroupCode.CONTRACTUAL, "45", RuleAction.HOLD, by=admin)

    taken = st(TAKEN, paid="0", number=2, after=["PLB*1234567893*20261231*FB:X*-70"])
    take(practice, write(tmp_path / "2.835", taken))

    assert answers(practice)[1] == ("A1", "held", ["patient_share", "held_by_rule"])


def test_a_secondary_payer_completes_what_the_primary_left(practice: GivenPractice, tmp_path: Path) -> None:
    """The billing status is the office's own list of what to do next, so no answer changes it."""
    second = practice.payer("2", PayerClass.COMMERCIAL)
    two = clp("A1", "100", "8", svc("100", "8", "OA*23*90", "PR*2*2"), status="2", patient="2", icn="S1")
    for number, order in enumerate(([PAID, two], [two, PAID])):
        claim = f"B{number}"
        given(practice, claim, secondary_payer_id=second, billing_status="Bill Insurance")
        for nth, one in enumerate(order):
            segments = [segment.replace("CLP*A1*", f"CLP*{claim}*") for segment in one]
            paid = "70" if one is PAID else "8"
            take(practice, write(tmp_path / f"{number}{nth}.835", st(segments, paid=paid, number=number * 2 + nth)))
        found = practice.read(claim)
        assert (found.insurance_due, found.patient_due) == (0, 200)
        assert (found.primary_paid, found.secondary_paid, found.adjustment) == (7_000, 800, 2_000)
        assert found.secondary_status is ClaimStatus.ERA_RECEIVED
        assert found.billing_status == "Bill Insurance"
    assert practice.violations() == []


def test_a_payment_on_a_settled_claim_reverses_the_write_off_and_a_reversal_of_it_is_held(
    practice: GivenPractice, tmp_path: Path
) -> None:
    given(practice)
    practice.settle()
    paid = write(tmp_path / "paid.835", st(PAID, paid="70"))
    taken = write(tmp_path / "taken.835", st(TAKEN, paid="0", number=2, after=["PLB*1*20261231*FB:X*-70"]))
    checked = take(practice, paid, is_check=True)

    assert checked.facts() == take(practice, paid).facts()

    assert due(practice) == (0, 1_000)
    assert practice.read("A1").billing_status == "Balance Due"
    assert practice.violations() == []
    take(practice, taken)
    assert answers(practice)[1:] == [("A1", "held", ["settled_claim"])]
    assert due(practice) == (0, 1_000)


WHOLE = "The whole remittance is held:"
SURE = "Post an answer only if you are sure of its amounts."
NOT_OUR_TAX_ID = (
    f"{WHOLE} the payee's tax ID is not one that the practice's claims (837) were sent with. Post it only if the "
    "money is yours."
)
HELD = {
    "transaction imbalance": (
        [st(PAID, paid="70.01")], {},
        (f"segment 4, BPR02 (claims $70.00, provider adjustments $0.00, payment $70.01): {WHOLE} the payment differs "
         f"from the claims less the provider adjustments. Compare it with the bank deposit. {SURE}")),
    "ISA15 = T in production": (
        [st(PAID, paid="70")], {"usage": "T"},
        (f"segment 1, ISA15: {WHOLE} the file is marked as a test. Import the production file, then ignore this "
         "answer.")),
    "BPR02 negative": (
        [st(PAID, paid="-1", after=["PLB*1*20261231*WO:X*71"])], {},
        f"segment 4, BPR02: {WHOLE} the payment total is below zero. Ask the sender to correct it. {SURE}"),
    "payee's NPI not ours": (
        [st(PAID, paid="70", head={"XX*1234567893": "XX*1992999998"})], {},
        (f"N104 (NPI 1992999998): {WHOLE} the payee is not an office or provider of the practice. Post it only if the "
         "money is yours.")),
    "payee's tax ID not ours": (
        [st(PAID, paid="70", head={"TJ*999999999": "TJ*123123123"})], {}, f"REF02: {NOT_OUR_TAX_ID}"),
    "payee with a tax ID alone": (
        [st(PAID, paid="70", head={"XX*1234567893": "FI*11-1111111"})], {}, f"N104: {NOT_OUR_TAX_ID}"),
    "not US dollars": (
        [st(["CUR*PR*CAD"], PAID, paid="70", head={})], {},
        (f"segment 14, CUR02: {WHOLE} the amounts are not in US dollars. Post it by hand on the claim, then ignore "
         "this answer.")),
}  # fmt: skip


@pytest.mark.parametrize(("transactions", "given_", "sentence"), HELD.values(), ids=HELD)
def test_a_whole_remittance_is_held(
    practice: GivenPractice,
    tmp_path: Path,
    transactions: list[list[str]],
    given_: dict[str, str],
    sentence: str,
) -> None:
    given(practice)
    with begin(practice.sessions) as session:
        session.add(Office(practice_id=practice.id, external_id="1234567893", name="Clinic"))
        session.add(OwnTaxId(practice_id=practice.id, tax_id="999999999"))

    result = take(practice, write(tmp_path / "a.835", *transactions, **given_))

    [[number, outcome, [code, *_]]] = answers(practice)
    assert (number, outcome, code) == ("A1", "held", result.transactions[0].because)
    assert sentences(look(practice, AnswerKey(1, 1)).why)[0] == sentence
    assert due(practice) == (10_000, 0)
    assert practice.violations() == []


def test_a_broken_transaction_is_refused_and_the_next_one_is_posted(practice: GivenPractice, tmp_path: Path) -> None:
    given(practice, "A1", "A2")
    broken = st(PAID, paid="70")
    broken[-1] = "SE*3*0001"
    good = st([segment.replace("*A1*", "*A2*") for segment in PAID], paid="70", number=2)

    result = take(practice, write(tmp_path / "a.835", broken, good))

    assert [(one.is_refused, one.because) for one in result.transactions] == [(True, "segment_count"), (False, "")]
    assert (due(practice, "A1"), due(practice, "A2")) == ((10_000, 0), (0, 1_000))


def test_a_fault_after_the_last_claim_holds_what_is_before_it(practice: GivenPractice, tmp_path: Path) -> None:
    given(practice)
    file = write(tmp_path / "a.835", st(PAID, paid="70"))
    file.write_text(file.read_text().replace("GE*1*1~", "GE*2*1~"))

    assert take(practice, file).transactions[0].because == "group_count"
    assert due(practice) == (10_000, 0)


def test_lines_are_matched_by_what_the_practice_sent(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("A1", Line(5_000), Line(5_000), service_date=SERVICE_ON)
    claim_id = practice.read("A1").id
    with begin(practice.sessions) as session:
        keys = {"practice_id": practice.id, "claim_id": claim_id}
        session.add_all(
            [
                SentLine(**keys, line=1, control_number="X1", modifiers="25"),
                SentLine(**keys, line=2, control_number="X2", modifiers=""),
                SentClaim(**keys, payer_order="P", member_id="W1"),
            ]
        )
    second, first = svc("50", "10", "CO*45*40", control="X2"), svc("50", "50", code="HC:99213:25", control="X1")

    take(practice, write(tmp_path / "a.835", st(clp("A1", "100", "60", second, first), paid="60")))

    assert answers(practice) == [("A1", "posted", [])]
    assert [(line, cents) for line, _, _, cents in posted(practice, "A1")] == [(1, -5_000), (2, -1_000), (2, -4_000)]


def test_a_line_is_matched_by_its_date_also_after_it_was_held(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("A1", Line(5_000), Line(5_000), service_date=SERVICE_ON)
    claim_id = practice.read("A1").id
    with begin(practice.sessions) as session:
        keys = {"practice_id": practice.id, "claim_id": claim_id, "modifiers": ""}
        days = (SERVICE_ON, SERVICE_ON + dt.timedelta(days=1))
        session.add_all(SentLine(**keys, line=line, service_on=day) for line, day in enumerate(days, 1))
    second, first = [*svc("50", "50"), "DTM*472*20260103"], [*svc("50", "0", "CO*16*50"), "DTM*472*20260102"]

    take(practice, write(tmp_path / "a.835", st(clp("0", "100", "50", second, first), paid="50")))
    practice.act(commands.match, AnswerKey(1, 1), "A1")
    post_shown(practice, AnswerKey(1, 1))

    assert [(line, cents) for line, _, _, cents in posted(practice, "A1")] == [(2, -5_000)]


def test_numbers_are_matched_exactly_then_cut_then_by_the_payers_own(practice: GivenPractice, tmp_path: Path) -> None:
    long = "L" * 20
    given(practice, "A1", f"{long}-1", "X:1", f"{'M' * 20}1", f"{'M' * 20}2", "S1")

    def era(number: int, *claims: list[str]) -> None:
        paid = sum(int(claim[0].split("*")[4]) for claim in claims)
        take(practice, write(tmp_path / f"{number}.835", st(*claims, paid=str(paid), number=number)))

    def denied(number: str, icn: str, **more: str) -> list[str]:
        return clp(number, "100", "0", svc("100", "0", "CO*16*100"), icn=icn, **more)  # type: ignore[arg-type]

    era(1, denied(long, "I1"), denied("X:1", "I2"), denied("M" * 20, "I3"), denied("NONE", "I4"), denied("0", "I5"))
    era(2, denied("OTHER", "I1"), denied("S1", "I6"), denied("S1", "I7", name="SOMEONE"))
    unnamed = [segment for segment in denied("A1", "I8") if not segment.startswith("NM1")]
    era(3, unnamed, denied("A1", "I9"))

    assert [(outcome, reasons) for _, outcome, reasons in answers(practice)] == [
        ("warned", ["matched_by_prefix"]), ("posted", []), ("held", ["several_claims"]), ("held", ["no_claim"]),
        ("held", ["placeholder_id"]), ("warned", ["matched_by_payer_number"]), ("held", ["shared_number"]),
        ("held", ["shared_number"]), ("posted", []), ("posted", []),
    ]  # fmt: skip


def test_a_claim_of_a_running_job_and_a_closed_or_future_month_are_held(
    practice: GivenPractice, tmp_path: Path
) -> None:
    given(practice, "A1", "A2", "A3")
    practice.confirmed({"claim_ids": ["A1"]})
    practice.sql(
        "INSERT INTO period (practice_id, month, state, closed_at, totals, digest) "
        "VALUES (:id, '2025-12-01', 'closed', '2026-01-02', '{}', '')",
        id=practice.id,
    )
    a2, a3 = ([segment.replace("*A1*", f"*{number}*") for segment in PAID] for number in ("A2", "A3"))

    def dated(day: str) -> dict[str, str]:
        return {"************20260105": f"************{day}"}

    take(
        practice, write(tmp_path / "a.835", st(PAID, paid="70")),
        write(tmp_path / "b.835", st(a2, paid="70", number=2, head=dated("20251231"))),
        write(tmp_path / "c.835", st(a3, paid="70", number=3, head=dated("20261124"))),
        write(tmp_path / "d.835", st(a3, paid="70", number=4, head=dated(""))),
    )  # fmt: skip

    assert [reasons for *_, reasons in answers(practice)] == [
        ["claim_in_job"], ["closed_month"], ["future_date"], ["no_date"]
    ]  # fmt: skip


def test_many_claims_are_taken_in_batches(
    practice: GivenPractice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.intake.remittances.import_remittances.BATCH_ANSWERS", 2)
    numbers = [f"A{number}" for number in range(1, 6)]
    given(practice, *numbers)
    claims = [[segment.replace("*A1*", f"*{number}*") for segment in PAID] for number in numbers]
    take(practice, write(tmp_path / "a.835", st(*claims, paid="350")))

    assert [outcome for _, outcome, _ in answers(practice)] == ["posted"] * 5
