"""What became of a payer's answer, and what is done with an adjustment."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a payer's answer on one claim."""

    POSTED = "posted"
    WARNED = "warned"  # posted with a warning
    HELD = "held"  # for a person
    IGNORED = "ignored"  # by a person
    NOTHING_TO_POST = "nothing_to_post"  # information only


POSTED_OUTCOMES = (Outcome.POSTED, Outcome.WARNED)


class RuleAction(StrEnum):
    """What is done with an adjustment."""

    POST = "post"  # lowers the insurance balance
    TRACK = "track"  # stays open, with its code
    HOLD = "hold"  # a person decides
    TRANSFER = "transfer"  # from the insurance to the patient
    MEMO = "memo"  # was posted before, from the other payer's remittance
