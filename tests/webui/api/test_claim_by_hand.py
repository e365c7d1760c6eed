"""One claim by API: post to it, set a hold, release it."""

from typing import Any
from urllib.parse import quote

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import NOON, Api, World
from tests.webui.api.test_jobs import refused

PAYMENT = {"kind": "payment", "line": 1, "responsibility": "patient", "paid_by": "patient", "amount_cents": 100}


def claim_to_settle(api: Api, **query: Any) -> dict[str, Any]:
    """Return a claim that can be settled and has a patient balance."""
    wanted = {"eligibility": "can_settle", "patient_due_min_cents": 200, **query}
    number = api.claim_ids(1, **wanted)[0]
    found: dict[str, Any] = api.get(f"/claims/{number}").json
    return found


# Post


def test_a_payment_lowers_the_balance_and_appears_in_the_ledger(biller: Api) -> None:
    claim = claim_to_settle(biller)
    answer = biller.enter(claim["id"], **PAYMENT, note="Card")

    assert answer.status_code == 201, answer.json
    side_effects = {
        "took_back": None, "restored_cents": 0, "credit_cents": 0, "written_off_elsewhere": [], "looks_like": None,
        "request": None,
    }  # fmt: skip
    assert answer.json == {**biller.get(f"/claims/{claim['id']}").json, **side_effects}
    assert answer.json["patient_due_cents"] == claim["patient_due_cents"] - 100
    assert answer.json["patient_paid_cents"] == claim["patient_paid_cents"] + 100
    assert answer.json["version"] == claim["version"] + 1
    last = max(biller.get(f"/claims/{claim['id']}/postings").json["postings"], key=lambda posting: int(posting["id"]))
    assert (last["kind"], last["amount_cents"], last["paid_by"], last["note"], last["user"]) == (
        "payment", -100, "patient", "Card", "The biller",
    )  # fmt: skip
    assert last["posted_on"] == f"{NOON:%Y-%m-%d}"


def test_a_payment_in_the_future_is_refused_with_the_latest_date(biller: Api, world: World) -> None:
    claim = claim_to_settle(biller)
    detail = "posted_on: 2025-03-04 is in the future; the latest date is 2025-03-03"
    assert biller.enter(claim["id"], **PAYMENT, posted_on="2025-03-04").json["detail"] == detail
    assert world.api(Role.ADMIN).post("/periods/2025-03/close").status_code == 200

    detail = "posted_on: 2025-04-02 is in the future; the latest date is 2025-04-01"
    assert biller.enter(claim["id"], **PAYMENT, posted_on="2025-04-02").json["detail"] == detail
    assert biller.enter(claim["id"], **PAYMENT, posted_on="2025-04-01").status_code == 201


def test_an_adjustment_and_a_transfer_can_be_posted(biller: Api) -> None:
    claim = claim_to_settle(biller)
    adjusted = biller.enter(claim["id"], kind="adjustment", line=1, responsibility="patient", amount_cents=50,
                            group_code="CO", reason_code="45", posted_on="2025-02-28")  # fmt: skip
    moved = biller.enter(claim["id"], kind="transfer", line=1, responsibility="patient", amount_cents=30)

    assert (adjusted.status_code, moved.status_code) == (201, 201)
    assert moved.json["patient_due_cents"] == claim["patient_due_cents"] - 80
    assert moved.json["insurance_due_cents"] == claim["insurance_due_cents"] + 30
    assert moved.json["adjustment_cents"] == claim["adjustment_cents"] + 50


def test_an_entry_repeated_with_its_key_posts_once_and_another_entry_is_refused(biller: Api) -> None:
    claim = claim_to_settle(biller)
    first, again = (biller.enter(claim["id"], key="card 1", **PAYMENT) for _ in range(2))

    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    other = biller.enter(claim["id"], key="card 1", **{**PAYMENT, "amount_cents": 99})
    assert refused(other) == (422, "idempotency_mismatch")
    assert biller.get(f"/claims/{claim['id']}").json["patient_due_cents"] == claim["patient_due_cents"] - 100


