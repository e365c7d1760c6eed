"""Faults of the X12 reader as faults of an import, so that both are listed alike."""

from core.intake.parsing.faults import Fault, FaultKind
from core.x12 import problems


def of_x12(fault: problems.Fault) -> Fault:
    """Return the fault with its place and its claim. X12 has segments and elements, not lines and columns."""
    place = [
        *([f"segment {fault.segment:,}"] if fault.segment is not None else []),
        *([f"byte {fault.byte:,}"] if fault.byte is not None else []), *filter(None, (fault.element, fault.detail)),
    ]  # fmt: skip
    cure = f"{fault.problem.wrong}; {fault.problem.cure}"
    value = fault.claim or None
    return Fault(fault.file, cure, value=value, note=", ".join(place) or None, kind=FaultKind.STRUCTURE)
