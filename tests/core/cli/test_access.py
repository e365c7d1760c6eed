"""Users, tokens and the Balance Writeoff setting by command."""

import datetime as dt
import json
import os
import pty
import sys

import pytest
from click.testing import Result
from sqlalchemy.orm import Session

from core.access import password_links, tokens, users
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.models.people import User
from core.models.practices import Practice
from core.money import UNLIMITED
from core.practices import write_off_setting
from tests.core.access.conftest import NOW
from tests.core.cli.conftest import Typed

COMMAND = [sys.executable, "-m", "core.cli"]

NEW = ("--practice", "New", "--create", "--limit", "1", "--role", "biller")


def add(settle: Typed, email: str = "ann@example.org", practice: str = "Hill Clinic", role: str = "admin") -> str:
    """Add a user. Return the generated password."""
    done = settle("user", "add", email, "--practice", practice, "--role", role, "--limit", "unlimited")
    assert done.exit_code == 0, done.stderr
    return done.stdout.rpartition(": ")[2].strip()


def test_without_a_terminal_a_working_password_is_generated(settle: Typed, session: Session) -> None:
    password = add(settle, "Ann@Example.org")

    actor = users.actor_for(users.check_sign_in(session, email="ann@example.org", password=password, now=NOW))

    with pytest.raises(users.PasswordChangeNeeded):
        users.sign_in(session, email="ann@example.org", password=password, now=NOW)
    assert (actor.role, actor.name) == (Role.ADMIN, "Ann")
    practice = session.get_one(Practice, actor.practice_id)
    assert (practice.name, practice.time_zone, practice.write_off) == ("Hill Clinic", "America/New_York", "neither")


def test_a_link_is_printed_instead_of_a_password(settle: Typed, session: Session) -> None:
    words = ("--practice", "Hill Clinic", "--role", "admin", "--limit", "unlimited", "--link")
    shown = settle("user", "add", "ann@example.org", *words).stdout

    link = shown.splitlines()[-1]
    assert "It works once, and expires on 20" in shown
    assert link.startswith("/set-password/")
    ann = password_links.find_user(session, link.removeprefix("/set-password/"), dt.datetime.now(dt.UTC))
    assert ann.email == "ann@example.org"


def test_a_second_user_joins_the_existing_practice(settle: Typed, session: Session) -> None:
    add(settle)
    add(settle, "bob@example.org", role="biller")

    assert session.query(Practice).count() == 1
    assert session.query(User).count() == 2


def test_limits_are_given_in_words_and_never_guessed(settle: Typed, session: Session) -> None:
    words = ("user", "add", "ann@example.org", "--practice", "Hill Clinic", "--role", "admin")
    for given in ((), ("--claim-limit", "5"), ("--job-limit", "unlimited")):
        refused = settle(*words, *given)
        assert (refused.exit_code, "add --limit unlimited, or --claim-limit AMOUNT" in refused.stderr) == (1, True)
    assert session.query(User).count() == 0
    shown = settle(*words, "--limit", "unlimited").stdout
    assert "Limits without approval: unlimited per claim, unlimited per job" in shown

    words = ("user", "add", "bob@example.org", "--practice", "Hill Clinic", "--role", "biller")
    assert settle(*words, "--claim-limit", "1", "--job-limit", "").exit_code == 2
    shown = settle(*words, "--claim-limit", "25.50", "--limit", "unlimited").stdout

    assert "Limits without approval: $25.50 per claim, unlimited per job" in shown
    bob = users.find_by_email(session, "bob@example.org")
    assert bob is not None
    assert (bob.claim_limit_cents, bob.job_limit_cents) == (25_50, UNLIMITED)


