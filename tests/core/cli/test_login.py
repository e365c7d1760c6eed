"""Sign in and out by command, and what a command says when its server cannot be used."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest
import trustme

from core.access import second_factor, tokens, totp, users
from core.cli import TRACE_VARIABLE, client
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from core.local import run_lock
from core.local.connectivity import free_port
from core.models.people import ApiToken, AuditEntry, User
from core.models.practices import Practice
from core.settings import load_settings
from tests.core.cli.conftest import Typed
from tests.core.cli.other_server import answer, other_server
from tests.factories import NOW, a_practice

PASSWORD, NEW = "correct horse battery", "orchid tunnel 44 velvet"
BILLER, ANN = "biller@lakeside.example", "ann@lakeside.example"


@pytest.fixture
def password(sessions: Sessions) -> str:
    """Return the password of Ann, an administrator."""
    practice = a_practice(sessions)
    practice.claims(1)
    given = {"email": ANN, "name": "Ann", "role": Role.ADMIN, "password": PASSWORD, "now": NOW}
    practice.do(users.add_user, practice_id=practice.id, **given)
    return PASSWORD


@pytest.fixture
def sign_in(typed: Typed, password: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that signs in as Ann. The environment names the server, but no token."""
    return lambda *words, given=password: typed("login", *words, input=f"{ANN}\n{given}\n")


@pytest.fixture
def login_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "batch-settle" / "login.json"


def test_a_user_signs_in_works_and_signs_out(
    typed: Typed, sign_in: Callable[..., Any], web_url: str, login_file: Path, sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    signed_in = sign_in()

    assert (signed_in.exit_code, signed_in.stdout) == (
        0,
        f"You are signed in to {web_url} as {ANN}, practice Lakeside.\n",
    )
    assert signed_in.stderr.splitlines()[0] == f"Sign in to {web_url}."
    assert (login_file.stat().st_mode & 0o777, login_file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in login_file.parent.iterdir()] == ["login.json"]
    monkeypatch.delenv("SETTLE_SERVER")
    load_settings.cache_clear()
    assert typed("limits").exit_code == 0

    assert typed("logout").stdout == f"You are signed out of {web_url}.\n"
    assert not login_file.exists()
    assert typed("logout").stdout == "You are not signed in.\n"
    with sessions() as session:
        acts = [(entry.act, entry.user_id is not None) for entry in session.query(AuditEntry).order_by(AuditEntry.id)]
        assert acts[-3:] == [("user.signed_in", True), ("token.added", True), ("token.revoked", True)]
        assert session.query(ApiToken).one().revoked_at == NOW


def test_a_second_sign_in_revokes_the_first_token(sign_in: Callable[..., Any], sessions: Sessions) -> None:
    sign_in()
    sign_in()

    with sessions() as session:
        assert [token.revoked_at for token in session.query(ApiToken).order_by(ApiToken.id)] == [NOW, None]


def test_a_given_password_is_changed_at_the_first_sign_in_and_later_by_command(
    typed: Typed, password: str, sessions: Sessions
) -> None:
    with transaction(sessions) as session:
        session.query(User).filter_by(email=ANN).one().must_change_password = True

    signed_in = typed("login", input=f"{ANN}\n{password}\n{NEW}\n{NEW}\n")
    wrong = typed("password", input=f"{password}\n{password}\n{password}\n")
    changed = typed("password", input=f"{NEW}\n{password}\n{password}\n")

    assert "The password that you were given works only once." in signed_in.stderr
    assert f"as {ANN}, practice Lakeside." in signed_in.stdout
    assert (wrong.exit_code, wrong.stderr.splitlines()[-1]) == (1, "The current password is wrong.")
    assert changed.stdout == "Your password is changed. Your browsers are signed out.\n"


def test_a_sign_in_asks_for_the_code_of_a_second_factor_also_after_a_new_password(
    typed: Typed, password: str, sessions: Sessions, login_file: Path
) -> None:
    secret = totp.make_secret()
    with transaction(sessions) as session:
        ann = session.query(User).filter_by(email=ANN).one()
        ann.must_change_password = True
        codes = second_factor.store(session, ann.id, secret, used_step=0, now=NOW)

    wrong = typed("login", input=f"{ANN}\n{password}\n{NEW}\n{NEW}\n000000\n")
    assert (wrong.exit_code, login_file.exists()) == (1, False)
    assert wrong.stderr.splitlines()[-1].startswith("This code is wrong.")
    for code in (pyotp.TOTP(secret).at(NOW), codes[0]):
        signed_in = typed("login", input=f"{ANN}\n{NEW}\n{code}\n")
        assert "Enter the code that your authenticator app shows, or a recovery code.\nCode: " in signed_in.stderr
        assert f"as {ANN}, practice Lakeside." in signed_in.stdout


def test_a_user_who_must_set_up_a_second_factor_does_it_on_the_page(
    sign_in: Callable[..., Any], sessions: Sessions
) -> None:
    with transaction(sessions) as session:
        session.query(Practice).one().second_factor_required = True

    refused = sign_in()

    assert refused.stderr.splitlines()[-1] == (
        "Your practice requires a second factor for your role. Sign in on the web page to set it up."
    )


def test_a_wrong_password_saves_nothing(sign_in: Callable[..., Any], login_file: Path) -> None:
    refused = sign_in(given="a wrong password")

    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1] == "The e-mail address or password is wrong."
    assert not login_file.exists()


