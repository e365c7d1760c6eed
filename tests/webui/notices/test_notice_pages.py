"""The notices of every page: polling them keeps no session alive, and only their user can change them."""

import datetime as dt
from pathlib import Path

from core.intake.watched_folders import look, setup
from tests.factories import NOW, GivenPractice
from tests.webui.conftest import Browser, Clock, page_text


def test_polling_shows_a_new_notice_and_says_when_nothing_changed(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    first = biller.load("/notices/unread")
    assert "No unread notices." in first.text
    practice.settle()

    second = biller.get("/notices/unread", **{"If-None-Match": first.headers["ETag"]})

    assert (second.status_code, 'data-unread="1"' in second.text) == (200, True)
    assert "Job 1 completed: 2 claims settled, 0 skipped, 0 failed" in second.text
    assert biller.get("/notices/unread", **{"If-None-Match": second.headers["ETag"]}).status_code == 304


def test_polling_does_not_keep_the_session_alive(biller: Browser, clock: Clock) -> None:
    for _ in range(31):
        assert biller.get("/notices/unread").status_code in (200, 302)
        clock.turn_on(minutes=1)

    assert biller.get("/jobs").location.startswith("/sign-in")


def test_a_poll_after_the_session_ended_does_not_lead_to_the_sign_in_page(stranger: Browser) -> None:
    assert stranger.get("/notices/unread", **{"Sec-Fetch-Dest": "empty"}).status_code == 401


def test_opening_a_notice_marks_it_as_read_and_leads_to_its_job(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    practice.settle()

    answer = biller.post("/notices/1/open", on="/notices")

    assert (answer.status_code, answer.location) == (303, "/jobs/1")
    assert "No unread notices." in biller.says("/jobs/1")
    assert "Job 1 completed" in biller.says("/notices")
    assert "You have read all your notices." in biller.says("/notices?show=unread")


def test_a_notice_of_another_user_is_not_found(practice: GivenPractice, biller: Browser, approver: Browser) -> None:
    practice.claims(1)
    practice.settle()

    assert approver.post("/notices/1/open", on="/notices").status_code == 404
    assert 'data-unread="1"' in biller.read("/notices/unread")


def test_a_notice_of_a_job_that_needs_approval_names_its_requester_and_dollars(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claims(2)
    practice.limit(job=1)
    practice.confirmed(name="Year-end 2026")

    words = "Job 1 needs approval: 2 claims of 2 will be settled Year-end 2026, requested by biller, $30.00"
    assert words in page_text(approver.load("/notices/unread"))
    assert words in approver.says("/notices")


def test_the_kinds_of_e_mail_are_those_that_the_role_can_get(biller: Browser, admin: Browser) -> None:
    assert "A job or a posting needs my approval" not in biller.says("/notices")
    assert "A webhook fails" in admin.says("/notices")


def test_a_user_of_the_role_ops_has_no_notices(ops: Browser) -> None:
    assert 'id="notices"' not in ops.read("/operations")


def test_a_notice_of_the_watched_folder_names_the_cure_and_leads_to_the_imports(
    practice: GivenPractice, biller: Browser, tmp_path: Path
) -> None:
    practice.act(setup.watch, "lakeside", imports_clean=True)
    look.look(practice.sessions, tmp_path, every=dt.timedelta(minutes=5), bytes_max=1, now=NOW)

    words = "Watched folder: it does not exist; ask the person who runs your server to create it"
    assert words in page_text(biller.load("/notices/unread"))
    assert f'<a href="/imports">{words}</a>' in biller.read("/notices")
    assert biller.post("/notices/1/open", on="/notices").location == "/imports"
