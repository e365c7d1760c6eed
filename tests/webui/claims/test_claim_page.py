"""The claim page: any claim ID, the service lines, and the ledger from the first charge to the write-off."""

import datetime as dt
import re
from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.enums.claims import Hold
from core.ledger import credit_moves
from core.ledger.entries import Refund
from core.money import parse_amount
from tests.factories import NOW, TODAY, GivenPractice, Line
from tests.webui.conftest import Browser
from webui.shared import url_converters

OPEN = Callable[[Actor], Browser]

NUMBERS = [
    "184146026", "A/1", "/A", "A/", "A//B", "..", ".", "../jobs", "a b", " a", "100%", "%2F", "%", "~", "~2F", "A~2F1",
    "A+B", "a?b#c", "a&b=c", "é", "e\u0301", "💊", "קליניקה", "<script>alert(1)</script>", "\"'", "a\\b",
    "a;b", "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_a_claim_with_any_claim_number_has_an_address_that_finds_it(
    practice: GivenPractice, biller: Browser, number: str
) -> None:
    practice.claim(number, Line(1_000, 500))
    practice.claim("another", Line(100, 0))

    key = url_converters.encode_claim_id(number)

    assert re.fullmatch(r"[A-Za-z0-9_~-]+", key)
    assert url_converters.decode_claim_id(key) == number
    page = biller.read(f"/claims/{key}")
    assert f"<bdi>{number}</bdi>" in page
    assert "$15.00" in page


