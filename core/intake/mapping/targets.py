"""What a column in an office's file can mean, and the words in its header that suggest it."""

import re
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """How the values of a field are read."""

    ID = "id"
    TEXT = "text"
    MONEY = "money"
    DATE = "date"
    COUNT = "count"
    CODE = "code"  # a CARC, alone or after its group code
    WORD = "word"  # one of our own words, which the mapping translates


class Field(StrEnum):
    """A field of a claim or service line."""

    CLAIM = "claim"
    PATIENT = "patient"
    PATIENT_NAME = "patient_name"
    FIRST_NAME = "patient_first_name"
    LAST_NAME = "patient_last_name"
    BIRTH_DATE = "birth_date"
    SERVICE_DATE = "service_date"
    OFFICE = "office"
    PROVIDER = "provider"
    SUPERVISING_PROVIDER = "supervising_provider"
    PRIMARY_PAYER_ID = "primary_payer_id"
    PRIMARY_PAYER = "primary_payer"
    PAYER_CLASS = "payer_class"
    PRIMARY_STATUS = "primary_status"
    SECONDARY_PAYER_ID = "secondary_payer_id"
    SECONDARY_PAYER = "secondary_payer"
    SECONDARY_STATUS = "secondary_status"
    CLAIM_TYPE = "claim_type"
    BILLING_STATUS = "billing_status"
    HOLD = "hold"
    LINE = "line"
    PROCEDURE_CODE = "procedure_code"
    CHARGE = "charge"
    PRIMARY_PAID = "primary_paid"
    SECONDARY_PAID = "secondary_paid"
    PATIENT_PAID = "patient_paid"
    ADJUSTMENT = "adjustment"
    WRITE_OFF = "write_off"
    INSURANCE_BALANCE = "insurance_balance"
    PATIENT_BALANCE = "patient_balance"
    TOTAL_BALANCE = "total_balance"
    RESPONSIBILITY = "responsibility"
    POSTING_DATE = "posting_date"
    ALLOWED = "allowed"
    EXPECTED = "expected"
    FIRST_BILLED = "first_billed"
    LAST_BILLED = "last_billed"
    STATEMENTS_SENT = "statements_sent"
    LAST_STATEMENT = "last_statement"
    DENIED_ON = "denied_on"
    DENIAL_GROUP = "denial_group"
    DENIAL_CARC = "denial_carc"


class Target(NamedTuple):
    """A field: its label, how it is read, and phrases. A header with all words of a phrase may mean the field."""

    label: str
    kind: Kind
    words: tuple[str, ...]
    private: bool = False


