"""Claims by API: the feed with its filters and cursor, one claim, its ledger."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from core.claims.claim_filter import ClaimFilter
from core.enums.people import Role
from tests.webui.api.conftest import CLAIMS, Api, World


def all_claims(api: Api, **query: Any) -> list[dict[str, Any]]:
    """Return the claims of all pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = api.get("/claims", query_string={"cursor": cursor, "limit": 70, **query})
        assert answer.status_code == 200, answer.json
        found += answer.json["claims"]
        if answer.json["next_cursor"] is None:
            return found
        cursor = answer.json["next_cursor"]


@pytest.fixture(scope="module")
def every_claim(reader: Api) -> list[dict[str, Any]]:
    """All claims, before a test of this module changes the number of one."""
    return all_claims(reader)


def test_the_pages_list_every_claim_exactly_once(reader: Api) -> None:
    ids = [claim["id"] for claim in all_claims(reader)]
    assert len(ids) == len(set(ids)) == CLAIMS


@pytest.mark.parametrize("sort", ["date", "-date", "claim", "-patient", "total_due", "-insurance_due"])
def test_every_sort_order_pages_through_all_claims(reader: Api, sort: str) -> None:
    assert len({claim["id"] for claim in all_claims(reader, sort=sort)}) == CLAIMS


def test_money_is_integer_cents_and_ids_are_strings(reader: Api) -> None:
    for claim in all_claims(reader):
        assert isinstance(claim["id"], str)
        amounts = {key: value for key, value in claim.items() if key.endswith("_cents")}
        assert len(amounts) == 11
        assert all(value is None or type(value) is int for value in amounts.values())
        assert claim["insurance_due_cents"] + claim["patient_due_cents"] == claim["total_due_cents"]
        assert claim["version"] >= 1


def test_billed_equals_adjusted_plus_paid_plus_written_off_plus_balance(world: World, biller: Api) -> None:
    job_id = biller.settled(world)
    settled = [claim["id"] for claim in all_claims(biller, billing_status="Settled") if claim["written_off_cents"] > 1]
    for claim_id in settled[:20]:
        (*_, last) = biller.get(f"/claims/{quote(claim_id, safe='')}/postings").json["postings"]
        paid = {"kind": "payment", "paid_by": "patient", "line": last["line"], "responsibility": last["responsibility"]}
        for cents in (1, 10_000_00):
            assert biller.enter(claim_id, amount_cents=cents, **paid).status_code == 201
    reversal = world.api(Role.ADMIN).reverse(job_id, settled[15:40]).json["id"]
    assert world.api(Role.ADMIN).confirm(reversal).status_code == 202
    world.work()

    claims = all_claims(biller)

    ledger = dict(
        world.sql(
            "SELECT c.external_id, -sum(p.amount_cents) FROM claim c JOIN posting p ON (p.practice_id, p.claim_id) = "
            "(c.practice_id, c.id) LEFT JOIN posting o ON (o.practice_id, o.id) = (p.practice_id, p.reverses_id) "
            "WHERE c.practice_id = :hill AND coalesce(o.kind, p.kind) = 'write_off' GROUP BY 1",
            hill=world.hill,
        )
    )
    assert {claim["id"]: claim["written_off_cents"] for claim in claims} == {
        claim["id"]: ledger.get(claim["id"], 0) for claim in claims
    }
    for claim in claims:
        paid = sum(claim[f"{who}_paid_cents"] for who in ("primary", "secondary", "patient"))
        reductions = claim["adjustment_cents"] + paid + claim["written_off_cents"]
        assert claim["billed_cents"] == reductions + claim["insurance_due_cents"] + claim["patient_due_cents"]
    assert any(claim["total_due_cents"] < 0 for claim in claims), "no claim has a credit balance"
    assert any(claim["id"] in settled[15:40] and claim["written_off_cents"] == 0 for claim in claims)


def test_each_claim_has_a_write_off_check_and_can_be_filtered_by_it(reader: Api) -> None:
    by_code: dict[str, int] = {}
    for claim in all_claims(reader):
        by_code[claim["eligibility"]] = by_code.get(claim["eligibility"], 0) + 1
    assert by_code["can_settle"] > 0
    assert len(by_code) > 3

    for code, count in by_code.items():
        assert len(all_claims(reader, eligibility=code)) == count
    assert len(all_claims(reader, eligibility=list(by_code))) == CLAIMS


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"billing_status": "Balance Due"}, lambda c: c["billing_status"] == "Balance Due"),
        ({"billing_status": ["Balance Due", "Settled"]}, lambda c: c["billing_status"] in {"Balance Due", "Settled"}),
        ({"patient_due_min_cents": 1, "patient_due_max_cents": 2500}, lambda c: 1 <= c["patient_due_cents"] <= 2500),
        ({"total_due_max_cents": -1}, lambda c: c["total_due_cents"] < 0),
        ({"on_hold": "true"}, lambda c: c["hold"] is not None),
        ({"has_secondary": "true"}, lambda c: c["secondary_payer"] is not None),
        ({"from": "2025-01-01", "to": "2025-01-31"}, lambda c: c["service_date"].startswith("2025-01")),
        (
            {"claim_status": "ERA Received", "has_secondary": "false"},
            lambda c: c["primary_status"] == "ERA Received" and c["secondary_payer"] is None,
        ),
        ({"claim_type": "Professional"}, lambda c: c["claim_type"] == "Professional"),
        ({"in_job": "false"}, lambda _: True),
    ],
)
def test_a_filter_returns_exactly_the_claims_that_match(
    reader: Api,
    every_claim: list[dict[str, Any]],
    query: dict[str, Any],
    matches: Callable[[dict[str, Any]], bool],
) -> None:
    expected = {claim["id"] for claim in every_claim if matches(claim)}
    assert expected
    assert {claim["id"] for claim in all_claims(reader, **query)} == expected