def test_a_mistyped_practice_is_refused_with_similar_names(settle: Typed, session: Session) -> None:
    def add_to(practice: str, email: str, *words: str) -> Result:
        return settle("user", "add", email, "--practice", practice, "--role", "biller", "--limit", "50", *words)

    first = add_to("Hill Clinic", "ann@example.org")
    joined = add_to(" Hill Clinic ", "bob@example.org", "--create")
    slip = add_to("Hill Clinc", "cid@example.org")

    assert first.stdout.startswith("CREATED A NEW PRACTICE: Hill Clinic.\n"), "no name can be mistyped before the first"
    assert "choose its Balance Writeoff setting" in first.stdout
    assert "Balance Writeoff" not in joined.stdout
    assert joined.stdout.startswith("bob@example.org has the role biller in Hill Clinic. Name: bob.\n")
    assert (slip.exit_code, slip.stdout) == (1, "")
    assert slip.stderr == (
        "There is no practice called Hill Clinc. Did you mean: Hill Clinic? To create a new practice, add --create.\n"
    )
    assert [practice.name for practice in session.query(Practice)] == ["Hill Clinic"]
    assert add_to("Lake", "cid@example.org", "--create").stdout.startswith("CREATED A NEW PRACTICE: Lake.\n")


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (
            ("user", "add", "ann@example.org", "--practice", "New", "--create", "--limit", "1", "--role", "biller"),
            1,
            "unique across practices",
        ),
        (
            ("user", "add", "ann", "--practice", "New", "--create", "--limit", "1", "--role", "biller"),
            1,
            "name@example.org",
        ),
        (("user", "add", "c@example.org", "--practice", "New", "--role", "king"), 2, "king"),
        (("token", "add", "stranger@example.org"), 1, "no user stranger@example.org"),
        (("token", "list", "stranger@example.org"), 1, "no user stranger@example.org"),
        (("token", "revoke", "0"), 2, "'0' is not a valid token number; to find it, run `settle token list EMAIL`."),
        (
            ("write-off-setting", "both", "--practice", "Nowhere", "--as", "ann@example.org"),
            1,
            "no practice called Nowhere. Did you mean: Hill Clinic?",
        ),
        (
            ("write-off-setting", "both", "--practice", "Hill Clinic", "--provider", "P9", "--as", "ann@example.org"),
            1,
            "no provider P9",
        ),
        (("write-off-setting", "both", "--practice", "Hill Clinic"), 2, "Missing option '--as'"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(
    settle: Typed, session: Session, words: tuple[str, ...], code: int, shown: str
) -> None:
    add(settle)

    refused = settle(*words)

    assert refused.exit_code == code
    assert shown in refused.stderr
    assert [practice.name for practice in session.query(Practice)] == ["Hill Clinic"]


def test_a_token_is_alone_on_the_last_line_and_acts_as_its_user(settle: Typed, session: Session) -> None:
    add(settle)

    made = settle("token", "add", "ANN@example.org")

    actor = tokens.find_actor_by_token(session, made.stdout.splitlines()[-1], NOW)
    assert actor is not None
    assert actor.email == "ann@example.org"


def test_a_token_gets_a_name_scopes_and_days(settle: Typed, session: Session) -> None:
    add(settle)

    words = ("--name", "Export", "--scope", "read", "--scope", "post", "--days", "7")
    made = settle("token", "add", "ann@example.org", *words).stdout.strip()

    actor = tokens.find_actor_by_token(session, made, NOW)
    assert actor is not None
    assert actor.scopes == {"read", "post"}
    shown = settle("token", "list", "ann@example.org").stdout
    assert "Export (read, post): created 20" in shown
    assert ", never used, expires 20" in shown
    refused = settle("token", "add", "ann@example.org", "--days", "366")
    assert (refused.exit_code, refused.stderr) == (1, "Enter a number of days from 1 to 365.\n")


def test_a_leaked_token_is_revoked_alone_by_its_number_or_its_text(settle: Typed, session: Session) -> None:
    add(settle)
    leaked, lost, kept = (settle("token", "add", "ann@example.org").stdout.strip() for _ in range(3))

    listed = settle("token", "list", "ann@example.org", "--json").stdout
    assert not any(secret in listed for secret in (leaked, lost, kept))
    numbers = [one["number"] for one in json.loads(listed)["tokens"]]
    by_itself = settle("token", "revoke", input=f"{leaked}\n")
    by_number = settle("token", "revoke", str(numbers[1]))

    assert by_itself.stdout.endswith(f"Token {numbers[2]} is revoked.\n")
    assert leaked not in by_itself.output
    assert by_number.stdout == f"Token {numbers[1]} is revoked.\n"
    opens = [tokens.find_actor_by_token(session, token, NOW) is not None for token in (leaked, lost, kept)]
    assert opens == [False, False, True]
    shown = settle("token", "list", "ann@example.org").stdout.splitlines()
    assert [", revoked 20" in line for line in shown] == [False, True, True]
    again = settle("token", "revoke", str(numbers[1]))
    assert (again.exit_code, "or was already revoked" in again.stderr) == (1, True)


def test_the_balance_writeoff_setting_names_the_administrator_who_chose_it(settle: Typed, session: Session) -> None:
    for email, role, name in [("bill@example.org", "biller", "Bill"), ("boss@example.org", "admin", "Bea Boss")]:
        settle(
            "user", "add", email, "--practice", "Hill Clinic", "--role", role, "--name", name, "--limit", "unlimited"
        )
    setting = ("write-off-setting", "insurance", "--practice", "Hill Clinic", "--as")

    refused = settle(*setting, "bill@example.org")
    assert (refused.exit_code, "It requires the administrator role." in refused.stderr) == (1, True)
    assert settle(*setting, "stranger@example.org").exit_code == 1
    assert settle(*setting, "boss@example.org").exit_code == 0

    practice = session.query(Practice).one()
    chosen = write_off_setting.overview(session, practice.id)
    assert (chosen.setting, chosen.changed_by) == (WriteOffSetting.INSURANCE, "Bea Boss")


def test_on_a_terminal_the_password_is_typed_and_never_shown(database_url: str, session: Session) -> None:
    password = "typed by a person"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["SETTLE_DATABASE_URL"] = database_url
        os.execv(sys.executable, [*COMMAND, "user", "add", "ann@example.org", "--practice", "Hill", "--role", "biller"])  # noqa: S606
    shown = _until(terminal, b"Max write-off per claim without approval (dollars, or unlimited): ")
    os.write(terminal, b"25\n")
    shown += _until(terminal, b"Max write-off per job without approval (dollars, or unlimited): ")
    os.write(terminal, b"unlimited\n")
    shown += _until(terminal, b"characters): ")
    os.write(terminal, f"{password}\n".encode())
    shown += _until(terminal, b"confirmation: ")
    os.write(terminal, f"{password}\n".encode())
    shown += _until(terminal, b"per job. Change them with `settle user limit`")
    os.close(terminal)
    os.waitpid(child, 0)

    assert password.encode() not in shown
    assert b"$25.00 per claim, unlimited per job" in shown
    assert users.check_sign_in(session, email="ann@example.org", password=password, now=NOW).role is Role.BILLER


def _until(terminal: int, words: bytes) -> bytes:
    """Return what the terminal showed, up to `words`."""
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1_000)
    return shown


