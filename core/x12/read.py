"""Read an X12 file as a stream of events, in the order of the file and in constant memory.

An `Opened` begins a transaction. Its records follow: a `Payment`, `PaidClaim` and `ProviderAdjustment` of an 835, a
`SentClaim` of an 837, a `ClaimStatus` of a 277CA. A `Closed` ends it and says whether it can be trusted. A `Fault`
between events concerns the envelope around the transactions, or text outside of it.
"""

from collections.abc import Iterator
from typing import BinaryIO

from core.x12.acknowledgment import ClaimStatus
from core.x12.claims import SentClaim
from core.x12.envelope import Envelope
from core.x12.envelope_records import Closed, Opened
from core.x12.problems import Fault, FileRefused, Problem
from core.x12.remittance import PaidClaim, Payment, ProviderAdjustment
from core.x12.segments import SegmentReader

Event = Opened | Payment | PaidClaim | ProviderAdjustment | SentClaim | ClaimStatus | Closed | Fault


def read(binary: BinaryIO, file: str) -> Iterator[Event]:
    """Yield the events of a file. `file` names it in faults. Raise `FileRefused`, maybe after some events."""
    envelope = Envelope(file)
    segments = SegmentReader(binary, file, envelope.events.append)
    for batch in segments.batches():
        envelope.take(batch)
        yield from envelope.events
        envelope.events.clear()
    envelope.end()
    yield from envelope.events
    if not envelope.has_readable:
        raise FileRefused(Fault(Problem.NOTHING_TO_READ, file))
