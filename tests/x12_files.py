"""X12 files made from scratch, with made-up names: remittances and claim files of any size, with any delimiters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

GUIDES: Final = {
    "277": ("HN", "005010X214"), "835": ("HP", "005010X221A1"), "837": ("HC", "005010X222A2"),
    "837I": ("HC", "005010X223A3"),
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How an interchange is written."""

    element: str = "*"
    component: str = ":"
    terminator: str = "~"
    line_end: str = ""  # after each segment
    wrap: int = 0  # a line end after so many characters, wherever that is

    def write(self, segments: list[str]) -> str:
        """Write segments that are given with the usual delimiters."""
        table = str.maketrans({"*": self.element, ":": self.component})
        text = "".join(segment.translate(table) + self.terminator + self.line_end for segment in segments)
        if self.wrap:
            text = "\r\n".join(text[place : place + self.wrap] for place in range(0, len(text), self.wrap))
        return text


PLAIN: Final = Form()
LINES: Final = replace(PLAIN, line_end="\n")


def interchange(transactions: list[list[str]], *, kind: str = "835", number: int = 1, usage: str = "P") -> list[str]:
    """Return the segments of an interchange with one group."""
    code, guide = GUIDES[kind]
    control = f"{number:09}"
    return [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{'SENDER':15}*ZZ*{'RECEIVER':15}*260105*0930*^*00501*{control}*0*{usage}*:",
        f"GS*{code}*SENDER*RECEIVER*20260105*0930*{number}*X*{guide}",
        *(segment for transaction in transactions for segment in transaction),
        f"GE*{len(transactions)}*{number}",
        f"IEA*1*{control}",
    ]


def transaction(body: list[str], *, kind: str = "835", number: int = 1) -> list[str]:
    """Return the segments from ST to SE."""
    guide = "" if kind == "835" else f"*{GUIDES[kind][1]}"
    return [f"ST*{kind[:3]}*{number:04}{guide}", *body, f"SE*{len(body) + 2}*{number:04}"]


def remittance(claims: list[list[str]], *, paid: str, number: int = 1, after: list[str] | None = None) -> list[str]:
    """Return a whole 835 transaction."""
    head = [
        f"BPR*I*{paid}*C*ACH************20260105", f"TRN*1*T{number:06}*1999999999", "DTM*405*20260105",
        "N1*PR*EXAMPLE PLAN", "N3*1 MAIN ST", "N4*DENVER*CO*80201", "PER*BL*HELP*TE*3035550100",
        "N1*PE*EXAMPLE CLINIC*XX*1234567893", "REF*TJ*999999999", "LX*1",
    ]  # fmt: skip
    body = [*head, *(segment for claim in claims for segment in claim), *(after or [])]
    return transaction(body, number=number)


def paid_claim(index: int) -> list[str]:
    """Return a claim of $100.00 or more with two lines, of which the payer pays all but $30.00."""
    first, second = 60 + index % 40, 40
    name = f"SAMPLE{index % 997}"
    return [
        f"CLP*A{index}*1*{first + second}.00*{first + second - 30}.00*10.00*12*ICN{index}*11*1",
        f"NM1*QC*1*{name}*PETRA****MI*W{index}", "NM1*82*1*DOCTOR*DANA****XX*1234567893", "REF*1L*GROUP1",
        "DTM*232*20260102", "DTM*233*20260102", "DTM*050*20260104", f"AMT*AU*{first + second}.00",
        f"SVC*HC:99213:25*{first}.00*{first - 20}.00**1", "DTM*472*20260102", "CAS*CO*45*10.00", "CAS*PR*2*10.00",
        f"REF*6R*{index}L1", "AMT*B6*50.00", f"SVC*HC:85025*{second}.00*{second - 10}.00**1", "DTM*472*20260102",
        "CAS*CO*45*10.00", f"REF*6R*{index}L2",
    ]  # fmt: skip


def paid_cents(index: int) -> int:
    """Return what the payer pays for that claim."""
    return (60 + index % 40 + 40 - 30) * 100


def whole_remittance(claims: int, *, number: int = 1) -> list[str]:
    """Return an 835 with so many claims."""
    paid = sum(map(paid_cents, range(claims)))
    return remittance([paid_claim(index) for index in range(claims)], paid=f"{paid / 100:.2f}", number=number)


def sent_claim(index: int, *, dependent: bool = False) -> list[str]:
    """Return the subscriber loop of a claim of $100.00 with two lines."""
    name, subscriber = f"SAMPLE{index % 997}", 2 + index * 2
    loop = [
        f"HL*{subscriber}*1*22*{int(dependent)}", f"SBR*P*{'' if dependent else '18'}*GROUP1******CI",
        f"NM1*IL*1*{name}*PETRA****MI*W{index}", "N3*1 MAIN ST", "N4*DENVER*CO*80201", "DMG*D8*19800101*F",
        "NM1*PR*2*EXAMPLE PLAN*****PI*12345",
    ]  # fmt: skip
    if dependent:
        loop += [f"HL*{subscriber + 1}*{subscriber}*23*0", "PAT*19", f"NM1*QC*1*{name}*PAT"]
    return [
        *loop, f"CLM*A{index}*100***11:B:1*Y*A*Y*Y", f"REF*D9*TRACE{index}", "HI*ABK:J20.9",
        "NM1*82*1*DOCTOR*DANA****XX*1234567893", "LX*1", "SV1*HC:99213:25*60*UN*1***1", "DTP*472*D8*20260102",
        f"REF*6R*{index}L1", "LX*2", "SV1*HC:85025*40.00*UN*1***1", "DTP*472*D8*20260102", f"REF*6R*{index}L2",
    ]  # fmt: skip


