"""Postings by hand over the per-claim limit, on the pages: enter one, then approve, reject or withdraw it."""

from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.enums.people import Role
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser, page_text

OPEN = Callable[[Actor], Browser]
WAITS = "Waits for approval: adjustment of $1.20 by biller , 11/23/2026"
FORM = {
    "kind": "adjustment", "line": "1", "responsibility": "insurance", "amount": "1.20", "group_code": "CO",
    "reason_code": "45", "note": "Contract 7", "posted_on": "", "paid_by": "",
}  # fmt: skip


@pytest.fixture
def other(practice: GivenPractice, browser_of: OPEN) -> Browser:
    """Another user, who may approve, in a practice with a limit of $1.00 for one claim."""
    practice.limit(claim=100)
    practice.claim("C1", Line(1_000, 500))
    return browser_of(practice.person("other@x.example", Role.APPROVER))


def enter(biller: Browser, key: str, **fields: str) -> str:
    """Enter the adjustment, and return what the page then shows."""
    answer = biller.post("/claims/C1/postings", on="/claims/C1", **FORM, idempotency_key=key, **fields)
    assert answer.location == "/claims/C1", page_text(answer)
    return biller.says("/claims/C1")


def test_an_entry_over_the_limit_is_shown_until_another_user_decides(
    practice: GivenPractice, biller: Browser, other: Browser
) -> None:
    why = "Over the per-claim limit: $1.20 entered by hand within 30 days (limit $1.00)."
    shown = enter(biller, "1")
    assert f"Adjustment of $1.20 waits for approval. {why}" in shown
    assert WAITS in shown
    assert "Can be approved by: other." in shown
    assert biller.forms("/claims/C1").count("/posting-requests/1/withdraw") == 1
    assert "/posting-requests/1/approve" not in biller.forms("/claims/C1")
    assert "Your jobs and postings that need approval Claim Posting Amount Waiting" in biller.says("/approvals")
    listed = other.says("/approvals")
    assert "Approvals 1" in listed
    assert "C1 Adjustment, line 1, insurance biller $1.20" in listed
    assert why.removesuffix(".") in listed
    assert "Adjustment needs approval on 1 claim claim C1, $1.20" in other.says("/notices")
    assert "Line 1, insurance, CO-45 contractual, posting date 11/23/2026 : “Contract 7”" in other.says("/claims/C1")

    assert other.post("/posting-requests/1/approve", on="/claims/C1").location == "/claims/C1"

    assert "Approved and posted." in other.says("/claims/C1")
    after = biller.says("/claims/C1")
    assert WAITS not in after
    assert "“Contract 7” biller approved by other" in after
    assert practice.read("C1").insurance_due == 880
    assert "Adjustment of $1.20 to claim C1 was approved by other" in biller.says("/approvals")
    assert "Approved a posting to claim C1" in other.says("/audit")


def test_a_posting_is_rejected_with_a_reason_or_withdrawn(
    practice: GivenPractice, biller: Browser, other: Browser
) -> None:
    enter(biller, "1")
    enter(biller, "2")
    other.post("/posting-requests/1/reject", on="/claims/C1", reason=" ")
    assert "Enter a reason of at most 500 characters." in other.says("/claims/C1")

    other.post("/posting-requests/1/reject", on="/claims/C1", reason="Not in 7")
    assert "Rejected. Nothing was posted." in other.says("/claims/C1")
    biller.post("/posting-requests/2/withdraw", on="/claims/C1")
    assert "Withdrawn. Nothing was posted." in biller.says("/claims/C1")

    other.post("/posting-requests/2/approve", on="/claims/C1")
    assert "The requester has already withdrawn this posting." in other.says("/claims/C1")
    assert other.post("/posting-requests/3/approve", on="/claims/C1").status_code == 404
    assert biller.post("/posting-requests/1/approve", on="/claims/C1").status_code == 403
    assert "was rejected by other on 11/23/2026 10:00:00 AM : “Not in 7”" in biller.says("/approvals")
    assert "The adjustment of $1.20 was already rejected. Nothing was posted." in enter(biller, "1")
    assert practice.read("C1").insurance_due == 1_000


def test_a_credit_is_accepted_before_the_entry_waits(practice: GivenPractice, biller: Browser, other: Browser) -> None:
    big = {**FORM, "amount": "11.00", "idempotency_key": "1"}
    warned = biller.post("/claims/C1/postings", on="/claims/C1", **big)
    assert "Line 1 would have a credit of $1.00 (insurance)." in page_text(warned)
    assert WAITS not in page_text(warned)

    biller.post("/claims/C1/postings", on="/claims/C1", **big, accept_credit="1 insurance 11.00")

    (approve,) = [form for form in other.forms("/claims/C1") if form.endswith("/approve")]
    other.post(approve, on="/claims/C1")
    assert practice.read("C1").insurance_due == -100
