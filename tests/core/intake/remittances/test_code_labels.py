"""The labels of codes in remittances."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.intake.remittances.posting_table import DEFAULTS
from core.x12 import code_labels
from core.x12.read import read
from core.x12.remittance import PaidClaim, ProviderAdjustment

UNLABELED = {"OA-9999", "ZZZZ"}  # invented by a sample


def codes_of_samples() -> Iterator[tuple[str, str]]:
    """Yield each code of the sample files, and how it is shown."""
    folder = os.environ.get("SETTLE_X12_DIR")
    if not folder:
        pytest.skip("SETTLE_X12_DIR does not name the folder with the X12 samples")
    for path in sorted(Path(folder, "835").iterdir()):
        with path.open("rb") as binary:
            for event in read(binary, path.name):
                if isinstance(event, PaidClaim):
                    yield event.status, code_labels.labeled(event.status, "status")
                    for line in (event, *event.lines):
                        for one in line.adjustments:
                            yield f"{one.group}-{one.reason}", code_labels.adjustment(one.group, one.reason)
                        yield from ((one, code_labels.labeled(one, "remark")) for one in line.remarks)
                elif isinstance(event, ProviderAdjustment):
                    yield event.reason, code_labels.labeled(event.reason, "provider")


def test_every_code_of_the_samples_has_a_label_or_is_left_without_one_on_purpose() -> None:
    shown = dict(codes_of_samples())

    assert {code for code, words in shown.items() if words == code} == UNLABELED
    assert shown["CO-45"] == "CO-45 contractual"
    assert shown["WO"] == "WO overpayment recovery"


def test_every_code_of_the_posting_table_has_a_label() -> None:
    assert [key for key in DEFAULTS if not code_labels.reason_label(*key)] == []
    assert {group for group, _ in DEFAULTS} <= set(code_labels.GROUP_LABELS)
    assert code_labels.adjustment(None, "45") == "45 above the fee schedule"
    assert code_labels.adjustment("CO", "9999") == "CO-9999"
