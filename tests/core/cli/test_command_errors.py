"""Any error in a command is one line with its class and place, and without patient data."""

import pytest
from sqlalchemy import Engine, text

from core.cli import TRACE_VARIABLE
from core.db.engine import Sessions
from tests.core.cli.conftest import Typed
from tests.factories import a_practice

ROW = "Quillfeather, Zephyrine, 1931-02-17"
ADD = ("user", "add", "ann@example.org", "--practice", "Lakeside", "--role", "biller", "--limit", "unlimited")


@pytest.fixture
def _refusing(sessions: Sessions, engine: Engine) -> None:
    a_practice(sessions)
    with engine.begin() as connection:
        refuse = f"RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', DETAIL = '{ROW}'"
        connection.execute(
            text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {refuse}; END$$")
        )
        connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION refuse()")
        )


@pytest.mark.usefixtures("_refusing")
def test_a_database_refusal_is_reported_with_its_code_and_our_code_location(
    settle: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRACE_VARIABLE)

    broke = settle(*ADD)

    assert broke.exit_code == 1
    assert broke.stdout == ""
    (line,) = broke.stderr.splitlines()
    assert "IntegrityError (23514)" in line
    assert "users.py" in line
    assert [word for word in ROW.split(", ") if word in line] == []


@pytest.mark.usefixtures("_refusing")
def test_an_option_shows_the_full_error_text(settle: Typed) -> None:
    with pytest.raises(Exception, match="Zephyrine"):
        settle(*ADD)


def test_wrong_usage_and_refusals_are_shown_unchanged(settle: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACE_VARIABLE)

    assert settle("verify", "--nonsense").exit_code == 2
    refused = settle("token", "list", "ann@example.org")
    assert refused.exit_code == 1
    assert refused.stderr == "There is no user ann@example.org. Add one with `settle user add`.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("post", "C1", "payment", "much", "--responsibility", "patient"),
        ("refund", "C1", "much", "--responsibility", "patient", "--to", "patient", "--note", "n"),
        ("jobs", "--amount-min", "much"),
        ("import", "upload", ".", "--expect-total", "much"),
        ("limit", "claim", "much"),
        ("user", "add", "x@example.org", "--practice", "P", "--role", "biller", "--limit", "much"),
        ("schedule", "change", "1", "--amount-max", "much"),
    ],
)
def test_an_amount_that_cannot_be_read_is_wrong_use_everywhere(settle: Typed, words: tuple[str, ...]) -> None:
    refused = settle(*words)

    assert refused.exit_code == 2
    assert "'much'. Enter an amount in dollars and cents, such as 1234.56" in refused.stderr


def test_a_wrong_word_is_answered_with_the_words_once(settle: Typed) -> None:
    fault = "Error: Invalid value for 'FILE': 'all' is not one of 'settled', 'not-settled', 'not-processed'."
    assert settle("download", "1", "all").stderr.splitlines()[-1] == fault


def test_the_choices_of_synthea_payments_are_words(settle: Typed) -> None:
    assert "[all|without_last|only_copays|none]" in settle("import", "upload", "--help").stdout
