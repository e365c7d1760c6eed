"""The Live Claims Feed page: filter, columns, totals, selection and export."""

import csv
import datetime as dt
import html
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
from core.policy.rules import RULES
from tests.factories import GivenPractice, Line, a_practice
from tests.webui.api.test_evidence import sheet_of
from tests.webui.conftest import Browser, Clock
from webui.claims.feed_columns import COLUMNS, ELIGIBILITY_PILLS, SHORT_LABELS

NAMES = ["<script>alert(1)</script>", 'O\'Neil "Bob" & Söhne', "😀 Zoë", "مريم العلي", "=cmd()"]


@pytest.fixture
def named(practice: GivenPractice) -> GivenPractice:
    """Return a practice with a claim for each name that could break a page."""
    for number, name in enumerate(NAMES):
        practice.claim(f"N/{number} %<'", Line(100, 50), patient_id=practice.patient(name))
    return practice


def select(browser: Browser, **fields: Any) -> TestResponse:
    return browser.post("/feed/selection", on="/claims", **fields)


def rows_of(browser: Browser, address: str = "/claims") -> int:
    return browser.get(address).text.count("<tr data-claim=")


def test_every_rule_has_a_short_label() -> None:
    assert set(ELIGIBILITY_PILLS) == set(ELIGIBILITY)
    assert {rule.code for rule in RULES} <= set(SHORT_LABELS)


def test_the_feed_shows_names_with_markup_as_text(named: GivenPractice, biller: Browser) -> None:
    source, page = biller.get("/claims").text, biller.read("/claims")

    assert "<script>alert" not in source
    for name in NAMES:
        assert f"<bdi>{name}</bdi>" in page


def test_an_empty_feed_shows_how_to_import_claims(practice: GivenPractice, biller: Browser) -> None:
    way_to_get_some = "Import claims . To try sample claims, create a separate practice on the server"
    assert f"No claims yet. {way_to_get_some}" in biller.says("/claims")


@pytest.mark.parametrize(
    ("typed", "short"),
    [
        ("patient=&office=&from=", ""),
        ("from=8%2F2%2F2021&to=2021-08-28", "from=2021-08-02&to=2021-08-28"),
        ("from=1%2F5%2F26&to=01%2F05%2F2026", "from=2026-01-05&to=2026-01-05"),
        ("from=1-5-26&to=01-05-2026", "from=2026-01-05&to=2026-01-05"),
        ("total_due_min=%24-0.5&total_due_max=1%2C000", "total_due_min=-0.50&total_due_max=1000.00"),
        ("sort=recent&limit=50", ""),
        (
            "billing_status=Settled&billing_status=&billing_status=Balance+Due",
            "billing_status=Settled&billing_status=Balance+Due",
        ),
    ],
)
def test_the_feed_redirects_to_a_short_address(
    practice: GivenPractice, biller: Browser, typed: str, short: str
) -> None:
    practice.claims(1)

    answer = biller.get(f"/claims?{typed}")

    assert answer.status_code == 302
    assert answer.headers["Location"] == ("/claims" + (f"?{short}" if short else ""))
    assert biller.get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("key", "typed", "words"),
    [
        ("from", "31/12/2021", "is not a valid date. Enter it as MM/DD/YYYY"),
        ("to", "yesterday", "Enter the date as MM/DD/YYYY"),
        ("from", "0000-00-00", "is not a valid date. Enter it as MM/DD/YYYY"),
        ("total_due_min", "12.345", "Enter dollars and cents"),
        ("total_due_max", "NaN", "Enter dollars and cents"),
        ("insurance_due_min", "1e9", "Enter dollars and cents"),
        ("patient_due_min", "99999999999", "Enter dollars and cents"),
        ("age_min_days", "-1", "Enter a whole number of days"),
        ("age_max_days", "²", "Enter a whole number of days"),
        ("age_max_days", "40001", "Enter a whole number of days"),
        ("claim_status", "Lost", "Choose one from the list"),
        ("eligibility", "can_setle", "Choose one from the list"),
        ("on_hold", "maybe", "Choose one from the list"),
        ("patient", "x" * 201, "Shorten this"),
    ],
)
def test_a_wrong_filter_value_is_marked_at_its_field_and_the_others_stay(
    practice: GivenPractice, biller: Browser, key: str, typed: str, words: str
) -> None:
    practice.claims(2)

    answer = biller.get(f"/claims?{urlencode({key: typed, 'payer': 'Blue <Cross>'})}")

    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{key}-fault"' in answer.text
    assert 'value="Blue &lt;Cross&gt;"' in answer.text
    assert "<tr data-claim=" not in answer.text