TARGETS: Final = {
    Field.CLAIM: Target(
        "Claim ID", Kind.ID,
        ("claim number", "claim", "encounter number", "encounter", "visit number", "visit", "ticket number", "ticket",
         "voucher number", "voucher", "superbill number", "superbill", "invoice number", "bill number", "case number",
         "control number"),
    ),
    Field.PATIENT: Target(
        "Patient ID", Kind.ID,
        ("patient number", "account number", "account", "chart number", "chart", "mrn", "medical record number",
         "patient account", "patient account number", "guarantor number"),
    ),
    Field.PATIENT_NAME: Target(
        "Patient name", Kind.TEXT, ("patient name", "patient", "patient full name", "name"), private=True
    ),
    Field.FIRST_NAME: Target("Patient first name", Kind.TEXT, ("first name", "patient first name", "patient first",
                                                               "first"), private=True),
    Field.LAST_NAME: Target("Patient last name", Kind.TEXT, ("last name", "patient last name", "patient last", "last"),
                            private=True),
    Field.BIRTH_DATE: Target(
        "Date of birth", Kind.DATE, ("birth date", "patient birth date", "birthday"), private=True
    ),
    Field.SERVICE_DATE: Target(
        "Date of service", Kind.DATE,
        ("service date", "service date from", "from service date", "from date", "visit date", "encounter date",
         "charge date", "date"),
    ),
    Field.OFFICE: Target("Office", Kind.TEXT, ("office", "office name", "service office", "practice office")),
    Field.PROVIDER: Target(
        "Billing provider", Kind.TEXT,
        ("provider", "billing provider", "rendering provider", "provider name", "rendering", "physician", "doctor"),
    ),
    Field.SUPERVISING_PROVIDER: Target("Supervising provider", Kind.TEXT, ("supervising provider", "supervisor")),
    Field.PRIMARY_PAYER_ID: Target("Ins 1 payer ID", Kind.ID, ("payer number", "primary payer number",
                                                               "primary insurance number")),
    Field.PRIMARY_PAYER: Target(
        "Ins 1 (primary payer)", Kind.TEXT,
        ("primary insurance", "insurance primary", "primary payer", "payer", "payer name", "insurance",
         "insurance name", "insurance company", "carrier", "primary carrier", "insurance carrier", "insurance plan",
         "current payer", "primary", "insurance 1", "primary insurance name"),
    ),
    Field.PAYER_CLASS: Target(
        "Payer class", Kind.WORD,
        ("payer class", "financial class", "insurance class", "payer type", "insurance type", "plan type"),
    ),
    Field.PRIMARY_STATUS: Target("Ins 1 status", Kind.WORD, ("claim status", "primary status",
                                                             "primary claim status", "insurance status")),
    Field.SECONDARY_PAYER_ID: Target("Ins 2 payer ID", Kind.ID, ("secondary payer number",
                                                                 "secondary insurance number")),
    Field.SECONDARY_PAYER: Target(
        "Ins 2 (secondary payer)", Kind.TEXT,
        ("secondary insurance", "insurance secondary", "secondary payer", "secondary carrier", "secondary",
         "insurance 2", "secondary insurance name"),
    ),
    Field.SECONDARY_STATUS: Target("Ins 2 status", Kind.WORD, ("secondary status",
                                                               "secondary claim status")),
    Field.CLAIM_TYPE: Target("Claim type", Kind.WORD, ("claim type", "form type")),
    Field.BILLING_STATUS: Target(
        "Billing status", Kind.WORD, ("billing status", "status", "visit status", "encounter status", "account status")
    ),
    Field.HOLD: Target("Hold", Kind.WORD, ("hold", "hold reason", "on hold")),
    Field.LINE: Target("Service line number", Kind.ID, ("line", "line number", "line item", "service line",
                                                        "sequence number")),
    Field.PROCEDURE_CODE: Target(
        "Procedure code", Kind.ID,
        ("cpt", "cpt code", "procedure", "procedure code", "hcpcs", "cpt hcpcs", "service code"),
    ),
    Field.CHARGE: Target(
        "Charge", Kind.MONEY,
        ("charge", "total charge", "charge amount", "billed", "billed amount", "amount billed", "total billed", "fee",
         "billed charge"),
    ),
    Field.PRIMARY_PAID: Target(
        "Insurance payments", Kind.MONEY,
        ("insurance payment", "insurance paid", "primary payment", "primary paid", "payer payment", "payer paid",
         "primary insurance payment", "primary insurance paid", "insurance receipt"),
    ),
    Field.SECONDARY_PAID: Target("Ins 2 payments", Kind.MONEY,
                                 ("secondary payment", "secondary paid", "secondary insurance payment",
                                  "secondary insurance paid")),
    Field.PATIENT_PAID: Target("Patient payments", Kind.MONEY, ("patient payment", "patient paid", "patient receipt",
                                                                "copay")),
    Field.ADJUSTMENT: Target("Adjustments", Kind.MONEY, ("adjustment", "total adjustment", "contractual",
                                                         "contractual adjustment", "adjustment amount",
                                                         "insurance adjustment")),
    Field.WRITE_OFF: Target("Write-offs", Kind.MONEY, ("write off", "writeoff")),
    Field.INSURANCE_BALANCE: Target(
        "Insurance balance", Kind.MONEY,
        ("insurance balance", "insurance due", "insurance ar", "payer balance", "insurance amount due",
         "insurance responsibility", "insurance outstanding", "insurance balance due", "insurance open balance"),
    ),
    Field.PATIENT_BALANCE: Target(
        "Patient balance", Kind.MONEY,
        ("patient balance", "patient due", "patient ar", "patient amount due", "patient responsibility",
         "self pay balance", "patient outstanding", "patient balance due"),
    ),
    Field.TOTAL_BALANCE: Target(
        "Total balance", Kind.MONEY,
        ("balance", "total balance", "balance due", "amount due", "total due", "outstanding balance", "current balance",
         "open balance", "ar balance", "outstanding"),
    ),
    Field.RESPONSIBILITY: Target("Who owes the balance", Kind.WORD, ("responsibility", "responsible party",
                                                                     "balance owner", "current responsibility",
                                                                     "responsible")),
    Field.POSTING_DATE: Target("Date of payments and adjustments", Kind.DATE,
                               ("last payment date", "payment date", "posting date", "deposit date", "last paid date",
                                "date paid", "date posted")),
    Field.ALLOWED: Target("Allowed amount", Kind.MONEY, ("allowed", "allowed amount", "amount allowed")),
    Field.EXPECTED: Target("Expected reimbursement", Kind.MONEY,
                           ("expected", "expected amount", "expected reimbursement")),
    Field.FIRST_BILLED: Target("First EDI (first billed)", Kind.DATE, ("first billed", "first billed date",
                                                                       "first bill date")),
    Field.LAST_BILLED: Target("Last EDI (last billed)", Kind.DATE,
                              ("last billed", "last billed date", "last bill date", "last claim date", "date billed")),
    Field.STATEMENTS_SENT: Target("Statements sent", Kind.COUNT, ("statements sent", "statement count",
                                                                  "number statements", "statements")),
    Field.LAST_STATEMENT: Target("Last statement", Kind.DATE, ("last statement", "last statement date")),
    Field.DENIED_ON: Target("Denied on", Kind.DATE, ("denied date", "denial date", "date denied", "denied on")),
    Field.DENIAL_GROUP: Target("Denial group code", Kind.WORD, ("denial group", "denial group code")),
    Field.DENIAL_CARC: Target("Denial code (CARC)", Kind.CODE, ("denial code", "denial reason code", "denial carc",
                                                                "carc")),
}  # fmt: skip
PAYMENT_FIELDS: Final = (Field.PRIMARY_PAID, Field.SECONDARY_PAID, Field.PATIENT_PAID)
ADJUSTMENT_FIELDS: Final = (Field.ADJUSTMENT, Field.WRITE_OFF)
MONEY_FIELDS: Final = tuple(field for field, target in TARGETS.items() if target.kind is Kind.MONEY)

