"""Whatever breaks in a command is one line: which error and where, and no word of a patient's row."""

import pytest
from sqlalchemy import Engine, text

from core.cli import TRACE_VARIABLE
from core.db.engine import Sessions
from tests.core.cli.conftest import Typed
from tests.factories import a_practice

ROW = "Quillfeather, Zephyrine, 1931-02-17"
ASKED = ("preview", "--practice", "Lakeside", "--as", "biller@lakeside.example", "--all", "--reason", "small_balance")


@pytest.fixture
def _refusing(sessions: Sessions, engine: Engine) -> None:
    a_practice(sessions).claims(2)
    with engine.begin() as connection:
        refuse = f"RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', DETAIL = '{ROW}'"
        connection.execute(
            text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {refuse}; END$$")
        )
        connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON job_item FOR EACH ROW EXECUTE FUNCTION refuse()")
        )


@pytest.mark.usefixtures("_refusing")
def test_what_the_database_refuses_is_told_by_its_code_and_our_place(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRACE_VARIABLE)

    broke = typed(*ASKED)

    assert broke.exit_code == 1
    assert broke.stdout == ""
    (line,) = broke.stderr.splitlines()
    assert "IntegrityError (23514)" in line
    assert "freezing.py" in line
    assert [word for word in ROW.split(", ") if word in line] == []


@pytest.mark.usefixtures("_refusing")
def test_who_asks_for_the_words_gets_them(typed: Typed) -> None:
    with pytest.raises(Exception, match="Zephyrine"):
        typed(*ASKED)


def test_a_wrong_use_and_a_refusal_are_as_before(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACE_VARIABLE)

    assert typed("preview", "--nonsense").exit_code == 2
    refused = typed("watch", "7")
    assert (refused.exit_code, refused.stderr) == (1, "There is no job 7.\n")
