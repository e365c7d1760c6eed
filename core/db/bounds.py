"""What a column can hold. Commands import it without SQLAlchemy, which takes longer than most of them."""

from typing import Final

BIGINT_MAX: Final = 2**63 - 1  # the largest id and the largest amount
