"""Rules for every page: nothing inline, nothing from another host, nothing cached, every error in words."""

import re

import pytest

from core.intake.uploads import receive
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

PAGES = [
    "/sign-in", "/forgot-password", "/account", "/account/second-factor", "/account/second-factor/passkey",
    "/jobs", "/jobs/1", "/jobs/1/certificate", "/jobs/1/reverse", "/claims/C1", "/settings", "/schedules",
    "/schedule-runs", "/feed/claim-numbers",
    "/months", "/months/2026-11", "/credits", "/aging", "/late-payments", "/approvals",
    "/reports/write-offs", "/reports/write-offs/claims?column=net",
    "/exclusions", "/posting-rules", "/imports", "/imports/1", "/import-mappings",
    "/no-such-page", "/jobs/999", "/search",
]  # fmt: skip
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


def test_a_page_has_nothing_inline_and_nothing_from_another_host(
    practice: GivenPractice, biller: Browser, subtests: pytest.Subtests
) -> None:
    practice.claim("C1", Line(1_000, 500))
    practice.settle()
    practice.act(receive.begin, [receive.UploadedFile("claims.csv", 1)], bytes_max=1, idempotency_key="import")

    for path in PAGES:
        with subtests.test(path=path):
            answer = biller.get(path)

            assert answer.headers["Content-Security-Policy"] == POLICY
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", answer.text)
            assert not re.findall(r'(?:src|href|action)="(?!/|#|\?)[^"]*"', answer.text)


def test_an_unknown_page_shows_page_not_found(biller: Browser) -> None:
    answer = biller.get("/no-such-page")

    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_an_unexpected_error_still_gives_a_page(biller: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("webui.shared.auth.user_sessions.find_actor", fail)

    answer = biller.get("/jobs")

    assert answer.status_code == 500
    assert "either saved completely or not at all" in answer.text
    assert "Traceback" not in answer.text


def test_static_files_are_downloaded_again_only_if_they_changed(stranger: Browser) -> None:
    with stranger.get("/static/style.css") as first:
        assert first.status_code == 200

    with stranger.get("/static/style.css", **{"If-None-Match": first.headers["ETag"]}) as second:
        assert second.status_code == 304
