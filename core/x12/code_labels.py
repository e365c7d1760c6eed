"""Our own short labels of the codes in remittances. They are hints, not the texts of the official lists.

Any code is accepted. A code without a label is shown alone.
"""

from typing import Final

GROUP_LABELS: Final = {
    "CO": "contractual",
    "PR": "patient responsibility",
    "OA": "other adjustment",
    "PI": "payer initiated",
    "CR": "correction or reversal",
}
STATUS_LABELS: Final = {  # CLP02
    "1": "primary",
    "2": "secondary",
    "3": "tertiary",
    "4": "patient unknown to the payer",
    "5": "pended",
    "19": "primary, sent on to the next payer",
    "20": "secondary, sent on to the next payer",
    "21": "tertiary, sent on to the next payer",
    "22": "reversal of an earlier answer",
    "23": "not this payer's claim, sent on",
    "25": "estimate only, no payment",
}
# What a code means with one group, if the group changes it.
_PAIRS: Final = {
    ("CO", "45"): "contractual",
    ("PR", "45"): "above the fee schedule, billable to the patient",
    ("PI", "45"): "above the fee schedule",
}
_CARC: Final = {
    "1": "deductible", "2": "coinsurance", "3": "copay", "4": "modifier wrong or missing",
    "5": "place of service does not fit", "6": "age does not fit", "7": "sex does not fit",
    "8": "provider type does not fit", "9": "diagnosis does not fit the age", "10": "diagnosis does not fit the sex",
    "11": "diagnosis does not fit the procedure", "13": "after the date of death", "14": "before the date of birth",
    "16": "information missing or wrong", "18": "duplicate", "19": "work injury", "20": "liability insurance pays",
    "21": "no-fault insurance pays", "22": "another payer may be first", "23": "prior payer's payment and reductions",
    "24": "capitation", "26": "before coverage began", "27": "after coverage ended", "29": "filed too late",
    "31": "patient not identified", "32": "dependent not covered", "33": "no dependent coverage",
    "35": "lifetime maximum reached", "39": "authorization denied", "40": "not an emergency",
    "42": "above the fee schedule", "44": "prompt-pay discount", "45": "above the fee schedule",
    "49": "routine exam or screening", "50": "not medically necessary", "51": "pre-existing condition",
    "54": "assistant not covered", "55": "experimental", "58": "wrong place of service", "59": "multiple procedures",
    "66": "blood deductible", "78": "noncovered days", "89": "professional fee removed", "94": "paid above the charge",
    "95": "plan procedure not followed", "96": "not covered", "97": "bundled into another service",
    "100": "paid to the patient", "101": "estimate only", "102": "major medical", "103": "provider discount",
    "104": "managed-care withholding", "105": "tax withholding", "107": "related claim not found",
    "109": "wrong payer", "110": "billed before the service", "112": "not furnished or not documented",
    "116": "advance notice requirement not met", "119": "benefit maximum reached", "121": "indemnification",
    "128": "newborn in the mother's allowance", "129": "prior payer's information wrong",
    "131": "negotiated discount", "133": "under review", "136": "prior payer's rules not followed",
    "140": "ID and name do not match", "142": "patient's Medicaid share", "144": "incentive",
    "146": "diagnosis invalid on the date", "147": "contracted rate ended",
    "149": "lifetime maximum of the service reached", "150": "level of service not supported",
    "151": "frequency not supported", "152": "length of service not supported", "153": "dosage not supported",
    "163": "attachment missing", "164": "attachment late", "165": "referral missing", "166": "after the plan ended",
    "167": "diagnosis not covered", "170": "provider type not payable", "171": "provider type not payable here",
    "172": "specialty not payable", "177": "eligibility requirements not met", "181": "procedure invalid on the date",
    "182": "modifier invalid on the date", "183": "referring provider not eligible",
    "184": "ordering provider not eligible", "185": "rendering provider not eligible", "187": "spending account",
    "189": "unlisted code used", "193": "first decision upheld", "197": "authorization missing",
    "198": "authorization exceeded", "199": "revenue and procedure codes do not match", "200": "lapse in coverage",
    "204": "not in the patient's plan", "206": "NPI missing", "207": "NPI invalid", "208": "NPI not matched",
    "209": "not billable to the patient by law", "210": "authorization late", "211": "drug code (NDC) invalid",
    "215": "subrogation", "216": "review organization's finding", "222": "above the contracted maximum",
    "223": "required by law, without its own code", "226": "provider's information missing or late",
    "227": "patient's information missing or late", "231": "mutually exclusive procedures",
    "234": "not paid separately", "235": "sales tax", "236": "procedure and modifier conflict",
    "237": "legal penalty", "242": "out of network", "243": "not authorized by the primary care provider",
    "245": "quality withholding", "246": "reporting only", "249": "readmission", "250": "wrong attachment",
    "251": "attachment incomplete", "252": "attachment needed", "253": "sequestration",
    "256": "not payable under the contract", "257": "premium grace period", "261": "does not fit the history",
    "272": "coverage guideline not met", "273": "coverage guideline exceeded",
    "275": "prior payer's patient share not covered", "276": "denied by the prior payer, not covered",
    "284": "authorization does not cover the service", "288": "referral missing",
    "296": "authorization is for another provider", "A0": "patient refund", "A1": "denied, see remark",
    "A2": "contractual (old code)", "A8": "ungroupable", "B1": "noncovered visits", "B4": "late-filing penalty",
    "B7": "provider not certified on the date", "B8": "other care was available", "B9": "in hospice",
    "B10": "part paid in another service", "B11": "sent to the right payer", "B12": "not in the medical record",
    "B13": "paid before", "B14": "one visit a day", "B15": "needs another service first",
    "B16": "not a new patient", "B20": "done by another provider", "B22": "adjusted for the diagnosis",
    "P12": "workers' compensation fee schedule",
}  # fmt: skip
_RARC: Final = {
    "M15": "bundled", "M20": "HCPCS code missing or wrong", "M51": "procedure code missing or wrong",
    "M53": "units missing or wrong", "M76": "diagnosis missing or wrong", "M77": "place of service missing or wrong",
    "M80": "not payable with another service that day", "M81": "diagnosis not specific enough",
    "M86": "same or similar service paid too recently", "M119": "drug code (NDC) missing or wrong",
    "M127": "medical record missing", "MA01": "appeal rights", "MA02": "appeal rights",
    "MA04": "prior payer's answer missing",
    "MA07": "sent on to Medicaid", "MA13": "patient may not be billed", "MA18": "sent on to the supplemental insurer",
    "MA67": "corrects an earlier claim", "MA120": "CLIA number missing or wrong",
    "MA130": "unprocessable, send a new claim", "N4": "prior payer's EOB missing",
    "N19": "incidental to the main procedure", "N20": "not payable with a service that day",
    "N29": "document missing", "N30": "patient not eligible for it", "N56": "procedure code not valid for the date",
    "N95": "provider type may not bill it", "N115": "local coverage decision", "N130": "see the plan's benefits",
    "N179": "patient was asked for information", "N255": "billing provider's taxonomy missing or wrong",
    "N265": "ordering provider's ID missing or wrong", "N286": "referring provider's ID missing or wrong",
    "N290": "rendering provider's ID missing or wrong", "N362": "units above the maximum",
    "N382": "patient's ID missing or wrong", "N386": "national coverage decision", "N418": "sent to the wrong payer",
    "N425": "excluded by law", "N519": "modifiers do not combine", "N522": "duplicate of a crossover claim",
    "N657": "bill with the right code", "N706": "documentation missing",
}  # fmt: skip
_PLB: Final = {
    "50": "late charge", "51": "interest penalty", "72": "refund acknowledged", "90": "early-payment allowance",
    "AP": "advance payment", "B2": "rebate", "BD": "bad debt", "BN": "bonus", "C5": "temporary allowance",
    "CR": "capitation interest", "CS": "adjustment", "CT": "capitation payment", "CV": "capital pass-through",
    "CW": "CRNA pass-through", "DM": "medical education pass-through", "E3": "withholding", "FB": "balance forward",
    "FC": "fund allocation", "IP": "incentive premium", "IR": "IRS withholding", "IS": "interim settlement",
    "J1": "not reimbursable", "L3": "penalty", "L6": "interest", "LE": "levy", "LS": "lump sum",
    "OB": "offset for another provider", "PI": "periodic interim payment", "PL": "final settlement",
    "RA": "retroactive change", "SL": "student loan", "TL": "third-party liability", "WO": "overpayment recovery",
    "WU": "unspecified recovery",
}  # fmt: skip
KINDS: Final = {"status": STATUS_LABELS, "remark": _RARC, "provider": _PLB}


def reason_label(group: str, reason: str) -> str:
    """Return the label of a reason code (CARC) with its group, or an empty string."""
    return _PAIRS.get((group, reason)) or _CARC.get(reason, "")


def with_label(code: str, label: str) -> str:
    """Return the code with its label, or the code alone."""
    return f"{code} {label}" if label else code


def adjustment(group: str | None, reason: str | None) -> str:
    """Return an adjustment as "CO-45 contractual"."""
    code = "-".join(filter(None, (group, reason)))
    return with_label(code, reason_label(group or "", reason or ""))


def labeled(code: str, kind: str) -> str:
    """Return a code of one of `KINDS` with its label: "WO overpayment recovery"."""
    return with_label(code, KINDS[kind].get(code, ""))
