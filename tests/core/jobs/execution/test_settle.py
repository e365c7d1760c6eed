"""A job from preview to ledger, in core alone: it does what the preview promised."""

import datetime as dt

import pytest
from sqlalchemy import func, select, text
from structlog.testing import capture_logs

from core.claims.claim_filter import BadFilter
from core.db.engine import Sessions, transaction
from core.enums.job_items import Outcome
from core.enums.jobs import JobKind, JobStatus
from core.enums.practices import WriteOffSetting
from core.errors import NotFound
from core.jobs import commands, prepare
from core.jobs.commands import ConfirmationMismatch, PreviewExpired, WrongStatus
from core.jobs.preview.create_preview import UnknownStatus
from core.jobs.preview.freezing import IdempotencyMismatch
from core.jobs.preview.selections import NothingSelected, UnknownClaim
from core.jobs.preview.totals import PreviewTotals
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.money import CENTS_MAX
from tests.factories import NOW, GivenPractice, Line, a_practice


def test_a_job_settles_exactly_the_claims_of_its_preview(practice: GivenPractice) -> None:
    practice.claim("first", Line(1_000, 250))
    job = practice.preview()
    practice.claim("late", Line(5_000, 0))

    practice.confirm(job)
    practice.run()

    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 0, "remaining": 0}
    assert practice.read("late").billing_status == "Balance Due"
    assert practice.violations() == []


def test_a_claim_that_changed_after_the_preview_is_skipped_and_keeps_its_new_balance(practice: GivenPractice) -> None:
    practice.claim("paid", Line(0, 100))
    practice.claim("other", Line(0, 100))
    job = practice.preview()
    practice.pay("paid", 60)

    practice.confirm(job)
    practice.run()

    item = practice.item(job, "paid")
    assert (item.outcome, item.code) == (Outcome.SKIPPED, "changed_since_preview")
    assert practice.read("paid").patient_due == 40
    assert practice.counts(job)["settled"] == 1
    assert practice.violations() == []


