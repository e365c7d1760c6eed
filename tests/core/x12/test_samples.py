"""The figures of public samples, counted before by a reader that shares nothing with this one."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from core.x12.envelope_records import Kind
from core.x12.problems import Problem, Reach
from tests.core.x12.seen import Seen, see_path


class Paid(NamedTuple):
    """The figures of an 835, in cents. `unbalanced` counts claims and lines."""

    claims: int
    lines: int
    charge: int
    paid: int
    patient: int
    adjusted: dict[str, int]
    provider: int
    total: int
    unbalanced: tuple[int, int] = (0, 0)


class Sent(NamedTuple):
    """The figures of an 837, in cents."""

    claims: int
    lines: int
    charge: int
    line_charges: int
    frequencies: dict[str, int]
    payers: str
    patient_paid: int = 0


ONE = {"1": 1}
REMITTANCES = {
    "cosyte-carc-rarc-mix": Paid(1, 1, 30000, 20000, 0, {"CO-45": 9000, "OA-9999": 1000}, 0, 20000),
    "cosyte-imbalance": Paid(1, 1, 10000, 8000, 0, {"CO-45": 1000}, 0, 8000, (1, 1)),
    "cosyte-multi-claim": Paid(2, 2, 30000, 24000, 3000, {"CO-45": 3000, "PR-2": 1000, "PR-3": 2000}, 0, 24000),
    "cosyte-with-plb": Paid(1, 1, 10000, 10000, 0, {}, 5000, 5000),
    "lfh-cob-contractural-adjustment": Paid(1, 1, 54100, 3400, 0, {"OA-23": 51600, "OA-94": -900}, 0, 3400),
    "lfh-managed-care": Paid(2, 2, 200000, 94500, 90000, {"CO-A2": 10500, "PR-1": 90000, "CO-45": 5000}, 0, 94500),
    "lfh-medicare-part-a": Paid(2, 0, 22636697, 14999873, 0, {"CO-45": 7636824}, -127, 15000000),
    "lfh-secondary-payment": Paid(
        2, 2, 1107514, 122200, 22000, {"OA-23": 954814, "PR-1": 15000, "PR-2": 7000, "CO-42": 8500}, 0, 122200
    ),
}
CLAIM_FILES = {
    "cosyte-i-canonical": Sent(1, 2, 500000, 228000, ONE, "P"),
    "cosyte-p-canonical": Sent(1, 1, 15000, 15000, ONE, "P"),
    "cosyte-p-comprehensive": Sent(1, 2, 25000, 25000, ONE, "PS", 2500),
    "cosyte-p-edge-cases": Sent(2, 1, 15000, 10000, {"1": 2}, "PP"),
    "cosyte-p-with-patient-hl": Sent(1, 1, 12000, 12000, ONE, "P"),
    "lfh-4010-coordination-of-benefits": Sent(1, 3, 7904, 7904, ONE, "P"),
    "lfh-4010-patient-is-dependent": Sent(1, 4, 10000, 10000, ONE, "P"),
    "lfh-i-institutional-claim": Sent(1, 2, 8993, 8993, ONE, "PS"),
    "lfh-i-two-claims-single-provider": Sent(2, 3, 13995, 13995, {"1": 2}, "PP"),
    "lfh-p-demo.autoaccident": Sent(1, 2, 18500, 18500, ONE, "P"),
    "lfh-p-demo.cob.2ndary.example4": Sent(1, 1, 14550, 14550, {"": 1}, "P"),
    "lfh-p-demo.cob.example3.A": Sent(1, 3, 7904, 7904, ONE, "PS"),
    "lfh-p-demo.cob.example3.B": Sent(1, 3, 7904, 7904, ONE, "SP"),
    "lfh-p-demo.drug.example10.1": Sent(1, 2, 10337, 10337, ONE, "P"),
    "lfh-p-demo.example1": Sent(1, 4, 10000, 10000, ONE, "P"),
    "lfh-p-demo.example2": Sent(1, 4, 10000, 10000, ONE, "P"),
}
WRONG_SEGMENT_COUNT = {
    "cosyte-carc-rarc-mix", "cosyte-imbalance", "cosyte-multi-claim", "cosyte-with-plb", "cosyte-p-comprehensive",
    "cosyte-p-edge-cases", "cosyte-p-with-patient-hl",
}  # fmt: skip


@pytest.mark.parametrize("name", REMITTANCES)
def test_each_remittance_has_the_figures_of_the_other_reader(samples: Path, name: str) -> None:
    seen = see_path(samples / "835" / f"{name}.835")

    lines = [line for claim in seen.paid for line in claim.lines]
    adjusted: Counter[str] = Counter()
    for one in (one for part in (*seen.paid, *lines) for one in part.adjustments):
        adjusted[f"{one.group}-{one.reason}"] += one.cents
    unbalanced = Counter(seen.problems)
    assert [one.kind for one in seen.opened] == [Kind.REMITTANCE]
    assert REMITTANCES[name] == Paid(
        len(seen.paid), len(lines), sum(claim.charge_cents for claim in seen.paid),
        sum(claim.paid_cents for claim in seen.paid), sum(claim.patient_cents for claim in seen.paid), dict(adjusted),
        sum(one.cents for one in seen.provider), seen.payments[0].paid_cents,
        (unbalanced[Problem.CLAIM_OUT_OF_BALANCE], unbalanced[Problem.LINE_OUT_OF_BALANCE]),
    )  # fmt: skip
    assert Problem.OUT_OF_BALANCE not in unbalanced
    expect_verdict(seen, name)


@pytest.mark.parametrize("name", CLAIM_FILES)
def test_each_claim_file_has_the_figures_of_the_other_reader(samples: Path, name: str) -> None:
    seen = see_path(samples / "837" / f"{name}.837")

    lines = [line for claim in seen.sent for line in claim.lines]
    assert [one.kind for one in seen.opened] == [Kind.INSTITUTIONAL if "-i-" in name else Kind.PROFESSIONAL]
    assert CLAIM_FILES[name] == Sent(
        len(seen.sent), len(lines), sum(claim.charge_cents for claim in seen.sent),
        sum(line.charge_cents for line in lines), dict(Counter(claim.frequency for claim in seen.sent)),
        "".join(coverage.order for claim in seen.sent for coverage in claim.coverages),
        sum(claim.patient_paid_cents for claim in seen.sent),
    )  # fmt: skip
    expect_verdict(seen, name)


def expect_verdict(seen: Seen, name: str) -> None:
    """Check what the file's envelope says: some samples have a wrong SE01, and all of one project are test files."""
    (closed,) = seen.closed
    assert closed.is_refused == (name in WRONG_SEGMENT_COUNT)
    assert (Problem.SEGMENT_COUNT in seen.problems) == closed.is_refused
    assert (closed.reach is Reach.TRANSACTION) == (Problem.TEST_FILE in seen.problems) == name.startswith("lfh")
    assert seen.outside == []