@pytest.mark.parametrize(
    "key", [field.alias or name for name, field in ClaimFilter.model_fields.items() if name != "patient"]
)
def test_every_key_of_the_filter_is_a_parameter(reader: Api, key: str) -> None:
    value = {
        "billing_status": "Settled",
        "claim_status": "Rejected", "claim_type": "Professional", "has_primary": "true", "has_secondary": "true",
        "on_hold": "false", "in_job": "false", "age_bucket": "31-60", "age_basis": "first_bill",
        "last_statement_before": "2025-01-01", "denied_from": "2025-01-01", "denied_to": "2025-01-01",
        "denial_group": "CO", "last_answer_from": "2025-01-01", "last_answer_to": "2025-01-01",
        "from": "2025-01-01", "to": "2025-01-01", "last_payment_before": "2025-01-01", "eligibility": "on_hold",
    }.get(key, "1")  # fmt: skip
    assert reader.get("/claims", query_string={key: value}).status_code == 200


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("biling_status=Settled", "biling_status"),
        ("billing_status=", "billing_status"),
        ("claim_type=Dental", "claim_type"),
        ("total_due_min_cents=12.50", "total_due_min_cents"),
        ("total_due_min_cents=1&total_due_min_cents=2", "total_due_min_cents"),
        ("from=03/01/2025", "from: write the date as YYYY-MM-DD"),
        ("from=0", "from: write the date as YYYY-MM-DD"),
        ("total_due_max_cents=50.00", "total_due_max_cents: write whole cents"),
        ("on_hold=y", "on_hold: write true or false"),
        ("limit=5.0", "limit: enter a whole number"),
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("sort=color", "sort"),
        ("cursor=x", "cursor"),
        ("cursor=" + "A" * 100, "cursor"),
        ("eligibility=nonsense", "eligibility"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name(reader: Api, query: str, named: str) -> None:
    answer = reader.get(f"/claims?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "bad_filter")
    assert named in answer.json["detail"]


def test_a_claim_includes_its_service_lines(reader: Api) -> None:
    for claim in all_claims(reader)[:20]:
        answer = reader.get(f"/claims/{claim['id']}")
        assert answer.status_code == 200
        claim_with_lines = answer.json
        assert claim.items() <= {key: value for key, value in claim_with_lines.items() if key != "lines"}.items()
        for side in ("insurance_due_cents", "patient_due_cents"):
            assert sum(line[side] for line in claim_with_lines["lines"]) == claim[side]


def test_a_claim_shows_the_values_that_its_rule_used(reader: Api) -> None:
    number = reader.claim_ids(1, eligibility="on_hold")[0]
    held = reader.get(f"/claims/{number}").json
    assert held["eligibility_words"] == "On hold, or excluded from write-offs"
    assert held["why"] == {"hold": held["hold"]}
    assert [seen["label"] for seen in held["why_words"]] == ["hold"]

    number = reader.claim_ids(1, eligibility="credit_patient")[0]
    credit = reader.get(f"/claims/{number}").json
    assert credit["why"] == {"patient_due": credit["patient_due_cents"]}
    assert credit["why_words"][0]["value"].startswith(("($", "-$"))

    free = reader.get(f"/claims/{reader.claim_ids(1, eligibility='can_settle')[0]}").json
    assert (free["why"], free["why_words"], free["eligibility_words"]) == (None, [], "Can settle")


def test_the_ledger_adds_up_to_the_balances(reader: Api) -> None:
    for claim in all_claims(reader)[:20]:
        answer = reader.get(f"/claims/{claim['id']}/postings")
        assert answer.status_code == 200
        assert answer.json["claim_id"] == claim["id"]
        for side in ("insurance", "patient"):
            entries = [p for p in answer.json["postings"] if p["responsibility"] == side]
            assert sum(p["amount_cents"] for p in entries) == claim[f"{side}_due_cents"]
        assert all(isinstance(p["id"], str) for p in answer.json["postings"])


@pytest.mark.parametrize(
    "number",
    ["A/12", "A//12", "/A", "A/", "été 5", "100%", "x?y#z", "<script>", "a+b", "..", "=1", "🙂", "%2F", "postings"],
)
def test_a_claim_number_can_be_any_text(reader: Api, shared_world: World, number: str) -> None:
    first = reader.claim_ids(1)[0]
    shared_world.sql("UPDATE claim SET external_id = :new WHERE external_id = :old", new=number, old=first)

    answer = reader.get(f"/claims/{quote(number, safe='')}")
    assert (answer.status_code, answer.json["id"]) == (200, number)
    assert reader.get(f"/claims/{quote(number, safe='')}/postings").json["claim_id"] == number


@pytest.mark.parametrize("path", ["/claims/nope", "/claims/nope/postings", "/claims/" + "9" * 5000])
def test_an_unknown_claim_is_not_found(reader: Api, path: str) -> None:
    answer = reader.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
