"""Balances that a job leaves open, because the Balance Writeoff setting does not write them off."""

from typing import Any

import pytest
from sqlalchemy import update

from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.practices import WriteOffSetting
from core.jobs.keys import JobKey
from core.jobs.preview import open_balances
from core.jobs.preview.totals import PreviewTotals
from core.models.claims import Claim
from core.models.jobs import SettleJob
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

INSURANCE = (
    "$1,030.00 in insurance balances will stay open on 2 claims, because the Balance Writeoff setting is Patient."
)
PATIENT = "$5.00 in patient balances will stay open on 1 claim, because the Balance Writeoff setting is Insurance."


def previewed(practice: GivenPractice, setting: WriteOffSetting, **asked: Any) -> JobKey:
    """Preview three claims to settle and one on hold."""
    practice.set_write_off(setting)
    practice.claim("1", Line(100_000, 500), Line(2_000, 0))
    practice.claim("2", Line(1_000, 0))
    practice.claim("3", Line())
    practice.claim("HELD", Line(7_000, 900), hold=Hold.HOLD)
    return practice.preview(**asked)


def address_of(job: JobKey) -> str:
    return f"/jobs/{job.job_id}"


def sentences(practice: GivenPractice, job: JobKey) -> str:
    return open_balances.describe(practice.read_job(job))


@pytest.mark.parametrize(
    ("setting", "sentence"), [(WriteOffSetting.PATIENT, INSURANCE), (WriteOffSetting.INSURANCE, PATIENT)]
)
def test_the_preview_shows_before_confirm_which_balances_stay_open(
    practice: GivenPractice, biller: Browser, setting: WriteOffSetting, sentence: str
) -> None:
    job = address_of(previewed(practice, setting, selection={"filter": {"total_due_max_cents": 500_000}}))
    shown, page = biller.says(job), biller.read(job)

    assert shown.count("will stay open") == 1
    is_insurance = setting is WriteOffSetting.PATIENT
    assert ("Settled claims leave the Bill Insurance list." in shown) == is_insurance
    for end in ("min=0.01", "max=0.00"):
        assert (f'href="/claims?total_due_max=5000.00&insurance_due_{end}"' in page) == is_insurance
    assert shown.index(sentence) < shown.index("Type CONFIRM")


def test_the_approver_reads_which_balances_stay_open(
    practice: GivenPractice, biller: Browser, approver: Browser
) -> None:
    practice.limit(job=100)
    job = previewed(practice, WriteOffSetting.PATIENT)
    practice.confirm(job)

    shown = approver.says(address_of(job))

    assert shown.index(INSURANCE) < shown.index("Type CONFIRM")


def test_a_job_that_writes_off_both_balances_leaves_none_open(practice: GivenPractice, biller: Browser) -> None:
    job = previewed(practice, WriteOffSetting.BOTH)

    assert "will stay open" not in biller.says(address_of(job))
    assert sentences(practice, job) == ""


def test_with_the_setting_neither_both_balances_stay_open(practice: GivenPractice) -> None:
    job = previewed(practice, WriteOffSetting.NEITHER)

    because = "because the Balance Writeoff setting is Neither."
    assert sentences(practice, job) == (
        f"$1,030.00 in insurance balances will stay open on 2 claims, {because} "
        f"$5.00 in patient balances will stay open on 1 claim, {because}"
    )


def test_the_cause_includes_the_settings_of_billing_providers(practice: GivenPractice) -> None:
    own = practice.provider("OWN", write_off=WriteOffSetting.INSURANCE)
    practice.claim("4", Line(100, 25), billing_provider_id=own)
    job = previewed(practice, WriteOffSetting.BOTH)

    assert sentences(practice, job) == (
        "$0.25 in patient balances will stay open on 1 claim, because of the Balance Writeoff settings of your "
        "practice and its billing providers."
    )


def test_a_status_change_does_not_mention_open_balances(practice: GivenPractice, biller: Browser) -> None:
    job = previewed(practice, WriteOffSetting.PATIENT, target_status="Internal Review", reason=None)

    assert "will stay open" not in biller.says(address_of(job))


def test_a_preview_from_an_earlier_version_says_nothing_about_open_balances(
    practice: GivenPractice, biller: Browser
) -> None:
    job = previewed(practice, WriteOffSetting.PATIENT)
    frozen = dict(practice.read_job(job).preview or {})
    del frozen["stays_open"]
    with transaction(practice.sessions) as session:
        session.execute(update(SettleJob).where(SettleJob.id == job.job_id).values(preview=frozen))

    assert "will stay open" not in biller.says(address_of(job))
    assert PreviewTotals.model_validate(frozen).stays_open is None


def test_a_balance_stays_open_to_the_cent_as_shown(practice: GivenPractice) -> None:
    job = previewed(practice, WriteOffSetting.PATIENT)
    practice.confirm(job)
    practice.run()

    with practice.sessions() as session:
        settled = session.query(Claim).filter_by(practice_id=practice.id, billing_status="Settled")
        assert sum(claim.insurance_due for claim in settled) == 103_000
