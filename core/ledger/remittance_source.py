"""Which answer of which remittance made a posting. The source id of the posting is REMITTANCE.CLAIM.N."""

from typing import Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, case, cast, false, func

from core.models.ledger import Posting

SOURCE: Final = "remittance"


class RemittanceSource(NamedTuple):
    """The place of a posting in a remittance: the answer's ordinal, and the posting's place in the decision."""

    remittance_id: int
    ordinal: int
    place: int

    def __str__(self) -> str:
        """Return it as a posting's source id."""
        return ".".join(map(str, self))

    @classmethod
    def read(cls, source_id: str) -> "RemittanceSource":
        """Return it from a posting's source id."""
        return cls(*map(int, source_id.split(".")))


def is_answer() -> ColumnElement[bool]:
    """Return whether a remittance made a posting."""
    return func.coalesce(Posting.source == SOURCE, false())


def remittance_id() -> ColumnElement[int | None]:
    """Return the remittance that made a posting, or null."""
    number = cast(func.split_part(Posting.source_id, ".", 1), BigInteger)
    return case((Posting.source == SOURCE, number))
