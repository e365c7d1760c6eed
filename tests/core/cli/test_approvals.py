"""Approvals, users and limits by command."""

import json

import pytest

from core.db.engine import Sessions
from core.models.claims import ClaimStatus
from core.models.jobs import JobStatus, SettleJob
from core.models.people import Role, User
from core.models.practices import PayerClass, Practice
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

BILLER, APPROVER, ADMIN = "biller@lakeside.example", "approver@lakeside.example", "admin@lakeside.example"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    given = a_practice(sessions)
    given.claims(2)
    given.person(APPROVER, Role.APPROVER)
    given.person(ADMIN, Role.ADMIN)
    a_practice(sessions, name="Other")
    return given


@pytest.fixture
def waiting(typed: Typed, practice: GivenPractice) -> int:
    """Return a job over the practice's limit that the biller has confirmed."""
    practice.limit(job=1_000)
    previewed = typed(
        "preview", "--practice", "Lakeside", "--as", BILLER, "--all", "--reason", "small_balance", "--json"
    )
    job = int(json.loads(previewed.stdout)["id"])
    confirmed = typed("confirm", job, "--as", BILLER, "--confirmation", "CONFIRM")
    assert confirmed.stdout == (
        f"Job {job} is awaiting approval.\n"
        "It needs the approval of another user, an approver or administrator, because it is over a limit:\n"
        "  Over the practice's limit for one job: $30.00, the limit is $10.00, $20.00 over\n"
    )
    return job


def test_the_preview_announces_that_the_job_needs_approval(typed: Typed, practice: GivenPractice) -> None:
    practice.limit(claim=1_000)
    shown = typed("preview", "--practice", "Lakeside", "--as", BILLER, "--all", "--reason", "small_balance").stdout
    assert "After CONFIRM, it needs another user's approval, because it is over a limit:" in shown
    assert "Claims over the practice's limit for one claim: $15.00, the limit is $10.00, $5.00 over" in shown


def test_another_user_approves(typed: Typed, practice: GivenPractice, waiting: int) -> None:
    listed = typed("approvals", "--as", APPROVER).stdout
    assert f"Needs your approval: 1\n  Job {waiting}: $30.00, requested by biller, expires " in listed
    assert "Your jobs that need approval: none" in listed
    assert f"Your jobs that need approval: 1\n  Job {waiting}" in typed("approvals", "--as", BILLER).stdout
    assert typed("watch", waiting).exit_code == 1, "the job waits until another user decides"

    wrong = typed("approve", waiting, "--as", APPROVER, "--confirmation", "yes")
    assert (wrong.exit_code, "Type CONFIRM" in wrong.stderr) == (1, True)
    done = typed("approve", waiting, "--as", APPROVER, "--confirmation", "CONFIRM")

    assert (done.exit_code, done.stdout) == (0, f"Job {waiting} is confirmed.\n")
    assert f"Decided: job {waiting} was approved by approver" in typed("approvals", "--as", BILLER).stdout


def test_confirm_and_approve_first_show_how_many_claims_changed_since_the_preview(
    typed: Typed, practice: GivenPractice, waiting: int
) -> None:
    warning = "1 of the 2 claims to be settled has changed since this preview and will be skipped. Preview again."
    practice.limit()
    again = typed("preview", "--practice", "Lakeside", "--as", BILLER, "--all", "--reason", "small_balance", "--json")
    practice.change("C00001")

    job = json.loads(again.stdout)["id"]
    assert warning in typed("show", job, "--as", BILLER).stdout
    assert json.loads(typed("show", job, "--as", BILLER, "--json").stdout)["changed_since_preview"] == 1
    confirmed = typed("confirm", job, "--as", BILLER, input="CONFIRM\n")
    assert confirmed.output.index(warning) < confirmed.output.index("Type CONFIRM")

    assert warning in typed("approvals", "--as", APPROVER).stdout
    approved = typed("approve", waiting, "--as", APPROVER, "--confirmation", "CONFIRM")
    assert (approved.exit_code, approved.stderr) == (0, f"{warning}\n")


