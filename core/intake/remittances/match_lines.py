"""Match the service lines of an answer to the claim's lines: by control number, then by code, date and charge."""

from collections import defaultdict
from collections.abc import Sequence

from core.intake.remittances.answers import AnswerLine
from core.intake.remittances.our_claim import OurLine


def match_lines(lines: Sequence[AnswerLine], ours: Sequence[OurLine]) -> list[str]:
    """Set the practice's line on each line. Return the codes of what is wrong, and of warnings.

    Several lines of an answer may have one control number, because a payer splits lines. Otherwise each of our lines is
    used once.
    """
    found: list[str] = []
    by_control = {our.control_number: our.number for our in ours if our.control_number}
    by_number = {our.number: our for our in ours}
    for line in lines:
        line.line = by_control.get(line.control_number) or _by_line_number(line, by_number)
    for line in lines:
        if line.line is None and not line.is_empty:
            free = [our for our in ours if our.number not in {one.line for one in lines}]
            line.line, problem = _by_content(line, free, lines)
            found += [problem] if problem else []
    found += ["code_changed"] * any(line.submitted_code not in ("", line.code) for line in lines)
    return list(dict.fromkeys(found + _wrong_charges(lines, by_number)))


def _by_line_number(line: AnswerLine, by_number: dict[int, OurLine]) -> int | None:
    """Return the line whose number (LX) is the control number, if the date and the code or the charge agree."""
    control = line.control_number
    our = by_number.get(int(control)) if control.isascii() and control.isdigit() and len(control) <= 5 else None  # noqa: PLR2004  digits of a line number
    if our is None or not (our.code == line.billed_code or our.charge_cents == line.charge_cents):
        return None
    if not _may_be_on_one_day(our, line):
        return None
    return our.number


def _by_content(line: AnswerLine, free: list[OurLine], lines: Sequence[AnswerLine]) -> tuple[int | None, str]:
    alike = [our for our in free if (our.code, our.charge_cents) == (line.billed_code, line.charge_cents)]
    on_day = [our for our in alike if _may_be_on_one_day(our, line)]
    exact = [our for our in on_day if our.modifiers in (None, line.billed_modifiers)]
    if exact:
        return (exact[0].number, "") if _are_interchangeable(exact, line, lines) else (None, "line_unmatched")
    if len(on_day) == 1:
        return on_day[0].number, "modifiers_differ"
    if len(alike) == 1:
        return alike[0].number, "line_date_differs"
    return None, "unsent_line_paid" if line.paid_cents and not alike else "line_unmatched"


def _may_be_on_one_day(our: OurLine, line: AnswerLine) -> bool:
    return None in (our.service_on, line.service_on) or our.service_on == line.service_on


def _are_interchangeable(exact: list[OurLine], line: AnswerLine, lines: Sequence[AnswerLine]) -> bool:
    """Return whether it makes no difference which of our lines the line is.

    Their balances must be equal. If only their dates differ, the payer must have answered them all alike.
    """
    if len({(our.insurance_open, our.patient_open, our.modifiers) for our in exact}) > 1:
        return False
    key = (line.billed_code, line.charge_cents)
    alike = [one for one in lines if (one.billed_code, one.charge_cents) == key]
    return len({our.service_on for our in exact}) == 1 or all(
        (one.paid_cents, one.adjustments) == (line.paid_cents, line.adjustments) for one in alike
    )


def _wrong_charges(lines: Sequence[AnswerLine], by_number: dict[int, OurLine]) -> list[str]:
    charges: defaultdict[int, int] = defaultdict(int)
    for line in lines:
        if line.line is not None:
            charges[line.line] += line.charge_cents
    return ["line_charge_differs"] * any(cents != by_number[number].charge_cents for number, cents in charges.items())
