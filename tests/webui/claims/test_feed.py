"""The Live Claims Feed as a page: filter, columns, totals, selection, file."""

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from core.access.permissions import Actor
from core.claims.feed import ELIGIBILITY
from core.models.people import Role
from core.policy.rules import RULES
from tests.core.claims.conftest import a_patient
from tests.factories import GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, Clock
from webui.claims.feed_columns import COLUMNS, ELIGIBILITY_PILLS, SHORT_LABELS

NAMES = ["<script>alert(1)</script>", 'O\'Neil "Bob" & Söhne', "😀 Zoë", "مريم العلي", "=cmd()"]


@pytest.fixture
def named(practice: GivenPractice) -> GivenPractice:
    """A claim for each name that a careless page would break on."""
    for number, name in enumerate(NAMES):
        practice.claim(f"N/{number} %<'", Line(100, 50), patient_id=a_patient(practice, name))
    return practice


def select(browser: Browser, **fields: Any) -> TestResponse:
    return browser.post("/feed/selection", on="/claims", **fields)


def rows_of(browser: Browser, address: str = "/claims") -> int:
    return browser.get(address).text.count("<tr data-claim=")


def test_every_rule_has_short_words() -> None:
    assert set(ELIGIBILITY_PILLS) == set(ELIGIBILITY)
    assert {rule.code for rule in RULES} <= set(SHORT_LABELS)


def test_the_feed_shows_names_as_they_are_and_runs_none(named: GivenPractice, biller: Browser) -> None:
    source, page = biller.get("/claims").text, biller.read("/claims")

    assert "<script>alert" not in source
    for name in NAMES:
        assert f"<bdi>{name}</bdi>" in page


def test_a_practice_without_claims_says_how_to_get_some(practice: GivenPractice, biller: Browser) -> None:
    assert "This practice has no claims yet" in biller.read("/claims")


def test_operations_see_no_claim(practice: GivenPractice, browser_of: Callable[[Actor], Browser]) -> None:
    ops = browser_of(practice.person("ops@lakeside.example", Role.OPS))

    for path in ("/claims", "/feed/totals", "/feed/counts", "/feed/export.csv"):
        assert ops.get(path).status_code == 403


def test_an_approver_looks_and_cannot_change(practice: GivenPractice, browser_of: Callable[[Actor], Browser]) -> None:
    practice.claims(1)
    approver = browser_of(practice.person("approver@lakeside.example", Role.APPROVER))

    assert "Batch Status Change" not in approver.read("/claims")
    answer = approver.post("/jobs", on="/claims", target_status="Settled", claim_id="C00001")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("typed", "short"),
    [
        ("patient=&office=&from=", ""),
        ("from=8%2F2%2F2021&to=2021-08-28", "from=2021-08-02&to=2021-08-28"),
        ("total_due_min=%24-0.5&total_due_max=1%2C000", "total_due_min=-0.50&total_due_max=1000.00"),
        ("sort=-date&limit=50", ""),
        (
            "billing_status=Settled&billing_status=&billing_status=Balance+Due",
            "billing_status=Settled&billing_status=Balance+Due",
        ),
    ],
)
def test_an_address_is_made_short(practice: GivenPractice, biller: Browser, typed: str, short: str) -> None:
    practice.claims(1)

    answer = biller.get(f"/claims?{typed}")

    assert answer.status_code == 302
    assert answer.headers["Location"] == ("/claims" + (f"?{short}" if short else ""))
    assert biller.get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("key", "typed", "words"),
    [
        ("from", "31/12/2021", "is no day of any calendar; write MM/DD/YYYY"),
        ("to", "yesterday", "Write the date as MM/DD/YYYY"),
        ("from", "0000-00-00", "is no day of any calendar; write MM/DD/YYYY"),
        ("total_due_min", "12.345", "Write dollars and cents"),
        ("total_due_max", "NaN", "Write dollars and cents"),
        ("insurance_due_min", "1e9", "Write dollars and cents"),
        ("patient_due_min", "99999999999", "Write dollars and cents"),
        ("age_min_days", "-1", "Write a whole number of days"),
        ("age_max_days", "²", "Write a whole number of days"),
        ("age_max_days", "40001", "Write a whole number of days"),
        ("claim_status", "Lost", "Choose one from the list"),
        ("eligibility", "can_setle", "Choose one from the list"),
        ("on_hold", "maybe", "Choose one from the list"),
        ("patient", "x" * 201, "Shorten this"),
    ],
)
def test_a_fault_stands_at_its_field_and_nothing_is_lost(
    practice: GivenPractice, biller: Browser, key: str, typed: str, words: str
) -> None:
    practice.claims(2)

    answer = biller.get(f"/claims?{urlencode({key: typed, 'payer': 'Blue <Cross>'})}")

    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{key}-fault"' in answer.text
    assert 'value="Blue &lt;Cross&gt;"' in answer.text
    assert "<tr data-claim=" not in answer.text


