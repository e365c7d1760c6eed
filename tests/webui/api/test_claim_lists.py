"""A job for claim numbers from a list, by API."""

from typing import Any

import pytest

from core.jobs.preview.job_request import CLAIM_NUMBERS_MAX
from tests.webui.api.conftest import Api, World


def refused(answer: Any) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"]


def test_numbers_that_are_not_found_are_answered_and_select_nothing(biller: Api) -> None:
    first, second = biller.claim_ids(2)
    asked = {"claim_numbers": [first, f"00{first}", "nope", second, first]}

    answer = biller.preview(asked, key="a list")

    job = answer.json
    assert (answer.status_code, job["counts"]["claims"]) == (201, 2)
    assert job["selection_words"] == "4 claim numbers from a list, 2 not found"
    assert job["not_found"] == [
        {"claim_number": f"00{first}", "did_you_mean": [first]},
        {"claim_number": "nope", "did_you_mean": []},
    ]
    assert biller.preview(asked, key="a list").json == job
    assert biller.get(f"/settle-jobs/{job['id']}").json == {k: v for k, v in job.items() if k != "not_found"}
    assert refused(biller.preview({"claim_numbers": [first]}, key="a list")) == (422, "idempotency_mismatch")


def test_every_claim_of_claim_ids_must_still_exist(biller: Api) -> None:
    (known,) = biller.claim_ids(1)

    assert refused(biller.preview({"claim_ids": [known, "nope"]})) == (422, "unknown_claim")
    assert biller.preview({"claim_ids": [known]}).json["not_found"] == []


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([], "empty_selection"),
        (["nope"], "nothing_selected"),
        ([""], "bad_job_request"),
        ([7], "bad_job_request"),
        (None, "bad_job_request"),
        ([str(n) for n in range(CLAIM_NUMBERS_MAX + 1)], "bad_job_request"),
    ],
)
def test_a_list_without_a_claim_is_refused(reader: Api, numbers: Any, code: str) -> None:
    answer = reader.preview({"claim_numbers": numbers})

    assert refused(answer) == (422, code)


def test_the_certificate_names_the_list(world: World, biller: Api) -> None:
    (number,) = biller.claim_ids(1, eligibility="can_settle", insurance_due_min_cents=1)

    job_id = biller.settled(world, {"claim_numbers": [number, "nope"]})

    certificate = biller.get(f"/settle-jobs/{job_id}/certificate").json
    assert certificate["selection_words"] == "2 claim numbers from a list, 1 not found"