def test_a_filter_with_a_null_character_is_refused(biller: Browser) -> None:
    assert biller.get(f"/claims?{urlencode({'patient': 'a' + chr(0) + 'b'})}").status_code == 400


def test_a_wrong_range_marks_only_the_wrong_end(practice: GivenPractice, biller: Browser) -> None:
    page = biller.get("/claims?total_due_min=5&total_due_max=1").text
    field = page.split('aria-labelledby="total_due_min-label"')[1].split("</div>")[0]
    least, most = field.split("<input")[1:]

    assert "aria-invalid" not in least
    assert 'aria-invalid="true"' in most
    assert "faulty" not in page.split('aria-labelledby="total_due_min-label"')[0].rsplit("<div", 1)[1]


def test_old_yes_and_no_filters_redirect_to_true_and_false(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)

    assert (
        biller.get("/claims?in_job=no").headers["Location"] == "/claims?in_job=false"
    )  # an address that was saved before
    assert rows_of(biller, "/claims?in_job=false") == 1


def test_the_claim_number_field_matches_prefixes_and_a_link_matches_exactly(
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
def test_an_invalid_feed_address_shows_no_claims(practice: GivenPractice, biller: Browser, address: str) -> None:
    practice.claims(2)

    answer = biller.get(f"/claims?{address}")

    assert answer.status_code == 422
    assert "<tr data-claim=" not in answer.text
    assert 'role="alert"' in answer.text


def test_next_links_lead_through_every_claim_once(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(120)
    seen: list[str] = []
    address: str | None = "/claims?sort=claim"
    while address:
        page = " ".join(biller.read(address).split())
        seen += [part.split('"', 1)[0] for part in page.split('<tr data-claim="')[1:]]
        address = page.split('<a rel="next" href="', 1)[1].split('"', 1)[0] if '<a rel="next"' in page else None

    assert seen == [f"C{number:05d}" for number in range(1, 121)]
    assert "101–120" in page


def test_column_headers_show_how_the_feed_is_sorted(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)

    page = biller.read("/claims")
    assert 'aria-sort="other"' in page  # neither ascending nor descending, because future dates are last
    assert 'data-order="sorted by date of service, newest first, future dates last"' in page
    assert 'title="Newest first, future dates last"' in page
    assert 'aria-sort="descending"' in biller.read("/claims?sort=-date")
    assert 'aria-sort="ascending"><a href="/claims?sort=-claim"' in " ".join(biller.read("/claims?sort=claim").split())


@pytest.mark.parametrize("minus", ["", "-"])
def test_every_column_sorts_both_ways(practice: GivenPractice, biller: Browser, minus: str) -> None:
    practice.claims(1)
    biller.post("/feed/columns", on="/claims", column=[column.key for column in COLUMNS])
    heads = re.findall(r'<th scope="col"(?! class="(?:box|info)")[^>]*>', biller.read("/claims"))
    assert len(heads) == len(COLUMNS)

    for place, column in enumerate(COLUMNS):
        page = biller.read(f"/claims?sort={minus}{column.sort}")
        heads = re.findall(r'<th scope="col"(?! class="(?:box|info)")[^>]*>', page)
        same = [n for n, other in enumerate(COLUMNS) if other.sort is column.sort]  # both columns of the age
        assert [n for n, head in enumerate(heads) if "aria-sort" in head] == same
        assert f'aria-sort="{"descending" if minus else "ascending"}"' in heads[place]


def test_a_hidden_column_stays_hidden_in_this_browser(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    shown = ["patient_name", "total_due"]

    answer = biller.post("/feed/columns", on="/claims", column=shown, query="payer=the&sort=claim")

    assert answer.headers["Location"] == "/claims?payer=the&sort=claim"
    page = biller.read("/claims")
    assert "Total Bal</a>" in page
    assert page.count('<th scope="col"') == 2 + 3  # checkbox, info, claim ID, patient, total
    file = biller.read("/feed/export.csv")
    assert file.splitlines()[0] == "\ufeffClaim ID,Patient,Total Bal"


def test_some_columns_are_hidden_by_default_and_all_can_be_shown(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)

    def names() -> list[str]:
        return biller.read("/feed/export.csv").removeprefix("\ufeff").splitlines()[0].split(",")

    assert not {"Supervising Provider", "Allowed", "First EDI"} & set(names())
    assert {"Ins Bal", "Pt Bal", "Total Bal", "Billing Status", "Write-off Check"} < set(names())

    biller.post("/feed/columns", on="/claims", column=[column.key for column in COLUMNS], query="")
    assert names() == [column.name for column in COLUMNS]


def test_totals_are_aligned_under_their_columns(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    head, body = biller.read("/claims?totals=1").split("<thead>")[1].split("</thead>")
    cells = re.findall(r"<t[dh][^>]*>", body.split('id="totals"')[1].split("</tr>")[0])

    assert cells[:2] == ['<td class="box">', '<th scope="row" class="sum-of" colspan="2">']
    assert len(cells) + 1 == head.count("<th ")


def test_a_user_who_cannot_act_has_no_check_boxes_and_filters_in_use_are_named(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claims(2)

    page = approver.read("/claims?age_min_days=1&age_max_days=9999&on_hold=false")

    assert page.count("<tr data-claim=") == 2
    assert 'name="claim_id"' not in page
    assert "More filters in use: Age in days, On hold" in approver.says("/claims?age_min_days=1&on_hold=false")


def test_batch_status_change_is_disabled_without_claims(practice: GivenPractice, biller: Browser) -> None:
    assert 'id="status-menu"' not in biller.read("/claims")
    assert re.search(r"<button[^>]* disabled[^>]*>Batch Status Change", biller.read("/claims"))


def test_a_bad_column_cookie_does_not_break_the_feed(practice: GivenPractice, biller: Browser) -> None:
    biller.client.set_cookie("feed_layout", "0.claim_id.no_such.office-90.total_due-<b>.billed-x")

    page = biller.read("/claims")

    assert "Claim ID" in page
    assert "Office</a>" in page
    assert "Patient</a>" not in page


def test_feed_totals_load_in_a_separate_request(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3, insurance=1_000, patient=500)

    sums = json.loads(biller.get("/feed/totals?total_due_min=1.00").text)

    assert sums["claims"] == 3
    assert "3 matching claims" in sums["row"]
    assert "$45.00" in sums["row"]
    assert "3 matching claims" in biller.read("/claims?totals=1")  # without JavaScript


def test_totals_by_age_link_to_their_claims_under_the_filter_in_force(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("old", Line(0, 1_00), service_date=dt.date(2026, 1, 2))
    practice.claim("new", Line(0, 2_50), service_date=dt.date(2026, 11, 20))

    ages = json.loads(biller.get("/feed/totals?total_due_min=1.00&sort=claim").text)["ages"]

    links = [html.unescape(link) for link in re.findall('href="([^"]+)"', ages)]
    assert links[4] == "/claims?total_due_min=1.00&age_bucket=over-120&sort=claim"
    assert re.findall(r"<b>(.*?)</b>", ages) == ["$2.50", "$0.00", "$0.00", "$0.00", "$1.00"]
    page = biller.read(links[4])
    assert ('data-claim="old"' in page, 'data-claim="new"' in page) == (True, False)
    assert 'href="/claims?total_due_min=1.00&sort=claim" aria-current="true"' in page
    assert "<b>$1.00</b>" in biller.read(f"{links[4]}&totals=1")  # without JavaScript


def test_calculate_counts_shows_the_number_of_claims_for_each_status(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.claim("r", Line(1, 1), billing_status="Internal Review")

    counts = json.loads(biller.get("/feed/counts?billing_status=Settled").text)["counts"]

    assert (counts["Balance Due"], counts["Internal Review"], counts["Settled"]) == ("2", "1", "0")
    assert '<i data-count="Balance Due">2</i>' in biller.read("/claims?counts=1")


def test_the_server_counts_the_claims_and_dollars_of_a_selection(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(4, insurance=1_000, patient=500)

    chosen = json.loads(select(biller, claim_ids=json.dumps(["C00001", "C00003"])).text)
    rest = json.loads(select(biller, scope="matching", filter="claim_id_prefix=C", claim_ids='["C00002"]').text)

    assert (chosen["words"], chosen["dollars"], chosen["total"]) == ("2", "insurance $20.00 · patient $10.00", "$30.00")
    assert (rest["words"], rest["total"]) == ("3", "$45.00")


def test_a_selection_can_contain_200_000_claim_numbers(practice: GivenPractice, biller: Browser) -> None:
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
def test_a_malformed_selection_is_refused(biller: Browser, fields: dict[str, str]) -> None:
    assert select(biller, **fields).status_code == 422


def test_the_export_contains_the_filtered_claims_and_no_formulas(named: GivenPractice, biller: Browser) -> None:
    a_practice(named.sessions, name="Hillside").claims(2)

    answer = biller.get("/feed/export.csv?sort=claim")
    *rows, totals = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline=""))

    assert (totals["Claim ID"], totals["Total Bal"]) == ("Total", f"{1.5 * len(NAMES):.2f}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["Patient"] for row in rows] == [*NAMES[:-1], "'=cmd()"]
    assert [row["Claim ID"] for row in rows] == [f"N/{number} %<'" for number in range(len(NAMES))]
    assert {row["Total Bal"] for row in rows} == {"1.50"}
    assert "Birth" not in answer.text


def test_the_workbook_of_the_feed_has_real_dates_and_names_self_pay(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 5_00), service_date=dt.date(2026, 3, 4), primary_payer_id=None)
    biller.post("/feed/columns", on="/claims", column=["service_date", "primary_payer"])

    head, row = sheet_of(biller.get("/feed/export.xlsx").data)

    cells = dict(zip(head, row, strict=True))
    serial = (dt.date(2026, 3, 4) - dt.date(1899, 12, 30)).days
    assert (cells["Date of Service"], cells["Ins 1"]) == (str(serial), "Self-pay")


def test_a_claim_in_internal_review_says_what_that_means(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 5_00), billing_status="Internal Review")

    means = "An import gives this status to a claim with a credit balance."
    assert f'title="Your office is looking into this claim. {means}' in biller.get("/claims").text
    assert means in biller.says("/claims/C1")


def test_the_export_is_named_by_the_date_in_the_practices_time_zone(
    practice: GivenPractice, browser_of: Callable[[Actor], Browser], clock: Clock
) -> None:
    practice.claims(1)
    clock.at = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)  # still the evening before in New York

    answer = browser_of(practice.biller).get("/feed/export.csv")

    assert answer.text.count("C00001") == 1
    assert 'filename="claims-2026-11-23.csv"' in answer.headers["Content-Disposition"]


def test_a_credit_balance_stays_a_number_in_the_export(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("1", Line(-500, 0))

    row, _totals = csv.DictReader(io.StringIO(biller.read("/feed/export.csv").removeprefix("\ufeff")))

    assert row["Ins Bal"] == "-5.00"