def test_an_address_with_a_character_that_no_claim_can_have_is_refused(biller: Browser) -> None:
    assert biller.get(f"/claims?{urlencode({'patient': 'a' + chr(0) + 'b'})}").status_code == 400


def test_a_fault_marks_its_end_of_a_range_and_not_the_other(practice: GivenPractice, biller: Browser) -> None:
    page = biller.get("/claims?total_due_min=5&total_due_max=1").text
    field = page.split('aria-labelledby="total_due_min-label"')[1].split("</div>")[0]
    least, most = field.split("<input")[1:]

    assert "aria-invalid" not in least
    assert 'aria-invalid="true"' in most
    assert "faulty" not in page.split('aria-labelledby="total_due_min-label"')[0].rsplit("<div", 1)[1]


def test_yes_and_no_are_written_as_the_api_writes_them(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)

    assert (
        biller.get("/claims?in_job=no").headers["Location"] == "/claims?in_job=false"
    )  # of an address kept from before
    assert rows_of(biller, "/claims?in_job=false") == 1


def test_the_box_of_claim_numbers_finds_by_their_beginning_and_a_link_exactly(
    practice: GivenPractice, biller: Browser
) -> None:
    for number in ("1", "10", "2"):
        practice.claim(number, Line(100, 0))

    assert 'name="claim_id_prefix"' in biller.read("/claims")
    assert rows_of(biller, "/claims?claim_id_prefix=1") == 2
    assert rows_of(biller, "/claims?claim_id=1") == 1
    assert 'name="claim_id" value="1" inputmode' in biller.read("/claims?claim_id=1")  # kept when the filter changes


@pytest.mark.parametrize(
    "address", ["paitent=Ana", "sort=ssn", "limit=7", "limit=x", "cursor=nonsense", "total_due_min=5&total_due_max=1"]
)
def test_an_address_that_means_nothing_shows_no_claim(practice: GivenPractice, biller: Browser, address: str) -> None:
    practice.claims(2)

    answer = biller.get(f"/claims?{address}")

    assert answer.status_code == 422
    assert "<tr data-claim=" not in answer.text
    assert 'role="alert"' in answer.text


