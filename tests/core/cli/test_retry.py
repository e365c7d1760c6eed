"""`settle retry-failed` shows what it retries, by failure code, before it does so."""

from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line

BILLER = "biller@lakeside.example"


def test_the_command_shows_the_claims_of_each_code_and_retries_the_chosen_ones(
    typed: Typed, practice: GivenPractice
) -> None:
    for number, cents in (("A", 100), ("B", 200), ("C", 400)):
        practice.claim(number, Line(cents, 50))
    practice.refuse_to_settle("C")
    job = practice.confirmed(chunk_claims=1)
    practice.run_while_locked("A", "B")
    practice.pay("A", 10)

    done = typed("retry-failed", "1", "--code", "database_refused", "--code", "worker_died", by=BILLER)

    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert lines == [
        "1 $2.50 not chosen, claim_locked: Locked by another user or process; gave up after five tries",
        "1 cannot be retried: Changed since the preview",
        "1 $4.50 database_refused: The change to this claim could not be saved in the database",
    ]
    assert done.stdout == "Job 1 is confirmed.\n"
    practice.run()
    assert practice.item(job, "B").code == "claim_locked", "it was not chosen"


def test_the_command_says_why_nothing_can_be_retried(typed: Typed, practice: GivenPractice) -> None:
    practice.claims(1)
    practice.confirmed()

    refused = typed("retry-failed", "1", by=BILLER)

    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "The job is confirmed, so no claim can be retried.",
        "The job is confirmed; it cannot be retried.",
    ]
