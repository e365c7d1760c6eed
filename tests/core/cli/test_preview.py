"""A preview by command, with claims selected by a filter or one by one."""

import json

import pytest

from core.books import closing
from core.cli import jobs
from core.cli.context import utc_now
from core.db.engine import Sessions, transaction
from core.models.people import Role
from core.models.practices import PayerClass, Practice
from core.practices import periods, practice_days
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

PREVIEW = ("preview", "--practice", "Lakeside", "--as", "biller@lakeside.example", "--reason", "small_balance")


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create four claims. The numbers of three begin with 1."""
    given = a_practice(sessions)
    for number in ("1", "10", "100", "2"):
        given.claim(number, Line(1_000, 0))
    return given


def claims_of(typed: Typed, *words: str) -> int:
    previewed = typed(*PREVIEW, *words, "--json")
    assert previewed.exit_code == 0, previewed.output
    return int(json.loads(previewed.stdout)["claims"])


def test_claims_are_named_one_by_one(typed: Typed, practice: GivenPractice) -> None:
    assert claims_of(typed, "--claim", "1") == 1
    assert claims_of(typed, "--claim", "1", "--claim", "2", "--claim", "1") == 2

    refused = typed(*PREVIEW, "--claim", "3")
    assert (refused.exit_code, refused.stderr) == (1, "No such claim in this practice: 3\n")


def test_a_claim_number_in_a_filter_selects_only_that_claim(typed: Typed, practice: GivenPractice) -> None:
    assert claims_of(typed, "--filter", "claim_id=1") == 1
    assert claims_of(typed, "--filter", "claim_id_prefix=1") == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("total_due_max_cents=50.00", "total_due_max_cents: write whole cents, such as 5000 for $50.00\n"),
        ("from=0", "from: write the date as YYYY-MM-DD\n"),
        ("on_hold=y", "on_hold: write true or false\n"),
    ],
)
def test_a_malformed_filter_is_refused(typed: Typed, practice: GivenPractice, text: str, shown: str) -> None:
    refused = typed(*PREVIEW, "--filter", text)
    assert (refused.exit_code, refused.stdout, refused.stderr) == (1, "", shown)


def test_one_claim_is_written_in_the_singular(typed: Typed, practice: GivenPractice) -> None:
    shown = typed(*PREVIEW, "--claim", "1").stdout

    assert ": 1 claim; 1 will move to Settled, posting 1 write-off totaling $10.00 " in shown


@pytest.mark.parametrize("number", ["abc", "0", "-1", "٣", "9" * 30])
def test_a_job_id_that_is_not_a_number_is_refused_with_an_explanation(typed: Typed, number: str) -> None:
    refused = typed("watch", "--", number)

    assert refused.exit_code == 2
    assert "is not a valid job number; to find it, open the Jobs page" in refused.stderr


@pytest.mark.parametrize("words", [(), ("--all", "--claim", "1"), ("--filter", "claim_id=1", "--claim", "1")])
def test_claims_are_selected_in_only_one_way(typed: Typed, practice: GivenPractice, words: tuple[str, ...]) -> None:
    assert typed(*PREVIEW, *words).exit_code == 2


def test_the_refusal_in_a_closed_month_names_the_option_for_the_next_open_date(
    typed: Typed, practice: GivenPractice
) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    settled = practice.settle({"claim_ids": ["2"]})
    with transaction(practice.sessions) as session:
        today = practice_days.today(session.get_one(Practice, practice.id), now=utc_now())
        closing.close(session, periods.month_of(today), by=admin, now=utc_now())
    offered = str(periods.next_month(periods.month_of(today)))

    for command in ((*PREVIEW, "--claim", "1"), ("reverse", settled.job_id, "--as", admin.email)):
        refused = typed(*command)
        assert refused.exit_code == 1
        assert refused.stderr.endswith(f"To post on that date, add: --posting-date {offered}\n")
        made = typed(*command, "--posting-date", offered, "--json")
        assert json.loads(made.stdout)["posting_date"] == offered
        assert typed(*command, "--posting-date", "tomorrow").exit_code == 2


def test_the_preview_shows_medicare_cost_sharing_and_confirm_asks_for_a_reason(
    typed: Typed, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claim("M", Line(0, 700), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    shown = typed(*PREVIEW, "--claim", "M").stdout
    job, why = shown.split()[1].rstrip(":"), "Hardship, looked into"

    assert "This job writes off $7.00 of Medicare or Medicaid cost sharing on 1 claim. Over the 12 months " in shown
    confirm = ("confirm", job, "--as", "biller@lakeside.example")
    monkeypatch.setattr(jobs, "_at_terminal", lambda: True)
    answer = typed(*confirm, input=f"{why}\nCONFIRM\n")
    assert answer.exit_code == 0
    assert answer.stderr.index("writes off $7.00") < answer.stderr.index("Reason for writing off Medicare or Medicaid")
    practice.run(now=utc_now())

    words = typed("certificate", job, "--as", "biller@lakeside.example").stdout
    assert "This job wrote off $7.00 of Medicare or Medicaid cost sharing on 1 claim" in words
    assert why in words


def test_a_piped_confirm_takes_the_cost_sharing_reason_as_an_option(typed: Typed, practice: GivenPractice) -> None:
    practice.claim("M", Line(0, 700), primary_payer_id=practice.payer("M", PayerClass.DUAL))
    job = typed(*PREVIEW, "--claim", "M", "--note", "A note").stdout.split()[1].rstrip(":")
    confirm = ("confirm", job, "--as", "biller@lakeside.example")

    for given in [{"input": "CONFIRM\n"}, {"input": ""}]:
        word = () if given["input"] else ("--confirmation", "CONFIRM")
        refused = typed(*confirm, *word, **given)
        assert refused.exit_code == 1
        assert refused.stderr.endswith("State the reason for writing off Medicare or Medicaid cost sharing, in at most "
                                       "500 characters. Add: --cost-share-reason TEXT\n")  # fmt: skip

    assert typed(*confirm, "--cost-share-reason", "Hardship", input="CONFIRM\n").exit_code == 0
