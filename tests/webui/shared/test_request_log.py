"""One log line for each request, with its route and ids but never its address. Refreshes and probes are not logged."""

from typing import Any

from structlog.testing import capture_logs

from core.access import user_sessions
from core.db.engine import Sessions, transaction
from tests.factories import NOW, GivenPractice
from tests.webui.operations.test_metrics import an_app
from webui.jobs.job_pages import BIGINT_MAX
from webui.shared.auth import SESSION_COOKIE

LIVE = {"X-Live": "1"}


def lines(logged: list[Any]) -> list[tuple[str, str, int]]:
    return [
        (line["method"], line["route"] and line["route"].replace(f"(max={BIGINT_MAX})", ""), line["status"])
        for line in logged
        if line["event"] == "request"
    ]


def test_a_log_line_has_the_route_and_ids_but_no_value_from_the_address(
    database_url: str, sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(1)
    job = practice.preview()
    with an_app(database_url) as client, capture_logs() as logged:
        with transaction(sessions) as session:
            client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        client.get("/claims?patient=Quillfeather")
        answer = client.get(f"/jobs/{job.job_id}?key=Quillfeather")
        client.get("/no/such/Quillfeather")

    assert lines(logged) == [
        ("GET", "/claims", 302), ("GET", "/jobs/<int:job_id>", 200), ("GET", None, 404),
    ]  # fmt: skip
    of_job = logged[1]
    assert (of_job["job_id"], of_job["practice_id"], of_job["user_id"]) == (
        job.job_id, practice.id, practice.biller.user_id,
    )  # fmt: skip
    assert answer.headers["X-Request-Id"]
    assert isinstance(of_job["ms"], int)
    assert "Quillfeather" not in str(logged)


def test_only_refreshes_of_an_open_page_and_probes_are_not_logged(
    database_url: str, sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(1)
    job = practice.preview()
    with an_app(database_url) as client, capture_logs() as logged:
        with transaction(sessions) as session:
            client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        client.get(f"/jobs/{job.job_id}", headers=LIVE)
        client.get("/healthz")
        client.get("/jobs/999", headers=LIVE)
        client.get("/claims", headers=LIVE)
        client.post(f"/jobs/{job.job_id}/confirm", headers=LIVE)
        client.post(f"/api/v1/settle-jobs/{job.job_id}/confirm", headers=LIVE)

    assert lines(logged) == [
        ("GET", "/jobs/<int:job_id>", 404), ("GET", "/claims", 200), ("POST", "/jobs/<int:job_id>/confirm", 400),
        ("POST", "/api/v1/settle-jobs/<job_id>/confirm", 401),
    ]  # fmt: skip


def test_a_failed_refresh_is_logged_but_a_failed_probe_is_not(practice: GivenPractice) -> None:
    with an_app("postgresql://user@127.0.0.1:1/none") as client, capture_logs() as logged:
        client.set_cookie(SESSION_COOKIE, "x" * 43)
        client.get("/jobs/7", headers=LIVE)
        client.get("/readyz")

    assert lines(logged) == [("GET", "/jobs/<int:job_id>", 503)]
