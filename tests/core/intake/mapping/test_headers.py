"""Headers of US practice-management exports, and what they are taken for."""

import pytest

from core.intake.mapping.targets import Field, field_of_header
from core.intake.mapping.words import describe_payer_classes, meaning, payer_class


@pytest.mark.parametrize(("headers", "field"), [
    (("Claim #", "Claim No.", "ClaimID", "Visit ID", "Encounter Number", "Ticket #", "Voucher"), Field.CLAIM),
    (("Acct #", "Account No", "Chart #", "MRN", "Patient ID", "Pt Acct"), Field.PATIENT),
    (("Patient", "Patient Name", "Pt Name", "Patient Full Name"), Field.PATIENT_NAME),
    (("DOB", "Birth Date", "Date of Birth", "Patient DOB"), Field.BIRTH_DATE),
    (("DOS", "Date of Service", "Service Date", "From DOS", "Svc Dt", "Visit Date"), Field.SERVICE_DATE),
    (("Primary Ins", "Primary Insurance", "Payer", "Payor Name", "Carrier", "Insurance"), Field.PRIMARY_PAYER),
    (("Secondary Ins", "Sec Insurance", "Ins 2"), Field.SECONDARY_PAYER),
    (("Ins Bal", "Insurance Balance", "Ins. Due", "Ins A/R", "Insurance Balance Due"), Field.INSURANCE_BALANCE),
    (("Pt Bal", "Patient Balance", "Pat Due", "Patient Resp", "Pt Responsibility"), Field.PATIENT_BALANCE),
    (("Balance", "Total Balance", "Balance Due", "Amt Due"), Field.TOTAL_BALANCE),
    (("CPT", "CPT Code", "Procedure", "Procedure code", "Proc Code", "HCPCS"), Field.PROCEDURE_CODE),
    (("Charges", "Chg Amt", "Billed Amount", "Total Charges", "Fee"), Field.CHARGE),
    (("Ins Pmts", "Insurance Payments", "Ins Paid", "Payer Paid"), Field.PRIMARY_PAID),
    (("Pt Pmts", "Patient Paid", "Patient Payments"), Field.PATIENT_PAID),
    (("Adj", "Adjustments", "Contractual Adj"), Field.ADJUSTMENT),
    (("Write-Off", "W/O"), Field.WRITE_OFF),
    (("Fin Class", "Financial Class", "FC", "Payer Type"), Field.PAYER_CLASS),
    (("Facility", "Location", "Office"), Field.OFFICE),
    (("Provider", "Rendering Provider", "Billing Prov"), Field.PROVIDER),
])  # fmt: skip
def test_a_usual_header_is_recognized(headers: tuple[str, ...], field: Field) -> None:
    assert {header: (field_of_header(header) or (None,))[0] for header in headers} == dict.fromkeys(headers, field)


@pytest.mark.parametrize("header", [
    "Units", "Statement Date", "Subscriber ID", "Ins Bal 0-30", "Notes", "Zip", "Modifier", "Claim Amount", "Policy #",
    "Dx 1",
])  # fmt: skip
def test_another_header_is_not_taken_for_a_field(header: str) -> None:
    assert field_of_header(header) is None


@pytest.mark.parametrize(("name", "found"), [
    ("Medicare Part B", "medicare"), ("Humana Gold Plus HMO", "medicare"), ("Kaiser Senior Advantage", "medicare"),
    ("MCR Railroad", "medicare"), ("TX Medicaid", "medicaid"), ("Medi-Cal", "medicaid"),
    ("Medicare/Medicaid", "dual"), ("TRICARE East", "tricare"), ("Workers Comp", "workers_comp"),
    ("Aetna", "commercial"),
    ("State Farm Auto", "auto"), ("SELF PAY", "self_pay"), ("Cash", "self_pay"), ("Selfridge Plan", "commercial"),
])  # fmt: skip
def test_a_payer_has_the_class_that_its_name_shows(name: str, found: str) -> None:
    assert payer_class(name) == found


def test_the_classes_that_payers_names_show_are_listed_before_the_import() -> None:
    many = [f"Medicaid {number}" for number in range(1, 23)]

    assert describe_payer_classes(["Aetna", "Cigna"]) == "Based on payer names, all payers are commercial."
    assert describe_payer_classes(["Workers Comp", "Aetna", "MCR Railroad", "Workers Comp"]) == (
        "Based on payer names: Workers Comp is Workers' compensation; MCR Railroad is Medicare. "
        "All other payers are commercial."
    )
    assert describe_payer_classes(many).endswith(
        "Medicaid 20 is Medicaid. 2 more have a class other than commercial. All other payers are commercial."
    )


def test_a_word_has_its_usual_meaning_or_none() -> None:
    assert meaning(Field.BILLING_STATUS, "balance due") == "Balance Due"
    assert meaning(Field.BILLING_STATUS, "Open  INS") == "Bill Insurance"
    assert meaning(Field.BILLING_STATUS, "COLL") is None
    assert meaning(Field.HOLD, "N") == ""
    assert meaning(Field.SECONDARY_STATUS, "Denied") == "ERA Denied"
    assert meaning(Field.PAYER_CLASS, "Workers Comp") == "workers_comp"