def test_a_balance_that_differs_from_its_ledger_is_never_written_off(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    practice.claim("2", Line(0, 100))
    job = practice.preview()
    with transaction(practice.sessions) as session:  # corrupt a line without changing its claim or version
        session.execute(text("UPDATE line_item SET patient_due = 90 WHERE claim_id = (SELECT min(id) FROM claim)"))

    practice.confirm(job)
    with capture_logs() as lines:
        practice.run()

    alarms = [line for line in lines if line["log_level"] == "error"]
    assert [(line["event"], line["job_id"], line["claims"]) for line in alarms] == [("balance_mismatch", job.job_id, 1)]
    assert practice.item(job, "1").code == "balance_mismatch"
    assert practice.write_offs("1") == []
    assert practice.item(job, "2").outcome is Outcome.SETTLED


def test_a_claim_in_two_jobs_is_settled_once(practice: GivenPractice) -> None:
    practice.claims(10)
    one, two = practice.preview(key="one"), practice.preview(key="two")
    practice.confirm(one)
    practice.confirm(two)

    practice.run()

    settled = [practice.counts(job)["settled"] for job in (one, two)]
    skipped = [practice.counts(job)["skipped"] for job in (one, two)]
    assert sum(settled) == 10
    assert sum(skipped) == 10
    assert all(len(practice.write_offs(f"C{n:05d}")) == 2 for n in range(1, 11))
    assert practice.violations() == []


def test_a_preview_reports_claims_in_another_unfinished_job(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.confirmed({"claim_ids": ["C00001", "C00002"]}, key="one")

    job = practice.preview(key="two")

    assert _totals(practice, job).in_other_jobs == 2


def _totals(practice: GivenPractice, job: tuple[int, int]) -> PreviewTotals:
    return PreviewTotals.model_validate(practice.read_job(job).preview)


@pytest.mark.parametrize("cents", [1, 999_999_999, CENTS_MAX])
def test_any_amount_is_written_off_to_the_cent(practice: GivenPractice, cents: int) -> None:
    practice.claim("1", Line(cents, 1))

    job = practice.settle()

    assert practice.write_offs("1") == [(1, "insurance", -cents), (1, "patient", -1)]
    assert practice.progress(job).insurance_cents == cents


@pytest.mark.parametrize(
    "number", ["184146026", "A/B 7", "ünïcode-✓", "x" * 200, "'; drop table claim; --", "%_\\", " 7"]
)
def test_a_claim_number_may_be_any_string(practice: GivenPractice, number: str) -> None:
    practice.claim(number, Line(0, 100))

    practice.settle({"claim_ids": [number]})

    assert practice.read(number).billing_status == "Settled"


def test_practices_with_the_same_claim_numbers_do_not_affect_each_other(sessions: Sessions) -> None:
    one, two = a_practice(sessions, name="One"), a_practice(sessions, name="Two")
    one.claim("1", Line(0, 100))
    two.claim("1", Line(0, 300))

    job = one.settle()

    assert (one.read("1").patient_due, two.read("1").patient_due) == (0, 300)
    with pytest.raises(NotFound), transaction(sessions) as session:
        commands.cancel(session, job, by=two.biller, now=NOW)


def test_the_totals_of_a_preview_add_up(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50), Line(0, 25))
    practice.claim("2", Line())
    practice.claim("3", Line(-1, 50))

    totals = _totals(practice, practice.preview())

    assert (totals.claims, totals.will_settle, totals.with_money, totals.status_only, totals.skipped) == (3, 2, 1, 1, 1)
    assert (totals.write_offs, totals.insurance_cents, totals.patient_cents) == (3, 100, 75)
    assert [(group.name, group.claims, group.insurance_cents) for group in totals.by_payer] == [("The Payer", 2, 100)]
    assert {count.code: count.claims for count in totals.by_code} == {"nothing_due": 1, "credit_insurance": 1}


@pytest.mark.parametrize("word", ["confirm", "Confirm", "CONFIRM ", " CONFIRM", "", "CONFIRMED", "ＣＯＮＦＩＲＭ"])
def test_only_the_exact_word_confirms_a_job(practice: GivenPractice, word: str) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.preview()

    with pytest.raises(ConfirmationMismatch):
        practice.confirm(job, confirmation=word)

    practice.run()
    assert practice.progress(job).status is JobStatus.PREVIEWED
    assert practice.read("1").patient_due == 100


def test_confirming_twice_starts_the_job_once(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.preview()

    first, second = practice.confirm(job), practice.confirm(job)
    practice.run()
    third = practice.confirm(job)

    assert first.confirmed_at == second.confirmed_at == third.confirmed_at
    assert practice.write_offs("1") == [(1, "patient", -100)]


def test_a_preview_expires_after_an_hour(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.preview()

    with pytest.raises(PreviewExpired):
        practice.confirm(job, now=NOW + dt.timedelta(hours=1))

    practice.confirm(job, now=NOW + dt.timedelta(minutes=59))


def test_an_idempotency_key_makes_one_job(practice: GivenPractice) -> None:
    practice.claims(2)

    assert practice.preview(key="k") == practice.preview(key="k")
    with pytest.raises(IdempotencyMismatch):
        practice.preview({"claim_ids": ["C00001"]}, key="k")
    assert practice.preview(key="another") != practice.preview(key="k")


def test_a_misspelled_selection_is_refused_and_never_selects_all_claims(practice: GivenPractice) -> None:
    practice.claims(2)

    with pytest.raises(BadFilter, match="Balance due"):
        practice.preview({"filter": {"billing_status": ["Balance due"]}})
    with pytest.raises(NothingSelected):
        practice.preview({"filter": {"billing_status": ["Internal Review"]}})
    with pytest.raises(UnknownClaim, match="C00003"):
        practice.preview({"claim_ids": ["C00001", "C00003"]})
    with pytest.raises(UnknownClaim, match="C00009"):
        practice.preview({"all": True, "excluded_claim_ids": ["C00009"]})
    with pytest.raises(UnknownStatus, match="Settld"):
        practice.preview(target_status="Settld")
    with practice.sessions() as session:
        assert session.scalar(select(func.count()).select_from(SettleJob)) == 0


def test_excluded_claims_of_a_selection_are_left_out(practice: GivenPractice) -> None:
    practice.claims(5)

    practice.settle({"filter": {"billing_status": "Balance Due"}, "excluded_claim_ids": ["C00002"]})

    assert practice.read("C00002").billing_status == "Balance Due"
    assert practice.read("C00003").billing_status == "Settled"


def test_a_status_other_than_settled_moves_the_claim_and_posts_nothing(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50))
    practice.claim("there", Line(100, 0), billing_status="Internal Review")
    practice.claim("credit", Line(-100, 0))

    job = practice.settle(target_status="Internal Review", reason=None)

    assert practice.read_job(job).kind is JobKind.STATUS
    assert practice.read("1").billing_status == practice.read("credit").billing_status == "Internal Review"
    assert practice.item(job, "there").code == "already_in_status"
    assert practice.write_offs("1") == []
    assert practice.violations() == []


def test_a_preview_too_large_for_a_request_is_prepared_by_a_worker(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 4)
    practice.claims(5)
    job = practice.preview()
    assert (practice.progress(job).status, practice.progress(job).total) == (JobStatus.PREPARING, 5)

    with transaction(practice.sessions) as session:
        assert prepare.prepare(session, job, now=NOW, chunk_claims=2)
        assert not prepare.prepare(session, job, now=NOW)  # a second hint

    practice.confirm(job)
    practice.run()
    assert practice.counts(job)["settled"] == 5


def test_a_selection_of_more_claims_than_a_statement_has_parameters_is_prepared(practice: GivenPractice) -> None:
    count = 70_000  # PostgreSQL numbers parameters with 16 bits
    with transaction(practice.sessions) as session:
        practice.claim("1", Line(0, 100))
        session.execute(
            text(
                "INSERT INTO claim (practice_id, external_id, version, patient_id, office_id, billing_provider_id,"
                " claim_type, service_date, billing_status, primary_status, secondary_status, balance_mismatch,"
                " billed, adjustment, primary_paid, secondary_paid, patient_paid, insurance_due, patient_due,"
                " has_credit_line) SELECT practice_id, 'N' || n, 1, patient_id, office_id, billing_provider_id,"
                " claim_type, service_date, billing_status, primary_status, secondary_status, false, 0, 0, 0, 0, 0,"
                " 0, 0, false FROM claim, generate_series(1, :count) n"
            ),
            {"count": count},
        )
        session.execute(text("ANALYZE claim"))  # as an import does; with older statistics, the check takes minutes
    numbers = [f"N{n}" for n in range(1, count + 1)]

    job = practice.preview({"claim_ids": numbers})
    practice.do(prepare.prepare, job, now=NOW)

    with practice.sessions() as session:
        assert session.scalar(select(func.count()).select_from(JobItem).where(*job.of(JobItem))) == count
        assert session.get_one(SettleJob, job).selection == {"claim_ids": count}


def test_the_setting_is_frozen_at_the_preview(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50))
    job = practice.preview()
    practice.sql("UPDATE practice SET write_off = 'neither'")

    practice.confirm(job)
    practice.run()

    assert practice.read("1").insurance_due == practice.read("1").patient_due == 0
    assert practice.read_job(job).setting is WriteOffSetting.BOTH


def test_a_finished_job_cannot_be_paused(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.settle()

    with pytest.raises(WrongStatus, match="completed"), transaction(practice.sessions) as session:
        commands.pause(session, job, by=practice.biller, now=NOW)
