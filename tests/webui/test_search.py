"""The search box and the page with its results, without JavaScript. No name stands in an address or a log."""

import datetime as dt
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from core import search
from core.access import user_sessions
from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, LinkParser, page_text
from tests.webui.operations.test_metrics import an_app
from webui.shared.auth import SESSION_COOKIE


def find(browser: Browser, typed: str, **fields: str) -> TestResponse:
    return browser.post("/search", on="/claims", text=typed, **fields)


def results(answer: TestResponse) -> list[str]:
    """Return the links and forms of the results."""
    parsed = LinkParser()
    parsed.feed(answer.text[answer.text.index("<main") :])
    return parsed.links + parsed.forms


def test_the_page_shows_claims_patients_and_jobs_in_groups(practice: GivenPractice, biller: Browser) -> None:
    practice.claim(
        "ORT-1",
        Line(1_000, 500),
        service_date=dt.date(2026, 3, 1),
        patient_id=practice.patient("Ortiz, Ana", number="77"),
    )
    job = practice.settle(note="Ortiz cleanup")

    answer = find(biller, "ort")

    assert results(answer) == ["/claims/ORT-1", "/claims?patient_id=77", f"/jobs/{job.job_id}"]
    says = page_text(answer)
    assert "Claims by number 1 ORT-1 Ortiz, Ana 03/01/2026 Settled balance $0.00" in says
    assert "Patients 1 Ortiz, Ana 77" in says
    assert re.search(r"Jobs 1 Job \d+ Settle Small balance biller, 11/23/2026 10:00:00 AM \$15.00 Completed", says)
    assert 'name="text" type="search" value="ort"' in answer.text
    assert "Ana" not in "".join(results(answer))


def test_all_claims_lead_to_the_feed_with_the_same_filter(practice: GivenPractice, biller: Browser) -> None:
    for number in range(11):
        practice.claim(f"A{number:03}", Line(1_000, 234))

    by_number, by_amount = find(biller, "A0"), find(biller, "$12.34")

    assert "/claims?claim_id_part=A0" in results(by_number)
    assert "/claims?amount=12.34" in results(by_amount)
    assert "Show all 11 claims in the feed" in page_text(by_number)
    assert "Claims with $12.34 11" in page_text(by_amount)
    for address in ("/claims?claim_id_part=A0", "/claims?amount=12.34"):
        assert biller.read(address).count("<tr data-claim=") == 11
    assert 'name="claim_id_part" value="A0"' in biller.read("/claims?claim_id_part=A0")
    assert 'name="amount" value="12.34"' in biller.read("/claims?amount=12.34")


def test_more_patients_are_listed_by_a_form_and_their_claims_by_number(
    practice: GivenPractice, biller: Browser
) -> None:
    for number in range(10):
        practice.claim(f"C{number}", Line(100, 0), patient_id=practice.patient(f"Many {number}", number=f"M/{number}"))

    few = find(biller, "many")
    assert results(few)[-1] == "/search"
    assert "Show all 10 patients" in page_text(few)
    assert '<input type="hidden" name="text" value="many">' in few.text
    every = find(biller, "many", kind="patients")

    assert len([link for link in results(every) if link.count("patient_id=") == 1]) == 10
    of_all = next(link for link in results(every) if link.count("patient_id=") == 10)
    assert parse_qs(urlsplit(of_all).query) == {"patient_id": [f"M/{number}" for number in range(10)]}
    feed = biller.load(of_all)
    assert feed.text.count("<tr data-claim=") == 10
    assert "Patient ID 10 patients" in page_text(feed)


def test_with_the_part_header_only_the_groups_are_sent(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    token = re.search(r'name="csrf_token" value="([^"]+)"', biller.get("/claims").text)
    assert token

    answer = biller.client.post("/search", data={"csrf_token": token[1], "text": "C0"}, headers={"X-Part": "1"})

    assert "<html" not in answer.text
    assert 'data-says="1 claim. ' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_short_text_gets_a_hint_and_an_unknown_one_says_so(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)

    short, unknown = find(biller, "C"), find(biller, "<b>zz")

    assert (short.status_code, unknown.status_code) == (422, 200)
    assert f"Type at least {search.CHARACTERS_MIN} characters" in page_text(short)
    assert "Nothing found for “&lt;b&gt;zz”" in unknown.text.replace("<bdi>", "").replace("</bdi>", "")
    assert "Type at least" in biller.says("/search")


def test_another_practices_patients_are_not_found(practice: GivenPractice, sessions: Sessions, biller: Browser) -> None:
    other = a_practice(sessions, name="Hillside")
    other.claim("OTHER-1", Line(100, 0), patient_id=other.patient("Quillfeather, Zephyrine"))
    other.settle()

    for typed in ("OTHER", "Quillfeather"):
        assert results(find(biller, typed)) == []


def test_operations_have_no_search_box(biller: Browser, ops: Browser) -> None:
    assert 'id="search-text"' in biller.read("/jobs")
    assert 'id="search-text"' not in ops.read("/operations")


def test_the_text_is_in_no_log(database_url: str, sessions: Sessions, practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0), patient_id=practice.patient("Quillfeather, Zephyrine"))
    with an_app(database_url) as client, capture_logs() as logged:
        with transaction(sessions) as session:
            client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/jobs").text)
        assert token
        found = client.post("/search", data={"csrf_token": token[1], "text": "Zephyrine Quillfeather"})
        refused = client.post("/search", data={"text": "Zephyrine Quillfeather"})

    assert "Quillfeather, Zephyrine" in found.text
    assert refused.status_code == 400
    assert [line["route"] for line in logged if line["event"] == "request"] == ["/jobs", "/search", "/search"]
    assert "feather" not in str(logged).lower()
    assert not practice.audited("search")


@pytest.mark.parametrize("page", ["/write-offs/layouts/new", "/users", "/exclusions", "/claims/C1"])
def test_a_form_with_typed_values_leaves_the_search_box_empty(
    practice: GivenPractice, page: str, browser_of: Callable[[Actor], Browser]
) -> None:
    practice.claim("C1", Line(100, 0))
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))

    box = re.search(r'<input id="search-text"[^>]* value="([^"]*)"', admin.read(page))

    assert box is not None
    assert box[1] == ""
