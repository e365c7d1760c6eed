"""Claims whose balances differ from an export: as a check forecasts them, and as they are after the import."""

from core.intake.loading.agreement import Agreement
from core.intake.loading.forecast import Forecast


def different_claims(found: Agreement | Forecast) -> tuple[int, dict[str, tuple[int, int]]]:
    """Return how many claims differ, and the balances of the listed ones in the files and here."""
    return found.different, {one.claim_id: (one.file_cents, one.cents) for one in found.first}
