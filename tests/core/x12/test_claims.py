"""The claims of an 837: loops, payers, replacements and lines; and the statuses of a 277CA."""

import io

import pytest

from core.x12.parties import full_name, plain_tax_id
from core.x12.problems import Problem, Reach
from tests.core.x12.seen import Seen, see, see_text
from tests.x12_files import PLAIN, Form, interchange, sent_claim, transaction

HEAD = ["BHT*0019*00*1*20260105*0930*CH", "HL*1**20*1", "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893", "REF*EI*999999999"]
CLM = "CLM*A0*100***11:B:1*Y*A*Y*Y"


def seen_of(*loops: list[str], kind: str = "837") -> Seen:
    """Read a claim file with these subscriber loops."""
    body = [*HEAD, *(segment for loop in loops for segment in loop)]
    return see_text(PLAIN.write(interchange([transaction(body, kind=kind)], kind=kind)))


def changed(old: str, *new: str) -> list[str]:
    """Return a claim with one segment replaced."""
    claim = sent_claim(0)
    place = claim.index(old)
    return [*claim[:place], *new, *claim[place + 1 :]]


def test_claims_hang_under_the_subscriber_or_under_the_dependent() -> None:
    seen = seen_of(sent_claim(0), sent_claim(1, dependent=True), sent_claim(2))

    assert seen.faults == []
    assert [claim.claim_id for claim in seen.sent] == ["A0", "A1", "A2"]
    assert [claim.patient.first if claim.patient else "" for claim in seen.sent] == ["", "PAT", ""]
    assert [claim.patient_relationship for claim in seen.sent] == ["", "19", ""]
    subscribers = [claim.coverages[0].subscriber for claim in seen.sent]
    assert [one.id if one else "" for one in subscribers] == ["W0", "W1", "W2"]
    assert [claim.provider.references if claim.provider else [] for claim in seen.sent] == [[("EI", "999999999")]] * 3
    assert [line.control_number for claim in seen.sent for line in claim.lines][:3] == ["0L1", "0L2", "1L1"]
    assert [[line.charge_cents for line in claim.lines] for claim in seen.sent] == [[6000, 4000]] * 3


@pytest.mark.parametrize(("encoding", "form"), [
    ("utf-8", PLAIN), ("windows-1252", PLAIN), ("windows-1252", Form("\xa6", "\xa7", "\xac")),
])  # fmt: skip
def test_a_name_keeps_its_letters_in_utf_8_and_in_windows_1252(encoding: str, form: Form) -> None:
    """X12 names no encoding. x12-parser 1.3.0 (npm) reads bytes as ASCII, and JOSÉ becomes JOSI: see findings."""
    claim = [segment.replace("SAMPLE0*PETRA", "O’NUÑEZ*JOSÉ") for segment in sent_claim(0)]
    file = form.write(interchange([transaction([*HEAD, *claim], kind="837")], kind="837"))

    seen = see(io.BytesIO(file.encode(encoding)))

    assert seen.faults == []
    (subscriber,) = [coverage.subscriber for sent in seen.sent for coverage in sent.coverages]
    assert subscriber is not None
    assert full_name(subscriber) == "O’NUÑEZ, JOSÉ"
    assert [line.code[:2] for sent in seen.sent for line in sent.lines][:1] == [("HC", "99213")]


def test_a_tax_id_keeps_only_the_digits_0_to_9() -> None:
    assert plain_tax_id("99-99²99٣") == "999999"


@pytest.mark.parametrize(("frequency", "number"), [("7", "ICN1"), ("8", "ICN1"), ("1", "")])
def test_a_replacement_and_a_void_name_the_payers_claim(frequency: str, number: str) -> None:
    new = [CLM.replace(":1*", f":{frequency}*"), *([f"REF*F8*{number}"] if number else [])]

    (claim,) = seen_of(changed(CLM, *new)).sent

    assert (claim.frequency, claim.replaced_claim_id) == (frequency, number)


@pytest.mark.parametrize(("day", "problems"), [("20260105", []), ("20260106", [Problem.FUTURE_BIRTH])])
def test_a_birth_date_after_the_transaction_is_not_read(day: str, problems: list[Problem]) -> None:
    (claim,) = seen_of(changed("DMG*D8*19800101*F", f"DMG*D8*{day}*F")).sent

    assert [fault.problem for fault in claim.faults] == problems
    (subscriber,) = [coverage.subscriber for coverage in claim.coverages]
    assert subscriber is not None
    assert (subscriber.born_on is None) == bool(problems)