def test_the_acknowledgment_rejects_its_claim(samples: Path) -> None:
    seen = see_path(samples / "277ca" / "cosyte-canonical.277ca")

    assert seen.faults == []
    assert [one.level for one in seen.statuses] == ["20", "21", "19", "22"]
    (claim,) = [one for one in seen.statuses if one.is_claim]
    assert (claim.trace, claim.is_rejected, claim.payer_claim_id) == ("CLAIM-TRACE-REJECT-001", True, "PCN20260601002")
    assert [(one.codes, one.action, one.charge_cents) for one in claim.statuses] == [([("A7", "21", "PR")], "U", 15000)]
    assert [one.is_rejected for one in seen.statuses] == [False, False, False, True]


def test_a_dependent_is_the_patient_of_the_claim_and_the_subscriber_is_not(samples: Path) -> None:
    (claim,) = see_path(samples / "837" / "lfh-p-demo.cob.example3.B.837").sent

    patient, second, first = claim.patient, *claim.coverages
    assert patient is not None
    assert (patient.name, patient.first, claim.patient_relationship) == ("SMITH", "TED", "19")
    assert second.subscriber is not None
    assert first.subscriber is not None
    assert (second.subscriber.first, first.subscriber.first) == ("JACK", "JANE")
    assert (first.payer.id if first.payer else "", first.amounts["D"]) == ("999996666", 3915)
    assert [(one.group, one.reason, one.cents) for one in first.adjustments] == [("PR", "1", 2189), ("PR", "2", 1500)]
    assert [(line.number, line.payments[0].paid_cents) for line in claim.lines] == [
        ("1", 4000),
        ("2", 1500),
        ("3", 2104),
    ]
    assert claim.provider is not None
    assert (claim.provider.name, claim.provider.id) == ("KILDARE", "1999996666")