def test_markup_in_a_claim_number_is_shown_as_text(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("<script>alert(1)</script>", Line(1_000, 500))

    page = biller.get(f"/claims/{url_converters.encode_claim_id('<script>alert(1)</script>')}").text

    assert "<script>alert" not in page


@pytest.mark.parametrize("key", ["~2", "~zz", "~2f", "~FF", "C1~"])
def test_a_malformed_claim_address_is_not_found(biller: Browser, key: str) -> None:
    assert biller.get(f"/claims/{key}").status_code == 404


def test_no_other_page_has_an_address_that_a_claim_could_have(app: object) -> None:
    """A claim ID may be any text, so no other page may have a one-part address under /claims."""
    rules = [rule.rule for rule in app.url_map.iter_rules()]  # type: ignore[attr-defined]

    assert [rule for rule in rules if re.fullmatch(r"/claims/[^/]+", rule)] == ["/claims/<claim_id:claim_id>"]


def test_the_ledger_lists_postings_from_the_first_charge_to_the_write_off(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(1_000, 500))
    job = practice.settle(note="Year-end clean-up")

    page = biller.read("/claims/C1")

    ledger = page[page.index("Ledger") :]
    rows = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr.*?</tr>", ledger, re.DOTALL)]
    shown = [" ".join(row) for row in rows]
    assert [row.split()[1] for row in shown[1:]] == ["Charge", "Charge", "Write-off", "Write-off"]
    assert "Insurance $10.00 $10.00 $0.00" in shown[1]
    assert "Patient $5.00 $10.00 $5.00" in shown[2]
    assert shown[-1].count("$0.00") == 2
    assert "Small balance “Year-end clean-up”" in shown[-1]
    assert f"/jobs/{job.job_id}" in biller.links("/claims/C1")


def test_a_refund_is_named_in_the_ledger_and_a_claim_without_a_payer_is_self_pay(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(0, 5_00), primary_payer_id=None)
    practice.post("C1", 6_00)
    asked = {"line": 1, "responsibility": "patient", "amount_cents": 1_00, "paid_to": "patient", "note": "Check 7"}
    refund = {"by": practice.biller, "idempotency_key": "refund", "now": NOW}
    practice.do(credit_moves.refund, "C1", Refund.model_validate(asked), **refund)

    page = biller.says("/claims/C1")
    assert "Ins 1 Self-pay" in page
    assert "Refund 1 Patient $1.00" in page
    assert "refund to patient" in page


def test_billed_equals_payments_plus_write_offs_plus_balances(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(10_02, 0), Line(0, -26_48))
    practice.claim("C2", Line(10_02, 5_00))
    practice.settle()
    practice.pay("C2", 1_00)

    tiles = {claim: amounts_of(biller.read(f"/claims/{claim}")) for claim in ("C1", "C2")}

    assert (tiles["C2"]["Patient paid"], tiles["C2"]["Written off"], tiles["C2"]["Total balance"]) == (1_00, 14_02, 0)
    assert "$15.02 billed = $1.00 paid + $0.00 adjustments + $14.02 written off + $0.00 balance" in biller.says(
        "/claims/C2"
    )
    for amounts in tiles.values():
        billed, total = amounts.pop("Billed"), amounts.pop("Total balance")
        assert amounts["Insurance balance"] + amounts["Patient balance"] == total
        assert sum(amounts.values()) == billed


def amounts_of(page: str) -> dict[str, int]:
    """Return the claim's amounts in cents by label, except two that are not part of the sum."""
    (amounts,) = re.findall(r'aria-label="Amounts">(.*?)</section>', page, re.DOTALL)
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", re.sub(r"</?[bs].*?>", "", amounts), re.DOTALL)
    return {words: parse_amount(shown) for words, shown in found if words not in ("Allowed", "Expected reimbursement")}


def test_a_claim_without_lines_shows_no_lines_and_no_postings(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1")

    page = biller.read("/claims/C1")

    assert "This claim has no service lines" in page
    assert "No postings on this claim" in page


def test_a_credit_balance_and_a_hold_are_shown_on_the_claim(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(-1_500, 500), hold=Hold.LEGAL)

    page = biller.read("/claims/C1")

    assert "-$15.00" in page
    assert "Legal hold" in page
    assert "On hold, or excluded from write-offs." in page


def test_a_single_claim_is_previewed_from_its_own_page(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("A/1", Line(1_000, 500))
    page = f"/claims/{url_converters.encode_claim_id('A/1')}"
    assert "/jobs" in biller.forms(page)

    answer = biller.post(
        "/jobs", on=page, target_status="Settled", scope="chosen", claim_id="A/1", reason="small_balance", note=""
    )

    assert answer.status_code == 303
    assert "Awaiting CONFIRM" in biller.read(answer.location)


def test_the_page_shows_the_denial_and_the_statements_and_why_the_claim_is_not_written_off(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim(
        "1", Line(1_000, 500), denied_on=TODAY, denial_group="CO", denial_carc="197", statements_sent=2,
        last_statement_on=dt.date(2026, 10, 1),
    )  # fmt: skip

    shown = biller.says("/claims/1")

    assert "Denied 11/23/2026 CO-197 authorization missing" in shown
    assert "Statements sent 2, last 10/01/2026" in shown
    assert "Denied, and still within the appeal window." in shown


def test_the_feed_finds_claims_by_statements_and_denials(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("denied", Line(1_000, 500), denied_on=TODAY, denial_group="CO", denial_carc="197")
    practice.claim("billed", Line(1_000, 500), statements_sent=3, last_statement_on=dt.date(2026, 10, 1))

    by_denial = biller.says("/claims?denied_from=2026-11-23&denial_group=CO&denial_carc=197")
    by_statements = biller.says("/claims?statements_sent_min=3&last_statement_before=2026-10-02")
    refused = biller.get("/claims?statements_sent_min=3&statements_sent_max=2")

    assert ("denied" in by_denial, "billed " in by_denial) == (True, False)
    assert "1 claim" in by_statements
    assert (refused.status_code, "so no claim can match" in refused.text) == (422, True)


def test_a_job_that_changed_only_the_status_is_on_the_claim_page_and_can_be_reversed_there(
    practice: GivenPractice, biller: Browser, approver: Browser
) -> None:
    practice.claim("PAID", Line(0))
    practice.claim("OWES", Line(10_00))
    practice.claim("OTHER", Line(5_00), hold=Hold.HOLD)
    job = practice.confirmed()
    practice.run()

    page = biller.says("/claims/PAID")
    assert "Jobs 1 confirmed job, oldest first Job Change Result Insurance Patient" in page
    assert f"Job {job.job_id} Balance Due → Settled Settled $0.00 $0.00" in page
    assert "Settled $10.00 $0.00" in biller.says("/claims/OWES")
    assert "Skipped On hold, or excluded from write-offs $0.00 $0.00" in biller.says("/claims/OTHER")
    assert "Reverse this claim" not in biller.says("/claims/PAID")

    assert "Reverse this claim’s write-off" in approver.says("/claims/OWES")
    assert "Reverse this claim’s status change" in approver.says("/claims/PAID")
    assert f"/jobs/{job.job_id}/reverse?claim=PAID" in approver.links("/claims/PAID")
    reversal = practice.request_reversal(job, "PAID", by=approver.actor)
    practice.confirm(reversal, by=approver.actor)
    practice.run()
    page = approver.says("/claims/PAID")
    assert f"Job {reversal.job_id} Reversal of job {job.job_id} Reversed" in page
    assert "Reverse this claim" not in page