def test_the_claim_to_the_second_payer_names_both_and_their_references_stay_apart() -> None:
    other = [
        "AMT*F5*12.5", "NM1*77*2*SITE*****XX*1", "REF*G2*X", "SBR*P*18*******CI",
        "CAS*PR*2*10", "AMT*D*50", "NM1*IL*1*SAMPLE*PETRA****MI*W9", "NM1*PR*2*FIRST PLAN*****PI*999", "REF*F8*OTHER",
    ]  # fmt: skip
    claim = [segment.replace("SBR*P", "SBR*S") for segment in changed(CLM, CLM, "REF*F8*ICN9")]
    place = claim.index("LX*1")

    seen = seen_of([*claim[:place], *other, *claim[place:]])

    (sent,) = seen.sent
    assert seen.faults == []
    assert [coverage.order for coverage in sent.coverages] == ["S", "P"]
    assert [coverage.payer.id if coverage.payer else "" for coverage in sent.coverages] == ["12345", "999"]
    assert (sent.replaced_claim_id, sent.patient_paid_cents, sent.coverages[1].amounts) == ("ICN9", 1250, {"D": 5000})
    assert sent.parties["77"].references == [("G2", "X")]


def test_institutional_lines_have_a_revenue_code() -> None:
    claim = changed("SV1*HC:99213:25*60*UN*1***1", "SV2*0120**60*DA*2")

    (sent,) = seen_of(claim, kind="837I").sent

    assert next((line.revenue_code, line.code, line.units) for line in sent.lines) == ("0120", (), "2")
    assert sent.faults == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (CLM, CLM.replace("*100*", "*100.01*"), Problem.LINES_DIFFER),
        (CLM, CLM.replace("*100*", "*1E2*"), Problem.BAD_AMOUNT),
        (CLM, CLM.replace("*100*", "**"), Problem.MISSING_AMOUNT),
        (CLM, CLM.replace("*A0*", "**"), Problem.PLACEHOLDER_ID),
        ("SV1*HC:99213:25*60*UN*1***1", "SV1*HC:99213:25*-60*UN*1***1", Problem.NEGATIVE_CHARGE),
        ("HL*2*1*22*0", "HL*2*7*22*0", Problem.BROKEN_HIERARCHY),
        ("HL*2*1*22*0", "HL*2*1*21*0", Problem.BROKEN_HIERARCHY),
        ("HL*2*1*22*0", "HL*2*1*23*0", Problem.BROKEN_HIERARCHY),
        ("SBR*P*18*GROUP1******CI", "PAT*19", Problem.BROKEN_HIERARCHY),
    ],
)
def test_a_claim_with_a_fault_is_held_and_the_next_one_is_not(old: str, new: str, problem: Problem) -> None:
    seen = seen_of(changed(old, new), sent_claim(1))

    assert problem in [fault.problem for fault in seen.sent[0].faults]
    assert problem.reach is Reach.CLAIM
    assert seen.sent[1].faults == []
    assert not seen.closed[0].is_refused


def test_a_subscriber_without_coverage_does_not_inherit_the_one_before() -> None:
    without = [segment for segment in sent_claim(1) if not segment.startswith("SBR")]

    first, second = seen_of(sent_claim(0), without).sent

    assert (len(first.coverages), first.faults) == (1, [])
    assert (second.coverages, [fault.problem for fault in second.faults]) == ([], [Problem.BROKEN_HIERARCHY])


def test_a_claim_without_lines_is_held() -> None:
    claim = sent_claim(0)

    assert seen_of(claim[: claim.index("LX*1")]).problems == [Problem.NO_LINES]


def test_a_lost_claim_start_is_not_silent() -> None:
    lost = [segment for segment in sent_claim(1) if not segment.startswith("CLM")]

    seen = seen_of(sent_claim(0), lost)

    assert [claim.claim_id for claim in seen.sent] == ["A0"]
    assert Problem.MISPLACED_SEGMENT in seen.problems
    assert seen.closed[0].reach is Reach.TRANSACTION


def test_each_claim_of_a_patient_has_its_own_status() -> None:
    body = [
        "BHT*0085*08*1*20260105*1200*TH", "HL*1**20*1", "NM1*PR*2*PLAN*****PI*1", "HL*2*1*21*1", "HL*3*2*19*1",
        "HL*4*3*22*0", "NM1*IL*1*SECRET*PETRA****MI*W1", "TRN*2*A1", "STC*A2:20:PR*20260105*WQ*100", "REF*1K*ICN1",
        "TRN*2*A2", "STC*A3:21*20260105*U*50*******A7:562:85", "STC*A1:19", "HL*5*3*22*0", "STC*F0>1",
    ]  # fmt: skip
    segments = [
        segment.replace("X222A2", "X214") for segment in interchange([transaction(body, kind="837")], kind="837")
    ]
    text = PLAIN.write(segments).replace("ST*837", "ST*277")

    seen = see_text(text)

    claims = [one for one in seen.statuses if one.is_claim]
    assert [(one.trace, one.is_rejected, one.payer_claim_id) for one in claims] == [
        ("A1", False, "ICN1"), ("A2", True, ""), ("", False, ""),
    ]  # fmt: skip
    assert claims[1].statuses[0].codes == [("A3", "21"), ("A7", "562", "85")]
    assert claims[1].parties["IL"].id == "W1"
    assert seen.problems == [Problem.WRONG_SEPARATOR, Problem.PLACEHOLDER_ID]
