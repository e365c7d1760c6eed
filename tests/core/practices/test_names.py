"""Offices, providers and payers of one name are shown with the practice's own number."""

import pytest
from sqlalchemy import insert

from core.claims import feed
from core.claims.claim_filter import ClaimFilter
from core.db.engine import Sessions, transaction
from core.enums.practices import PayerClass
from core.jobs.results import certificates
from core.ledger import credit_balances
from core.ledger.credit_balances import CreditsFilter
from core.models.practices import Office, Payer, Provider
from core.practices import write_off_setting
from tests.factories import NOW, GivenPractice, Line, a_practice


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Second office, provider and payer with the first one's name, each with a claim; an office with a unique name."""
    given = a_practice(sessions)
    ids = {}
    with transaction(sessions) as session:
        for table in (Office, Provider, Payer):
            columns = {"practice_id": given.id, "external_id": "2", "name": f"The {table.__name__}"}
            if table is Payer:
                columns["payer_class"] = PayerClass.COMMERCIAL
            ids[table] = session.scalars(insert(table).values(columns).returning(table.id)).one()
        unique = {"practice_id": given.id, "external_id": "3", "name": "Lakeside"}
        lakeside = session.scalars(insert(Office).values(unique).returning(Office.id)).one()
    second = {"office_id": ids[Office], "billing_provider_id": ids[Provider], "primary_payer_id": ids[Payer]}
    given.claim("A", Line(1_000, 0))
    given.claim("B", Line(2_000, 0), **second)
    given.claim("C", Line(0, 300), **second | {"office_id": lakeside})
    given.claim("D", Line(-400, 0), **second)
    return given


def test_the_feed_shows_the_number_beside_an_ambiguous_name(practice: GivenPractice) -> None:
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        rows = feed.stream_rows(session, practice.id, ClaimFilter(), sort=feed.Sort.of("claim"), terms=terms)
        shown = {row.claim_id: (row.office, row.billing_provider, row.primary_payer) for row in rows}

    assert shown["A"] == ("The Office (1)", "The Provider (1)", "The Payer (1)")
    assert shown["B"] == ("The Office (2)", "The Provider (2)", "The Payer (2)")
    assert shown["C"][0] == "Lakeside", "a unique name needs no number"


def test_filters_offer_both_entries_of_an_ambiguous_name(practice: GivenPractice) -> None:
    choices = practice.do(feed.filter_choices, practice.id)

    assert choices.offices == [("3", "Lakeside"), ("1", "The Office (1)"), ("2", "The Office (2)")]
    assert choices.providers == [("1", "The Provider (1)"), ("2", "The Provider (2)")]


def test_credits_settings_and_certificates_show_the_number_beside_an_ambiguous_name(practice: GivenPractice) -> None:
    job = practice.settle()

    with practice.sessions() as session:
        credit = credit_balances.page(session, practice.id, CreditsFilter(), limit=10).rows[0]
        providers = write_off_setting.overview(session, practice.id).providers
        document = certificates.for_job(session, job)

    assert credit.payer == "The Payer (2)"
    assert [one.name for one in providers] == ["The Provider (1)", "The Provider (2)"]
    assert {group.name: group.insurance_cents for group in document.by_payer} == {
        "The Payer (1)": 1_000, "The Payer (2)": 2_000,
    }  # fmt: skip
    assert {group.name for group in document.by_provider} == {"The Provider (1)", "The Provider (2)"}
