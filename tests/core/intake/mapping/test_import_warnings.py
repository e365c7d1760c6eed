"""Warnings of an import about claims that a rule cannot protect."""

from core.intake.mapping.mapping import Mapping
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, OfficeFiles

DENIALS = Mapping.of({
    "columns": {**COLUMNS, "Claim Status": "primary_status", "Denied": "denied_on"},
    "words": {"primary_status": {"Denied": "ERA Denied", "Paid": "ERA Received"}},
    "dates": {"service_date": "MM/DD/YYYY", "denied_on": "MM/DD/YYYY"},
})  # fmt: skip


def test_denied_claims_without_a_denial_date_are_counted(office: OfficeFiles) -> None:
    rows = [
        f"C{n},P1,Example Ann,03/14/2026,Aetna,{balances},{status}"
        for n, (balances, status) in enumerate(
            [
                ("20.00,0.00", "Denied,"),
                ("20.00,0.00", "Denied,03/20/2026"),
                ("0.00,20.00", "Denied,"),
                ("20.00,0.00", "Paid,"),
            ]
        )
    ]

    done = office.load(office.csv(*rows, header=f"{HEADER},Claim Status,Denied"), DENIALS)

    [warning] = done.warnings
    assert warning == (
        "1 denied claim has an insurance balance and no denial date. The rule for denied claims in the appeal window "
        "cannot protect it. Map a column with the denial date, or put a hold on the claims that you appeal."
    )
