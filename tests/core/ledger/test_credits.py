"""The list of credit balances: the age of each, and its refund's due date and recipient."""

import datetime as dt

from core.access.permissions import Actor
from core.books import closing
from core.enums.practices import PayerClass
from core.ledger import credit_balances
from core.ledger.credit_balances import Credit, CreditsFilter
from tests.factories import TODAY, GivenPractice, Line

IN_SIXTY_DAYS = TODAY + dt.timedelta(days=60)


def listed(practice: GivenPractice, **wanted: PayerClass) -> list[Credit]:
    return practice.do(credit_balances.page, practice.id, CreditsFilter(**wanted), limit=10).rows


def test_a_credits_refund_goes_to_the_federal_payer_whether_primary_or_secondary(
    practice: GivenPractice,
) -> None:
    medicare, medicaid = practice.payer("Care", PayerClass.MEDICARE), practice.payer("Caid", PayerClass.MEDICAID)
    practice.claim("first", Line(-10_00, 0), primary_payer_id=medicare, secondary_payer_id=medicaid)
    practice.claim("second", Line(-20_00, -5_00), secondary_payer_id=medicaid)
    practice.claim("neither", Line(-30_00, 0))

    found = {
        (one.claim_id, one.responsibility.value): (one.return_to, one.return_by(TODAY)) for one in listed(practice)
    }

    assert found == {
        ("first", "insurance"): ("Care", IN_SIXTY_DAYS),
        ("second", "insurance"): ("Caid", IN_SIXTY_DAYS),
        ("second", "patient"): (None, None),
        ("neither", "insurance"): (None, None),
    }
    of_medicaid = {one.claim_id for one in listed(practice, payer_class=PayerClass.MEDICAID)}
    assert of_medicaid == {"first", "second"}


def test_a_credit_dated_in_the_next_open_month_is_zero_days_old(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 10_00))
    practice.act(closing.close, TODAY.replace(day=1), by=admin)
    practice.post("1", 30_00, posted_on="2026-12-01")

    (credit,) = listed(practice)

    assert (str(credit.since), credit.days(TODAY)) == ("2026-12-01", 0)
