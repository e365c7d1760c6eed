"""The public sample remittances, with claims that match them: what is posted, held and why, to the cent."""

from pathlib import Path

from tests.core.x12.conftest import samples
from tests.factories import GivenPractice
from tests.mutated import with_right_counts
from tests.remittances import add_claims, take

__all__ = ["samples"]
WITH_WRONG_COUNT = (
    "cosyte-carc-rarc-mix.835", "cosyte-imbalance.835", "cosyte-multi-claim.835", "cosyte-with-plb.835",
)  # fmt: skip
# With the right count of segments: outcomes, reasons of held answers, and cents of payments, adjustments and transfers.
VERDICTS: dict[str, tuple[dict[str, int], dict[str, int], tuple[int, int, int]]] = {
    "cosyte-carc-rarc-mix.835": ({"held": 1}, {"other_adjustment": 1, "secondary_without_oa23": 1}, (0, 0, 0)),
    "cosyte-imbalance.835": ({"held": 1}, {"line_out_of_balance": 1, "claim_out_of_balance": 1}, (0, 0, 0)),
    "cosyte-multi-claim.835": ({"posted": 2}, {}, (240_00, 30_00, 0)),  # the patient's share waits for Ins 2
    "cosyte-with-plb.835": ({"posted": 1}, {}, (100_00, 0, 0)),
    "lfh-cob-contractural-adjustment.835": ({"held": 1}, {"no_date": 1}, (0, 0, 0)),
    "lfh-managed-care.835": ({"held": 2}, {"no_date": 2}, (0, 0, 0)),
    "lfh-medicare-part-a.835": ({"warned": 2}, {}, (149_998_73, 76_368_24, 0)),
    "lfh-secondary-payment.835": ({"held": 2}, {"no_date": 2}, (0, 0, 0)),
}


def corrected(sample: Path, folder: Path) -> Path:
    """Write a sample without its mark as a test, and with the right counts."""
    path = folder / sample.name
    text = sample.read_bytes().decode("latin-1").replace("*T*:~", "*P*:~")
    path.write_bytes(with_right_counts(text).encode("latin-1"))
    return path


def test_each_public_sample_has_its_verdict(practice: GivenPractice, samples: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in (samples / "835").iterdir()) == sorted(VERDICTS)
    for name, verdict in VERDICTS.items():
        sample = samples / "835" / name
        if name in WITH_WRONG_COUNT:
            (refused,) = take(practice, sample).transactions
            assert (refused.is_refused, refused.because, refused.recorded_on) == (True, "segment_count", None), name
        path = corrected(sample, tmp_path)
        add_claims(practice, path)

        done = take(practice, path)

        (one,) = done.transactions
        cents = (one.payments_cents, one.adjustments_cents, one.transferred_cents)
        assert (dict(one.outcomes), dict(one.held_reasons), cents) == verdict, name
        assert one.claims_cents - one.provider_cents == one.paid_cents, name
        if "held" not in one.outcomes:
            assert one.payments_cents == one.claims_cents, "each cent of the file is posted"
        assert take(practice, path).recorded == 0, name
    assert practice.violations() == []