def test_a_sign_in_that_other_users_can_read_is_refused(
    typed: Typed, sign_in: Callable[..., Any], login_file: Path
) -> None:
    sign_in()
    login_file.chmod(0o640)

    for words in (("limits",), ("login",), ("logout",)):
        refused = typed(*words)
        assert (refused.exit_code, f"Run: chmod 600 {login_file}." in refused.stderr) == (1, True)

    login_file.chmod(0o600)
    login_file.write_text("{", encoding="utf-8")
    assert f"{login_file} cannot be read. Remove it, then run: settle login" in typed("limits").stderr


def test_a_revoked_token_asks_for_a_new_sign_in_and_is_not_printed(
    typed: Typed, sign_in: Callable[..., Any], login_file: Path, web_url: str, sessions: Sessions
) -> None:
    sign_in()
    token = json.loads(login_file.read_text(encoding="utf-8"))["token"]
    with transaction(sessions) as session:
        tokens.revoke(session, token, NOW)

    refused, signed_out = typed("limits"), typed("logout")

    assert refused.exit_code == 1
    assert refused.stderr.endswith(f"To sign in again, run: settle login --server {web_url}\n")
    assert f"The token for {ANN} was not revoked. {web_url} does not accept the token" in signed_out.stderr
    assert token not in refused.output + signed_out.output


def test_a_token_goes_only_to_its_own_server(typed: Typed, sign_in: Callable[..., Any], web_url: str) -> None:
    sign_in()
    other = web_url.replace("127.0.0.1", "localhost")

    assert typed("limits", "--server", other).stderr == (
        f"You are not signed in to {other}. Run: settle login --server {other}\n"
    )


def test_without_a_sign_in_the_server_that_runs_here_is_used(
    typed: Typed, sign_in: Callable[..., Any], web_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SETTLE_SERVER")
    monkeypatch.setenv("SETTLE_DATA_DIR", str(tmp_path / "var"))
    load_settings.cache_clear()
    assert typed("limits").stderr == (
        "You are not signed in, and Batch Settle is not running here. Run: settle login --server URL\n"
    )

    with run_lock.lock_data_dir(tmp_path / "var"):
        run_lock.publish_servers(tmp_path / "var", run_lock.RunningServers("", "", "", "", web_url, ""))
        assert typed("limits").stderr == f"You are not signed in to {web_url}. Run: settle login --server {web_url}\n"
        assert f"You are signed in to {web_url}" in sign_in().stdout


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        (
            "http://10.0.0.1:8000",
            "http://10.0.0.1:8000 does not use TLS, so others on the network could read your password",
        ),
        ("settle.example.org", "Write the server as a URL, for example https://settle.example.org."),
        ("ftp://settle.example.org", "Write the server as a URL"),
        ("https://ann:secret@settle.example.org", "Write the server as a URL"),
        ("https://settle.example.org?x=1", "Write the server as a URL"),
    ],
)
def test_a_server_that_would_expose_the_token_is_refused(typed: Typed, server: str, shown: str) -> None:
    for words in (("limits", "--server", server), ("login", "--server", server)):
        refused = typed(*words)
        assert (refused.exit_code, refused.stderr.startswith(shown)) == (1, True)


# Other servers