def test_a_claim_paid_after_the_preview_is_skipped_and_shows_what_changed(world: World, biller: Api) -> None:
    claim = claim_to_settle(biller)
    job_id = biller.previewed({"claim_ids": [claim["id"]]})
    paid = biller.enter(claim["id"], **PAYMENT).json
    biller.confirm(job_id)
    world.work()

    (item,) = biller.get(f"/settle-jobs/{job_id}/items").json["items"]
    assert (item["outcome"], item["code"]) == ("skipped", "changed_since_preview")
    assert item["why"]["previewed_version"] + 1 == item["why"]["version"] == paid["version"]
    assert item["why"]["patient_due"] == paid["patient_due_cents"]
    words = {seen["label"]: seen["value"] for seen in item["why_words"]}
    assert words["patient balance"].startswith("$")
    assert words["claim version at preview"] == str(claim["version"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "gift"}, "kind"),
        ({"kind": None}, "kind"),
        ({"amount_cents": 0}, "amount_cents"),
        ({"amount_cents": -1}, "amount_cents"),
        ({"amount_cents": 1.5}, "amount_cents"),
        ({"amount_cents": "100"}, "amount_cents"),
        ({"amount_cents": 10**30}, "amount_cents"),
        ({"line": 0}, "line"),
        ({"line": 99}, "line"),
        ({"paid_by": "uncle"}, "paid_by"),
        ({"paid_by": None}, "paid_by"),
        ({"responsibility": "both"}, "responsibility"),
        ({"posted_on": "2025-03-04"}, "posted_on"),
        ({"posted_on": "03/01/2025"}, "posted_on"),
        ({"note": "x" * 501}, "note"),
        ({"group_code": "CO"}, "group_code"),
    ],
)
def test_an_invalid_entry_is_refused_and_its_field_is_named(reader: Api, change: dict[str, Any], named: str) -> None:
    claim = claim_to_settle(reader)
    answer = reader.enter(claim["id"], **{**PAYMENT, **change})
    assert refused(answer) == (422, "bad_entry")
    assert named in answer.json["detail"]
    assert reader.get(f"/claims/{claim['id']}").json == claim


def test_an_entry_needs_a_key_and_a_json_body(biller: Api) -> None:
    path = f"/claims/{claim_to_settle(biller)['id']}/postings"
    assert refused(biller.post(path, json=PAYMENT)) == (400, "idempotency_key_missing")
    assert refused(biller.post(path, headers={"Idempotency-Key": "x"})) == (415, "unsupported_media_type")
    nul = biller.post(path, json={**PAYMENT, "note": "\x00"}, headers={"Idempotency-Key": "x"})
    assert refused(nul) == (400, "bad_json")


# Hold


def test_a_claim_on_hold_is_not_settled_until_it_is_released(world: World, biller: Api) -> None:
    claim, admin = claim_to_settle(biller), world.api(Role.ADMIN)
    path = f"/claims/{claim['id']}/hold"
    version = claim["version"]
    for hold in ("hold", "legal_hold", "appeal_open", "payment_plan", "excluded"):
        held = biller.put(path, json={"hold": hold})
        again = biller.put(path, json={"hold": hold})
        if hold == "legal_hold":
            assert refused(biller.put(path, json={"hold": None})) == (403, "legal_hold")
        released = admin.put(path, json={"hold": None})

        assert (held.status_code, held.json["hold"], held.json["eligibility"]) == (200, hold, "on_hold")
        assert held.json["why"] == {"hold": hold}
        assert (again.status_code, again.json) == (200, held.json)
        assert (released.json["hold"], released.json["eligibility"]) == (None, "can_settle")
        assert released.json["version"] == (version := version + 2)


@pytest.mark.parametrize("body", [{}, {"hold": "Hold"}, {"hold": ""}, {"hold": True}, {"hold": "hold", "until": 1}])
def test_an_invalid_hold_is_refused(reader: Api, body: Any) -> None:
    claim = claim_to_settle(reader)
    assert refused(reader.put(f"/claims/{claim['id']}/hold", json=body)) == (422, "bad_body")
    assert reader.get(f"/claims/{claim['id']}").json == claim


# Permissions


def test_another_practices_claim_with_the_same_number_is_not_changed(world: World, biller: Api, stranger: Api) -> None:
    claim = claim_to_settle(biller)
    biller.enter(claim["id"], **PAYMENT)
    biller.put(f"/claims/{claim['id']}/hold", json={"hold": "hold"})
    assert stranger.get(f"/claims/{claim['id']}").json["version"] == claim["version"]

    world.sql("UPDATE claim SET external_id = 'only Hill''s' WHERE external_id = :old AND practice_id = :hill",
              old=claim["id"], hill=world.hill)  # fmt: skip
    assert refused(stranger.enter("only Hill's", **PAYMENT)) == (404, "not_found")
    assert refused(stranger.put("/claims/only%20Hill's/hold", json={"hold": None})) == (404, "not_found")


