"""The page of the write-offs report: each amount on it leads to a list of claims with that sum."""

import re
from html import unescape

import pytest

from core.enums.practices import PayerClass
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

_AMOUNT = re.compile(
    r'<td class="num nowrap"><a href="(/reports/write-offs/claims\?[^"]+)" aria-label="[^"]+"><span[^>]*>([^<]+)</span>'
)


@pytest.fixture(autouse=True)
def busy(practice: GivenPractice, admin: Browser) -> None:
    practice.claim("1", Line(30_00, 20_00))
    practice.claim("2", Line(0, 100_00), primary_payer_id=practice.payer("A&B ?", PayerClass.TRICARE))
    practice.claim("3", Line(0, 7_00), primary_payer_id=None)
    practice.reverse(practice.settle(), "3", by=admin.actor)
    practice.run()
    practice.post("2", 40_00)


@pytest.mark.parametrize("by", ["", "?by=payer_class&by=payer&by=provider&by=person", "?by=month", "?by=reason"])
def test_each_amount_leads_to_claims_with_that_sum(biller: Browser, by: str) -> None:
    page = biller.get(f"/reports/write-offs{by}")

    links = [(unescape(href), unescape(amount)) for href, amount in _AMOUNT.findall(page.text)]
    assert len(links) >= 10
    for href, amount in dict.fromkeys(links):
        heading = re.search(r'<h2 id="claims-heading">(\d+) claims?, <span[^>]*>([^<]+)<', biller.get(href).text)
        assert heading is not None
        assert unescape(heading[2]) == amount, href


def test_the_list_names_its_group_and_no_address_names_a_patient(biller: Browser) -> None:
    page = biller.get("/reports/write-offs?by=payer&by=person")
    hrefs = [unescape(href) for href, _ in _AMOUNT.findall(page.text)]
    (href,) = (one for one in hrefs if "payer=A%26B" in one and "column=recovered" in one)

    text = biller.get(href).text

    page_links = unescape(page.text)
    assert 'aria-label="$40.00, recovered, A&B ?, biller: open the claims"' in page_links
    assert "Net % of charges" in page_links.partition("By Payer")[0]
    assert "Charges</th>" not in page_links.partition('id="groups-heading"')[2], "a charge has no user"
    assert "Payer: <bdi>A&amp;B ?</bdi>. " in text
    assert "Written off by: <bdi>biller</bdi>. " in text
    assert not any("Patient" in one for one in hrefs)


def test_the_report_says_which_charges_the_rate_counts(biller: Browser) -> None:
    assert (
        "Charges are as first posted. If an import corrects a charge, the difference is an adjustment and is not "
        "included." in biller.says("/reports/write-offs")
    )


def test_the_chart_has_two_bars_for_each_month_and_a_table_with_the_same_months(biller: Browser) -> None:
    text = biller.get("/reports/write-offs?first=2026-10&last=2026-11").text

    heights = re.findall(r'<rect class="([wb])"[^>]*\sheight="(\d+)"', text)
    assert heights == [("w", "0"), ("b", "0"), ("w", "120"), ("b", "35")]  # $47.00 of $157.00
    assert "Highest bar: $157.00" in text
    assert text.index("November 2026</th>") < text.index("October 2026</th>")


def test_the_report_is_downloaded_and_printed(biller: Browser) -> None:
    answer = biller.get("/reports/write-offs/write-offs.csv?first=2026-11&last=2026-11&by=reason")

    assert 'filename="write-offs-2026-11-2026-11.csv"' in answer.headers["Content-Disposition"]
    assert "Small balance,157.00,30.00,127.00,7.00,40.00,0.00,110.00\r\n" in answer.text
    assert "data-print" in biller.get("/reports/write-offs").text
    assert "data-print" in biller.get("/aging").text


def test_a_wrong_request_is_refused_in_words(biller: Browser) -> None:
    answer = biller.get("/reports/write-offs?first=2026-11&last=2026-10")

    assert answer.status_code == 422
    assert "The first month is after the last one." in answer.text
    assert "is not a group" in biller.get("/reports/write-offs?by=weekday").text
    assert "Choose one of these amounts" in biller.get("/reports/write-offs/claims?column=x").text
