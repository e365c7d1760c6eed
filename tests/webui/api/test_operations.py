"""The whole installation by API: for operations alone, in counts and ids."""

import pytest

from core import zone_database
from core.db.engine import make_sessions, transaction
from core.models.people import Role
from core.watch import heartbeat
from core.watch.heartbeat import WORKER, ProcessInfo
from tests.webui.api.conftest import NOON, Api, World

PATH = "/operations"


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.ADMIN])
def test_nobody_of_a_practice_sees_it(still_world: World, role: Role) -> None:
    answer = still_world.api(role).get(PATH)
    assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")


def test_nothing_is_told_without_a_token(still_world: World) -> None:
    answer = still_world.app.test_client().get(f"/api/v1{PATH}", environ_base={"REMOTE_ADDR": "127.9.9.9"})
    assert (answer.status_code, answer.json["code"]) == (401, "token_needed")


def test_jobs_of_every_practice_are_told_by_id_and_count(world: World, biller: Api, stranger: Api) -> None:
    jobs = {(str(api.practice_id), api.previewed(reason="bad_debt")) for api in (biller, stranger)}
    for api, (_, job_id) in zip((biller, stranger), sorted(jobs), strict=True):
        assert api.confirm(job_id).status_code == 202
    with transaction(make_sessions(world.engine)) as session:
        heartbeat.beat(session, ProcessInfo(WORKER, "host", 3, "1", NOON, {"queues": ["settle"]}), now=NOON)

    answer = world.api(Role.OPS).get(PATH)

    assert answer.status_code == 200
    told = answer.json
    assert {(job["practice_id"], job["job_id"]) for job in told["jobs"]["moving"]} == jobs
    assert {job["status"] for job in told["jobs"]["moving"]} == {"confirmed"}
    assert told["jobs"]["by_status"]["confirmed"] == 2
    assert told["chunks_open"] == 6
    assert [(one["kind"], one["alive"], one["queues"]) for one in told["processes"]] == [("worker", True, ["settle"])]
    assert told["broker"] is None
    assert told["time_zones"] == zone_database.in_use().as_json()
    assert told["failures_24_hours"] == {}
    assert "cents" not in answer.get_data(as_text=True)


def test_it_is_described(still_world: World) -> None:
    described = still_world.app.test_client().get("/api/v1/openapi.json").json
    assert "200" in described["paths"]["/api/v1/operations"]["get"]["responses"]