def test_a_claim_with_any_text_as_its_number_can_be_posted_to_and_held(world: World, biller: Api) -> None:
    numbers = ("A//12", "/A", "été 5%", "postings", "x/hold", "<b>")
    claims = biller.claim_ids(len(numbers), eligibility="can_settle", patient_due_min_cents=200)
    for old, number in zip(claims, numbers, strict=True):
        world.sql("UPDATE claim SET external_id = :new WHERE external_id = :old AND practice_id = :hill",
                  new=number, old=old, hill=world.hill)  # fmt: skip
        assert biller.enter(number, **PAYMENT).json["id"] == number
        assert biller.put(f"/claims/{quote(number, safe='')}/hold", json={"hold": "hold"}).json["id"] == number


def test_what_is_entered_over_the_limit_for_one_claim_waits_for_approval(world: World, biller: Api) -> None:
    admin, approver = world.api(Role.ADMIN), world.api(Role.APPROVER)
    claim = claim_to_settle(biller)
    adjustment = {"kind": "adjustment", "line": 1, "responsibility": "patient", "group_code": "CO", "reason_code": "45"}
    limited = admin.put("/limits", json={"claim_cents": 100, "job_cents": "unlimited"})
    assert limited.status_code == 200, limited.json

    first = biller.enter(claim["id"], key="1", **adjustment, amount_cents=60)
    over = biller.enter(claim["id"], key="2", **adjustment, amount_cents=41)
    assert (first.status_code, first.json["request"], over.status_code) == (201, None, 202)
    assert biller.enter(claim["id"], key="2", **adjustment, amount_cents=41).json == over.json
    assert over.json["patient_due_cents"] == first.json["patient_due_cents"], "nothing is posted"
    asked = over.json["request"]
    assert asked["words"] == "Over the per-claim limit: $1.01 entered by hand within 30 days (limit $1.00)"
    assert (asked["state"], asked["amount_cents"], asked["decided_by"]) == ("waiting", 41, None)
    assert biller.get(f"/claims/{claim['id']}/postings").json["waiting"] == [asked]
    assert biller.get("/approvals").json["postings_waiting_for_others"] == [asked]
    assert approver.get("/approvals").json["postings_waiting_for_me"] == [asked]
    assert refused(biller.post(f"/posting-requests/{asked['id']}/approve")) == (403, "not_allowed")
    assert refused(approver.post("/posting-requests/99/approve")) == (404, "not_found")

    done = approver.post(f"/posting-requests/{asked['id']}/approve")

    assert (done.status_code, done.json["state"]) == (200, "posted")
    again = biller.enter(claim["id"], key="2", **adjustment, amount_cents=41)
    assert (again.status_code, again.json["request"]) == (201, None)
    assert again.json["patient_due_cents"] == first.json["patient_due_cents"] - 41
    posted = biller.get(f"/claims/{claim['id']}/postings").json
    assert (posted["waiting"], posted["postings"][-1]["approved_by"]) == ([], done.json["decided_by"])
    assert biller.get("/approvals").json["postings_decided"] == [done.json]
    words = [one["words"] for one in biller.get("/notices").json["notices"]]
    assert words == ["Adjustment was approved on 1 claim"]


def test_a_payment_equal_to_an_earlier_one_is_posted_and_names_it(biller: Api) -> None:
    claim = claim_to_settle(biller)
    first, second = (biller.enter(claim["id"], key=key, **PAYMENT).json for key in ("1", "2"))
    other = biller.enter(claim["id"], key="3", **{**PAYMENT, "amount_cents": 99}).json

    postings = biller.get(f"/claims/{claim['id']}/postings").json["postings"]
    like = [one["id"] for one in postings if one["amount_cents"] == -100 and one["kind"] == "payment"]
    assert (first["looks_like"], other["looks_like"]) == (None, None)
    assert second["looks_like"] == {"posting_id": like[0], "posted_on": f"{NOON:%Y-%m-%d}"}
    assert len(like) == 2
