"""The claim page in a real browser: its amounts in one row, and the balances of each line in the form."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line
from tests.remittances import clp, st, svc, take_transactions

pytestmark = no_browser


@pytest.mark.parametrize("width", [1280, 1440, 1920])
def test_the_amounts_are_in_one_row_and_a_line_shows_its_balances(
    practice: GivenPractice, open_as: OPEN, width: int
) -> None:
    practice.claim("184000121", Line(123_456_78, 98_765_43))
    given = svc("222222.21", "50", "CO*45*200000", "PR*2*22172.21")
    take_transactions(practice, st(clp("184000121", "222222.21", "50", given, patient="22172.21"), paid="50"))
    page = open_as("/claims/184000121", practice.biller, viewport={"width": width, "height": 900})

    tops = page.locator(".sums dd").evaluate_all("them => them.map(it => it.getBoundingClientRect().top)")
    assert len(set(tops)) == 1

    page.get_by_text("Post a payment, adjustment or transfer").click()
    chosen = page.locator("#line")
    expect(chosen).to_contain_text("pt $98,765.43")
    # The width that its longest option needs.
    wanted = """it => {
      const free = it.cloneNode(true); free.style.width = "max-content"; document.body.append(free);
      const wide = free.offsetWidth; free.remove(); return wide;
    }"""
    assert chosen.evaluate("it => it.offsetWidth") >= chosen.evaluate(wanted)
    assert not faults_of(page)