def whole_claim_file(claims: int, *, number: int = 1) -> list[str]:
    """Return an 837P with so many claims; every third patient is a dependent."""
    body = [
        "BHT*0019*00*1*20260105*0930*CH", "NM1*41*2*EXAMPLE CLINIC*****46*12345", "PER*IC*HELP*TE*3035550100",
        "NM1*40*2*EXAMPLE HOUSE*****46*54321", "HL*1**20*1", "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893",
        "N3*1 MAIN ST", "N4*DENVER*CO*80201", "REF*EI*999999999",
    ]  # fmt: skip
    for index in range(claims):
        body += sent_claim(index, dependent=index % 3 == 0)
    return transaction(body, kind="837", number=number)


def claim_loop(
    claim_id: str = "A1",
    charges: Sequence[str] = ("60", "40"),
    *,
    order: str = "P",
    frequency: str = "1",
    other: str = "",
    first: str = "PETRA",
    born: str = "19800101",
    dependent: str = "",
    day: str = "20260102",
    patient_paid: str = "",
    replaces: str = "",
) -> list[str]:
    """Return the loops of one claim, to the plan 12345 or, as its secondary, to the plan 67890.

    `other` is the order of the other plan, if the claim names both. `dependent` is the first name of a dependent.
    `replaces` is the payer's number of an earlier claim.
    """
    plans = {
        "P": ("W1", "EXAMPLE PLAN", "12345"), "S": ("Z9", "SECOND PLAN", "67890"),
    }  # fmt: skip
    member, plan, payer = plans[order]
    total = sum(map(Decimal, charges))
    loops = [
        f"HL*2*1*22*{int(bool(dependent))}", f"SBR*{order}*{'' if dependent else '18'}*GROUP1******CI",
        f"NM1*IL*1*SAMPLE*{first}****MI*{member}", f"DMG*D8*{born}*F", f"NM1*PR*2*{plan}*****PI*{payer}",
    ]  # fmt: skip
    if dependent:
        loops += ["HL*3*2*23*0", "PAT*19", f"NM1*QC*1*SAMPLE*{dependent}", "DMG*D8*20150505*M"]
    loops += [f"CLM*{claim_id}*{total}***11:B:{frequency}*Y*A*Y*Y"]
    loops += [f"AMT*F5*{patient_paid}"] if patient_paid else []
    loops += [f"REF*F8*{replaces}"] if replaces else []
    loops += ["NM1*82*1*DOCTOR*DANA****XX*1234567890"]
    if other:
        member, plan, payer = plans[other]
        loops += [f"SBR*{other}*{'19' if dependent else '18'}*******CI", f"NM1*IL*1*SAMPLE*{first}****MI*{member}",
                  f"NM1*PR*2*{plan}*****PI*{payer}"]  # fmt: skip
    for number, charge in enumerate(charges, 1):
        loops += [f"LX*{number}", f"SV1*HC:9921{number}:25*{charge}*UN*1***1", f"DTP*472*D8*{day}",
                  f"REF*6R*{claim_id}L{number}"]  # fmt: skip
    return loops


def sent_file(*claims: list[str], at: str = "0930", usage: str = "P") -> list[str]:
    """Return an 837P with these claims, sent at a time of day."""
    head = [
        "BHT*0019*00*1*20260105*0930*CH", "NM1*41*2*EXAMPLE CLINIC*****46*12345", "PER*IC*HELP*TE*3035550100",
        "NM1*40*2*EXAMPLE HOUSE*****46*54321", "HL*1**20*1", "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893",
    ]  # fmt: skip
    body = [*head, *(segment for claim in claims for segment in claim)]
    whole = interchange([transaction(body, kind="837")], kind="837", usage=usage)
    return [segment.replace("*20260105*0930*1*X*", f"*20260105*{at}*1*X*") for segment in whole]


def acknowledgment(
    *claims: tuple[str, str], day: str = "20260106", payer: str = "NM1*PR*2*EXAMPLE PLAN*****PI*12345"
) -> list[str]:
    """Return a 277CA that gives each claim number a status category, such as A1 or A7."""
    body = [
        "BHT*0085*08*1*20260106*1200*TH", "HL*1**20*1", payer, "HL*2*1*21*1", "NM1*41*2*EXAMPLE HOUSE*****46*54321",
        "TRN*2*BATCH", f"STC*A1:19:PR*{day}*WQ*100", "HL*3*2*19*1", "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893",
    ]  # fmt: skip
    for number, (claim_id, category) in enumerate(claims, 4):
        body += [f"HL*{number}*3*22*0", "NM1*QC*1*SAMPLE*PETRA****MI*W1", f"TRN*2*{claim_id}",
                 f"STC*{category}:20*{day}*WQ*100", f"REF*1K*ICN{claim_id}"]  # fmt: skip
    return interchange([transaction(body, kind="277")], kind="277")


def large_remittances(bytes_min: int, *, claims: int = 2_000) -> Iterator[bytes]:
    """Yield the blocks of one file of at least so many bytes: many interchanges with one 835 each."""
    block = PLAIN.write(interchange([whole_remittance(claims)])).encode()
    for _ in range(-(-bytes_min // len(block))):
        yield block
