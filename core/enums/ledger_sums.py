"""The kinds of the ledger's sums."""

from enum import StrEnum


class SumKind(StrEnum):
    """What is summed. Each is above zero, but what later postings recover or replace can be restored."""

    CHARGE = "charge"
    WRITE_OFF = "write_off"  # by jobs
    REVERSAL = "reversal"  # of write-offs, by jobs
    RECOVERY = "recovery"  # write-offs that late payments reversed, less what was re-posted or restored
    REPLACEMENT = "replacement"  # the same for late adjustments and transfers
