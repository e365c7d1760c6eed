"""The roles of users."""

from enum import StrEnum


class Role(StrEnum):
    """What a user may do."""

    BILLER = "biller"
    APPROVER = "approver"
    ADMIN = "admin"
    OPS = "ops"