@pytest.mark.parametrize(("answer", "names"), [("y", ["Hill", "Hill Clinic"]), ("n", ["Hill Clinic"])])
def test_on_a_terminal_a_new_practice_needs_confirmation(
    database_url: str, session: Session, settle: Typed, answer: str, names: list[str]
) -> None:
    add(settle)
    words = ["user", "add", "bob@example.org", "--practice", "Hill", "--role", "biller", "--limit", "unlimited"]
    child, terminal = pty.fork()
    if child == 0:
        os.environ["SETTLE_DATABASE_URL"] = database_url
        os.execv(sys.executable, [*COMMAND, *words])  # noqa: S606
    shown = _until(terminal, b"Create a new practice? [y/N]: ")
    os.write(terminal, f"{answer}\n".encode())
    if answer == "y":
        _until(terminal, b"characters): ")
        os.write(terminal, b"typed by a person\n")
        _until(terminal, b"confirmation: ")
        os.write(terminal, b"typed by a person\n")
    _until(terminal, b"per job" if answer == "y" else b"To create a new practice, add --create.")
    os.close(terminal)
    os.waitpid(child, 0)

    assert b"There is no practice called Hill. Did you mean: Hill Clinic?" in shown
    assert sorted(practice.name for practice in session.query(Practice)) == names