_ABBREVIATIONS: Final = {
    "#": "number", "no": "number", "num": "number", "nbr": "number", "id": "number", "nr": "number",
    "numbers": "number", "ids": "number", "nos": "number",
    "acct": "account", "acc": "account", "pt": "patient", "pat": "patient", "patients": "patient", "ins": "insurance",
    "insur": "insurance", "bal": "balance", "balances": "balance", "dob": "birth date", "birthdate": "birth date",
    "dos": "service date", "svc": "service", "serv": "service", "srv": "service", "chg": "charge", "chgs": "charge",
    "charges": "charge", "pmt": "payment", "pmts": "payment", "pymt": "payment", "pymts": "payment",
    "payments": "payment", "receipts": "receipt", "adj": "adjustment", "adjs": "adjustment",
    "adjustments": "adjustment", "adjust": "adjustment", "pri": "primary", "prim": "primary", "sec": "secondary",
    "2nd": "secondary", "1st": "primary", "prov": "provider", "dr": "provider", "phys": "physician",
    "fac": "office", "facility": "office", "loc": "office", "location": "office", "amt": "amount",
    "resp": "responsibility",
    "enc": "encounter", "proc": "procedure", "px": "procedure", "dt": "date", "fname": "first name",
    "lname": "last name", "firstname": "first name", "lastname": "last name", "owed": "due", "owes": "due",
    "payor": "payer", "claims": "claim", "deductions": "adjustment", "wo": "write off", "guar": "guarantor",
    "ins1": "insurance 1", "ins2": "insurance 2", "fc": "financial class",
    "fin": "financial", "pd": "paid",
    "stmt": "statement", "stmts": "statements",
}  # fmt: skip
_FILLER: Final = {"of", "the", "for", "in", "by", "usd", "and"}


def header_words(header: str) -> tuple[str, ...]:
    """Return the header's words with abbreviations written out: "Ins Bal" is insurance, balance."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header).lower()
    spaced = re.sub(r"\br/o\b", " ", spaced).replace("a/r", "ar").replace("w/o", "write off").replace("#", " # ")
    words = re.findall(r"#|[a-z]+\d?|\d+[a-z]*", spaced)
    return tuple(part for word in words if word not in _FILLER for part in _ABBREVIATIONS.get(word, word).split())


def field_of_header(header: str) -> tuple[Field, int] | None:
    """Return the field that the header probably means, with a score from 1 to 100. 100 is one of its usual names."""
    words = set(header_words(header))
    best: tuple[int, int, Field] | None = None
    for field, target in TARGETS.items():
        for name in target.words:
            needed = set(name.split())
            if needed <= words:
                score = 100 * len(needed) // len(words)
                if score >= 60 and (best is None or (score, len(needed)) > best[:2]):  # noqa: PLR2004  most of its words
                    best = (score, len(needed), field)
    return None if best is None else (best[2], best[0])