NOT_FOUND = answer("404 Not Found", "application/problem+json", '{"code": "not_found", "detail": "Not found."}')
OLDER = answer("200 OK", "application/json", '{"practice": "Lakeside"}', Settle_Version="0.0.1")
MOVED = answer("301 Moved Permanently", "text/html", Location="https://settle.example.org/api/v1/limits")
LIMITS = answer("200 OK", "application/json",
                '{"practice": "Lakeside", "claim_cents": 1, "job_cents": "unlimited", "one_person": null, '
                '"users": []}')  # fmt: skip
CUT_OFF = answer("200 OK", "text/csv", "a,b", Content_Disposition="attachment", Content_Length="100")


@pytest.fixture
def program(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a token as a program does, and try again at once."""
    monkeypatch.setenv("SETTLE_TOKEN", "settle_secret")
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0)
    load_settings.cache_clear()


@pytest.mark.usefixtures("program")
def test_a_refused_token_of_the_environment_is_named(typed: Typed, web_url: str) -> None:
    refused = typed("limits", "--server", web_url)

    assert refused.exit_code == 1
    assert refused.stderr == (
        f"{web_url} does not accept the token in SETTLE_TOKEN: it is wrong, it expired or was revoked, or its user "
        "was deactivated. Replace it, or unset it and run `settle login`.\n"
    )


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            answer("200 OK", "text/html", "<p>Jane Doe"),
            "answered with status 200 and text/html. This answer did not come from",
        ),
        (answer("502 Bad Gateway", "text/html"), "A proxy may have answered instead"),
        (answer("200 OK", "application/json", "{"), "This answer did not come from Batch Settle"),
        (MOVED, "If that is your server, run: settle login --server https://settle.example.org\n"),
        (NOT_FOUND, "Not found. The server may be running an older version, but this command is version "),
        (OLDER, "The server is running version 0.0.1, but this command is version "),
        (b"", "was lost (RemoteProtocolError). Try again."),
    ],
)
def test_an_answer_of_another_server_is_explained_and_never_shown(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, given: bytes, shown: str
) -> None:
    monkeypatch.delenv(TRACE_VARIABLE)
    with other_server(given) as (url, _):
        refused = typed("limits", "--server", url)

    assert (refused.exit_code, refused.stdout, shown in refused.stderr) == (1, "", True), refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "settle_secret" not in refused.stderr
    assert "Jane" not in refused.stderr


@pytest.mark.usefixtures("program")
def test_a_server_that_does_not_answer_is_named(typed: Typed) -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1', 0)}"

    assert typed("limits", "--server", url).stderr == (
        f"{url} is not answering. Check that the server is running, or choose another with --server URL.\n"
    )


@pytest.mark.usefixtures("program")
def test_a_read_is_repeated_after_a_broken_connection_and_an_act_is_not(typed: Typed) -> None:
    with other_server(b"", LIMITS) as (url, asked):
        assert typed("limits", "--server", url).stdout == f"{'Lakeside':<40} claim $0.01, job unlimited\n"
        assert len(asked) == 2
    with other_server(b"", LIMITS) as (url, asked):
        broken = typed("pause", "1", "--server", url)
        assert broken.stderr.endswith("The server may already have done what you asked. Check before you try again.\n")
        assert len(asked) == 1
    with other_server(b"", b"", answer("422 X", "application/problem+json", '{"detail": "No."}')) as (url, asked):
        typed("preview", "--all", "--reason", "small_balance", "--server", url)
        assert len(asked) == 3, "its key makes a preview repeatable"


@pytest.mark.usefixtures("program")
def test_a_file_that_was_cut_off_is_not_kept(typed: Typed) -> None:
    with other_server(CUT_OFF) as (url, _):
        refused = typed("download", "1", "settled", "--server", url)

    assert (refused.exit_code, "was lost (RemoteProtocolError)" in refused.stderr) == (1, True)
    assert list(Path().glob("job-*")) == []


@pytest.mark.usefixtures("program")
def test_an_unknown_certificate_is_refused_until_its_authority_is_named(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, server = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with other_server(LIMITS, certificates=server) as (url, _):
        refused = typed("limits", "--server", url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        trusted = typed("limits", "--server", url)

    assert refused.stderr.startswith(f"The TLS connection to {url} failed: unable to get local issuer certificate. If")
    assert trusted.exit_code == 0
