"""The state of a posting that needs approval."""

from enum import StrEnum


class RequestState(StrEnum):
    """The state of a posting that needs approval."""

    WAITING = "waiting"
    POSTED = "posted"  # approved
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # by its requester
