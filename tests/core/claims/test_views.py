"""Views of the feed: who sees, changes and shares them, and what they keep."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from core.access.permissions import Actor
from core.claims import patient_searches, views
from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed_order import Sort
from core.claims.views import (
    BadView,
    BadViewName,
    NoSuchView,
    TooManyViews,
    ViewColumn,
    ViewContent,
    ViewNameTaken,
)
from core.enums.people import Role
from core.errors import NotAllowed
from core.models.feed_views import FeedView
from core.models.people import AuditEntry
from tests.factories import NOW, GivenPractice, a_practice

SMALL = ViewContent.of(
    columns=[{"key": "claim_id"}, {"key": "total_due", "width": 120}],
    sort="-total_due",
    filter_={"patient": "Ana", "total_due_max_cents": 25_00, "age_bucket": ["31-60"]},
)


@pytest.fixture
def colleague(practice: GivenPractice) -> Actor:
    return practice.person("colleague@lakeside.example", Role.BILLER)


@pytest.fixture
def admin(practice: GivenPractice) -> Actor:
    return practice.person("admin@lakeside.example", Role.ADMIN)


def names(practice: GivenPractice, by: Actor) -> list[str]:
    return [view.name for view in practice.do(views.list_views, by)]


def acts(practice: GivenPractice) -> list[tuple[str, str, dict[str, Any]]]:
    with practice.sessions() as session:
        found = select(AuditEntry.act, AuditEntry.subject, AuditEntry.facts).where(AuditEntry.act.like("view.%"))
        return [tuple(row) for row in session.execute(found.order_by(AuditEntry.id))]


def test_a_view_keeps_columns_widths_order_sort_and_filter(practice: GivenPractice) -> None:
    view = practice.act(views.save_as, "  Small   balances ", SMALL)

    found = practice.do(views.find, view.id, by=practice.biller)

    assert (found.name, found.shared, ViewContent.stored(found)) == ("Small balances", False, SMALL)
    assert ViewContent.stored(found).columns == (ViewColumn(key="claim_id"), ViewColumn(key="total_due", width=120))
    assert ViewContent.stored(found).sort == Sort.of("-total_due")


def test_a_private_view_is_seen_by_its_owner_and_a_shared_one_by_the_practice(
    practice: GivenPractice, colleague: Actor, admin: Actor
) -> None:
    private = practice.act(views.save_as, "private", SMALL)
    practice.act(views.save_as, "Shared", SMALL, shared=True)
    other = a_practice(practice.sessions, name="Hillside")

    assert names(practice, practice.biller) == ["private", "Shared"]
    assert names(practice, colleague) == names(practice, admin) == ["Shared"]
    assert names(practice, other.biller) == []
    for stranger in (colleague, admin, other.biller):
        with pytest.raises(NoSuchView):
            practice.do(views.find, private.id, by=stranger)
        with pytest.raises(NoSuchView):
            practice.act(views.remove, private.id, by=stranger)


def test_only_its_owner_or_an_administrator_changes_a_shared_view(
    practice: GivenPractice, colleague: Actor, admin: Actor
) -> None:
    view = practice.act(views.save_as, "Mine", SMALL, shared=True)

    for refused in ({"name": "Theirs"}, {"content": ViewContent()}, {"shared": False}):
        with pytest.raises(NotAllowed):
            practice.act(views.change, view.id, **refused, by=colleague)
    with pytest.raises(NotAllowed):
        practice.act(views.remove, view.id, by=colleague)
    assert practice.act(views.change, view.id, name="Ours", by=admin).owner_id == practice.biller.user_id
    practice.act(views.remove, view.id, by=admin)
    assert names(practice, practice.biller) == []


def test_a_name_is_unique_for_its_owner_only(practice: GivenPractice, colleague: Actor) -> None:
    mine = practice.act(views.save_as, "Small", SMALL)
    practice.act(views.save_as, "Small", SMALL, by=colleague, shared=True)
    practice.act(views.save_as, "Large", SMALL)

    with pytest.raises(ViewNameTaken):
        practice.act(views.save_as, "SMALL", SMALL)
    with pytest.raises(ViewNameTaken):
        practice.act(views.change, mine.id, name="large")
    assert practice.act(views.change, mine.id, name="SMALL").name == "SMALL"


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x00b"])
def test_a_bad_name_is_refused(practice: GivenPractice, name: str) -> None:
    with pytest.raises(BadViewName):
        practice.act(views.save_as, name, SMALL)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"columns": [{"key": "ssn"}]}, BadView),
        ({"columns": [{"key": "office", "width": 20}]}, BadView),
        ({"columns": [{"key": "office"}, {"key": "office"}]}, BadView),
        ({"sort": "ssn"}, BadFilter),
        ({"filter_": {"paitent": "Ana"}}, BadFilter),
    ],
)
def test_a_view_with_an_unknown_part_is_refused(changed: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        ViewContent.of(**{"columns": [], "sort": "recent", "filter_": {}, **changed})


def test_a_user_has_at_most_so_many_views(practice: GivenPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "VIEWS_MAX", 1)
    practice.act(views.save_as, "One", SMALL)

    with pytest.raises(TooManyViews):
        practice.act(views.save_as, "Two", SMALL)


def test_each_user_has_a_default_view_of_their_own(practice: GivenPractice, colleague: Actor) -> None:
    view = practice.act(views.save_as, "Shared", SMALL, shared=True)
    practice.do(views.choose_default, view.id, by=colleague)

    assert practice.do(views.default_view_id, colleague) == view.id
    assert practice.do(views.default_view_id, practice.biller) is None
    practice.act(views.change, view.id, shared=False)
    assert practice.do(views.default_view_id, colleague) is None  # no longer visible
    practice.do(views.choose_default, view.id, by=practice.biller)
    practice.act(views.remove, view.id)
    assert practice.do(views.default_view_id, practice.biller) is None


def test_acts_on_shared_views_are_audited_without_names(practice: GivenPractice) -> None:
    practice.act(views.save_as, "Ana only", SMALL)
    view = practice.act(views.save_as, "Ana Ortiz", SMALL, shared=True)
    practice.act(views.change, view.id, name="Ana O.")
    practice.act(views.change, view.id, name="Ana O.", content=SMALL)  # changes nothing
    practice.act(views.change, view.id, shared=False)
    practice.act(views.change, view.id, name="private")
    practice.act(views.change, view.id, shared=True)
    practice.act(views.remove, view.id)

    done = ["view.shared", "view.changed", "view.unshared", "view.shared", "view.deleted"]
    assert acts(practice) == [(act, f"view:{view.id}", {}) for act in done]


def test_a_column_of_another_version_is_left_out_of_a_saved_view(practice: GivenPractice) -> None:
    view = practice.act(views.save_as, "Old", SMALL)
    with practice.sessions() as session:
        row = session.get_one(FeedView, (practice.id, view.id))
        row.content = {**row.content, "columns": [{"key": "no_longer"}, {"key": "office"}]}

        assert ViewContent.stored(row).columns == (ViewColumn(key="office"),)


def test_a_name_keeps_its_token_in_the_practice_and_loses_it_after_a_while(practice: GivenPractice) -> None:
    other = a_practice(practice.sessions, name="Hillside")
    token = practice.do(patient_searches.token_of, practice.id, "Ana", now=NOW)

    assert practice.do(patient_searches.token_of, practice.id, "Ana", now=NOW) == token
    assert practice.do(patient_searches.name_of, practice.id, token, now=NOW) == "Ana"
    assert practice.do(patient_searches.name_of, other.id, token, now=NOW) is None
    later = NOW + dt.timedelta(days=patient_searches.KEPT_DAYS + 1)
    assert practice.do(patient_searches.name_of, practice.id, token, now=later) is None
    practice.do(patient_searches.tidy, now=later)
    assert practice.do(patient_searches.name_of, practice.id, token, now=NOW) is None


def test_a_token_that_is_used_stays_valid(practice: GivenPractice) -> None:
    token = practice.do(patient_searches.token_of, practice.id, "Ana", now=NOW)

    for days in (60, 120, 180):
        now = NOW + dt.timedelta(days=days)
        practice.do(patient_searches.tidy, now=now)
        assert practice.do(patient_searches.name_of, practice.id, token, now=now) == "Ana"


@pytest.mark.parametrize(("key", "value"), [("patient", " "), ("office", [" "])])
def test_a_filter_refuses_blank_text_because_a_page_would_ignore_it(key: str, value: Any) -> None:
    with pytest.raises(BadFilter, match=key):
        ClaimFilter.of({key: value})
