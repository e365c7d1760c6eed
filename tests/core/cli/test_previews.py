"""What a user reads and answers at a terminal: a preview, CONFIRM, an approval, and the end of a job."""

import json

import pytest

from core import calendar_months
from core.books import closing
from core.cli import jobs
from core.db.engine import Sessions, transaction
from core.enums.claims import ClaimStatus
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.jobs import prepare
from core.jobs.keys import JobKey
from tests.core.cli.conftest import Typed
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice
from tests.webui.api.conftest import SentHints

BILLER, APPROVER, ADMIN = "biller@lakeside.example", "approver@lakeside.example", "admin@lakeside.example"
PREVIEW = ("preview", "--reason", "small_balance")


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create four claims. The numbers of three begin with 1."""
    given = a_practice(sessions)
    given.alike(("1", "10", "100", "2"), Line(1_000, 0))
    given.person(APPROVER, Role.APPROVER)
    given.person(ADMIN, Role.ADMIN)
    return given


def claims_of(typed: Typed, *words: str) -> int:
    previewed = typed(*PREVIEW, *words, "--json", by=BILLER)
    assert previewed.exit_code == 0, previewed.output
    return int(json.loads(previewed.stdout)["counts"]["claims"])


def test_claims_are_selected_by_number_or_by_a_filter(typed: Typed, practice: GivenPractice) -> None:
    assert claims_of(typed, "--claim", "1", "--claim", "2", "--claim", "1") == 2
    assert claims_of(typed, "--filter", "claim_id=1") == 1
    assert claims_of(typed, "--filter", "claim_id_prefix=1") == 3
    assert (
        ": 1 claim; 1 will move to Settled, posting 1 write-off totaling $10.00 "
        in typed(*PREVIEW, "--claim", "1").stdout
    )


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("--claim", "3"), 1, "Claim not found in this practice: 3\n"),
        (("--filter", "total_due_max_cents=50.00"), 1, "total_due_max_cents: write whole cents, such as 5000 for $50."),
        (("--filter", "claim_id"), 2, "write KEY=VALUE"),
        ((), 2, "Select claims with --filter"),
        (("--all", "--claim", "1"), 2, "Select claims with --filter"),
        (("--all", "--posting-date", "20260101"), 2, "write the date as YYYY-MM-DD."),
    ],
)
def test_a_wrong_selection_is_refused(
    typed: Typed, practice: GivenPractice, words: tuple[str, ...], code: int, shown: str
) -> None:
    refused = typed(*PREVIEW, *words, by=BILLER)

    assert (refused.exit_code, refused.stdout, shown in refused.stderr) == (code, "", True)


@pytest.mark.parametrize("number", ["abc", "0", "-1", "٣", "9" * 30])
def test_a_job_id_that_is_not_a_number_is_refused_with_an_explanation(typed: Typed, number: str) -> None:
    refused = typed("watch", "--", number)

    assert refused.exit_code == 2
    assert "is not a valid job number; to find it, open the Jobs page" in refused.stderr


def test_the_refusal_in_a_closed_month_names_the_option_for_the_next_open_date(
    typed: Typed, practice: GivenPractice
) -> None:
    admin = practice.person("chief@lakeside.example", Role.ADMIN)
    practice.settle({"claim_ids": ["2"]})
    with transaction(practice.sessions) as session:
        closing.close(session, calendar_months.month_of(TODAY), by=admin, now=NOW)

    for command in ((*PREVIEW, "--claim", "1"), ("reverse", "1", "--note", "Wrong list")):
        refused = typed(*command, by=ADMIN)
        assert refused.exit_code == 1
        assert refused.stderr.endswith("To post on that date, add: --posting-date 2026-12-01\n")
        made = typed(*command, "--posting-date", "2026-12-01", "--json")
        assert json.loads(made.stdout)["posting_date"] == "2026-12-01"


def test_a_large_preview_is_awaited(typed: Typed, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 0)

    def prepare_now(_hints: SentHints, practice_id: int, job_id: int) -> None:
        with transaction(practice.sessions) as session:
            prepare.prepare(session, JobKey(practice_id, job_id), now=NOW)

    monkeypatch.setattr(SentHints, "prepare", prepare_now)
    previewed = typed(*PREVIEW, "--all", by=BILLER)

    assert previewed.stderr == "A worker is preparing job 1 …\n"
    assert previewed.stdout.startswith("Job 1: 4 claims; ")


def test_the_preview_shows_medicare_cost_sharing_and_confirm_asks_for_a_reason(
    typed: Typed, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claim("M", Line(0, 700), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    shown = typed(*PREVIEW, "--claim", "M", by=BILLER).stdout
    assert "This job writes off $7.00 of Medicare or Medicaid cost sharing on 1 claim. Over the 12 months " in shown
    refused = typed("confirm", "1", input="CONFIRM\n")
    assert refused.stderr.endswith("in at most 500 characters. Add: --cost-share-reason TEXT\n")

    monkeypatch.setattr(jobs, "_at_terminal", lambda: True)
    answer = typed("confirm", "1", input="Hardship, looked into\nCONFIRM\n")
    assert (answer.exit_code, answer.stdout) == (0, "Job 1 is confirmed.\n")
    assert answer.stderr.index("writes off $7.00") < answer.stderr.index("Reason for writing off Medicare or Medicaid")
    practice.run()

    words = typed("certificate", "1").stdout
    assert "This job wrote off $7.00 of Medicare or Medicaid cost sharing on 1 claim" in words
    assert "Hardship, looked into" in words


def test_an_approver_reads_everything_that_the_preview_froze(typed: Typed, practice: GivenPractice) -> None:
    practice.claim("M", Line(0, 700), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    practice.claim("P", Line(900, 0), primary_status=ClaimStatus.AT_PAYER)
    practice.limit(claim=900)
    typed(*PREVIEW, "--all", "--note", "Old ones", "--include", "in_process", by=ADMIN)
    confirmed = typed("confirm", "1", "--cost-share-reason", "Hardship", "--confirmation", "CONFIRM").stdout
    assert confirmed.splitlines()[:2] == [
        "Job 1 is awaiting approval.",
        "It needs approval from another user, an approver or administrator:",
    ]

    answer = typed("approve", "1", by=APPROVER, input="CONFIRM\n")

    assert (answer.exit_code, answer.stdout) == (0, "Job 1 is confirmed.\n")
    read, _, asked = answer.stderr.rpartition("Type CONFIRM to approve")
    assert asked
    for part in (
        ("Job 1: 6 claims; 6 will move to Settled, posting 6 write-offs totaling $56.00 (insurance $49.00, "
        "patient $7.00)."),
        "By payer:\n            $49.00  The Payer, 5 claims\n             $7.00  M, 1 claim",
        "By billing provider:\n            $56.00  The Provider, 6 claims",
        "in_process: ", "overridden: $9.00", "Overridden rules: ",
        "Requested by admin.", "Confirmed by admin.", "Note: Old ones.", "Reason for writing it off: Hardship.",
        ("It needs another user's approval:\n"
        "    Over the practice's per-claim limit: $10.00 (limit $9.00, over by $1.00)"),
    ):  # fmt: skip
        assert part in read


def test_confirm_and_approve_first_show_how_many_claims_changed_since_the_preview(
    typed: Typed, practice: GivenPractice
) -> None:
    changed = "1 of the 4 claims to settle has changed since the preview and will be skipped."
    warning = f"{changed} Preview again."
    practice.limit(job=1_000)
    typed(*PREVIEW, "--all", by=BILLER)
    practice.change("1")

    assert warning in typed("show", "1").stdout
    confirmed = typed("confirm", "1", input="CONFIRM\n")
    assert confirmed.stderr.index(warning) < confirmed.stderr.index("Type CONFIRM")
    warning = f"{changed} If that matters, reject the job. Its requester can preview again."
    assert warning in typed("approvals", by=APPROVER).stdout
    approved = typed("approve", "1", "--confirmation", "CONFIRM")
    assert (approved.exit_code, approved.stderr) == (0, f"{warning}\n")
    assert "Decided: job 1 was approved by approver" in typed("approvals", by=BILLER).stdout


def test_another_word_than_confirm_confirms_nothing(typed: Typed, practice: GivenPractice) -> None:
    typed(*PREVIEW, "--all", by=BILLER)

    refused = typed("confirm", "1", input="confirm\n")

    assert (refused.exit_code, "Type CONFIRM" in refused.stderr) == (1, True)
    assert json.loads(typed("show", "1", "--json").stdout)["status"] == "previewed"


def test_watch_fails_for_a_job_that_settled_nothing_and_for_a_discarded_one(
    typed: Typed, practice: GivenPractice
) -> None:
    job = practice.preview({"claim_ids": ["1"]})
    practice.change("1")
    practice.confirm(job)
    practice.run()
    practice.preview(key="second")
    typed("discard", "2", by=BILLER)

    completed = typed("watch", "1")
    assert completed.exit_code == 1
    assert "Job 1: Completed, but no claim was settled: 1 skipped, 0 failed" in completed.stdout
    discarded = typed("watch", "2", "--json")
    assert (discarded.exit_code, json.loads(discarded.stdout)["status"]) == (1, "discarded")


def test_the_refusal_before_a_setting_is_chosen_names_the_command(typed: Typed, practice: GivenPractice) -> None:
    practice.sql("UPDATE practice SET write_off = 'neither', write_off_chosen = false")

    refused = typed(*PREVIEW, "--all", by=BILLER)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Your practice has not chosen its Balance Writeoff setting." in refused.stderr
    assert "settle write-off-setting patient|insurance|both|neither --practice NAME --as EMAIL" in refused.stderr
    assert typed("write-off-setting", "neither", "--practice", "Lakeside", "--as", ADMIN).exit_code == 0
    assert claims_of(typed, "--all") == 4


def test_a_job_under_the_setting_neither_says_before_confirm_that_it_writes_off_nothing(
    typed: Typed, practice: GivenPractice
) -> None:
    zero = "The Balance Writeoff setting is Neither, so this writes off $0.00."
    practice.set_write_off(WriteOffSetting.NEITHER)

    assert zero in typed(*PREVIEW, "--all", by=BILLER).stdout
    confirmed = typed("confirm", "1", input="CONFIRM\n")

    assert confirmed.stdout == "Job 1 is confirmed.\n"
    assert confirmed.stderr.index(zero) < confirmed.stderr.index("Type CONFIRM")


def test_the_preview_shows_before_confirm_which_balances_stay_open(typed: Typed, practice: GivenPractice) -> None:
    stays = "in insurance balances will stay open on 4 claims, because the Balance Writeoff setting is Patient."
    practice.set_write_off(WriteOffSetting.PATIENT)

    assert f"  $40.00 {stays}" in typed(*PREVIEW, "--all", by=BILLER).stdout
    assert stays in typed("confirm", "1", input="CONFIRM\n").stderr