def test_pages_are_walked_by_links(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(120)
    seen: list[str] = []
    address: str | None = "/claims?sort=claim"
    while address:
        page = biller.read(address)
        seen += [part.split('"', 1)[0] for part in page.split('<tr data-claim="')[1:]]
        address = page.split('<a rel="next" href="', 1)[1].split('"', 1)[0] if '<a rel="next"' in page else None

    assert seen == [f"C{number:05d}" for number in range(1, 121)]
    assert "101–120" in page


def test_headers_say_how_the_feed_is_sorted(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)

    assert 'aria-sort="descending"' in biller.read("/claims")
    assert 'aria-sort="ascending"><a href="/claims?sort=-claim"' in biller.read("/claims?sort=claim")


def test_a_hidden_column_stays_hidden_in_this_browser(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    shown = ["patient_name", "total_due"]

    answer = biller.post("/feed/columns", on="/claims", column=shown, query="patient=the&sort=claim")

    assert answer.headers["Location"] == "/claims?patient=the&sort=claim"
    page = biller.read("/claims")
    assert "Total Bal</a>" in page
    assert page.count('<th scope="col"') == 2 + 3  # box, info, claim id, patient, total
    file = biller.read("/feed/export.csv")
    assert file.splitlines()[0] == "\ufeffClaim ID,Patient,Total Bal"


def test_at_first_few_columns_are_shown_and_all_can_be(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)

    def names() -> list[str]:
        return biller.read("/feed/export.csv").removeprefix("\ufeff").splitlines()[0].split(",")

    assert not {"Supervising Provider", "Allowed", "First EDI"} & set(names())
    assert {"Ins Bal", "Pt Bal", "Total Bal", "Billing Status", "Write-off check"} < set(names())

    biller.post("/feed/columns", on="/claims", column=[column.key for column in COLUMNS], query="")
    assert names() == [column.name for column in COLUMNS]


def test_sums_stand_under_their_columns_and_their_words_beside_the_box(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    head, body = biller.read("/claims?totals=1").split("<thead>")[1].split("</thead>")
    cells = re.findall(r"<t[dh][^>]*>", body.split('id="totals"')[1].split("</tr>")[0])

    assert cells[:2] == ['<td class="box">', '<th scope="row" class="sum-of" colspan="2">']
    assert len(cells) + 1 == head.count("<th ")


def test_without_claims_there_is_nothing_to_change(practice: GivenPractice, biller: Browser) -> None:
    assert 'id="status-menu"' not in biller.read("/claims")
    assert re.search(r"<button[^>]* disabled[^>]*>Batch Status Change", biller.read("/claims"))


def test_no_cookie_breaks_the_feed(practice: GivenPractice, biller: Browser) -> None:
    biller.client.set_cookie("feed_hidden", "claim_id.no_such.patient_name.<b>")

    page = biller.read("/claims")

    assert "Claim ID" in page
    assert "Patient</a>" not in page


def test_totals_come_by_a_request_of_their_own(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3, insurance=1_000, patient=500)

    sums = json.loads(biller.get("/feed/totals?total_due_min=1.00").text)

    assert sums["claims"] == 3
    assert "All 3 that match" in sums["row"]
    assert "$45.00" in sums["row"]
    assert "All 3 that match" in biller.read("/claims?totals=1")  # without JavaScript


def test_calculate_counts(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.claim("r", Line(1, 1), billing_status="Internal Review")

    counts = json.loads(biller.get("/feed/counts?billing_status=Settled").text)["counts"]

    assert (counts["Balance Due"], counts["Internal Review"], counts["Settled"]) == ("2", "1", "0")
    assert '<i data-count="Balance Due">2</i>' in biller.read("/claims?counts=1")


def test_a_selection_is_counted_by_the_server(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(4, insurance=1_000, patient=500)

    chosen = json.loads(select(biller, claim_ids=json.dumps(["C00001", "C00003"])).text)
    rest = json.loads(select(biller, scope="matching", filter="claim_id_prefix=C", claim_ids='["C00002"]').text)

    assert (chosen["words"], chosen["dollars"], chosen["total"]) == ("2", "insurance $20.00 · patient $10.00", "$30.00")
    assert (rest["words"], rest["total"]) == ("3", "$45.00")


def test_two_hundred_thousand_numbers_are_one_selection(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    numbers = [f"X{index}" for index in range(200_000)] + ["C00001"]

    assert json.loads(select(biller, claim_ids=json.dumps(numbers)).text)["words"] == "1"


@pytest.mark.parametrize(
    "fields",
    [
        {"claim_ids": "{}"},
        {"claim_ids": "[1]"},
        {"claim_ids": "x"},
        {"scope": "all"},
        {"scope": "matching", "filter": "x=1"},
    ],
)
def test_a_selection_that_cannot_be_read_is_refused(biller: Browser, fields: dict[str, str]) -> None:
    assert select(biller, **fields).status_code == 422


def test_a_filter_is_saved_opened_and_deleted(practice: GivenPractice, biller: Browser) -> None:
    biller.post("/feed/filters", on="/claims", name="Small <b>", query="total_due_max=25.00&cursor=x&limit=100")

    assert "/claims?total_due_max=25.00" in biller.links("/claims")
    assert "<bdi>Small <b></bdi>" in biller.read("/claims")
    assert (
        "another filter already"
        in biller.client.get(
            biller.post("/feed/filters", on="/claims", name="Small <b>", query="").headers["Location"]
        ).text.lower()
    )

    [delete] = [form for form in biller.forms("/claims") if form.endswith("/delete")]
    biller.post(delete, on="/claims")
    assert "No filter is saved yet" in biller.read("/claims")


def test_the_file_holds_what_the_filter_finds_and_no_formula(named: GivenPractice, biller: Browser) -> None:
    a_practice(named.sessions, name="Hillside").claims(2)

    answer = biller.get("/feed/export.csv?sort=claim")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["Patient"] for row in rows] == [*NAMES[:-1], "'=cmd()"]
    assert [row["Claim ID"] for row in rows] == [f"N/{number} %<'" for number in range(len(NAMES))]
    assert {row["Total Bal"] for row in rows} == {"1.50"}
    assert "Birth" not in answer.text


def test_the_file_is_named_by_the_practices_own_day(
    practice: GivenPractice, browser_of: Callable[[Actor], Browser], clock: Clock
) -> None:
    practice.claims(1)
    clock.at = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)  # in New York it is still the evening before

    answer = browser_of(practice.biller).get("/feed/export.csv")

    assert answer.text.count("C00001") == 1
    assert 'filename="claims-2026-11-23.csv"' in answer.headers["Content-Disposition"]


def test_a_credit_stays_a_number_in_the_file(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("1", Line(-500, 0))

    [row] = csv.DictReader(io.StringIO(biller.read("/feed/export.csv").removeprefix("\ufeff")))

    assert row["Ins Bal"] == "-5.00"


def test_the_feed_of_another_practice_is_another(practice: GivenPractice, biller: Browser) -> None:
    a_practice(practice.sessions, name="Hillside").claims(3)

    assert rows_of(biller) == 0
    assert json.loads(biller.get("/feed/totals").text)["claims"] == 0
