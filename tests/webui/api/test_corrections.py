"""Voids, refunds and transfers of credits by API."""

from typing import Any

from werkzeug.test import TestResponse

from tests.webui.api.conftest import Api
from tests.webui.api.test_claim_by_hand import PAYMENT, claim_to_settle
from tests.webui.api.test_jobs import refused


def send(api: Api, claim: dict[str, Any], what: str, key: str, **body: Any) -> TestResponse:
    return api.post(f"/claims/{claim['id']}/{what}", json=body, headers={"Idempotency-Key": key})


def overpaid(api: Api, credit: int = 500) -> dict[str, Any]:
    """Return a claim whose patient has a credit on line 1."""
    claim = claim_to_settle(api)
    due = next(line["patient_due_cents"] for line in claim["lines"] if line["number"] == 1)
    answer = api.enter(claim["id"], **{**PAYMENT, "amount_cents": max(0, due) + credit})
    assert answer.json["credit_cents"] == credit
    return dict(answer.json)


def test_a_posting_is_voided_once(biller: Api) -> None:
    claim = claim_to_settle(biller)
    biller.enter(claim["id"], **PAYMENT)
    postings = biller.get(f"/claims/{claim['id']}/postings").json["postings"]
    payment = max(postings, key=lambda one: int(one["id"]))

    voided = send(biller, claim, f"postings/{payment['id']}/void", "one", note="Wrong claim")
    again = send(biller, claim, f"postings/{payment['id']}/void", "one", note="Wrong claim")

    assert (voided.status_code, again.json) == (201, voided.json)
    assert voided.json["patient_due_cents"] == claim["patient_due_cents"]
    last = max(biller.get(f"/claims/{claim['id']}/postings").json["postings"], key=lambda one: int(one["id"]))
    assert [last["id"]] == voided.json["posting_ids"]
    assert (last["kind"], last["reverses_id"], last["note"]) == ("reversal", payment["id"], "Wrong claim")
    assert refused(send(biller, claim, f"postings/{payment['id']}/void", "two", note="x")) == (409, "already_voided")
    assert refused(send(biller, claim, f"postings/{postings[0]['id']}/void", "3", note="x")) == (409, "not_voidable")
    assert refused(send(biller, claim, f"postings/{payment['id']}/void", "4")) == (422, "bad_entry")
    assert refused(send(biller, claim, "postings/x/void", "5", note="x")) == (404, "not_found")


def test_a_credit_is_refunded_and_never_more_than_the_credit(biller: Api) -> None:
    claim = overpaid(biller)
    body = {"line": 1, "responsibility": "patient", "paid_to": "patient", "note": "Check 7"}

    answer = send(biller, claim, "refunds", "one", amount_cents=400, **body)

    assert (answer.status_code, answer.json["credit_cents"]) == (201, 100)
    assert answer.json["patient_paid_cents"] == claim["patient_paid_cents"] - 400
    assert refused(send(biller, claim, "refunds", "two", amount_cents=101, **body)) == (422, "bad_entry")
    assert refused(send(biller, claim, "refunds", "one", amount_cents=100, **body)) == (422, "idempotency_mismatch")
    assert refused(biller.post(f"/claims/{claim['id']}/refunds", json=body)) == (400, "idempotency_key_missing")


def test_a_credit_is_transferred_to_a_balance_of_the_patient(biller: Api) -> None:
    claim = overpaid(biller)
    others = [one for one in biller.get("/claims", query_string={"limit": 200}).json["claims"] if one != claim]
    other = next(one for one in others if one["patient"] != claim["patient"] and one["patient_due_cents"] > 0)
    body = {"line": 1, "responsibility": "patient", "amount_cents": 100, "note": "Same patient"}
    owes = next(
        (
            (line["number"], side)
            for line in claim["lines"]
            for side in ("insurance", "patient")
            if line[f"{side}_due_cents"] >= 100
        ),
        None,
    )
    if owes:
        to = {"line": owes[0], "responsibility": owes[1]}
        assert send(biller, claim, "credit-transfers", "one", **body, to=to).json["credit_cents"] == 400
    to = {"claim_id": other["id"], "line": 1, "responsibility": "patient"}
    answer = send(biller, claim, "credit-transfers", "two", **body, to=to)

    assert refused(answer) == (422, "bad_entry")
    assert "is for a different patient; choose one for the same patient" in answer.json["detail"]
    assert refused(send(biller, claim, "credit-transfers", "3", **body, to={"line": 1})) == (422, "bad_entry")
