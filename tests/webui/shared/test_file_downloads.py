"""Files are made before they are sent, and the size of unfetched files is limited."""

import errno
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.access import user_sessions
from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from core.models.people import AuditEntry
from tests.factories import NOW, GivenPractice, a_practice
from tests.webui.operations.test_metrics import an_app
from webui.shared import file_downloads
from webui.shared.auth import SESSION_COOKIE
from webui.shared.file_downloads import UnfetchedFile, UnfetchedFiles

FEED = "/feed/export.csv"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    practice = a_practice(sessions)
    practice.claims(3)
    return practice


@pytest.fixture
def client(database_url: str, practice: GivenPractice) -> Iterator[FlaskClient]:
    """The biller's browser."""
    with an_app(database_url) as client:
        _sign_in(client, practice, practice.biller)
        yield client


def _sign_in(client: FlaskClient, practice: GivenPractice, user: Actor) -> None:
    with transaction(practice.sessions) as session:
        client.set_cookie(SESSION_COOKIE, user_sessions.start(session, user, NOW))


def _allow(client: FlaskClient, **limits: int) -> None:
    client.application.extensions[file_downloads._EXTENSION_KEY] = UnfetchedFiles(**limits)


def _exports(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        of_feed = select(func.count()).select_from(AuditEntry).where(AuditEntry.act == "claims.exported")
        return session.scalars(of_feed).one()


def test_a_user_with_an_unfinished_download_gets_the_next_file_only_after_it(
    client: FlaskClient, practice: GivenPractice
) -> None:
    _allow(client, of_person_bytes_max=1)
    first = client.get(FEED)

    refused = client.get(FEED)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert "downloads are not finished" in refused.text
    assert _exports(practice) == 1, "a refused file is not made"
    assert first.text.count("\r\n") == 5
    first.close()
    assert client.get(FEED).status_code == 200
    assert _exports(practice) == 2


def test_a_file_whose_response_is_dropped_leaves_room_for_another(client: FlaskClient) -> None:
    _allow(client, of_person_bytes_max=1)
    assert client.head(FEED).status_code == 200
    assert client.get(FEED).status_code == 200


def test_the_unfetched_files_of_all_users_together_are_limited(
    client: FlaskClient, practice: GivenPractice, database_url: str
) -> None:
    other = practice.person("other@lakeside.example", Role.BILLER)
    _allow(client, bytes_max=1)
    first = client.get(FEED)
    _sign_in(client, practice, other)

    refused = client.get(FEED)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert "no room for another file" in refused.text
    first.close()
    assert client.get(FEED).status_code == 200


def test_a_full_disk_refuses_the_file_and_sends_no_part_of_it(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: UnfetchedFile, piece: bytes) -> int:
        if b"Claim" not in piece:
            return len(piece)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(UnfetchedFile, "write", full)

    answer = client.get(FEED)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "no room for another file" in answer.text


def test_no_transaction_is_open_when_the_first_byte_is_sent(client: FlaskClient, sessions: Sessions) -> None:
    with client.get(FEED) as answer, sessions() as session:
        assert answer.status_code == 200
        assert _others_idle_in_transaction(session) == 0
        assert answer.headers["Content-Length"] == str(len(answer.data))


def _others_idle_in_transaction(session: Session) -> int:
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in tr%'"
    return int(session.scalar(text(idle)) or 0)
