"""The columns of Synthea's CSV export that are read. SSN, driver's license and passport are not among them."""

from typing import Final
from zoneinfo import ZoneInfo

from core.intake.loading import stages
from core.intake.loading.checks import Origin
from core.intake.parsing import fields
from core.intake.parsing.fields import Column, FileFormat

CHARGE: Final = "CHARGE"
PAYMENT: Final = "PAYMENT"
ADJUSTMENT: Final = "ADJUSTMENT"
TRANSFER_OUT: Final = "TRANSFEROUT"
TRANSFER_IN: Final = "TRANSFERIN"
SYSTEM: Final = "SYSTEM"  # the method of adjustments
NO_PAYER: Final = "0"


def _file(name: str, *columns: Column) -> FileFormat:
    return FileFormat(name, columns, others_allowed=True)


ORGANIZATIONS: Final = _file("organizations.csv", Column("Id", fields.external_id), Column("NAME", fields.text))
PROVIDERS: Final = _file("providers.csv", Column("Id", fields.external_id), Column("NAME", fields.text))
PAYERS: Final = _file("payers.csv", Column("Id", fields.external_id), Column("NAME", fields.text))
PATIENTS: Final = _file(
    "patients.csv",
    Column("Id", fields.external_id),
    Column("FIRST", fields.text, private=True),
    Column("LAST", fields.text, private=True),
    Column("BIRTHDATE", fields.date, private=True),
)


def claims(zone: ZoneInfo) -> FileFormat:
    """Return claims.csv, with its times read as local time in `zone`."""
    status = fields.one_of("CLOSED", "BILLED")
    return _file(
        "claims.csv",
        Column("Id", fields.external_id),
        Column("PATIENTID", fields.external_id),
        Column("PROVIDERID", fields.external_id),
        Column("SUPERVISINGPROVIDERID", fields.external_id, optional=True),
        Column("HEALTHCARECLAIMTYPEID1", fields.one_of("1", "2")),
        Column("SERVICEDATE", fields.timestamp_in(zone)),
        Column("PRIMARYPATIENTINSURANCEID", fields.external_id, optional=True),
        Column("STATUS1", status, optional=True),
        Column("SECONDARYPATIENTINSURANCEID", fields.external_id, optional=True),
        Column("STATUS2", status, optional=True),
    )


def transactions(zone: ZoneInfo) -> FileFormat:
    """Return claims_transactions.csv in the order of the stage, with its times read as local time in `zone`."""
    return _file(
        "claims_transactions.csv",
        Column("ID", fields.external_id),
        Column("CLAIMID", fields.external_id),
        Column("CHARGEID", fields.whole_number),
        Column("TYPE", fields.one_of(CHARGE, PAYMENT, ADJUSTMENT, TRANSFER_OUT, TRANSFER_IN)),
        Column("AMOUNT", fields.cents_not_negative, optional=True),
        Column("METHOD", fields.one_of("ECHECK", "COPAY", "CASH", "CHECK", "CC", SYSTEM), optional=True),
        Column("TRANSFERTYPE", fields.one_of("1", "2", "p"), optional=True),
        Column("PAYMENTS", fields.cents_not_negative, optional=True),
        Column("ADJUSTMENTS", fields.cents_not_negative, optional=True, may_be_absent=True),
        Column("TRANSFERS", fields.cents_not_negative, optional=True),
        Column("PLACEOFSERVICE", fields.external_id),
        Column("PROCEDURECODE", fields.external_id),
        Column("FROMDATE", fields.timestamp_in(zone)),
    )


REQUIRED_COLUMNS: Final = {
    CHARGE: ("AMOUNT", "TRANSFERTYPE"),
    PAYMENT: ("PAYMENTS", "METHOD"),
    ADJUSTMENT: ("ADJUSTMENTS",),
    TRANSFER_OUT: ("TRANSFERS",),
    TRANSFER_IN: ("TRANSFERS", "TRANSFERTYPE"),
}
"""The columns that must not be empty in a row of the type."""

_LEDGER: Final = "claims_transactions.csv"
ORIGINS: Final = {
    stages.OFFICE: Origin(ORGANIZATIONS.name, {"external_id": "Id", "name": "NAME"}),
    stages.PROVIDER: Origin(PROVIDERS.name, {"external_id": "Id", "name": "NAME"}),
    stages.PAYER: Origin(PAYERS.name, {"external_id": "Id", "name": "NAME", "payer_class": "NAME"}),
    stages.PATIENT: Origin(PATIENTS.name, {"external_id": "Id", "name": "LAST", "birth_date": "BIRTHDATE"}),
    stages.CLAIM: Origin(
        "claims.csv",
        {
            "external_id": "Id",
            "patient": "PATIENTID",
            "office": "PLACEOFSERVICE of its transactions",
            "billing_provider": "PROVIDERID",
            "supervising_provider": "SUPERVISINGPROVIDERID",
            "claim_type": "HEALTHCARECLAIMTYPEID1",
            "service_date": "SERVICEDATE",
            "service_time": "SERVICEDATE",
            "billing_status": "PAYMENTS of its transactions",
            "primary_payer": "PRIMARYPATIENTINSURANCEID",
            "primary_status": "STATUS1",
            "secondary_payer": "SECONDARYPATIENTINSURANCEID",
            "secondary_status": "STATUS2",
        },
    ),
    stages.SYNTHEA_ROW: Origin(_LEDGER, {"claim": "CLAIMID", "number": "CHARGEID"}),
    stages.LINE: Origin(_LEDGER, {"claim": "CLAIMID", "number": "CHARGEID", "procedure_code": "PROCEDURECODE"}),
    stages.POSTING: Origin(
        _LEDGER,
        {
            "source_id": "ID",
            "claim": "CLAIMID",
            "line": "CHARGEID",
            "responsibility": "TRANSFERTYPE",
            "kind": "TYPE",
            "amount_cents": "AMOUNT",
            "paid_by": "METHOD",
            "posted_on": "FROMDATE",
        },
    ),
}
"""Where each stage's rows come from."""
