"""The Balance Writeoff setting: only administrators change it, every user of the practice can read what it means."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from core.access.permissions import Actor
from core.enums.practices import WriteOffSetting
from core.models.people import AuditEntry
from core.models.practices import Practice
from core.money import format_cents
from core.practices import write_off_setting
from tests.factories import GivenPractice
from tests.webui.conftest import Browser

OPEN = Callable[[Actor], Browser]


def setting_of(practice: GivenPractice) -> write_off_setting.SettingsOverview:
    return practice.do(write_off_setting.overview, practice.id)


def test_the_page_shows_which_administrator_changed_the_setting_and_when(
    practice: GivenPractice, admin: Browser
) -> None:
    answer = admin.post("/settings/write-off", setting="neither")

    assert answer.location == "/settings"
    assert setting_of(practice).setting is WriteOffSetting.NEITHER
    page = admin.read("/settings")
    assert "by admin" in page
    assert "11/23/2026 10:00:00 AM" in page  # the practice's time, in New York
    assert "changes its billing status but not its balances" in page
    with practice.sessions() as session:
        assert "write_off_setting.changed" in session.scalars(select(AuditEntry.act)).all()


def test_a_biller_can_read_the_settings_but_not_change_them(biller: Browser) -> None:
    page, shown = biller.read("/settings"), biller.says("/settings")
    assert "Only an administrator of the practice can change them" in page
    assert "<fieldset" in page
    assert " disabled" in page
    assert "Now: once 50 claims are done, a job halts if more than 50% of them have failed" in shown
    assert "Now: unlimited per claim" in shown
    assert "Save failure limits" not in page


@pytest.mark.parametrize("setting", ["", "Both", "everything"])
def test_an_unknown_setting_changes_nothing(practice: GivenPractice, admin: Browser, setting: str) -> None:
    answer = admin.post("/settings/write-off", setting=setting)

    assert answer.status_code == 422
    assert "Choose patient, insurance, both or neither." in answer.text
    assert setting_of(practice).setting is WriteOffSetting.BOTH


def test_a_provider_gets_its_own_setting_and_then_follows_the_practice_again(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.provider("77", write_off=None)

    admin.post("/settings/write-off/provider", provider_id="77", setting="patient")
    assert {p.external_id: p.setting for p in setting_of(practice).providers}["77"] is WriteOffSetting.PATIENT
    assert "1 provider has its own setting" in admin.says("/settings")

    admin.post("/settings/write-off/provider", provider_id="77", setting="practice")
    assert {p.external_id: p.setting for p in setting_of(practice).providers}["77"] is None


def test_an_unknown_provider_is_not_found(admin: Browser) -> None:
    assert admin.post("/settings/write-off/provider", provider_id="no", setting="both").status_code == 404


def test_many_providers_can_be_searched_by_name_or_id(practice: GivenPractice, admin: Browser) -> None:
    for index in range(20):
        practice.provider(f"NPI{index:02d}", write_off=None)
    assert "Search providers" in admin.read("/settings")

    found = admin.read("/settings?provider=npi07")

    assert "NPI07" in found
    assert "NPI08" not in found
    assert "No provider matches “unknown”" in admin.read("/settings?provider=unknown")


def limits_of(practice: GivenPractice) -> tuple[int, int, int, int]:
    with practice.sessions() as session:
        p = session.get_one(Practice, practice.id)
        return (p.failure_percent_max, p.failure_claims_min, p.failures_alike_max, p.recent_payment_days)


BUDGET = {"failure_percent_max": "10", "failure_claims_min": "1,000", "failures_alike_max": "5"}


def test_an_administrator_sets_the_error_limits_and_the_recent_payment_window(
    practice: GivenPractice, admin: Browser
) -> None:
    assert admin.post("/settings/failure-budget", **BUDGET).status_code == 303
    assert admin.post("/settings/recent-payment", recent_payment_days="14").status_code == 303

    assert limits_of(practice) == (10, 1_000, 5, 14)
    shown = admin.says("/settings")
    assert "once 1,000 claims are done, a job halts if more than 10% of them have failed" in shown
    assert "It also halts when its last 5 failures all have the same cause" in shown
    assert "Claims with a payment within this window are skipped." in shown


@pytest.mark.parametrize("number", ["", "0", "101", "1.5", "-1", "x", "²", "9" * 40, "1\x00"])
def test_an_invalid_error_limit_is_shown_at_its_field_and_keeps_what_was_typed(
    practice: GivenPractice, admin: Browser, number: str
) -> None:
    answer = admin.post("/settings/failure-budget", **{**BUDGET, "failure_percent_max": number})

    assert answer.status_code == 422
    assert 'id="failure_percent_max-fault"' in answer.text
    assert 'id="failure_claims_min-fault"' not in answer.text
    assert 'value="1,000"' in answer.text
    assert limits_of(practice) == (50, 50, 20, 0)


def test_a_recent_payment_window_over_a_year_is_refused(practice: GivenPractice, admin: Browser) -> None:
    answer = admin.post("/settings/recent-payment", recent_payment_days="366")

    assert answer.status_code == 422
    assert "Enter a whole number from 0 to 365." in answer.text
    assert limits_of(practice) == (50, 50, 20, 0)


def small_balance_of(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        return session.get_one(Practice, practice.id).small_balance_max_cents


@pytest.mark.parametrize(("typed", "cents"), [("12.50", 1_250), ("$1,000.00", 100_000), ("0.01", 1), ("25", 2_500)])
def test_an_administrator_sets_the_small_balance_limit(
    practice: GivenPractice, admin: Browser, typed: str, cents: int
) -> None:
    answer = admin.post("/settings/small-balance", small_balance_max_cents=typed)

    assert (answer.status_code, answer.location) == (303, "/settings#small-balance")
    assert small_balance_of(practice) == cents
    assert f"Now: {format_cents(cents)}." in admin.says("/settings")


@pytest.mark.parametrize("typed", ["", "0", "-1", "0.001", "1000.01", "unlimited", "x", "1\x00", "9" * 40])
def test_an_invalid_small_balance_limit_is_shown_at_its_field_and_changes_nothing(
    practice: GivenPractice, admin: Browser, typed: str
) -> None:
    before = small_balance_of(practice)

    answer = admin.post("/settings/small-balance", small_balance_max_cents=typed)

    assert answer.status_code == 422
    assert 'id="small_balance_max_cents-fault"' in answer.text
    assert "Enter an amount from $0.01 to $1,000.00." in answer.text
    assert small_balance_of(practice) == before


def test_a_biller_sees_the_small_balance_limit_but_cannot_change_it(practice: GivenPractice, biller: Browser) -> None:
    practice.sql("UPDATE practice SET small_balance_max_cents = 2500")

    shown = biller.says("/settings")
    refused = biller.post("/settings/small-balance", small_balance_max_cents="99")

    assert "Now: $25.00. Existing previews keep their old limit." in shown
    assert "Save small-balance limit" not in shown
    assert refused.status_code == 403
    assert small_balance_of(practice) == 2_500


RULES = {"appeal_window_days": "120", "statements_min": "3", "statement_days": "30"}


def test_an_administrator_sets_the_rules_about_denials_and_statements(practice: GivenPractice, admin: Browser) -> None:
    answer = admin.post("/settings/collection-rules", **RULES)

    assert (answer.status_code, answer.location) == (303, "/settings#collection-rules")
    with practice.sessions() as session:
        found = session.get_one(Practice, practice.id)
        assert {name: str(getattr(found, name)) for name in RULES} == RULES
    assert 'value="120"' in admin.read("/settings")
    admin.post("/settings/collection-rules", **{**RULES, "statement_days": "45"})
    assert "Changed the statement rules statement days from 30, to 45" in admin.says("/audit")


def test_an_invalid_number_of_these_rules_is_shown_at_its_field_and_changes_nothing(
    practice: GivenPractice, admin: Browser
) -> None:
    answer = admin.post("/settings/collection-rules", **{**RULES, "statements_min": "13"})

    assert answer.status_code == 422
    assert 'id="statements_min-fault"' in answer.text
    assert "Enter a whole number from 0 to 12." in answer.text
    with practice.sessions() as session:
        assert session.get_one(Practice, practice.id).appeal_window_days == 180


def test_an_administrator_changes_a_posting_rule_beside_its_default(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    page = "/posting-rules"
    assert "CO-45 contractual Post Post" in biller.says(page)
    assert not [form for form in biller.forms(page) if form == page]

    code = {"group_code": "CO", "reason_code": "a1"}
    assert admin.post(page, **code, action="hold").location == page
    assert "Rule for CO-A1 saved. It applies to later postings." in admin.says(page)
    assert "CO-A1 denied, see remark Hold Track admin 11/23/2026" in biller.says(page)
    assert admin.post(page, **code, action="default").location == page
    assert "CO-A1" not in biller.says(page)
    changes = [entry.facts for entry in practice.audited("posting_rule.changed")]
    assert [(one["code"], one["action_before"], one["action"]) for one in changes] == [
        ("CO-A1", "track", "hold"), ("CO-A1", "hold", "track"),
    ]  # fmt: skip

    for typed in ({**code, "action": "transfer"}, {**code, "reason_code": "45x", "action": "hold"}, {"action": "hold"}):
        answer = admin.post(page, **typed)
        assert (answer.status_code, answer.text.count("-fault")) == (422, 2)