def test_the_command_reports_that_a_completed_job_settled_nothing(typed: Typed, practice: GivenPractice) -> None:
    job = practice.preview()
    for number in ("C00001", "C00002"):
        practice.change(number)
    practice.confirm(job)
    practice.run()

    watched = typed("watch", job.job_id)

    assert f"Job {job.job_id} is completed, but no claim was settled: 0 settled, 2 skipped" in watched.stdout
    warning = json.loads(typed("watch", job.job_id, "--json").stdout)["words"]
    assert warning == "Completed, but no claim was settled: 2 skipped, 0 failed"


def test_approval_asks_for_the_word_confirm(typed: Typed, waiting: int) -> None:
    answer = typed("approve", waiting, "--as", APPROVER, input="CONFIRM\n")

    assert "2 will move to Settled, posting 4 write-offs totaling $30.00" in answer.stderr, (
        "what is approved is read first"
    )
    assert answer.stderr.index("Requested by biller") < answer.stderr.index("Type CONFIRM to approve")
    assert (answer.exit_code, answer.stdout) == (0, f"Job {waiting} is confirmed.\n")


def test_the_approver_reads_everything_that_the_preview_froze(typed: Typed, practice: GivenPractice) -> None:
    practice.claim("M", Line(0, 700), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    practice.claim("P", Line(900, 0), primary_status=ClaimStatus.AT_PAYER)
    practice.limit(claim=1_000)
    words = ("preview", "--practice", "Lakeside", "--all", "--reason", "small_balance", "--note", "Old ones")
    previewed = typed(*words, "--include", "in_process", "--as", ADMIN, "--json")
    job = json.loads(previewed.stdout)["id"]
    typed("confirm", job, "--as", ADMIN, "--confirmation", "CONFIRM", "--cost-share-reason", "Hardship")

    shown = typed("show", job, "--as", APPROVER).stdout
    facts = json.loads(typed("show", job, "--as", APPROVER, "--json").stdout)

    for part in (
        f"Job {job}: 4 claims; 4 will move to Settled, posting 6 write-offs totaling $46.00 (insurance $29.00, ",
        "By payer:\n            $39.00  The Payer, 3 claims\n             $7.00  M, 1 claim",
        "By billing provider:\n            $46.00  The Provider, 4 claims",
        "in_process: ", "overridden: $9.00", "Overridden rules: ",
        "Requested by admin.", "Confirmed by admin.", "Note: Old ones.",
        "This job writes off $7.00 of Medicare or Medicaid cost sharing on 1 claim. Over the 12 months ",
        "Reason for writing it off: Hardship.",
        (
            "It needs another user's approval, because it is over a limit:\n"
            "    Claims over the practice's limit for one claim: $15.00"
        ),
    ):  # fmt: skip
        assert part in shown
    assert (facts["asked_by"], facts["include"], facts["cost_share_reason"]) == ("admin", ["in_process"], "Hardship")
    assert (facts["cost_share"]["job_cents"], facts["over"][0]["code"]) == (700, "over_claim_limit")
    assert typed("show", job, "--as", "biller@other.example").exit_code == 1


def test_another_user_rejects_with_a_reason(typed: Typed, practice: GivenPractice, waiting: int) -> None:
    assert typed("reject", waiting, "--as", APPROVER).exit_code == 2
    assert typed("reject", waiting, "--as", APPROVER, "--reason", " ").exit_code == 1

    done = typed("reject", waiting, "--as", APPROVER, "--reason", "Wrong list", "--json")

    assert json.loads(done.stdout) == {"id": str(waiting), "status": "rejected"}
    facts = json.loads(typed("approvals", "--as", BILLER, "--json").stdout)
    (decided,) = facts["decided"]
    assert (decided["status"], decided["decided_by"], decided["reason"]) == ("rejected", "approver", "Wrong list")
    assert "was rejected by approver: Wrong list" in typed("approvals", "--as", BILLER).stdout


def test_the_limits_of_the_practice_and_of_each_user_are_shown(typed: Typed, practice: GivenPractice) -> None:
    practice.limit(claim=250_00)
    practice.limit_of(practice.biller, job=1_000_00)

    lines = typed("limits", "--as", ADMIN).stdout.splitlines()
    facts = json.loads(typed("limits", "--as", BILLER, "--json").stdout)

    assert [line.split()[0] for line in lines] == ["Lakeside", ADMIN, APPROVER, BILLER]
    assert [" ".join(lines[at].split()[1:]) for at in (0, 3)] == [
        "claim $250.00, job unlimited", "claim unlimited, job $1,000.00"
    ]  # fmt: skip
    assert facts["practice"]["claim_limit_cents"] == 250_00
    assert [(user["email"], user["job_limit_cents"]) for user in facts["users"]] == [(BILLER, 1_000_00)]


@pytest.mark.parametrize("email", [BILLER, "biller@other.example", "stranger@lakeside.example"])
def test_a_user_without_permission_is_refused(typed: Typed, practice: GivenPractice, waiting: int, email: str) -> None:
    for words in (("approve", waiting, "--confirmation", "CONFIRM"), ("reject", waiting, "--reason", "No")):
        assert typed(*words, "--as", email).exit_code == 1
    with practice.sessions() as session:
        assert session.get_one(SettleJob, (practice.id, waiting)).status is JobStatus.AWAITING_APPROVAL


def test_a_limit_is_a_dollar_amount_or_unlimited(typed: Typed, practice: GivenPractice) -> None:
    def set_to(which: str, amount: str, email: str = ADMIN) -> int:
        return typed("limit", which, amount, "--practice", "Lakeside", "--as", email).exit_code

    assert set_to("claim", "25.50") == set_to("job", "$1,000") == 0
    with practice.sessions() as session:
        standing = session.get_one(Practice, practice.id)
        assert (standing.claim_limit_cents, standing.job_limit_cents) == (2_550, 100_000)
    shown = typed("limit", "claim", "unlimited", "--practice", "Lakeside", "--as", ADMIN).stdout
    assert shown == ("Limit per claim for Lakeside: unlimited. Existing previews keep their old limits.\n")
    assert (
        "Enter an amount, or the word unlimited"
        in typed("limit", "job", "", "--practice", "Lakeside", "--as", ADMIN).stderr
    )
    assert set_to("job", "1", BILLER) == 1
    assert set_to("job", "1", APPROVER) == 1
    assert typed("limit", "job", "1", "--practice", "Other", "--as", ADMIN).exit_code == 1
    assert set_to("week", "1") == 2


def test_users_are_listed_and_managed(typed: Typed, practice: GivenPractice) -> None:
    assert typed("user", "limit", BILLER, "claim", "10", "--as", ADMIN).exit_code == 0
    assert typed("user", "role", BILLER, "approver", "--as", ADMIN).stdout == f"{BILLER} now has the role approver.\n"
    assert typed("user", "deactivate", BILLER, "--as", ADMIN).exit_code == 0
    listed = typed("user", "list", "--as", ADMIN).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [ADMIN, APPROVER, BILLER]
    assert listed[2].endswith("approver  claim $10.00, job unlimited, deactivated")
    assert typed("approvals", "--as", BILLER).exit_code == 1

    assert typed("user", "reactivate", BILLER, "--as", ADMIN).exit_code == 0
    facts = json.loads(typed("user", "list", "--as", ADMIN, "--json").stdout)["users"]
    assert {user["email"]: user["claim_limit_cents"] for user in facts}[BILLER] == 1_000
    with practice.sessions() as session:
        assert session.get_one(User, practice.biller.user_id).role is Role.APPROVER


def test_no_user_manages_their_own_account_or_another_practice(typed: Typed, practice: GivenPractice) -> None:
    for words in (("role", ADMIN, "biller"), ("limit", ADMIN, "job", "unlimited"), ("deactivate", ADMIN)):
        refused = typed("user", *words, "--as", ADMIN)
        assert (refused.exit_code, "You can't change your own role or limits" in refused.stderr) == (1, True)
    assert typed("user", "deactivate", "biller@other.example", "--as", ADMIN).exit_code == 1
    assert typed("user", "deactivate", BILLER, "--as", APPROVER).exit_code == 1
    assert typed("user", "list", "--as", BILLER).exit_code == 1
