"""The state of the whole installation by API: for operators only, in counts and ids."""

import pytest

from core import zone_database
from core.db.engine import make_sessions, transaction
from core.enums.people import Role
from core.watch import heartbeat
from core.watch.heartbeat import WORKER, ProcessInfo
from tests.webui.api.conftest import NOON, Api, World

PATH = "/operations"


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.ADMIN])
def test_users_of_a_practice_cannot_read_operations(shared_world: World, role: Role) -> None:
    answer = shared_world.api(role).get(PATH)
    assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")


def test_operations_require_a_token(shared_world: World) -> None:
    answer = shared_world.app.test_client().get(f"/api/v1{PATH}", environ_base={"REMOTE_ADDR": "127.9.9.9"})
    assert (answer.status_code, answer.json["code"]) == (401, "token_needed")


def test_jobs_of_every_practice_are_shown_by_id_and_count(world: World, biller: Api, stranger: Api) -> None:
    jobs = {(str(api.practice_id), api.previewed(reason="bad_debt")) for api in (biller, stranger)}
    for api, (_, job_id) in zip((biller, stranger), sorted(jobs), strict=True):
        assert api.confirm(job_id).status_code == 202
    with transaction(make_sessions(world.engine)) as session:
        heartbeat.record_heartbeat(session, ProcessInfo(WORKER, "host", 3, "1", NOON, {"queues": ["settle"]}), now=NOON)

    answer = world.api(Role.OPS).get(PATH)

    assert answer.status_code == 200
    overview = answer.json
    assert {(job["practice_id"], job["job_id"]) for job in overview["jobs"]["moving"]} == jobs
    assert {job["status"] for job in overview["jobs"]["moving"]} == {"confirmed"}
    assert overview["jobs"]["by_status"]["confirmed"] == 2
    assert overview["chunks_open"] == 6
    assert [(one["kind"], one["alive"], one["queues"]) for one in overview["processes"]] == [
        ("worker", True, ["settle"])
    ]
    assert overview["broker"] is None
    assert overview["time_zones"] == zone_database.current_database().as_json()
    assert overview["failures_24_hours"] == {}
    assert "cents" not in answer.get_data(as_text=True)


def test_the_openapi_document_describes_operations(shared_world: World) -> None:
    described = shared_world.app.test_client().get("/api/v1/openapi.json").json
    assert "200" in described["paths"]["/api/v1/operations"]["get"]["responses"]
